//! What `LISTEN` and `ADMIN_LISTEN` mean, in both programs: an address → a listening socket. It touches the network.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// Listens on `address`, without blocking. `[::]` is every address, of IPv4 too, and `0.0.0.0` where there is no IPv6.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() == Ipv6Addr::UNSPECIFIED { either(address, open) } else { open(address) }
}

/// Where `open` cannot have IPv6 this is `0.0.0.0`; a port that is in use is an error.
fn either(address: SocketAddr, open: impl Fn(SocketAddr) -> io::Result<TcpListener>) -> io::Result<TcpListener> {
    match open(address) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            open((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // the default depends on the system
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    const ALL: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

    #[test]
    fn every_address_is_of_ipv4_too() {
        let listener = listen(ALL).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
        let taken = listen(SocketAddr::new(ALL.ip(), port)).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn without_ipv6_it_is_every_address_of_ipv4() {
        let no_ipv6 = |address: SocketAddr| if address.is_ipv6() { Err(io::ErrorKind::Unsupported.into()) } else { open(address) };
        let listener = either(ALL, no_ipv6).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), Ipv4Addr::UNSPECIFIED);
        TcpStream::connect((Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port())).unwrap();
    }
}
