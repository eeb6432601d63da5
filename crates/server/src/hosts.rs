//! Which `Host` and `Origin` a request may carry: the defense against DNS rebinding and against
//! pages of other sites.
//!
//! A name counts only if it is listed, or names the address that the connection came in on. Pure:
//! decides from headers and addresses.

use http::header::{HOST, HeaderMap, ORIGIN};
use http::uri::{Authority, Uri};
use std::net::{IpAddr, SocketAddr};

/// The names a server answers to.
pub(crate) struct Hosts {
    port: u16,
    listed: Vec<Name>,
}

/// A host in lower case, with its port if one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    host: String,
    port: Option<u16>,
}

/// How a request names the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// By a loopback name, over a loopback connection.
    Loopback,
    /// By a listed name or another address of this machine.
    Elsewise,
}

/// Why a request is refused before anything else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this server does not answer to the host name of the request")]
    Host,
    #[error("the request comes from a page of another site")]
    Origin,
}

impl Hosts {
    pub(crate) fn new(port: u16, listed: &[String]) -> Self {
        let listed = listed
            .iter()
            .filter_map(|text| Name::read(text.trim()))
            .collect();
        Self { port, listed }
    }

    /// Judges one request that came in on the address `local`. By `forwarded` a trusted proxy was
    /// asked itself: that name must be one of ours as well, and is the one that a page's origin
    /// must agree with.
    pub(crate) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        local: SocketAddr,
        forwarded: Option<&str>,
    ) -> Result<Named, Refused> {
        let host = single(headers, &HOST)
            .map_err(|()| Refused::Host)?
            .ok_or(Refused::Host)?;
        let name = Name::read(host).ok_or(Refused::Host)?;
        // An absolute request target outranks the header (RFC 9112, section 3.2.2): both must hold.
        let target = uri.authority().map(|a| Name::read(a.as_str()));
        if target.is_some_and(|target| target.as_ref() != Some(&name)) {
            return Err(Refused::Host);
        }
        let named = self.named(&name, local).ok_or(Refused::Host)?;
        let (name, named) = match forwarded {
            None => (name, named),
            Some(asked) => {
                let asked = Name::read(asked).ok_or(Refused::Host)?;
                self.named(&asked, local).ok_or(Refused::Host)?;
                (asked, Named::Elsewise)
            }
        };
        match single(headers, &ORIGIN) {
            Ok(None) => Ok(named),
            Ok(Some(origin)) if same_origin(origin, &name) => Ok(named),
            Ok(Some(_)) | Err(()) => Err(Refused::Origin),
        }
    }

    fn named(&self, name: &Name, local: SocketAddr) -> Option<Named> {
        let ip = local.ip().to_canonical();
        let own_port = name.port.unwrap_or(80) == self.port;
        let bare = name.host.trim_start_matches('[').trim_end_matches(']');
        let own_address = bare
            .parse::<IpAddr>()
            .is_ok_and(|named| named.to_canonical() == ip);
        if own_port && ip.is_loopback() && (name.host == "localhost" || own_address) {
            return Some(Named::Loopback);
        }
        let listed = self.listed.iter().any(|listed| {
            listed.host == name.host && (listed.port.is_none() || listed.port == name.port)
        });
        (listed || (own_port && own_address)).then_some(Named::Elsewise)
    }
}

impl Name {
    fn read(text: &str) -> Option<Self> {
        let authority = Authority::try_from(text).ok()?;
        let plain = !text.contains('@') && !authority.host().is_empty();
        // A colon without a port, or with one out of range, parses as an authority.
        let rest = text.len() - authority.host().len();
        let port = authority.port_u16();
        (plain && (rest == 0 || port.is_some())).then(|| Self {
            host: authority.host().to_ascii_lowercase(),
            port,
        })
    }

    fn port_or(&self, default: u16) -> u16 {
        self.port.unwrap_or(default)
    }
}

/// The value of a header that may stand at most once and must be text.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &http::header::HeaderName,
) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn same_origin(origin: &str, host: &Name) -> bool {
    let (rest, default_port) = match origin.split_once("://") {
        Some(("http", rest)) => (rest, 80),
        Some(("https", rest)) => (rest, 443),
        Some(_) | None => return false,
    };
    Name::read(rest).is_some_and(|origin| {
        origin.host == host.host && origin.port_or(default_port) == host.port_or(default_port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], local: &str) -> Result<Named, Refused> {
        check_forwarded(headers, local, None)
    }

    fn check_forwarded(
        headers: &[(&str, &str)],
        local: &str,
        forwarded: Option<&str>,
    ) -> Result<Named, Refused> {
        let hosts = Hosts::new(
            5312,
            &["tools.example.com".into(), "other.example:8443".into()],
        );
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: http::header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        hosts.check(
            &Uri::from_static("/"),
            &map,
            local.parse().unwrap(),
            forwarded,
        )
    }

    #[test]
    fn names_of_this_machine_and_listed_names() {
        for (host, local, expected) in [
            ("127.0.0.1:5312", "127.0.0.1:5312", Named::Loopback),
            ("localhost:5312", "127.0.0.1:5312", Named::Loopback),
            ("LOCALHOST:5312", "[::1]:5312", Named::Loopback),
            ("[::1]:5312", "[::1]:5312", Named::Loopback),
            ("127.0.0.1:5312", "[::ffff:127.0.0.1]:5312", Named::Loopback),
            ("192.168.1.5:5312", "192.168.1.5:5312", Named::Elsewise),
            ("tools.example.com", "127.0.0.1:5312", Named::Elsewise),
            ("tools.example.com:99", "10.0.0.1:5312", Named::Elsewise),
            ("other.example:8443", "10.0.0.1:5312", Named::Elsewise),
        ] {
            assert_eq!(
                check(&[("host", host)], local),
                Ok(expected),
                "{host} on {local}"
            );
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for host in [
            "evil.example",
            "localhost",
            "localhost:80",
            "localhost:5313",
            "localhost.:5312",
            "localhost.evil.com:5312",
            "127.0.0.1.nip.io:5312",
            "127.0.0.2:5312",
            "0.0.0.0:5312",
            "user@localhost:5312",
            "localhost:",
            "other.example:1",
            "",
        ] {
            assert_eq!(
                check(&[("host", host)], "127.0.0.1:5312"),
                Err(Refused::Host),
                "{host:?}"
            );
        }
        assert_eq!(check(&[], "127.0.0.1:5312"), Err(Refused::Host));
        let twice = [("host", "localhost:5312"), ("host", "localhost:5312")];
        assert_eq!(check(&twice, "127.0.0.1:5312"), Err(Refused::Host));
        assert_eq!(
            check(&[("host", "localhost:5312")], "10.0.0.1:5312"),
            Err(Refused::Host)
        );
    }

    #[test]
    fn the_request_target_must_agree_with_the_header() {
        let hosts = Hosts::new(5312, &[]);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "localhost:5312".parse().unwrap());
        let local = "127.0.0.1:5312".parse().unwrap();
        let good = Uri::from_static("http://localhost:5312/x");
        let bad = Uri::from_static("http://evil.example/x");
        let check = |uri: &Uri| hosts.check(uri, &headers, local, None);
        assert_eq!(check(&good), Ok(Named::Loopback));
        assert_eq!(check(&bad), Err(Refused::Host));
    }

    #[test]
    fn a_name_that_a_proxy_was_asked_by_is_judged_beside_the_host() {
        let own = ("host", "127.0.0.1:5312");
        let with = |headers: &[(&str, &str)], forwarded: &str| {
            check_forwarded(headers, "127.0.0.1:5312", Some(forwarded))
        };
        let page = ("origin", "https://tools.example.com");
        assert_eq!(with(&[own], "tools.example.com"), Ok(Named::Elsewise));
        assert_eq!(with(&[own, page], "tools.example.com"), Ok(Named::Elsewise));
        // Nobody is the machine's own user who comes by way of a proxy.
        assert_eq!(with(&[own], "localhost:5312"), Ok(Named::Elsewise));
        let foreign = ("host", "evil.example");
        for (headers, forwarded, refused) in [
            (&[own][..], "evil.example", Refused::Host),
            (&[own], "", Refused::Host),
            (&[foreign], "tools.example.com", Refused::Host),
            (&[own, page], "127.0.0.1:5312", Refused::Origin),
            (
                &[own, ("origin", "https://evil.example")],
                "tools.example.com",
                Refused::Origin,
            ),
        ] {
            assert_eq!(with(headers, forwarded), Err(refused), "{forwarded}");
        }
        assert_eq!(
            check(&[own, page], "127.0.0.1:5312"),
            Err(Refused::Origin),
            "without the proxy's word"
        );
    }

    #[test]
    fn an_origin_is_our_own_or_refused() {
        let with = |origin: &str| {
            check(
                &[("host", "localhost:5312"), ("origin", origin)],
                "127.0.0.1:5312",
            )
        };
        assert_eq!(with("http://localhost:5312"), Ok(Named::Loopback));
        for origin in [
            "null",
            "http://localhost:3000",
            "http://localhost",
            "http://127.0.0.1:5312",
            "http://evil.example",
            "http://localhost:5312.evil.example",
            "file://",
            "",
        ] {
            assert_eq!(with(origin), Err(Refused::Origin), "{origin:?}");
        }
        let listed = [
            ("host", "tools.example.com"),
            ("origin", "https://tools.example.com"),
        ];
        assert_eq!(check(&listed, "127.0.0.1:5312"), Ok(Named::Elsewise));
    }
}
