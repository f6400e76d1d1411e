//! Over real connections: raw bytes in the request, HEAD, and how the service stops.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use resize_api::Bounds;
use resizer::http::{
    self,
    admin::{self, Readiness},
    server::{Grace, Server},
};
use resizer::service::Service;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    direct::{KEY, TARGET, direct, gate},
    memory::{Faults, Fixture, Memory, jpeg},
};

struct Running {
    public: SocketAddr,
    admin: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

fn start(store: Arc<Memory>, drain: Duration, shutdown: Duration) -> Running {
    start_with(store, drain, shutdown, &Bounds::default())
}

fn start_with(store: Arc<Memory>, drain: Duration, shutdown: Duration, bounds: &Bounds) -> Running {
    let Fixture { service, .. } = Fixture::new(store, |settings| settings.bounds = bounds.clone());
    serve(service, drain, shutdown, bounds)
}

fn serve(service: Arc<Service>, drain: Duration, shutdown: Duration, bounds: &Bounds) -> Running {
    let loopback = ([127, 0, 0, 1], 0).into();
    let [server, admin_server] = [loopback; 2].map(|address| Server::bind(address, bounds).unwrap());
    let [public, admin] = [&server, &admin_server].map(|server| server.address().unwrap());
    let (stop, stopped) = oneshot::channel();
    let readiness = Readiness::ready();
    let admin_app = admin::app(Arc::clone(&service), readiness.clone());
    let signal = async move { drop(stopped.await) };
    let ended = tokio::spawn(async move {
        let admin = tokio::spawn(admin_server.serve(admin_app));
        let app = http::app(Arc::clone(&service));
        server.serve_until(signal, app, readiness, Grace { drain, shutdown }, service.until_kept()).await;
        admin.abort();
    });
    Running { public, admin, stop, ended }
}

/// Sends `head` as it is and reads the whole answer.
async fn raw(address: SocketAddr, head: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head).await?;
    stream.write_all(b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn status(address: SocketAddr, target: &str) -> Option<u16> {
    raw(address, format!("GET {target}").as_bytes()).await.ok()?.split(' ').nth(1)?.parse().ok()
}

fn cat() -> Arc<Memory> {
    Memory::with(&[("cat.jpg", "image/jpeg", jpeg()), ("푸른 마블.jpg", "image/jpeg", jpeg())])
}

#[tokio::test]
async fn takes_keys_as_clients_write_them() {
    let running = start(cat(), Duration::ZERO, Duration::from_secs(5));
    let location = "location: http://photos.example.com/30x30/%ED%91%B8%EB%A5%B8%20%EB%A7%88%EB%B8%94.jpg\r\n";
    for (target, expect) in [
        ("/default/resize?key=30x30/푸른%20마블.jpg", location),
        ("/default/resize/30x30/푸른%20마블.jpg", "200 OK"),
        ("http://any.example.com/default/resize?key=30x30/cat.jpg#x", "307 Temporary Redirect"),
        ("/default/resize?key=30x30/\u{85}.jpg", "400 Bad Request"),
    ] {
        let answer = raw(running.public, format!("GET {target}").as_bytes()).await.unwrap();
        assert!(answer.contains(expect), "{target}: {answer}");
    }
    let latin_1 = raw(running.public, b"GET /default/resize?key=30x30/caf\xe9.jpg").await.unwrap();
    assert!(latin_1.starts_with("HTTP/1.1 400"), "{latin_1}");
}

#[tokio::test]
async fn head_has_no_body() {
    let running = start(cat(), Duration::ZERO, Duration::from_secs(5));
    // the second time it is a loop: the answer to GET would have a body
    for expect in ["307 Temporary Redirect", "200 OK"] {
        let answer = raw(running.public, b"HEAD /default/resize?key=30x30/cat.jpg").await.unwrap();
        assert!(answer.contains(expect) && answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn the_second_port_tells() {
    let running = start(cat(), Duration::ZERO, Duration::from_secs(5));
    status(running.public, "/default/resize?key=30x30/cat.jpg").await;
    assert_eq!(status(running.admin, "/healthz").await, Some(200));
    assert_eq!(status(running.admin, "/readyz").await, Some(200));
    assert_eq!(status(running.admin, "/default/resize").await, Some(404));
    let metrics = raw(running.admin, b"GET /metrics").await.unwrap();
    for line in [
        r#"resizer_requests_total{outcome="redirected",resolution="30x30"} 1"#,
        r#"resizer_request_duration_seconds_count{outcome="redirected"} 1"#,
        r#"resizer_request_duration_seconds_bucket{le="30.0",outcome="redirected"} 1"#,
        concat!(r#"resizer_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
        "# TYPE process_cpu_seconds counter",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
    let value = |name| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).expect(name);
    assert!(value("process_cpu_seconds_total ") > 0.0 && value("process_resident_memory_bytes ") > 1e6, "{metrics}");
    assert!(value("process_start_time_seconds ") > 1e9 && value("process_open_fds ") < value("process_max_fds "), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
}

#[tokio::test]
async fn stops_in_order() {
    let store = cat();
    store.fail(Faults { delay: Duration::from_secs(2), ..Faults::default() });
    let running = start(store, Duration::from_secs(1), Duration::from_secs(10));
    let slow = tokio::spawn(async move { status(running.public, "/default/resize?key=30x30/cat.jpg").await });
    let mut idle = TcpStream::connect(running.public).await.unwrap();
    sleep(Duration::from_millis(100)).await;

    running.stop.send(()).unwrap();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(status(running.admin, "/readyz").await, Some(503), "first it is not ready");
    assert_eq!(status(running.admin, "/healthz").await, Some(200));
    assert_eq!(status(running.public, "/").await, Some(404), "while it still accepts");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(status(running.public, "/").await, None, "then it does not");
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap(), 0, "and idle connections are closed");
    assert_eq!(slow.await.unwrap(), Some(307), "but what runs is finished");
    timeout(Duration::from_secs(2), running.ended).await.expect("and then it ends").unwrap();
}

#[tokio::test]
async fn stops_in_time() {
    let store = cat();
    store.fail(Faults { delay: Duration::from_mins(1), ..Faults::default() });
    let running = start(store, Duration::ZERO, Duration::from_millis(500));
    tokio::spawn(async move { status(running.public, "/default/resize?key=30x30/cat.jpg").await });
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    running.stop.send(()).unwrap();
    running.ended.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let store = cat();
    store.fail(Faults { delay: SECOND * 60, ..Faults::default() });
    let running = start(store, Duration::ZERO, SECOND);
    let mut stream = TcpStream::connect(running.public).await.unwrap();
    stream.write_all(b"GET /default/resize?key=30x30/cat.jpg HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let metrics = async || raw(running.admin, b"GET /metrics").await.unwrap();
    while !metrics().await.contains("resizer_flights 1\n") {
        sleep(Duration::from_millis(20)).await;
    }
    drop(stream);
    while !metrics().await.contains("resizer_flights 0\n") {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(metrics().await.contains("outcome=\"client_gone\""));
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_request_is_dropped() {
    let bounds = Bounds { client: Duration::from_millis(200), ..Bounds::default() };
    let running = start_with(cat(), Duration::ZERO, SECOND, &bounds);
    let mut idle = TcpStream::connect(running.public).await.unwrap();
    let mut slow = TcpStream::connect(running.public).await.unwrap();
    slow.write_all(b"GET /default/resi").await.unwrap();
    assert_eq!(timeout(SECOND * 30, slow.read(&mut [0; 8])).await.expect("it is dropped").unwrap_or(0), 0);
    // one that has not begun yet is not
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    idle.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn a_request_head_has_a_bound() {
    let running = start(cat(), Duration::ZERO, SECOND);
    assert_eq!(status(running.public, &format!("/{}", "a".repeat(15_000))).await, Some(404));
    for head in [format!("GET /{}", "a".repeat(17_000)), format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(17_000))] {
        let mut stream = TcpStream::connect(running.public).await.unwrap();
        // it may answer, and stop to read, before all is sent
        drop(stream.write_all(head.as_bytes()).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    assert_eq!(status(running.public, "/").await, Some(404));
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_busy_ones() {
    let store = cat();
    store.fail(Faults { delay: SECOND * 60, ..Faults::default() });
    let bounds = Bounds { connections: 1.try_into().unwrap(), ..Bounds::default() };
    let running = start_with(store, Duration::ZERO, SECOND, &bounds);
    let mut first = TcpStream::connect(running.public).await.unwrap();
    first.write_all(b"GET /default/resize?key=30x30/cat.jpg HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    while !raw(running.admin, b"GET /metrics").await.unwrap().contains("resizer_flights 1\n") {
        sleep(Duration::from_millis(20)).await;
    }
    let mut waiting = tokio::spawn(async move { status(running.public, "/").await });
    assert!(timeout(SECOND / 2, &mut waiting).await.is_err(), "it waits");
    drop(first);
    assert_eq!(waiting.await.unwrap(), Some(404), "and gets its turn");
}

#[tokio::test]
async fn idle_connections_give_way() {
    let bounds = Bounds { connections: 3.try_into().unwrap(), ..Bounds::default() };
    let running = start_with(cat(), Duration::ZERO, SECOND, &bounds);
    let mut idle = Vec::new();
    for number in 0..30 {
        let mut stream = TcpStream::connect(running.public).await.unwrap();
        match number % 3 {
            // kept alive after an answer
            0 => {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
                assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            }
            // a head that does not end
            1 => stream.write_all(b"GET /").await.unwrap(),
            _ => {}
        }
        idle.push(stream);
        assert_eq!(status(running.public, "/").await, Some(404), "{number}");
    }
    assert_eq!(idle[0].read(&mut [0; 8]).await.unwrap_or(0), 0, "the oldest one is closed");
}

#[tokio::test]
async fn every_address_is_that_of_both_families() {
    let bounds = Bounds::default();
    let server = Server::bind("[::]:0".parse().unwrap(), &bounds).unwrap();
    let public = server.address().unwrap();
    for address in ["127.0.0.1", "::1"] {
        if std::net::TcpListener::bind((address, 0)).is_ok() {
            TcpStream::connect((address, public.port())).await.expect(address);
        }
    }
    let taken = Server::bind(public, &bounds);
    assert!(taken.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse && error.to_string().contains(&public.to_string())));
}

#[tokio::test]
async fn what_was_shown_before_it_is_stored_is_stored_before_the_end() {
    let (store, gate) = gate();
    let Fixture { service, .. } = Fixture::new(gate.clone(), direct);
    let Running { public, stop, ended, .. } = serve(service, Duration::ZERO, Duration::from_secs(20), &Bounds::default());
    assert_eq!(status(public, TARGET).await, Some(200));
    stop.send(()).unwrap();
    sleep(Duration::from_millis(200)).await;
    assert!(!ended.is_finished() && store.object(KEY).is_none());
    gate.puts.add_permits(1);
    ended.await.unwrap();
    assert!(store.object(KEY).is_some());
}

#[tokio::test]
async fn what_cannot_be_stored_holds_the_end_up_no_longer_than_requests_do() {
    let (store, gate) = gate();
    let Fixture { service, .. } = Fixture::new(gate, direct);
    let Running { public, stop, ended, .. } = serve(service, Duration::ZERO, Duration::from_millis(200), &Bounds::default());
    assert_eq!(status(public, TARGET).await, Some(200));
    stop.send(()).unwrap();
    timeout(Duration::from_secs(10), ended).await.unwrap().unwrap();
    assert!(store.object(KEY).is_none());
}
