//! How people sign in, from the settings: what belongs together, what is missing, what contradicts.

use crate::config::{Config, Joining};
use crate::failure::{Failure, Result};
use domain::credential::Secret;
use domain::sign_in::{Lasting, Mode, Newcomers, RoleMap};
use domain::tenancy::Role;
use engine::{ProviderConfig, SignInConfig};
use std::path::Path;

/// Reads the settings whose names begin with `sign_in`.
///
/// # Errors
/// What is missing or does not fit, by the key's name.
pub(crate) fn read(config: &Config) -> Result<SignInConfig> {
    let by = provider(config)?;
    let provider = match by {
        None => None,
        Some(Mode::WorkOs) => Some(workos(config)?),
        Some(Mode::Oidc | Mode::Local | Mode::Anonymous) => Some(oidc(config)?),
    };
    let lasting = Lasting {
        idle_ms: config.sign_in_session_idle.0,
        whole_ms: config.sign_in_session_max.0,
    };
    if lasting.idle_ms > lasting.whole_ms {
        return Err(wrong(
            config,
            "sign_in_session_idle",
            "is longer than sign_in_session_max, after which a session ends anyhow",
        ));
    }
    let usual = match by {
        // There organizations come from WorkOS.
        Some(Mode::WorkOs) => Joining::Invite,
        Some(Mode::Oidc | Mode::Local | Mode::Anonymous) | None => Joining::Join,
    };
    Ok(SignInConfig {
        mode: config.sign_in_mode,
        provider,
        lasting,
        newcomers: match config.sign_in_organization.unwrap_or(usual) {
            Joining::Join => Newcomers::Join(config.sign_in_role),
            Joining::Invite => Newcomers::ByInvite,
        },
        email_domains: config.sign_in_email_domains.clone(),
        roles: roles(config, by)?,
        visitor_idle_ms: config.sign_in_visitor_idle.0,
        visitors_max: u64::try_from(config.sign_in_visitors_max).unwrap_or(u64::MAX),
    })
}

/// What a request shows that comes from the user who runs the server. Not asked for in mode `local`,
/// where being a process of that user is enough.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn owner_token(sign_in: &SignInConfig) -> Result<Option<Secret>> {
    if sign_in.mode == Mode::Local {
        return Ok(None);
    }
    let mut bits = [0u8; 32];
    getrandom::fill(&mut bits)
        .map_err(|e| Failure::failed("system", format!("no random bytes could be had: {e}")))?;
    let text = bits.iter().map(|b| format!("{b:02x}")).collect();
    Ok(Some(Secret::new(text)))
}

fn wrong(config: &Config, key: &str, why: &str) -> Failure {
    Failure::usage(format!("{key} from {} {why}", config.origin(key)))
        .next("docs/sign-in.md says which settings belong together")
}

fn missing(mode: Mode, key: &str, what: &str) -> Failure {
    Failure::usage(format!("sign-in by {} needs {key}: {what}", mode.as_str())).next(format!(
        "set {key} in executor.toml, or EXECUTOR_{}",
        key.to_uppercase()
    ))
}

/// Which provider is wanted, if one is.
fn provider(config: &Config) -> Result<Option<Mode>> {
    let by = match (config.sign_in_mode, config.sign_in_provider) {
        (mode @ (Mode::Oidc | Mode::WorkOs), None) => Some(mode),
        (mode @ (Mode::Oidc | Mode::WorkOs), Some(provider)) if mode == provider => Some(mode),
        (Mode::Anonymous, Some(provider @ (Mode::Oidc | Mode::WorkOs))) => Some(provider),
        (Mode::Anonymous | Mode::Local, None) => None,
        (_, Some(Mode::Local | Mode::Anonymous)) => {
            return Err(wrong(
                config,
                "sign_in_provider",
                "is neither oidc nor workos",
            ));
        }
        (_, Some(_)) => {
            return Err(wrong(
                config,
                "sign_in_provider",
                "contradicts sign_in_mode: it is for mode anonymous",
            ));
        }
    };
    if by.is_none() {
        for key in [
            "sign_in_issuer",
            "sign_in_client_id",
            "sign_in_client_secret",
            "sign_in_client_secret_file",
        ] {
            if !matches!(config.origin(key), crate::config::Origin::Default) {
                return Err(wrong(
                    config,
                    key,
                    "is for sign-in by oidc or workos, and sign_in_mode is another",
                ));
            }
        }
    }
    Ok(by)
}

fn oidc(config: &Config) -> Result<ProviderConfig> {
    let issuer = config.sign_in_issuer.clone().ok_or_else(|| {
        missing(
            Mode::Oidc,
            "sign_in_issuer",
            "the provider's address as it calls itself, such as https://id.example.com",
        )
    })?;
    check_address(config, "sign_in_issuer", &issuer)?;
    let client_id = config.sign_in_client_id.clone().ok_or_else(|| {
        missing(
            Mode::Oidc,
            "sign_in_client_id",
            "the name under which the provider knows this server",
        )
    })?;
    Ok(ProviderConfig::Oidc(tools::oidc::Client {
        issuer,
        client_id,
        client_secret: secret(
            config,
            config.sign_in_client_secret.as_ref(),
            "sign_in_client_secret_file",
            config.sign_in_client_secret_file.as_deref(),
        )?,
        scopes: config.sign_in_scopes.clone(),
        groups_claim: config.sign_in_role_claim.clone(),
    }))
}

fn workos(config: &Config) -> Result<ProviderConfig> {
    let client_id = config.sign_in_client_id.clone().ok_or_else(|| {
        missing(
            Mode::WorkOs,
            "sign_in_client_id",
            "the client id of the environment, client_…",
        )
    })?;
    let api_key = secret(
        config,
        config.sign_in_client_secret.as_ref(),
        "sign_in_client_secret_file",
        config.sign_in_client_secret_file.as_deref(),
    )?
    .ok_or_else(|| {
        missing(
            Mode::WorkOs,
            "sign_in_client_secret",
            "the API key of the environment, sk_…",
        )
    })?;
    let address = config.sign_in_workos_url.trim_end_matches('/').to_owned();
    check_address(config, "sign_in_workos_url", &address)?;
    Ok(ProviderConfig::WorkOs {
        client: tools::workos::Client {
            address,
            client_id,
            api_key,
        },
        webhook_secret: secret(
            config,
            config.sign_in_webhook_secret.as_ref(),
            "sign_in_webhook_secret_file",
            config.sign_in_webhook_secret_file.as_deref(),
        )?,
        organization: config.sign_in_workos_organization.clone(),
    })
}

/// Whether an address is on this machine or in a private network: no name of the internet is meant.
pub(crate) fn is_near(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => !name.contains('.') || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        None => false,
    }
}

/// An address of a provider: https, or http where no name of the internet is meant.
fn check_address(config: &Config, key: &str, text: &str) -> Result<()> {
    let url = url::Url::parse(text).ok();
    let fits = url.as_ref().is_some_and(|url| {
        (url.scheme() == "https" || (url.scheme() == "http" && is_near(url)))
            && url.username().is_empty()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if fits {
        Ok(())
    } else {
        Err(wrong(
            config,
            key,
            "is no address such as https://id.example.com (plain http is for this machine and \
             private networks)",
        ))
    }
}

fn roles(config: &Config, by: Option<Mode>) -> Result<RoleMap> {
    let pairs = config.sign_in_role_map.iter().map(String::as_str);
    let map = RoleMap::parse(pairs).map_err(|why| wrong(config, "sign_in_role_map", &why))?;
    if by == Some(Mode::WorkOs) && map.0.is_empty() {
        let own = [Role::Owner, Role::Admin, Role::BillingAdmin, Role::Member];
        return Ok(RoleMap(
            own.into_iter()
                .map(|role| (role.as_str().to_owned(), role))
                .collect(),
        ));
    }
    if by != Some(Mode::WorkOs) && !map.0.is_empty() && config.sign_in_role_claim.is_none() {
        return Err(wrong(
            config,
            "sign_in_role_map",
            "says nothing without sign_in_role_claim, the claim whose words it maps",
        ));
    }
    Ok(map)
}

/// A secret as given, or in the file that is given.
fn secret(
    config: &Config,
    given: Option<&Secret>,
    file_key: &str,
    file: Option<&Path>,
) -> Result<Option<Secret>> {
    let Some(path) = file else {
        return Ok(given.map(|secret| Secret::new(secret.expose().trim().to_owned())));
    };
    if given.is_some() {
        return Err(wrong(
            config,
            file_key,
            "contradicts the secret that is given as well",
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|e| {
        wrong(
            config,
            file_key,
            &format!("names {}, which cannot be read: {e}", path.display()),
        )
    })?;
    Ok(Some(Secret::new(text.trim().to_owned())))
}
