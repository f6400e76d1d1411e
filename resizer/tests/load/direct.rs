//! The same program where it answers visitors itself: what a hit costs beside the S3 client alone, what a miss costs, and whether
//! readers that take nothing stop either.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    lab::{Cage, Lab, Resizer, picture, proc},
    percentile,
};

const ORIGINALS: u32 = 20;
const HITS: u32 = 4000;
const VISITORS: u32 = 8;
const SLOW_READERS: usize = 200;
/// More than the buffers of both ends of a connection take.
const LARGE: usize = 32 << 20;
/// CPU time that a hit may cost beside the S3 client.
const BOUND: Duration = Duration::from_micros(500);

/// What a number of requests came to.
struct Cost {
    took: Vec<Duration>,
    cpu: Duration,
}

impl Cost {
    /// `ask`s for numbers from 0 on, by visitors who wait for their answers; `cpu` tells the time of the process that is measured.
    async fn of(requests: u32, cpu: impl Fn() -> Duration, ask: impl AsyncFn(u32)) -> Self {
        let before = cpu();
        let visits = (0..VISITORS).map(async |visitor| {
            let mut took = Vec::new();
            for number in (visitor..requests).step_by(VISITORS as usize) {
                let start = Instant::now();
                ask(number).await;
                took.push(start.elapsed());
            }
            took
        });
        let mut took: Vec<_> = join_all(visits).await.concat();
        took.sort_unstable();
        Self { cpu: cpu().saturating_sub(before) / requests, took }
    }

    fn print(&self, what: &str) {
        let (p50, p99) = (percentile(&self.took, 0.5), percentile(&self.took, 0.99));
        println!("| {what} | {} | {p50} | {p99} | {:.2} |", self.took.len(), self.cpu.as_secs_f64() * 1000.0);
    }
}

fn key(number: u32) -> String {
    format!("300x200/{}.jpg", number % ORIGINALS)
}

async fn ask(resizer: &Resizer, key: &str) {
    let answer = resizer.get(key).await.unwrap();
    assert_eq!((answer.status, answer.body.is_empty()), (200, false), "{key}");
}

/// Whether what was promised did not hold.
pub async fn measure(lab: &Lab) -> bool {
    for original in 0..ORIGINALS {
        lab.upload(&format!("{original}.jpg"), "image/jpeg", picture(1600, 1200, original)).await;
    }
    lab.upload("large.jpg", "image/jpeg", vec![7; LARGE]).await;
    let cage = Cage::new(super::LIMIT);
    let resizer = lab.resizer_in(cage.as_ref(), &[("DELIVERY_MODE", "Direct"), ("DELIVERY_ORIGINALS", "true"), ("LOG_LEVEL", "info")]);
    println!("| Direct | requests | p50 ms | p99 ms | CPU ms each |\n|---|---|---|---|---|");
    Cost::of(
        ORIGINALS * 10,
        || resizer.cpu(),
        async |number| {
            ask(&resizer, &format!("{}x200/{}.jpg", 300 + number / ORIGINALS, number % ORIGINALS)).await;
        },
    )
    .await
    .print("misses");
    while resizer.metrics().await["resizer_flights"] > 0.0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    resizer.forget_peak();
    let hits = Cost::of(HITS, || resizer.cpu(), async |number| ask(&resizer, &key(number)).await).await;
    hits.print("hits");
    let peak = resizer.peak() >> 20;
    let this = std::process::id();
    let client = Cost::of(
        HITS,
        || proc::cpu(this),
        async |number| {
            let original = format!("{}.jpg", number % ORIGINALS);
            let key = key(number);
            let head = async { drop(lab.s3.head_object().bucket(&lab.bucket).key(&original).send().await.unwrap()) };
            let get = async { assert!(lab.object(&key).await.is_some()) };
            futures::join!(head, get);
        },
    )
    .await;
    client.print("the two requests of a hit, by the S3 client alone");
    let beyond = hits.cpu.saturating_sub(client.cpu);
    println!("a hit costs {:.2} ms of CPU beyond that; peak {peak} MiB", beyond.as_secs_f64() * 1000.0);
    let slow = slow_readers(&resizer).await;
    let during = Cost::of(
        ORIGINALS * 4,
        || resizer.cpu(),
        async |number| {
            ask(&resizer, &format!("{}x210/{}.jpg", 300 + number / ORIGINALS, number % ORIGINALS)).await;
        },
    )
    .await;
    during.print(&format!("misses beside {SLOW_READERS} slow readers"));
    let streams = resizer.metrics().await["resizer_streams"];
    println!("{streams} objects of {} MiB were being sent meanwhile; peak {} MiB", LARGE >> 20, resizer.peak() >> 20);
    drop(slow);
    let kills = cage.as_ref().map_or(0, |cage| cage.peak_and_kills().1);
    beyond > BOUND || kills > 0
}

/// Connections that ask for a large object and read nothing of it.
async fn slow_readers(resizer: &Resizer) -> Vec<TcpStream> {
    let public = resizer.url("");
    let address = public.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let open = (0..SLOW_READERS).map(async |_| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"GET /large.jpg HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        stream
    });
    let open = join_all(open).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    open
}
