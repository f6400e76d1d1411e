//! An address → a listener. `[::]` is every address, of IPv4 too, also where there is no IPv6.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Listens on `address`.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() == Ipv6Addr::UNSPECIFIED { either(address, both_families) } else { TcpListener::bind(address).await }
}

/// Where `bind` cannot have IPv6 this is `0.0.0.0`; a port that is in use is an error.
fn either(address: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<TcpListener>) -> io::Result<TcpListener> {
    match bind(address) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn both_families(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // whatever the system's default is
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    const ALL: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

    #[tokio::test]
    async fn every_address_is_of_ipv4_too() {
        let listener = listen(ALL).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
        let taken = listen(SocketAddr::new(ALL.ip(), port)).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn without_ipv6_it_is_every_address_of_ipv4() {
        let no_ipv6 = |address: SocketAddr| if address.is_ipv6() { Err(io::ErrorKind::Unsupported.into()) } else { both_families(address) };
        let listener = either(ALL, no_ipv6).unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), Ipv4Addr::UNSPECIFIED);
        TcpStream::connect((Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port())).await.unwrap();
    }
}
