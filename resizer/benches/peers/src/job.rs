//! One picture to one size, by this pipeline: how long, how much memory, and what it looks like.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use resize_api::{
    Limits, Resolution,
    picture::{Effort, Fit, OutputFormat},
};

use picture::{Picture, Request, Stop, execute, plan};

use crate::{Outcome, draw::Drawing};

/// One picture to one size.
#[derive(Clone)]
pub struct Job {
    pub name: String,
    pub source: PathBuf,
    pub width: u32,
    pub height: u32,
    /// Else inside.
    pub cover: bool,
    pub format: OutputFormat,
    pub effort: Effort,
}

/// Of a whole job; memory is by how many KiB the peak grew.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub cpu: Duration,
    pub wall: Duration,
    pub memory: u64,
}

impl Job {
    pub fn request(&self) -> Request {
        let mut request = Request::new(Resolution { width: self.width, height: self.height }, Limits::default());
        request.recipe.fit = if self.cover { Fit::Cover } else { Fit::Inside };
        (request.recipe.format, request.recipe.effort) = (self.format, self.effort);
        request
    }

    /// What another process makes it from again.
    pub fn arguments(&self) -> [String; 6] {
        [
            self.source.display().to_string(),
            self.width.to_string(),
            self.height.to_string(),
            self.cover.to_string(),
            self.format.to_string(),
            self.effort.to_string(),
        ]
    }

    pub fn from_arguments(arguments: &[String]) -> Outcome<Self> {
        let [source, width, height, cover, format, effort] = arguments else { return Err("want six arguments".into()) };
        Ok(Self {
            name: String::new(),
            source: source.into(),
            width: width.parse()?,
            height: height.parse()?,
            cover: cover.parse()?,
            format: format.parse()?,
            effort: effort.parse()?,
        })
    }
}

pub fn make(source: &[u8], request: &Request) -> Outcome<Picture> {
    Ok(execute(source, &plan(source, request)?, &Stop::new())?)
}

fn status(name: &str) -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line in /proc/self/status")?;
    Ok(line.trim_matches(|c: char| !c.is_ascii_digit()).parse()?)
}

/// This pipeline, `count` times in all by as many threads as `at_once`.
pub fn ours(source: &[u8], request: &Request, at_once: usize, count: usize) -> Outcome<Taken> {
    make(source, request)?; // else a failure below would only look fast
    fs::write("/proc/self/clear_refs", "5")?;
    let before = status("VmRSS:")?;
    let (cpu, wall) = (ProcessTime::now(), Instant::now());
    if at_once == 1 {
        (0..count).try_for_each(|_| make(source, request).map(drop))?;
    } else {
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| (0..count / at_once).for_each(|_| drop(make(source, request))));
            }
        });
    }
    Ok(Taken { cpu: cpu.elapsed(), wall: wall.elapsed(), memory: status("VmHWM:")?.saturating_sub(before) })
}

/// By how many KiB the peak grows in a process that has done nothing else, and how many were estimated.
pub fn memory(job: &Job) -> Outcome<(u64, u64)> {
    let source = fs::read(&job.source)?;
    fs::write("/proc/self/clear_refs", "5")?;
    let before = status("VmRSS:")?;
    let plan = plan(&source, &job.request())?;
    execute(&source, &plan, &Stop::new())?;
    Ok((status("VmHWM:")?.saturating_sub(before), plan.memory() >> 10))
}

/// A file's pixels, upright and in sRGB, whatever it is: this pipeline at the size the file has.
pub fn open(path: &Path) -> Outcome<Drawing> {
    let file = fs::read(path)?;
    let mut request =
        Request::new(Resolution { width: 16_000, height: 16_000 }, Limits { max_output_pixels: u64::MAX, ..Limits::default() });
    (request.recipe.fit, request.recipe.without_enlargement, request.recipe.format) = (Fit::Inside, true, OutputFormat::Png);
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
