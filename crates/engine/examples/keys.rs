//! What it costs to find out whom an API key stands for and whether its scopes reach: warm, where the
//! server knows the key for the moment, and cold, right after somebody's rights changed.
//!
//! `cargo run --release -p executor-engine --example keys` measures and prints one JSON object per
//! figure. Budgets: 30 µs warm, 1 ms cold.

#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::access::{Channel, Permission, Scopes, System};
use domain::credential::Secret;
use domain::key::KeyLimits;
use engine::{Engine, NewKey, Parts, Runtimes, Sharing, SystemClock};
use serde_json::json;

/// Why a measurement was not taken.
type Failed = Box<dyn Error + Send + Sync>;

const WARM: usize = 100_000;
const COLD: usize = 1_000;

fn main() -> Result<(), Failed> {
    if std::env::args().nth(1).as_deref() == Some("sandbox-worker") {
        sandbox::worker_main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

fn new_key(name: &str) -> NewKey {
    NewKey {
        name: name.to_owned(),
        account_id: None,
        expires_at: None,
        scopes: Some(Scopes::USUAL),
        limits: KeyLimits::default(),
    }
}

async fn measure() -> Result<(), Failed> {
    let directory = tempfile::tempdir_in(".")?;
    let isolate = sandbox::Isolate::start(sandbox::IsolateConfig {
        workers_min: 1,
        workers_max: 1,
        ..sandbox::IsolateConfig::new(std::env::current_exe()?)
    });
    let location = store::Location::File(directory.path().join("figures.db"));
    let engine = Engine::start(Parts {
        store: store::Store::open(location).await?,
        vault: vault::Vault::new(vault::MasterKey::from_bytes([7; 32])),
        runtimes: Runtimes::new(Arc::new(isolate.await?), Vec::new()),
        // Nobody writes down what is lost here.
        incidents: tokio::sync::mpsc::channel(1).1,
        type_checker: None,
        egress: tools::Egress::new(tools::EgressConfig::default()),
        credential_store: engine::CredentialStore::default(),
        clock: Arc::new(SystemClock),
        system: System::mint(),
        public_url: "http://127.0.0.1:4788".into(),
        server_id: "figures".into(),
        sharing: Sharing::default(),
        sign_in: engine::SignInConfig::default(),
        push_services: Vec::new(),
        authorization: engine::Authorization::default(),
    })
    .await?;
    let owner = engine.local_caller(Channel::Api, "figures".into());
    let (_, secret) = engine.create_key(&owner, new_key("measured")).await?;
    look(&engine, &secret).await?;
    let mut warm = Vec::with_capacity(WARM);
    for _ in 0..WARM {
        warm.push(look(&engine, &secret).await?);
    }
    print(
        "key and scope, warm",
        warm,
        "the server knows the key for the moment",
    );
    let mut cold = Vec::with_capacity(COLD);
    for _ in 0..COLD {
        // Whatever ends changes what may come in: nothing that was known counts any more.
        let (spare, _) = engine.create_key(&owner, new_key("spare")).await?;
        engine.revoke_key(&owner, &spare.id).await?;
        cold.push(look(&engine, &secret).await?);
    }
    print(
        "key and scope, cold",
        cold,
        "read from an embedded database",
    );
    engine.shutdown().await;
    Ok(())
}

/// How long it takes to find a caller by their key, and to check one permission.
async fn look(engine: &Engine, secret: &Secret) -> Result<Duration, Failed> {
    let begun = Instant::now();
    let caller = engine
        .key_caller(secret, Channel::Api, String::new())
        .await?
        .ok_or("the key is not known")?;
    caller.scope(Permission::RunTasks)?;
    Ok(begun.elapsed())
}

fn print(name: &str, mut times: Vec<Duration>, note: &str) {
    times.sort_unstable();
    for share in [50, 99] {
        let at = times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
        let name = format!("{name} p{share}");
        println!(
            "{}",
            json!({ "name": name, "value": at, "unit": "µs", "note": note })
        );
    }
}
