//! What the plan sets aside against what is taken, in Rust and in C.

use resize_api::{Limits, Recipe};

use moxcms::ColorProfile;

use super::{
    avif::kinds,
    counter::peak,
    drawing::{cmyk_profile, gif, jpeg, lossless_webp, lossy_webp, noisy, png, png_of, with_segment},
};
use crate::{Error, Request, Stop, channels::Channels, execute, plan, raster::Raster};

const SIDES: (u32, u32) = (1403, 1101);

/// Above this a resizer of 256 MiB says that a picture is too large.
const BUDGET: u64 = 120_000_000;

/// One for every decoder.
fn sources() -> Vec<(&'static str, Vec<u8>)> {
    let noisy = |channels| noisy(SIDES.0, SIDES.1, channels);
    let (rgb, rgba) = (noisy(Channels::Rgb), noisy(Channels::Rgba));
    let mut wide = png::Info::with_size(SIDES.0 / 2, SIDES.1);
    (wide.color_type, wide.bit_depth) = (png::ColorType::Rgba, png::BitDepth::Sixteen);
    let image = |format| {
        let mut file = std::io::Cursor::new(Vec::new());
        image::write_buffer_with_format(&mut file, &rgb.pixels, SIDES.0, SIDES.1, image::ExtendedColorType::Rgb8, format).unwrap();
        file.into_inner()
    };
    let few = |values: &[u8]| [values[0], values[0] / 3, 255 - values[0], values[0]];
    let many = |values: &[u8]| [values[0], values[1], values[2], values[3]];
    let colours: Vec<[u8; 3]> = (0..12).map(|number| [number * 20, 255 - number * 20, number]).collect();
    vec![
        ("jpeg", jpeg(&rgb, |_| ())),
        ("progressive jpeg", jpeg(&rgb, |compressor| compressor.set_progressive(true).unwrap())),
        ("gray jpeg", jpeg(&noisy(Channels::Gray), |_| ())),
        ("cmyk jpeg", jpeg(&noisy(Channels::Cmyk), |_| ())),
        ("jpeg with a profile", with_profile(jpeg(&rgb, |_| ()), &ColorProfile::new_display_p3().encode().unwrap())),
        ("cmyk jpeg with a profile", with_profile(jpeg(&noisy(Channels::Cmyk), |_| ()), &cmyk_profile(33))),
        ("png", png(&rgb, |_| ())),
        ("png with alpha", png(&rgba, |_| ())),
        ("gray png with alpha", png(&noisy(Channels::GrayAlpha), |_| ())),
        ("png of 16 bits", png_of(wide, &rgba.pixels[..(SIDES.0 / 2 * SIDES.1 * 8) as usize])),
        ("webp", lossy_webp(&rgb)),
        ("webp with alpha", lossy_webp(&rgba)),
        ("lossless webp", lossless_webp(&rgba)),
        ("gif", gif(SIDES.0 as u16, SIDES.1 as u16, &[[255, 0, 0]])),
        ("tiff", image(image::ImageFormat::Tiff)),
        ("bmp", image(image::ImageFormat::Bmp)),
        ("noise", png(&random(900, 700), |_| ())),
        ("opaque noise", png(&random(1300, 1100).into_channels(Channels::Rgb).unwrap(), |_| ())),
        ("many drawn lines", png(&drawn(&few, Channels::Rgb), |_| ())),
        ("many drawn lines with alpha", png(&drawn(&few, Channels::Rgba), |_| ())),
        ("many drawn lines of many colours", png(&drawn(&many, Channels::Rgb), |_| ())),
        ("many drawn lines of many colours with alpha", png(&drawn(&many, Channels::Rgba), |_| ())),
        ("ink", png(&ink(600, 500), |_| ())),
        ("line down", png(&super::drawing::noisy(1, 9000, Channels::Rgb), |_| ())),
        ("line across", png(&super::drawing::noisy(2000, 2, Channels::Rgba), |_| ())),
        ("noisy animation", noisy_animation(200, 150, 40)),
        ("animation", gif(700, 600, &colours)),
    ]
}

/// What compresses least.
fn random(width: u32, height: u32) -> Raster {
    let mut seed = 1_u64;
    let mut value = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    let pixels = (0..width * height * 4).map(|_| value()).collect();
    Raster::test(width, height, Channels::Rgba, pixels)
}

/// Black and white, which encoders take for a drawing.
fn ink(width: u32, height: u32) -> Raster {
    let pixels = random(width, height).pixels.iter().step_by(4).map(|value| if *value > 127 { 255 } else { 0 }).collect();
    Raster::test(width, height, Channels::Gray, pixels)
}

/// Two pixels of each colour by chance, which encoders take for a drawing that compresses least; `colour` makes it of four values.
fn drawn(colour: &dyn Fn(&[u8]) -> [u8; 4], channels: Channels) -> Raster {
    let random = random(1300, 1100);
    let pixels = random.pixels.chunks_exact(8).flat_map(|values| [colour(values); 2]);
    Raster::test(1300, 1100, Channels::Rgba, pixels.flatten().collect()).into_channels(channels).unwrap()
}

/// A GIF of noise.
fn noisy_animation(width: u16, height: u16, frames: u32) -> Vec<u8> {
    let mut encoder = gif::Encoder::new(Vec::new(), width, height, &[]).unwrap();
    let noise = random(u32::from(width), u32::from(height) * frames);
    for frame in noise.pixels.chunks_exact(usize::from(width) * usize::from(height) * 4) {
        let pixels: Vec<u8> = frame.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        encoder.write_frame(&gif::Frame::from_rgb_speed(width, height, &pixels, 30)).unwrap();
    }
    encoder.into_inner().unwrap()
}

/// The JPEG with a profile in as many parts as that takes.
fn with_profile(jpeg: Vec<u8>, profile: &[u8]) -> Vec<u8> {
    let parts: Vec<_> = profile.chunks(65_000).collect();
    (0..parts.len()).rev().fold(jpeg, |jpeg, index| {
        let head = [&b"ICC_PROFILE\0"[..], &[index as u8 + 1, parts.len() as u8]].concat();
        with_segment(&jpeg, 0xE2, &[&head, parts[index]].concat())
    })
}

/// Sizes and recipes, as `WxH NAME=VALUE…`, for the sources whose name begins like this.
const CASES: [(&str, &[&str]); 20] = [
    ("", &["150x150", "1000x700"]),
    ("progressive", &["400x300", "1403x1101"]),
    ("jpeg", &["2600x2000", "2000x1400 OUTPUT_PROGRESSIVE=true"]),
    (
        "png with",
        &[
            "1403x1101 KERNEL=Nearest",
            "2600x2000",
            "500x900 RESIZE_FIT=Contain",
            "900x900 OUTPUT_FORMAT=WebP",
            "900x900 OUTPUT_FORMAT=Jpeg",
        ],
    ),
    ("png with", &["900x900 OUTPUT_FORMAT=Gif", "500x500 OUTPUT_FORMAT=Avif AVIF_SPEED=10", "500x500 KERNEL=Mks2021"]),
    ("bmp", &["900x900 OUTPUT_FORMAT=WebP", "900x900 OUTPUT_FORMAT=Jpeg", "900x900 OUTPUT_FORMAT=Gif"]),
    ("bmp", &["500x500 OUTPUT_FORMAT=Avif AVIF_SPEED=10", "500x500 OUTPUT_FORMAT=Avif AVIF_SPEED=6"]),
    ("bmp", &["200x200 OUTPUT_FORMAT=Avif AVIF_SPEED=4", "100x100 OUTPUT_FORMAT=Avif AVIF_SPEED=1"]),
    ("noise", &["900x700", "900x700 OUTPUT_FORMAT=Gif", "900x700 OUTPUT_FORMAT=Jpeg OUTPUT_QUALITY=100 OUTPUT_PROGRESSIVE=true"]),
    ("noise", &["900x700 OUTPUT_FORMAT=WebP OUTPUT_QUALITY=100", "300x233 OUTPUT_FORMAT=Avif OUTPUT_QUALITY=100 KERNEL=Nearest"]),
    (
        "noise",
        &["300x233 OUTPUT_FORMAT=Avif OUTPUT_QUALITY=80 KERNEL=Nearest", "300x233 OUTPUT_FORMAT=Avif OUTPUT_QUALITY=95 KERNEL=Nearest"],
    ),
    ("ink", &["600x500 OUTPUT_FORMAT=Avif", "600x500 OUTPUT_FORMAT=Avif AVIF_SPEED=8 OUTPUT_QUALITY=100"]),
    ("noise", &["900x700 OUTPUT_FORMAT=WebP OUTPUT_QUALITY=100 EFFORT=Fast", "900x700 OUTPUT_FORMAT=WebP OUTPUT_QUALITY=100 EFFORT=Small"]),
    (
        "opaque",
        &[
            "1300x1100 OUTPUT_FORMAT=WebP OUTPUT_QUALITY=100",
            "1300x1100 OUTPUT_FORMAT=WebP EFFORT=Fast",
            "1300x1100 OUTPUT_FORMAT=WebP OUTPUT_QUALITY=100 EFFORT=Small",
            "1600x1000 OUTPUT_FORMAT=WebP OUTPUT_QUALITY=100 KERNEL=Nearest",
            "900x700 OUTPUT_FORMAT=Jpeg OUTPUT_QUALITY=100 EFFORT=Fast",
            "900x700 OUTPUT_FORMAT=Jpeg OUTPUT_QUALITY=100 EFFORT=Small",
            "900x700 OUTPUT_FORMAT=Png EFFORT=Fast",
            "900x700 OUTPUT_FORMAT=Png EFFORT=Small",
            "500x500 OUTPUT_FORMAT=Avif EFFORT=Fast",
            "500x500 OUTPUT_FORMAT=Avif EFFORT=Small",
        ],
    ),
    ("many drawn lines", &["1300x1100 OUTPUT_FORMAT=WebP"]),
    ("line down", &["1x9000 OUTPUT_FORMAT=Avif", "1x9000 OUTPUT_FORMAT=Avif AVIF_SPEED=10"]),
    ("line across", &["2000x2 OUTPUT_FORMAT=Avif AVIF_SPEED=1", "2000x2 OUTPUT_FORMAT=WebP", "2000x2 OUTPUT_FORMAT=Jpeg"]),
    ("noisy", &["200x150 ANIMATION=Keep", "200x150 ANIMATION=Keep OUTPUT_FORMAT=WebP OUTPUT_QUALITY=100"]),
    ("animation", &["350x300 ANIMATION=Keep", "350x300 ANIMATION=Keep OUTPUT_FORMAT=WebP"]),
    ("animation", &["900x800 ANIMATION=Keep", "900x800 ANIMATION=Keep OUTPUT_FORMAT=WebP"]),
];

/// A size and a recipe, as `WxH NAME=VALUE…`.
fn request(case: &str) -> Request {
    let mut words = case.split(' ');
    let resolution = words.next().unwrap().parse().unwrap();
    let variables: Vec<_> = words.map(|word| word.split_once('=').unwrap()).collect();
    let value = |name: &str| variables.iter().find(|variable| variable.0 == name).map(|variable| variable.1.to_owned());
    Request { resolution, limits: Limits::default(), recipe: Recipe::from_env(value).unwrap() }
}

/// What is over its plan, if anything is: planning itself, or execution.
fn over(name: &str, source: &[u8], case: &str) -> Option<String> {
    let (plan, planning) = peak(|| plan(source, &request(case)));
    if planning > PLANNING {
        return Some(format!("{name} to {case}: {planning} bytes for the plan"));
    }
    let plan = plan.ok().filter(|plan| plan.memory() <= BUDGET)?;
    let (made, taken) = peak(|| execute(source, &plan, &Stop::new()));
    println!("{name} to {case}: {} of {} KiB, {:?}", taken >> 10, plan.memory() >> 10, made.as_ref().map(|made| made.bytes.len()));
    (taken > plan.memory()).then(|| format!("{name} to {case}: {taken} bytes, {} set aside", plan.memory()))
}

/// What a plan may take beside what it sets aside: it has read no more than headers.
const PLANNING: u64 = 256 << 10;

#[test]
fn no_picture_takes_more_memory_than_is_set_aside_for_it() {
    let mut found = vec![];
    for (name, source) in sources() {
        let cases = CASES.iter().filter(|(start, _)| name.starts_with(start)).flat_map(|(_, cases)| *cases);
        found.extend(cases.filter_map(|case| over(name, &source, case)));
    }
    for (name, source) in kinds(SIDES.0 / 2, SIDES.1 / 2) {
        found.extend(["150x150", "1000x700 OUTPUT_FORMAT=Png"].iter().filter_map(|case| over(name, &source, case)));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_hostile_picture_takes_more_memory_than_is_set_aside_for_it() {
    let mut found = vec![];
    for hostile::Case { name, bytes, right } in hostile::cases() {
        found.extend(["300x300", "300x300 ANIMATION=Keep OUTPUT_FORMAT=WebP"].iter().filter_map(|case| over(name, &bytes, case)));
        let status = status(&bytes);
        found.extend((status != right).then(|| format!("{name}: {status}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// What the service would answer.
fn status(source: &[u8]) -> u16 {
    let made = plan(source, &request("300x300")).and_then(|plan| match plan.memory() {
        ..=BUDGET => execute(source, &plan, &Stop::new()),
        _ => Err(Error::TooLarge(String::new())),
    });
    match made {
        Ok(_) => 307,
        Err(Error::TooLarge(_)) => 413,
        Err(Error::Unsupported(_)) => 415,
        Err(Error::Damaged(_)) => 422,
        Err(Error::Stopped) => 503,
    }
}

/// `PICTURES=FOLDER`: the same for files of somebody's, with `CASES`, between semicolons, or those below.
#[test]
fn no_picture_of_a_folder_takes_more_memory_than_is_set_aside_for_it() {
    let Some(folder) = std::env::var_os("PICTURES") else { return };
    let cases = std::env::var("CASES").unwrap_or_else(|_| FOLDER_CASES.to_owned());
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(source) = std::fs::read(&path) else { continue };
        found.extend(cases.split(';').filter_map(|case| over(&path.display().to_string(), &source, case)));
    }
    assert!(found.is_empty(), "{found:#?}");
}

const FOLDER_CASES: &str = "16x0;1000x1000;200x200 ANIMATION=Keep;300x300 OUTPUT_FORMAT=WebP RESIZE_FIT=Contain";
