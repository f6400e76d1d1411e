//! Interleaved runs of both sides → the tables of speed, bytes, quality and memory.

use std::{env, fmt::Write as _, fs, path::Path, process::Command};

use crate::{
    Outcome,
    job::{Job, Taken, make, ours},
    quality,
    sharp::{self, Sharp},
};

/// Pictures of each case that two workers share.
const SHARED: usize = 12;

/// What both sides made of one job.
pub struct Row {
    name: String,
    ours: Vec<Taken>,
    theirs: Vec<Taken>,
    bytes: (usize, usize),
    scores: Option<(f64, f64)>,
    /// KiB: ours, what we estimated, theirs.
    memory: (u64, u64, u64),
}

pub fn measure(job: &Job, sharp: &mut Sharp, folder: &Path, rounds: usize) -> Outcome<Row> {
    let (source, request) = (fs::read(&job.source)?, job.request());
    let (our_file, their_file) = (folder.join("ours"), folder.join("theirs"));
    // fresh processes, so that nothing is left of an earlier job
    let fresh = Command::new(env::current_exe()?).arg("--memory").args(job.arguments()).output()?;
    let answer = String::from_utf8(fresh.stdout)?;
    let (memory, estimate) = answer.trim().split_once(' ').ok_or("no answer about memory")?;
    let their_memory = Sharp::start(&sharp::folder()?)?.run(job, &their_file, 1, 1)?.memory;
    let (mut our_times, mut their_times) = (vec![], vec![]);
    for _ in 0..rounds {
        our_times.push(ours(&source, &request, 1, 1)?);
        their_times.push(sharp.run(job, &their_file, 1, 1)?);
    }
    fs::write(&our_file, make(&source, &request)?.bytes)?;
    Ok(Row {
        name: job.name.clone(),
        ours: our_times,
        theirs: their_times,
        bytes: (fs::metadata(&our_file)?.len() as usize, fs::metadata(&their_file)?.len() as usize),
        scores: quality::scores(job, sharp, &our_file, &their_file).ok(),
        memory: (memory.parse()?, estimate.parse()?, their_memory),
    })
}

fn least_and_median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2])
}

fn cpu(taken: &[Taken]) -> (f64, f64) {
    least_and_median(taken.iter().map(|taken| taken.cpu.as_secs_f64() * 1000.0).collect())
}

fn wall(taken: &[Taken]) -> (f64, f64) {
    least_and_median(taken.iter().map(|taken| taken.wall.as_secs_f64() * 1000.0).collect())
}

pub fn table(rows: &[Row]) -> Outcome<String> {
    let mut table = String::from(
        "| case | this, CPU ms: min, median | sharp | times faster: min, median | bytes | sharp | ratio | SSIMULACRA2 | sharp | peak MiB | estimated | sharp |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let ((our_min, our_median), (their_min, their_median)) = (cpu(&row.ours), cpu(&row.theirs));
        let (bytes, their_bytes) = row.bytes;
        let scores = row.scores.map_or_else(|| "– | –".into(), |(ours, theirs)| format!("{ours:.1} | {theirs:.1}"));
        let [memory, estimate, their_memory] = [row.memory.0, row.memory.1, row.memory.2].map(|memory| memory as f64 / 1024.0);
        writeln!(
            table,
            "| {} | {our_min:.1}, {our_median:.1} | {their_min:.1}, {their_median:.1} | **{:.2}**, {:.2} | {bytes} | {their_bytes} | {:.2} | {scores} | {memory:.1} | {estimate:.1} | {their_memory:.1} |",
            row.name,
            their_min / our_min,
            their_median / our_median,
            bytes as f64 / their_bytes as f64,
        )?;
    }
    Ok(table)
}

/// Two workers on each side, also interleaved.
pub fn workers_table(jobs: &[Job], sharp: &mut Sharp, folder: &Path, rounds: usize) -> Outcome<String> {
    let mut table = format!(
        "| case, {SHARED} pictures by 2 workers | this, wall ms: min, median | sharp | times faster: min, median | CPU: median |\n|---|---|---|---|---|\n"
    );
    for job in
        jobs.iter().filter(|job| ["JPEG 2725", "24 MP → 300"].iter().any(|name| job.name.contains(name)) && !job.name.contains("AVIF"))
    {
        let (source, request) = (fs::read(&job.source)?, job.request());
        let (mut our_times, mut their_times) = (vec![], vec![]);
        for _ in 0..rounds {
            our_times.push(ours(&source, &request, 2, SHARED)?);
            their_times.push(sharp.run(job, &folder.join("theirs"), 2, SHARED)?);
        }
        let ((our_min, our_median), (their_min, their_median)) = (wall(&our_times), wall(&their_times));
        writeln!(
            table,
            "| {} | {our_min:.0}, {our_median:.0} | {their_min:.0}, {their_median:.0} | **{:.2}**, {:.2} | {:.2} |",
            job.name,
            their_min / our_min,
            their_median / our_median,
            cpu(&their_times).1 / cpu(&our_times).1
        )?;
    }
    Ok(table)
}
