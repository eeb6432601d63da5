//! Which addresses may be reached: public ones; private ones with a grant; some never.
//!
//! Written against the IANA special-purpose registries
//! (<https://www.iana.org/assignments/iana-ipv4-special-registry>, `…-ipv6-…`). What carries an
//! IPv4 address inside is judged by that address too. Unknown IPv6 space is private.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Anybody may reach it.
    Public,
    /// Only with a grant for its host and port.
    Private,
    /// Nobody: metadata services, link-local, multicast, reserved, "this host".
    Never,
}

/// Judges one address.
pub(crate) fn judge(ip: IpAddr) -> Verdict {
    match ip {
        IpAddr::V4(ip) => judge_v4(ip),
        IpAddr::V6(ip) => judge_v6(ip),
    }
}

fn judge_v4(ip: Ipv4Addr) -> Verdict {
    let [a, b, c, d] = ip.octets();
    match (a, b, c, d) {
        // Metadata services outside link-local: Oracle, Alibaba, Azure.
        (192, 0, 0, 192) | (100, 100, 100, 200) | (168, 63, 129, 16) => Verdict::Never,
        (0, ..) | (169, 254, ..) | (224..=255, ..) => Verdict::Never,
        (10 | 127, ..) | (172, 16..=31, ..) | (192, 168, ..) | (100, 64..=127, ..) => {
            Verdict::Private
        }
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        (192, 0, 0 | 2, _)
        | (192, 88, 99, _)
        | (198, 18..=19, ..)
        | (198, 51, 100, _)
        | (203, 0, 113, _) => Verdict::Private,
        _ => Verdict::Public,
    }
}

fn judge_v6(ip: Ipv6Addr) -> Verdict {
    let s = ip.segments();
    let low = || embedded(s[6], s[7]);
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Verdict::Never,
        [0, 0, 0, 0, 0, 0, 0, 1] => Verdict::Private,
        // Mapped, translated, compatible and NAT64: the address inside is dialed.
        [0, 0, 0, 0, 0, 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => low(),
        [0, 0, 0, 0, 0, 0, ..] => low().max(Verdict::Private),
        // AWS and Google metadata inside unique-local space.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
            Verdict::Never
        }
        [first, ..] if (0xfe80..=0xfebf).contains(&first) || first >= 0xff00 => Verdict::Never,
        // ISATAP: private at best, and worse if the address inside is.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => low().max(Verdict::Private),
        // 6to4 carries an IPv4 address after its prefix; Teredo an inverted one at the end.
        [0x2002, high, low, ..] => embedded(high, low),
        [0x2001, 0, ..] => embedded(!s[6], !s[7]).max(Verdict::Private),
        // Other protocol assignments below 2001:200::, and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] => Verdict::Private,
        [0x3fff, second, ..] if second < 0x1000 => Verdict::Private,
        [first, ..] if (0x2000..=0x3fff).contains(&first) => Verdict::Public,
        _ => Verdict::Private,
    }
}

fn embedded(high: u16, low: u16) -> Verdict {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    judge_v4(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_range_is_known() {
        use Verdict::{Never, Private, Public};
        for (text, expected) in [
            ("8.8.8.8", Public),
            ("1.1.1.1", Public),
            ("172.15.0.1", Public),
            ("172.32.0.1", Public),
            ("100.63.255.255", Public),
            ("100.128.0.1", Public),
            ("223.255.255.255", Public),
            ("127.0.0.1", Private),
            ("127.255.255.254", Private),
            ("10.0.0.1", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("100.64.0.1", Private),
            ("198.18.0.1", Private),
            ("198.19.255.255", Private),
            ("192.0.2.1", Private),
            ("198.51.100.7", Private),
            ("203.0.113.9", Private),
            ("192.88.99.1", Private),
            ("192.0.0.8", Private),
            ("169.254.169.254", Never),
            ("169.254.0.1", Never),
            ("0.0.0.0", Never),
            ("0.1.2.3", Never),
            ("224.0.0.1", Never),
            ("239.255.255.255", Never),
            ("240.0.0.1", Never),
            ("255.255.255.255", Never),
            ("192.0.0.192", Never),
            ("100.100.100.200", Never),
            ("168.63.129.16", Never),
            ("2606:4700:4700::1111", Public),
            ("2a00:1450:4001::1", Public),
            ("::1", Private),
            ("fc00::1", Private),
            ("fdff::1", Private),
            ("fec0::1", Private),
            ("2001:db8::1", Private),
            ("3fff::1", Private),
            ("100::1", Private),
            ("5f00::1", Private),
            ("64:ff9b:1::1", Private),
            ("4000::1", Private),
            ("::", Never),
            ("fe80::1", Never),
            ("febf::1", Never),
            ("ff02::1", Never),
            ("fd00:ec2::254", Never),
            ("fd20:ce::254", Never),
            ("::ffff:8.8.8.8", Public),
            ("::ffff:127.0.0.1", Private),
            ("::ffff:169.254.169.254", Never),
            ("::ffff:0:10.0.0.1", Private),
            ("64:ff9b::8.8.8.8", Public),
            ("64:ff9b::169.254.169.254", Never),
            ("::127.0.0.1", Private),
            ("::169.254.169.254", Never),
            ("::8.8.8.8", Private),
            ("2002:7f00:1::1", Private),
            ("2002:a9fe:a9fe::", Never),
            ("2002:808:808::", Public),
            ("2001:0:4136:e378:8000:63bf:5601:5601", Never),
            ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", Private),
            ("2606:4700::200:5efe:a00:1", Private),
        ] {
            assert_eq!(judge(text.parse().unwrap()), expected, "{text}");
        }
    }
}
