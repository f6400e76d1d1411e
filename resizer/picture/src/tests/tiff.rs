//! TIFFs of every kind, written here tag by tag.

use std::io::Write;

use fax::{BitWriter, VecWriter, maps};
use moxcms::ColorProfile;
use turbojpeg::Colorspace;

use super::drawing::{at, difference, flat, gradient, jpeg, lossless, near, noisy, pixels, request, resize};
use crate::{Error, channels::Channels, raster::Raster};

/// A file in the making: a tag with its type and values each, and the strips or tiles.
#[derive(Clone)]
pub(super) struct Tiff {
    pub(super) little: bool,
    pub(super) big: bool,
    pub(super) tags: Vec<(u16, u16, Vec<u64>)>,
    pub(super) chunks: Vec<Vec<u8>>,
}

impl Tiff {
    /// One strip without compression.
    pub(super) fn new((width, height): (u64, u64), photometric: u64, bits: u64, samples: u64, data: Vec<u8>) -> Self {
        let tags = [(256, width), (257, height), (259, 1), (262, photometric), (277, samples), (278, height)];
        let file = Self { little: true, big: false, tags: vec![], chunks: vec![data] };
        let file = tags.into_iter().fold(file, |file, (tag, value)| file.with(tag, &[value]));
        file.with(258, &vec![bits; usize::try_from(samples).unwrap()])
    }

    /// With the values of a tag, numbers of 16 bits.
    pub(super) fn with(mut self, tag: u16, values: &[u64]) -> Self {
        self.tags.retain(|other| other.0 != tag);
        self.tags.push((tag, 3, values.to_vec()));
        self
    }

    pub(super) fn with_bytes(mut self, tag: u16, bytes: &[u8]) -> Self {
        self.tags.push((tag, 7, bytes.iter().map(|&byte| byte.into()).collect()));
        self
    }

    pub(super) fn compressed(self, compression: u64, how: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let chunks = self.chunks.iter().map(|chunk| how(chunk)).collect();
        Self { chunks, ..self }.with(259, &[compression])
    }

    fn number(&self, value: u64, size: usize) -> Vec<u8> {
        if self.little { value.to_le_bytes()[..size].to_vec() } else { value.to_be_bytes()[8 - size..].to_vec() }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut file = if self.little { b"II".to_vec() } else { b"MM".to_vec() };
        let (word, entry) = if self.big { (8, 20) } else { (4, 12) };
        file.extend(self.number(if self.big { 43 } else { 42 }, 2));
        if self.big {
            file.extend([self.number(8, 2), self.number(0, 2)].concat());
        }
        let place = file.len();
        file.extend(vec![0; word]);
        let mut tags = self.tags.clone();
        let tiled = tags.iter().any(|tag| tag.0 == 322);
        let (offsets, lengths) = if tiled { (324, 325) } else { (273, 279) };
        tags.push((lengths, 4, self.chunks.iter().map(|chunk| chunk.len() as u64).collect()));
        let mut starts = vec![];
        for chunk in &self.chunks {
            starts.push(file.len() as u64);
            file.extend(chunk);
        }
        tags.push((offsets, 4, starts));
        tags.sort();
        let mut directory = self.number(tags.len() as u64, if self.big { 8 } else { 2 });
        for (tag, kind, values) in &tags {
            let size = [0, 1, 1, 2, 4, 8, 1, 1][usize::from(*kind)];
            let mut content = values.iter().flat_map(|&value| self.number(value, size)).collect::<Vec<u8>>();
            if content.len() > word {
                let at = file.len() as u64;
                file.extend(&content);
                content = self.number(at, word);
            }
            content.resize(word, 0);
            let head = [self.number((*tag).into(), 2), self.number((*kind).into(), 2), self.number(values.len() as u64, word)].concat();
            assert_eq!(head.len() + content.len(), entry);
            directory.extend([head, content].concat());
        }
        let start = self.number(file.len() as u64, word);
        file[place..place + word].copy_from_slice(&start);
        file.extend([directory, vec![0; word]].concat());
        file
    }

    fn pixels(&self) -> Raster {
        pixels(&self.bytes())
    }
}

pub(super) fn of(raster: &Raster, photometric: u64) -> Tiff {
    let samples = raster.channels.count() as u64;
    let file = Tiff::new((raster.width.into(), raster.height.into()), photometric, 8, samples, raster.pixels.to_vec());
    if raster.channels.has_alpha() { file.with(338, &[2]) } else { file }
}

#[test]
fn samples_of_every_depth_are_read() {
    for (bits, data, expected) in [
        (1, vec![0b1010_0000], [255, 0, 255]),
        (2, vec![0b00_01_11_00], [0, 85, 255]),
        (4, vec![0x0F, 0x30], [0, 255, 51]),
        (8, vec![7, 8, 9], [7, 8, 9]),
        (16, vec![1, 7, 1, 8, 1, 9], [7, 8, 9]),
        (32, vec![1, 1, 1, 7, 1, 1, 1, 8, 1, 1, 1, 9], [7, 8, 9]),
    ] {
        let file = Tiff::new((3, 1), 1, bits, 1, data.clone());
        assert_eq!(file.pixels().pixels[..], expected, "{bits} bits");
        assert_eq!(file.with(262, &[0]).pixels().pixels[..], expected.map(|value: u8| !value), "{bits} bits, white is zero");
        let reversed = Tiff::new((3, 1), 1, bits, 1, data.iter().map(|byte| byte.reverse_bits()).collect()).with(266, &[2]);
        assert_eq!(reversed.pixels().pixels[..], expected, "{bits} bits, reversed");
    }
    let floats = [0.0_f32, 0.5, 7.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(Tiff::new((3, 1), 1, 32, 1, floats).with(339, &[3]).pixels().pixels[..], [0, 188, 255]);
}

#[test]
fn byte_orders_and_large_files_are_read() {
    let source = gradient(30, 20, Channels::Rgb);
    for (little, big) in [(true, false), (false, false), (true, true), (false, true)] {
        let file = Tiff { little, big, ..of(&source, 2) };
        assert_eq!(difference(&file.pixels(), &source), 0);
        let wide = source.pixels.iter().flat_map(|&value| if little { [9, value] } else { [value, 9] }).collect();
        let file = Tiff { little, big, ..Tiff::new((30, 20), 2, 16, 3, wide) };
        assert_eq!(difference(&file.pixels(), &source), 0);
    }
}

#[test]
fn palettes_are_expanded() {
    let map =
        |scale: u64| (0..3).flat_map(|part| (0..4).map(move |index| scale * [10, 100, 200, 255][(index + part) % 4])).collect::<Vec<u64>>();
    let file = Tiff::new((3, 1), 3, 2, 1, vec![0b00_10_11_00]);
    for scale in [1, 257] {
        let out = file.clone().with(320, &map(scale)).pixels();
        assert_eq!(out.pixels[..], [10, 100, 200, 200, 255, 10, 255, 10, 100], "{scale}");
    }
    assert!(matches!(resize(&file.bytes(), &request(3, 1)), Err(Error::Damaged(_))));
}

#[test]
fn further_samples_are_alpha_only_if_they_say_so() {
    let pixel = [100, 60, 30, 200, 90];
    let data = |count: usize| pixel[..count].repeat(16);
    for (photometric, samples, extra, expected) in [
        (2, 4, &[0][..], &[100, 60, 30][..]),
        (2, 4, &[2], &[100, 60, 30, 200]),
        (2, 4, &[1], &[128, 77, 38, 200]),
        (2, 5, &[2, 0], &[100, 60, 30, 200]),
        (2, 5, &[0, 2], &[100, 60, 30, 90]),
        (1, 2, &[2], &[100, 60]),
        (1, 2, &[0], &[100]),
        (1, 2, &[1], &[255, 60]),
        (5, 4, &[], &[100, 60, 30, 200]),
        (5, 5, &[0], &[100, 60, 30, 200]),
        (5, 5, &[2], &[35, 21, 11, 71]),
    ] {
        for planar in [false, true] {
            if planar && (photometric, extra) == (5, &[2]) {
                continue;
            }
            let mut file = Tiff::new((4, 4), photometric, 8, samples, data(samples as usize)).with(338, extra);
            if planar {
                let planes = pixel.iter().take(samples as usize).map(|&value| vec![value; 16]).collect();
                file = Tiff { chunks: planes, ..file.with(284, &[2]) };
            }
            let out = file.pixels();
            assert_eq!(out.pixels[..expected.len()], *expected, "{photometric} {samples} {extra:?} {planar}");
            assert_eq!(out.channels.count(), expected.len());
        }
    }
}

pub(super) fn lzw(data: &[u8]) -> Vec<u8> {
    weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(data).unwrap()
}

pub(super) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Runs of three, and what is between them.
pub(super) fn packbits(data: &[u8]) -> Vec<u8> {
    let part = |part: &[u8]| match part {
        [a, b, c] if a == b && b == c => vec![254, *a],
        _ => [&[u8::try_from(part.len() - 1).unwrap()], part, &[128]].concat(),
    };
    data.chunks(3).flat_map(part).collect()
}

#[test]
fn every_compression_gives_the_same() {
    for (channels, photometric) in [(Channels::Rgb, 2), (Channels::Rgba, 2), (Channels::Gray, 1), (Channels::Cmyk, 5)] {
        let source = noisy(40, 30, channels);
        let plain = of(&source, photometric);
        for (number, compress) in [(5, lzw as fn(&[u8]) -> Vec<u8>), (8, deflate), (32_946, deflate), (32_773, packbits)] {
            let file = plain.clone().compressed(number, compress);
            assert_eq!(difference(&file.pixels(), &source), 0, "{number} {channels:?}");
            let picture = resize(&file.bytes(), &request(20, 0)).unwrap();
            assert_eq!((picture.width, picture.height), (20, 15), "{number} {channels:?}");
        }
    }
}

/// The differences that the predictor stores.
pub(super) fn differences(row: &[u8], samples: usize) -> Vec<u8> {
    (0..row.len()).map(|index| row[index].wrapping_sub(if index < samples { 0 } else { row[index - samples] })).collect()
}

#[test]
fn a_predictor_counts_every_sample() {
    let source = noisy(16, 16, Channels::Rgba);
    let opaque = noisy(16, 16, Channels::Rgba).into_channels(Channels::Rgb).unwrap();
    for (extra, expected) in [(0, &opaque), (2, &source)] {
        for rows in [16, 2] {
            let strip = |strip: &[u8]| lzw(&strip.chunks(64).flat_map(|row| differences(row, 4)).collect::<Vec<u8>>());
            let chunks = source.pixels.chunks(64 * rows).map(strip).collect();
            let file = of(&source, 2).with(338, &[extra]).with(259, &[5]).with(317, &[2]).with(278, &[rows as u64]);
            assert_eq!(difference(&Tiff { chunks, ..file }.pixels(), expected), 0, "{extra} {rows}");
        }
    }
    let wide: Vec<u8> = [1_000_u16, 2_000, 65_000, 3].iter().flat_map(|value| value.to_le_bytes()).collect();
    let stored: Vec<u8> = [1_000_u16, 1_000, 63_000, 539].iter().flat_map(|value| value.to_le_bytes()).collect();
    let file = |data: &[u8]| Tiff::new((4, 1), 1, 16, 1, deflate(data)).with(259, &[8]);
    assert_eq!(file(&stored).with(317, &[2]).pixels().pixels[..], file(&wide).pixels().pixels[..]);
}

#[test]
fn tiles_and_planes_are_put_together() {
    let source = gradient(20, 37, Channels::Rgb);
    let tile = |plane: Option<usize>, left: usize, top: usize| -> Vec<u8> {
        let pixel = |x: usize, y: usize| if x < 20 && y < 37 { source.pixels[(y * 20 + x) * 3..][..3].to_vec() } else { vec![9; 3] };
        let places = (top..top + 16).flat_map(|y| (left..left + 16).map(move |x| (x, y)));
        places.flat_map(|(x, y)| plane.map_or_else(|| pixel(x, y), |plane| vec![pixel(x, y)[plane]])).collect()
    };
    let tiles = |plane| [0, 16, 32].into_iter().flat_map(move |top| [0, 16].map(|left| (plane, left, top)));
    let file = of(&source, 2).with(322, &[16]).with(323, &[16]);
    let chunks = tiles(None).map(|(plane, left, top)| tile(plane, left, top)).collect();
    assert_eq!(difference(&Tiff { chunks, ..file.clone() }.pixels(), &source), 0);
    let chunks = [0, 1, 2].into_iter().flat_map(|plane| tiles(Some(plane))).map(|(plane, left, top)| tile(plane, left, top)).collect();
    assert_eq!(difference(&Tiff { chunks, ..file.with(284, &[2]) }.pixels(), &source), 0);
}

#[test]
fn jpegs_are_read_with_and_without_tables_of_their_own() {
    for (channels, photometric) in [(Channels::Rgb, 6), (Channels::Gray, 1), (Channels::Cmyk, 5)] {
        let source = gradient(48, 32, channels);
        let whole = jpeg(&source, |compressor| {
            compressor.set_quality(100).unwrap();
            if channels == Channels::Cmyk {
                compressor.set_colorspace(Colorspace::CMYK).unwrap();
            }
        });
        let tables = whole.windows(2).position(|pair| pair == [0xFF, 0xDB]).unwrap();
        let frame = whole.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        let shared = [&[0xFF, 0xD8], &whole[tables..frame], &[0xFF, 0xD9]].concat();
        let cut = [&[0xFF, 0xD8], &whole[frame..]].concat();
        let file = of(&source, photometric).with(259, &[7]);
        for file in
            [Tiff { chunks: vec![whole.clone()], ..file.clone() }, Tiff { chunks: vec![cut], ..file.clone() }.with_bytes(347, &shared)]
        {
            assert!(difference(&file.pixels(), &source) <= 6, "{channels:?} {}", difference(&file.pixels(), &source));
        }
        // the inner JPEG is larger than the outer TIFF says
        let lie = Tiff { chunks: vec![whole], ..file.with(256, &[40]) };
        assert!(matches!(resize(&lie.bytes(), &request(10, 10)), Err(Error::Damaged(_))));
    }
}

#[test]
fn luma_and_colour_differences_become_colours() {
    // two groups of 2 by 2 pixels: red, and gray that grows lighter
    let data = vec![76, 76, 76, 76, 85, 255, 10, 20, 30, 40, 128, 128];
    let mut file = Tiff::new((4, 2), 6, 8, 3, data).with(530, &[2, 2]);
    let out = file.pixels();
    assert!(near(&out.pixels[..3], &[255, 0, 0], 2) && near(&out.pixels[6..9], &[10, 10, 10], 1), "{:?}", out.pixels);
    assert!(near(&out.pixels[18..24], &[30, 30, 30, 40, 40, 40], 1), "{:?}", out.pixels);
    // shares and levels of 0/0
    file.tags.extend([(529, 5, vec![0; 3]), (532, 5, vec![0; 6])]);
    assert_eq!(file.pixels().pixels[..], out.pixels[..]);
}

/// A row of 20 pixels of white and black runs, by the tables of CCITT.
pub(super) fn fax_row(bits: &mut VecWriter, runs: &[u16]) {
    for (index, &run) in runs.iter().enumerate() {
        let code = if index % 2 == 0 { maps::white::encode(run) } else { maps::black::encode(run) };
        bits.write(code.unwrap()).unwrap();
    }
}

#[test]
fn codes_of_facsimile_are_read() {
    let rows: [&[u16]; 3] = [&[5, 10, 5], &[0, 20], &[20]];
    let expected: Vec<u8> =
        rows.iter().flat_map(|runs| runs.iter().zip([0, 255, 0]).flat_map(|(&run, value)| vec![value; run.into()])).collect();
    let mut huffman = VecWriter::new();
    let mut group3 = VecWriter::new();
    for runs in rows {
        fax_row(&mut huffman, runs);
        huffman.pad();
        group3.write(maps::EOL).unwrap();
        fax_row(&mut group3, runs);
    }
    let mut group4 = fax::encoder::Encoder::new(VecWriter::new());
    for row in expected.chunks(20) {
        let colours = row.iter().map(|&value| if value == 0 { fax::Color::White } else { fax::Color::Black });
        group4.encode_line(colours, 20).unwrap();
    }
    for (compression, data) in [(2, huffman.finish()), (3, group3.finish()), (4, group4.finish().unwrap().finish())] {
        let file = Tiff::new((20, 3), 1, 1, 1, data).with(259, &[compression]);
        assert_eq!(file.pixels().pixels[..], expected[..], "compression {compression}");
        let reversed = file.clone().compressed(compression, |data| data.iter().map(|byte| byte.reverse_bits()).collect()).with(266, &[2]);
        assert_eq!(reversed.pixels().pixels[..], expected[..], "compression {compression}, reversed");
        let cut = file.compressed(compression, |data| data[..2].to_vec());
        assert!(matches!(resize(&cut.bytes(), &request(10, 0)), Err(Error::Damaged(_))), "compression {compression}");
    }
}

#[test]
fn a_profile_is_applied_however_large_it_is() {
    let profile = ColorProfile::new_adobe_rgb().encode().unwrap();
    let source = flat(4, 4, Channels::Rgb, &[60, 200, 40]);
    let plain = of(&source, 2);
    let [without, with] = [plain.clone(), plain.with_bytes(34_675, &profile)]
        .map(|file| at(&pixels(&resize(&file.bytes(), &lossless(4, 4)).unwrap().bytes), 50, 50).to_vec());
    assert!(without == [60, 200, 40] && with[0] < 10, "{without:?} {with:?}");
    // the same in 16 bits, which are converted as such
    let wide = source.pixels.iter().flat_map(|&value| [value, value]).collect();
    let file = Tiff::new((4, 4), 2, 16, 3, wide).with_bytes(34_675, &profile);
    let out = pixels(&resize(&file.bytes(), &lossless(4, 4)).unwrap().bytes);
    assert!(near(at(&out, 50, 50), &with, 1), "{:?} {with:?}", at(&out, 50, 50));
}

#[test]
fn orientation_is_applied() {
    let source = gradient(30, 20, Channels::Rgb);
    let picture = resize(&of(&source, 2).with(274, &[6]).bytes(), &lossless(20, 0)).unwrap();
    assert_eq!((picture.width, picture.height), (20, 30));
    assert!(near(at(&pixels(&picture.bytes), 99, 0), &source.pixels[..3], 2));
}

#[test]
fn what_is_not_read_is_named() {
    let plain = of(&flat(4, 4, Channels::Rgb, &[1, 2, 3]), 2);
    for (tag, values, name) in [
        (259, &[6][..], "old kind"),
        (259, &[50_000], "Zstandard"),
        (259, &[50_001], "WebP"),
        (259, &[34_925], "LZMA"),
        (259, &[34_712], "JPEG 2000"),
        (259, &[77], "compression 77"),
        (262, &[8], "L*a*b*"),
        (262, &[32_845], "LogLuv"),
        (262, &[32_803], "raw"),
        (339, &[2, 2, 2], "signed"),
        (258, &[12, 12, 12], "12 bits"),
        (258, &[8, 8, 16], "differ"),
    ] {
        let error = resize(&plain.clone().with(tag, values).bytes(), &request(4, 4)).unwrap_err();
        assert!(matches!(&error, Error::Unsupported(what) if what.contains(name)), "{tag} {values:?}: {error}");
    }
    let halves = plain.clone().with(258, &[16, 16, 16]).with(339, &[3, 3, 3]);
    assert!(resize(&halves.bytes(), &request(4, 4)).unwrap_err().to_string().contains("floating-point numbers of 16 bits"));
}

#[test]
fn what_ends_early_or_lies_is_damaged() {
    let plain = of(&noisy(16, 16, Channels::Rgb), 2);
    for file in [
        plain.clone().with(257, &[17]).with(278, &[17]),
        plain.clone().with(278, &[8]),
        plain.clone().with(277, &[2]),
        plain.clone().compressed(8, |data| deflate(&data[1..])),
        plain.clone().compressed(5, |data| lzw(&data[1..])),
        plain.clone().compressed(32_773, |data| packbits(&data[3..])),
        plain.clone().with(322, &[0]).with(323, &[16]),
    ] {
        assert!(matches!(resize(&file.bytes(), &request(8, 8)), Err(Error::Damaged(_))), "{:?}", file.tags);
    }
}
