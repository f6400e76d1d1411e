//! The files' bytes, by format.

pub mod avif;
mod bmp;
mod gif;
mod jpeg;
mod png;
mod tiff;
mod webp;

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

pub use self::{
    bmp::{bmp, bmp_runs},
    gif::{gif, gif_with},
    jpeg::{SOF, exif_loop, jpeg, jpeg_scans, with_profiles, with_segments},
    png::{iccp, png, png_with, sixteen_bits, ztxt},
    tiff::{tiff, tiff_clears, tiff_runs},
    webp::{flat, riff, riff_chunk, webp_canvas, webp_frame, webp_groups, webp_header, webp_heads, webp_junk, webp_lossless},
};

/// A JPEG of stripes.
fn picture(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let level = |at: u32| at.to_le_bytes()[0];
    let picture = RgbImage::from_fn(width, height, |x, y| Rgb([level(x + seed), level(y ^ seed), level(x * y / 64)]));
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Jpeg).unwrap();
    bytes
}

pub fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let drawn = image::load_from_memory(&picture(width, height, 3)).unwrap();
    drawn.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn patched(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

pub fn svg() -> Vec<u8> {
    let entities: String = (1..10).map(|level| format!("<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10))).collect();
    format!("<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY a0 \"ha\">{entities}]><svg xmlns=\"http://www.w3.org/2000/svg\"><text>&a9;</text></svg>")
        .into_bytes()
}
