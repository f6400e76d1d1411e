//! JPEG encoders on the same pixels → bytes at equal SSIMULACRA2, and CPU: `SHARP=FOLDER peers --bytes PHOTOS`.
//!
//! Each picture is scaled in linear light, encoded at several qualities by each encoder, and decoded by libjpeg-turbo. Between qualities the
//! logarithm of the bytes is interpolated over the score; all are compared at the score of sharp's default at quality 80.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use cpu_time::ProcessTime;
use small_jpeg::{Coding, Effort, Options, Sampling, encode};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::{
    Outcome,
    draw::Drawing,
    job::open,
    quality::{Linear, score},
    sharp::{self, Sharp},
};

/// Those of which the score of sharp's default at 80 lies within.
const QUALITIES: [u8; 7] = [60, 68, 74, 80, 85, 90, 95];
const AT: u8 = 80;

#[derive(Clone, Copy, PartialEq)]
enum Encoder {
    Sharp(&'static str),
    Turbo,
    Ours(Effort),
}

const ENCODERS: [(&str, Encoder); 6] = [
    ("sharp", Encoder::Sharp("false")),
    ("mozjpeg", Encoder::Sharp("true")),
    ("turbo", Encoder::Turbo),
    ("Fast", Encoder::Ours(Effort::Fast)),
    ("Balanced", Encoder::Ours(Effort::Balanced)),
    ("Small", Encoder::Ours(Effort::Small)),
];

/// The scaled pixels, also as a file.
struct Case<'a> {
    drawing: Drawing,
    raw: &'a Path,
    output: &'a Path,
}

impl Case<'_> {
    fn encode(&self, encoder: Encoder, quality: u8, sharp: &mut Sharp) -> Outcome<(Vec<u8>, Duration)> {
        let Drawing { width, height, pixels } = &self.drawing;
        let start = ProcessTime::now();
        let file = match encoder {
            Encoder::Sharp(mozjpeg) => {
                let options = format!("{{\"quality\":{quality},\"mozjpeg\":{mozjpeg}}}");
                let taken = sharp.encode(self.raw, (*width, *height), &options, self.output, 4)?;
                return Ok((fs::read(self.output)?, taken.cpu / 4));
            }
            Encoder::Turbo => {
                let mut compressor = Compressor::new()?;
                compressor.set_quality(quality.into())?;
                compressor.set_subsamp(Subsamp::Sub2x2)?;
                compressor.set_optimize(true)?;
                let (width, height) = (*width as usize, *height as usize);
                compressor.compress_to_vec(Image { pixels: &pixels[..], width, pitch: width * 3, height, format: PixelFormat::RGB })?
            }
            Encoder::Ours(effort) => {
                let coding = if effort == Effort::Fast { Coding::Baseline } else { Coding::Smallest };
                encode(pixels, *width, *height, &Options { quality, sampling: Sampling::S420, coding, effort })?
            }
        };
        Ok((file, start.elapsed()))
    }

    fn point(&self, file: &[u8]) -> Outcome<Point> {
        let decoded = turbojpeg::decompress(file, PixelFormat::RGB)?;
        let decoded = Drawing { width: decoded.width as u32, height: decoded.height as u32, pixels: decoded.pixels };
        Ok(Point { score: score(&self.drawing, &decoded)?, bytes: file.len() as f64 })
    }
}

#[derive(Clone, Copy)]
struct Point {
    score: f64,
    bytes: f64,
}

/// Bytes at a score, between the two points beside it.
fn bytes_at(curve: &[Point], score: f64) -> f64 {
    let after = curve.iter().position(|point| point.score >= score).unwrap_or(curve.len() - 1).max(1);
    let (one, other) = (curve[after - 1], curve[after]);
    let share = (score - one.score) / (other.score - one.score);
    (one.bytes.ln() + share * (other.bytes / one.bytes).ln()).exp()
}

/// One picture at one size: bytes of each encoder against the first at equal score, milliseconds, and at the same quality points more than the first.
struct Row {
    bytes: Vec<f64>,
    cpu: Vec<f64>,
    above: Vec<f64>,
}

fn measure(case: &Case, sharp: &mut Sharp, rounds: usize) -> Outcome<Row> {
    let mut curves = vec![];
    for (_, encoder) in ENCODERS {
        let curve = QUALITIES.iter().map(|&quality| case.point(&case.encode(encoder, quality, sharp)?.0)).collect::<Outcome<Vec<_>>>()?;
        curves.push(curve);
    }
    let mut cpu = vec![f64::INFINITY; ENCODERS.len()];
    for _ in 0..rounds {
        for (least, (_, encoder)) in cpu.iter_mut().zip(ENCODERS) {
            *least = least.min(case.encode(encoder, AT, sharp)?.1.as_secs_f64() * 1000.0);
        }
    }
    let at = QUALITIES.iter().position(|&quality| quality == AT).unwrap_or(0);
    let first = curves[0][at];
    let bytes = curves.iter().map(|curve| bytes_at(curve, first.score) / first.bytes).collect();
    Ok(Row { bytes, cpu, above: curves.iter().map(|curve| curve[at].score - first.score).collect() })
}

fn photos(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ["jpg", "png", "webp"].iter().any(|known| ending == *known)));
    paths.sort();
    Ok(paths)
}

/// Prints a table of all pictures in a folder, and means.
pub fn report(folder: &Path) -> Outcome<()> {
    let rounds = env::var("BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let mut sharp = Sharp::start(&sharp::folder()?)?;
    let scratch = env::temp_dir().join(format!("resizer-bytes-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    println!("JPEG, 4:2:0, {}: bytes at the score of sharp's default at quality {AT}, as a multiple of its;", sharp.name);
    println!("points above it at the same quality; milliseconds of CPU, the least of {rounds} runs.\n");
    println!("| picture | size | {} |", ENCODERS.map(|(name, _)| name).join(" | "));
    println!("|---|---|{}", "---|".repeat(ENCODERS.len()));
    let mut rows = [vec![], vec![]];
    for path in photos(folder)? {
        let original = open(&path)?;
        let inside = (720, (f64::from(original.height) * 720.0 / f64::from(original.width)).round() as u32);
        let linear = Linear::new(&original)?;
        for (rows, (size, cover)) in rows.iter_mut().zip([((300, 300), true), (inside, false)]) {
            let drawing = linear.scaled(size, cover)?;
            let (raw, output) = (scratch.join(format!("{}-{}.raw", rows.len(), size.1)), scratch.join("output"));
            fs::write(&raw, &drawing.pixels)?;
            let row = measure(&Case { drawing, raw: &raw, output: &output }, &mut sharp, rounds)?;
            let cells = (0..ENCODERS.len()).map(|at| format!("{:.3} {:+.1} {:.1}", row.bytes[at], row.above[at], row.cpu[at]));
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            println!("| {name} | {}×{} | {} |", size.0, size.1, cells.collect::<Vec<_>>().join(" | "));
            rows.push(row);
            fs::remove_file(raw)?;
        }
    }
    fs::remove_dir_all(scratch)?;
    summary("300×300", &rows[0]);
    summary("720 wide", &rows[1]);
    let all: Vec<Row> = rows.into_iter().flatten().collect();
    summary("all", &all);
    Ok(())
}

/// Means of bytes against both of sharp's, the worst, and CPU against both.
fn summary(name: &str, rows: &[Row]) {
    let mean = |value: &dyn Fn(&Row) -> f64| (rows.iter().map(|row| value(row).ln()).sum::<f64>() / rows.len() as f64).exp();
    println!("\n{name}, {} pictures, geometric means\n", rows.len());
    println!(
        "| | bytes / sharp | worst | bytes / mozjpeg | points above sharp | CPU / sharp | CPU / mozjpeg | CPU / turbo |\n|---|---|---|---|---|---|---|---|"
    );
    for (at, (encoder, _)) in ENCODERS.iter().enumerate().skip(1) {
        let worst = rows.iter().map(|row| row.bytes[at]).fold(0.0, f64::max);
        let above = rows.iter().map(|row| row.above[at]).sum::<f64>() / rows.len() as f64;
        let against = |base: usize| mean(&|row: &Row| row.cpu[at] / row.cpu[base]);
        let (bytes, moz) = (mean(&|row: &Row| row.bytes[at]), mean(&|row: &Row| row.bytes[at] / row.bytes[1]));
        println!(
            "| {encoder} | {bytes:.3} | {worst:.3} | {moz:.3} | {above:+.2} | {:.2} | {:.2} | {:.2} |",
            against(0),
            against(1),
            against(2)
        );
    }
}
