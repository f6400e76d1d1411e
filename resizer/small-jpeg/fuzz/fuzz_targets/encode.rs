//! Any small picture in any way: it can be decoded by two decoders, which agree, and baseline and progressive files hold the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scaled_jpeg::{Header, Options as Decoding, Plan, Scale};
use small_jpeg::{Coding, Effort, Options, Sampling, encode};
use turbojpeg::PixelFormat;

fn decode(file: &[u8], (width, height): (u32, u32)) -> Vec<u8> {
    let plan = Plan::new(&Header::read(file).unwrap(), &Decoding::new(Scale::Full)).unwrap();
    assert_eq!(plan.size(), (width, height));
    let stride = width as usize * plan.channels();
    let mut pixels = vec![0; stride * height as usize];
    assert_eq!(plan.decode(file, &mut pixels, stride), Ok(height));
    pixels
}

fn encoded(pixels: &[u8], (width, height): (u32, u32), options: &Options) -> Vec<u8> {
    encode(pixels, width, height, options).unwrap()
}

fuzz_target!(|input: &[u8]| {
    // the first bytes choose how to encode
    let Some(([what, quality, width, height], rest)) = input.split_first_chunk() else { return };
    let sampling = [Sampling::Gray, Sampling::S444, Sampling::S422, Sampling::S420][usize::from(what & 3)];
    let effort = [Effort::Fast, Effort::Balanced, Effort::Small][usize::from(what >> 2) % 3];
    let (width, height) = (u32::from(width % 80) + 1, u32::from(height % 80) + 1);
    let channels = if sampling == Sampling::Gray { 1 } else { 3 };
    let length = (width * height) as usize * channels;
    let pixels: Vec<u8> = rest.iter().copied().chain([0]).cycle().take(length).collect();
    let options = |coding| Options { quality: quality % 101, sampling, coding, effort };
    let progressive = encoded(&pixels, (width, height), &options(Coding::Progressive));
    let seen = decode(&progressive, (width, height));
    let whole = encoded(&pixels, (width, height), &options(Coding::Baseline));
    assert_eq!(decode(&whole, (width, height)), seen);
    let format = if channels == 1 { PixelFormat::GRAY } else { PixelFormat::RGB };
    let other = turbojpeg::decompress(&progressive, format).unwrap();
    assert_eq!((other.width, other.height), (width as usize, height as usize));
    // they enlarge chroma in ways that differ
    if matches!(sampling, Sampling::Gray | Sampling::S444) {
        assert!(seen.iter().zip(&other.pixels).all(|(one, other)| one.abs_diff(*other) <= 4));
    }
});
