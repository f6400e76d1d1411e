//! `make load`: what the resizer does when more is asked of it than it can do.
//!
//! An open-loop client on loopback asks for keys that are all different, at 1, 4 and 16 times the rate that the
//! resizer reaches with a few visitors who wait for their answers. It prints a table, and fails if the goodput at
//! 16 times is not within 15 % of the best, or if the memory limit did not hold.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a measurement, not a program")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and rates")]

#[path = "../siege/lab.rs"]
#[allow(dead_code, reason = "the load needs a part of it")]
mod lab;

use std::{
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use lab::{Cage, Lab, Resizer, picture};

const LIMIT: u64 = 256 << 20;
const ORIGINALS: u32 = 20;
const CALIBRATION: Duration = Duration::from_secs(10);
const PHASE: Duration = Duration::from_secs(20);
/// A visitor gives up after so long.
const VISITOR: Duration = Duration::from_secs(20);

/// One answer: status, or 0 for none, when it came, and after how long.
struct Sample {
    status: u16,
    at: Instant,
    took: Duration,
}

struct Client {
    http: reqwest::Client,
    resizer: Resizer,
    next: AtomicU32,
}

impl Client {
    /// Asks for a key that nobody asked for before.
    async fn ask(&self) -> Sample {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (original, size) = (number % ORIGINALS, number / ORIGINALS);
        let key = format!("{}x{}/{original}.jpg", 300 + size % 100, 200 + size / 100);
        let start = Instant::now();
        let answer = self.http.get(self.resizer.url(&key)).timeout(VISITOR).send().await;
        let status = answer.map_or(0, |answer| answer.status().as_u16());
        Sample { status, at: Instant::now(), took: start.elapsed() }
    }

    /// What a few visitors get, each of whom waits for an answer before asking again: pictures per second.
    async fn capacity(self: &Arc<Self>, visitors: usize) -> f64 {
        let end = Instant::now() + CALIBRATION;
        let visits = (0..visitors).map(|_| async {
            let mut made = 0;
            while Instant::now() < end {
                made += u32::from(self.ask().await.status == 307);
            }
            made
        });
        join_all(visits).await.into_iter().sum::<u32>() as f64 / CALIBRATION.as_secs_f64()
    }

    /// Asks `rate` times a second, whatever is answered.
    async fn storm(self: &Arc<Self>, rate: f64) -> Vec<Sample> {
        let start = tokio::time::Instant::now();
        let mut asked = Vec::new();
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while start.elapsed() < PHASE {
            ticks.tick().await;
            let due = rate * start.elapsed().as_secs_f64().min(PHASE.as_secs_f64()) - asked.len() as f64;
            for _ in 0..due as usize {
                let client = Arc::clone(self);
                asked.push(tokio::spawn(async move { client.ask().await }));
            }
        }
        join_all(asked).await.into_iter().map(Result::unwrap).collect()
    }

    async fn calms_down(&self) {
        while self.resizer.metrics().await["resizer_flights"] > 0.0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn percentile(sorted: &[Duration], share: f64) -> u128 {
    sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1))).map_or(0, Duration::as_millis)
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(lab) = Lab::new().await else { return ExitCode::FAILURE };
    let failed = measure(&lab).await;
    lab.delete_bucket().await;
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn measure(lab: &Lab) -> bool {
    for original in 0..ORIGINALS {
        lab.upload(&format!("{original}.jpg"), "image/jpeg", picture(1600, 1200, original)).await;
    }
    let cage = Cage::new(LIMIT);
    // a CPU for the resizer and another one for those who ask: else it would be measured how they get in its way
    let apart = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    let pin =
        |cpu| apart && Command::new("taskset").args(["-acp", cpu, &std::process::id().to_string()]).output().unwrap().status.success();
    pin("0");
    let resizer = lab.resizer_in(cage.as_ref(), &[]);
    if !pin("1") {
        eprintln!("resizer and visitors share their CPUs");
    }
    let client = Arc::new(Client { http: lab.http.clone(), resizer, next: AtomicU32::new(0) });
    let workers = client.resizer.metrics().await["resizer_workers"];
    let capacity = client.capacity(workers as usize * 4).await;
    println!("{workers} workers, {} MiB; {capacity:.1} pictures/s with {} visitors who wait", LIMIT >> 20, workers * 4.0);
    println!(
        "| asked | asked/s | goodput/s | 307 | 503 | no answer | p50 ms | p99 ms | CPU ms for each 307 | peak MiB |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut goodputs = Vec::new();
    for factor in [1.0, 4.0, 16.0] {
        client.calms_down().await;
        client.resizer.forget_peak();
        let (start, cpu) = (Instant::now(), client.resizer.cpu());
        let samples = client.storm(capacity * factor).await;
        let cpu = client.resizer.cpu().saturating_sub(cpu);
        let count = |status| samples.iter().filter(|sample| sample.status == status).count();
        let share = |status| count(status) as f64 * 100.0 / samples.len() as f64;
        // the second half: when the queue has been filled
        let steady = samples.iter().filter(|sample| sample.status == 307 && (PHASE / 2..PHASE).contains(&(sample.at - start))).count();
        let goodput = steady as f64 / (PHASE / 2).as_secs_f64();
        let mut admitted: Vec<_> = samples.iter().filter(|sample| sample.status == 307).map(|sample| sample.took).collect();
        admitted.sort_unstable();
        println!(
            "| {factor}× | {:.0} | {goodput:.1} | {:.1} % | {:.1} % | {} | {} | {} | {:.1} | {} |",
            samples.len() as f64 / PHASE.as_secs_f64(),
            share(307),
            share(503),
            count(0),
            percentile(&admitted, 0.5),
            percentile(&admitted, 0.99),
            cpu.as_secs_f64() * 1000.0 / count(307) as f64,
            client.resizer.peak() >> 20,
        );
        goodputs.push(goodput);
    }
    let best = goodputs.iter().copied().fold(capacity, f64::max);
    let last = goodputs[2];
    println!("goodput at 16× is {:.0} % of the best", last * 100.0 / best);
    let mut failed = last < best * 0.85;
    if let Some(cage) = &cage {
        let (peak, kills) = cage.peak_and_kills();
        println!("control group: peak {} MiB of {} with page cache, {kills} kills", peak >> 20, LIMIT >> 20);
        failed |= kills > 0;
    }
    failed
}
