//! Profiles, inks, numbers of colours: what comes out is sRGB.

use std::borrow::Cow;

use moxcms::{ColorProfile, Layout, TransformOptions};
use turbojpeg::Colorspace;

use super::drawing::{at, flat, jpeg, lossless, near, png, png_of, resize, rgb, with_segment};
use crate::channels::Channels;

/// A profile by which full cyan is a dark yellow, and black ink takes all light: nobody would take it for the plain conversion.
fn odd_cmyk_profile() -> Vec<u8> {
    cmyk_profile(|inks| match (inks & 8 != 0, inks & 1 != 0) {
        (_, true) => [0, 128, 128],
        (true, false) => [128, 128, 188],
        (false, false) => [255, 128, 128],
    })
}

/// A profile of lightness and two colours for each corner of the space of inks, of which black is the lowest bit.
fn cmyk_profile(corner: impl Fn(u8) -> [u8; 3]) -> Vec<u8> {
    let identity = [1_u32, 0, 0, 0, 1, 0, 0, 0, 1].map(|value| (value << 16).to_be_bytes()).concat();
    let ramp: Vec<u8> = (0..=255).collect();
    let corners = (0..16_u8).flat_map(corner);
    let table: Vec<u8> = [&b"mft1\0\0\0\0\x04\x03\x02\0"[..], &identity, &ramp.repeat(4)].concat();
    let table: Vec<u8> = table.into_iter().chain(corners).chain(ramp.repeat(3)).collect();
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut profile = vec![0; 128];
    profile[8] = 2;
    profile[12..24].copy_from_slice(b"prtrCMYKLab ");
    profile[36..40].copy_from_slice(b"acsp");
    profile[68..80].copy_from_slice(&[0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D]);
    profile.extend([&length(1)[..], b"A2B0", &length(144), &length(table.len()), &table].concat());
    let whole = length(profile.len());
    profile[..4].copy_from_slice(&whole);
    profile
}

#[test]
fn cmyk_follows_its_profile() {
    let icc = [&b"ICC_PROFILE\0\x01\x01"[..], &odd_cmyk_profile()].concat();
    for space in [Colorspace::CMYK, Colorspace::YCCK] {
        // full cyan, as Adobe stores it
        let source = flat(40, 40, Channels::Cmyk, &[0, 255, 255, 255]);
        let plain = jpeg(&source, |compressor| compressor.set_colorspace(space).unwrap());
        let file = with_segment(&plain, 0xE2, &icc);
        for side in [40, 5] {
            let out = rgb(&resize(&file, &lossless(side, side)).unwrap().bytes);
            let &[red, green, blue] = at(&out, 50, 50) else { unreachable!() };
            assert!(red > 100 && green > 80 && blue < 60, "{space:?}: {red} {green} {blue}");
        }
    }
}

/// The JPEG without Adobe's marker.
fn without_adobe(file: &[u8]) -> Vec<u8> {
    let start = file.windows(2).position(|pair| pair == [0xFF, 0xEE]).unwrap();
    let length = usize::from(u16::from_be_bytes([file[start + 2], file[start + 3]]));
    [&file[..start], &file[start + 2 + length..]].concat()
}

#[test]
fn cmyk_without_adobe_holds_light_unless_it_would_be_black_then() {
    let file = |pixel: &[u8]| {
        let picture = flat(40, 40, Channels::Cmyk, pixel);
        without_adobe(&jpeg(&picture, |compressor| compressor.set_colorspace(Colorspace::CMYK).unwrap()))
    };
    for (stored, expected) in [([0, 255, 255, 255], [0, 164, 234]), ([255, 0, 0, 0], [0, 164, 234]), ([55, 255, 255, 100], [13, 84, 107])] {
        for side in [40, 5] {
            let out = rgb(&resize(&file(&stored), &lossless(side, side)).unwrap().bytes);
            assert!(near(at(&out, 50, 50), &expected, 3), "{stored:?}: {:?}", at(&out, 50, 50));
        }
    }
}

#[test]
fn a_profile_whose_parts_make_no_sense_counts_as_none() {
    let profile = ColorProfile::new_adobe_rgb().encode().unwrap();
    let source = flat(40, 40, Channels::Rgb, &[60, 200, 40]);
    let with = |parts: &[(u8, u8, &[u8])]| {
        let part = |file: Vec<u8>, &(index, count, content): &(u8, u8, &[u8])| {
            with_segment(&file, 0xE2, &[&b"ICC_PROFILE\0"[..], &[index, count], content].concat())
        };
        let file = parts.iter().rev().fold(jpeg(&source, |_| ()), part);
        at(&rgb(&resize(&file, &lossless(10, 10)).unwrap().bytes), 50, 50).to_vec()
    };
    let (plain, converted) = (with(&[]), with(&[(1, 1, &profile)]));
    assert!(plain[0].abs_diff(converted[0]) > 20, "{plain:?} {converted:?}");
    let (first, second) = profile.split_at(200);
    for (parts, expected) in [
        (&[(1, 2, first), (2, 2, second)][..], &converted),
        (&[(2, 2, second), (1, 2, first)], &converted),
        (&[(1, 1, &profile), (1, 1, &profile)], &converted),
        (&[(1, 2, first), (9, 2, second)], &plain),
        (&[(0, 2, first), (1, 2, second)], &plain),
        (&[(1, 3, first), (2, 3, second)], &plain),
    ] {
        assert_eq!(&with(parts), expected, "{:?}", parts.iter().map(|part| (part.0, part.1)).collect::<Vec<_>>());
    }
}

/// A PNG with one more chunk after its header.
fn with_chunk(file: &[u8], name: &[u8], content: &[u8]) -> Vec<u8> {
    let named = [name, content].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&named);
    let chunk = [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], &named, &crc.sum().to_be_bytes()].concat();
    [&file[..33], &chunk, &file[33..]].concat()
}

/// A PNG of one colour, of 16 bits.
fn png16(pixel: [u16; 3]) -> Vec<u8> {
    let mut header = png::Info::with_size(8, 8);
    (header.color_type, header.bit_depth) = (png::ColorType::Rgb, png::BitDepth::Sixteen);
    png_of(header, &pixel.map(u16::to_be_bytes).concat().repeat(64))
}

#[test]
fn colours_by_their_numbers_are_converted() {
    let out = |file: &[u8], numbers: [u8; 4]| {
        at(&rgb(&resize(&with_chunk(file, b"cICP", &numbers), &lossless(4, 4)).unwrap().bytes), 50, 50).to_vec()
    };
    let file = png(&flat(8, 8, Channels::Rgb, &[60, 200, 40]), |_| ());
    // sRGB by its numbers, Display P3, and numbers that say nothing
    assert!(near(&out(&file, [1, 13, 0, 1]), &[60, 200, 40], 1));
    let mut expected = [0; 3];
    let p3 = ColorProfile::new_display_p3();
    let transform = p3.create_transform_8bit(Layout::Rgb, &ColorProfile::new_srgb(), Layout::Rgb, TransformOptions::default()).unwrap();
    transform.transform(&[60, 200, 40], &mut expected).unwrap();
    assert!(near(&out(&file, [12, 13, 0, 1]), &expected, 2), "{:?} {expected:?}", out(&file, [12, 13, 0, 1]));
    assert_eq!(out(&file, [2, 2, 0, 1]), [60, 200, 40]);
    // gray by PQ: 0, a hundredth of a page's white, that white, and more than any screen has
    let gray = |value: f64| out(&png16([(value * 65_535.0) as u16; 3]), [9, 16, 0, 1]);
    let levels = [0.0, 0.189_1, 0.580_7, 1.0].map(gray);
    for (level, (low, high)) in levels.iter().zip([(0, 0), (22, 28), (186, 196), (255, 255)]) {
        assert!(level[0].abs_diff(level[1]) <= 1 && (low..=high).contains(&level[0]), "{levels:?}");
    }
    // of 8 bits, and HLG, whose white of a page is at three quarters
    let hlg = out(&png(&flat(8, 8, Channels::Rgb, &[191; 3]), |_| ()), [9, 18, 0, 1]);
    assert!((176..206).contains(&hlg[0]) && hlg[0].abs_diff(hlg[1]) <= 1, "{hlg:?}");
    let red = out(&png16([35_000, 0, 0]), [9, 16, 0, 1]);
    assert!(red[0] > 100 && red[1] < 10 && red[2] < 10, "{red:?}");
}

#[test]
fn sixteen_bits_are_converted_as_such() {
    let mut linear = ColorProfile::new_srgb();
    let curve = moxcms::ToneReprCurve::Lut(vec![]);
    (linear.red_trc, linear.green_trc, linear.blue_trc) = (Some(curve.clone()), Some(curve.clone()), Some(curve));
    linear.cicp = None;
    let profile = linear.encode().unwrap();
    let mut header = png::Info::with_size(64, 1);
    (header.color_type, header.bit_depth) = (png::ColorType::Rgb, png::BitDepth::Sixteen);
    header.icc_profile = Some(Cow::Owned(profile));
    // the darkest 64 values of sRGB, as light
    let values: Vec<u8> = (0..64_u32)
        .flat_map(|value| [(crate::colour::srgb::light(f64::from(value) / 255.0) * 65_535.0).round() as u16; 3])
        .flat_map(u16::to_be_bytes)
        .collect();
    let out = rgb(&resize(&png_of(header, &values), &lossless(64, 1)).unwrap().bytes);
    for (value, pixel) in out.pixels.chunks(3).enumerate() {
        assert!(pixel[0].abs_diff(value as u8) <= 1, "{value}: {pixel:?}");
    }
}

#[test]
fn the_darkest_colour_of_a_profile_of_tables_becomes_black() {
    let black = |profile: Vec<u8>, ink: u8| {
        let icc = [&b"ICC_PROFILE\0\x01\x01"[..], &profile].concat();
        let source = flat(16, 16, Channels::Cmyk, &[255, 255, 255, 255 - ink]);
        let plain = jpeg(&source, |compressor| compressor.set_colorspace(Colorspace::CMYK).unwrap());
        at(&rgb(&resize(&with_segment(&plain, 0xE2, &icc), &lossless(8, 8)).unwrap().bytes), 50, 50).to_vec()
    };
    // black ink leaves a tenth of the lightness, or all light is taken
    for darkest in [0, 25] {
        let profile = cmyk_profile(|inks| if inks & 1 != 0 { [darkest, 128, 128] } else { [255, 128, 128] });
        assert!(near(&black(profile.clone(), 255), &[0; 3], 2), "{darkest}: {:?}", black(profile, 255));
        let profile = cmyk_profile(|inks| if inks & 1 != 0 { [darkest, 128, 128] } else { [255, 128, 128] });
        assert!(near(&black(profile, 0), &[255; 3], 1), "{darkest}");
    }
}
