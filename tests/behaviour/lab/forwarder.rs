//! A store of a test's own: an address that leads to the S3 until the test ends it.

use std::net::{IpAddr, SocketAddr};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{port, s3};

/// This machine, as pods reach it.
pub const HOST: &str = "198.18.255.1";

/// Connections to `address` go on to the S3 until this is dropped.
pub struct Forwarder {
    pub address: SocketAddr,
    // aborts them, too, when it is dropped
    _connections: JoinSet<()>,
}

impl Forwarder {
    /// Passes on what it gets; 0 is any port, which nobody gets after it either.
    pub async fn new(port: u16) -> Self {
        Self::passing(port, async |mut from: TcpStream| {
            let mut to = TcpStream::connect(s3::ADDRESS).await?;
            copy_bidirectional(&mut from, &mut to).await.map(drop)
        })
        .await
    }

    /// Lets requests to any name through: the S3 gets them with its own name, and so without their signature, which would be wrong
    /// then. What everybody may do can be done.
    pub async fn anonymous() -> Self {
        Self::passing(0, async |from: TcpStream| {
            let (mut from, mut to) = (BufReader::new(from), TcpStream::connect(s3::ADDRESS).await?);
            let mut line = String::new();
            while from.read_line(&mut line).await? > 2 {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                match name.as_str() {
                    "host" => line = format!("Host: {}\r\nConnection: close\r\n", s3::ADDRESS),
                    "authorization" | "connection" => line.clear(),
                    _ => {}
                }
                to.write_all(line.as_bytes()).await?;
                line.clear();
            }
            to.write_all(b"\r\n").await?;
            copy_bidirectional(&mut from, &mut to).await.map(drop)
        })
        .await
    }

    async fn passing<F>(port: u16, pass: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let port = if port == 0 { port::reserve(HOST.parse::<IpAddr>().unwrap()) } else { port };
        let listener = TcpListener::bind((HOST, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut listening = JoinSet::new();
        listening.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((from, _)) = listener.accept().await {
                let passing = pass(from);
                // what breaks off is the caller's to see
                connections.spawn(async move { drop(passing.await) });
            }
        });
        Self { address, _connections: listening }
    }
}
