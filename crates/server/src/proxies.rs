//! Reverse proxies in front of the server: whom a request is from that a listed one passes on, and by
//! which name its client asked for us.
//!
//! Anybody can write the headers that say so. They count only where the other end of the connection
//! is a listed proxy, and of the addresses in them only what listed ones wrote: they are read from
//! the end, where the nearest proxy writes, up to the first address that is no proxy of ours. What
//! cannot be read ends the way there, and nobody is taken for whom somebody else wrote down. Pure.
//! Next: `front.rs`, which asks once for each request.

use http::header::{FORWARDED, HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// An address, or a network of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Reads an address, such as `10.0.0.7`, or a network, such as `10.0.0.0/8` or `fd00::/8`.
    ///
    /// # Errors
    /// What is wrong with it, to follow its text. A network of all addresses is one too: who trusts
    /// everybody lets everybody say where they come from.
    pub fn parse(text: &str) -> Result<Self, String> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse::<IpNet>().map(|net| net.trunc()).map_err(|_| {
                "is neither an address such as 10.0.0.7 nor a network such as 10.0.0.0/8".to_owned()
            })?,
        };
        if net.prefix_len() == 0 {
            return Err(
                "covers every address: anybody could say to come from anywhere; name the proxies"
                    .to_owned(),
            );
        }
        Ok(Self(net))
    }

    fn holds(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

/// The proxies whose word counts.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    trusted: Vec<Network>,
}

/// Somebody on the way of a request; none for one who is hidden or cannot be read.
type Hop = Option<IpAddr>;

impl Proxies {
    pub(crate) fn new(trusted: Vec<Network>) -> Self {
        Self { trusted }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.holds(address))
    }

    /// Whom a request is from: the other end of its connection, or, where that is a listed proxy,
    /// whom the proxies say they have it from.
    ///
    /// A proxy writes one of `X-Forwarded-For` and `Forwarded` (RFC 7239) and may pass on the other
    /// as a client wrote it. Where both stand and differ, neither counts.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let listed = lines(headers, &FORWARDED_FOR).map(|all| hops_of(all, listed));
        let forwarded = lines(headers, &FORWARDED).map(|all| hops_of(all, forwarded));
        match (listed, forwarded) {
            (None, None) => peer,
            (Some(hops), None) | (None, Some(hops)) => self.first_beyond(peer, &hops),
            (Some(one), Some(other)) => {
                let found = self.first_beyond(peer, &one);
                if found == self.first_beyond(peer, &other) {
                    found
                } else {
                    peer
                }
            }
        }
    }

    /// The last address that is no listed proxy. Whoever wrote down what cannot be read is as far as
    /// the way is known.
    fn first_beyond(&self, peer: IpAddr, hops: &[Hop]) -> IpAddr {
        let mut nearest = peer;
        for hop in hops.iter().rev() {
            let Some(address) = hop else { break };
            nearest = *address;
            if !self.trusts(nearest) {
                break;
            }
        }
        nearest
    }

    /// The name by which a client asked a listed proxy for us, where the proxy says it. It is judged
    /// like `Host`, and beside it.
    ///
    /// # Errors
    /// Where it stands twice or is no text: nothing is made of the one or the other.
    pub(crate) fn host<'a>(
        &self,
        peer: IpAddr,
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a str>, ()> {
        if !self.trusts(peer.to_canonical()) {
            return Ok(None);
        }
        let mut values = headers.get_all(FORWARDED_HOST).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(|v| Some(v.trim())).map_err(|_| ()),
            (Some(_), Some(_)) => Err(()),
        }
    }
}

/// The lines of a header, those that are no text as none; nothing where it does not stand.
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<Option<&'a str>>> {
    let all: Vec<_> = headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().ok())
        .collect();
    (!all.is_empty()).then_some(all)
}

fn hops_of(lines: Vec<Option<&str>>, read: fn(&str) -> Vec<Hop>) -> Vec<Hop> {
    lines
        .into_iter()
        .flat_map(|line| line.map_or_else(|| vec![None], read))
        .collect()
}

/// `X-Forwarded-For`: addresses with commas between them. Empty ones count for nothing.
fn listed(line: &str) -> Vec<Hop> {
    line.split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(address)
        .collect()
}

/// `Forwarded`: elements with commas between them, each of pairs with semicolons, either of which
/// may stand in a quoted value. A line whose quotes do not close is no line: whoever wrote its
/// beginning would decide where its end is read.
fn forwarded(line: &str) -> Vec<Hop> {
    let Some(elements) = split_unquoted(line, ',') else {
        return vec![None];
    };
    let shown = elements.into_iter().filter(|e| !e.trim().is_empty());
    shown.map(element).collect()
}

fn element(text: &str) -> Hop {
    let mut found = None;
    for pair in split_unquoted(text, ';')? {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("for") {
            let value = value.trim();
            let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            if found.replace(address(bare.unwrap_or(value))).is_some() {
                // Two of them: nobody knows which one counts.
                return None;
            }
        }
    }
    found?
}

/// The parts of a text between separators outside of quotes; none where a quote is left open.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// An address with or without a port, one of IPv6 with or without brackets.
fn address(text: &str) -> Hop {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let found = match bare {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
        None => text
            .parse::<IpAddr>()
            .ok()
            .or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip())),
    };
    found.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        let trusted = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"];
        Proxies::new(trusted.map(|t| Network::parse(t).unwrap()).to_vec())
    }

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = proxies().client(peer.parse().unwrap(), &map);
        found.to_string()
    }

    #[test]
    fn only_a_listed_proxy_is_believed() {
        let said = [("x-forwarded-for", "203.0.113.7")];
        assert_eq!(client("10.0.0.1", &said), "203.0.113.7", "the control");
        assert_eq!(client("::ffff:10.0.0.1", &said), "203.0.113.7");
        assert_eq!(client("fd00::1", &said), "203.0.113.7");
        for peer in ["198.51.100.1", "11.0.0.1", "127.0.0.2", "::1", "fe80::1"] {
            assert_eq!(client(peer, &said), peer, "nobody lists it");
        }
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        let none = Proxies::default();
        let mut map = HeaderMap::new();
        map.append("x-forwarded-for", "203.0.113.7".parse().unwrap());
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(none.client(peer, &map), peer);
    }

    #[test]
    fn the_last_address_that_is_no_proxy_counts() {
        for (value, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            // A client wrote the first one.
            ("198.51.100.9, 203.0.113.7", "203.0.113.7"),
            ("127.0.0.1, 203.0.113.7", "203.0.113.7"),
            // Proxies behind one another.
            ("203.0.113.7, 10.1.1.1, 10.2.2.2", "203.0.113.7"),
            ("198.51.100.9, 203.0.113.7, 10.2.2.2", "203.0.113.7"),
            // From inside.
            ("10.9.9.9", "10.9.9.9"),
            // What cannot be read ends the way.
            ("203.0.113.7, unknown", "10.0.0.1"),
            ("203.0.113.7, unknown, 10.2.2.2", "10.2.2.2"),
            ("203.0.113.7, 203.0.113.7.8", "10.0.0.1"),
            ("203.0.113.7\u{20}10.0.0.1", "10.0.0.1"),
            ("203.0.113.7,,", "203.0.113.7"),
            ("", "10.0.0.1"),
        ] {
            let found = client("10.0.0.1", &[("x-forwarded-for", value)]);
            assert_eq!(found, expected, "{value}");
        }
        let two = [
            ("x-forwarded-for", "198.51.100.9"),
            ("x-forwarded-for", "203.0.113.7"),
        ];
        assert_eq!(client("10.0.0.1", &two), "203.0.113.7", "the last line");
    }

    #[test]
    fn the_standard_header_is_read_as_it_is_written() {
        for (value, expected) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:80\";proto=https", "203.0.113.7"),
            ("proto=http; for=\"[2001:db8::7]:80\"", "2001:db8::7"),
            ("for=198.51.100.9, for=203.0.113.7", "203.0.113.7"),
            ("for=203.0.113.7, for=10.1.1.1;by=10.0.0.1", "203.0.113.7"),
            ("for=203.0.113.7;host=\"a,b;c\"", "203.0.113.7"),
            ("for=_hidden", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("by=203.0.113.7", "10.0.0.1"),
            ("for=203.0.113.7;for=198.51.100.9", "10.0.0.1"),
            // A quote that a client left open would swallow what the proxy wrote.
            ("for=198.51.100.9;host=\", for=203.0.113.7", "10.0.0.1"),
            (
                "for=198.51.100.9;host=\", for=\"[2001:db8::7]\"",
                "10.0.0.1",
            ),
            ("for=198.51.100.9;host=\"\\\", for=203.0.113.7", "10.0.0.1"),
        ] {
            let found = client("10.0.0.1", &[("forwarded", value)]);
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn of_two_headers_that_differ_neither_counts() {
        let both = |listed: &str, standard: &str| {
            let said = [("x-forwarded-for", listed), ("forwarded", standard)];
            client("10.0.0.1", &said)
        };
        assert_eq!(both("203.0.113.7", "for=203.0.113.7"), "203.0.113.7");
        assert_eq!(both("203.0.113.7", "for=198.51.100.9"), "10.0.0.1");
        assert_eq!(both("198.51.100.9", "for=unknown"), "10.0.0.1");
    }

    #[test]
    fn a_host_is_taken_from_a_listed_proxy_and_once() {
        let host = |peer: &str, values: &[&str]| {
            let mut map = HeaderMap::new();
            for value in values {
                map.append(FORWARDED_HOST, value.parse().unwrap());
            }
            let found = proxies().host(peer.parse().unwrap(), &map);
            found.map(|host| host.map(str::to_owned))
        };
        let said = Ok(Some("tools.example.com".to_owned()));
        assert_eq!(host("10.0.0.1", &["tools.example.com"]), said);
        assert_eq!(host("198.51.100.1", &["tools.example.com"]), Ok(None));
        assert_eq!(host("10.0.0.1", &[]), Ok(None));
        assert_eq!(host("10.0.0.1", &["a.example", "b.example"]), Err(()));
    }

    #[test]
    fn networks_are_read_and_all_of_them_are_none() {
        for good in ["10.0.0.7", "10.0.0.7/8", "::1", "fd00::/8", "0.0.0.0/1"] {
            assert!(Network::parse(good).is_ok(), "{good}");
        }
        let inside = Network::parse("10.0.0.7/8").unwrap();
        assert!(inside.holds("10.200.0.1".parse().unwrap()));
        for bad in ["", "proxy", "10.0.0.0/33", "10.0.0", "0.0.0.0/0", "::/0"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }
}
