//! The sharp of npm, in a process of its own.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::{
    Outcome,
    job::{Job, Taken},
};

/// Where it is installed.
pub fn folder() -> Outcome<PathBuf> {
    env::var_os("SHARP").map(PathBuf::from).ok_or_else(|| "SHARP is not set: a folder with sharp in its node_modules".into())
}

pub struct Sharp {
    process: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Its versions.
    pub name: String,
}

impl Sharp {
    /// `folder` has sharp in its `node_modules`.
    pub fn start(folder: &Path) -> Outcome<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sharp.mjs");
        std::fs::copy(script, folder.join("sharp.mjs"))?;
        let mut process = Command::new("node").arg("sharp.mjs").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(jobs), Some(answers)) = (process.stdin.take(), process.stdout.take()) else { return Err("no pipes to node".into()) };
        let mut sharp = Self { process, jobs, answers: BufReader::new(answers), name: String::new() };
        sharp.name = sharp.answer()?;
        Ok(sharp)
    }

    fn answer(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() {
            return Err(format!("node ended: {}; is sharp installed? (npm install in its folder)", self.process.wait()?).into());
        }
        Ok(line.trim().to_owned())
    }

    pub fn run(&mut self, job: &Job, output: &Path, at_once: usize, count: usize) -> Outcome<Taken> {
        let Job { source, width, height, cover, format, .. } = job;
        let fit = if *cover { "cover" } else { "inside" };
        writeln!(self.jobs, "{}\t{width}\t{height}\t{fit}\t{}\t{at_once}\t{count}\t{format}", source.display(), output.display())?;
        self.taken()
    }

    /// Encodes the pixels of the file `raw`; `options` are a format and what it is encoded with, in JSON.
    pub fn encode(&mut self, raw: &Path, (width, height): (u32, u32), options: &str, output: &Path, count: usize) -> Outcome<Taken> {
        writeln!(self.jobs, "{}\t{width}\t{height}\traw\t{}\t1\t{count}\t{options}", raw.display(), output.display())?;
        self.taken()
    }

    fn taken(&mut self) -> Outcome<Taken> {
        let answer = self.answer()?;
        let numbers: Vec<u64> = answer.split('\t').map(str::parse).collect::<Result<_, _>>()?;
        let [cpu, wall, memory] = numbers[..] else { return Err(format!("sharp says {answer}").into()) };
        Ok(Taken { cpu: Duration::from_micros(cpu), wall: Duration::from_micros(wall), memory })
    }
}

impl Drop for Sharp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
