//! `make load`: what the resizer does when more is asked of it than it can do.
//!
//! An open-loop client on loopback asks for keys that are all different, at 1, 4 and 16 times the rate that the
//! resizer reaches with a few visitors who wait for their answers; three times, for machines are noisy. It prints
//! the medians, and fails if the goodput at 16 times is not within 15 % of its round's best, or if the memory limit did not hold.
//! With `--direct` it measures hits and misses where the resizer itself answers visitors, with `--formats` what each format takes.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a measurement, not a program")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and rates")]

#[path = "../siege/lab.rs"]
#[allow(dead_code, reason = "the load needs a part of it")]
mod lab;

mod direct;
mod formats;

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
const PHASE: Duration = Duration::from_secs(15);
const ROUNDS: usize = 3;
const FACTORS: [f64; 3] = [1.0, 4.0, 16.0];
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
        f64::from(join_all(visits).await.into_iter().sum::<u32>()) / CALIBRATION.as_secs_f64()
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
    let mut arguments = std::env::args().skip(1);
    let failed = match arguments.next().as_deref() {
        Some("--direct") => direct::measure(&lab).await,
        Some("--formats") => formats::measure(&lab, &arguments.next().unwrap_or_default()).await,
        _ => measure(&lab).await,
    };
    lab.delete_bucket().await;
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What came of asking at one rate.
struct Outcome {
    asked: f64,
    goodput: f64,
    made: f64,
    refused: f64,
    unanswered: usize,
    p50: u128,
    p99: u128,
    cpu: f64,
    peak: u64,
}

impl Outcome {
    async fn of(client: &Arc<Client>, rate: f64) -> Self {
        client.calms_down().await;
        client.resizer.forget_peak();
        let (start, cpu) = (Instant::now(), client.resizer.cpu());
        let samples = client.storm(rate).await;
        let cpu = client.resizer.cpu().saturating_sub(cpu);
        let count = |status| samples.iter().filter(|sample| sample.status == status).count();
        let share = |status| count(status) as f64 * 100.0 / samples.len() as f64;
        // the second half: when the queue has been filled
        let steady = samples.iter().filter(|sample| sample.status == 307 && (PHASE / 2..PHASE).contains(&(sample.at - start))).count();
        let mut admitted: Vec<_> = samples.iter().filter(|sample| sample.status == 307).map(|sample| sample.took).collect();
        admitted.sort_unstable();
        Self {
            asked: samples.len() as f64 / PHASE.as_secs_f64(),
            goodput: steady as f64 / (PHASE / 2).as_secs_f64(),
            made: share(307),
            refused: share(503),
            unanswered: count(0),
            p50: percentile(&admitted, 0.5),
            p99: percentile(&admitted, 0.99),
            cpu: cpu.as_secs_f64() * 1000.0 / count(307) as f64,
            peak: client.resizer.peak() >> 20,
        }
    }
}

fn median<T: Copy + PartialOrd>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

/// Has processes run on one CPU only, if there are several; on all again once this is dropped.
struct Pinned(Vec<u32>, usize);

impl Pinned {
    fn to(cpu: usize, mut processes: Vec<u32>) -> Self {
        let cpus = std::thread::available_parallelism().unwrap().get();
        if cpus == 1 {
            eprintln!("resizer, S3 and visitors share one CPU");
            processes.clear();
        }
        pin(&cpu.to_string(), &processes);
        Self(processes, cpus)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        pin(&format!("0-{}", self.1 - 1), &self.0);
    }
}

fn pin(cpus: &str, processes: &[u32]) {
    for process in processes {
        let pinned = Command::new("taskset").args(["-acp", cpus, &process.to_string()]).output().unwrap();
        assert!(pinned.status.success(), "{}", String::from_utf8_lossy(&pinned.stderr));
    }
}

/// The processes of the S3.
fn s3() -> Vec<u32> {
    let process = |name| {
        let file = lab::s3::state().join("run").join(name).with_extension("pid");
        let text = std::fs::read_to_string(file).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    ["mon", "osd", "rgw"].map(process).to_vec()
}

async fn measure(lab: &Lab) -> bool {
    for original in 0..ORIGINALS {
        lab.upload(&format!("{original}.jpg"), "image/jpeg", picture(1600, 1200, original)).await;
    }
    let cage = Cage::new(LIMIT);
    // one CPU for the resizer alone, as in a pod: else the client and the S3 would take its time
    let this = std::process::id();
    let apart = Pinned::to(0, vec![this]);
    let resizer = lab.resizer_in(cage.as_ref(), &[]);
    drop(apart);
    let _apart = Pinned::to(1, s3().into_iter().chain([this]).collect());
    let client = Arc::new(Client { http: lab.http.clone(), resizer, next: AtomicU32::new(0) });
    let workers = client.resizer.metrics().await["resizer_workers"];
    let (mut capacities, mut outcomes) = (Vec::new(), FACTORS.map(|_| Vec::new()));
    for _ in 0..ROUNDS {
        let capacity = client.capacity(workers as usize * 4).await;
        capacities.push(capacity);
        for (factor, outcomes) in FACTORS.iter().zip(&mut outcomes) {
            outcomes.push(Outcome::of(&client, capacity * factor).await);
        }
    }
    let capacity = median(capacities.iter().copied());
    println!(
        "{workers} workers, {} MiB; {capacity:.1} pictures/s with {} visitors who wait; medians of {ROUNDS} rounds",
        LIMIT >> 20,
        workers * 4.0
    );
    println!("| asked | asked/s | goodput/s (all rounds) | 307 | 503 | no answer | p50 ms | p99 ms | CPU ms for each 307 | peak MiB |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (factor, outcomes) in FACTORS.iter().zip(&outcomes) {
        let of = |value: fn(&Outcome) -> f64| median(outcomes.iter().map(value));
        println!(
            "| {factor}× | {:.0} | {:.1} ({}) | {:.1} % | {:.1} % | {} | {} | {} | {:.1} | {} |",
            of(|outcome| outcome.asked),
            of(|outcome| outcome.goodput),
            outcomes.iter().map(|outcome| format!("{:.0}", outcome.goodput)).collect::<Vec<_>>().join(", "),
            of(|outcome| outcome.made),
            of(|outcome| outcome.refused),
            outcomes.iter().map(|outcome| outcome.unanswered).sum::<usize>(),
            median(outcomes.iter().map(|outcome| outcome.p50)),
            median(outcomes.iter().map(|outcome| outcome.p99)),
            of(|outcome| outcome.cpu),
            outcomes.iter().map(|outcome| outcome.peak).max().unwrap(),
        );
    }
    let shares = (0..ROUNDS).map(|round| {
        let goodput = |factor: &Vec<Outcome>| factor[round].goodput;
        goodput(&outcomes[FACTORS.len() - 1]) / outcomes.iter().map(goodput).fold(capacities[round], f64::max)
    });
    let shares: Vec<_> = shares.collect();
    let share = median(shares.iter().copied());
    println!("goodput at 16× is {:.0} % of the round's best ({shares:.2?})", share * 100.0);
    let mut failed = share < 0.85;
    if let Some(cage) = &cage {
        let (peak, kills) = cage.peak_and_kills();
        println!("control group: peak {} MiB of {} with page cache, {kills} kills", peak >> 20, LIMIT >> 20);
        failed |= kills > 0;
    }
    failed
}
