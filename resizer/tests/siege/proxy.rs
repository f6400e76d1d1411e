//! A proxy in front of the S3 that delays, falsifies or cuts off what the test says.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::lab::s3;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is passed on late.
    Slow(Duration),
    /// It is passed on once [`Proxy::release`] says so.
    Held,
    /// Its body is passed on in small parts, in this time.
    SlowUpload(Duration),
    /// It is answered so, and not passed on.
    Answer(u16, &'static str),
    /// Its answer is cut off in the middle of the body, with a reset.
    Reset,
    /// Its answer announces more bytes than come.
    AnnouncesMore,
    /// Its answer announces fewer bytes than there are, and ends there.
    AnnouncesLess,
    /// It is passed on, and its answer is lost.
    LosesAnswer,
}

#[derive(Default)]
struct State {
    /// By method: the fault, and how many requests still meet it.
    faults: HashMap<String, (Fault, usize)>,
    /// When each request came, its method and its path.
    begun: Vec<(Instant, String, String)>,
    cut: Arc<tokio::sync::Notify>,
    release: Arc<tokio::sync::SetOnce<()>>,
}

pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(State::default())));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on every request of this method meets `fault`.
    pub fn fail(&self, method: &str, fault: Fault) {
        self.fail_times(method, fault, usize::MAX);
    }

    /// The next `times` requests of this method meet `fault`.
    pub fn fail_times(&self, method: &str, fault: Fault, times: usize) {
        self.state.lock().unwrap().faults.insert(method.to_owned(), (fault, times));
    }

    pub fn heal(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Ends the slow uploads where they are.
    pub fn cut_uploads(&self) {
        self.state.lock().unwrap().cut.notify_waiters();
    }

    /// Lets the requests that are held pass, now or when they come.
    pub fn release(&self) {
        self.state.lock().unwrap().release.set(()).expect("released once");
    }

    /// How many requests of `method` have begun.
    pub fn begun(&self, method: &str) -> usize {
        self.state.lock().unwrap().begun.iter().filter(|(_, known, _)| known == method).count()
    }

    /// When requests of `method` for `path` came.
    pub fn times(&self, method: &str, path: &str) -> Vec<Instant> {
        let state = self.state.lock().unwrap();
        let those = state.begun.iter().filter(|(_, known, at)| known == method && at.split('?').next() == Some(path));
        those.map(|(time, ..)| *time).collect()
    }
}

/// One connection, one request: both sides are told that it closes.
async fn serve(mut client: TcpStream, state: Arc<Mutex<State>>) -> io::Result<()> {
    let (head, rest) = read_head(&mut client).await?;
    let mut words = head.split(' ').map(ToOwned::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fault = {
        let mut state = state.lock().unwrap();
        state.begun.push((Instant::now(), method.clone(), path));
        state.faults.get_mut(&method).filter(|(_, times)| *times > 0).map(|(fault, times)| {
            *times = times.saturating_sub(1);
            fault.clone()
        })
    };
    let length = header(&head, "content-length").unwrap_or_default();
    let body = Body { rest, length };
    match fault {
        None => pass(client, &head, body, None).await,
        Some(Fault::Slow(delay)) => {
            sleep(delay).await;
            pass(client, &head, body, None).await
        }
        Some(Fault::Held) => {
            let release = Arc::clone(&state.lock().unwrap().release);
            release.wait().await;
            pass(client, &head, body, None).await
        }
        Some(Fault::Answer(status, code)) => {
            body.discard(&mut client).await?;
            let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>on purpose</Message></Error>");
            let answer = format!(
                "HTTP/1.1 {status} On Purpose\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            );
            client.write_all(answer.as_bytes()).await
        }
        Some(fault @ Fault::SlowUpload(_)) => {
            let cut = Arc::clone(&state.lock().unwrap().cut);
            tokio::select! {
                passed = pass(client, &head, body, Some(fault)) => passed,
                () = cut.notified() => Ok(()),
            }
        }
        Some(fault) => pass(client, &head, body, Some(fault)).await,
    }
}

/// What of a request's body has arrived with its head, and its whole length.
struct Body {
    rest: Vec<u8>,
    length: usize,
}

impl Body {
    async fn discard(&self, client: &mut TcpStream) -> io::Result<()> {
        let mut left = vec![0; self.length.saturating_sub(self.rest.len())];
        client.read_exact(&mut left).await.map(drop)
    }
}

async fn pass(mut client: TcpStream, head: &str, body: Body, fault: Option<Fault>) -> io::Result<()> {
    let mut server = TcpStream::connect(s3::ADDRESS).await?;
    server.write_all(head.trim_end_matches("\r\n\r\n").as_bytes()).await?;
    server.write_all(b"\r\nConnection: close\r\n\r\n").await?;
    let mut whole = AsyncReadExt::chain(&body.rest[..], &mut client);
    let parts = 20;
    let mut left = body.length;
    let part = left.div_ceil(parts).max(1);
    while left > 0 {
        let mut bytes = vec![0; part.min(left)];
        whole.read_exact(&mut bytes).await?;
        server.write_all(&bytes).await?;
        left -= bytes.len();
        if let Some(Fault::SlowUpload(time)) = fault {
            sleep(time / u32::try_from(parts).unwrap()).await;
        }
    }
    let (head, mut bytes) = read_head(&mut server).await?;
    server.read_to_end(&mut bytes).await?;
    let announce = |length: usize| {
        let lines = head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
        format!("{}\r\ncontent-length: {length}\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"))
    };
    match fault {
        Some(Fault::LosesAnswer) => return reset(client),
        Some(Fault::Reset) => {
            client.write_all(head.as_bytes()).await?;
            client.write_all(&bytes[..bytes.len() / 2]).await?;
            // the client reads a part before the reset discards the rest
            sleep(Duration::from_millis(50)).await;
            return reset(client);
        }
        Some(Fault::AnnouncesMore) => client.write_all(announce(bytes.len() + 1000).as_bytes()).await?,
        Some(Fault::AnnouncesLess) => {
            bytes.truncate(bytes.len() / 2);
            client.write_all(announce(bytes.len()).as_bytes()).await?;
        }
        _ => client.write_all(head.as_bytes()).await?,
    }
    client.write_all(&bytes).await?;
    client.shutdown().await
}

/// Closes with RST instead of FIN.
fn reset(client: TcpStream) -> io::Result<()> {
    client.set_zero_linger()?;
    drop(client);
    Ok(())
}

/// The head up to its empty line, and what came with it.
async fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn header(head: &str, name: &str) -> Option<usize> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).find_map(|(_, value)| value.trim().parse().ok())
}
