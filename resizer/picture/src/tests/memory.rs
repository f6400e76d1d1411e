//! What the plan sets aside against what is taken, each in a process of its own: C libraries allocate unseen by Rust.

use std::{env, fs, path::Path, process::Command};

use resize_api::{Limits, Recipe};

use super::drawing::{gif, jpeg, lossless_webp, lossy_webp, noisy, png, png_of};
use crate::{Request, Stop, execute, plan, raster::Channels};

const SIDES: (u32, u32) = (1403, 1101);

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
    let colours: Vec<[u8; 3]> = (0..12).map(|number| [number * 20, 255 - number * 20, number]).collect();
    vec![
        ("jpeg", jpeg(&rgb, |_| ())),
        ("progressive jpeg", jpeg(&rgb, |compressor| compressor.set_progressive(true).unwrap())),
        ("gray jpeg", jpeg(&noisy(Channels::Gray), |_| ())),
        ("cmyk jpeg", jpeg(&noisy(Channels::Cmyk), |_| ())),
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
        ("animation", gif(700, 600, &colours)),
    ]
}

/// Sizes and recipes, as `WxH NAME=VALUE…`, for the sources whose name begins like this.
const CASES: [(&str, &[&str]); 9] = [
    ("", &["150x150", "1000x700"]),
    ("progressive", &["400x300", "1403x1101"]),
    ("jpeg", &["2600x2000", "2000x1400 OUTPUT_PROGRESSIVE=true"]),
    ("png with", &["2600x2000", "500x900 RESIZE_FIT=Contain", "900x900 OUTPUT_FORMAT=WebP", "900x900 OUTPUT_FORMAT=Jpeg"]),
    ("png with", &["900x900 OUTPUT_FORMAT=Gif", "500x500 OUTPUT_FORMAT=Avif AVIF_SPEED=10", "500x500 KERNEL=Mks2021"]),
    ("bmp", &["900x900 OUTPUT_FORMAT=WebP", "900x900 OUTPUT_FORMAT=Jpeg", "900x900 OUTPUT_FORMAT=Gif"]),
    ("bmp", &["500x500 OUTPUT_FORMAT=Avif AVIF_SPEED=10", "500x500 OUTPUT_FORMAT=Avif AVIF_SPEED=6"]),
    ("animation", &["350x300 ANIMATION=Keep", "350x300 ANIMATION=Keep OUTPUT_FORMAT=WebP"]),
    ("animation", &["900x800 ANIMATION=Keep", "900x800 ANIMATION=Keep OUTPUT_FORMAT=WebP"]),
];

/// What the other process is told beside the recipe.
const SOURCE: &str = "MEMORY_TEST_SOURCE";
const SIZE: &str = "MEMORY_TEST_SIZE";

fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() << 10
}

/// The other process: says what was set aside, and by how much the peak grew.
#[test]
fn in_a_process_of_its_own() {
    let (Ok(source), Ok(size)) = (env::var(SOURCE), env::var(SIZE)) else { return };
    let source = fs::read(source).unwrap();
    let recipe = Recipe::from_env(|name| env::var(name).ok()).unwrap();
    let request = Request { resolution: size.parse().unwrap(), limits: Limits::default(), recipe };
    let plan = plan(&source, &request).unwrap();
    // the first time also loads the code
    execute(&source, &plan, &Stop::new()).unwrap();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    execute(&source, &plan, &Stop::new()).unwrap();
    println!("memory {} {}", plan.memory(), status("VmHWM:").saturating_sub(before));
}

/// Bytes set aside, and taken.
fn measure(source: &Path, case: &str) -> (u64, u64) {
    let mut words = case.split(' ');
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "tests::memory::in_a_process_of_its_own", "--nocapture", "--test-threads=1"]);
    // what is freed is given back, so that the second time takes as much as the first
    command.envs([("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "65536")]);
    command.env(SOURCE, source).env(SIZE, words.next().unwrap()).envs(words.map(|word| word.split_once('=').unwrap()));
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let line = output.lines().find_map(|line| line.split_once("memory ")).unwrap_or_else(|| unreachable!("{case}: {output}")).1;
    let (estimate, taken) = line.split_once(' ').unwrap();
    (estimate.parse().unwrap(), taken.parse().unwrap())
}

#[test]
fn no_picture_takes_more_memory_than_is_set_aside_for_it() {
    let file = env::temp_dir().join(format!("resizer-memory-{}", std::process::id()));
    let mut over = vec![];
    for (name, source) in sources() {
        fs::write(&file, source).unwrap();
        for case in CASES.iter().filter(|(start, _)| name.starts_with(start)).flat_map(|(_, cases)| *cases) {
            let (estimate, taken) = measure(&file, case);
            println!("{name} to {case}: {:.1} MiB of {:.1}", taken as f64 / 1_048_576.0, estimate as f64 / 1_048_576.0);
            if taken > estimate {
                over.push(format!("{name} to {case}: {taken} bytes, {estimate} set aside"));
            }
        }
    }
    fs::remove_file(&file).unwrap();
    assert!(over.is_empty(), "{over:#?}");
}
