//! A finished file against what it should look like → SSIMULACRA2, and a table of many.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use fast_image_resize::{PixelType, ResizeOptions, Resizer, images::Image};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use resize_api::picture::{Effort, OutputFormat};

use crate::{
    Outcome,
    draw::{self, Drawing},
    job::{Job, make, open},
    pictures::images,
    sharp::Sharp,
};

/// The whole of a picture, not reduced by its decoder, in linear light.
pub struct Linear(Image<'static>);

impl Linear {
    pub fn new(original: &Drawing) -> Outcome<Self> {
        let table: Vec<[u8; 4]> = (0..=255).map(|value| to_linear(value).to_ne_bytes()).collect();
        let linear: Vec<u8> = original.pixels.iter().flat_map(|&value| table[usize::from(value)]).collect();
        Ok(Self(Image::from_vec_u8(original.width, original.height, linear, PixelType::F32x3)?))
    }

    /// Scaled to what `width` by `height` shows of it. `cover` cuts off what is over, half on each side; else the picture lies within the size.
    pub fn scaled(&self, (width, height): (u32, u32), cover: bool) -> Outcome<Drawing> {
        let mut into = Image::new(width, height, PixelType::F32x3);
        let mut options = ResizeOptions::new();
        if cover {
            let (source_width, source_height) = (f64::from(self.0.width()), f64::from(self.0.height()));
            let shrink = (source_width / f64::from(width)).min(source_height / f64::from(height));
            let whole = [(source_width / shrink).round(), (source_height / shrink).round()];
            let cut = [((whole[0] - f64::from(width)) / 2.0).ceil(), ((whole[1] - f64::from(height)) / 2.0).ceil()];
            let step = [source_width / whole[0], source_height / whole[1]];
            let within = |start: f64, length: f64, side: f64| if start + length > side { (side - start).next_down() } else { length };
            let (left, top) = (cut[0] * step[0], cut[1] * step[1]);
            let (region_width, region_height) = (f64::from(width) * step[0], f64::from(height) * step[1]);
            options = options.crop(left, top, within(left, region_width, source_width), within(top, region_height, source_height));
        }
        Resizer::new().resize(&self.0, &mut into, &options)?;
        let pixels = into.buffer().as_chunks().0.iter().map(|&value| to_srgb(f32::from_ne_bytes(value))).collect();
        Ok(Drawing { width, height, pixels })
    }
}

fn to_linear(value: u8) -> f32 {
    let value = f32::from(value) / 255.0;
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn to_srgb(value: f32) -> u8 {
    let value = if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}

/// 100 is the same, 90 cannot be told apart, 70 is good.
pub fn score(reference: &Drawing, distorted: &Drawing) -> Outcome<f64> {
    if (reference.width, reference.height) != (distorted.width, distorted.height) {
        return Err(format!("{}x{} is not {}x{}", distorted.width, distorted.height, reference.width, reference.height).into());
    }
    fn slice(drawing: &Drawing) -> Outcome<PixelSlice<'_>> {
        let stride = drawing.width as usize * 3;
        Ok(PixelSlice::new(&drawing.pixels, drawing.width, drawing.height, stride, PixelDescriptor::RGB8_SRGB)?.into())
    }
    Ok(compute_ssimulacra2(&slice(reference)?, &slice(distorted)?)?)
}

/// Scores of both files against the whole of the job's source.
pub fn scores(job: &Job, sharp: &mut Sharp, ours: &Path, theirs: &Path) -> Outcome<(f64, f64)> {
    let [ours, theirs] = [ours, theirs].map(|file| readable(job.format, sharp, file));
    scores_against(&Linear::new(&open(&job.source)?)?, job, &ours?, &theirs?)
}

/// AVIF is not read here: sharp makes a PNG of it.
fn readable(format: OutputFormat, sharp: &mut Sharp, file: &Path) -> Outcome<PathBuf> {
    if format != OutputFormat::Avif {
        return Ok(file.to_owned());
    }
    let png = file.with_extension("png");
    let whole = Job {
        name: String::new(),
        source: file.to_owned(),
        width: 0,
        height: 0,
        cover: false,
        format: OutputFormat::Png,
        effort: Effort::Fast,
    };
    sharp.run(&whole, &png, 1, 1)?;
    Ok(png)
}

fn scores_against(original: &Linear, job: &Job, ours: &Path, theirs: &Path) -> Outcome<(f64, f64)> {
    let ours = open(ours)?;
    let reference = original.scaled((ours.width, ours.height), job.cover)?;
    Ok((score(&reference, &ours)?, score(&reference, &open(theirs)?)?))
}

const SIZES: [(u32, u32, bool); 5] = [(120, 120, true), (200, 200, false), (300, 300, true), (450, 450, false), (600, 400, true)];

/// Photos at several ratios, at quality 80: how far above sharp, and at how many bytes.
pub fn table(sharp: &mut Sharp, folder: &Path) -> Outcome<String> {
    let mut table = String::from("| photo | size | SSIMULACRA2 | sharp | above | bytes / sharp's |\n|---|---|---|---|---|---|\n");
    let (mut drawn, mut real) = (vec![], vec![]);
    for seed in 0..3 {
        let path = folder.join(format!("quality-{seed}.jpg"));
        draw::photo(1500 + seed * 217, 1300 + seed * 131, 100 + seed * 10).write_jpeg(&path, false)?;
        drawn.extend(rows(&format!("drawn {seed}"), &path, sharp, folder, &mut table)?);
    }
    for image in images()?.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "jpg")) {
        let name = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        real.extend(rows(&name, &image, sharp, folder, &mut table)?);
    }
    Ok(format!("{}{}\n{table}", summary("drawn", &drawn), summary("real", &real)))
}

/// Points above sharp, and bytes as a multiple of its.
type Compared = (f64, f64);

fn rows(name: &str, source: &Path, sharp: &mut Sharp, folder: &Path, table: &mut String) -> Outcome<Vec<Compared>> {
    let (file, original) = (fs::read(source)?, Linear::new(&open(source)?)?);
    let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
    let mut compared = vec![];
    for (width, height, cover) in SIZES {
        let job =
            Job { name: name.into(), source: source.into(), width, height, cover, format: OutputFormat::Source, effort: Effort::Balanced };
        fs::write(&ours, make(&file, &job.request())?.bytes)?;
        sharp.run(&job, &theirs, 1, 1)?;
        let bytes = fs::metadata(&ours)?.len() as f64 / fs::metadata(&theirs)?.len() as f64;
        let size = format!("{width}×{height}{}", if cover { "" } else { " inside" });
        let (our_score, their_score) = scores_against(&original, &job, &ours, &theirs)?;
        let above = our_score - their_score;
        writeln!(table, "| {name} | {size} | {our_score:.1} | {their_score:.1} | {above:+.1} | {bytes:.3} |")?;
        compared.push((above, bytes));
    }
    Ok(compared)
}

fn summary(kind: &str, compared: &[Compared]) -> String {
    if compared.is_empty() {
        return String::new();
    }
    let mean = |value: fn(&Compared) -> f64| compared.iter().map(value).sum::<f64>() / compared.len() as f64;
    let worst = compared.iter().map(|compared| compared.0).fold(f64::INFINITY, f64::min);
    format!(
        "- {} {kind} pictures: {:+.2} above sharp on average, {worst:+.2} at worst, at {:.3} of its bytes.\n",
        compared.len(),
        mean(|compared| compared.0),
        mean(|compared| compared.1)
    )
}
