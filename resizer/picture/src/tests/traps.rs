//! What real pictures hold beside pixels of 8 bits in sRGB, the right way up.

use std::borrow::Cow;

use moxcms::{ColorProfile, Layout, TransformOptions};
use resize_api::picture::{Animation, Fit};
use turbojpeg::Colorspace;

use super::drawing::{
    at, difference, extended_webp, flat, gif, gradient, jpeg, lossless, lossy_webp, near, noisy, pixels, png, png_of, request, resize, rgb,
    riff_chunk, with_segment, written,
};
use crate::{
    Error, Format,
    channels::Channels,
    orientation::{Orientation, exif},
    plan,
    raster::Raster,
};

fn contains(file: &[u8], text: &[u8]) -> bool {
    file.windows(text.len()).any(|window| window == text)
}

/// How many components the frame header of a JPEG counts.
fn components(jpeg: &[u8]) -> u8 {
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 9]
}

/// Stored so that `orientation` shows it as `displayed`.
fn stored(displayed: &Raster, orientation: u8) -> Raster {
    // every orientation undoes itself, but the two quarter turns, which undo each other
    let undo = match orientation {
        6 => 8,
        8 => 6,
        other => other,
    };
    Orientation::from_tag(u16::from(undo)).apply(displayed.clone()).unwrap()
}

#[test]
fn orientation_is_applied_and_dropped() {
    let displayed = gradient(80, 48, Channels::Rgb);
    let expected = pixels(&resize(&png(&displayed, |_| ()), &lossless(32, 32)).unwrap().bytes);
    for orientation in 1..=8 {
        let stored = stored(&displayed, orientation);
        let exif = exif(orientation);
        let frame = lossy_webp(&stored)[12..].to_vec();
        let files = [
            ("jpeg", with_segment(&jpeg(&stored, |_| ()), 0xE1, &[b"Exif\0\0", &exif[..]].concat())),
            ("png", png(&stored, |info| info.exif_metadata = Some(Cow::Owned(exif.clone())))),
            ("webp", extended_webp(stored.width, stored.height, 0x08, &[frame, riff_chunk(b"EXIF", &exif)])),
        ];
        for (name, file) in files {
            let picture = resize(&file, &lossless(32, 32)).unwrap();
            let apart = difference(&pixels(&picture.bytes), &expected);
            assert!(apart <= 8, "{name} {orientation}: {apart}");
            let same_format = resize(&file, &request(20, 0)).unwrap();
            assert_eq!((same_format.width, same_format.height), (20, 12), "{name} {orientation}");
            for tag in [&b"Exif"[..], b"eXIf", b"EXIF"] {
                assert!(!contains(&same_format.bytes, tag), "{name} {orientation}");
            }
        }
    }
}

#[test]
fn nothing_that_is_no_picture_goes_out() {
    const SECRET: &[u8] = b"48 51 N 2 17 E";
    let picture = gradient(64, 48, Channels::Rgb);
    let mut location = exif(1);
    location.extend(SECRET);
    let mut jpeg = jpeg(&picture, |_| ());
    for (marker, name) in [(0xE1, &b"Exif\0\0"[..]), (0xE1, b"http://ns.adobe.com/xap/1.0/\0"), (0xED, b"Photoshop 3.0\0"), (0xFE, b"")] {
        let content = if name.starts_with(b"Exif") { location.clone() } else { SECRET.to_vec() };
        jpeg = with_segment(&jpeg, marker, &[name, &content].concat());
    }
    let text = String::from_utf8(SECRET.to_vec()).unwrap();
    let png = png(&picture, |info| {
        info.exif_metadata = Some(Cow::Owned(location.clone()));
        info.uncompressed_latin1_text.push(png::text_metadata::TEXtChunk::new("Location", text.clone()));
    });
    let chunks = [lossy_webp(&picture)[12..].to_vec(), riff_chunk(b"EXIF", &location), riff_chunk(b"XMP ", SECRET)];
    let webp = extended_webp(64, 48, 0x0C, &chunks);
    let mut gif = gif(30, 20, &[[255, 0, 0]]);
    gif.splice(gif.len() - 1.., [&b"\x21\xFE"[..], &[SECRET.len() as u8], SECRET, b"\0\x3B"].concat());
    for (name, source) in [("jpeg", jpeg), ("png", png), ("webp", webp), ("gif", gif)] {
        assert!(contains(&source, SECRET), "{name}");
        for format in Format::ALL {
            let out = resize(&source, &written(format, 16, 12)).unwrap().bytes;
            for trace in [SECRET, b"Exif", b"EXIF", b"eXIf", b"XMP ", b"Photoshop", b"tEXt", b"ns.adobe.com"] {
                assert!(!contains(&out, trace), "{name} to {format:?}: {}", String::from_utf8_lossy(trace));
            }
        }
    }
}

#[test]
fn a_profile_is_converted_to_srgb_and_dropped() {
    let p3 = ColorProfile::new_display_p3();
    let pixel = [200, 100, 50];
    let mut expected = [0; 3];
    let transform = p3.create_transform_8bit(Layout::Rgb, &ColorProfile::new_srgb(), Layout::Rgb, TransformOptions::default()).unwrap();
    transform.transform(&pixel, &mut expected).unwrap();
    assert!(!near(&pixel, &expected, 8));

    let icc = p3.encode().unwrap();
    let source = flat(64, 48, Channels::Rgb, &pixel);
    let (half, rest) = icc.split_at(icc.len() / 2);
    let segment = |number, part: &[u8]| [&b"ICC_PROFILE\0"[..], &[number, 2], part].concat();
    // the second part comes first in the file
    let split = with_segment(&with_segment(&jpeg(&source, |_| ()), 0xE2, &segment(1, half)), 0xE2, &segment(2, rest));
    let webp = extended_webp(64, 48, 0x20, &[riff_chunk(b"ICCP", &icc), lossy_webp(&source)[12..].to_vec()]);
    let alpha = flat(64, 48, Channels::Rgba, &[200, 100, 50, 77]);
    for (name, file) in [
        ("jpeg", split),
        ("webp", webp),
        ("png", png(&source, |info| info.icc_profile = Some(Cow::Owned(icc.clone())))),
        ("png with alpha", png(&alpha, |info| info.icc_profile = Some(Cow::Owned(icc.clone())))),
    ] {
        let out = pixels(&resize(&file, &lossless(16, 12)).unwrap().bytes);
        assert!(near(&at(&out, 50, 50)[..3], &expected, 4), "{name}: {:?}, want {expected:?}", at(&out, 50, 50));
        let same_format = resize(&file, &request(16, 12)).unwrap();
        assert!(!contains(&same_format.bytes, b"ICC") && !contains(&same_format.bytes, b"iCCP"), "{name}");
    }
}

#[test]
fn a_gray_profile_keeps_gray_gray() {
    let icc = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    let file = png(&flat(20, 20, Channels::Gray, &[128]), |info| info.icc_profile = Some(Cow::Owned(icc.clone())));
    let out = pixels(&resize(&file, &lossless(10, 10)).unwrap().bytes);
    // half of the light is 188 in sRGB
    assert!(out.channels == Channels::Gray && near(at(&out, 50, 50), &[188], 2), "{out:?}");
}

#[test]
fn a_profile_that_is_broken_or_for_other_channels_counts_as_none() {
    let gray = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    for icc in [b"no profile".to_vec(), gray[..gray.len() / 2].to_vec(), gray] {
        let file = with_segment(
            &jpeg(&flat(20, 20, Channels::Rgb, &[200, 100, 50]), |_| ()),
            0xE2,
            &[b"ICC_PROFILE\0\x01\x01", &icc[..]].concat(),
        );
        let out = pixels(&resize(&file, &lossless(10, 10)).unwrap().bytes);
        assert!(near(at(&out, 50, 50), &[200, 100, 50], 3));
    }
}

#[test]
fn cmyk_and_ycck_become_srgb() {
    // Adobe's files hold the light that is left, not the ink
    for (inverted, expected) in
        [([0, 255, 255, 255], [0, 164, 234]), ([255, 0, 0, 255], [238, 31, 22]), ([255, 255, 255, 102], [118, 116, 116])]
    {
        let source = flat(40, 40, Channels::Cmyk, &inverted);
        for space in [Colorspace::CMYK, Colorspace::YCCK] {
            let adobe = jpeg(&source, |compressor| compressor.set_colorspace(space).unwrap());
            for side in [40, 5] {
                let out = pixels(&resize(&adobe, &lossless(side, side)).unwrap().bytes);
                assert!(near(at(&out, 50, 50), &expected, 3), "{space:?} {inverted:?}: {:?}", at(&out, 50, 50));
                assert_eq!(components(&resize(&adobe, &request(side, side)).unwrap().bytes), 3);
            }
        }
    }
}

/// The places in a JPEG where its scans end, and its end.
fn ends(file: &[u8]) -> Vec<usize> {
    let scan = file.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    (scan..file.len() - 1).filter(|&at| file[at] == 0xFF && matches!(file[at + 1], 0xC4 | 0xD9)).collect()
}

#[test]
fn a_jpeg_is_whole_if_its_scans_are() {
    for (channels, progressive) in [(Channels::Rgb, false), (Channels::Rgb, true), (Channels::Gray, false), (Channels::Cmyk, true)] {
        let file = jpeg(&noisy(160, 120, channels), |compressor| {
            compressor.set_progressive(progressive).unwrap();
            compressor.set_optimize(true).unwrap();
        });
        for (width, height) in [(160, 120), (160, 30), (40, 0), (9, 9)] {
            let expected = resize(&file, &lossless(width, height)).unwrap();
            let longer = ends(&file).into_iter().map(|at| [&file[..at], &[0][..], &file[at..]].concat());
            for whole in longer.chain([file[..file.len() - 2].to_vec(), [&file[..], &[0; 100]].concat()]) {
                assert_eq!(resize(&whole, &lossless(width, height)).as_ref(), Ok(&expected), "{channels:?} {progressive} {width}x{height}");
            }
            for cut in [file.len() - 3, file.len() - 40, file.len() / 2] {
                for end in [&[][..], &[0xFF, 0xD9]] {
                    if progressive && !end.is_empty() {
                        continue;
                    }
                    let result = resize(&[&file[..cut], end].concat(), &lossless(width, height));
                    assert!(matches!(result, Err(Error::Damaged(_))), "{channels:?} {progressive} {width}x{height} at {cut}");
                }
            }
        }
    }
}

#[test]
fn gray_stays_gray() {
    let source = gradient(90, 70, Channels::Gray);
    let picture = resize(&jpeg(&source, |_| ()), &request(30, 20)).unwrap();
    assert_eq!(components(&picture.bytes), 1);
    assert_eq!(pixels(&resize(&png(&source, |_| ()), &request(30, 20)).unwrap().bytes).channels, Channels::Gray);
    let out = pixels(&resize(&jpeg(&source, |_| ()), &written(Format::WebP, 30, 20)).unwrap().bytes);
    assert!(out.pixels.chunks(3).all(|pixel| pixel[0].abs_diff(pixel[1]) <= 2 && pixel[1].abs_diff(pixel[2]) <= 2));
}

#[test]
fn sixteen_bits_become_eight() {
    for (color, channels) in [
        (png::ColorType::Grayscale, Channels::Gray),
        (png::ColorType::GrayscaleAlpha, Channels::GrayAlpha),
        (png::ColorType::Rgb, Channels::Rgb),
        (png::ColorType::Rgba, Channels::Rgba),
    ] {
        let eight = gradient(60, 50, channels);
        let mut header = png::Info::with_size(60, 50);
        (header.color_type, header.bit_depth) = (color, png::BitDepth::Sixteen);
        let wide: Vec<u8> = eight.pixels.iter().flat_map(|&value| [value, value]).collect();
        let out = pixels(&resize(&png_of(header, &wide), &request(20, 20)).unwrap().bytes);
        let expected = pixels(&resize(&png(&eight, |_| ()), &request(20, 20)).unwrap().bytes);
        assert!(difference(&out, &expected) <= 1, "{channels:?}");
    }
}

#[test]
fn palettes_and_transparent_colours_are_expanded() {
    let mut header = png::Info::with_size(4, 4);
    (header.color_type, header.bit_depth) = (png::ColorType::Indexed, png::BitDepth::Two);
    header.palette = Some(Cow::Borrowed(&[255, 0, 0, 0, 255, 0, 0, 0, 255]));
    let opaque = png_of(header.clone(), &[0b00_01_10_00; 4]);
    assert_eq!(pixels(&resize(&opaque, &request(4, 4)).unwrap().bytes).pixels[..9], [255, 0, 0, 0, 255, 0, 0, 0, 255]);
    header.trns = Some(Cow::Borrowed(&[255, 0]));
    let out = pixels(&resize(&png_of(header, &[0b00_01_10_00; 4]), &request(4, 4)).unwrap().bytes);
    assert_eq!(out.pixels[..12], [255, 0, 0, 255, 0, 255, 0, 0, 0, 0, 255, 255]);

    let mut header = png::Info::with_size(2, 1);
    (header.color_type, header.bit_depth) = (png::ColorType::Grayscale, png::BitDepth::Eight);
    header.trns = Some(Cow::Borrowed(&[0, 7]));
    assert_eq!(pixels(&resize(&png_of(header, &[7, 8]), &request(2, 1)).unwrap().bytes).pixels[..], [7, 0, 8, 255]);
}

/// A gray PNG in seven passes, its data stored without compression.
fn interlaced(raster: &Raster) -> Vec<u8> {
    let mut data = Vec::new();
    for (x0, y0, dx, dy) in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] {
        for y in (y0..raster.height as usize).step_by(dy) {
            data.push(0);
            data.extend((x0..raster.width as usize).step_by(dx).map(|x| raster.pixels[y * raster.width as usize + x]));
        }
    }
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), &byte| ((a + u32::from(byte)) % 65_521, (a + u32::from(byte) + b) % 65_521));
    let length = u16::try_from(data.len()).unwrap();
    let zlib = [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &data, &(b << 16 | a).to_be_bytes()].concat();
    let crc = |bytes: &[u8]| {
        !bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
        })
    };
    let chunk = |name: &[u8], content: &[u8]| {
        let named = [name, content].concat();
        [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], &named, &crc(&named).to_be_bytes()].concat()
    };
    let header = [&raster.width.to_be_bytes()[..], &raster.height.to_be_bytes(), &[8, 0, 0, 0, 1]].concat();
    [&b"\x89PNG\r\n\x1A\n"[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", &zlib), &chunk(b"IEND", b"")].concat()
}

#[test]
fn interlaced_pictures_are_put_together() {
    let source = gradient(37, 29, Channels::Gray);
    assert_eq!(difference(&pixels(&interlaced(&source)), &source), 0);
}

#[test]
fn an_animation_gives_its_first_frame() {
    let red_then_blue = gif(30, 20, &[[255, 0, 0], [0, 0, 255]]);
    let out = pixels(&resize(&red_then_blue, &lossless(15, 10)).unwrap().bytes);
    assert!(near(at(&out, 50, 50), &[255, 0, 0], 2));

    // a first frame of 20 by 10 at 10, 6 on a canvas of 40 by 20
    let frame = |pixel: &[u8; 3]| {
        let data = lossy_webp(&flat(20, 10, Channels::Rgb, pixel))[12..].to_vec();
        riff_chunk(b"ANMF", &[&[5, 0, 0, 3, 0, 0, 19, 0, 0, 9, 0, 0, 100, 0, 0, 0][..], &data].concat())
    };
    let webp = extended_webp(40, 20, 0x12, &[riff_chunk(b"ANIM", &[0; 6]), frame(&[255, 0, 0]), frame(&[0, 0, 255])]);
    let out = pixels(&resize(&webp, &lossless(40, 20)).unwrap().bytes);
    assert!(near(at(&out, 50, 50), &[255, 0, 0, 255], 4), "{:?}", at(&out, 50, 50));
    assert_eq!(at(&out, 10, 10)[3], 0);
}

/// The file with another canvas.
fn with_canvas(gif: &[u8], width: u8, height: u8) -> Vec<u8> {
    [&gif[..6], &[width, 0, height, 0], &gif[10..]].concat()
}

#[test]
fn a_gif_is_as_large_as_its_first_frame() {
    let file = gif(30, 20, &[[255, 0, 0], [0, 0, 255]]);
    for (canvas, expected) in [((0, 0), (30, 20)), ((0, 5), (30, 20)), ((10, 40), (30, 40)), ((40, 20), (40, 20))] {
        for animation in [Animation::First, Animation::Keep] {
            let mut request = request(30, 0);
            (request.recipe.animation, request.recipe.fit) = (animation, Fit::Inside);
            let picture = resize(&with_canvas(&file, canvas.0, canvas.1), &request).unwrap();
            let out = pixels(&picture.bytes);
            assert_eq!(picture.height, (30.0 * f64::from(expected.1) / f64::from(expected.0)).round() as u32, "{canvas:?}");
            assert!(near(at(&out, 0, 0), &[255, 0, 0, 255], 4), "{canvas:?}");
        }
    }
}

#[test]
fn a_gif_with_too_few_pixels_shows_what_is_there() {
    // the code of 8 pixels, and the end: 2 bits a pixel of a palette of two
    let mut codes = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 2).encode(&[1; 40]).unwrap();
    codes.insert(0, u8::try_from(codes.len()).unwrap());
    for interlaced in [0, 0x40] {
        let head = b"GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xC8\x32\x14";
        let file = [&head[..], &[0x2C, 0, 0, 0, 0, 8, 0, 8, 0, interlaced, 2], &codes, &[0, 0x3B]].concat();
        let out = pixels(&resize(&file, &lossless(8, 8)).unwrap().bytes);
        assert_eq!((at(&out, 0, 0), out.pixels.chunks(4).filter(|pixel| pixel[3] == 255).count()), (&[200, 50, 20, 255][..], 40));
    }
}

#[test]
fn only_the_bits_of_the_pixels_count_in_a_transparent_colour() {
    for (depth, value, data) in [(png::BitDepth::One, 0x00FF, 0b1010_0000), (png::BitDepth::Two, 0xFFFF, 0b1100_1100)] {
        let mut header = png::Info::with_size(3, 1);
        (header.color_type, header.bit_depth) = (png::ColorType::Grayscale, depth);
        header.trns = Some(Cow::Owned(u16::to_be_bytes(value).to_vec()));
        let out = pixels(&resize(&png_of(header, &[data]), &lossless(3, 1)).unwrap().bytes);
        assert_eq!(out.pixels[..], [255, 0, 0, 255, 255, 0], "{depth:?}");
    }
}

#[test]
fn a_png_may_end_with_its_pixels() {
    let file = png(&noisy(40, 30, Channels::Rgb), |_| ());
    let expected = resize(&file, &request(20, 20)).unwrap();
    for rest in 0..12 {
        assert_eq!(resize(&file[..file.len() - 12 + rest], &request(20, 20)).as_ref(), Ok(&expected), "{rest}");
    }
    // but the pixels are whole
    for length in [file.len() - 20, file.len() / 2] {
        assert!(matches!(resize(&file[..length], &request(20, 20)), Err(Error::Damaged(_))));
    }
}

#[test]
fn a_webp_has_only_what_its_header_says() {
    let source = gradient(40, 20, Channels::Rgb);
    let exif = exif(6);
    let profile = ColorProfile::new_adobe_rgb().encode().unwrap();
    let file = |flags: u8| {
        let chunks = [riff_chunk(b"ICCP", &profile), lossy_webp(&source)[12..].to_vec(), riff_chunk(b"EXIF", &exif)];
        resize(&extended_webp(40, 20, flags, &chunks), &lossless(20, 0)).unwrap()
    };
    assert_eq!([file(0), file(8)].map(|picture| (picture.width, picture.height)), [(20, 10), (20, 40)]);
    let [plain, converted] = [file(0), file(0x20)].map(|picture| pixels(&picture.bytes));
    assert!(difference(&plain, &converted) > 8);
}

#[test]
fn what_is_enlarged_gets_no_light_lines_in_the_dark() {
    for channels in [Channels::Gray, Channels::Rgb] {
        let mut source = flat(20, 20, channels, &vec![0; channels.count()]);
        source.pixels.chunks_mut(20 * channels.count()).for_each(|row| row[10 * channels.count()..].fill(255));
        let out = rgb(&resize(&png(&source, |_| ()), &lossless(100, 100)).unwrap().bytes);
        let dark = out.pixels.chunks(out.stride()).flat_map(|row| &row[..44 * 3]).max();
        assert!(dark < Some(&12), "{channels:?}: {dark:?}");
    }
}

#[test]
fn a_huge_picture_is_refused_from_its_header() {
    let side = 20_000_u16.to_be_bytes();
    let frame = [&[8][..], &side, &side, &[3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]].concat();
    let jpeg = with_segment(b"\xFF\xD8\xFF\xD9", 0xC0, &frame);
    let png = [&b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\x4E\x20\0\0\x4E\x20\x08\x02\0\0\0"[..], &[0; 4]].concat();
    let webp = extended_webp(16_384, 16_384, 0, &[]);
    let gif = b"GIF89a\x20\x4E\x20\x4E\0\0\0".to_vec();
    for source in [jpeg, png, webp, gif] {
        assert!(matches!(plan(&source, &request(300, 300)), Err(Error::TooLarge(_))), "{:?}", plan(&source, &request(300, 300)));
    }
    let mut small = request(300, 300);
    small.limits.max_source_bytes = 10;
    assert!(matches!(plan(&super::drawing::gif(1, 1, &[[0; 3]]), &small), Err(Error::TooLarge(_))));
}

#[test]
fn a_small_picture_is_enlarged_unless_told_otherwise() {
    let source = jpeg(&gradient(20, 10, Channels::Rgb), |_| ());
    let mut request = request(60, 60);
    assert_eq!(resize(&source, &request).map(|picture| (picture.width, picture.height)), Ok((60, 60)));
    request.recipe.without_enlargement = true;
    assert_eq!(resize(&source, &request).map(|picture| (picture.width, picture.height)), Ok((20, 10)));
}
