//! The files' bytes.

use std::io::{Cursor, Write};

use flate2::{Compression, write::ZlibEncoder};
use image::{ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};

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

// --- PNG

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

// --- JPEG

/// Where [`jpeg`] has its frame header.
pub const SOF: usize = 2 + 69;

/// A flat JPEG: of each block's coefficients only "no difference" and "no more" are written, one zero bit each.
pub fn jpeg(frame: u8, width: u16, height: u16, components: u8, scans: usize, bytes_in_scan: usize) -> Vec<u8> {
    let mut bytes = before_scans(frame, (width, height), &vec![(1, 1); usize::from(components)]);
    let all: Vec<u8> = (1..=components).collect();
    for _ in 0..scans {
        scan(&mut bytes, &all, frame, bytes_in_scan);
    }
    bytes.extend_from_slice(&[0xFF, 0xD9]);
    bytes
}

/// A flat baseline JPEG with a scan for each component, of the samplings.
pub fn jpeg_scans(width: u16, height: u16, sampling: &[(u8, u8)]) -> Vec<u8> {
    let mut bytes = before_scans(0xC0, (width, height), sampling);
    let most = sampling.iter().fold((1, 1), |most, each| (each.0.max(most.0), each.1.max(most.1)));
    for (id, &(across, down)) in (1..).zip(sampling) {
        let blocks = |side: u16, own: u8, most: u8| (usize::from(side) * usize::from(own)).div_ceil(usize::from(most)).div_ceil(8);
        let bits = blocks(width, across, most.0) * blocks(height, down, most.1) * 2;
        scan(&mut bytes, &[id], 0xC0, bits / 8);
        if bits % 8 > 0 {
            // what is left of the last byte is ones
            bytes.push(0xFF >> (bits % 8));
        }
    }
    bytes.extend_from_slice(&[0xFF, 0xD9]);
    bytes
}

fn before_scans(frame: u8, (width, height): (u16, u16), sampling: &[(u8, u8)]) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    segment(&mut bytes, 0xDB, &[&[0][..], &[1; 64]].concat());
    let mut header = vec![8];
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&width.to_be_bytes());
    header.push(u8::try_from(sampling.len()).unwrap());
    header.extend((1..).zip(sampling).flat_map(|(id, (across, down))| [id, across << 4 | down, 0]));
    segment(&mut bytes, frame, &header);
    // one code of one bit, for the symbol 0
    for class in [0x00, 0x10] {
        segment(&mut bytes, 0xC4, &[&[class, 1][..], &[0; 15], &[0]].concat());
    }
    bytes
}

fn scan(bytes: &mut Vec<u8>, components: &[u8], frame: u8, length: usize) {
    let mut header = vec![u8::try_from(components.len()).unwrap()];
    header.extend(components.iter().flat_map(|&id| [id, 0]));
    // progressive: the first coefficient alone
    header.extend(if frame == 0xC2 { [0, 0, 0] } else { [0, 63, 0] });
    segment(bytes, 0xDA, &header);
    bytes.extend(std::iter::repeat_n(0, length));
}

fn segment(bytes: &mut Vec<u8>, marker: u8, content: &[u8]) {
    bytes.extend_from_slice(&[0xFF, marker]);
    bytes.extend_from_slice(&u16::try_from(content.len() + 2).unwrap().to_be_bytes());
    bytes.extend_from_slice(content);
}

/// A good JPEG with more segments before its pixels.
pub fn with_segments(marker: u8, count: usize, content: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    for part in 0..count {
        segment(&mut bytes, marker, &content(u8::try_from(part % 255 + 1).unwrap()));
    }
    bytes.extend_from_slice(&picture(600, 400, 3)[2..]);
    bytes
}

/// The JPEG with a profile of 16 MB before its pixels, in 255 parts.
pub fn with_profiles(jpeg: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    for part in 1..=255 {
        segment(&mut bytes, 0xE2, &[b"ICC_PROFILE\0", &[part, 255][..], &[part; 65_000]].concat());
    }
    bytes.extend_from_slice(&jpeg[2..]);
    bytes
}

/// One directory, whose next directory and whose sub-directory is itself.
pub fn exif_loop() -> Vec<u8> {
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
pub fn gif(width: u16, height: u16, frames: &[(u16, u16)]) -> Vec<u8> {
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

/// A GIF with an extension, whose first block is of 11 bytes, if it is of an application.
pub fn gif_with(label: u8, content: &[u8]) -> Vec<u8> {
    let plain = gif(10, 10, &[(10, 10)]);
    // behind the header and its two colours
    let (head, rest) = plain.split_at(13 + 6);
    let (name, content) = content.split_at(if label == 0xFF { 11 } else { 0 });
    let blocks = [name].into_iter().chain(content.chunks(255)).filter(|block| !block.is_empty());
    let blocks: Vec<u8> = blocks.flat_map(|block| [&[u8::try_from(block.len()).unwrap()], block].concat()).collect();
    [head, &[0x21, label], &blocks, &[0], rest].concat()
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

pub fn riff(chunks: &[u8]) -> Vec<u8> {
    [b"RIFF", &u32::try_from(chunks.len() + 4).unwrap().to_le_bytes()[..], b"WEBP", chunks].concat()
}

pub fn webp_lossless(width: u32, height: u32) -> Vec<u8> {
    let size = (width - 1) | (height - 1) << 14;
    riff(&[&b"VP8L\x0A\0\0\0\x2F"[..], &size.to_le_bytes(), &[0; 5]].concat())
}

pub fn riff_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [name, &u32::try_from(content.len()).unwrap().to_le_bytes()[..], content, &[0][..content.len() % 2]].concat()
}

/// The header of an extended file with a canvas of `side` by `side`.
pub fn webp_header(flags: u8, side: u32) -> Vec<u8> {
    let side = (side - 1).to_le_bytes();
    riff_chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &side[..3], &side[..3]].concat())
}

/// The lossless bitstream of a picture of one colour: four alphabets and that of distances have one symbol each, of no bits.
pub fn flat(side: u32) -> Vec<u8> {
    let width_and_height = (side - 1) | (side - 1) << 14;
    // no transform, no cache, no groups; five times: a simple code, of one symbol, which has one bit, and is 0
    let codes = (0..5).fold(0_u32, |bits, code| bits | 0b0001 << (3 + code * 4));
    riff_chunk(b"VP8L", &[&[0x2F][..], &width_and_height.to_le_bytes(), &codes.to_le_bytes()].concat())
}

/// An animation with a frame as large as its canvas, whose bitstream is larger.
pub fn webp_frame(canvas: u32, bitstream: u32) -> Vec<u8> {
    let side = (canvas - 1).to_le_bytes();
    let frame = [&[0; 6][..], &side[..3], &side[..3], &[100, 0, 0, 0], &flat(bitstream)].concat();
    riff(&[webp_header(2, canvas), riff_chunk(b"ANIM", &[0; 6]), riff_chunk(b"ANMF", &frame)].concat())
}

/// An animation of two small frames, behind so many empty chunks of a kind that nobody knows.
pub fn webp_junk(chunks: usize) -> Vec<u8> {
    let side = 99_u32.to_le_bytes();
    let frame = riff_chunk(b"ANMF", &[&[0; 6][..], &side[..3], &side[..3], &[100, 0, 0, 0], &flat(100)].concat());
    let junk = riff_chunk(b"JUNK", &[]).repeat(chunks);
    riff(&[webp_header(2, 100), riff_chunk(b"ANIM", &[0; 6]), junk, frame.repeat(2)].concat())
}

/// An animation of so many frames as large as its canvas, each of one colour, in whose heads an image of a sixteenth of its pixels, of no bits,
/// comes first.
pub fn webp_heads((width, height): (u32, u32), frames: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // a transform: predictors, for blocks of 4 by 4; their image has no cache
    bits.put(0b1, 7);
    bits.nothing(5);
    // no other transform, no cache, no groups
    bits.put(0, 3);
    bits.nothing(5);
    let data = bits.bytes();
    let (right, bottom) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
    let size = (width - 1) | (height - 1) << 14;
    let picture = riff_chunk(b"VP8L", &[&[0x2F][..], &size.to_le_bytes(), &data].concat());
    let frame = riff_chunk(b"ANMF", &[&[0; 6][..], &right[..3], &bottom[..3], &[100, 0, 0, 0], &picture].concat());
    let header = riff_chunk(b"VP8X", &[&[2, 0, 0, 0][..], &right[..3], &bottom[..3]].concat());
    riff(&[header, riff_chunk(b"ANIM", &[0; 6]), frame.repeat(frames)].concat())
}

pub fn webp_canvas() -> Vec<u8> {
    riff(&[&b"VP8X\x0A\0\0\0\x02\0\0\0"[..], &[0xFF; 6], b"ANIM\x06\0\0\0\0\0\0\0\0\0"].concat())
}

/// A TIFF of 64 by 64 in CCITT's compression 2 or 4, whose first row has so many bytes of codes that make no pixels.
pub fn tiff_runs(compression: u32, bytes: usize) -> Vec<u8> {
    // white and black of no length, four times; after the code for such a pair, where rows are coded by those before
    let codes: &[u8] = if compression == 2 { b"001101010000110111" } else { b"001001101010000110111" };
    let bits = codes.repeat(8);
    let codes: Vec<u8> = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'))).collect();
    tiff_strip(compression, 1, &codes.repeat(bytes / codes.len()))
}

/// A TIFF of 64 by 64 with so many bytes of LZW codes that only clear the table.
pub fn tiff_clears(bytes: usize) -> Vec<u8> {
    tiff_strip(5, 8, &[0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0].repeat(bytes / 9))
}

/// A TIFF of 64 by 64 in one strip.
fn tiff_strip(compression: u32, bits: u32, strip: &[u8]) -> Vec<u8> {
    let entry = |tag: u16, value: u32| [&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat();
    let entries = [
        entry(256, 64),
        entry(257, 64),
        entry(258, bits),
        entry(259, compression),
        entry(262, 0),
        entry(273, 8 + 2 + 8 * 12 + 4),
        entry(278, 64),
        entry(279, u32::try_from(strip.len()).unwrap()),
    ];
    [b"II*\0\x08\0\0\0\x08\0", &entries.concat()[..], &[0; 4], strip].concat()
}

pub fn tiff(width: u32, height: u32) -> Vec<u8> {
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

/// A BMP of one pixel, with so many runs of 255.
pub fn bmp_runs(runs: usize) -> Vec<u8> {
    let offset = 14 + 40 + 1024_u32;
    let header = [
        &b"BM\0\0\0\0\0\0\0\0"[..],
        &offset.to_le_bytes(),
        &[40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 8, 0, 1, 0, 0, 0],
        &[0; 20],
        &[9; 1024],
    ];
    [&header.concat()[..], &[255, 1].repeat(runs), &[0, 1]].concat()
}

pub fn bmp(width: i32, height: i32) -> Vec<u8> {
    [&b"BM\x00\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"[..], &width.to_le_bytes(), &height.to_le_bytes(), &[1, 0, 24, 0, 0, 0, 0, 0], &[0; 16]]
        .concat()
}

/// Bits from the lowest on.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).map(|bit| value >> bit & 1 == 1));
    }

    /// Codes of one symbol each, which is 0 and takes no bits.
    fn nothing(&mut self, codes: u32) {
        (0..codes).for_each(|_| self.put(0b0001, 4));
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit))).collect()
    }

    /// A code in which each of the first 256 of `symbols` has 8 bits.
    fn code_of_bytes(&mut self, symbols: usize) {
        self.put(0, 1);
        // 12 codes of lengths in the order of the format, of which those of 0 and of 8 have one bit
        self.put(8, 4);
        for length in [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8] {
            self.put(u32::from(length == 0 || length == 8), 3);
        }
        self.put(0, 1);
        (0..symbols).for_each(|symbol| self.put(u32::from(symbol < 256), 1));
    }
}

/// A lossless picture of one colour, whose blocks of 4 by 4 have Huffman tables of their own, up to so many groups of them.
pub fn webp_groups(side: u32, groups: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    // no transform, no cache, but groups, in blocks of 4 by 4; the image of the groups has no cache
    bits.put(0b100, 7);
    bits.code_of_bytes(280);
    bits.code_of_bytes(256);
    bits.nothing(3);
    for block in 0..side.div_ceil(4).pow(2) {
        let [low, high, ..] = (block % groups).to_le_bytes();
        bits.put(u32::from(low.reverse_bits()), 8);
        bits.put(u32::from(high.reverse_bits()), 8);
    }
    bits.nothing(5 * groups);
    let data = bits.bytes();
    let width_and_height = (side - 1) | (side - 1) << 14;
    riff(&riff_chunk(b"VP8L", &[&[0x2F][..], &width_and_height.to_le_bytes(), &data].concat()))
}
