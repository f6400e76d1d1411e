//! PNGs, chunk by chunk.

use std::io::{Cursor, Write};

use flate2::{Compression, write::ZlibEncoder};
use image::{ImageBuffer, ImageFormat, Luma, Rgb};

pub fn png(width: u32, height: u32, depth: u8, colour: u8, rows: &[u8]) -> Vec<u8> {
    png_with(&[], width, height, depth, colour, rows)
}

pub fn png_with(chunks: &[(&[u8; 4], &[u8])], width: u32, height: u32, depth: u8, colour: u8, rows: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1A\n".to_vec();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    chunk(&mut bytes, b"IHDR", &header);
    for (name, content) in chunks {
        chunk(&mut bytes, name, content);
    }
    chunk(&mut bytes, b"IDAT", &zlib(rows));
    chunk(&mut bytes, b"IEND", &[]);
    bytes
}

fn chunk(bytes: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(content);
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(content);
    bytes.extend_from_slice(&sum.sum().to_be_bytes());
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// `size` zeros, without having them in memory.
fn zeros(size: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let part = vec![0; 1 << 20];
    for _ in 0..size / part.len() {
        encoder.write_all(&part).unwrap();
    }
    encoder.finish().unwrap()
}

pub fn iccp(size: usize) -> Vec<u8> {
    [b"profile\0\0", &zeros(size)[..]].concat()
}

pub fn ztxt(size: usize) -> Vec<u8> {
    [b"Comment\0\0", &zeros(size)[..]].concat()
}

pub fn sixteen_bits() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let level = |at: u32| u16::try_from(at * 100).unwrap();
    ImageBuffer::from_fn(640, 480, |x, y| Rgb([level(x), level(y), 7])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    let gray = ImageBuffer::from_fn(4, 4, |x, _| Luma([level(x)]));
    assert_eq!(gray.width(), 4);
    bytes.into_inner()
}
