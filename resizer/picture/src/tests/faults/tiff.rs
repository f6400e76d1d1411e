//! TIFFs: byte orders, depths, compressions, tiles, planes, inks, alpha, orientation.

use fax::{BitWriter, VecWriter, maps};
use turbojpeg::{Colorspace, Subsamp};

use super::{
    Damaged, Points, Row, Shows, Unsupported, check,
    jpeg::{swapped, swapping, turned},
    refused, row, sized,
};
use crate::{
    channels::Channels,
    raster::Raster,
    tests::{
        drawing::{flat, gradient, jpeg},
        tiff::{Tiff, deflate, differences, fax_row, lzw, of, packbits},
    },
};

fn scene() -> Raster {
    gradient(160, 120, Channels::Rgb)
}

fn wide(raster: &Raster, photometric: u64) -> Tiff {
    let samples = raster.channels.count() as u64;
    Tiff::new((160, 120), photometric, 16, samples, raster.pixels.iter().flat_map(|&value| [value, value]).collect())
}

fn kinds() -> Vec<Row> {
    let (scene, gray) = (scene(), gradient(160, 120, Channels::Gray));
    let plain = of(&scene, 2);
    let strips = scene.pixels.chunks(480 * 7).map(<[u8]>::to_vec).collect();
    let predicted = |row: &[u8]| differences(row, 3);
    let predictor = |data: &[u8]| lzw(&data.chunks(480).flat_map(predicted).collect::<Vec<u8>>());
    let palette = (0..3).flat_map(|_| (0..256_u64).map(|index| (255 - index) * 257)).collect::<Vec<_>>();
    let negative = Raster::test(160, 120, Channels::Gray, gray.pixels.iter().map(|value| 255 - value).collect());
    let mut indexed = of(&gray, 3).with(320, &palette);
    indexed.little = true;
    let mut rows = vec![];
    for (name, file, shown) in [
        ("tiff-big-endian", Tiff { little: false, ..plain.clone() }, &scene),
        ("tiff-bigtiff", Tiff { big: true, ..plain.clone() }, &scene),
        ("tiff-16", wide(&scene, 2), &scene),
        ("tiff-16-be", Tiff { little: false, ..wide(&scene, 2) }, &scene),
        ("tiff-lzw", plain.clone().compressed(5, lzw), &scene),
        ("tiff-deflate", plain.clone().compressed(8, deflate), &scene),
        ("tiff-packbits", plain.clone().compressed(32_773, packbits), &scene),
        ("tiff-lzw-predictor", plain.clone().compressed(5, predictor).with(317, &[2]), &scene),
        ("tiff-gray", of(&gray, 1), &gray),
        ("tiff-white-is-zero", of(&gray, 0), &negative),
        ("tiff-gray-16", wide(&gray, 1), &gray),
        ("tiff-palette", indexed, &negative),
        ("tiff-rowsperstrip", Tiff { chunks: strips, ..plain.clone() }.with(278, &[7]), &scene),
        ("tiff-icc", plain.clone().with_bytes(34_675, &swapping()), &swapped(&scene)),
    ] {
        rows.push(row(name, file.bytes(), "96x64", vec![Shows(shown.clone(), 10)]));
    }
    for orientation in 1..=8 {
        let file = of(&turned(&scene, orientation), 2).with(274, &[orientation.into()]);
        rows.push(row(format!("tiff-orientation-{orientation}"), file.bytes(), "96x64", vec![Shows(scene.clone(), 8)]));
    }
    rows.push(row(
        "tiff-1x1",
        of(&flat(1, 1, Channels::Rgb, &[9, 99, 200]), 2).bytes(),
        "96x64",
        vec![Points(vec![(0.5, 0.5, [9, 99, 200], 2)])],
    ));
    // the larger part of the profile lies where the pixels have long ended
    let (small, large) = (gradient(16, 16, Channels::Rgb), [swapping(), vec![0; 4000]].concat());
    let file = of(&small, 2).with_bytes(34_675, &large);
    rows.push(sized("tiff-icc-larger", file.bytes(), "16x0", (16, 16), vec![Shows(swapped(&small), 12)]));
    rows
}

/// Tiles of 64 by 64, of all samples or of one.
fn tiles(raster: &Raster, plane: Option<usize>) -> Vec<Vec<u8>> {
    let places = (0..120).step_by(64).flat_map(|top| (0..160).step_by(64).map(move |left| (left, top)));
    let pixel = |x: usize, y: usize| &raster.pixels[(y.min(119) * 160 + x.min(159)) * 3..][..3];
    let tile = |(left, top): (usize, usize)| {
        let places = (top..top + 64).flat_map(move |y| (left..left + 64).map(move |x| (x, y)));
        places.flat_map(|(x, y)| plane.map_or_else(|| pixel(x, y).to_vec(), |plane| vec![pixel(x, y)[plane]])).collect()
    };
    places.map(tile).collect()
}

fn layouts() -> Vec<Row> {
    let scene = scene();
    let tiled = of(&scene, 2).with(322, &[64]).with(323, &[64]);
    let inner = |tile: Vec<u8>| {
        jpeg(&Raster::test(64, 64, Channels::Rgb, tile), |compressor| {
            compressor.set_colorspace(Colorspace::RGB).unwrap();
            compressor.set_subsamp(Subsamp::None).unwrap();
        })
    };
    let planes = (0..3).map(|plane| scene.pixels.iter().skip(plane).step_by(3).copied().collect::<Vec<u8>>());
    let planar = Tiff { chunks: planes.map(|plane| lzw(&plane)).collect(), ..of(&scene, 2).with(284, &[2]) }.with(259, &[5]);
    // as libtiff does it: luma and differences, whose tables are shared by the strips
    let whole = jpeg(&scene, |compressor| compressor.set_subsamp(Subsamp::Sub2x2).unwrap());
    let place = |marker: u8| whole.windows(2).position(|pair| pair == [0xFF, marker]).unwrap();
    let (tables, frame) = (place(0xDB), place(0xC0));
    let shared = [&[0xFF, 0xD8], &whole[tables..frame], &[0xFF, 0xD9]].concat();
    let cut = [&[0xFF, 0xD8], &whole[frame..]].concat();
    let of_jpeg = of(&scene, 6).with(259, &[7]).with(530, &[2, 2]);
    [
        ("tiff-tiled", Tiff { chunks: tiles(&scene, None), ..tiled.clone() }),
        ("tiff-tiled-jpeg", Tiff { chunks: tiles(&scene, None).into_iter().map(inner).collect(), ..tiled }.with(259, &[7])),
        ("tiff-planar-lzw", planar),
        ("tiff-jpeg", Tiff { chunks: vec![whole.clone()], ..of_jpeg.clone() }),
        ("tiff-jpeg-pillow", Tiff { chunks: vec![cut], ..of_jpeg }.with_bytes(347, &shared)),
    ]
    .into_iter()
    .map(|(name, file)| row(name, file.bytes(), "96x64", vec![Shows(scene.clone(), 10)]))
    .collect()
}

fn samples() -> Vec<Row> {
    let cyan = flat(160, 120, Channels::Cmyk, &[255, 0, 0, 0]);
    let fading = {
        let mut fading = gradient(160, 120, Channels::Rgba);
        fading.pixels.as_chunks_mut::<4>().0.iter_mut().enumerate().for_each(|(index, pixel)| pixel[3] = (index / 160 + 100) as u8);
        fading
    };
    let times = |&[red, green, blue, alpha]: &[u8; 4]| {
        let [red, green, blue] = [red, green, blue].map(|value| ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8);
        [red, green, blue, alpha]
    };
    let associated = |raster: &Raster| of(&raster.map(Channels::Rgba, times).unwrap(), 2).with(338, &[1]);
    let is = |colour, tolerance| vec![Points(vec![(0.5, 0.5, colour, tolerance), (0.2, 0.9, colour, tolerance)])];
    let red = flat(16, 16, Channels::Rgba, &[199, 0, 0, 128]);
    let extra = gradient(16, 16, Channels::Rgba);
    let predictor = |data: &[u8]| lzw(&data.chunks(64).flat_map(|row| differences(row, 4)).collect::<Vec<u8>>());
    let opaque = extra.clone().into_channels(Channels::Rgb).unwrap();
    // white and black columns of 40 pixels each
    let mut codes = VecWriter::new();
    for _ in 0..120 {
        codes.write(maps::EOL).unwrap();
        fax_row(&mut codes, &[40, 40, 40, 40]);
    }
    let fax = Tiff::new((160, 120), 0, 1, 1, codes.finish()).with(259, &[3]);
    let columns = [(0.1, 255), (0.4, 0), (0.65, 255), (0.95, 0)].map(|(x, value)| (x, 0.5, [value; 3], 14)).to_vec();
    let all = |bits: u64, sample: u64| Tiff::new((160, 120), 1, bits, 1, vec![40; 160 * 120 * bits as usize / 8]).with(339, &[sample]);
    let lab = of(&scene(), 8);
    let cut = of(&scene(), 2).bytes();
    let mut rows = vec![
        row("tiff-bilevel-group3", fax.bytes(), "96x64", vec![Points(columns)]),
        row("tiff-cmyk", of(&cyan, 5).bytes(), "96x64", is([0, 164, 234], 10)),
        row("tiff-cmyk-lzw", of(&cyan, 5).compressed(5, lzw).bytes(), "96x64", is([0, 164, 234], 10)),
        row("tiff-alpha", of(&fading, 2).bytes(), "96x64", vec![Shows(fading.clone(), 8)]),
        row("tiff-assoc-alpha", associated(&fading).bytes(), "96x64", vec![Shows(fading.clone(), 10)]),
        sized("tiff-alpha-associated", associated(&red).bytes(), "16x0", (16, 16), is([227, 127, 127], 6)),
        sized(
            "tiff-extra-predictor",
            of(&extra, 2).with(338, &[0]).compressed(5, predictor).with(317, &[2]).bytes(),
            "16x0",
            (16, 16),
            vec![Shows(opaque, 10)],
        ),
        // the directory stands behind the pixels
        refused("tiff-truncated", cut[..cut.len() / 2].to_vec(), "96x64", Damaged),
    ];
    rows.push(row("tiff-32", all(32, 1).bytes(), "96x64", is([40; 3], 1)));
    for (name, file) in [("tiff-signed", all(8, 2)), ("tiff-lab", lab)] {
        rows.push(refused(name, file.bytes(), "96x64", Unsupported));
    }
    rows
}

#[test]
fn tiffs_of_the_reports_are_pictures_or_say_why_not() {
    check([kinds(), layouts(), samples()].into_iter().flatten().collect());
}
