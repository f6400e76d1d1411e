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
    use std::{fs, net::Ipv4Addr, thread, time::Duration};

    use super::*;

    #[test]
    fn a_reserved_port_waits_and_who_names_it_listens_on_it() {
        const TIME_WAIT: &str = "06";
        let port = reserve(Ipv4Addr::LOCALHOST);
        let state = || {
            let table = fs::read_to_string("/proc/net/tcp").unwrap();
            let of_port = format!("0100007F:{port:04X}");
            table
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>())
                .find(|line| line[1] == of_port)
                .map(|line| line[3].to_owned())
        };
        while state().unwrap() != TIME_WAIT {
            thread::sleep(Duration::from_millis(1));
        }
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_eq!(state().as_deref(), Some(TIME_WAIT), "a listener that went does not end the wait");
    }
}
