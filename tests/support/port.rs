//! Ports for programs that cannot say which one they got. Taken into tests by `#[path]`.

use std::net::{IpAddr, TcpListener, TcpStream};

/// A port of `address` that is given to nobody who asks for any, for a minute: a connection of it waits for its end (`TIME_WAIT`).
/// Whoever names it may listen on it, with `SO_REUSEADDR`, as servers do. Let go without that, the next who asks may get it.
pub fn reserve(address: impl Into<IpAddr>) -> u16 {
    let listener = TcpListener::bind((address.into(), 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let client = TcpStream::connect(at).unwrap();
    let (server, _) = listener.accept().unwrap();
    // who ends a connection first is the one who waits
    drop(server);
    drop(client);
    at.port()
}

#[cfg(test)]
mod tests {
    use std::{fs, net::Ipv4Addr};

    use super::*;

    /// More than a system of few ports would have left.
    const OTHERS: usize = 500;

    #[test]
    fn nobody_else_gets_a_reserved_port_and_who_names_it_does() {
        let port = reserve(Ipv4Addr::LOCALHOST);
        let waiting = format!(" 0100007F:{port:04X} ");
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        assert!(table.lines().any(|line| line.contains(&waiting) && line.contains(" 06 ")), "{port} is not in TIME_WAIT");
        let any = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let others: Vec<_> = std::iter::repeat_with(any).take(OTHERS).map(|other| (other.local_addr().unwrap().port(), other)).collect();
        assert!(others.iter().all(|(other, _)| *other != port));
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
