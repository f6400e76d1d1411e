//! Stored objects on their way to visitors: slow ones, those who go away, and a store that breaks off.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt, join_all},
};
use http::{Method, StatusCode};
use resize_api::{Bounds, Settings};
use resizer::{
    http::server::Server,
    store::{Head, Object, Opened, Overwrite, Store, StoreError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    cheap::noise,
    direct::{KEY, TARGET, ask, direct, stored},
    memory::{Faults, Fixture, Memory},
};

/// A store whose stored derivative is of `chunks` of 64 KiB, of which `missing` do not come.
struct Long {
    store: Arc<Memory>,
    chunks: usize,
    missing: usize,
    taken: Arc<AtomicUsize>,
}

impl Long {
    const CHUNK: usize = 64 << 10;

    async fn new(chunks: usize, missing: usize) -> Arc<Self> {
        Arc::new(Self { store: stored().await, chunks, missing, taken: Arc::default() })
    }
}

impl Store for Long {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        async move {
            let mut opened = self.store.get(key).await?;
            if key == KEY {
                opened.head.length = Some((self.chunks * Self::CHUNK) as u64);
                let chunk = Bytes::from(vec![7; Self::CHUNK]);
                let taken = Arc::clone(&self.taken);
                let chunks = (0..self.chunks - self.missing).map(move |_| {
                    taken.fetch_add(1, Ordering::SeqCst);
                    Ok(chunk.clone())
                });
                opened.body = futures::stream::iter(chunks).boxed();
            }
            Ok(opened)
        }
        .boxed()
    }
    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.put(key, object, overwrite)
    }
    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        self.store.head(key)
    }
    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.store.delete(key, etag)
    }
}

/// A service on a port.
fn serve(store: Arc<dyn Store>, change: impl FnOnce(&mut Settings)) -> (Fixture, SocketAddr) {
    let fixture = Fixture::new(store, |settings| {
        direct(settings);
        change(settings);
    });
    let server = Server::bind(([127, 0, 0, 1], 0).into(), &Bounds::default()).unwrap();
    let address = server.address().unwrap();
    tokio::spawn(server.serve(fixture.app.clone()));
    (fixture, address)
}

/// Asks, and reads nothing of the answer.
async fn connect(address: SocketAddr, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

async fn read(mut stream: TcpStream) -> (String, usize) {
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer.len() - end)
}

async fn until(fixture: &Fixture, line: &str) {
    while !fixture.counts(line) {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn slow_readers_have_slots_of_their_own() {
    // more than the buffers of both ends of a connection take
    let store = Long::new(512, 0).await;
    let (fixture, address) = serve(store.clone(), |settings| {
        settings.bounds.streams = 2.try_into().unwrap();
        settings.queue = Duration::from_secs(2);
    });
    let slow = join_all((0..2).map(|_| connect(address, TARGET))).await;
    until(&fixture, "resizer_streams 2").await;
    let (refused, _) = read(connect(address, TARGET).await).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 5\r\n"), "{refused}");
    // what has to be made, what is not changed and what has no body needs none
    let (made, length) = read(connect(address, "/640x0/cat.png").await).await;
    assert!(made.starts_with("HTTP/1.1 200 OK") && length > 1000, "{made}");
    assert_eq!(fixture.send(Method::HEAD, TARGET).await.status(), StatusCode::OK);
    assert_eq!(ask(&fixture, Method::GET, TARGET, "if-none-match", "*").await.status(), StatusCode::NOT_MODIFIED);
    // one that goes away frees its slot; one that waits gets it
    let waiting = tokio::spawn(async move { read(connect(address, TARGET).await).await });
    drop(slow);
    let (head, length) = timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK") && length == 512 * Long::CHUNK, "{head}");
    until(&fixture, "resizer_streams 0").await;
}

#[tokio::test]
async fn what_breaks_off_is_not_taken_for_the_whole() {
    let (fixture, address) = serve(Long::new(4, 1).await, |_| {});
    let (head, length) = read(connect(address, TARGET).await).await;
    assert!(head.contains(&format!("content-length: {}\r\n", 4 * Long::CHUNK)), "{head}");
    assert_eq!(length, 3 * Long::CHUNK, "the connection is closed before the announced end");
    assert!(fixture.counts("resizer_broken_streams_total 1") && fixture.counts("resizer_streams 0"));
}

#[tokio::test]
async fn no_more_is_taken_from_the_store_than_is_sent() {
    let store = Long::new(512, 0).await;
    let fixture = Fixture::new(store.clone(), direct);
    let mut sent = fixture.get(TARGET).await.into_body().into_data_stream();
    for chunks in 0..4 {
        assert_eq!(store.taken.load(Ordering::SeqCst), chunks, "nothing is read ahead");
        assert_eq!(sent.next().await.unwrap().unwrap().len(), Long::CHUNK);
    }
    assert!(fixture.counts("resizer_streams 1") && fixture.counts("resizer_memory_used_bytes 0"));
    drop(sent);
    assert!(fixture.counts("resizer_streams 0"));
}

#[tokio::test]
async fn where_answers_have_no_memory_left_a_picture_is_stored_first_and_streamed() {
    let keys: Vec<_> = (0..6).map(|number| format!("{number}.png")).collect();
    let objects: Vec<_> = keys.iter().map(|key| (key.as_str(), "image/png", noise())).collect();
    let store = Memory::with(&objects);
    let fixture = Fixture::new(store.clone(), |settings| {
        direct(settings);
        settings.memory_budget = Some(16 << 20);
        settings.allowed_resolutions.insert("640x480".parse().unwrap());
    });
    let mut unread = Vec::new();
    for key in &keys {
        let response = fixture.get(&format!("/640x0/{key}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{key}");
        unread.push(response);
    }
    let streamed = fixture.outcomes("streamed");
    assert!(streamed > 0 && streamed < 6, "{streamed}: answers took all memory, or none");
    assert!(fixture.counts(&format!("resizer_streams {streamed}")));
    drop(unread);
    fixture.settles().await;
    // and where it cannot be stored either, visitors may come again
    store.fail(Faults { put: Some(StoreError::Forbidden), ..Faults::default() });
    let mut unread = Vec::new();
    for key in &keys {
        unread.push(fixture.get(&format!("/640x480/{key}")).await);
    }
    let refused = unread.iter().filter(|response| response.status() == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!(refused > 0 && unread.iter().all(|response| matches!(response.status().as_u16(), 200 | 503)), "{refused}");
}
