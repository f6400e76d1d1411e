//! Every format in, every format out.

use resize_api::picture::{Colour, Effort, Fit, UpTo};

use super::drawing::{at, difference, flat, gradient, jpeg, lossless, near, one_of_each, pixels, png, request, resize, written};
use crate::{Error, Format, channels::Channels, raster::Raster};

#[test]
fn every_format_comes_out_as_itself_or_as_png() {
    for (name, source) in one_of_each() {
        let format = match name.split(' ').find(|word| ["jpeg", "webp", "gif", "avif"].contains(word)) {
            Some("jpeg") => Format::Jpeg,
            Some("webp") => Format::WebP,
            Some("avif") => Format::Avif,
            Some(_) => Format::Gif,
            None => Format::Png,
        };
        let picture = resize(&source, &request(30, 20)).unwrap_or_else(|error| unreachable!("{name}: {error}"));
        assert_eq!((picture.format, picture.width, picture.height), (format, 30, 20), "{name}");
        assert_eq!((pixels(&picture.bytes).width, pixels(&picture.bytes).height), (30, 20), "{name}");
    }
}

#[test]
fn every_format_goes_out_of_every_format() {
    for (name, source) in one_of_each() {
        for format in [Format::Jpeg, Format::Png, Format::WebP, Format::Gif] {
            let picture = resize(&source, &written(format, 20, 0)).unwrap();
            let out = pixels(&picture.bytes);
            assert_eq!((picture.format, out.width, out.height), (format, 20, 13), "{name} to {format:?}");
        }
    }
}

#[test]
fn pixels_survive_a_round_trip() {
    let source = gradient(120, 90, Channels::Rgba);
    let file = png(&source, |_| ());
    let opaque = gradient(120, 90, Channels::Rgb);
    assert_eq!(difference(&pixels(&resize(&file, &request(120, 90)).unwrap().bytes), &source), 0);
    for (format, tolerance) in [(Format::Jpeg, 24), (Format::WebP, 24), (Format::Gif, 60)] {
        let mut request = written(format, 120, 90);
        request.recipe.quality = Some(UpTo::new(95));
        let out = pixels(&resize(&png(&opaque, |_| ()), &request).unwrap().bytes).into_channels(Channels::Rgb).unwrap();
        assert!(difference(&out, &opaque) <= tolerance, "{format:?}: {}", difference(&out, &opaque));
    }
}

/// Hills of light, edges of colours, and some grain.
fn landscape(width: u32, height: u32) -> Raster {
    let mut grain = 1_u32;
    let pixels = (0..width * height).flat_map(|at| {
        let (x, y) = ((at % width) as f32, (at / width) as f32);
        grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let light = 110.0 + 50.0 * (x / 23.0).sin() * (y / 31.0).cos() + 25.0 * (x / 5.0 + y / 7.0).sin() + (grain >> 28) as f32;
        let colour = if (x - 80.0).powi(2) + (y - 60.0).powi(2) < 1600.0 { [50.0, -40.0, -60.0] } else { [0.0, 10.0, 30.0] };
        colour.map(|part| (light + part) as u8)
    });
    Raster::test(width, height, Channels::Rgb, pixels.collect())
}

#[test]
fn more_effort_makes_smaller_files() {
    let source = png(&landscape(240, 180), |_| ());
    for format in [
        Format::Jpeg,
        Format::WebP,
        Format::Png,
        #[cfg(feature = "aom")]
        Format::Avif,
    ] {
        let mut request = written(format, 240, 180);
        let bytes = [Effort::Fast, Effort::Balanced, Effort::Small].map(|effort| {
            request.recipe.effort = effort;
            resize(&source, &request).unwrap().bytes.len()
        });
        assert!(bytes.is_sorted_by(|more, less| more >= less), "{format:?}: {bytes:?}");
        assert!(format == Format::Png || bytes[0] > bytes[2], "{format:?}: {bytes:?}");
    }
}

#[test]
fn alpha_is_kept_where_the_format_has_it_and_blended_where_not() {
    let half = png(&flat(40, 40, Channels::Rgba, &[200, 0, 0, 128]), |_| ());
    for (format, expected) in [
        (Format::Png, &[200, 0, 0, 128][..]),
        (Format::WebP, &[200, 0, 0, 128]),
        (Format::Gif, &[200, 0, 0, 255]),
        (Format::Jpeg, &[227, 127, 127]),
    ] {
        let out = pixels(&resize(&half, &written(format, 10, 10)).unwrap().bytes);
        assert!(near(at(&out, 50, 50), expected, 4), "{format:?}: {:?}", at(&out, 50, 50));
    }
}

#[test]
fn what_says_nothing_is_not_written() {
    let opaque = |channels, pixel: fn(u8) -> Vec<u8>| {
        let pixels = (0..=u16::MAX).flat_map(|at| pixel((at ^ (at >> 8)) as u8)).collect();
        png(&Raster::test(256, 256, channels, pixels), |_| ())
    };
    let grays = opaque(Channels::Rgba, |value| vec![value, value, value, 255]);
    let colours = opaque(Channels::Rgba, |value| vec![value, value / 3, 255 - value / 2, 255]);
    let half = opaque(Channels::Rgba, |value| vec![value, value, value, value | 1]);
    for (source, size, expected) in [(&grays, 100, Channels::Gray), (&colours, 100, Channels::Rgb), (&half, 100, Channels::GrayAlpha)] {
        let file = resize(source, &lossless(size, size)).unwrap().bytes;
        assert_eq!(pixels(&file).channels, expected);
    }
    let file = resize(&grays, &written(Format::Jpeg, 100, 100)).unwrap().bytes;
    assert_eq!(pixels(&file).channels, Channels::Gray);
    for format in [Format::WebP, Format::Avif] {
        let file = resize(&colours, &written(format, 100, 100)).unwrap().bytes;
        assert_eq!(pixels(&file).channels, Channels::Rgb);
    }
}

#[test]
fn a_png_of_few_colours_is_indexed_and_shows_the_same() {
    for (colours, depth) in [(2, 1), (4, 2), (16, 4), (17, 8), (256, 8)] {
        for alpha in [255, 9] {
            // no order that a filter could use
            let index = |at: u32| (at.wrapping_mul(2_654_435_761) >> 13) % colours;
            let pixel = |index: u32| [index as u8, (index * 7) as u8, 3, if index == 1 { alpha } else { 255 }];
            let picture = Raster::test(101, 67, Channels::Rgba, (0..101 * 67).flat_map(|at| pixel(index(at))).collect());
            let file = resize(&png(&picture, |_| ()), &lossless(101, 67)).unwrap().bytes;
            assert_eq!(file[24..26], [depth, 3], "{colours} colours in {depth} bits");
            assert!(pixels(&file).into_channels(Channels::Rgba).unwrap() == picture, "{colours} colours, alpha {alpha}");
        }
    }
}

#[test]
fn few_colours_that_a_filter_writes_smaller_are_not_indexed() {
    let file = resize(&png(&gradient(256, 256, Channels::Gray), |_| ()), &lossless(256, 256)).unwrap().bytes;
    assert_eq!(file[24..26], [8, 0]);
}

#[test]
fn contain_fills_the_rest_with_the_background() {
    for (channels, pixel) in [(Channels::Gray, &[10][..]), (Channels::Rgb, &[10, 10, 10]), (Channels::Rgba, &[10, 10, 10, 255])] {
        let mut request = lossless(30, 60);
        (request.recipe.fit, request.recipe.background) = (Fit::Contain, Colour([255, 0, 0]));
        let out = pixels(&resize(&png(&flat(20, 20, channels, pixel), |_| ()), &request).unwrap().bytes);
        assert_eq!((out.width, out.height), (30, 60));
        assert_eq!(at(&out, 50, 5)[..3], [255, 0, 0], "{channels:?}");
        assert_eq!(at(&out, 50, 50)[..3], [10, 10, 10], "{channels:?}");
    }
}

#[test]
fn a_reduced_decode_shows_the_same_picture_as_a_full_one() {
    let source = gradient(801, 603, Channels::Rgb);
    let baseline = jpeg(&source, |_| ());
    let progressive = jpeg(&source, |compressor| compressor.set_progressive(true).unwrap());
    for side in [40, 60, 110, 200, 333, 700] {
        let expected = pixels(&resize(&png(&source, |_| ()), &lossless(side, side)).unwrap().bytes);
        for file in [&baseline, &progressive] {
            let out = pixels(&resize(file, &lossless(side, side)).unwrap().bytes);
            assert!(difference(&out, &expected) <= 6, "{side}: {}", difference(&out, &expected));
        }
    }
}

#[test]
fn odd_and_tiny_sizes_come_out_as_asked() {
    for side in [1, 2, 3, 15, 16, 17] {
        for other in [1, 2, 9, 33] {
            let source = jpeg(&gradient(side, other, Channels::Rgb), |_| ());
            for (width, height) in [(1, 1), (1, 17), (17, 1), (3, 5), (16, 15)] {
                for format in [Format::Jpeg, Format::Png, Format::WebP, Format::Gif] {
                    let picture = resize(&source, &written(format, width, height)).unwrap();
                    assert_eq!((picture.width, picture.height), (width, height));
                    assert_eq!((pixels(&picture.bytes).width, pixels(&picture.bytes).height), (width, height));
                }
            }
        }
    }
}

#[test]
fn an_output_over_a_limit_is_refused() {
    let source = jpeg(&gradient(40, 2, Channels::Rgb), |_| ());
    for (width, height) in [(0, 2000), (16_384, 0), (6000, 6000)] {
        assert!(matches!(resize(&source, &request(width, height)), Err(Error::TooLarge(_))), "{width}x{height}");
    }
}

/// A BMP of 6 by 4 pixels and four colours, with a header of `size` bytes.
fn bmp(size: u8, depth: u8, compression: u8, data: &[u8]) -> Vec<u8> {
    let palette = [[10, 20, 30, 0], [0, 0, 200, 0], [0, 200, 0, 0], [200, 0, 0, 0]].concat();
    let mut header = vec![size, 0, 0, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1, 0, depth, 0, compression, 0, 0, 0];
    header.resize(36, 0);
    header.resize(usize::from(size), 4);
    if size >= 36 {
        header[32] = 4;
    }
    let offset = 14 + size + 16;
    [&[b'B', b'M', 0, 0, 0, 0, 0, 0, 0, 0, offset, 0, 0, 0][..], &header, &palette, data].concat()
}

#[test]
fn runs_of_a_bmp_leave_the_first_colour_free() {
    let (nothing, red, green) = ([30, 20, 10], [200, 0, 0], [0, 200, 0]);
    // from the last row on: red and a gap; nothing; one by one behind a step of 2 to the right and 1 up
    for (depth, compression, data) in [
        (8, 1, &[3, 1, 0, 0, 0, 2, 2, 1, 0, 3, 1, 2, 1, 0, 0, 0, 0, 1][..]),
        (4, 2, &[3, 0x11, 0, 0, 0, 2, 2, 1, 0, 3, 0x12, 0x10, 0, 0, 0, 1]),
    ] {
        let out = pixels(&resize(&bmp(40, depth, compression, data), &lossless(6, 4)).unwrap().bytes);
        let expected =
            [[nothing; 6], [nothing, nothing, red, green, red, nothing], [nothing; 6], [red, red, red, nothing, nothing, nothing]];
        assert_eq!(out.pixels[..], *expected.as_flattened().as_flattened(), "{depth} bits");
        let cut = bmp(40, depth, compression, &data[..data.len() - 4]);
        assert!(matches!(resize(&cut, &request(6, 4)), Err(Error::Damaged(_))));
    }
}

#[test]
fn a_bmp_of_os2_is_read() {
    let rows = [[1, 1, 1, 2, 2, 2, 0, 0]; 4].concat();
    let expected = pixels(&bmp(40, 8, 0, &rows));
    for size in [64, 48] {
        assert_eq!(difference(&pixels(&bmp(size, 8, 0, &rows)), &expected), 0, "{size}");
    }
    assert!(matches!(resize(&bmp(64, 1, 3, &rows), &request(6, 4)), Err(Error::Unsupported(what)) if what.contains("Huffman")));
}
