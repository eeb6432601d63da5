//! `executor serve`: the server in the foreground, until a signal ends it.

use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::serve;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs the server, in the foreground
#[derive(clap::Args)]
#[command(
    after_help = "Ctrl-C or SIGTERM ends it within drain_ms, after running calls are recorded; a second one at\nonce. Nothing is lost either way: live tasks go on at other servers of the same PostgreSQL,\nor at the next start.\n\nExamples:\n  executor serve\n  executor serve --port 6000 --data-dir ./data\n  executor serve --database-url postgres://executor@localhost/executor"
)]
pub(crate) struct Arguments {
    /// Address to listen on [env: EXECUTOR_HOST] [default: 127.0.0.1]
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Port to listen on; 0 takes any free one [env: EXECUTOR_PORT] [default: 5312]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// PostgreSQL to keep everything in [env: EXECUTOR_DATABASE_URL] [default: a file in the data directory]
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// How people sign in: local, anonymous, oidc or workos [env: EXECUTOR_SIGN_IN_MODE] [default: local]
    #[arg(long, value_name = "MODE")]
    pub(crate) sign_in: Option<String>,
}

pub(crate) async fn serve(context: &Context) -> Result<Exit> {
    log_to_stderr(&context.config.log)?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut running = serve::start(&context.config).await?;
    context.output.show(&running.notice, |n| {
        format!(
            "executor is ready on {} (data in {}, Ctrl-C ends it)",
            n.address,
            context.config.home.display()
        )
    });
    if let Some(secret) = &running.setup {
        // Here and nowhere else: whoever reads the console sets the server up.
        context.output.err(&format!(
            "nobody owns this server yet: sign in at {}/setup and enter {}",
            running.public_url,
            secret.expose()
        ));
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        ended = running.ended() => return ended.map(|()| Exit::Failed),
    }
    context.output.note("ending; once more to end at once");
    tokio::select! {
        stopped = running.stop() => stopped.map(|()| Exit::Done),
        _ = interrupt.recv() => Ok(Exit::Canceled),
        _ = terminate.recv() => Ok(Exit::Canceled),
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|e| Failure::failed("system", format!("cannot listen for signals: {e}")))
}

fn log_to_stderr(filter: &str) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|e| {
        Failure::usage(format!("log: '{filter}' is no log filter: {e}"))
            .next("use error, warn, info, debug, or a filter such as info,engine=debug")
    })?;
    // The MCP library logs whole messages, programs and results included, which no log may hold.
    let quiet = "rmcp=warn"
        .parse()
        .expect("the directive is written by hand and valid");
    let filter = filter.add_directive(quiet);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr()) && !crate::config::no_color();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .init();
    Ok(())
}
