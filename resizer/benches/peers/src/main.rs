//! This pipeline against sharp: speed, memory, bytes and quality, interleaved in one run → `benches/RESULTS.md`.
//!
//! `SHARP` is a folder with sharp in its `node_modules`; `BENCH_IMAGES` a folder with pictures to measure beside the drawn ones;
//! `BENCH_ROUNDS` how often each case is measured. An argument measures only the cases whose name has it, or only `workers` or `quality`.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "arithmetic on pixels"
)]

mod bytes;
mod draw;
mod job;
mod pictures;
mod quality;
mod sharp;
mod speed;

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use job::Job;
use sharp::Sharp;

// allocates as the resizer does, see its `main`
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[unsafe(export_name = "malloc_conf")]
pub static ALLOCATION: &[u8; 60] = b"narenas:1,oversize_threshold:0,thp:always,dirty_decay_ms:-1\0";

pub type Outcome<T> = Result<T, Box<dyn Error>>;

fn machine() -> String {
    let file = |path| fs::read_to_string(path).unwrap_or_default();
    let line = |text: &str, name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown");
        value.trim_matches(['\t', ' ', ':', '"']).to_owned()
    };
    let memory: u64 = line(&file("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    format!(
        "{}, {} processors, {} GiB; Linux {}, {}",
        line(&file("/proc/cpuinfo"), "model name"),
        std::thread::available_parallelism().map_or(0, usize::from),
        memory >> 20,
        file("/proc/sys/kernel/osrelease").trim(),
        line(&file("/etc/os-release"), "PRETTY_NAME="),
    )
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some((flag, arguments)) = arguments.split_first()
        && flag == "--memory"
    {
        let (grown, estimated) = job::memory(&Job::from_arguments(arguments)?)?;
        println!("{grown} {estimated}");
        return Ok(());
    }
    if let [flag, format, photos] = &arguments[..]
        && flag == "--bytes"
    {
        return bytes::report(format.parse()?, Path::new(photos));
    }
    let rounds = env::var("BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(9);
    let folder = env::temp_dir().join(format!("resizer-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let report = report(arguments.first().map(String::as_str), rounds, &folder);
    fs::remove_dir_all(folder)?;
    let report = report?;
    if arguments.is_empty() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../RESULTS.md"), &report)?;
    }
    println!("{report}");
    Ok(())
}

fn report(filter: Option<&str>, rounds: usize, folder: &Path) -> Outcome<String> {
    let mut sharp = Sharp::start(&sharp::folder()?)?;
    let mut report = format!("# This pipeline against sharp\n\n{}; {}; {rounds} interleaved rounds.\n\n", machine(), sharp.name);
    report += "This is built and allocates as what ships: musl and jemalloc. `Fast` is `output.effort`, all else its default. \
        Encoders by themselves: [ENCODERS.md](ENCODERS.md); the shipped program with HTTP and S3: [SERVICE.md](SERVICE.md).\n\n";
    report += "sharp runs with concurrency 1 and no cache. Memory is the growth of the peak over a fresh process that holds the source; \
        estimated is what the service sets aside for the same.\n\n";
    let jobs = pictures::jobs(folder)?;
    let mut rows = vec![];
    for job in jobs.iter().filter(|job| filter.is_none_or(|filter| job.name.contains(filter))) {
        rows.push(speed::measure(job, &mut sharp, folder, rounds)?);
        eprint!("{}", speed::table(&rows[rows.len() - 1..])?.lines().skip(2).fold(String::new(), |lines, line| lines + line + "\n"));
    }
    writeln!(report, "{}", speed::table(&rows)?)?;
    if filter.is_none_or(|filter| filter == "workers") {
        writeln!(report, "{}", speed::workers_table(&jobs, &mut sharp, folder, rounds)?)?;
    }
    if filter.is_none_or(|filter| filter == "quality") {
        writeln!(report, "## Quality\n\nSSIMULACRA2 against the whole picture scaled in linear light.\n")?;
        writeln!(report, "{}", quality::table(&mut sharp, folder)?)?;
    }
    Ok(report)
}
