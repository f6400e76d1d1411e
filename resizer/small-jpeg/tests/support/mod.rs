//! Pictures, and what libjpeg-turbo's decoder makes of files.
#![allow(dead_code, reason = "not every test needs all of it")]

use small_jpeg::{Coding, Effort, Options, Sampling};
use turbojpeg::{Decompressor, Image, PixelFormat};

pub const SAMPLINGS: [Sampling; 4] = [Sampling::Gray, Sampling::S444, Sampling::S422, Sampling::S420];
pub const CODINGS: [Coding; 3] = [Coding::Baseline, Coding::Progressive, Coding::Smallest];
pub const EFFORTS: [Effort; 3] = [Effort::Fast, Effort::Balanced, Effort::Small];

pub fn channels(sampling: Sampling) -> usize {
    if sampling == Sampling::Gray { 1 } else { 3 }
}

/// Slopes, a disc, bars and a little noise, of whole numbers alone: the same on every machine.
pub fn drawing(width: u32, height: u32, channels: usize) -> Vec<u8> {
    let mut noise = 1_u32;
    let mut pixels = Vec::with_capacity((width * height) as usize * channels);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let disc = if (x.abs_diff(width / 2)).pow(2) + (y.abs_diff(height / 2)).pow(2) < (height / 3).pow(2) { 50 } else { 0 };
        let bar = if x / 17 % 4 == 3 { 40 } else { 0 };
        let base = 40 + x * 60 / width + disc + bar + (noise >> 29);
        let values = [base, base + y * 50 / height, 200 - y * 100 / height];
        pixels.extend(values.iter().take(channels).map(|&value| value.min(255) as u8));
    }
    pixels
}

/// Pixels that nothing compresses.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

pub fn decode(file: &[u8], channels: usize) -> (u32, u32, Vec<u8>) {
    let format = if channels == 1 { PixelFormat::GRAY } else { PixelFormat::RGB };
    let mut decoder = Decompressor::new().unwrap();
    let header = decoder.read_header(file).unwrap();
    let mut pixels = vec![0; header.width * header.height * channels];
    let image = Image { pixels: &mut pixels[..], width: header.width, pitch: header.width * channels, height: header.height, format };
    decoder.decompress(file, image).unwrap();
    (header.width as u32, header.height as u32, pixels)
}

/// In decibels.
pub fn psnr(one: &[u8], other: &[u8]) -> f64 {
    let squares: u64 = one.iter().zip(other).map(|(&one, &other)| u64::from(one.abs_diff(other)).pow(2)).sum();
    10.0 * (255.0 * 255.0 * one.len() as f64 / squares.max(1) as f64).log10()
}

pub fn options(quality: u8, sampling: Sampling, coding: Coding, effort: Effort) -> Options {
    Options { quality, sampling, coding, effort }
}
