//! Precedence, mistakes and masking of settings.

use super::*;

fn resolve(flags: &Flags, env: &[(&str, &str)], file: &str) -> Result<Config> {
    let home = Home {
        path: PathBuf::from("/data"),
        origin: Origin::Default,
    };
    let file = parse_file(&home.path.join(FILE_NAME), file)?;
    let environment = |name: &str| {
        env.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| (*v).to_owned())
    };
    Config::resolve(home, flags, &environment, &file)
}

#[test]
fn flags_before_environment_before_file_before_default() {
    let flag = vec![("--port", "port", "1".to_owned())];
    let env = [("EXECUTOR_PORT", "2")];
    for (flags, env, file, port, origin) in [
        (&flag, &env[..], "port = 3", 1, "--port"),
        (&vec![], &env[..], "port = 3", 2, "EXECUTOR_PORT"),
        (&vec![], &[], "port = 3", 3, "/data/executor.toml"),
        (&vec![], &[], "", 5312, "default"),
    ] {
        let config = resolve(flags, env, file).ok().unwrap();
        assert_eq!(
            (config.port, config.origin("port").to_string().as_str()),
            (port, origin)
        );
    }
}

#[test]
fn mistakes_name_the_place_and_the_remedy() {
    for (file, message, next) in [
        (
            "prot = 1",
            "/data/executor.toml: unknown key 'prot'",
            "'port'",
        ),
        (
            "databaseurl = ''",
            "unknown key 'databaseurl'",
            "'database_url'",
        ),
        (
            "port = 70000",
            "port: '70000' from /data/executor.toml is no number from 0 to 65535",
            "listens",
        ),
        ("example = 'maybe'", "is neither true nor false", "example"),
        (
            "trusted_proxies = ['10.0.0.0/8', 'proxy']",
            "('proxy') is neither an address",
            "proxies",
        ),
        ("trusted_proxies = '0.0.0.0/0'", "covers every address", ""),
        (
            "host = 'nowhere'",
            "is no address such as 127.0.0.1",
            "listens",
        ),
    ] {
        let failure = resolve(&vec![], &[], file).err().unwrap();
        assert!(failure.message.contains(message), "{}", failure.message);
        assert!(failure.next_step.unwrap().contains(next), "{file}");
    }
}

#[test]
fn secrets_are_masked() {
    let env = [
        ("EXECUTOR_MASTER_KEY", "abc"),
        ("EXECUTOR_DATABASE_URL", "postgres://me:hunter2@host/db"),
    ];
    let config = resolve(&vec![], &env, "").ok().unwrap();
    let shown = serde_json::to_string(&config.shown()).unwrap();
    assert!(
        !shown.contains("abc") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(shown.contains("postgres://me:********@host/db"), "{shown}");
}
