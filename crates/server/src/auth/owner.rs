//! Whose process is at the other end of a loopback connection, as the system says.
//!
//! On Linux the kernel lists every TCP socket with the user who owns it. Elsewhere nothing is
//! asked and nobody is the owner: people sign in by the link of `executor web`.

use std::net::SocketAddr;

/// Whether the client's socket of this connection belongs to the user who runs this process, or to
/// the machine's administrator.
#[cfg(target_os = "linux")]
pub(super) fn is_ours(client: SocketAddr, server: SocketAddr) -> bool {
    let own = rustix::process::getuid().as_raw();
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .find_map(|table| table.lines().find_map(|row| owner(row, client, server)))
        .is_some_and(|uid| uid == own || uid == 0)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_ours(_client: SocketAddr, _server: SocketAddr) -> bool {
    false
}

/// The owner of the socket that a row of `/proc/net/tcp` or `tcp6` describes, if it is the one
/// between these two addresses.
///
/// A socket without an inode is one that its process has closed. The kernel then names user 0,
/// whoever it was, so that such a row says nothing.
#[cfg(target_os = "linux")]
fn owner(row: &str, client: SocketAddr, server: SocketAddr) -> Option<u32> {
    let mut fields = row.split_ascii_whitespace();
    let local = address(fields.nth(1)?)?;
    let remote = address(fields.next()?)?;
    if !same(local, client) || !same(remote, server) {
        return None;
    }
    let uid = fields.nth(4)?.parse().ok()?;
    let inode: u64 = fields.nth(1)?.parse().ok()?;
    (inode != 0).then_some(uid)
}

#[cfg(target_os = "linux")]
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
}

/// Reads `0100007F:14C0`: the address as words of 32 bits in the machine's byte order, and the port.
#[cfg(target_os = "linux")]
fn address(text: &str) -> Option<SocketAddr> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..ip.len()).step_by(8) {
        let word = u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    const ROW: &str = "  21: 0100007F:A2F2 0100007F:14C0 01 00000000:00000000 00:00000000 00000000  \
                       1000        0 1053442 1 0000000000000000 20 4 30 10 -1";

    #[test]
    fn a_row_names_the_owner_of_its_socket_alone() {
        let client: SocketAddr = "127.0.0.1:41714".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:41714".parse().unwrap();
        let server: SocketAddr = "127.0.0.1:5312".parse().unwrap();
        assert_eq!(owner(ROW, client, server), Some(1000));
        assert_eq!(owner(ROW, mapped, server), Some(1000));
        assert_eq!(owner(ROW, server, client), None);
        assert_eq!(owner(&ROW.replace("1053442", "0"), client, server), None);
        assert_eq!(
            owner("  sl  local_address rem_address", client, server),
            None
        );
    }

    #[test]
    fn our_own_connections_are_ours_and_closed_ones_are_nobodys() {
        for bound in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(bound) else {
                continue;
            };
            let server = listener.local_addr().unwrap();
            let stream = TcpStream::connect(server).unwrap();
            let client = stream.local_addr().unwrap();
            let (_accepted, _) = listener.accept().unwrap();
            assert!(is_ours(client, server), "{bound}");
            drop(stream);
            assert!(!is_ours(client, server), "{bound}: closed by its process");
        }
    }
}
