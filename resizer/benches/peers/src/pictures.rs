//! What is measured: drawn pictures, and those of `BENCH_IMAGES`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use picture::Request;
use resize_api::{
    Limits, Resolution,
    picture::{Effort, OutputFormat, UpTo},
};

use crate::{
    Outcome,
    draw::{self, Drawing},
    job::{Job, make, open},
};

const SIZES: [(u32, u32, bool); 3] = [(300, 300, true), (720, 720, false), (1200, 800, true)];

/// Every case; one real photo is also written in every format.
pub fn jobs(folder: &Path) -> Outcome<Vec<Job>> {
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
    let sizes = |name: &str| if name.contains("JPEG") { &SIZES[..] } else { &SIZES[1..] };
    let job = |(name, source): &(String, PathBuf), &(width, height, cover): &(u32, u32, bool)| Job {
        name: format!("{name} → {width}×{height}{}", if cover { "" } else { " inside" }),
        source: source.clone(),
        width,
        height,
        cover,
        format: OutputFormat::Source,
        effort: Effort::Balanced,
    };
    let mut jobs: Vec<Job> = sources.iter().flat_map(|source| sizes(&source.0).iter().map(move |size| job(source, size))).collect();
    let to_avif = jobs.iter().filter(|job| job.name.contains("JPEG 2725") && job.width == 720).cloned();
    let to_avif = to_avif.map(|job| Job { name: format!("{} AVIF", job.name), format: OutputFormat::Avif, ..job });
    let fast = jobs.iter().filter(|job| job.name.contains("JPEG") && job.width == 1200).cloned();
    let fast = fast.map(|job| Job { name: format!("{}, Fast", job.name), effort: Effort::Fast, ..job });
    jobs.extend(to_avif.chain(fast).collect::<Vec<_>>());
    Ok(jobs)
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
        (request.recipe.format, request.recipe.quality) = (OutputFormat::WebP, Some(UpTo::new(90)));
        let source = folder.join(format!("{kind}-photo.png"));
        Ok(fs::write(path, make(&fs::read(source)?, &request)?.bytes)?)
    })
}

pub fn images() -> Outcome<Vec<PathBuf>> {
    let Some(folder) = env::var_os("BENCH_IMAGES") else { return Ok(vec![]) };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<_>>()?;
    let known = |path: &PathBuf| path.extension().is_some_and(|ending| ["jpg", "png", "webp", "gif"].iter().any(|known| ending == *known));
    paths.retain(known);
    paths.sort();
    Ok(paths)
}
