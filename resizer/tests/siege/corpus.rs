//! Pictures that strangers send: broken, lying, huge, endless, or no pictures at all. All of them are drawn here.

use std::io::{Cursor, Write};

use flate2::{Compression, write::ZlibEncoder};
use image::{ImageBuffer, ImageFormat, Luma, Rgb};

use crate::lab::picture;

/// A case: what it is, its bytes, and the status that is right for it.
pub struct Case {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub right: u16,
}

const MADE: u16 = 307;
const TOO_LARGE: u16 = 413;
const UNKNOWN: u16 = 415;
const DAMAGED: u16 = 422;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name, right, bytes: Vec<u8>| cases.push(Case { name, bytes, right });
    let whole = |format| encoded(format, 600, 400);
    let half = |format| {
        let mut bytes = whole(format);
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    for (name, format) in [("JPEG", ImageFormat::Jpeg), ("PNG", ImageFormat::Png), ("GIF", ImageFormat::Gif), ("WebP", ImageFormat::WebP)] {
        let [truncated, cut, good]: [&'static str; 3] = match name {
            "JPEG" => ["JPEG, truncated", "JPEG, header only", "JPEG, good"],
            "PNG" => ["PNG, truncated", "PNG, header only", "PNG, good"],
            "GIF" => ["GIF, truncated", "GIF, header only", "GIF, good"],
            _ => ["WebP, truncated", "WebP, header only", "WebP, good"],
        };
        add(good, MADE, whole(format));
        add(truncated, DAMAGED, half(format));
        add(cut, DAMAGED, whole(format)[..20].to_vec());
    }

    add("nothing at all", UNKNOWN, Vec::new());
    add("one byte", UNKNOWN, vec![0xFF]);
    add("wrong magic: PNG's first byte changed", UNKNOWN, patched(whole(ImageFormat::Png), 0, &[0]));
    add("wrong magic: JPEG's name on GIF's pixels", DAMAGED, patched(whole(ImageFormat::Gif), 0, &[0xFF, 0xD8, 0xFF]));
    add("ZIP named .jpg", UNKNOWN, [b"PK\x03\x04\x14\0\0\0\x08\0", &[7; 500][..]].concat());
    add("HTML", UNKNOWN, b"<!doctype html><script>alert(1)</script>".to_vec());
    add("SVG with entities", UNKNOWN, svg());
    add("PDF", UNKNOWN, b"%PDF-1.7\n1 0 obj\n".to_vec());

    add("PNG of 0 by 0", DAMAGED, png(0, 0, 8, 2, &[]));
    add("PNG of 2^31 - 1 by 2^31 - 1", TOO_LARGE, png(i32::MAX as u32, i32::MAX as u32, 8, 2, &[0; 10]));
    add("PNG of 65535 by 65535", TOO_LARGE, png(65535, 65535, 8, 6, &[0; 10]));
    add("PNG bomb: 10000 by 10000, RGBA, zeros", TOO_LARGE, png(10_000, 10_000, 8, 6, &[0; 1 << 20]));
    add("PNG bomb: 7000 by 7000, gray, zeros", MADE, png(7000, 7000, 8, 0, &vec![0; 7000 * 7001]));
    add("PNG of 5000 by 5000, gray, zeros", MADE, png(5000, 5000, 8, 0, &vec![0; 5000 * 5001]));
    add("PNG whose header says more rows than come", DAMAGED, png(3000, 3000, 8, 2, &[0; 100_000]));
    add("PNG whose header says fewer rows than come", MADE, png(10, 10, 8, 2, &vec![0; 5_000_000]));
    add("PNG with 200 MB of colour profile in 200 kB", MADE, png_with(&[(b"iCCP", &iccp(200 << 20))], 50, 50, 8, 2, &[0; 50 * 151]));
    add("PNG with 64 MB of text in 64 kB", MADE, png_with(&[(b"zTXt", &ztxt(64 << 20))], 50, 50, 8, 2, &[0; 50 * 151]));
    add("PNG with 100000 chunks", MADE, png_with(&vec![(b"tEXt", &b"a\0b"[..]); 100_000], 50, 50, 8, 2, &[0; 50 * 151]));
    add("PNG of 16 bits", MADE, sixteen_bits());
    add("PNG of 1 bit, no palette", DAMAGED, png(64, 64, 1, 3, &[0; 64 * 9]));
    add("PNG of 2 bits, 3 colours, a fourth one used", DAMAGED, png_with(&[(b"PLTE", &[9; 9])], 64, 64, 2, 3, &[0xFF; 64 * 17]));
    add("PNG of 3 bits", DAMAGED, png(64, 64, 3, 3, &[0; 64 * 25]));
    add("PNG with a palette of 257 colours", DAMAGED, png_with(&[(b"PLTE", &[9; 771])], 64, 64, 8, 3, &[0; 64 * 65]));

    add("JPEG of 65535 by 65535", TOO_LARGE, jpeg(0xC0, 65535, 65535, 3, 1, 1000));
    add("JPEG of 0 by 100", DAMAGED, jpeg(0xC0, 0, 100, 3, 1, 100));
    add("JPEG of 9000 by 9000, flat, 160 kB", MADE, jpeg(0xC0, 9000, 9000, 1, 1, 1125 * 1125 / 4 + 1));
    add("JPEG of 9900 by 9900, progressive, CMYK", TOO_LARGE, jpeg(0xC2, 9900, 9900, 4, 1, 100_000));
    add("JPEG of CMYK", MADE, jpeg(0xC0, 640, 480, 4, 1, 80 * 60 * 4 / 4));
    add("JPEG of 12 bits", UNKNOWN, patched(jpeg(0xC1, 64, 64, 1, 1, 64), SOF + 4, &[12]));
    add("JPEG whose header says more than comes", DAMAGED, jpeg(0xC0, 8000, 8000, 3, 1, 10));
    add("JPEG of 7000 by 7000, progressive, 5000 scans", DAMAGED, jpeg(0xC2, 7000, 7000, 1, 5000, 100));
    add("JPEG of 3000 by 3000, progressive, 99 whole scans", DAMAGED, jpeg(0xC2, 3000, 3000, 1, 99, 3000 * 3000 / 64 / 8));
    add(
        "JPEG with 255 parts of a colour profile, 16 MB",
        MADE,
        with_segments(0xE2, 255, |part| [b"ICC_PROFILE\0", &[part, 255][..], &[part; 65_000]].concat()),
    );
    add("JPEG with an EXIF that points at itself", MADE, with_segments(0xE1, 1, |_| exif_loop()));
    add("JPEG with 1000 EXIFs", MADE, with_segments(0xE1, 1000, |_| exif_loop()));
    add("JPEG with a segment that ends behind the file", DAMAGED, [&b"\xFF\xD8\xFF\xE1\xFF\xFF"[..], &[0; 100]].concat());

    add("GIF of 65535 by 65535, one pixel", TOO_LARGE, gif(65535, 65535, &[(1, 1)]));
    add("GIF with a frame of 65535 by 65535 on a canvas of 10 by 10", TOO_LARGE, gif(10, 10, &[(65535, 65535)]));
    add("GIF of 0 by 0", DAMAGED, gif(0, 0, &[(1, 1)]));
    add("GIF without a frame", DAMAGED, gif(10, 10, &[]));
    add("GIF, endless, 300000 frames", MADE, gif(10, 10, &vec![(10, 10); 300_000]));
    add("WebP of 16384 by 16384, lossless, no pixels", TOO_LARGE, webp_lossless(16384, 16384));
    add("WebP of 16383 by 6000, lossless, no pixels", TOO_LARGE, webp_lossless(16383, 6000));
    add("WebP, canvas of 2^24 by 2^24", TOO_LARGE, webp_canvas());
    add("TIFF of 65535 by 65535", TOO_LARGE, tiff(65535, 65535));
    add("TIFF whose directories point at each other", DAMAGED, b"II*\0\x08\0\0\0\0\0\x08\0\0\0".to_vec());
    add("BMP of 30000 by 30000, no pixels", DAMAGED, bmp(30_000, 30_000));
    add("BMP of 20000 by -1", DAMAGED, bmp(20_000, -1));
    cases
}

fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let drawn = image::load_from_memory(&picture(width, height, 3)).unwrap();
    drawn.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn patched(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn svg() -> Vec<u8> {
    let entities: String = (1..10).map(|level| format!("<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10))).collect();
    format!("<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY a0 \"ha\">{entities}]><svg xmlns=\"http://www.w3.org/2000/svg\"><text>&a9;</text></svg>")
        .into_bytes()
}

// --- PNG

fn png(width: u32, height: u32, depth: u8, colour: u8, rows: &[u8]) -> Vec<u8> {
    png_with(&[], width, height, depth, colour, rows)
}

fn png_with(chunks: &[(&[u8; 4], &[u8])], width: u32, height: u32, depth: u8, colour: u8, rows: &[u8]) -> Vec<u8> {
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

fn iccp(size: usize) -> Vec<u8> {
    [b"profile\0\0", &zeros(size)[..]].concat()
}

fn ztxt(size: usize) -> Vec<u8> {
    [b"Comment\0\0", &zeros(size)[..]].concat()
}

fn sixteen_bits() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let level = |at: u32| u16::try_from(at * 100).unwrap();
    ImageBuffer::from_fn(640, 480, |x, y| Rgb([level(x), level(y), 7])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    let gray = ImageBuffer::from_fn(4, 4, |x, _| Luma([level(x)]));
    assert_eq!(gray.width(), 4);
    bytes.into_inner()
}

// --- JPEG

/// Where [`jpeg`] has its frame header.
const SOF: usize = 2 + 69;

/// A flat JPEG: of each block's coefficients only "no difference" and "no more" are written, one zero bit each.
fn jpeg(frame: u8, width: u16, height: u16, components: u8, scans: usize, bytes_in_scan: usize) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    segment(&mut bytes, 0xDB, &[&[0][..], &[1; 64]].concat());
    let mut header = vec![8];
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&width.to_be_bytes());
    header.push(components);
    header.extend((1..=components).flat_map(|id| [id, 0x11, 0]));
    segment(&mut bytes, frame, &header);
    // one code of one bit, for the symbol 0
    for class in [0x00, 0x10] {
        segment(&mut bytes, 0xC4, &[&[class, 1][..], &[0; 15], &[0]].concat());
    }
    for _ in 0..scans {
        let mut header = vec![components];
        header.extend((1..=components).flat_map(|id| [id, 0]));
        // progressive: the first coefficient alone
        header.extend(if frame == 0xC2 { [0, 0, 0] } else { [0, 63, 0] });
        segment(&mut bytes, 0xDA, &header);
        bytes.extend(std::iter::repeat_n(0, bytes_in_scan));
    }
    bytes.extend_from_slice(&[0xFF, 0xD9]);
    bytes
}

fn segment(bytes: &mut Vec<u8>, marker: u8, content: &[u8]) {
    bytes.extend_from_slice(&[0xFF, marker]);
    bytes.extend_from_slice(&u16::try_from(content.len() + 2).unwrap().to_be_bytes());
    bytes.extend_from_slice(content);
}

/// A good JPEG with more segments before its pixels.
fn with_segments(marker: u8, count: usize, content: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    for part in 0..count {
        segment(&mut bytes, marker, &content(u8::try_from(part % 255 + 1).unwrap()));
    }
    bytes.extend_from_slice(&picture(600, 400, 3)[2..]);
    bytes
}

/// One directory, whose next directory and whose sub-directory is itself.
fn exif_loop() -> Vec<u8> {
    [
        &b"Exif\0\0II*\0\x08\0\0\0\x02\0"[..],
        &[0x69, 0x87, 4, 0, 1, 0, 0, 0, 8, 0, 0, 0],
        &[0x12, 0x01, 3, 0, 1, 0, 0, 0, 99, 0, 0, 0],
        &[8, 0, 0, 0],
    ]
    .concat()
}

// --- GIF, WebP, TIFF, BMP

/// An endless GIF of these frames, of which each has the pixels of one by one.
fn gif(width: u16, height: u16, frames: &[(u16, u16)]) -> Vec<u8> {
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend_from_slice(&width.to_le_bytes());
    bytes.extend_from_slice(&height.to_le_bytes());
    bytes.extend_from_slice(&[0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    bytes.extend_from_slice(b"\x21\xFF\x0BNETSCAPE2.0\x03\x01\0\0\0");
    for (width, height) in frames {
        bytes.extend_from_slice(&[0x21, 0xF9, 4, 0, 1, 0, 0, 0, 0x2C, 0, 0, 0, 0]);
        bytes.extend_from_slice(&width.to_le_bytes());
        bytes.extend_from_slice(&height.to_le_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&lzw(usize::from(*width).min(10) * usize::from(*height).min(10)));
    }
    bytes.push(0x3B);
    bytes
}

/// So many pixels of colour 0, as codes of 3 bits, with a clear code before each pair so that they stay so short.
fn lzw(pixels: usize) -> Vec<u8> {
    let codes = (0..pixels).flat_map(|pixel| if pixel % 2 == 0 { vec![4, 0] } else { vec![0] }).chain([5_u32]);
    let (mut bits, mut held, mut data) = (0_u32, 0, Vec::new());
    for code in codes {
        bits |= code << held;
        held += 3;
        while held >= 8 {
            data.push(bits.to_le_bytes()[0]);
            bits >>= 8;
            held -= 8;
        }
    }
    data.push(bits.to_le_bytes()[0]);
    let mut bytes = vec![2];
    for block in data.chunks(255) {
        bytes.push(u8::try_from(block.len()).unwrap());
        bytes.extend_from_slice(block);
    }
    bytes.push(0);
    bytes
}

fn riff(chunks: &[u8]) -> Vec<u8> {
    [b"RIFF", &u32::try_from(chunks.len() + 4).unwrap().to_le_bytes()[..], b"WEBP", chunks].concat()
}

fn webp_lossless(width: u32, height: u32) -> Vec<u8> {
    let size = (width - 1) | (height - 1) << 14;
    riff(&[&b"VP8L\x0A\0\0\0\x2F"[..], &size.to_le_bytes(), &[0; 5]].concat())
}

fn webp_canvas() -> Vec<u8> {
    riff(&[&b"VP8X\x0A\0\0\0\x02\0\0\0"[..], &[0xFF; 6], b"ANIM\x06\0\0\0\0\0\0\0\0\0"].concat())
}

fn tiff(width: u32, height: u32) -> Vec<u8> {
    let entry = |tag: u16, value: u32| [&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat();
    let entries = [
        entry(256, width),
        entry(257, height),
        entry(258, 8),
        entry(259, 1),
        entry(262, 1),
        entry(273, 8),
        entry(278, height),
        entry(279, 100),
    ];
    [b"II*\0\x08\0\0\0\x08\0", &entries.concat()[..], &[0; 4]].concat()
}

fn bmp(width: i32, height: i32) -> Vec<u8> {
    [&b"BM\x00\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"[..], &width.to_le_bytes(), &height.to_le_bytes(), &[1, 0, 24, 0, 0, 0, 0, 0], &[0; 16]]
        .concat()
}
