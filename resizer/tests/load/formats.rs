//! One kind of picture after the other, two visitors at a time: what a request costs through HTTP and the S3 in CPU, page faults and
//! memory, once the program has made some of its kind; and what it holds when nobody asks any more.
//!
//! With the folder `SHARP`, which has sharp in its `node_modules`, it also tells what sharp takes for the same pictures in turns with
//! the program: from memory to memory, without HTTP and S3.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Cursor, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use futures::future::join_all;
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use crate::lab::{Cage, Lab, Resizer, picture};

const ORIGINALS: u32 = 4;
/// Requests before those that are measured.
const FIRST: u32 = 16;
/// Those of a round, and rounds, of which the median counts.
const REQUESTS: u32 = 16;
const ROUNDS: u32 = 3;
const VISITORS: u32 = 2;
/// After so long nobody comes any more.
const REST: Duration = Duration::from_secs(15);

/// Something like a photo: slopes, edges and grain.
fn photo(width: u32, height: u32, seed: u32) -> RgbaImage {
    let mut noise = seed | 1;
    RgbaImage::from_fn(width, height, |x, y| {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let edge = if (x / 90 + y / 70 + seed).is_multiple_of(3) { 50 } else { 0 };
        let level = |slope: u32| (slope % 180 + edge + (noise >> 9) % 6).to_le_bytes()[0];
        let alpha = if (x / 200 + y / 300).is_multiple_of(4) { (x % 200).to_le_bytes()[0] } else { 255 };
        Rgba([level(x / 9 + y / 17), level(y / 7), level((x + 2 * y) / 13), alpha])
    })
}

fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// In 16 bits.
fn deep(picture: &RgbaImage) -> DynamicImage {
    ImageBuffer::<Rgb<u16>, Vec<u16>>::from_fn(picture.width(), picture.height(), |x, y| {
        let Rgba([red, green, blue, _]) = *picture.get_pixel(x, y);
        Rgb([red, green, blue].map(|value| u16::from(value) * 257))
    })
    .into()
}

/// As one strip that is not compressed.
fn tiff(picture: &RgbImage) -> Vec<u8> {
    const BITS: u32 = 8 + 2 + 9 * 12 + 4;
    let (width, height) = picture.dimensions();
    let pixels = BITS + 6;
    let length = width * height * 3;
    // tag, type (2 bytes or 4), how many, value or where it is
    let fields: [[u32; 4]; 9] = [
        [256, 4, 1, width],
        [257, 4, 1, height],
        [258, 3, 3, BITS],
        [259, 3, 1, 1],
        [262, 3, 1, 2],
        [273, 4, 1, pixels],
        [277, 3, 1, 3],
        [278, 4, 1, height],
        [279, 4, 1, length],
    ];
    let mut file = b"II*\0\x08\0\0\0\x09\0".to_vec();
    for [tag, kind, count, value] in fields {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].iter().flat_map(|number| number[..2].to_owned()));
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file.extend([8, 0, 8, 0, 8, 0]);
    file.extend(picture.as_raw());
    file
}

/// What is asked for in one format, and in which.
struct Kind {
    name: String,
    /// How the files end, and what keys end with behind that.
    endings: (String, &'static str),
    /// A file by its seed.
    draw: Box<dyn Fn(u32) -> Vec<u8>>,
}

impl Kind {
    fn new(name: &str, ending: &str, suffix: &'static str, draw: impl Fn(u32) -> Vec<u8> + 'static) -> Self {
        Self { name: name.into(), endings: (ending.into(), suffix), draw: Box::new(draw) }
    }

    fn media_type(&self) -> String {
        format!("image/{}", if self.endings.0 == "jpg" { "jpeg" } else { &self.endings.0 })
    }
}

/// Those that are drawn, and the pictures in the folder `BENCH_IMAGES`.
fn kinds() -> Vec<Kind> {
    let drawn = |width, height, seed| DynamicImage::from(photo(width, height, seed));
    let mut kinds = vec![
        Kind::new("JPEG, 2725×2225", "jpg", "", |seed| picture(2725, 2225, seed)),
        Kind::new("PNG with alpha, 2048×1536", "png", "", move |seed| file(drawn(2048, 1536, seed), ImageFormat::Png)),
        Kind::new("PNG, 2048×1536", "png", "", move |seed| file(drawn(2048, 1536, seed).to_rgb8(), ImageFormat::Png)),
        Kind::new("PNG of 16 bits, 1600×1200", "png", "", |seed| file(deep(&photo(1600, 1200, seed)), ImageFormat::Png)),
        Kind::new("gray PNG, 2048×1536", "png", "", move |seed| file(drawn(2048, 1536, seed).to_luma8(), ImageFormat::Png)),
        Kind::new("lossless WebP, 1600×1200", "webp", "", move |seed| file(drawn(1600, 1200, seed), ImageFormat::WebP)),
        Kind::new("GIF, 1600×1200", "gif", "", move |seed| file(drawn(1600, 1200, seed), ImageFormat::Gif)),
        Kind::new("TIFF to WebP, 2048×1536", "tiff", ".webp", move |seed| tiff(&drawn(2048, 1536, seed).to_rgb8())),
        Kind::new("JPEG to WebP, 2725×2225", "jpg", ".webp", |seed| picture(2725, 2225, seed)),
        Kind::new("JPEG to AVIF, 1600×1200", "jpg", ".avif", |seed| picture(1600, 1200, seed)),
    ];
    let Some(folder) = env::var_os("BENCH_IMAGES") else { return kinds };
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if let Some(ending) = path.extension().and_then(OsStr::to_str).filter(|ending| ["gif", "jpg", "png", "webp"].contains(ending)) {
            let (name, file) = (path.file_name().unwrap().to_string_lossy(), fs::read(&path).unwrap());
            kinds.push(Kind::new(&name, ending, "", move |_| file.clone()));
        }
    }
    kinds
}

/// Asks for `count` pictures that were not asked for before.
async fn ask(resizer: &Resizer, kind: usize, (ending, suffix): (&str, &str), numbers: std::ops::Range<u32>) {
    let visits = (0..VISITORS).map(async |visitor| {
        for number in numbers.clone().skip(visitor as usize).step_by(VISITORS as usize) {
            let key = format!("1200x{}/{kind}-{}.{ending}{suffix}", 800 + number / ORIGINALS, number % ORIGINALS);
            let answer = resizer.get(&key).await.unwrap();
            assert_eq!(answer.status, 307, "{key}");
        }
    });
    join_all(visits).await;
}

/// A process with sharp, and the originals in a folder.
struct Sharp {
    process: Child,
    jobs: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Sharp {
    fn start() -> Option<Self> {
        let installed = env::var_os("SHARP")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/sharp.mjs");
        fs::copy(script, Path::new(&installed).join("sharp.mjs")).unwrap();
        let mut node = Command::new("node");
        let mut process =
            node.arg("sharp.mjs").current_dir(installed).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node is installed");
        let (jobs, mut answers) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut versions = String::new();
        answers.read_line(&mut versions).unwrap();
        println!("Beside {}.\n", versions.trim());
        let folder = env::temp_dir().join(format!("resizer-load-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Some(Self { process, jobs, answers, folder })
    }

    /// Milliseconds of CPU for a picture of `original`, by two at once.
    fn take(&mut self, original: &str, suffix: &str) -> f64 {
        let format = match suffix {
            ".webp" => "WebP",
            ".avif" => "Avif",
            _ => "Source",
        };
        let (from, into) = (self.folder.join(original), self.folder.join("output"));
        let count = REQUESTS / ORIGINALS;
        writeln!(self.jobs, "{}\t1200\t800\tcover\t{}\t{VISITORS}\t{count}\t{format}", from.display(), into.display()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let (microseconds, _) = answer.split_once('\t').unwrap_or_else(|| panic!("sharp says {answer:?}"));
        microseconds.parse::<f64>().unwrap() / 1000.0 / f64::from(count)
    }
}

impl Drop for Sharp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints a row for each kind, or for those whose names begin with `only`.
pub async fn measure(lab: &Lab, only: &str) -> bool {
    let mut sharp = Sharp::start();
    println!("| 1200×800 of | CPU ms each | sharp alone | times faster | minor faults each | peak MiB | at rest MiB |");
    println!("|---|---|---|---|---|---|---|");
    for (at, kind) in kinds().into_iter().enumerate().filter(|(_, kind)| kind.name.starts_with(only)) {
        let endings = (&*kind.endings.0, kind.endings.1);
        let originals: Vec<_> = (0..ORIGINALS).map(|original| format!("{at}-{original}.{}", endings.0)).collect();
        for (seed, original) in (0..).zip(&originals) {
            let file = (kind.draw)(seed);
            if let Some(sharp) = &sharp {
                fs::write(sharp.folder.join(original), &file).unwrap();
            }
            lab.upload(original, &kind.media_type(), file).await;
        }
        let cage = Cage::new(super::LIMIT);
        let resizer = lab.resizer_in(cage.as_ref(), &[("OUTPUT_VARIANTS", "WebP,Avif"), ("LOG_LEVEL", "info")]);
        ask(&resizer, at, endings, 0..FIRST).await;
        resizer.forget_peak();
        let (faults, mut ours, mut theirs) = (resizer.faults(), vec![], vec![]);
        for first in (FIRST..).step_by(REQUESTS as usize).take(ROUNDS as usize) {
            let before = resizer.cpu();
            ask(&resizer, at, endings, first..first + REQUESTS).await;
            ours.push(resizer.cpu().saturating_sub(before).as_secs_f64() * 1000.0 / f64::from(REQUESTS));
            if let Some(sharp) = &mut sharp {
                theirs.push(originals.iter().map(|original| sharp.take(original, endings.1)).sum::<f64>() / f64::from(ORIGINALS));
            }
        }
        let (faults, peak) = ((resizer.faults() - faults) / u64::from(ROUNDS * REQUESTS), resizer.peak() >> 20);
        tokio::time::sleep(REST).await;
        let (rest, ours) = (resizer.held() >> 20, median(ours));
        let beside = if theirs.is_empty() {
            "– | –".into()
        } else {
            format!("{:.1} | **{:.2}**", median(theirs.clone()), median(theirs) / ours)
        };
        println!("| {} | {ours:.1} | {beside} | {faults} | {peak} | {rest} |", kind.name);
    }
    false
}
