//! `executor credentials connect`: prints the link or the code, opens the browser, waits and reports.

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use crate::output::plain;
use crate::terminal::secret;
use api::connects::{Connect, NewConnect};
use reqwest::Method;
use std::path::PathBuf;
use std::time::Duration;

/// How often it is asked where a connect stands.
const LOOK: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The source's name or id
    source: String,
    /// Whom it serves: personal, workspace (the default) or organization
    #[arg(long)]
    scope: Option<String>,
    /// How: browser (the default), device or client-credentials
    #[arg(long)]
    flow: Option<String>,
    /// What to ask for, in place of what the source says; may be given again
    #[arg(long = "oauth-scope", value_name = "SCOPE")]
    oauth_scope: Vec<String>,
    /// Tells apart several accounts at one source
    #[arg(long)]
    label: Option<String>,
    /// The authorization server, where it is not found by itself
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Where a person agrees, where the server does not describe itself
    #[arg(long, value_name = "URL")]
    authorization_url: Option<String>,
    /// Where tokens are given out
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// Where a device asks for a code
    #[arg(long, value_name = "URL")]
    device_url: Option<String>,
    /// The client that was made at the authorization server
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Ask for the client's secret, or read it from stdin
    #[arg(long, requires = "client_id")]
    client_secret: bool,
    /// File with the client's secret
    #[arg(long, value_name = "FILE", requires = "client_id")]
    secret_file: Option<PathBuf>,
    /// An origin on a private network that may be reached for this; may be given again
    #[arg(long, value_name = "ORIGIN")]
    allow_private: Vec<String>,
    /// Print the link instead of opening it
    #[arg(long)]
    print: bool,
    /// Do not wait until somebody has agreed
    #[arg(long)]
    no_wait: bool,
}

pub(crate) async fn run(context: &Context, client: &Client, given: Arguments) -> Result<Exit> {
    let output = &context.output;
    let wants_secret = given.client_secret
        || given.secret_file.is_some()
        || (given.client_id.is_some() && given.flow.as_deref() == Some("client-credentials"));
    let client_secret = if wants_secret {
        let what = format!("Secret of the client for {}", plain(&given.source));
        let value = secret(output, &what, given.secret_file.as_deref())?;
        Some(value.expose().to_owned())
    } else {
        None
    };
    let new = NewConnect {
        scope: given.scope,
        label: given.label,
        flow: given.flow,
        scopes: given.oauth_scope,
        issuer: given.issuer,
        authorization_url: given.authorization_url,
        token_url: given.token_url,
        device_url: given.device_url,
        client_id: given.client_id,
        client_secret,
        allow_private: given.allow_private,
    };
    let path = ["sources", &given.source, "connect"];
    let begun: Connect = client.send(Method::POST, &path, &new).await?;
    if begun.status == "pending" {
        say_where(context, &begun, given.print);
    }
    let ended = if given.no_wait {
        begun
    } else {
        wait(client, begun).await?
    };
    output.show(&ended, |c| match c.status.as_str() {
        "connected" => format!("connected: {} by {}", plain(&c.source), plain(&c.host)),
        "pending" => format!("{}  {}", c.id, c.url),
        other => format!("{other}: {}", plain(&c.source)),
    });
    match ended.status.as_str() {
        "failed" | "expired" => {
            if let Some(problem) = &ended.problem {
                output.failure_line(problem);
            }
            Ok(Exit::Failed)
        }
        _ => Ok(Exit::Done),
    }
}

/// Tells the person where to go on, and opens it where that can be done.
fn say_where(context: &Context, connect: &Connect, print: bool) {
    let output = &context.output;
    let address = match &connect.device {
        Some(device) => {
            output.note(&format!(
                "open {} and enter the code {}",
                plain(&device.verification_uri),
                plain(&device.user_code)
            ));
            device
                .verification_uri_complete
                .as_ref()
                .unwrap_or(&device.verification_uri)
        }
        None => {
            output.note(&format!("open this to go on: {}", plain(&connect.url)));
            &connect.url
        }
    };
    let may_open = !print && !output.json && output.can_ask() && is_web(address);
    if may_open && !crate::commands::web::open(address) {
        output.note("no browser could be started; open the link above yourself");
    }
}

/// Only what a browser opens as a page is ever given to the system to be opened.
fn is_web(address: &str) -> bool {
    let url = url::Url::parse(address);
    url.is_ok_and(|u| matches!(u.scheme(), "http" | "https"))
}

async fn wait(client: &Client, begun: Connect) -> Result<Connect> {
    let mut connect = begun;
    loop {
        if connect.status != "pending" {
            return Ok(connect);
        }
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {
                return Err(Failure::failed(
                    "interrupted",
                    format!("nobody has agreed yet; the link works until {}", connect.expires_at),
                ));
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        connect = client.get(&["connects", &connect.id], &[]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_are_opened() {
        for (address, expected) in [
            ("https://as.example/device?code=1", true),
            ("http://127.0.0.1:5312/connect/conn_1", true),
            ("javascript:alert(1)", false),
            ("file:///etc/passwd", false),
            ("calc.exe", false),
            ("--help", false),
        ] {
            assert_eq!(is_web(address), expected, "{address}");
        }
    }
}
