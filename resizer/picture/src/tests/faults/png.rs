//! PNGs: depths, palettes, transparent colours, profiles, chunks, ends.

use std::borrow::Cow;

use png::{BitDepth, ColorType, Info};

use super::{
    Alpha, Damaged, Points, Row, Shows, Within, check,
    jpeg::{exif, swapped, swapping, turned},
    refused, row,
};
use crate::{
    channels::Channels,
    raster::Raster,
    tests::drawing::{flat, gradient, png, png_of},
};

fn scene() -> Raster {
    gradient(160, 120, Channels::Rgb)
}

/// A chunk with its checksum.
pub(super) fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(content);
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], name, content, &sum.sum().to_be_bytes()].concat()
}

/// The file with `bytes` before the first chunk of the name.
fn before(file: &[u8], name: &[u8], bytes: &[u8]) -> Vec<u8> {
    let place = file.windows(4).position(|window| window == name).unwrap() - 4;
    [&file[..place], bytes, &file[place..]].concat()
}

/// Samples of 16 bits as large as those of 8.
fn wide(raster: &Raster, color: ColorType) -> Vec<u8> {
    let mut info = Info::with_size(raster.width, raster.height);
    (info.color_type, info.bit_depth) = (color, BitDepth::Sixteen);
    png_of(info, &raster.pixels.iter().flat_map(|&value| [value, value]).collect::<Vec<u8>>())
}

/// What samples of so many `bits` can say of a gradient, as numbers and as gray.
fn steps(bits: u8) -> (Vec<u8>, Raster) {
    let most = (1_u32 << bits) - 1;
    let number = |x: usize, y: usize| ((x / 8 + y / 8) as u32 * (most + 1) / 34) as u8;
    let rows = (0..120).map(|y| (0..160).map(|x| number(x, y)).collect::<Vec<_>>());
    let pack = |row: Vec<u8>| {
        let bytes = row.chunks(8 / usize::from(bits)).map(|part| part.iter().fold(0, |byte, number| byte << bits | number));
        bytes.collect::<Vec<u8>>()
    };
    let gray = (0..120).flat_map(|y| (0..160).map(move |x| (u32::from(number(x, y)) * 255 / most) as u8)).collect();
    (rows.flat_map(pack).collect(), Raster::test(160, 120, Channels::Gray, gray))
}

fn few_bits(bits: u8, palette: bool, transparent: &[u8]) -> Vec<u8> {
    let mut info = Info::with_size(160, 120);
    info.color_type = if palette { ColorType::Indexed } else { ColorType::Grayscale };
    info.bit_depth = [BitDepth::One, BitDepth::Two, BitDepth::Four][usize::from(bits.ilog2() as u8)];
    if palette {
        let count = 1_u32 << bits;
        info.palette = Some((0..count).flat_map(|index| [(index * 255 / (count - 1)) as u8; 3]).collect());
    }
    if !transparent.is_empty() {
        info.trns = Some(Cow::Owned(transparent.to_vec()));
    }
    png_of(info, &steps(bits).0)
}

fn depths() -> Vec<Row> {
    let (scene, gray) = (scene(), gradient(160, 120, Channels::Gray));
    let alpha = wide(&flat(40, 40, Channels::Rgba, &[255, 0, 0, 255]), ColorType::Rgba);
    let half = wide(&flat(40, 40, Channels::Rgba, &[255, 0, 0, 0]), ColorType::Rgba);
    let edges = vec![Points(vec![(0.5, 0.05, [255; 3], 3), (0.5, 0.4, [255, 0, 0], 4), (0.5, 0.95, [255; 3], 3)])];
    let red = vec![Points(vec![(0.5, 0.05, [255, 0, 0], 5), (0.5, 0.5, [127; 3], 6), (0.5, 0.95, [255, 0, 0], 5)])];
    let mut rows = vec![
        row("alpha-16-to-jpeg", half, "40x40 OUTPUT_FORMAT=jpeg", vec![Points(vec![(0.5, 0.5, [255; 3], 8)])]),
        row("rgba16-contain", alpha, "40x60 RESIZE_FIT=contain", edges),
        row("rgb16", wide(&scene, ColorType::Rgb), "96x64", vec![Shows(scene.clone(), 5)]),
        row("gray16", wide(&gray, ColorType::Grayscale), "96x64", vec![Shows(gray.clone(), 5)]),
        row("gray-contain", png(&flat(80, 60, Channels::Gray, &[127]), |_| ()), "80x120 RESIZE_FIT=contain BACKGROUND=#ff0000", red),
    ];
    for bits in [1, 2, 4] {
        let (shown, lightest) = (steps(bits).1, (1 << bits) - 1);
        // the steps of one bit have a sharp edge, beside which light is mixed
        let tolerance = if bits == 1 { 40 } else { 16 };
        rows.push(row(format!("gray-{bits}"), few_bits(bits, false, &[]), "96x64", vec![Shows(shown.clone(), tolerance)]));
        rows.push(row(format!("palette-{bits}"), few_bits(bits, true, &[]), "96x64", vec![Shows(shown.clone(), tolerance)]));
        // what is transparent is white, here as there
        let seen = vec![Shows(shown.clone(), tolerance), Alpha(vec![(0.98, 0.98, 0), (0.05, 0.15, 255)])];
        rows.push(row(format!("gray-{bits}-trns"), few_bits(bits, false, &[0, lightest]), "96x64", seen));
        // of a palette the first colour alone
        let seen = vec![Alpha(vec![(0.02, 0.04, 0), (0.98, 0.98, 255)])];
        rows.push(row(format!("palette-{bits}-trns"), few_bits(bits, true, &[0]), "96x64", seen));
    }
    rows
}

fn transparent() -> Vec<Row> {
    let halves = |left: &[u8], right: &[u8], side: usize| {
        let row: Vec<u8> = [left.repeat(side / 2), right.repeat(side / 2)].concat();
        row.repeat(side)
    };
    let mut rgb = Info::with_size(96, 96);
    (rgb.color_type, rgb.bit_depth, rgb.trns) = (ColorType::Rgb, BitDepth::Eight, Some(Cow::Owned(vec![0, 9, 0, 200, 0, 7])));
    let mut gray = Info::with_size(96, 96);
    (gray.color_type, gray.bit_depth, gray.trns) = (ColorType::Grayscale, BitDepth::Sixteen, Some(Cow::Owned(vec![0x12, 0x34])));
    let mut bit = Info::with_size(8, 8);
    (bit.color_type, bit.bit_depth, bit.trns) = (ColorType::Grayscale, BitDepth::One, Some(Cow::Owned(vec![0, 0xFF])));
    let sides = |left, right| Alpha(vec![(0.2, 0.5, left), (0.8, 0.5, right)]);
    let colours = Points(vec![(0.2, 0.5, [255; 3], 6), (0.8, 0.5, [10, 200, 7], 6)]);
    vec![
        row("rgb-trns", png_of(rgb, &halves(&[9, 200, 7], &[10, 200, 7], 96)), "96x64", vec![colours, sides(0, 255)]),
        row("gray16-trns-exact", png_of(gray, &halves(&[0x12, 0x34], &[0x12, 0x35], 96)), "96x64", vec![sides(0, 255)]),
        super::sized("trns-1bit-00ff", png_of(bit, &[0x0F; 8]), "8x0", (8, 8), vec![sides(255, 0)]),
    ]
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, content).unwrap();
    encoder.finish().unwrap()
}

fn chunks() -> Vec<Row> {
    let (scene, gray) = (scene(), gradient(160, 120, Channels::Gray));
    let plain = png(&scene, |_| ());
    let profile = |raster: &Raster, profile: &[u8]| png(raster, |info| info.icc_profile = Some(Cow::Owned(profile.to_vec())));
    let bomb = |head: &[u8]| [head, &zlib(&vec![0; 200_000_000])].concat();
    let turned = png(&turned(&scene, 6), |_| ());
    let ends = plain.len() - 12;
    // frames of an animation, of which the pixels before are the first, or no part
    let control = |number: u8| [&[0, 0, 0, number][..], &[0, 0, 0, 160, 0, 0, 0, 120], &[0; 8], &[0, 1, 0, 10, 0, 0]].concat();
    let count = chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]);
    let red = zlib(&[&[0][..], &[255, 0, 0].repeat(160)].concat().repeat(120));
    let frame = [chunk(b"fcTL", &control(0)), chunk(b"fdAT", &[&[0, 0, 0, 1], &red[..]].concat())].concat();
    let hidden = before(&before(&plain, b"IDAT", &count), b"IEND", &frame);
    let shown = before(&plain, b"IDAT", &[count, chunk(b"fcTL", &control(0))].concat());
    // empty before, between and behind, and a few bytes each
    let place = plain.windows(4).position(|window| window == b"IDAT").unwrap() - 4;
    let pixels = zlib(&scene.pixels.chunks(480).flat_map(|row| [&[0], row].concat()).collect::<Vec<u8>>());
    let many = |empty: bool| {
        let parts = pixels.chunks(pixels.len() / 7).map(|part| chunk(b"IDAT", part));
        let parts = parts.flat_map(|part| if empty { [chunk(b"IDAT", &[]), part].concat() } else { part }).collect::<Vec<u8>>();
        [&plain[..place], &parts, &chunk(b"IDAT", &[]), &chunk(b"IEND", &[])].concat()
    };
    let mut rows = vec![];
    for (name, file, request, shown, tolerance) in [
        ("gama-55100", before(&plain, b"IDAT", &chunk(b"gAMA", &55_100_u32.to_be_bytes())), "96x64", &scene, 5),
        ("no-iend", plain[..ends].to_vec(), "96x64", &scene, 5),
        ("trailing", [&plain[..], &[1; 99]].concat(), "96x64", &scene, 5),
        ("iccp-applied", profile(&scene, &swapping()), "96x64", &swapped(&scene), 8),
        ("iccp-garbage", profile(&scene, &[9; 400]), "96x64", &scene, 5),
        ("iccp-rgb-in-gray", profile(&gray, &swapping()), "96x64", &gray, 5),
        ("iccp-and-srgb", before(&plain, b"IDAT", &chunk(b"sRGB", &[0])), "96x64", &scene, 5),
        ("zip-bomb-text", before(&plain, b"IDAT", &chunk(b"zTXt", &bomb(b"Comment\0\0"))), "96x64", &scene, 5),
        ("exif-before-idat", before(&turned, b"IDAT", &chunk(b"eXIf", &exif(6, 3))), "96x64", &scene, 5),
        ("apng-keep", shown, "96x64 ANIMATION=keep", &scene, 5),
        ("apng-hidden-default", hidden.clone(), "96x64", &scene, 5),
        ("apng-hidden-default-keep", hidden, "96x64 ANIMATION=keep", &scene, 5),
        ("multi-idat", many(false), "96x64", &scene, 5),
        ("idat-empty", many(true), "96x64", &scene, 5),
    ] {
        rows.push(row(name, file, request, vec![Shows(shown.clone(), tolerance), Within(100 << 20)]));
    }
    rows.push(refused("truncated-png", plain[..plain.len() / 2].to_vec(), "96x64", Damaged));
    // as Apple's tools write it: not a PNG, though it begins as one
    let apple = before(&before(&plain, b"IHDR", &chunk(b"CgBI", &[0x50, 0, 0x20, 6])), b"IDAT", &[]);
    rows.push(refused("cgbi", apple, "96x64", Damaged));
    let bomb = before(&plain, b"IDAT", &chunk(b"iCCP", &bomb(b"profile\0\0")));
    rows.push(Row("zip-bomb-iccp".into(), bomb, "96x64".into(), None, vec![super::Either, Within(100 << 20)]));
    rows
}

/// Adam7: the passes of a picture, each row without a filter.
pub(super) fn interlaced(raster: &Raster) -> Vec<u8> {
    let pixel = |x: u32, y: u32| raster.pixels[((y * raster.width + x) * 3) as usize..][..3].to_vec();
    let mut data = vec![];
    for (left, top, across, down) in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)] {
        for y in (top..raster.height).step_by(down).filter(|_| left < raster.width) {
            data.push(0);
            (left..raster.width).step_by(across).for_each(|x| data.extend(pixel(x, y)));
        }
    }
    let header = [&raster.width.to_be_bytes()[..], &raster.height.to_be_bytes(), &[8, 2, 0, 0, 1]].concat();
    let chunks = [chunk(b"IHDR", &header), chunk(b"IDAT", &zlib(&data)), chunk(b"IEND", &[])].concat();
    [&b"\x89PNG\r\n\x1A\n"[..], &chunks].concat()
}

fn interlace() -> Vec<Row> {
    let one = |side| {
        let scene = gradient(side, side, Channels::Rgb);
        row(format!("interlaced-{side}x{side}"), interlaced(&scene), "30x20", vec![Shows(scene, 40)])
    };
    vec![one(1), one(8)]
}

#[test]
fn pngs_of_the_reports_are_pictures_or_say_why_not() {
    check([depths(), transparent(), chunks(), interlace()].into_iter().flatten().collect());
}
