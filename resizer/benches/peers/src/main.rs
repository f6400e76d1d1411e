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

#[path = "../../../src/resize/mod.rs"]
#[allow(dead_code, reason = "the benchmark needs a part of it")]
mod resize;

mod draw;
mod quality;
mod sharp;

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use draw::Drawing;
use resize::{Fit, Format, Picture, Request, execute, plan};
use resize_api::{Limits, Resolution};
use sharp::Sharp;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// One picture to one size.
pub struct Job {
    name: String,
    source: PathBuf,
    width: u32,
    height: u32,
    /// Else inside.
    cover: bool,
}

/// Of a whole job; memory is by how many KiB the peak grew.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    cpu: Duration,
    wall: Duration,
    memory: u64,
}

const SIZES: [(u32, u32, bool); 3] = [(300, 300, true), (720, 720, false), (1200, 800, true)];

fn request(job: &Job) -> Request {
    let mut request = Request::new(Resolution { width: job.width, height: job.height }, Limits::default());
    request.fit = if job.cover { Fit::Cover } else { Fit::Inside };
    request
}

fn make(source: &[u8], request: &Request) -> Outcome<Picture> {
    Ok(execute(source, &plan(source, request)?)?)
}

fn status(name: &str) -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line in /proc/self/status")?;
    Ok(line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?)
}

/// This pipeline, `at_once` threads, `count` times in all.
fn ours(source: &[u8], request: &Request, at_once: usize, count: usize) -> Outcome<(Picture, Taken)> {
    fs::write("/proc/self/clear_refs", "5")?;
    let before = status("VmRSS:")?;
    let (cpu, wall) = (ProcessTime::now(), Instant::now());
    let picture = if at_once == 1 {
        (1..count).try_for_each(|_| make(source, request).map(drop))?;
        make(source, request)?
    } else {
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| (0..count / at_once).for_each(|_| drop(make(source, request))));
            }
        });
        make(source, request)?
    };
    let taken = Taken { cpu: cpu.elapsed(), wall: wall.elapsed(), memory: status("VmHWM:")?.saturating_sub(before) };
    Ok((picture, taken))
}

/// What both sides made of one job.
struct Row {
    name: String,
    ours: Vec<Taken>,
    theirs: Vec<Taken>,
    bytes: (usize, usize),
    scores: Option<(f64, f64)>,
    memory: (u64, u64),
}

fn measure(job: &Job, sharp: &mut Sharp, folder: &Path, rounds: usize) -> Outcome<Row> {
    let source = fs::read(&job.source)?;
    let request = request(job);
    let output = folder.join("theirs");
    let mut row = Row { name: job.name.clone(), ours: vec![], theirs: vec![], bytes: (0, 0), scores: None, memory: (0, 0) };
    // fresh processes, so that nothing is left of an earlier job
    let fresh = std::process::Command::new(env::current_exe()?).arg("--memory").args([&job.source]).args(arguments(job)).output()?;
    row.memory.0 = String::from_utf8(fresh.stdout)?.trim().parse().unwrap_or(0);
    row.memory.1 = Sharp::start(&sharp_folder()?)?.run(job, &output, 1, 1)?.memory;
    for _ in 0..=rounds {
        let (picture, taken) = ours(&source, &request, 1, 1)?;
        row.ours.push(taken);
        row.theirs.push(sharp.run(job, &output, 1, 1)?);
        fs::write(folder.join("ours"), &picture.bytes)?;
    }
    // the first round warms up
    row.ours.remove(0);
    row.theirs.remove(0);
    row.bytes = (fs::metadata(folder.join("ours"))?.len() as usize, fs::metadata(&output)?.len() as usize);
    row.scores = scores(job, &folder.join("ours"), &output).ok();
    Ok(row)
}

fn arguments(job: &Job) -> [String; 3] {
    [job.width.to_string(), job.height.to_string(), job.cover.to_string()]
}

fn sharp_folder() -> Outcome<PathBuf> {
    env::var_os("SHARP").map(PathBuf::from).ok_or_else(|| "SHARP is not set: a folder with sharp in its node_modules".into())
}

/// A file's pixels, upright and in sRGB, whatever it is: this pipeline at the size the file has.
fn open(path: &Path) -> Outcome<Drawing> {
    let file = fs::read(path)?;
    let mut request =
        Request::new(Resolution { width: 16_000, height: 16_000 }, Limits { max_output_pixels: u64::MAX, ..Limits::default() });
    (request.fit, request.without_enlargement, request.format) = (Fit::Inside, true, Some(Format::Png));
    let picture = make(&file, &request)?;
    let mut decoder = png::Decoder::new(std::io::Cursor::new(picture.bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    reader.next_frame(&mut pixels)?;
    let over_white = |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8;
    let pixels = match reader.output_color_type().0 {
        png::ColorType::Grayscale => pixels.iter().flat_map(|&v| [v; 3]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [over_white(p[0], p[1]); 3]).collect(),
        png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|p| [0, 1, 2].map(|channel| over_white(p[channel], p[3]))).collect(),
        _ => pixels,
    };
    Ok(Drawing { width: picture.width, height: picture.height, pixels })
}

fn scores(job: &Job, ours: &Path, theirs: &Path) -> Outcome<(f64, f64)> {
    let ours = open(ours)?;
    let reference = quality::reference(&open(&job.source)?, (ours.width, ours.height), job.cover)?;
    Ok((quality::score(&reference, &ours)?, quality::score(&reference, &open(theirs)?)?))
}

fn least_and_median(taken: &[Taken]) -> (f64, f64) {
    let mut times: Vec<f64> = taken.iter().map(|taken| taken.cpu.as_secs_f64() * 1000.0).collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

fn speed_table(rows: &[Row]) -> Outcome<String> {
    let mut table = String::from(
        "| case | this, CPU ms: min, median | sharp | times faster: min, median | bytes | sharp | ratio | SSIMULACRA2 | sharp | peak MiB | sharp |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let ((our_min, our_median), (their_min, their_median)) = (least_and_median(&row.ours), least_and_median(&row.theirs));
        let (bytes, their_bytes) = row.bytes;
        let scores = row.scores.map_or_else(|| "– | –".into(), |(ours, theirs)| format!("{ours:.1} | {theirs:.1}"));
        let (memory, their_memory) = (row.memory.0 as f64 / 1024.0, row.memory.1 as f64 / 1024.0);
        writeln!(
            table,
            "| {} | {our_min:.1}, {our_median:.1} | {their_min:.1}, {their_median:.1} | **{:.2}**, {:.2} | {bytes} | {their_bytes} | {:.2} | {scores} | {memory:.1} | {their_memory:.1} |",
            row.name,
            their_min / our_min,
            their_median / our_median,
            bytes as f64 / their_bytes as f64,
        )?;
    }
    Ok(table)
}

/// Drawn pictures, and those of `BENCH_IMAGES`.
fn jobs(folder: &Path) -> Outcome<Vec<Job>> {
    let mut sources = vec![];
    let drawn = draw::photo(2725, 2225, 1);
    add_photo(&mut sources, folder, "drawn", &drawn)?;
    let mut photo = None;
    for path in images()? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let picture = open(&path)?;
        if photo.is_none() && picture.width * picture.height > 1_000_000 && name.ends_with(".jpg") {
            photo = Some(picture);
        }
        if path.extension().is_some_and(|ending| ending != "jpg") {
            sources.push((name, path));
        }
    }
    if let Some(photo) = photo {
        add_photo(&mut sources, folder, "real", &photo)?;
    }
    let sizes = |name: &str| if name.contains("JPEG") { &SIZES[..] } else { &SIZES[1..2] };
    let job = |(name, source): &(String, PathBuf), &(width, height, cover): &(u32, u32, bool)| Job {
        name: format!("{name} → {width}×{height}{}", if cover { "" } else { " inside" }),
        source: source.clone(),
        width,
        height,
        cover,
    };
    Ok(sources.iter().flat_map(|source| sizes(&source.0).iter().map(move |size| job(source, size))).collect())
}

fn add_photo(sources: &mut Vec<(String, PathBuf)>, folder: &Path, kind: &str, photo: &Drawing) -> Outcome<()> {
    let mut add = |name: String, file: &str, write: &dyn Fn(&Path) -> Outcome<()>| -> Outcome<()> {
        let path = folder.join(format!("{kind}-{file}"));
        write(&path)?;
        sources.push((format!("{kind} {name}"), path));
        Ok(())
    };
    let large = draw::tiled(photo, 6000, 4000);
    let small = draw::tiled(photo, photo.width.min(1600), photo.height.min(1200));
    add(format!("JPEG {}×{}", photo.width, photo.height), "photo.jpg", &|path| photo.write_jpeg(path, false))?;
    add("JPEG 24 MP".into(), "large.jpg", &|path| large.write_jpeg(path, false))?;
    add("JPEG 24 MP progressive".into(), "progressive.jpg", &|path| large.write_jpeg(path, true))?;
    add("PNG photo 1600×1200".into(), "photo.png", &|path| small.write_png(path))?;
    add("PNG with alpha 1600×1200".into(), "alpha.png", &|path| small.write_png_with_alpha(path))?;
    add("GIF 1600×1200".into(), "photo.gif", &|path| small.write_gif(path))?;
    add("WebP 1600×1200".into(), "photo.webp", &|path| {
        let mut request = Request::new(Resolution { width: small.width, height: 0 }, Limits::default());
        (request.format, request.quality) = (Some(Format::WebP), 90);
        let source = folder.join(format!("{kind}-photo.png"));
        Ok(fs::write(path, make(&fs::read(source)?, &request)?.bytes)?)
    })
}

fn images() -> Outcome<Vec<PathBuf>> {
    let Some(folder) = env::var_os("BENCH_IMAGES") else { return Ok(vec![]) };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<_>>()?;
    let known = |path: &PathBuf| path.extension().is_some_and(|ending| ["jpg", "png", "webp", "gif"].iter().any(|known| ending == *known));
    paths.retain(known);
    paths.sort();
    Ok(paths)
}

/// Photos at several ratios, at quality 80: how far above sharp, and at how many bytes.
fn quality_table(sharp: &mut Sharp, folder: &Path) -> Outcome<String> {
    let mut photos: Vec<(String, PathBuf)> = vec![];
    for seed in 0..6 {
        let path = folder.join(format!("quality-{seed}.jpg"));
        draw::photo(1500 + seed * 217, 1300 + seed * 131, 100 + seed * 10).write_jpeg(&path, false)?;
        photos.push((format!("drawn {seed}"), path));
    }
    for image in images()?.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "jpg" || ending == "webp")) {
        let (whole, name) = (open(&image)?, image.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        photos.push((name.clone(), image));
        // parts of a large photo are photos too, as far as a scaler can tell
        let (width, height) = (whole.width / 2, whole.height / 2);
        for (part, left, top) in [("a", 0, 0), ("b", width, 0), ("c", 0, height), ("d", width, height)] {
            if width * height > 500_000 {
                let rows = whole.pixels.chunks_exact(whole.width as usize * 3).skip(top as usize).take(height as usize);
                let pixels = rows.flat_map(|row| &row[left as usize * 3..(left + width) as usize * 3]).copied().collect();
                let path = folder.join(format!("quality-{name}-{part}.jpg"));
                Drawing { width, height, pixels }.write_jpeg(&path, false)?;
                photos.push((format!("{name}, part {part}"), path));
            }
        }
    }
    let mut table = String::from("| photo | size | SSIMULACRA2 | sharp | above | bytes / sharp's |\n|---|---|---|---|---|---|\n");
    let (mut above, mut bytes) = (vec![], vec![]);
    for (name, source) in photos {
        for (width, height, cover) in [(120, 120, true), (200, 200, false), (300, 300, true), (450, 450, false), (600, 400, true)] {
            let job = Job { name: name.clone(), source: source.clone(), width, height, cover };
            let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
            fs::write(&ours, make(&fs::read(&source)?, &request(&job))?.bytes)?;
            sharp.run(&job, &theirs, 1, 1)?;
            let ratio = fs::metadata(&ours)?.len() as f64 / fs::metadata(&theirs)?.len() as f64;
            let size = format!("{width}×{height}{}", if cover { "" } else { " inside" });
            match scores(&job, &ours, &theirs) {
                Ok((ours, theirs)) => {
                    writeln!(table, "| {name} | {size} | {ours:.1} | {theirs:.1} | {:+.1} | {ratio:.3} |", ours - theirs)?;
                    above.push(ours - theirs);
                    bytes.push(ratio);
                }
                Err(error) => writeln!(table, "| {name} | {size} | {error} ||||")?,
            }
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let worst = above.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(format!(
        "{} pictures: {:+.2} above sharp on average, {worst:+.2} at worst, at {:.3} of its bytes.\n\n{table}",
        above.len(),
        mean(&above),
        mean(&bytes)
    ))
}

fn workers_table(jobs: &[Job], sharp: &mut Sharp, folder: &Path) -> Outcome<String> {
    let mut table = String::from("| case, 12 pictures by 2 workers | this, wall ms | sharp | times faster |\n|---|---|---|---|\n");
    for job in jobs.iter().filter(|job| job.name.contains("JPEG 2725") || job.name.contains("24 MP → 300")) {
        let (source, request) = (fs::read(&job.source)?, request(job));
        let mut least = (Duration::MAX, Duration::MAX);
        for _ in 0..3 {
            least.0 = least.0.min(ours(&source, &request, 2, 12)?.1.wall);
            least.1 = least.1.min(sharp.run(job, &folder.join("theirs"), 2, 12)?.wall);
        }
        let (ours, theirs) = (least.0.as_secs_f64() * 1000.0, least.1.as_secs_f64() * 1000.0);
        writeln!(table, "| {} | {ours:.0} | {theirs:.0} | {:.2} |", job.name, theirs / ours)?;
    }
    Ok(table)
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown").trim_matches(['\t', ' ', ':']).to_owned();
    format!("{model}, {} processors", std::thread::available_parallelism().map_or(0, usize::from))
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    if let [_, flag, source, width, height, cover] = &arguments[..]
        && flag == "--memory"
    {
        let job = Job { name: String::new(), source: source.into(), width: width.parse()?, height: height.parse()?, cover: cover.parse()? };
        let source = fs::read(source)?;
        println!("{}", ours(&source, &request(&job), 1, 1)?.1.memory);
        return Ok(());
    }
    let rounds = env::var("BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(9);
    let folder = env::temp_dir().join(format!("resizer-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut sharp = Sharp::start(&sharp_folder()?)?;
    let jobs = jobs(&folder)?;
    let mut report = format!("# This pipeline against sharp\n\n{}; {}; {rounds} interleaved rounds.\n\n", machine(), sharp.name);
    report +=
        "sharp runs with concurrency 1 and no cache. Memory is the growth of the peak over a fresh process that holds the source.\n\n";
    let filter = arguments.get(1).filter(|argument| !argument.starts_with('-'));
    let mut rows = vec![];
    for job in jobs.iter().filter(|job| filter.is_none_or(|filter| job.name.contains(filter))) {
        rows.push(measure(job, &mut sharp, &folder, rounds)?);
        eprint!("{}", speed_table(&rows[rows.len() - 1..])?.lines().skip(2).fold(String::new(), |lines, line| lines + line + "\n"));
    }
    writeln!(report, "{}", speed_table(&rows)?)?;
    if filter.is_none_or(|filter| filter == "workers") {
        writeln!(report, "{}", workers_table(&jobs, &mut sharp, &folder)?)?;
    }
    if filter.is_none_or(|filter| filter == "quality") {
        writeln!(report, "## Quality\n\nSSIMULACRA2 against the whole picture scaled in linear light.\n")?;
        writeln!(report, "{}", quality_table(&mut sharp, &folder)?)?;
    }
    if filter.is_none() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../RESULTS.md"), &report)?;
    }
    println!("{report}");
    Ok(fs::remove_dir_all(folder)?)
}
