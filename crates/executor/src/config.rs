//! Every setting of the program, once: meaning, default, environment variable.
//!
//! Flags come before the environment, the environment before `executor.toml` in the data directory,
//! and that before the defaults. An unknown key in the file is refused with the nearest known one.
//! Nothing else in the workspace reads the environment.

mod values;

use crate::failure::{Failure, Result};
use domain::credential::Secret;
use domain::sign_in::Mode;
use domain::tenancy::Role;
use serde::Serialize;
use server::Network;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
pub(crate) use values::{Joining, Span};
use values::{Milliseconds, Value};

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

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:literal, $env:literal, $shown:ident;)*) => {
        /// The effective settings. They hold secrets, so they are not printable as a whole.
        pub(crate) struct Config {
            /// The directory in which everything is kept.
            pub(crate) home: PathBuf,
            home_origin: Origin,
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
            fn typed(home: Home, settings: Vec<Setting>) -> Result<Self> {
                Ok(Self {
                    home: home.path,
                    home_origin: home.origin,
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
    /// Reverse proxies that are believed as to whom a request is from, by address or network such as 10.0.0.0/8, separated by commas.
    trusted_proxies: Vec<Network> = "", "EXECUTOR_TRUSTED_PROXIES", Plain;
    /// Origins of MCP clients' own descriptions that may lie at private addresses, separated by commas.
    private_clients: Vec<String> = "", "EXECUTOR_PRIVATE_CLIENTS", Plain;
    /// Origins of push services that may lie at private addresses or be without TLS, separated by commas. See docs/notifications.md.
    push_services: Vec<String> = "", "EXECUTOR_PUSH_SERVICES", Plain;
    /// Authorization server that gives MCP clients their tokens in place of the built-in one: its issuer, as it calls itself.
    authorization_issuer: Option<String> = "", "EXECUTOR_AUTHORIZATION_ISSUER", Plain;
    /// What that server's tokens must be made for; the address of the MCP endpoint by default.
    authorization_audience: Option<String> = "", "EXECUTOR_AUTHORIZATION_AUDIENCE", Plain;
    /// PostgreSQL to keep everything in; an embedded file in the data directory by default.
    database_url: Option<String> = "", "EXECUTOR_DATABASE_URL", Address;
    /// How long this server may be silent before others on the same PostgreSQL take over its tasks, in milliseconds.
    lease_ms: Milliseconds = "15000", "EXECUTOR_LEASE_MS", Plain;
    /// How long ending may take at most when asked to, in milliseconds: tasks are left to other servers meanwhile.
    drain_ms: Milliseconds = "10000", "EXECUTOR_DRAIN_MS", Plain;
    /// Tells other servers on the same PostgreSQL of changes at once; without, they look every second. Off for a pooler that cannot LISTEN.
    notices: bool = "true", "EXECUTOR_NOTICES", Plain;
    /// Key that protects credentials, 32 bytes in base64; made on first start by default.
    master_key: Option<Secret> = "", "EXECUTOR_MASTER_KEY", Secret;
    /// File that holds the master key.
    master_key_file: Option<PathBuf> = "", "EXECUTOR_MASTER_KEY_FILE", Plain;
    /// Where values of credentials are kept that are set from now on: managed, or workos-vault.
    credential_store: String = "managed", "EXECUTOR_CREDENTIAL_STORE", Plain;
    /// API key for WorkOS Vault.
    workos_vault_api_key: Option<Secret> = "", "EXECUTOR_WORKOS_VAULT_API_KEY", Secret;
    /// File that holds the API key for WorkOS Vault.
    workos_vault_api_key_file: Option<PathBuf> = "", "EXECUTOR_WORKOS_VAULT_API_KEY_FILE", Plain;
    /// Address of WorkOS.
    workos_vault_url: String = "https://api.workos.com", "EXECUTOR_WORKOS_VAULT_URL", Address;
    /// Sandbox processes kept warm; one for each processor core by default.
    sandbox_workers: Option<usize> = "", "EXECUTOR_SANDBOX_WORKERS", Plain;
    /// Sandbox processes at most; four for each processor core by default.
    sandbox_workers_max: Option<usize> = "", "EXECUTOR_SANDBOX_WORKERS_MAX", Plain;
    /// Runs programs even where the system cannot lock the sandbox down. Dangerous.
    dangerously_allow_weak_sandbox: bool = "false", "DANGEROUSLY_ALLOW_WEAK_SANDBOX", Plain;
    /// Offers the runtime `local-bun`, in which programs have the rights of the server's user. Dangerous.
    dangerously_allow_local_vm: bool = "false", "DANGEROUSLY_ALLOW_LOCAL_VM", Plain;
    /// Program that runs `local-bun`, where it is allowed: a path, or a name to look for on the path.
    bun: PathBuf = "bun", "EXECUTOR_BUN", Plain;
    /// TypeScript's compiler, version 7, to check types where that is asked for; `tsc` on PATH by default.
    tsc: Option<PathBuf> = "", "EXECUTOR_TSC", Plain;
    /// Address of the Worker that offers the runtime `cloudflare-worker`; see runtimes/cloudflare-worker.
    cloudflare_worker_url: Option<String> = "", "EXECUTOR_CLOUDFLARE_WORKER_URL", Address;
    /// Secret that this server and that Worker share.
    cloudflare_worker_secret: Option<Secret> = "", "EXECUTOR_CLOUDFLARE_WORKER_SECRET", Secret;
    /// File that holds the secret shared with that Worker.
    cloudflare_worker_secret_file: Option<PathBuf> = "", "EXECUTOR_CLOUDFLARE_WORKER_SECRET_FILE", Plain;
    /// How people sign in: local, anonymous, oidc or workos. See docs/sign-in.md.
    sign_in_mode: Mode = "local", "EXECUTOR_SIGN_IN_MODE", Plain;
    /// Who signs people in beside visitors, in mode anonymous: oidc or workos; by default only links do.
    sign_in_provider: Option<Mode> = "", "EXECUTOR_SIGN_IN_PROVIDER", Plain;
    /// Issuer of the OpenID Connect provider, exactly as it calls itself.
    sign_in_issuer: Option<String> = "", "EXECUTOR_SIGN_IN_ISSUER", Plain;
    /// Client id at the OpenID Connect provider, or at WorkOS.
    sign_in_client_id: Option<String> = "", "EXECUTOR_SIGN_IN_CLIENT_ID", Plain;
    /// Secret of that client; at WorkOS the API key.
    sign_in_client_secret: Option<Secret> = "", "EXECUTOR_SIGN_IN_CLIENT_SECRET", Secret;
    /// File that holds the secret of that client.
    sign_in_client_secret_file: Option<PathBuf> = "", "EXECUTOR_SIGN_IN_CLIENT_SECRET_FILE", Plain;
    /// What the OpenID Connect provider is asked for, beside openid.
    sign_in_scopes: Vec<String> = "profile,email", "EXECUTOR_SIGN_IN_SCOPES", Plain;
    /// Domains that a verified address must lie in; without any everybody whom the provider knows may come.
    sign_in_email_domains: Vec<String> = "", "EXECUTOR_SIGN_IN_EMAIL_DOMAINS", Plain;
    /// Whether new people join the server's organization, or come by invite alone: join or invite; with WorkOS invite by default.
    sign_in_organization: Option<Joining> = "", "EXECUTOR_SIGN_IN_ORGANIZATION", Plain;
    /// Role of people who join: member, billing_admin, admin or owner.
    sign_in_role: Role = "member", "EXECUTOR_SIGN_IN_ROLE", Plain;
    /// Claim whose words come to roles, such as groups; without it roles are given by hand.
    sign_in_role_claim: Option<String> = "", "EXECUTOR_SIGN_IN_ROLE_CLAIM", Plain;
    /// Which words come to which role, such as ops=admin; with WorkOS owner, admin, billing_admin and member do by default.
    sign_in_role_map: Vec<String> = "", "EXECUTOR_SIGN_IN_ROLE_MAP", Plain;
    /// How long a session lasts without use, such as 7d.
    sign_in_session_idle: Span = "7d", "EXECUTOR_SIGN_IN_SESSION_IDLE", Plain;
    /// How long a session lasts in all, such as 30d.
    sign_in_session_max: Span = "30d", "EXECUTOR_SIGN_IN_SESSION_MAX", Plain;
    /// How long a visitor's workspace is kept without use, such as 7d.
    sign_in_visitor_idle: Span = "7d", "EXECUTOR_SIGN_IN_VISITOR_IDLE", Plain;
    /// Visitors that are kept at most.
    sign_in_visitors_max: usize = "10000", "EXECUTOR_SIGN_IN_VISITORS_MAX", Plain;
    /// What webhooks of WorkOS are signed with; without it none are taken.
    sign_in_webhook_secret: Option<Secret> = "", "EXECUTOR_SIGN_IN_WEBHOOK_SECRET", Secret;
    /// File that holds what webhooks of WorkOS are signed with.
    sign_in_webhook_secret_file: Option<PathBuf> = "", "EXECUTOR_SIGN_IN_WEBHOOK_SECRET_FILE", Plain;
    /// Organization of WorkOS (org_…) that the server's own stands for.
    sign_in_workos_organization: Option<String> = "", "EXECUTOR_SIGN_IN_WORKOS_ORGANIZATION", Plain;
    /// Where WorkOS answers.
    sign_in_workos_url: String = "https://api.workos.com", "EXECUTOR_SIGN_IN_WORKOS_URL", Address;
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

/// The data directory and what named it. It is no key of the file, which lies in it.
pub(crate) struct Home {
    path: PathBuf,
    origin: Origin,
}

const HOME: &str = "EXECUTOR_HOME";

impl Home {
    /// Finds it: the flag, `EXECUTOR_HOME`, or `.executor` in the home directory.
    pub(crate) fn find(flag: Option<&Path>) -> Result<Self> {
        let from_env = |name| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let (path, origin) = if let Some(path) = flag {
            (path.to_path_buf(), Origin::Flag("--data-dir".to_owned()))
        } else if let Some(path) = from_env(HOME) {
            (path, Origin::Environment(HOME))
        } else if let Some(user) = from_env("HOME") {
            (user.join(".executor"), Origin::Default)
        } else {
            return Err(
                Failure::usage("there is no place to keep data: HOME is not set")
                    .next("give a directory with --data-dir or EXECUTOR_HOME"),
            );
        };
        let path = std::path::absolute(&path).map_err(|e| {
            Failure::usage(format!("{} is no usable directory: {e}", path.display()))
        })?;
        Ok(Self { path, origin })
    }
}

/// Whether the environment asks for output without color (<https://no-color.org>).
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
}

/// A variable of the environment that a person named, for the one command that takes credentials
/// from there. Nothing else looks at variables that are no settings.
pub(crate) fn variable(name: &str) -> Option<Secret> {
    std::env::var(name).ok().map(Secret::new)
}

/// Where a development build is to die: `EXECUTOR_FAULT=call.sent:before:1`. No release reads this.
#[cfg(debug_assertions)]
pub(crate) fn fault() -> Option<String> {
    std::env::var("EXECUTOR_FAULT").ok()
}

/// Where a program is: the path itself, or the first on the search path by that name.
pub(crate) fn program(name: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = match name.components().count() {
        1 => std::env::split_paths(&path).collect(),
        _ => vec![PathBuf::new()],
    };
    let found = folders.iter().map(|folder| folder.join(name));
    let found = found.into_iter().find(|path| path.is_file())?;
    std::path::absolute(found).ok()
}

impl Config {
    /// Reads all settings for a data directory.
    pub(crate) fn load(home: Home, flags: &Flags) -> Result<Self> {
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = home.path.join(FILE_NAME);
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
        home: Home,
        flags: &Flags,
        environment: &dyn Fn(&str) -> Option<String>,
        file: &[(&'static str, String)],
    ) -> Result<Self> {
        let path = home.path.join(FILE_NAME);
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
        let home = Setting {
            key: "data_dir",
            value: self.home.display().to_string(),
            origin: self.home_origin.clone(),
            env: HOME,
            doc: "Directory that everything is kept in; --data-dir.",
            shown: Shown::Plain,
        };
        let others = self.settings.iter().map(|s| Setting {
            value: masked(s),
            origin: s.origin.clone(),
            ..*s
        });
        std::iter::once(home).chain(others).collect()
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

/// An address as it may be shown: a password in it is masked.
pub(crate) fn without_password(address: &str) -> String {
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
    // A table holds the keys that begin with its name: `mode` in `[sign_in]` is `sign_in_mode`.
    let flat = table.into_iter().flat_map(|(name, value)| {
        let toml::Value::Table(inner) = value else {
            return vec![(name, value)];
        };
        let named = inner.into_iter();
        named
            .map(|(key, value)| (format!("{name}_{key}"), value))
            .collect()
    });
    for (name, value) in flat {
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

#[cfg(test)]
mod tests;
