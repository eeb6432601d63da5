//! Which crate may import which, and which crate owns which foreign thing. Read from the manifests
//! by `cargo metadata`, so that an import is caught before it is used.
//! It allows nothing by default: a new crate, or a new use of an owned library, is a line here.
//! The reasons are in `docs/decisions/0001-crates-and-arrows.md`.

use super::Finding;
use crate::project;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;

/// A crate of ours and the crates of ours it may import.
const ARROWS: &[(&str, Imports)] = &[
    ("executor-domain", Imports::Only(&[])),
    ("executor-api", Imports::Only(&[])),
    ("executor-store", Imports::Only(&["executor-domain"])),
    ("executor-vault", Imports::Only(&["executor-domain"])),
    ("executor-sandbox", Imports::Only(&["executor-domain"])),
    ("executor-tools", Imports::Only(&["executor-domain"])),
    (
        "executor-engine",
        Imports::Only(&[
            "executor-domain",
            "executor-sandbox",
            "executor-store",
            "executor-tools",
            "executor-vault",
        ]),
    ),
    (
        "executor-server",
        Imports::Only(&["executor-api", "executor-domain", "executor-engine"]),
    ),
    ("executor", Imports::AnyProductCrate),
    ("executor-testkit", Imports::AnyProductCrate),
    ("executor-e2e", Imports::Only(&["executor-testkit"])),
    ("xtask", Imports::Only(&[])),
];

/// Crates that exist for development only. The product may not ship them.
const DEVELOPMENT: &[&str] = &["executor-testkit", "executor-e2e", "xtask"];

enum Imports {
    Only(&'static [&'static str]),
    AnyProductCrate,
}

/// A foreign library (`*` at the end stands for any ending), who may name it, and whether the tests
/// of other crates may.
struct Owned {
    library: &'static str,
    owners: &'static [&'static str],
    in_tests: InTests,
}

#[derive(PartialEq, Eq)]
enum InTests {
    Anyone,
    OwnersOnly,
}

const fn owned(library: &'static str, owners: &'static [&'static str], in_tests: InTests) -> Owned {
    Owned {
        library,
        owners,
        in_tests,
    }
}

const OWNED: &[Owned] = &[
    owned("rusqlite", &["executor-store"], InTests::OwnersOnly),
    owned("libsqlite3-sys", &["executor-store"], InTests::OwnersOnly),
    owned("postgres", &["executor-store"], InTests::OwnersOnly),
    owned("tokio-postgres*", &["executor-store"], InTests::OwnersOnly),
    owned("sqlx*", &[], InTests::OwnersOnly),
    owned("sea-orm*", &[], InTests::OwnersOnly),
    owned("diesel*", &[], InTests::OwnersOnly),
    owned("wasmtime*", &["executor-sandbox"], InTests::OwnersOnly),
    owned("oxc*", &["executor-sandbox"], InTests::OwnersOnly),
    owned("rquickjs*", &[], InTests::OwnersOnly),
    owned("landlock", &["executor-sandbox"], InTests::OwnersOnly),
    owned("seccompiler", &["executor-sandbox"], InTests::OwnersOnly),
    owned("chacha20poly1305", &["executor-vault"], InTests::OwnersOnly),
    owned("hmac*", &["executor-vault"], InTests::OwnersOnly),
    owned("aws-lc-rs", &["executor-vault"], InTests::OwnersOnly),
    owned("reqwest", &["executor-tools", "executor"], InTests::Anyone),
    owned("jsonschema", &["executor-tools"], InTests::OwnersOnly),
    owned("apollo-compiler", &["executor-tools"], InTests::OwnersOnly),
    owned("yaml_serde", &["executor-tools"], InTests::OwnersOnly),
    owned("encoding_rs", &["executor-tools"], InTests::OwnersOnly),
    owned("rust-stemmers", &["executor-tools"], InTests::OwnersOnly),
    // The bundled example is a small server of its own, and so are the doubles of tests.
    owned(
        "axum*",
        &["executor-server", "executor", "executor-testkit"],
        InTests::Anyone,
    ),
    owned("tower-http", &["executor-server"], InTests::OwnersOnly),
    owned("rmcp*", &["executor-server"], InTests::OwnersOnly),
    owned("utoipa-axum", &["executor-server"], InTests::OwnersOnly),
    owned(
        "utoipa",
        &["executor-api", "executor-server"],
        InTests::OwnersOnly,
    ),
    owned("clap*", &["executor", "xtask"], InTests::OwnersOnly),
    owned(
        "anyhow",
        &["executor", "executor-testkit", "xtask"],
        InTests::Anyone,
    ),
];

/// What `domain` may use: words and rules need no I/O, no clock and no executor of futures.
const DOMAIN_LIBRARIES: &[&str] = &["serde", "serde_json", "sha2", "thiserror", "zeroize"];

/// A crate of the workspace.
#[derive(Deserialize)]
pub(crate) struct Member {
    /// The package's name.
    pub(crate) name: String,
    /// Its manifest, from the root of the checkout.
    pub(crate) manifest_path: String,
    dependencies: Vec<Dependency>,
    #[serde(skip)]
    manifest: String,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    rename: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Member>,
}

/// The crates of the workspace, as cargo reads their manifests.
///
/// # Errors
/// A manifest that cargo cannot read.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>> {
    let json = project::output(project::cargo().args([
        "metadata",
        "--no-deps",
        "--format-version=1",
        "--quiet",
    ]))?;
    let mut members = serde_json::from_str::<Metadata>(&json)
        .context("cargo metadata changed its form")?
        .packages;
    for member in &mut members {
        member.manifest = std::fs::read_to_string(&member.manifest_path)?;
        let path = Path::new(&member.manifest_path);
        member.manifest_path = path
            .strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string();
    }
    Ok(members)
}

/// Every arrow that is not in the picture and every owned library out of its home.
pub(crate) fn check(members: &[Member]) -> Vec<Finding> {
    members.iter().flat_map(check_member).collect()
}

fn check_member(member: &Member) -> Vec<Finding> {
    let Some((_, imports)) = ARROWS.iter().find(|(name, _)| *name == member.name) else {
        return vec![Finding::new(
            &member.manifest_path,
            1,
            format!("`{}` is a crate that nobody decided on", member.name),
            "a crate exists only if it owns a foreign thing that no other may name; if it does, \
             add it to ARROWS in xtask/src/tidy/arrows.rs and to ARCHITECTURE.md",
        )];
    };
    let findings = member.dependencies.iter().filter_map(|dependency| {
        let (fact, remedy) = if ARROWS.iter().any(|(name, _)| *name == dependency.name) {
            forbidden_arrow(member, imports, dependency)?
        } else {
            foreign_library(member, dependency)?
        };
        Some(Finding::new(
            &member.manifest_path,
            line_of(member, dependency),
            fact,
            remedy,
        ))
    });
    findings.collect()
}

fn forbidden_arrow(
    member: &Member,
    imports: &Imports,
    dependency: &Dependency,
) -> Option<(String, String)> {
    let of_development = DEVELOPMENT.contains(&dependency.name.as_str());
    let allowed = match imports {
        _ if of_development && dependency.is_for_tests() => true,
        Imports::Only(names) => names.contains(&dependency.name.as_str()),
        Imports::AnyProductCrate => !of_development,
    };
    (!allowed).then(|| {
        (
            format!("`{}` may not import `{}`", member.name, dependency.name),
            "see the arrows in ARCHITECTURE.md; move the code to the crate that may, or let the \
             crate above pass in what is needed"
                .into(),
        )
    })
}

fn foreign_library(member: &Member, dependency: &Dependency) -> Option<(String, String)> {
    if member.name == "executor-domain"
        && !dependency.is_for_tests()
        && !DOMAIN_LIBRARIES.contains(&dependency.name.as_str())
    {
        return Some((
            format!("`domain` names `{}`", dependency.name),
            "domain holds words and rules alone: no I/O, no async, no clock; put this in the crate \
             that does the work"
                .into(),
        ));
    }
    // Product tests stand outside of the product: they may look with any tool.
    if member.name == "executor-e2e" {
        return None;
    }
    let owned = OWNED.iter().find(|owned| owned.covers(&dependency.name))?;
    let allowed = owned.owners.contains(&member.name.as_str())
        || (dependency.is_for_tests() && owned.in_tests == InTests::Anyone);
    (!allowed).then(|| {
        let homes = match owned.owners {
            [] => "nobody".to_owned(),
            owners => owners.join(", "),
        };
        (
            format!(
                "`{}` names `{}`, which is owned by {homes}",
                member.name, dependency.name
            ),
            "call the crate that owns it; if its home is to change, change OWNED in \
             xtask/src/tidy/arrows.rs and say why in docs/decisions/"
                .into(),
        )
    })
}

impl Owned {
    fn covers(&self, library: &str) -> bool {
        match self.library.strip_suffix('*') {
            Some(prefix) => library.starts_with(prefix),
            None => library == self.library,
        }
    }
}

impl Dependency {
    fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

fn line_of(member: &Member, dependency: &Dependency) -> usize {
    let key = dependency.rename.as_ref().unwrap_or(&dependency.name);
    let names_it = |line: &str| {
        line.strip_prefix(key.as_str())
            .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    member
        .manifest
        .lines()
        .position(names_it)
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, dependencies: &[(&str, &str)]) -> Member {
        let dependencies = dependencies.iter().map(|(name, kind)| Dependency {
            name: (*name).into(),
            rename: None,
            kind: (!kind.is_empty()).then(|| (*kind).into()),
        });
        let dependencies: Vec<_> = dependencies.collect();
        let lines: Vec<_> = dependencies
            .iter()
            .map(|d| format!("{} = \"1\"", d.name))
            .collect();
        Member {
            name: name.into(),
            manifest_path: format!("crates/{name}/Cargo.toml"),
            manifest: format!("[dependencies]\n{}\n", lines.join("\n")),
            dependencies,
        }
    }

    fn facts(name: &str, dependencies: &[(&str, &str)]) -> Vec<String> {
        check(&[member(name, dependencies)])
            .into_iter()
            .map(|finding| finding.fact)
            .collect()
    }

    #[test]
    fn every_arrow_that_is_not_in_the_picture_is_caught() {
        let product: Vec<&str> = ARROWS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !DEVELOPMENT.contains(name))
            .collect();
        let mut caught = 0;
        for from in &product {
            for to in product.iter().filter(|to| *to != from) {
                let allowed = match (*from, *to) {
                    ("executor", _) => true,
                    (_, "executor") => false,
                    ("executor-api", _) => false,
                    (_, "executor-api") => *from == "executor-server",
                    (_, "executor-domain") => true,
                    ("executor-server", "executor-engine") => true,
                    ("executor-engine", to) => to != "executor-server",
                    _ => false,
                };
                let facts = facts(from, &[(to, "")]);
                assert_eq!(facts.is_empty(), allowed, "{from} -> {to}: {facts:?}");
                caught += usize::from(!allowed);
            }
        }
        assert!(
            caught > 40,
            "the table above allows nearly everything: {caught}"
        );
    }

    #[test]
    fn a_finding_names_the_line_of_the_manifest() {
        let found = check(&[member(
            "executor-store",
            &[("serde", ""), ("executor-tools", "")],
        )]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].file.as_str(), found[0].line),
            ("crates/executor-store/Cargo.toml", 3)
        );
        assert_eq!(
            found[0].fact,
            "`executor-store` may not import `executor-tools`"
        );
    }

    #[test]
    fn testkit_is_for_tests_alone() {
        assert!(facts("executor-store", &[("executor-testkit", "dev")]).is_empty());
        assert_eq!(
            facts("executor-store", &[("executor-testkit", "")]).len(),
            1
        );
        assert_eq!(facts("executor", &[("executor-testkit", "")]).len(), 1);
        assert_eq!(facts("executor", &[("executor-testkit", "build")]).len(), 1);
    }

    #[test]
    fn an_owned_library_stays_at_home() {
        for (name, library) in [
            ("executor-engine", "rusqlite"),
            ("executor-server", "tokio-postgres-rustls"),
            ("executor-tools", "wasmtime"),
            ("executor-engine", "oxc_parser"),
            ("executor-engine", "reqwest"),
            ("executor-store", "chacha20poly1305"),
            ("executor-engine", "axum"),
            ("executor-domain", "tokio"),
            ("executor-store", "sqlx"),
        ] {
            assert_eq!(
                facts(name, &[(library, "")]).len(),
                1,
                "{name} names {library}"
            );
        }
        assert!(facts("executor-store", &[("rusqlite", ""), ("postgres", "")]).is_empty());
        assert!(facts("executor-tools", &[("reqwest", ""), ("axum", "dev")]).is_empty());
        assert_eq!(facts("executor-engine", &[("rusqlite", "dev")]).len(), 1);
    }

    #[test]
    fn a_crate_nobody_decided_on_is_caught() {
        assert_eq!(facts("executor-types", &[]).len(), 1);
    }
}
