//! Every setting of the program, once: meaning, default, environment variable.
//!
//! Flags come before the environment, the environment before `executor.toml` in the data directory,
//! and that before the defaults. An unknown key in the file is refused with the nearest known one.
//! Nothing else in the workspace reads the environment.

use crate::failure::{Failure, Result};
use domain::credential::Secret;
use serde::Serialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Name of the configuration file in the data directory.
pub(crate) const FILE_NAME: &str = "executor.toml";

/// What is known about one key.
#[derive(Debug)]
pub(crate) struct Key {
    name: &'static str,
    env: &'static str,
    doc: &'static str,
    default: &'static str,
    shown: Shown,
}

/// How the value of a key may be printed.
#[derive(Debug, Clone, Copy)]
enum Shown {
    /// As it is.
    Plain,
    /// Never.
    Secret,
    /// Without the password in it.
    Address,
}

/// Where an effective value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag of the command line.
    Flag(String),
    /// An environment variable.
    Environment(&'static str),
    /// The configuration file.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One key with its effective value, as `executor config` prints it.
#[derive(Serialize)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    #[serde(serialize_with = "as_text")]
    pub(crate) origin: Origin,
    pub(crate) env: &'static str,
    pub(crate) doc: &'static str,
    #[serde(skip)]
    shown: Shown,
}

fn as_text<S: serde::Serializer>(origin: &Origin, s: S) -> std::result::Result<S::Ok, S::Error> {
    s.collect_str(origin)
}

/// How a type is read from the text of a setting.
trait Value: Sized {
    fn read(text: &str) -> std::result::Result<Self, String>;
}

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:literal, $env:literal, $shown:ident;)*) => {
        /// The effective settings. They hold secrets, so they are not printable as a whole.
        pub(crate) struct Config {
            /// The directory in which everything is kept.
            pub(crate) home: PathBuf,
            $($(#[doc = $doc])+ pub(crate) $name: $type,)*
            settings: Vec<Setting>,
        }

        const KEYS: &[Key] = &[$(Key {
            name: stringify!($name),
            env: $env,
            doc: concat!($($doc),+),
            default: $default,
            shown: Shown::$shown,
        }),*];

        impl Config {
            fn typed(home: PathBuf, settings: Vec<Setting>) -> Result<Self> {
                Ok(Self {
                    home,
                    $($name: read::<$type>(&settings, stringify!($name))?,)*
                    settings,
                })
            }
        }
    };
}

keys! {
    /// Address that the server listens on.
    host: IpAddr = "127.0.0.1", "EXECUTOR_HOST", Plain;
    /// Port that the server listens on; 0 takes any free one.
    port: u16 = "5312", "EXECUTOR_PORT", Plain;
    /// Address under which people reach the server, for links; made from host and port by default.
    public_url: Option<String> = "", "EXECUTOR_PUBLIC_URL", Plain;
    /// Further host names that requests may be addressed to, separated by commas.
    allowed_hosts: Vec<String> = "", "EXECUTOR_ALLOWED_HOSTS", Plain;
    /// PostgreSQL to keep everything in; an embedded file in the data directory by default.
    database_url: Option<String> = "", "EXECUTOR_DATABASE_URL", Address;
    /// Key that protects credentials, 32 bytes in base64; made on first start by default.
    master_key: Option<Secret> = "", "EXECUTOR_MASTER_KEY", Secret;
    /// File that holds the master key.
    master_key_file: Option<PathBuf> = "", "EXECUTOR_MASTER_KEY_FILE", Plain;
    /// Sandbox processes kept warm; one for each processor core by default.
    sandbox_workers: Option<usize> = "", "EXECUTOR_SANDBOX_WORKERS", Plain;
    /// Sandbox processes at most; four for each processor core by default.
    sandbox_workers_max: Option<usize> = "", "EXECUTOR_SANDBOX_WORKERS_MAX", Plain;
    /// Runs programs even where the system cannot lock the sandbox down. Dangerous.
    dangerously_allow_weak_sandbox: bool = "false", "DANGEROUSLY_ALLOW_WEAK_SANDBOX", Plain;
    /// Serves the bundled example API on a loopback port of its own.
    example: bool = "true", "EXECUTOR_EXAMPLE", Plain;
    /// What the server logs: error, warn, info, debug, or a filter such as info,engine=debug.
    log: String = "info", "EXECUTOR_LOG", Plain;
    /// Server that commands speak to; the one of the data directory by default.
    url: Option<String> = "", "EXECUTOR_URL", Address;
    /// API key that commands sign in with; not needed for a server of the same user.
    api_key: Option<Secret> = "", "EXECUTOR_API_KEY", Secret;
    /// Workspace that commands are about, where a key reaches several.
    workspace: Option<String> = "", "EXECUTOR_WORKSPACE", Plain;
}

/// What the command line sets: the flag, the key, the value.
pub(crate) type Flags = Vec<(&'static str, &'static str, String)>;

/// Finds the data directory: the flag, `EXECUTOR_HOME`, or `.executor` in the home directory.
pub(crate) fn home(flag: Option<&Path>) -> Result<PathBuf> {
    let from_env = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let path = flag
        .map(Path::to_path_buf)
        .or_else(|| from_env("EXECUTOR_HOME"))
        .or_else(|| from_env("HOME").map(|h| h.join(".executor")))
        .ok_or_else(|| {
            Failure::usage("there is no place to keep data: HOME is not set")
                .next("give a directory with --data-dir or EXECUTOR_HOME")
        })?;
    std::path::absolute(&path)
        .map_err(|e| Failure::usage(format!("{} is no usable directory: {e}", path.display())))
}

/// Whether the environment asks for output without color (<https://no-color.org>).
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
}

impl Config {
    /// Reads all settings for a data directory.
    pub(crate) fn load(home: PathBuf, flags: &Flags) -> Result<Self> {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = home.join(FILE_NAME);
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => parse_file(&path, &text)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                return Err(Failure::usage(format!(
                    "cannot read {}: {e}",
                    path.display()
                )));
            }
        };
        Self::resolve(home, flags, &environment, &file)
    }

    fn resolve(
        home: PathBuf,
        flags: &Flags,
        environment: &dyn Fn(&str) -> Option<String>,
        file: &[(&'static str, String)],
    ) -> Result<Self> {
        let path = home.join(FILE_NAME);
        let mut settings = Vec::with_capacity(KEYS.len());
        for key in KEYS {
            let (value, origin) = if let Some((flag, _, v)) = flags.iter().find(|f| f.1 == key.name)
            {
                (v.clone(), Origin::Flag((*flag).to_owned()))
            } else if let Some(v) = environment(key.env) {
                (v, Origin::Environment(key.env))
            } else if let Some((_, v)) = file.iter().find(|(name, _)| *name == key.name) {
                (v.clone(), Origin::File(path.clone()))
            } else {
                (key.default.to_owned(), Origin::Default)
            };
            let Key {
                name,
                env,
                doc,
                shown,
                ..
            } = key;
            settings.push(Setting {
                key: name,
                value,
                origin,
                env,
                doc: doc.trim(),
                shown: *shown,
            });
        }
        Self::typed(home, settings)
    }

    /// Every setting as it may be printed: secrets masked.
    pub(crate) fn shown(&self) -> Vec<Setting> {
        let masked = |s: &Setting| match s.shown {
            Shown::Secret if !s.value.is_empty() => "********".to_owned(),
            Shown::Address => without_password(&s.value),
            Shown::Plain | Shown::Secret => s.value.clone(),
        };
        self.settings
            .iter()
            .map(|s| Setting {
                value: masked(s),
                origin: s.origin.clone(),
                ..*s
            })
            .collect()
    }

    /// Where the value of a key came from.
    pub(crate) fn origin(&self, key: &str) -> &Origin {
        &self
            .settings
            .iter()
            .find(|s| s.key == key)
            .expect("keys are asked for by the names they are declared under")
            .origin
    }
}

fn without_password(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(mut url) if url.password().is_some() => {
            // Cannot fail: an address that carries a password can carry another.
            let _kept = url.set_password(Some("********"));
            url.to_string()
        }
        Ok(_) | Err(_) => address.to_owned(),
    }
}

fn read<T: Value>(settings: &[Setting], name: &str) -> Result<T> {
    let setting = settings
        .iter()
        .find(|s| s.key == name)
        .expect("the same list of keys makes fields and settings");
    T::read(setting.value.trim()).map_err(|why| {
        let value = match setting.shown {
            Shown::Secret => "the value".to_owned(),
            Shown::Plain | Shown::Address => format!("'{}'", without_password(&setting.value)),
        };
        Failure::usage(format!("{name}: {value} from {} {why}", setting.origin))
            .next(format!("{name} means: {}", setting.doc))
    })
}

fn parse_file(path: &Path, text: &str) -> Result<Vec<(&'static str, String)>> {
    let place = path.display();
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| Failure::usage(format!("{place} is no valid TOML: {e}")))?;
    let mut values = Vec::new();
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|k| k.name == name) else {
            return Err(
                Failure::usage(format!("{place}: unknown key '{name}'")).next(format!(
                    "the nearest known key is '{}'; `executor config` lists all",
                    nearest(&name)
                )),
            );
        };
        let text = as_setting(&value).ok_or_else(|| {
            Failure::usage(format!(
                "{place}: {name} is a {}, which no key takes",
                value.type_str()
            ))
        })?;
        values.push((key.name, text));
    }
    Ok(values)
}

fn as_setting(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(s) => Some(s.clone()),
        toml::Value::Integer(i) => Some(i.to_string()),
        toml::Value::Boolean(b) => Some(b.to_string()),
        toml::Value::Array(items) => items
            .iter()
            .map(toml::Value::as_str)
            .collect::<Option<Vec<_>>>()
            .map(|i| i.join(",")),
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

fn nearest(name: &str) -> &'static str {
    let distance = |key: &&Key| (strsim::damerau_levenshtein(name, key.name), key.name);
    KEYS.iter().min_by_key(distance).map_or("", |k| k.name)
}

impl Value for String {
    fn read(text: &str) -> std::result::Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for Secret {
    fn read(text: &str) -> std::result::Result<Self, String> {
        Ok(Self::new(text.to_owned()))
    }
}

impl Value for PathBuf {
    fn read(text: &str) -> std::result::Result<Self, String> {
        Ok(Self::from(text))
    }
}

impl Value for bool {
    fn read(text: &str) -> std::result::Result<Self, String> {
        match text {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err("is neither true nor false".to_owned()),
        }
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(impl Value for $type {
        fn read(text: &str) -> std::result::Result<Self, String> {
            text.parse().map_err(|_| format!("is no number from 0 to {}", <$type>::MAX))
        }
    })*};
}
numbers!(u16, usize);

impl Value for IpAddr {
    fn read(text: &str) -> std::result::Result<Self, String> {
        match text {
            "localhost" => Ok(Self::from([127, 0, 0, 1])),
            _ => text
                .parse()
                .map_err(|_| "is no address such as 127.0.0.1 or ::1".to_owned()),
        }
    }
}

impl Value for Vec<String> {
    fn read(text: &str) -> std::result::Result<Self, String> {
        Ok(text
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect())
    }
}

impl<T: Value> Value for Option<T> {
    fn read(text: &str) -> std::result::Result<Self, String> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::read(text).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &Flags, env: &[(&str, &str)], file: &str) -> Result<Config> {
        let home = PathBuf::from("/data");
        let file = parse_file(&home.join(FILE_NAME), file)?;
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
}
