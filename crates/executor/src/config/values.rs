//! How the text of a setting becomes a value of its type.

use domain::credential::Secret;
use domain::sign_in::Mode;
use domain::tenancy::Role;
use server::Network;
use std::net::IpAddr;
use std::path::PathBuf;

/// How a type is read from the text of a setting.
pub(super) trait Value: Sized {
    fn read(text: &str) -> std::result::Result<Self, String>;
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

/// A span of time of which both a moment and an hour would be a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Milliseconds(pub(crate) u32);

impl Value for Milliseconds {
    fn read(text: &str) -> std::result::Result<Self, String> {
        let span = text
            .parse()
            .ok()
            .filter(|ms| (1_000..=600_000).contains(ms));
        span.map(Self)
            .ok_or_else(|| "is no number of milliseconds from 1000 to 600000".to_owned())
    }
}

/// A span of time as people write it, from a second to ten years, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) i64);

impl Value for Span {
    fn read(text: &str) -> std::result::Result<Self, String> {
        const LONGEST_MS: u64 = 3_650 * 86_400_000;
        let ms = crate::duration::parse_ms(text)
            .map_err(|_| "is no length of time such as 30s, 12h or 7d".to_owned())?;
        if !(1_000..=LONGEST_MS).contains(&ms) {
            return Err("is no length of time from 1s to 3650d".to_owned());
        }
        Ok(Self(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
}

impl Value for Mode {
    fn read(text: &str) -> std::result::Result<Self, String> {
        Self::parse(text).ok_or_else(|| "is none of local, anonymous, oidc, workos".to_owned())
    }
}

impl Value for Role {
    fn read(text: &str) -> std::result::Result<Self, String> {
        Self::parse(text).ok_or_else(|| "is none of member, billing_admin, admin, owner".to_owned())
    }
}

/// Where people go who sign in for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joining {
    /// Into the server's organization.
    Join,
    /// Nowhere until somebody invites them.
    Invite,
}

impl Value for Joining {
    fn read(text: &str) -> std::result::Result<Self, String> {
        match text {
            "join" => Ok(Self::Join),
            "invite" => Ok(Self::Invite),
            _ => Err("is neither join nor invite".to_owned()),
        }
    }
}

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

impl Value for Vec<Network> {
    fn read(text: &str) -> std::result::Result<Self, String> {
        let each = Vec::<String>::read(text)?;
        let network = |one: &String| Network::parse(one).map_err(|why| format!("('{one}') {why}"));
        each.iter().map(network).collect()
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
