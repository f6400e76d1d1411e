//! BMPs: headers, depths, runs, ends.

use super::{Damaged, Either, Row, Shows, TooLarge, check, refused, row};
use crate::{
    channels::Channels,
    raster::Raster,
    tests::drawing::{gradient, png},
};

const COLOURS: [[u8; 3]; 4] = [[20, 30, 200], [40, 160, 70], [200, 40, 40], [250, 250, 250]];

/// A file: a header of a size, a depth, a compression, what follows the first 40 bytes of the header, and the pixels.
fn bmp((width, height): (u32, u32), size: u8, depth: u8, compression: u8, palette: &[u8], pixels: &[u8]) -> Vec<u8> {
    let mut header = vec![size, 0, 0, 0];
    if size == 12 {
        header.extend([&(width as u16).to_le_bytes()[..], &(height as u16).to_le_bytes(), &[1, 0, depth, 0]].concat());
    } else {
        let numbers = [width.to_le_bytes(), height.to_le_bytes()].concat();
        header.extend([&numbers[..], &[1, 0, depth, 0, compression, 0, 0, 0]].concat());
        header.resize(40, 0);
    }
    if size > 40 {
        // masks of red, green, blue and alpha
        header.extend([0x00FF_0000_u32, 0xFF00, 0xFF, 0xFF00_0000].map(u32::to_le_bytes).concat());
        header.resize(usize::from(size), 0);
    }
    let offset = 14 + header.len() as u32 + palette.len() as u32;
    let length = offset + pixels.len() as u32;
    [&b"BM"[..], &length.to_le_bytes(), &[0; 4], &offset.to_le_bytes(), &header, palette, pixels].concat()
}

/// Rows from the last on, each filled up to four bytes.
fn rows_of(raster: &Raster, pixel: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let row = |row: &[u8]| {
        let mut bytes: Vec<u8> = row.chunks(raster.channels.count()).flat_map(&pixel).collect();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    raster.pixels.chunks(raster.stride()).rev().flat_map(row).collect()
}

/// Columns of 40 pixels, each of one of so many colours, in so few bits.
fn columns(bits: u8, colours: usize) -> (Vec<u8>, Raster) {
    let index = |x: usize| x / 40 % colours;
    let pixels = (0..120).flat_map(|_| (0..160).flat_map(|x| COLOURS[index(x)])).collect();
    let pack = |part: &[usize]| part.iter().fold(0, |byte: u32, x| byte << bits | index(*x) as u32) as u8;
    let row: Vec<u8> = (0..160).collect::<Vec<_>>().chunks(8 / usize::from(bits)).map(pack).collect();
    let palette: Vec<u8> = COLOURS[..colours].iter().flat_map(|&[red, green, blue]| [blue, green, red, 0]).collect();
    // as many colours as the depth has
    let palette = [palette, vec![0; ((1 << bits) - colours) * 4]].concat();
    (bmp((160, 120), 40, bits, 0, &palette, &row.repeat(120)), Raster::test(160, 120, Channels::Rgb, pixels))
}

fn rows() -> Vec<Row> {
    let scene = gradient(160, 120, Channels::Rgb);
    let three = rows_of(&scene, |pixel| pixel.iter().rev().copied().collect());
    let four = |alpha: u8| rows_of(&scene, move |pixel| [pixel[2], pixel[1], pixel[0], alpha].to_vec());
    let plain = bmp((160, 120), 40, 24, 0, &[], &three);
    let mut no_size = plain.clone();
    no_size[2..6].fill(0);
    let mut rows: Vec<_> = [
        ("bmp-24", plain.clone()),
        ("bmp-24-core", bmp((160, 120), 12, 24, 0, &[], &three)),
        ("bmp-32-alpha-0", bmp((160, 120), 40, 32, 0, &[], &four(0))),
        ("bmp-32-v4", bmp((160, 120), 108, 32, 3, &[], &four(255))),
        ("bmp-32-v5", bmp((160, 120), 124, 32, 3, &[], &four(255))),
        ("bmp-size-0", no_size),
    ]
    .into_iter()
    .map(|(name, file)| row(name, file, "96x64", vec![Shows(scene.clone(), 8)]))
    .collect();
    for (bits, colours) in [(8, 4), (4, 4), (1, 2)] {
        let (file, shown) = columns(bits, colours);
        // edges lie in some of the cells
        rows.push(row(format!("bmp-{bits}"), file, "160x120", vec![Shows(shown, 3)]));
    }
    let mut large = plain[..54].to_vec();
    large[18..26].copy_from_slice(&[30_000_u32.to_le_bytes(), 30_000_u32.to_le_bytes()].concat());
    rows.push(refused("bmp-truncated", plain[..plain.len() / 3].to_vec(), "96x64", Damaged));
    rows.push(refused("bmp-bomb", large, "96x64", TooLarge));
    // three of the first colour, a step of 2 to the right and 1 up, and the end
    let runs = bmp((6, 4), 40, 8, 1, &[9; 1024], &[3, 0, 0, 2, 2, 1, 0, 1]);
    for (name, file) in [("bmp-rle8-delta", runs), ("bmp-png", bmp((160, 120), 40, 0, 5, &[], &png(&scene, |_| ())))] {
        rows.push(Row(name.into(), file, "96x64".into(), None, vec![Either]));
    }
    rows
}

#[test]
fn bmps_of_the_reports_are_pictures_or_say_why_not() {
    check(rows());
}
