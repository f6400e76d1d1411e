//! A listener → connections → its router, until the stop signal and through the drain after it. It touches the network.
//!
//! `main` runs it; `seats` bounds how many connections there are, `connection` how long a client may take.

use std::{future::pending, io, net::SocketAddr, time::Duration};

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
use resize_api::{Bounds, listen::listen};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{
    admin::Readiness,
    connection::{Connection, Patience, Sending},
    seats::Seats,
};

/// How long a client may take between two requests. Longer than load balancers
/// keep idle connections, so that they close them, not we.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Largest request head in bytes: a key has 1 KiB at the most, three times that where it is percent-encoded.
const MAX_HEAD: usize = 16 << 10;

/// A port, open.
pub struct Server {
    listener: TcpListener,
    connections: usize,
    patience: Patience,
}

/// How long stopping may take.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// How long requests are still accepted after the signal.
    pub drain: Duration,
    /// How long what runs may take after that.
    pub shutdown: Duration,
}

impl Server {
    /// Opens a port; `bounds` hold for its connections. To be called on a tokio runtime.
    pub fn bind(address: SocketAddr, bounds: &Bounds) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
        let listener = listen(address).and_then(TcpListener::from_std).map_err(named)?;
        let patience = Patience { step: bounds.client, answer: bounds.request };
        Ok(Self { listener, connections: bounds.connections.get(), patience })
    }

    /// Its address, as opened.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is dropped.
    pub async fn serve(self, app: Router) {
        accept(self.listener, app, self.connections, self.patience, pending()).await;
    }

    /// Serves until `signal`, then says so by `readiness`, and stops within `grace`: first
    /// nothing changes but the readiness, then no connection is accepted and what runs is finished, also `behind` the answers.
    pub async fn serve_until(
        self,
        signal: impl Future<Output = ()>,
        app: Router,
        readiness: Readiness,
        grace: Grace,
        behind: impl Future<Output = ()>,
    ) {
        let drained = async {
            signal.await;
            readiness.withdraw();
            tracing::info!(drain_seconds = grace.drain.as_secs(), "stopping: no longer ready");
            sleep(grace.drain).await;
        };
        let connections = accept(self.listener, app, self.connections, self.patience, drained).await;
        tracing::info!(connections = connections.count(), shutdown_seconds = grace.shutdown.as_secs(), "stopping: finishing what runs");
        let finishing = async {
            connections.shutdown().await;
            behind.await;
        };
        if timeout(grace.shutdown, finishing).await.is_err() {
            tracing::warn!("stopping: some requests did not finish, or some pictures were not stored, in time");
        }
    }
}

/// Accepts connections until `end`; gives those that are still open.
async fn accept(listener: TcpListener, router: Router, most: usize, patience: Patience, end: impl Future<Output = ()>) -> GracefulShutdown {
    let (connections, seats) = (GracefulShutdown::new(), Seats::new(most));
    let accepting = async {
        loop {
            let Some(stream) = next(&listener).await else { continue };
            let (seat, phase) = seats.enter().await;
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
                    () = seat.given_away() => tracing::debug!("idle connection closed: another one needs its seat"),
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
            // mostly no file descriptor is left; one may be free a moment later
            tracing::warn!(%error, "cannot accept a connection");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
