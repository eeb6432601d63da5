//! Every layer is looked at, and what must hold and does not keeps programs out (S19).

use sandbox::{Error, Event, Isolate, IsolateConfig, Layer, Sandbox};

use crate::host::{isolate, named, start};

async fn layers_of(name: &str) -> (Isolate, Vec<Layer>) {
    let folder = tempfile::tempdir().unwrap();
    let isolate = Isolate::start(named(folder.path(), name)).await.unwrap();
    let layers = isolate.layers();
    (isolate, layers)
}

fn missing(layers: &[Layer]) -> Vec<&str> {
    let missing = layers.iter().filter(|l| !l.active);
    missing.map(|l| l.name.as_str()).collect()
}

#[tokio::test]
async fn every_layer_is_reported_and_the_wall_stands() {
    let layers = isolate().await.layers();
    let shown: Vec<(&str, bool)> = layers
        .iter()
        .map(|layer| (layer.name.as_str(), layer.required))
        .collect();
    assert_eq!(
        shown,
        [
            ("environment", true),
            ("no_new_privs", true),
            ("not_dumpable", true),
            ("namespaces", false),
            ("empty_root", false),
            ("landlock", false),
            ("capabilities", true),
            ("descriptors", true),
            ("limits", true),
            ("seccomp", true),
        ]
    );
    for layer in &layers {
        assert!(layer.active || !layer.required, "{layer:?}");
        assert_eq!(
            layer.active,
            !layer.detail.starts_with("not active: "),
            "{layer:?}"
        );
    }
}

#[tokio::test]
async fn without_the_filter_nothing_runs_unless_allowed_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let bare = named(folder.path(), "lacking-seccomp");
    let isolate = Isolate::start(bare.clone()).await.unwrap();
    let wall = isolate.layers().pop().unwrap();
    assert!(
        wall.name == "seccomp" && !wall.active && wall.required,
        "{wall:?}"
    );
    let refused = isolate.start(start("return 1")).await.err().unwrap();
    assert!(
        matches!(&refused, Error::Unprotected { layer, .. } if layer == "seccomp"),
        "{refused:?}"
    );
    let said = refused.to_string();
    assert!(said.contains("DANGEROUSLY_ALLOW_WEAK_SANDBOX=1"), "{said}");
    assert_eq!(isolate.refusal().unwrap().to_string(), said);

    let allowed = Isolate::start(IsolateConfig {
        allow_weak: true,
        ..bare
    })
    .await
    .unwrap();
    let layers = allowed.layers();
    assert_eq!(missing(&layers), ["seccomp", "switch"]);
    assert!(layers.iter().all(|l| !l.required), "{layers:?}");
    assert!(allowed.refusal().is_none());
    let mut session = allowed.start(start("return 1")).await.unwrap();
    assert!(matches!(session.next().await, Event::Done { .. }));
}

/// As in an unprivileged container: the filter and Landlock hold, and programs run.
#[tokio::test]
async fn one_layer_of_the_second_wall_is_enough() {
    for (lacking, gone) in [
        (
            "lacking-namespaces",
            ["namespaces", "empty_root"].as_slice(),
        ),
        ("lacking-landlock", ["landlock"].as_slice()),
    ] {
        let (isolate, layers) = layers_of(lacking).await;
        assert_eq!(missing(&layers), gone, "{layers:?}");
        let mut session = isolate.start(start("return 1")).await.unwrap();
        assert!(matches!(session.next().await, Event::Done { .. }));
    }
    let (isolate, layers) = layers_of("lacking-namespaces+landlock").await;
    assert_eq!(missing(&layers), ["namespaces", "empty_root", "landlock"]);
    let refused = isolate.start(start("return 1")).await.err().unwrap();
    assert!(
        matches!(&refused, Error::Unprotected { layer, .. } if layer == "landlock"),
        "{refused:?}"
    );
}

/// The host does not take a worker's word for what the kernel can show.
#[tokio::test]
async fn a_report_that_is_not_true_is_not_believed() {
    let (isolate, layers) = layers_of("liar-unlocked").await;
    let found = missing(&layers);
    assert!(
        found.contains(&"seccomp") && found.contains(&"no_new_privs"),
        "{layers:?}"
    );
    assert!(isolate.refusal().is_some());
    let (isolate, layers) = layers_of("liar-reports-nothing").await;
    assert_eq!(missing(&layers).len(), layers.len(), "{layers:?}");
    assert!(isolate.refusal().is_some());
}
