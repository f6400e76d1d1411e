//! AVIFs of every kind, whose frames are coded by rav1e and whose boxes are put together by hand.

use hostile::avif::{Coding, Item, Sampling, auxc, avif, clap, frame, grid, icc, ispe, nclx, still, stripes};
use moxcms::ColorProfile;

use super::drawing::{at, difference, gradient, lossless, near, pixels, png, request, resize};
use crate::{Error, Format, channels::Channels, orientation::Orientation, plan, raster::Raster};

/// Parts of red and blue in light for a matrix.
fn parts(matrix: u8) -> (f64, f64) {
    match matrix {
        1 => (0.2126, 0.0722),
        9 => (0.2627, 0.0593),
        _ => (0.299, 0.114),
    }
}

/// The sample of a colour, of one kind.
fn sample(pixel: &[u8], kind: usize, matrix: u8, coding: Coding) -> u16 {
    let [red, green, blue] = [0, 1, 2].map(|index| f64::from(pixel[index]) / 255.0);
    let (of_red, of_blue) = parts(matrix);
    let light = of_red * red + (1.0 - of_red - of_blue) * green + of_blue * blue;
    let value = match (matrix, kind) {
        (0, _) => [green, blue, red][kind],
        (_, 0) => light,
        (_, 1) => (blue - light) / (2.0 * (1.0 - of_blue)),
        _ => (red - light) / (2.0 * (1.0 - of_red)),
    };
    let unit = f64::from(1_u32 << (coding.depth - 8));
    let (black, swing) = match (coding.full_range, kind == 0 || matrix == 0) {
        (true, true) => (0.0, 256.0 * unit - 1.0),
        (true, false) => (128.0 * unit, 256.0 * unit - 1.0),
        (false, true) => (16.0 * unit, 219.0 * unit),
        (false, false) => (128.0 * unit, 224.0 * unit),
    };
    (black + value * swing).round().clamp(0.0, 256.0 * unit - 1.0) as u16
}

/// A frame of a drawing.
fn drawn(raster: &Raster, matrix: u8, coding: Coding) -> Vec<u8> {
    let (count, width, height) = (raster.channels.count(), raster.width as usize, raster.height as usize);
    frame(coding, |kind, x, y| {
        let pixel = &raster.pixels[(y.min(height - 1) * width + x.min(width - 1)) * count..][..count];
        if count < 3 { sample(&[pixel[0]; 3], kind, matrix, coding) } else { sample(pixel, kind, matrix, coding) }
    })
}

/// One of each kind that is not drawn elsewhere, of a grid with four frames of half the sides.
pub(crate) fn kinds(width: u32, height: u32) -> Vec<(&'static str, Vec<u8>)> {
    let kind = |depth, sampling, tiles| Coding { depth, sampling, tiles, quantizer: 120, ..Coding::new(width as usize, height as usize) };
    let half = Coding { width: width.div_ceil(2) as usize, height: height.div_ceil(2) as usize, ..kind(8, Sampling::Cs420, (0, 0)) };
    let part = || Item::frame(stripes(half), vec![]);
    let head = Item { kind: *b"grid", data: grid(2, 2, width as u16, height as u16), properties: vec![] };
    let (across, down) = (width.cast_signed() - 8, height.cast_signed() - 6);
    let cut = vec![clap([(across, 1), (down, 1), (1, 1), (-2, 1)]), turn(1), mirror(1)];
    let p3 = icc(&ColorProfile::new_display_p3().encode().unwrap());
    let shade = Item::frame(stripes(kind(10, Sampling::Cs400, (0, 0))), vec![auxc()]);
    let deep = Item::frame(stripes(kind(10, Sampling::Cs444, (2, 1))), vec![nclx([9, 16, 9], false)]);
    vec![
        ("avif cut and turned", still(stripes(kind(8, Sampling::Cs420, (0, 0))), cut)),
        ("avif of 10 bits with a profile", still(stripes(kind(10, Sampling::Cs422, (0, 0))), vec![p3])),
        ("gray avif of 12 bits", still(stripes(kind(12, Sampling::Cs400, (0, 0))), vec![])),
        ("avif of light with alpha", avif(&[deep, shade], &[(*b"auxl", 2, &[1]), (*b"prem", 1, &[2])])),
        ("avif of a grid", avif(&[head, part(), part(), part(), part()], &[(*b"dimg", 1, &[2, 3, 4, 5])])),
    ]
}

fn coding(raster: &Raster) -> Coding {
    Coding { quantizer: 8, sampling: Sampling::Cs444, ..Coding::new(raster.width as usize, raster.height as usize) }
}

#[test]
fn every_depth_sampling_matrix_and_range_is_read() {
    let (colour, gray) = (gradient(35, 23, Channels::Rgb), gradient(35, 23, Channels::Gray));
    for depth in [8, 10, 12] {
        for (sampling, matrices) in
            [(Sampling::Cs420, &[1, 6, 9][..]), (Sampling::Cs422, &[1, 6, 9]), (Sampling::Cs444, &[0, 1, 6, 9]), (Sampling::Cs400, &[1])]
        {
            for (&matrix, full_range) in matrices.iter().flat_map(|matrix| [(matrix, true), (matrix, false)]) {
                let raster = if sampling == Sampling::Cs400 { &gray } else { &colour };
                let coding = Coding { depth, sampling, full_range, ..coding(raster) };
                let file = still(drawn(raster, matrix, coding), vec![ispe(35, 23), nclx([1, 13, matrix], full_range)]);
                let out = pixels(&file);
                // where colours are left out, those at the edge are not quite what they were
                let apart = difference(&out, raster);
                assert!(apart <= if sampling == Sampling::Cs420 { 12 } else { 9 }, "{depth} {sampling:?} {matrix} {full_range}: {apart}");
            }
        }
    }
}

#[test]
fn sizes_may_be_odd_and_tiny() {
    for (width, height) in [(1, 1), (1, 2), (2, 1), (3, 5), (16, 1), (129, 2)] {
        for sampling in [Sampling::Cs420, Sampling::Cs422, Sampling::Cs444] {
            let raster = super::drawing::flat(width, height, Channels::Rgb, &[200, 90, 30]);
            let file = still(drawn(&raster, 6, Coding { sampling, ..coding(&raster) }), vec![nclx([1, 13, 6], true)]);
            assert!(difference(&pixels(&file), &raster) <= 4, "{width}x{height} {sampling:?}");
        }
    }
}

/// A picture with alpha, and what more is said of it.
fn with_alpha(raster: &Raster, alpha: &Raster, alpha_range: bool, is_premultiplied: bool) -> Vec<u8> {
    let shade = Coding { sampling: Sampling::Cs400, full_range: alpha_range, ..coding(alpha) };
    let items =
        [Item::frame(drawn(raster, 6, coding(raster)), vec![nclx([1, 13, 6], true)]), Item::frame(drawn(alpha, 6, shade), vec![auxc()])];
    let prem: &[_] = if is_premultiplied { &[(*b"prem", 1, &[2][..])] } else { &[] };
    avif(&items, &[&[(*b"auxl", 2, &[1][..])], prem].concat())
}

#[test]
fn alpha_lies_beside_the_colours() {
    let (colour, alpha) = (gradient(40, 30, Channels::Rgb), gradient(40, 30, Channels::Gray));
    for full_range in [true, false] {
        let out = pixels(&with_alpha(&colour, &alpha, full_range, false));
        assert_eq!(out.channels, Channels::Rgba);
        for (index, pixel) in out.pixels.chunks(4).enumerate() {
            assert!(near(&pixel[..3], &colour.pixels[index * 3..][..3], 9) && pixel[3].abs_diff(alpha.pixels[index]) <= 5, "{index}");
        }
    }
    // half of the light, where half shines through
    let (half, shade) = (super::drawing::flat(16, 16, Channels::Rgb, &[100, 50, 20]), super::drawing::flat(16, 16, Channels::Gray, &[128]));
    let out = pixels(&with_alpha(&half, &shade, true, true));
    assert!(near(at(&out, 50, 50), &[199, 100, 40, 128], 5), "{:?}", at(&out, 50, 50));
    let gray = Coding { sampling: Sampling::Cs400, ..coding(&alpha) };
    let items = [Item::frame(drawn(&alpha, 6, gray), vec![]), Item::frame(drawn(&alpha, 6, gray), vec![auxc()])];
    assert_eq!(pixels(&avif(&items, &[(*b"auxl", 2, &[1])])).channels, Channels::GrayAlpha);
}

fn turn(quarters: u8) -> Vec<u8> {
    hostile::avif::avif_box(b"irot", &[quarters])
}

fn mirror(axis: u8) -> Vec<u8> {
    hostile::avif::avif_box(b"imir", &[axis])
}

#[test]
fn a_picture_is_turned_and_then_mirrored() {
    let raster = gradient(40, 24, Channels::Rgb);
    let data = drawn(&raster, 6, coding(&raster));
    // by the value of EXIF that shows the same; the first axis exchanges top and bottom
    for (properties, tag) in [
        (vec![], 1),
        (vec![turn(1)], 8),
        (vec![turn(2)], 3),
        (vec![turn(3)], 6),
        (vec![mirror(0)], 4),
        (vec![mirror(1)], 2),
        (vec![turn(1), mirror(0)], 5),
        (vec![turn(1), mirror(1)], 7),
        (vec![turn(3), mirror(1)], 5),
    ] {
        let file = still(data.clone(), [properties, vec![nclx([1, 13, 6], true)]].concat());
        let expected = Orientation::from_tag(tag).apply(raster.clone()).unwrap();
        let out = pixels(&resize(&file, &lossless(expected.width, expected.height)).unwrap().bytes);
        assert!(difference(&out, &expected) <= 9, "{tag}");
    }
}

/// A part of a picture.
fn part(raster: &Raster, (left, top): (u32, u32), (width, height): (u32, u32)) -> Raster {
    let stride = raster.stride();
    let rows = raster.pixels.chunks(stride).skip(top as usize).take(height as usize);
    let pixels = rows.flat_map(|row| row[left as usize * 3..(left + width) as usize * 3].to_vec()).collect();
    Raster::test(width, height, Channels::Rgb, pixels)
}

#[test]
fn a_clean_aperture_cuts_unless_it_makes_no_sense() {
    let raster = gradient(40, 24, Channels::Rgb);
    let data = drawn(&raster, 6, coding(&raster));
    let shown = |numbers| pixels(&still(data.clone(), vec![clap(numbers), nclx([1, 13, 6], true)]));
    let out = shown([(20, 1), (10, 1), (-5, 1), (3, 1)]);
    assert!(difference(&out, &part(&raster, (5, 10), (20, 10))) <= 9);
    assert!(difference(&shown([(20, 1), (10, 1), (-50, 1), (3, 1)]), &raster) <= 9);
}

#[test]
fn a_grid_is_put_together_and_cut() {
    let raster = gradient(100, 90, Channels::Rgb);
    let tile = |left, top| {
        drawn(&part(&raster, (left, top), (32, 48)), 6, Coding { sampling: Sampling::Cs420, ..coding(&part(&raster, (0, 0), (32, 48))) })
    };
    let head = Item { kind: *b"grid", data: grid(3, 2, 90, 70), properties: vec![ispe(90, 70), nclx([1, 13, 6], true)] };
    let places = [(0, 0), (32, 0), (64, 0), (0, 42), (32, 42), (64, 42)];
    let mut items = vec![head];
    // the second row of tiles shows what begins 42 rows down: the canvas has no such rows twice
    items.extend(places.map(|(left, top)| Item::frame(tile(left, top), vec![])));
    let file = avif(&items, &[(*b"dimg", 1, &[2, 3, 4, 5, 6, 7])]);
    let out = pixels(&file);
    assert_eq!((out.width, out.height), (90, 70));
    assert!(difference(&part(&out, (0, 0), (90, 48)), &part(&raster, (0, 0), (90, 48))) <= 14);
    assert!(difference(&part(&out, (0, 48), (90, 22)), &part(&raster, (0, 42), (90, 22))) <= 14);
    let missing = avif(&items[..6], &[(*b"dimg", 1, &[2, 3, 4, 5, 6, 7])]);
    assert!(matches!(plan(&missing, &request(9, 9)), Err(Error::Damaged(_))));
    let few = avif(&items, &[(*b"dimg", 1, &[2, 3, 4, 5, 6])]);
    assert!(matches!(plan(&few, &request(9, 9)), Err(Error::Damaged(_))));
}

#[test]
fn colours_are_those_of_the_profile_or_of_the_numbers() {
    let raster = super::drawing::flat(16, 16, Channels::Rgb, &[60, 200, 40]);
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    let expected = {
        let file = png(&raster, |info| info.icc_profile = Some(std::borrow::Cow::Owned(p3.clone())));
        at(&pixels(&resize(&file, &lossless(4, 4)).unwrap().bytes), 50, 50).to_vec()
    };
    assert!(!near(&expected, &[60, 200, 40], 20));
    for depth in [8, 10] {
        let data = drawn(&raster, 6, Coding { depth, ..coding(&raster) });
        let out = |properties| at(&pixels(&resize(&still(data.clone(), properties), &lossless(4, 4)).unwrap().bytes), 50, 50).to_vec();
        for properties in [vec![icc(&p3), nclx([1, 13, 6], true)], vec![icc(&p3)], vec![nclx([12, 13, 6], true)]] {
            assert!(near(&out(properties.clone()), &expected, 4), "{depth}: {:?}", out(properties));
        }
        // curves of television are shown as that of sRGB
        for properties in [vec![nclx([1, 1, 6], true)], vec![nclx([2, 2, 2], true)], vec![], vec![icc(b"nonsense")]] {
            assert!(near(&out(properties.clone()), &[60, 200, 40], 4), "{depth}: {:?}", out(properties));
        }
    }
    // by PQ, as bright as the white of a page
    let white = Coding { depth: 10, ..coding(&raster) };
    let data = frame(white, |kind, _, _| if kind == 0 { 594 } else { 512 });
    let file = still(data, vec![nclx([9, 16, 9], true)]);
    let out = pixels(&resize(&file, &lossless(4, 4)).unwrap().bytes);
    assert!((186..197).contains(&at(&out, 50, 50)[0]), "{:?}", at(&out, 50, 50));
}

#[test]
fn what_is_not_read_says_why() {
    let stripes = |side| stripes(Coding::new(side, side));
    let one = |kind: &[u8; 4], properties| avif(&[Item { kind: *kind, data: stripes(16), properties }], &[]);
    let beside =
        |side, properties| avif(&[Item::frame(stripes(16), vec![]), Item::frame(stripes(side), properties)], &[(*b"auxl", 2, &[1])]);
    let layers = still([stripes(16), stripes(16)].concat(), vec![]);
    let lsel = hostile::avif::avif_box(b"lsel", &[0, 0]);
    for (file, reason) in [
        (layers, "unsupported: AVIF of layers"),
        (one(b"hvc1", vec![]), "unsupported: AVIF whose picture is of kind \"hvc1\""),
        (one(b"iovl", vec![]), "unsupported: AVIF whose picture is of kind \"iovl\""),
        (one(b"av01", vec![lsel]), "unsupported: AVIF that needs what \"lsel\" says"),
        (one(b"av01", vec![nclx([1, 13, 14], true)]), "unsupported: AVIF of matrix 14"),
        (one(b"av01", vec![ispe(16, 17)]), "damaged: AVIF of another size than it says"),
        (beside(32, vec![auxc()]), "damaged: AVIF whose alpha has another size"),
        (b"\0\0\0\x0cftypavif\0\0\0\x08moov".to_vec(), "unsupported: AVIF of moving pictures without a still one"),
        (b"\0\0\0\x10ftypavis\0\0\0\0".to_vec(), "damaged: AVIF without a picture"),
    ] {
        let said = resize(&file, &request(8, 8)).unwrap_err().to_string();
        assert!(said.starts_with(reason), "{said}, not {reason}");
    }
    // an item beside the picture that is no alpha
    assert_eq!(pixels(&beside(32, vec![])).channels, Channels::Rgb);
    // a picture of any name for its brand
    let mut named = one(b"av01", vec![]);
    named[8..12].copy_from_slice(b"mif1");
    assert_eq!(resize(&named, &request(8, 8)).unwrap().format, Format::Avif);
}
