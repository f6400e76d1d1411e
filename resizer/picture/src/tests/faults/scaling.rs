//! How pictures are made smaller and larger: brightness, lines beside edges, extreme shapes, exact halves.

use super::{Dark, Points, Row, TooLarge, check, refused, row, sized};
use crate::{
    channels::Channels,
    raster::Raster,
    tests::drawing::{gradient, lossless_webp, noisy, png},
};

fn gray(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Raster {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    Raster::test(width, height, Channels::Gray, places.map(|(x, y)| value(x, y)).collect())
}

fn light() -> Vec<Row> {
    let board = |side| png(&gray(side, side, |x, y| if (x + y).is_multiple_of(2) { 0 } else { 255 }), |_| ());
    let step = |width: u32, height| png(&gray(width, height, |x, _| if x < width / 2 { 0 } else { 255 }), |_| ());
    let half = || vec![Points(vec![(0.5, 0.5, [188; 3], 8), (0.1, 0.8, [188; 3], 8)])];
    vec![
        row("checkerboard", board(512), "32x32", half()),
        row("checkerboard-larger", board(640), "32x32", half()),
        sized("enlarge-ghost", step(10, 10), "100x0", (100, 100), vec![Dark(0.45, 20)]),
        sized("reduce-ghost", step(1000, 200), "100x0", (100, 20), vec![Dark(0.495, 20)]),
    ]
}

fn shapes() -> Vec<Row> {
    let file = |width, height| png(&gradient(width, height, Channels::Rgb), |_| ());
    vec![
        sized("extreme-180x4-25x0", file(180, 4), "25x0", (25, 1), vec![]),
        sized("extreme-900x1-100x0", file(900, 1), "100x0", (100, 1), vec![]),
        sized("extreme-1x512-0x256", file(1, 512), "0x256", (1, 256), vec![]),
        row("extreme-10000x1-300x300", file(10_000, 1), "300x300", vec![]),
        row("extreme-1x10000-300x300", file(1, 10_000), "300x300", vec![]),
        row("extreme-10000x3-1x1", file(10_000, 3), "1x1", vec![]),
        row("extreme-5x5-1x1", file(5, 5), "1x1", vec![]),
        row("extreme-1x1-3000x2000", file(1, 1), "3000x2000", vec![]),
        sized("extreme-500x399-100x0", file(500, 399), "100x0", (100, 80), vec![]),
        sized("extreme-inside", file(180, 4), "25x25 RESIZE_FIT=inside", (25, 1), vec![]),
        refused("extreme-outside", file(10_000, 1), "300x300 RESIZE_FIT=outside", TooLarge),
    ]
}

fn halves() -> Vec<Row> {
    // 73.5 rows
    let webp = lossless_webp(&noisy(640, 480, Channels::Rgba));
    vec![sized("webp-tie", webp, "98x0", (98, 73), vec![])]
}

#[test]
fn pictures_of_the_reports_are_as_light_and_as_large_as_they_should_be() {
    check([light(), shapes(), halves()].into_iter().flatten().collect());
}
