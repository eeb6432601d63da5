//! How the text of a setting becomes a value of its type.

use domain::credential::Secret;
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
