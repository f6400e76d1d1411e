//! Two listeners → connections → their routers, until the stop signal and a little longer.

use std::{
    future::pending,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::Router;
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use resize_api::Bounds;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{
    admin::Readiness,
    connection::{Connection, Patience, Sending},
    places::Places,
};

/// How long a client may take between two requests. Longer than load balancers
/// keep idle connections, so that they close them, not we.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest request head in bytes: a key has 1 KiB at the most, three times that where it is percent-encoded.
const MAX_HEAD: usize = 16 << 10;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// Both ports, open.
pub struct Server {
    public: TcpListener,
    admin: TcpListener,
    connections: usize,
    patience: Patience,
}

/// How to stop.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// How long requests are still accepted after the signal.
    pub drain: Duration,
    /// How long what runs may take after that.
    pub shutdown: Duration,
}

impl Server {
    /// Opens both ports; `bounds` hold for their connections.
    pub async fn bind(public: SocketAddr, admin: SocketAddr, bounds: &Bounds) -> io::Result<Self> {
        let bind = async |address: SocketAddr| {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
            listen(address).await.map_err(named)
        };
        let patience = Patience { step: bounds.client, answer: bounds.request };
        Ok(Self { public: bind(public).await?, admin: bind(admin).await?, connections: bounds.connections.get(), patience })
    }

    /// The addresses of both ports, as opened.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.admin.local_addr()?))
    }

    /// Serves until `signal`, then says so by `readiness`, and stops as `stop` says: first
    /// nothing changes but the readiness, then no connection is accepted and what runs is finished.
    pub async fn run(self, public: Router, admin: Router, readiness: Readiness, stop: Stop, signal: impl Future<Output = ()>) {
        let admin = tokio::spawn(accept(self.admin, admin, self.connections, self.patience, pending()));
        let drained = async {
            signal.await;
            readiness.withdraw();
            tracing::info!(drain_seconds = stop.drain.as_secs(), "stopping: no longer ready");
            sleep(stop.drain).await;
        };
        let connections = accept(self.public, public, self.connections, self.patience, drained).await;
        tracing::info!(connections = connections.count(), shutdown_seconds = stop.shutdown.as_secs(), "stopping: finishing what runs");
        if timeout(stop.shutdown, connections.shutdown()).await.is_err() {
            tracing::warn!("stopping: some requests did not finish in time");
        }
        admin.abort();
    }
}

/// Listens on `address`; `[::]` means every address, of IPv4 too, also where there is no IPv6.
async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() != Ipv6Addr::UNSPECIFIED {
        return TcpListener::bind(address).await;
    }
    match both_families(address) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        outcome => outcome,
    }
}

fn both_families(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    // whatever the system's default is
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections until `end`; gives those that are still open.
async fn accept(listener: TcpListener, router: Router, most: usize, patience: Patience, end: impl Future<Output = ()>) -> GracefulShutdown {
    let (connections, places) = (GracefulShutdown::new(), Places::new(most));
    let accepting = async {
        loop {
            let Some(stream) = next(&listener).await else { continue };
            let (seat, phase) = places.enter().await;
            let service = TowerToHyperService::new(router.clone());
            let stream = Connection::new(stream, phase.clone(), patience);
            let service = service_fn(move |request| {
                phase.work();
                let (phase, answer) = (phase.clone(), service.call(request));
                async move {
                    let answer = answer.await;
                    phase.answer();
                    answer.map(|answer| answer.map(|body| Sending::new(body, phase)))
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(IDLE_TIMEOUT)
                .max_header_size(MAX_HEAD)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service);
            let connection = connections.watch(connection);
            tokio::spawn(async move {
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "connection");
                    },
                    () = seat.given_away() => tracing::debug!("idle connection closed: another one needs its place"),
                }
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = end => {}
    }
    connections
}

async fn next(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // answers are small and written at once
            let _ = stream.set_nodelay(true);
            Some(stream)
        }
        Err(error) => {
            // mostly: no file descriptor left; a moment later there may be one
            tracing::warn!(%error, "cannot accept a connection");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
