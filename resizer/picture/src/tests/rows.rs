//! Pictures that are scaled while they are read: PNGs, and TIFFs in strips.

use std::borrow::Cow;

use moxcms::ColorProfile;

use super::{
    drawing::{noisy, png, png_of, request},
    tiff::Tiff,
};
use crate::{Error, Stop, channels::Channels, execute, plan};

/// A TIFF in strips of so many rows.
fn strips(rows: usize, channels: Channels) -> Vec<u8> {
    let picture = noisy(150, 130, channels);
    let photometric = if channels == Channels::Gray { 0 } else { 2 };
    let mut tiff = Tiff::new((150, 130), photometric, 8, channels.count() as u64, vec![]).with(278, &[rows as u64]);
    tiff.chunks = picture.pixels.chunks(picture.stride() * rows).map(<[u8]>::to_vec).collect();
    // alpha by which colours are multiplied
    let tiff = if channels == Channels::Rgba { tiff.with(338, &[1]) } else { tiff };
    tiff.bytes()
}

/// Files of every kind that is read row by row.
fn sources() -> Vec<(&'static str, Vec<u8>)> {
    let picture = |channels| noisy(150, 130, channels);
    let wide = |profile: Option<Vec<u8>>| {
        let mut info = png::Info::with_size(75, 130);
        (info.color_type, info.bit_depth) = (png::ColorType::Rgba, png::BitDepth::Sixteen);
        info.icc_profile = profile.map(Cow::Owned);
        png_of(info, &picture(Channels::Rgba).pixels[..75 * 130 * 8])
    };
    let mut indexed = png::Info::with_size(150, 130);
    (indexed.color_type, indexed.bit_depth) = (png::ColorType::Indexed, png::BitDepth::Eight);
    indexed.palette = Some(Cow::Owned((0..=255).flat_map(|value| [value, 255 - value, 90]).collect()));
    let display_p3 = ColorProfile::new_display_p3().encode().unwrap();
    vec![
        ("gray", png(&picture(Channels::Gray), |_| ())),
        ("gray with alpha", png(&picture(Channels::GrayAlpha), |_| ())),
        ("colours", png(&picture(Channels::Rgb), |_| ())),
        ("colours with alpha", png(&picture(Channels::Rgba), |_| ())),
        ("indexed", png_of(indexed, &picture(Channels::Gray).pixels)),
        ("16 bits", wide(None)),
        ("16 bits and a profile", wide(Some(display_p3))),
        ("one strip", strips(130, Channels::Rgb)),
        ("strips of multiplied alpha", strips(7, Channels::Rgba)),
        ("strips of inverted gray", strips(64, Channels::Gray)),
    ]
}

#[test]
fn they_are_as_if_they_were_read_before() {
    for (name, source) in sources() {
        let plan = plan(&source, &request(60, 50)).unwrap();
        assert!(plan.rows, "{name}");
        let mut whole = plan.clone();
        (whole.rows, whole.memory) = (false, plan.memory() + 150 * 130 * 4);
        let [rows, whole] = [plan, whole].map(|plan| execute(&source, &plan, &Stop::new()).unwrap().bytes);
        assert_eq!(rows, whole, "{name}");
    }
}

#[test]
fn they_are_broken_where_the_file_is_also_below_what_is_scaled() {
    let file = png(&noisy(60, 600, Channels::Rgb), |_| ());
    // of which the middle tenth is wanted
    let plan = plan(&file, &request(30, 30)).unwrap();
    let made = |length| execute(&file[..length], &plan, &Stop::new());
    assert!(plan.rows && made(file.len()).is_ok());
    assert!(matches!(made(file.len() * 9 / 10), Err(Error::Damaged(_))));
}

#[test]
fn they_take_no_memory_for_all_of_their_pixels() {
    let head = |interlaced: u8| {
        let size = [4000_u32, 3000].map(u32::to_be_bytes).concat();
        [&b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR"[..], &size, &[8, 6, 0, 0, interlaced, 0, 0, 0, 0]].concat()
    };
    let planned = |interlaced, (width, height)| plan(&head(interlaced), &request(width, height)).unwrap().memory() >> 20;
    for (size, rows, whole) in [((300, 300), 6, 52), ((1200, 800), 30, 76)] {
        assert_eq!((planned(0, size), planned(1, size)), (rows, whole), "{size:?}");
    }
}
