//! Each stage of the pipeline by itself: `make stages`; for some of the pictures `cargo run --release --bin stages -- --bench NAME`.
#![allow(
    missing_docs,
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "shares its pictures with the comparison"
)]

mod draw;
mod job;
mod pictures;

use std::{
    error::Error,
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;
use moxcms::ColorProfile;
use picture::{Request, Step, Stop, execute_in_steps, plan};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long the step takes of `count` runs.
fn time(source: &[u8], request: &Request, step: Step, count: u64) -> Duration {
    let Ok(plan) = plan(source, request) else { return Duration::ZERO };
    let mut total = Duration::ZERO;
    for _ in 0..count {
        let mut start = Instant::now();
        let _ = black_box(execute_in_steps(source, &plan, &Stop::new(), |done| {
            if done == step {
                total += start.elapsed();
            }
            start = Instant::now();
        }));
    }
    total
}

/// The JPEG with a profile of other primaries, which has to be converted.
fn with_profile(jpeg: &[u8]) -> Outcome<Vec<u8>> {
    let content = [&b"ICC_PROFILE\0\x01\x01"[..], &ColorProfile::new_display_p3().encode()?].concat();
    let length = u16::try_from(content.len() + 2)?.to_be_bytes();
    Ok([&jpeg[..2], &[0xFF, 0xE2], &length, &content, &jpeg[2..]].concat())
}

fn main() -> Outcome<()> {
    let folder = std::env::temp_dir().join(format!("resizer-stages-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let jobs = pictures::jobs(&folder)?;
    let mut criterion = Criterion::default().configure_from_args().sample_size(20).measurement_time(Duration::from_secs(2));
    for job in jobs.iter().filter(|job| !job.name.contains("24 MP")) {
        let (source, request) = (fs::read(&job.source)?, job.request());
        let mut group = criterion.benchmark_group(&job.name);
        group.bench_function("probe and plan", |bencher| bencher.iter(|| plan(black_box(&source), &request).is_ok()));
        for step in Step::ALL {
            group.bench_function(format!("{step:?}"), |bencher| bencher.iter_custom(|count| time(&source, &request, step, count)));
        }
        if job.name.contains("JPEG") {
            let source = with_profile(&source)?;
            let colour = |count| time(&source, &request, Step::Scale, count);
            group.bench_function("Scale, with colour", |bencher| bencher.iter_custom(colour));
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(fs::remove_dir_all(folder)?)
}
