//! Encoders on the same pixels → bytes at equal SSIMULACRA2, and CPU: `SHARP=FOLDER peers --bytes Jpeg|WebP|Avif PHOTOS`.
//!
//! Each picture is scaled in linear light, encoded at several qualities by each encoder, and decoded by libjpeg-turbo or by this pipeline.
//! Between qualities the logarithm of the bytes is interpolated over the score; all are compared at the score of sharp's default.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use cpu_time::ProcessTime;
use picture::Request;
use resize_api::{
    Limits, Resolution,
    picture::{Effort, OutputFormat, UpTo},
};
use small_jpeg::{Coding, Options, Sampling, encode};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::{
    Outcome,
    draw::Drawing,
    job::{make, open},
    quality::{Linear, score},
    sharp::{self, Sharp},
};

#[derive(Clone, Copy, PartialEq)]
enum Encoder {
    /// With a format and more options, in JSON.
    Sharp(&'static str, &'static str),
    Turbo,
    SmallJpeg(small_jpeg::Effort),
    /// The whole pipeline, from a PNG of the same size, which is read within its time.
    Pipeline(OutputFormat, Effort),
}

type Encoders = &'static [(&'static str, Encoder)];

const JPEG: Encoders = &[
    ("sharp", Encoder::Sharp("jpeg", "")),
    ("mozjpeg", Encoder::Sharp("jpeg", ",\"mozjpeg\":true")),
    ("turbo", Encoder::Turbo),
    ("Fast", Encoder::SmallJpeg(small_jpeg::Effort::Fast)),
    ("Balanced", Encoder::SmallJpeg(small_jpeg::Effort::Balanced)),
    ("Small", Encoder::SmallJpeg(small_jpeg::Effort::Small)),
];
const WEBP: Encoders = &[
    ("sharp", Encoder::Sharp("webp", "")),
    ("Balanced", Encoder::Pipeline(OutputFormat::WebP, Effort::Balanced)),
    ("Fast", Encoder::Pipeline(OutputFormat::WebP, Effort::Fast)),
    ("Small", Encoder::Pipeline(OutputFormat::WebP, Effort::Small)),
];
const AVIF: Encoders = &[
    ("sharp", Encoder::Sharp("avif", "")),
    ("Balanced", Encoder::Pipeline(OutputFormat::Avif, Effort::Balanced)),
    ("Fast", Encoder::Pipeline(OutputFormat::Avif, Effort::Fast)),
    ("Small", Encoder::Pipeline(OutputFormat::Avif, Effort::Small)),
];

/// The encoders of a format, the quality of sharp's default, that of each one at which its CPU is measured, and those of which the score of
/// sharp's default lies within.
struct Contest {
    encoders: Encoders,
    at: u8,
    ours: u8,
    sharps: &'static [u8],
    qualities: &'static [u8],
}

impl Contest {
    fn of(format: OutputFormat) -> Outcome<Self> {
        match format {
            OutputFormat::Jpeg => {
                let qualities = &[60, 68, 74, 80, 85, 90, 95];
                Ok(Self { encoders: JPEG, at: 80, ours: 80, sharps: qualities, qualities })
            }
            OutputFormat::WebP => Ok(Self { encoders: WEBP, at: 80, ours: 80, sharps: &[80], qualities: &[50, 60, 68, 74, 80, 86, 92] }),
            OutputFormat::Avif => {
                Ok(Self { encoders: AVIF, at: 50, ours: 60, sharps: &[50], qualities: &[45, 50, 55, 60, 65, 70, 75, 80] })
            }
            other => Err(format!("Jpeg, WebP or Avif, not {other}").into()),
        }
    }

    fn qualities(&self, encoder: Encoder) -> (&'static [u8], u8) {
        if matches!(encoder, Encoder::Sharp(..)) { (self.sharps, self.at) } else { (self.qualities, self.ours) }
    }
}

/// The scaled pixels, also as a file.
struct Case<'a> {
    drawing: Drawing,
    png: Vec<u8>,
    raw: &'a Path,
    output: &'a Path,
}

impl Case<'_> {
    fn encode(&self, encoder: Encoder, quality: u8, sharp: &mut Sharp) -> Outcome<(Vec<u8>, Duration)> {
        let Drawing { width, height, pixels } = &self.drawing;
        let start = ProcessTime::now();
        let file = match encoder {
            Encoder::Sharp(format, more) => {
                let options = format!("[\"{format}\",{{\"quality\":{quality}{more}}}]");
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
            Encoder::Pipeline(format, effort) => {
                let mut request = Request::new(Resolution { width: *width, height: *height }, Limits::default());
                (request.recipe.format, request.recipe.quality) = (format, Some(UpTo::new(quality)));
                request.recipe.effort = effort;
                make(&self.png, &request)?.bytes
            }
            Encoder::SmallJpeg(effort) => {
                let coding = if effort == small_jpeg::Effort::Fast { Coding::Baseline } else { Coding::Smallest };
                encode(pixels, *width, *height, &Options { quality, sampling: Sampling::S420, coding, effort })?
            }
        };
        Ok((file, start.elapsed()))
    }

    fn point(&self, file: &[u8]) -> Outcome<Point> {
        let decoded = if file.starts_with(&[0xFF, 0xD8]) {
            let decoded = turbojpeg::decompress(file, PixelFormat::RGB)?;
            Drawing { width: decoded.width as u32, height: decoded.height as u32, pixels: decoded.pixels }
        } else {
            fs::write(self.output, file)?;
            open(self.output)?
        };
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

fn measure(contest: &Contest, case: &Case, sharp: &mut Sharp, rounds: usize) -> Outcome<Row> {
    let (mut curves, mut at) = (vec![], vec![]);
    for &(_, encoder) in contest.encoders {
        let (qualities, default) = contest.qualities(encoder);
        let curve = qualities.iter().map(|&quality| case.point(&case.encode(encoder, quality, sharp)?.0)).collect::<Outcome<Vec<_>>>()?;
        at.push(curve[qualities.iter().position(|&quality| quality == default).unwrap_or(0)]);
        curves.push(curve);
    }
    let mut cpu = vec![f64::INFINITY; curves.len()];
    for _ in 0..rounds {
        for (least, &(_, encoder)) in cpu.iter_mut().zip(contest.encoders) {
            *least = least.min(case.encode(encoder, contest.qualities(encoder).1, sharp)?.1.as_secs_f64() * 1000.0);
        }
    }
    let first = at[0];
    let bytes = curves.iter().map(|curve| if curve.len() < 2 { 1.0 } else { bytes_at(curve, first.score) / first.bytes }).collect();
    Ok(Row { bytes, cpu, above: at.iter().map(|point| point.score - first.score).collect() })
}

fn photos(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ["jpg", "png", "webp"].iter().any(|known| ending == *known)));
    paths.sort();
    Ok(paths)
}

/// Prints a table of all pictures in a folder, and means.
pub fn report(format: OutputFormat, folder: &Path) -> Outcome<()> {
    let contest = Contest::of(format)?;
    let names: Vec<_> = contest.encoders.iter().map(|(name, _)| *name).collect();
    let rounds = env::var("BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let mut sharp = Sharp::start(&sharp::folder()?)?;
    let scratch = env::temp_dir().join(format!("resizer-bytes-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    println!("{format}, {}: bytes at the score of sharp's default, quality {}, as a multiple of its;", sharp.name, contest.at);
    println!("points above it at quality {}; milliseconds of CPU, the least of {rounds} runs.\n", contest.ours);
    println!("| picture | size | {} |", names.join(" | "));
    println!("|---|---|{}", "---|".repeat(names.len()));
    let mut rows = [vec![], vec![]];
    for path in photos(folder)? {
        let original = open(&path)?;
        let inside = (720, (f64::from(original.height) * 720.0 / f64::from(original.width)).round() as u32);
        let linear = Linear::new(&original)?;
        for (rows, (size, cover)) in rows.iter_mut().zip([((300, 300), true), (inside, false)]) {
            let drawing = linear.scaled(size, cover)?;
            let (raw, output) = (scratch.join(format!("{}-{}.raw", rows.len(), size.1)), scratch.join("output"));
            fs::write(&raw, &drawing.pixels)?;
            let png = scratch.join("png");
            drawing.write_png(&png)?;
            let case = Case { png: fs::read(png)?, drawing, raw: &raw, output: &output };
            let row = measure(&contest, &case, &mut sharp, rounds)?;
            let cells = (0..names.len()).map(|at| format!("{:.3} {:+.1} {:.1}", row.bytes[at], row.above[at], row.cpu[at]));
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            println!("| {name} | {}×{} | {} |", size.0, size.1, cells.collect::<Vec<_>>().join(" | "));
            rows.push(row);
            fs::remove_file(raw)?;
        }
    }
    fs::remove_dir_all(scratch)?;
    summary("300×300", &names, &rows[0]);
    summary("720 wide", &names, &rows[1]);
    let all: Vec<Row> = rows.into_iter().flatten().collect();
    summary("all", &names, &all);
    Ok(())
}

/// Means of bytes, the worst, and CPU against the first, and of bytes and CPU against the second where that is another one's.
fn summary(name: &str, encoders: &[&str], rows: &[Row]) {
    let mean = |value: &dyn Fn(&Row) -> f64| (rows.iter().map(|row| value(row).ln()).sum::<f64>() / rows.len() as f64).exp();
    println!("\n{name}, {} pictures, geometric means\n", rows.len());
    println!("| | bytes / sharp | worst | points above sharp | CPU / sharp | bytes, CPU / {} |\n|---|---|---|---|---|---|", encoders[1]);
    for (at, encoder) in encoders.iter().enumerate().skip(1) {
        let worst = rows.iter().map(|row| row.bytes[at]).fold(0.0, f64::max);
        let above = rows.iter().map(|row| row.above[at]).sum::<f64>() / rows.len() as f64;
        let against = |base: usize| (mean(&|row: &Row| row.bytes[at] / row.bytes[base]), mean(&|row: &Row| row.cpu[at] / row.cpu[base]));
        let ((bytes, cpu), (other_bytes, other_cpu)) = (against(0), against(1));
        println!("| {encoder} | {bytes:.3} | {worst:.3} | {above:+.2} | {cpu:.2} | {other_bytes:.3}, {other_cpu:.2} |");
    }
}
