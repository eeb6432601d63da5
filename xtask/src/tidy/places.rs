//! Things that have one place: deciding a call, admitting it, reading the clock, the environment or
//! the status of an HTTP answer. A crate's manifest cannot say so, hence a look at its text, tests
//! left out. It finds the plain spelling only; a reviewer finds the rest.

use super::{File, Finding};

struct Place {
    text: &'static str,
    /// Where the rule holds.
    within: &'static str,
    /// Files, or folders, where the text may stand.
    homes: &'static [&'static str],
    why: &'static str,
}

const PLACES: &[Place] = &[
    Place {
        text: "policy::decide(",
        within: "crates/",
        homes: &["crates/engine/src/gate.rs", "crates/engine/src/gate/"],
        why: "there is one gate, and no way to a tool around it; ask engine::gate",
    },
    Place {
        text: "policy::possible(",
        within: "crates/",
        homes: &["crates/engine/src/gate.rs"],
        why: "what policy may say is asked of the gate too; ask engine::gate",
    },
    Place {
        text: "Admission::by_",
        within: "crates/",
        homes: &["crates/engine/src/gate.rs", "crates/engine/src/gate/"],
        why: "only the gate admits a call; pass on the admission it gave",
    },
    Place {
        text: "System::mint(",
        within: "crates/",
        homes: &["crates/executor/src/serve.rs", "crates/testkit/src/"],
        why: "the right to act for the server itself is made by the composition root alone",
    },
    Place {
        text: "SystemTime::now(",
        within: "crates/",
        homes: &["crates/engine/src/clock.rs", "crates/executor/src/"],
        why: "the clock is passed in, so that tests can set it and replay can repeat it",
    },
    Place {
        text: "env::var",
        within: "crates/",
        homes: &[
            "crates/executor/src/",
            "crates/testkit/src/",
            "crates/sandbox/build.rs",
            "crates/server/build.rs",
            "crates/sandbox/image/",
            // A command gets a few variables of the server's own, such as PATH.
            "crates/tools/src/mcp/stdio.rs",
            // Looks whether it is empty.
            "crates/sandbox/src/isolate/lockdown/door.rs",
        ],
        why: "the environment is read by `executor` and handed down as configuration",
    },
    Place {
        text: "reqwest::Client",
        within: "crates/",
        homes: &["crates/tools/src/egress", "crates/executor/src/client.rs"],
        why: "everything that leaves goes through the guarded client of tools::Egress",
    },
    Place {
        text: "StatusCode",
        within: "crates/server/src/",
        homes: &[
            "crates/server/src/error.rs",
            "crates/server/src/http/answer.rs",
        ],
        why: "two files know status codes; return an error or an answer that they translate",
    },
];

/// Every text that stands outside of its place.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let is_source = file.path.ends_with(".rs")
        && !file.path.contains("/tests/")
        && !file.path.ends_with("/tests.rs")
        && !file.path.contains("/examples/");
    if !is_source {
        return Vec::new();
    }
    let places = PLACES.iter().filter(|place| {
        file.path.starts_with(place.within)
            && !place.homes.iter().any(|home| file.path.starts_with(home))
    });
    places.flat_map(|place| check_place(file, place)).collect()
}

fn check_place<'a>(file: &'a File, place: &'a Place) -> impl Iterator<Item = Finding> + 'a {
    let lines = file
        .text
        .lines()
        .enumerate()
        .take_while(|(_, line)| *line != "#[cfg(test)]");
    let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| line.contains(place.text))
        .map(|(index, _)| {
            let fact = format!(
                "`{}` is out of its place ({})",
                place.text,
                place.homes.join(", ")
            );
            Finding::new(&file.path, index + 1, fact, place.why)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        check(&file)
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn a_second_gate_is_found() {
        let text = "//! x\n// policy::decide( in words\nlet d = domain::policy::decide(&r, &p);\n";
        assert_eq!(lines("crates/engine/src/run.rs", text), [3]);
        assert_eq!(lines("crates/server/src/http.rs", text), [3]);
        assert_eq!(lines("crates/engine/src/gate.rs", text), [0; 0]);
        assert_eq!(lines("crates/engine/tests/it/main.rs", text), [0; 0]);
    }

    #[test]
    fn tests_beside_the_code_are_left_alone() {
        let text = "//! x\n\n#[cfg(test)]\nmod tests {\n    System::mint();\n}\n";
        assert_eq!(lines("crates/store/src/tasks.rs", text), [0; 0]);
        assert_eq!(
            lines("crates/store/src/tasks.rs", "//! x\nSystem::mint();\n"),
            [2]
        );
    }

    #[test]
    fn every_place_exists() {
        for home in PLACES.iter().flat_map(|place| place.homes) {
            let folder = crate::project::root().join(home);
            let parent = folder.parent().expect("a home lies in a folder");
            assert!(
                parent.is_dir(),
                "{home} is no place of the project any more"
            );
        }
    }
}
