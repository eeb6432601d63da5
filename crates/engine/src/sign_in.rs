//! Signing in: who somebody is, and the session that follows.
//!
//! A session names a person and carries no right: what the person may do is read at each request.
//! Only digests of tokens are kept. Each sign-in makes a new token and ends the session that the
//! browser had before. Read on: `links.rs` and `provider.rs` for the ways in, `arrive.rs` for what
//! becomes of whoever came, `visitors.rs`, `workos.rs`, `setup.rs` for the first owner; `way_out.rs`
//! for leaving the provider as well.

mod arrive;
mod health;
mod links;
mod provider;
mod sessions;
mod setup;
mod tries;
mod visitors;
mod way_out;
mod workos;

pub use links::VisitBefore;
pub use provider::SentToProvider;
pub use sessions::SignedIn;
pub use visitors::Visit;
pub(crate) use workos::WORKOS;

use crate::Engine;
use domain::credential::Secret;
use domain::sign_in::{Lasting, Mode, Newcomers, RoleMap, Via};
use domain::tenancy::Role;
use tries::Tries;

const DAY_MS: i64 = 24 * 3_600_000;

/// How people sign in at this server, as configured.
#[derive(Clone)]
pub struct SignInConfig {
    /// The way in.
    pub mode: Mode,
    /// Who says who somebody is, where that is not the system: needed by the modes `oidc` and
    /// `workos`, possible in `anonymous`.
    pub provider: Option<ProviderConfig>,
    /// How long sessions last.
    pub lasting: Lasting,
    /// What becomes of somebody who comes for the first time.
    pub newcomers: Newcomers,
    /// Domains that a verified address must lie in; with none everybody may come.
    pub email_domains: Vec<String>,
    /// Which words of a provider come to which role.
    pub roles: RoleMap,
    /// Milliseconds without use after which a visitor's workspace goes.
    pub visitor_idle_ms: i64,
    /// Visitors that the server keeps at most.
    pub visitors_max: u64,
}

impl Default for SignInConfig {
    /// The user who runs the server, and sessions of a week without use and a month in all.
    fn default() -> Self {
        Self {
            mode: Mode::Local,
            provider: None,
            lasting: Lasting {
                idle_ms: 7 * DAY_MS,
                whole_ms: 30 * DAY_MS,
            },
            newcomers: Newcomers::Join(Role::Member),
            email_domains: Vec::new(),
            roles: RoleMap::default(),
            visitor_idle_ms: 7 * DAY_MS,
            visitors_max: 10_000,
        }
    }
}

/// Who says who somebody is.
#[derive(Clone)]
pub enum ProviderConfig {
    /// An OpenID Connect provider.
    Oidc(tools::oidc::Client),
    /// WorkOS.
    WorkOs {
        /// Who we are there.
        client: tools::workos::Client,
        /// What its webhooks are signed with; without it none are taken.
        webhook_secret: Option<Secret>,
        /// The organization of WorkOS that the server's own stands for, if one does.
        organization: Option<String>,
    },
}

/// What a browser says of itself, for its owner to tell sessions apart.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// What it calls itself; 256 characters of it are kept.
    pub user_agent: String,
    /// The other end of its connection; behind a proxy, the proxy.
    pub address: String,
    /// The session that it had before, if it sent one.
    pub before: Option<String>,
}

/// What signing in needs of the server.
pub(crate) struct SignIn {
    pub(crate) config: SignInConfig,
    provider: Option<Provider>,
    tries: Tries,
    visitors: visitors::Known,
}

enum Provider {
    Oidc(tools::oidc::Provider),
    WorkOs {
        workos: tools::workos::WorkOs,
        webhook_secret: Option<Secret>,
        organization: Option<String>,
    },
}

impl SignIn {
    /// Under what identities of WorkOS are kept, where it is the provider.
    pub(crate) fn issuer(&self) -> Option<String> {
        match &self.provider {
            Some(Provider::WorkOs { workos, .. }) => Some(workos.issuer().to_owned()),
            Some(Provider::Oidc(_)) | None => None,
        }
    }

    pub(crate) fn new(config: SignInConfig, egress: &tools::Egress) -> Self {
        let provider = config.provider.clone().map(|provider| match provider {
            ProviderConfig::Oidc(client) => {
                Provider::Oidc(tools::oidc::Provider::new(egress, client, vault::verify))
            }
            ProviderConfig::WorkOs {
                client,
                webhook_secret,
                organization,
            } => Provider::WorkOs {
                workos: tools::workos::WorkOs::new(egress, client),
                webhook_secret,
                organization,
            },
        });
        Self {
            config,
            provider,
            tries: Tries::default(),
            visitors: visitors::Known::default(),
        }
    }

    /// How long a session of a kind lasts.
    fn lasting(&self, via: Via) -> Lasting {
        match via {
            // Its owner has no other way back in.
            Via::Visitor => Lasting {
                idle_ms: self.config.visitor_idle_ms,
                whole_ms: 365 * DAY_MS,
            },
            Via::Link | Via::Oidc | Via::WorkOs => self.config.lasting,
        }
    }
}

impl Engine {
    /// How people sign in here.
    #[must_use]
    pub fn sign_in_mode(&self) -> Mode {
        self.inner.sign_in.config.mode
    }

    /// Who says who somebody is, as people call them; none where only links sign somebody in.
    #[must_use]
    pub fn sign_in_provider(&self) -> Option<String> {
        Some(match self.inner.sign_in.provider.as_ref()? {
            Provider::Oidc(provider) => provider.host(),
            Provider::WorkOs { .. } => "WorkOS".to_owned(),
        })
    }
}
