//! JPEGs: orientation, segments, restarts, sampling, scans, ends.

use moxcms::ColorProfile;
use turbojpeg::{Colorspace, Subsamp};

use super::{Damaged, Points, Row, Shows, check, jpeg_file, jpeg_file::segment, refused, row, sized};
use crate::{
    channels::Channels,
    orientation::Orientation,
    raster::Raster,
    tests::drawing::{cmyk_profile, flat, gradient, jpeg, with_segment},
};

fn scene() -> Raster {
    gradient(160, 120, Channels::Rgb)
}

fn small() -> Raster {
    gradient(32, 24, Channels::Rgb)
}

fn plain() -> Vec<u8> {
    jpeg(&scene(), |_| ())
}

/// Stored so that `orientation` shows it as `displayed`.
pub(super) fn turned(displayed: &Raster, orientation: u16) -> Raster {
    let undo = [0, 1, 2, 3, 4, 5, 8, 7, 6, 1][usize::from(orientation)];
    Orientation::from_tag(undo).apply(displayed.clone()).unwrap()
}

/// EXIF with an orientation, in a number of the type: 1 is a byte, 3 has 16 bits, 4 has 32.
pub(super) fn exif(orientation: u8, kind: u8) -> Vec<u8> {
    [&b"II*\0\x08\0\0\0\x01\0\x12\x01"[..], &[kind, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
}

fn with_exif(file: &[u8], exif: &[u8]) -> Vec<u8> {
    with_segment(file, 0xE1, &[b"Exif\0\0", exif].concat())
}

fn orientations() -> Vec<Row> {
    let (scene, large) = (scene(), gradient(1003, 751, Channels::Rgb));
    let mut rows = vec![];
    for orientation in 1..=8 {
        let file = |scene: &Raster| with_exif(&jpeg(&turned(scene, orientation.into()), |_| ()), &exif(orientation, 3));
        rows.push(row(format!("exif-crop-{orientation}"), file(&scene), "96x64", vec![Shows(scene.clone(), 8)]));
        rows.push(sized(format!("exif-width-{orientation}"), file(&scene), "40x0", (40, 30), vec![Shows(scene.clone(), 8)]));
        rows.push(row(format!("exif-scaled-{orientation}"), file(&large), "96x64", vec![Shows(large.clone(), 8)]));
    }
    let turned = jpeg(&turned(&scene, 6), |_| ());
    let xmp = with_segment(&with_exif(&turned, &exif(6, 3)), 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>");
    // an entry whose content lies behind the end
    let broken = [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x09\0\0\0"[..], &[255; 4]].concat();
    for (name, file) in [
        ("exif-value-9", with_exif(&plain(), &exif(9, 3))),
        ("exif-xmp-first", xmp),
        ("exif-broken", with_exif(&plain(), &broken)),
        ("exif-empty", with_exif(&plain(), &[])),
        ("exif-long", with_exif(&turned, &exif(6, 4))),
        ("exif-byte", with_exif(&turned, &exif(6, 1))),
    ] {
        rows.push(row(name, file, "96x64", vec![Shows(scene.clone(), 8)]));
    }
    rows
}

/// Where the first marker of the kind lies.
fn place(file: &[u8], marker: u8) -> usize {
    file.windows(2).position(|pair| pair == [0xFF, marker]).unwrap()
}

/// Bytes before the last marker, which is the end.
fn before_end(file: &[u8], bytes: &[u8]) -> Vec<u8> {
    let (head, end) = file.split_at(file.len() - 2);
    [head, bytes, end].concat()
}

fn segments() -> Vec<Row> {
    let (scene, plain) = (scene(), plain());
    let own = jpeg_file::of(&[(1, 1); 3]);
    let segments = own.segments(&scene);
    let moved = [&segments[1..2], &segments[..1], &segments[2..]].concat();
    let (tables, pixels) = (place(&plain, 0xDB), place(&plain, 0xDA));
    let with = |at: usize, bytes: &[u8]| [&plain[..at], bytes, &plain[at..]].concat();
    let mut samsung = plain.clone();
    samsung[pixels + 2 + 12 - 2] = 0;
    let lines = |height: u16| segment(0xDC, &height.to_be_bytes());
    let mut without = segments.clone();
    without[1][5..7].copy_from_slice(&[0, 0]);
    let progressive = jpeg(&scene, |compressor| compressor.set_progressive(true).unwrap());
    let thumbnail = jpeg(&small(), |_| ());
    let shows = [
        ("fill-before-marker", with(tables, &[0xFF])),
        ("extraneous-header", with(tables, &[1; 18])),
        ("extraneous-scan", before_end(&plain, &[1, 2, 3, 4, 5])),
        ("samsung-sos", samsung),
        ("no-eoi", plain[..plain.len() - 2].to_vec()),
        ("app-length-2", with_segment(&plain, 0xE5, &[])),
        ("com-long", with_segment(&plain, 0xFE, &vec![b'x'; 65_533])),
        ("dqt-after-sof", jpeg_file::file(&moved)),
        ("dqt-index-3", jpeg_file::How { table: 3, ..jpeg_file::of(&[(1, 1); 3]) }.file(&scene)),
        ("dqt-16-bit", jpeg_file::How { wide: true, ..jpeg_file::of(&[(1, 1); 3]) }.file(&scene)),
        ("dnl-same", before_end(&own.file(&scene), &lines(120))),
        ("eoi-in-app", with_segment(&plain, 0xE1, &thumbnail)),
        ("arithmetic", jpeg(&scene, |compressor| compressor.set_arithmetic(true).unwrap())),
        (
            "arithmetic-progressive",
            jpeg(&scene, |compressor| {
                compressor.set_arithmetic(true).unwrap();
                compressor.set_progressive(true).unwrap();
            }),
        ),
    ];
    let mut rows: Vec<_> = shows.into_iter().map(|(name, file)| row(name, file, "96x64", vec![Shows(scene.clone(), 8)])).collect();
    for (name, file) in [
        ("truncated", plain[..plain.len() / 2].to_vec()),
        ("truncated-progressive", progressive[..progressive.len() / 2].to_vec()),
        ("header-only", plain[..pixels].to_vec()),
        ("soi-eoi", vec![0xFF, 0xD8, 0xFF, 0xD9]),
        ("dnl", before_end(&jpeg_file::file(&without), &lines(120))),
    ] {
        rows.push(refused(name, file, "96x64", Damaged));
    }
    rows
}

fn ends() -> Vec<Row> {
    let small = small();
    let file = jpeg(&small, |_| ());
    let tables = place(&file, 0xDB);
    let scans = jpeg_file::of(&[(1, 1); 3]).progressive().segments(&small);
    let mut between = scans.clone();
    between[6].push(7);
    let rows = [
        ("ff00-before-eoi", before_end(&file, &[0xFF, 0])),
        ("fill-before-eoi", before_end(&file, &[0xFF, 0xFF])),
        ("pixel-00e1", [&file[..tables], &[0, 0xE1, 0, 4, 1, 2], &file[tables..]].concat()),
        ("eoi-padding", [&file[..], &[0; 64]].concat()),
        ("no-eoi-2", file[..file.len() - 2].to_vec()),
        ("byte-between-scans", jpeg_file::file(&between)),
    ];
    rows.into_iter().map(|(name, file)| sized(name, file, "16x0", (16, 12), vec![Shows(small.clone(), 16)])).collect()
}

fn restarts() -> Vec<Row> {
    let (odd, large) = (gradient(67, 45, Channels::Rgb), gradient(640, 480, Channels::Rgb));
    let mut rows = vec![];
    for (kind, progressive) in [("base", false), ("prog", true)] {
        let how = |sampling| {
            let how = jpeg_file::of(&[sampling, (1, 1), (1, 1)]);
            if progressive { how.progressive() } else { how }
        };
        for sampling in [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1)] {
            let row_of_units = how(sampling).units_in_a_row(&odd);
            for (name, units) in [("1B", 1), ("4B", 4), ("7B", 7), ("1", row_of_units)] {
                let name = format!("restart-{kind}-{}x{}-{name}", sampling.0, sampling.1);
                rows.push(row(name, how(sampling).restart(units).file(&odd), "48x32", vec![Shows(odd.clone(), 14)]));
            }
        }
        rows.push(row(format!("restart-scaled-{kind}"), how((2, 2)).restart(5).file(&large), "96x64", vec![Shows(large.clone(), 10)]));
    }
    rows
}

fn samplings() -> Vec<Row> {
    let (scene, large) = (scene(), gradient(640, 480, Channels::Rgb));
    let one = |sampling| vec![sampling, (1, 1), (1, 1)];
    let mut rows = vec![];
    for (name, sampling) in [
        ("1x1", one((1, 1))),
        ("2x1", one((2, 1))),
        ("1x2", one((1, 2))),
        ("4x1", one((4, 1))),
        ("1x4", one((1, 4))),
        ("4x2", one((4, 2))),
        ("3x1", one((3, 1))),
        ("2x1_1x2_1x1", vec![(2, 1), (1, 2), (1, 1)]),
        ("1x1_2x2_2x2", vec![(1, 1), (2, 2), (2, 2)]),
        ("1x2_2x1_1x1", vec![(1, 2), (2, 1), (1, 1)]),
        ("2x2_1x2_2x1", vec![(2, 2), (1, 2), (2, 1)]),
        ("3x2_1x1_3x1", vec![(3, 2), (1, 1), (3, 1)]),
    ] {
        let how = || jpeg_file::of(&sampling);
        rows.push(row(format!("sampling-{name}"), how().file(&scene), "96x64", vec![Shows(scene.clone(), 12)]));
        rows.push(row(format!("sampling-scaled-{name}"), how().progressive().file(&large), "96x64", vec![Shows(large.clone(), 12)]));
    }
    let scans = |scans: &[&[usize]], scene: &Raster| {
        let scans = scans.iter().map(|components| (components.to_vec(), 0, 63)).collect();
        jpeg_file::How { scans, ..jpeg_file::of(&one((2, 2))) }.file(scene)
    };
    for (name, order, scene) in [
        ("scans-separate", &[&[0][..], &[1], &[2]][..], &scene),
        ("scans-reversed", &[&[2], &[1], &[0]], &scene),
        ("scans-pair", &[&[0], &[1, 2]], &scene),
        ("scans-separate-scaled", &[&[0], &[1], &[2]], &large),
    ] {
        rows.push(row(name, scans(order, scene), "96x64", vec![Shows(scene.clone(), 12)]));
    }
    rows
}

fn channels() -> Vec<Row> {
    let (scene, gray) = (scene(), gradient(160, 120, Channels::Gray));
    let adobe = |file: &[u8], rest: &[u8]| with_segment(file, 0xEE, &[b"Adobe\0\x64\0\0\0\0", rest].concat());
    let stored = |names: [u8; 3]| jpeg_file::How { plain: true, names: names.to_vec(), ..jpeg_file::of(&[(1, 1); 3]) }.file(&scene);
    let luma = jpeg_file::of(&[(1, 1); 3]).file(&scene);
    let one = |sampling| jpeg_file::of(&[sampling]).file(&gray);
    let srgb = ColorProfile::new_srgb().encode().unwrap();
    let mut rows = vec![];
    for (name, file, shown) in [
        ("adobe-rgb", adobe(&stored([1, 2, 3]), &[0]), &scene),
        ("rgb-ids", stored(*b"RGB"), &scene),
        ("jfif-and-adobe-0", with_segment(&adobe(&luma, &[0]), 0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"), &scene),
        ("adobe-short", adobe(&luma, &[]), &scene),
        ("gray-adobe-0", adobe(&one((1, 1)), &[0]), &gray),
        ("gray-2x2", one((2, 2)), &gray),
        ("gray-rgb-profile", profile(&one((1, 1)), &[(1, 1, &srgb)]), &gray),
    ] {
        rows.push(row(name, file, "96x64", vec![Shows(shown.clone(), 8)]));
    }
    rows
}

/// The JPEG with parts of a profile: number, count, content.
fn profile(file: &[u8], parts: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let part = |file: Vec<u8>, &(number, count, content): &(u8, u8, &[u8])| {
        with_segment(&file, 0xE2, &[&b"ICC_PROFILE\0"[..], &[number, count], content].concat())
    };
    parts.iter().rev().fold(file.to_vec(), part)
}

/// A profile of sRGB but that red and green change places.
pub(super) fn swapping() -> Vec<u8> {
    let mut profile = ColorProfile::new_srgb();
    std::mem::swap(&mut profile.red_colorant, &mut profile.green_colorant);
    profile.cicp = None;
    profile.encode().unwrap()
}

/// The drawing as that profile shows it.
pub(super) fn swapped(drawing: &Raster) -> Raster {
    drawing.map(Channels::Rgb, |&[red, green, blue]| [green, red, blue]).unwrap()
}

fn profiles() -> Vec<Row> {
    let (scene, plain, swapping) = (scene(), plain(), swapping());
    let step = swapping.len().div_ceil(5);
    let parts: Vec<_> = (1..).zip(swapping.chunks(step)).map(|(number, part)| (number, 5, part)).collect();
    let mixed = [3, 0, 4, 1, 2].map(|part| parts[part]);
    let srgb = ColorProfile::new_srgb().encode().unwrap();
    let (is, swapped) = (scene.clone(), swapped(&scene));
    let rows = [
        ("icc-one", vec![(1, 1, &swapping[..])], &swapped),
        ("icc-parts", parts, &swapped),
        ("icc-parts-order", mixed.to_vec(), &swapped),
        ("icc-twice", vec![(1, 1, &swapping[..]), (1, 1, &swapping)], &swapped),
        ("icc-index-past-count", vec![(1, 2, &swapping[..200]), (9, 2, &swapping[200..])], &is),
        ("icc-garbage", vec![(1, 1, &[7; 300][..])], &is),
        ("icc-cut", vec![(1, 1, &swapping[..swapping.len() / 2])], &is),
        ("icc-16-samples", vec![(1, 1, &srgb)], &is),
    ];
    rows.into_iter().map(|(name, parts, shown)| row(name, profile(&plain, &parts), "96x64", vec![Shows(shown.clone(), 10)])).collect()
}

fn inks() -> Vec<Row> {
    // as Adobe stores it: full cyan, no other ink
    let cyan = [0, 255, 255, 255];
    let file =
        |pixel: &[u8]| jpeg(&flat(160, 120, Channels::Cmyk, pixel), |compressor| compressor.set_colorspace(Colorspace::CMYK).unwrap());
    let without = |file: &[u8]| {
        let start = place(file, 0xEE);
        [&file[..start], &file[start + 2 + 14..]].concat()
    };
    let is = |colour, tolerance| vec![Points(vec![(0.3, 0.3, colour, tolerance), (0.8, 0.9, colour, tolerance)])];
    let srgb = ColorProfile::new_srgb().encode().unwrap();
    let black = file(&[0, 0, 0, 0]);
    // every ink: the darkest of the profile is black
    let intent = |grid| profile(&black, &[(1, 1, &cmyk_profile(grid))]);
    vec![
        row("cmyk-plain", without(&file(&cyan.map(|value| 255 - value))), "96x64", is([0, 164, 234], 10)),
        row("cmyk-plain-inverted", without(&file(&cyan)), "96x64", is([0, 164, 234], 10)),
        row("cmyk-rgb-profile", profile(&file(&cyan), &[(1, 1, &srgb)]), "96x64", is([0, 164, 234], 10)),
        sized("cmyk-intent", intent(9), "64x0", (64, 48), is([0; 3], 8)),
        sized("cmyk-intent-2", intent(5), "64x0", (64, 48), is([0; 3], 8)),
    ]
}

fn sizes() -> Vec<Row> {
    let mut rows = vec![];
    for (width, height) in [(1, 1), (1, 7), (8, 1), (9, 9), (1, 1000), (3000, 1), (17, 2)] {
        for (kind, progressive) in [("base", false), ("prog", true)] {
            // across a side of one there is nothing to be cut wrongly
            let scene = gradient(width, height, Channels::Rgb);
            let file = jpeg(&scene, |compressor| {
                compressor.set_progressive(progressive).unwrap();
                compressor.set_subsamp(Subsamp::None).unwrap();
            });
            rows.push(row(format!("tiny-{width}x{height}-{kind}"), file, "30x20", vec![Shows(scene, if height == 2 { 90 } else { 30 })]));
        }
    }
    for (size, request, expected) in [((500, 399), "100x0", (100, 79)), ((1500, 735), "300x0", (300, 146))] {
        let scene = gradient(size.0, size.1, Channels::Rgb);
        let name = format!("rounding-{}x{}-{request}", size.0, size.1);
        rows.push(sized(name, jpeg(&scene, |_| ()), request, expected, vec![Shows(scene, 8)]));
    }
    rows
}

#[test]
fn jpegs_of_the_reports_are_pictures_or_say_why_not() {
    check([orientations(), segments(), ends(), channels(), profiles(), inks(), sizes()].into_iter().flatten().collect());
}

#[test]
fn jpegs_of_every_sampling_scan_and_restart_are_the_same_picture() {
    check([restarts(), samplings()].into_iter().flatten().collect());
}
