//! Files of libjpeg-turbo's encoder: what its decoder makes of them at the same scale is close.
//!
//! At 1/8 of gray pictures both give the mean of each block. Elsewhere the definitions differ: libjpeg-turbo averages samples of the
//! whole transform, and enlarges colour where it cannot be had at the right size.
#![allow(clippy::unwrap_used, reason = "this is a test")]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "small numbers")]

use scaled_jpeg::{Coding, Colour, Header, Options, Plan, Scale};
use turbojpeg::{Colorspace, Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

const SCALES: [(Scale, usize); 5] = [(Scale::Eighth, 1), (Scale::Quarter, 2), (Scale::ThreeEighths, 3), (Scale::Half, 4), (Scale::Full, 8)];
const SUBSAMPLINGS: [Subsamp; 7] =
    [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Gray, Subsamp::Sub1x2, Subsamp::Sub4x1, Subsamp::Sub1x4];

/// Waves, edges and a little noise.
fn drawing(width: usize, height: usize) -> Vec<u8> {
    let mut noise = 1_u32;
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (fx, fy) = (x as f64, y as f64);
            let disc = if (fx - 90.0).hypot(fy - 70.0) % 97.0 < 40.0 { 60.0 } else { 0.0 };
            let base = 100.0 + 50.0 * (fx / 23.0).sin() + disc + f64::from(noise >> 28);
            pixels.extend(
                [base, base + 30.0 * (fy / 31.0).sin(), base - 20.0 * (fx / 57.0).cos()].map(|value| value.clamp(0.0, 255.0) as u8),
            );
        }
    }
    pixels
}

fn encode(pixels: &[u8], width: usize, height: usize, set: impl FnOnce(&mut Compressor)) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(90).unwrap();
    set(&mut compressor);
    compressor.compress_to_vec(Image { pixels, width, pitch: width * 3, height, format: PixelFormat::RGB }).unwrap()
}

fn turbo(file: &[u8], side: usize, format: PixelFormat) -> Vec<u8> {
    let mut decoder = Decompressor::new().unwrap();
    let scale = ScalingFactor::new(side, 8);
    let header = decoder.read_header(file).unwrap().scaled(scale);
    decoder.set_scaling_factor(scale).unwrap();
    let mut pixels = vec![0; header.width * header.height * format.size()];
    let image = Image { pixels: &mut pixels[..], width: header.width, pitch: header.width * format.size(), height: header.height, format };
    decoder.decompress(file, image).unwrap();
    pixels
}

fn ours(file: &[u8], scale: Scale) -> (Plan, Vec<u8>) {
    let plan = Plan::new(&Header::read(file).unwrap(), &Options::new(scale)).unwrap();
    let (width, height) = plan.size();
    let stride = width as usize * plan.channels();
    let mut pixels = vec![0; stride * height as usize];
    plan.decode(file, &mut pixels, stride).unwrap();
    (plan, pixels)
}

/// Most and mean.
fn difference(one: &[u8], other: &[u8]) -> (u8, f64) {
    assert_eq!(one.len(), other.len());
    let apart: Vec<u8> = one.iter().zip(other).map(|(one, other)| one.abs_diff(*other)).collect();
    (apart.iter().copied().max().unwrap_or(0), apart.iter().map(|&apart| f64::from(apart)).sum::<f64>() / apart.len() as f64)
}

#[test]
fn is_close_to_libjpeg_turbo_for_every_subsampling() {
    for (width, height) in [(640, 480), (333, 211), (17, 9), (1, 1)] {
        let pixels = drawing(width, height);
        for subsampling in SUBSAMPLINGS {
            for progressive in [false, true] {
                let file = encode(&pixels, width, height, |compressor| {
                    compressor.set_subsamp(subsampling).unwrap();
                    compressor.set_progressive(progressive).unwrap();
                });
                let coding = if progressive { Coding::Progressive } else { Coding::Sequential };
                assert_eq!(Header::read(&file).unwrap().coding(), coding);
                for (scale, side) in SCALES {
                    let format = if subsampling == Subsamp::Gray { PixelFormat::GRAY } else { PixelFormat::RGB };
                    let (most, mean) = difference(&ours(&file, scale).1, &turbo(&file, side, format));
                    let tolerance = match (side, subsampling) {
                        // both are the mean of the block
                        (1, Subsamp::Gray) => (1, 0.5),
                        _ => (60, 4.0),
                    };
                    assert!(
                        most <= tolerance.0 && mean <= tolerance.1,
                        "{width}x{height} {subsampling:?} progressive {progressive} {scale:?}: {most}, mean {mean:.2}"
                    );
                }
            }
        }
    }
}

#[test]
fn rgb_by_adobes_marker_stays_rgb() {
    let pixels = drawing(64, 40);
    let file = encode(&pixels, 64, 40, |compressor| {
        compressor.set_subsamp(Subsamp::None).unwrap();
        compressor.set_colorspace(Colorspace::RGB).unwrap();
    });
    let (_, out) = ours(&file, Scale::Eighth);
    assert_eq!(Header::read(&file).unwrap().colour(), Colour::Rgb);
    assert!(difference(&out, &turbo(&file, 1, PixelFormat::RGB)).0 <= 1);
}

#[test]
fn four_inks_come_as_they_are_stored() {
    let inks: Vec<u8> = drawing(93, 50).chunks(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255 - rgb[0] / 2]).collect();
    for (space, colour) in [(Colorspace::CMYK, Colour::Cmyk), (Colorspace::YCCK, Colour::Ycck)] {
        for progressive in [false, true] {
            let mut compressor = Compressor::new().unwrap();
            compressor.set_quality(90).unwrap();
            compressor.set_subsamp(Subsamp::None).unwrap();
            compressor.set_colorspace(space).unwrap();
            compressor.set_progressive(progressive).unwrap();
            let image = Image { pixels: &inks[..], width: 93, pitch: 93 * 4, height: 50, format: PixelFormat::CMYK };
            let file = compressor.compress_to_vec(image).unwrap();
            assert_eq!(Header::read(&file).unwrap().colour(), colour);
            for (scale, side) in [(Scale::Full, 8), (Scale::Eighth, 1)] {
                let (most, mean) = difference(&ours(&file, scale).1, &turbo(&file, side, PixelFormat::CMYK));
                assert!(most <= 4 && mean < 1.0, "{space:?} {scale:?}: {most}, mean {mean:.2}");
            }
        }
    }
}

#[test]
fn a_large_picture_comes_through_the_buffer_in_parts() {
    let (width, height) = (1600, 1200);
    let pixels = drawing(width, height);
    for progressive in [false, true] {
        let file = encode(&pixels, width, height, |compressor| {
            compressor.set_subsamp(Subsamp::Sub2x2).unwrap();
            compressor.set_progressive(progressive).unwrap();
            compressor.set_quality(95).unwrap();
        });
        assert!(file.len() > 300_000);
        for (scale, side) in SCALES {
            let (most, mean) = difference(&ours(&file, scale).1, &turbo(&file, side, PixelFormat::RGB));
            assert!(most <= 60 && mean < 2.0, "progressive {progressive}, {scale:?}: {most}, mean {mean:.2}");
        }
    }
}

#[test]
fn a_file_without_huffman_tables_has_the_standard_ones() {
    let file = encode(&drawing(100, 80), 100, 80, |_| ());
    let mut bare = file[..2].to_vec();
    let mut at = 2;
    while file[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        if file[at + 1] != 0xC4 {
            bare.extend_from_slice(&file[at..end]);
        }
        at = end;
    }
    bare.extend_from_slice(&file[at..]);
    assert!(bare.len() < file.len());
    assert!(ours(&bare, Scale::Half).1 == ours(&file, Scale::Half).1);
}
