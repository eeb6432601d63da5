//! The first minute of a newcomer: an empty home, no network, one command.

use crate::database::Database;
use crate::server::Server;

on_both_databases!(the_example_shows_everything_and_goes_again);

async fn the_example_shows_everything_and_goes_again(database: Database) {
    let mut server = Server::prepare(database);
    if let Some(url) = &server.database.url {
        server.environment = vec![("EXECUTOR_DATABASE_URL".to_owned(), url.clone())];
    }
    server
        .environment
        .push(("EXECUTOR_PORT".to_owned(), server.port.to_string()));
    // Without a server it brings one for its own time.
    let alone = server.cli(&["example", "--approve"]).await.exits(0);
    assert!(
        alone.out.len() + alone.err.len() > 500,
        "it explains each step: {alone:#?}"
    );

    server.launch().await;
    server.cli(&["example", "--approve"]).await.exits(0);
    server.cli(&["example", "--approve"]).await.exits(0);
    let sources = server
        .cli(&["sources", "list", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(
        sources.as_array().map(Vec::len),
        Some(1),
        "adding it again is harmless: {sources:#}"
    );
    let name = sources[0]["name"].as_str().expect("a name");
    let found = server
        .cli(&["tools", "list", name, "--json"])
        .await
        .exits(0);
    for risk in ["read", "write", "destructive"] {
        assert!(
            found.out.contains(&format!("\"{risk}\"")),
            "{risk}: {found:#?}"
        );
    }
    server.cli(&["example", "--remove"]).await.exits(0);
    let sources = server
        .cli(&["sources", "list", "--json"])
        .await
        .exits(0)
        .json();
    assert_eq!(sources.as_array().map(Vec::len), Some(0), "{sources:#}");
}
