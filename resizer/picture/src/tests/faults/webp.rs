//! Still WebPs: orientation, profiles, chunks, alpha.

use super::{
    Alpha, Row, Shows, check,
    jpeg::{exif, swapped, swapping, turned},
    row,
};
use crate::{
    channels::Channels,
    raster::Raster,
    tests::drawing::{extended_webp, gradient, lossy_webp, riff_chunk},
};

fn scene() -> Raster {
    gradient(160, 120, Channels::Rgb)
}

/// The picture's chunks, without the header of an extended file.
fn pixels(raster: &Raster) -> Vec<u8> {
    let file = lossy_webp(raster);
    let extended = &file[12..16] == b"VP8X";
    file[if extended { 30 } else { 12 }..].to_vec()
}

fn rows() -> Vec<Row> {
    let scene = scene();
    let shows = |shown: &Raster| vec![Shows(shown.clone(), 10)];
    let mut rows = vec![row("webp-lossy", lossy_webp(&scene), "96x64", shows(&scene))];
    for orientation in 1..=8 {
        let stored = turned(&scene, orientation.into());
        let chunks = [pixels(&stored), riff_chunk(b"EXIF", &exif(orientation, 3))];
        let file = extended_webp(stored.width, stored.height, 0x08, &chunks);
        rows.push(row(format!("webp-exif-{orientation}"), file, "96x64", shows(&scene)));
    }
    let with = |flags, chunks: &[Vec<u8>]| extended_webp(160, 120, flags, chunks);
    let odd = [swapping(), vec![0; 1 - swapping().len() % 2]].concat();
    assert!(odd.len() % 2 == 1);
    // alpha grows from nothing to all, above noise
    let mut fading = gradient(160, 120, Channels::Rgba);
    for (index, pixel) in fading.pixels.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        pixel[3] = (index / 160 * 2).min(255) as u8;
    }
    let mut noise = fading.clone();
    for (index, pixel) in noise.pixels.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *pixel = if index < 160 * 40 { [(index * 91 % 256) as u8, (index * 57 % 256) as u8, 7, 0] } else { [9, 200, 90, 255] };
    }
    rows.push(row("webp-exif-no-flag", with(0, &[pixels(&scene), riff_chunk(b"EXIF", &exif(6, 3))]), "96x64", shows(&scene)));
    rows.push(row("webp-icc-odd", with(0x20, &[riff_chunk(b"ICCP", &odd), pixels(&scene)]), "96x64", shows(&swapped(&scene))));
    rows.push(row("webp-icc-garbage", with(0x20, &[riff_chunk(b"ICCP", &[5; 333]), pixels(&scene)]), "96x64", shows(&scene)));
    let unknown = riff_chunk(b"ABCD", &[1; 77]);
    rows.push(row("webp-unknown-chunk", with(0, &[unknown.clone(), pixels(&scene), unknown]), "96x64", shows(&scene)));
    rows.push(row("webp-alpha-lossy", lossy_webp(&fading), "96x64", shows(&fading)));
    rows.push(row("webp-alpha-noise-top", lossy_webp(&noise), "96x64", vec![Alpha(vec![(0.5, 0.02, 0), (0.5, 0.1, 0), (0.5, 0.9, 255)])]));
    rows
}

#[test]
fn webps_of_the_reports_are_pictures() {
    check(rows());
}
