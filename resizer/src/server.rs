//! Two listeners → connections → their routers, until the stop signal and a little longer.

use std::{future::pending, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::admin::Readiness;

/// Connections at once on each port; more wait in the kernel.
const MAX_CONNECTIONS: usize = 1024;
/// How long a client may take for a request's head, or between two requests. Longer
/// than load balancers keep idle connections, so that they close them, not we.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest request head in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Both ports, open.
pub struct Server {
    public: TcpListener,
    admin: TcpListener,
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
    /// Opens both ports.
    pub async fn bind(public: SocketAddr, admin: SocketAddr) -> io::Result<Self> {
        let bind = async |address: SocketAddr| {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
            TcpListener::bind(address).await.map_err(named)
        };
        Ok(Self { public: bind(public).await?, admin: bind(admin).await? })
    }

    /// The addresses of both ports, as opened.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.admin.local_addr()?))
    }

    /// Serves until `signal`, then says so by `readiness`, and stops as `stop` says: first
    /// nothing changes but the readiness, then no connection is accepted and what runs is finished.
    pub async fn run(self, public: Router, admin: Router, readiness: Readiness, stop: Stop, signal: impl Future<Output = ()>) {
        let admin = tokio::spawn(accept(self.admin, admin, pending()));
        let drained = async {
            signal.await;
            readiness.withdraw();
            tracing::info!(drain_seconds = stop.drain.as_secs(), "stopping: no longer ready");
            sleep(stop.drain).await;
        };
        let connections = accept(self.public, public, drained).await;
        tracing::info!(connections = connections.count(), shutdown_seconds = stop.shutdown.as_secs(), "stopping: finishing what runs");
        if timeout(stop.shutdown, connections.shutdown()).await.is_err() {
            tracing::warn!("stopping: some requests did not finish in time");
        }
        admin.abort();
    }
}

/// Accepts connections until `end`; gives those that are still open.
async fn accept(listener: TcpListener, router: Router, end: impl Future<Output = ()>) -> GracefulShutdown {
    let (connections, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Some(stream) = next(&listener).await else { continue };
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
            let connection = connections.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection");
                }
                drop(place);
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
