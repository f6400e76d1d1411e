//! WebP: header → [`Probe`]; file → pixels and profile; pixels → file.
//!
//! Below `probe`, `plan` and `codec`; above the calls into libwebp, the planes, the count of tables, the palette, and the raster.

pub(crate) mod animation;
mod lib;
mod planes;
mod tables;

use resize_api::picture::Effort;

use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    header::{Container, Probe},
    orientation::Orientation,
    palette::{COLOURS, Palette},
    profile,
    raster::Raster,
};

use lib::Closeness;
use planes::Planes;

const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;
const PROFILE: u8 = 0x20;

/// Name and content of each RIFF chunk in `chunks`; the content of the last one may be cut off.
fn chunks(chunks: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = chunks;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_at_checked(8)?;
        let length = u32::from_le_bytes(head[4..].try_into().ok()?) as usize;
        let content = &after[..length.min(after.len())];
        rest = after.get(length.checked_add(length % 2)?..).unwrap_or_default();
        Some((&head[..4], content))
    })
}

fn chunk<'a>(source: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    chunks(source.get(12..)?).find(|chunk| chunk.0 == name).map(|chunk| chunk.1)
}

/// A chunk that counts only if the header says that it is there.
fn flagged<'a>(source: &'a [u8], flag: u8, name: &[u8]) -> Option<&'a [u8]> {
    let flags = *chunk(source, b"VP8X")?.first()?;
    if flags & flag == 0 { None } else { chunk(source, name) }
}

fn u24(bytes: &[u8]) -> u32 {
    bytes.iter().take(3).rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

/// Width and height of a bitstream, and whether it says that it has alpha.
fn bitstream_size(name: &[u8], content: &[u8]) -> Option<(u32, u32, bool)> {
    Some(match (name, content) {
        (b"VP8L", &[0x2F, b0, b1, b2, b3, ..]) => {
            let bits = u32::from_le_bytes([b0, b1, b2, b3]);
            ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1 == 1)
        }
        (b"VP8 ", &[_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..]) => {
            (u32::from(u16::from_le_bytes([w0, w1]) & 0x3FFF), u32::from(u16::from_le_bytes([h0, h1]) & 0x3FFF), false)
        }
        _ => return None,
    })
}

pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let damaged = || Error::Damaged("WebP without a header".into());
    let (name, content) = chunks(&source[12..]).next().ok_or_else(damaged)?;
    let (width, height, alpha) = match (name, content) {
        (b"VP8X", &[flags, _, _, _, ref size @ ..]) if size.len() >= 6 => (u24(size) + 1, u24(&size[3..]) + 1, flags & ALPHA != 0),
        (name, content) => bitstream_size(name, content).ok_or_else(damaged)?,
    };
    let orientation = flagged(source, EXIF, b"EXIF").map(|exif| Orientation::from_exif(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)));
    let profile = profile::length(flagged(source, PROFILE, b"ICCP").into_iter());
    let channels = if alpha { Channels::Rgba } else { Channels::Rgb };
    let working = match chunk(source, b"ANMF") {
        Some(_) => working_of_frames(source, (width, height), 1),
        None => working(source.get(12..).unwrap_or_default(), (width, height)),
    };
    Ok(Probe {
        container: Container::WebP,
        width,
        height,
        channels,
        orientation: orientation.unwrap_or_default(),
        working,
        profile,
        scaled: None,
        rows: false,
    })
}

/// What decoding the one picture in `content` takes beside its pixels: rows of a lossy one, and all of a lossless one, or of lossless
/// alpha, with its tables. Nothing, if it is larger than its `canvas`: then it is not decoded.
fn working(content: &[u8], canvas: (u32, u32)) -> u64 {
    let size = |(name, data): (&[u8], &[u8])| bitstream_size(name, data).map(|(width, height, _)| (width, height));
    let Some((width, height)) = chunks(content).find_map(size) else { return 0 };
    if width > canvas.0 || height > canvas.1 {
        return 0;
    }
    let pixels = u64::from(width) * u64::from(height);
    let lossless = |data: &[u8]| pixels * 5 + tables::tables(data, width, height);
    let of_chunk = |(name, data): (&[u8], &[u8])| match (name, data) {
        (b"VP8L", [_, _, _, _, _, data @ ..]) => lossless(data),
        (b"ALPH", [kind, data @ ..]) if kind & 3 == 1 => lossless(data),
        _ => 0,
    };
    // of several, libwebp takes the first
    chunks(content).take(MOST_CHUNKS).map(of_chunk).max().unwrap_or(0) + pixels + u64::from(width) * 128 + (1 << 20)
}

/// A picture has two: its alpha and itself. Unknown ones may stand between them.
const MOST_CHUNKS: usize = 16;

/// Bytes that libwebp keeps of each chunk of an animation, whether it knows it or not.
const CHUNK: u64 = 64;

/// What decoding any of the first `frames` of an animation takes beside its pixels.
pub(crate) fn working_of_frames(source: &[u8], canvas: (u32, u32), frames: u32) -> u64 {
    let all = || chunks(source.get(12..).unwrap_or_default());
    let frames = all().filter(|chunk| chunk.0 == b"ANMF").take(frames as usize);
    let largest = frames.map(|frame| working(frame.1.get(16..).unwrap_or_default(), canvas)).max().unwrap_or(0);
    largest + all().count() as u64 * CHUNK
}

/// An item for each frame of an animation.
pub(crate) fn frames(source: &[u8]) -> impl Iterator<Item = ()> {
    chunks(source.get(12..).unwrap_or_default()).filter(|chunk| chunk.0 == b"ANMF").map(drop)
}

/// The colour profile.
pub(crate) fn profile(source: &[u8]) -> Option<Vec<u8>> {
    profile::joined(flagged(source, PROFILE, b"ICCP").into_iter())
}

/// Pixels of the picture, or of an animation's first frame, and the colour profile. For `coarse` see [`lib::decode`].
pub(crate) fn decode(source: &[u8], probe: &Probe, coarse: bool, budget: &Budget) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let profile = profile(source);
    let Some(frame) = chunk(source, b"ANMF") else {
        let raster = lib::decode(source, (probe.width, probe.height), coarse, budget)?;
        return Ok((raster, profile));
    };
    let (head, data) = frame.split_at_checked(16).ok_or_else(|| Error::Damaged("WebP with a short frame".into()))?;
    let (left, top) = (u24(head) * 2, u24(&head[3..]) * 2);
    let (width, height) = (u24(&head[6..]) + 1, u24(&head[9..]) + 1);
    if left + width > probe.width || top + height > probe.height {
        return Err(Error::Damaged("WebP with a frame outside of its canvas".into()));
    }
    let picture = lib::decode(data, (width, height), coarse, budget)?;
    if (left, top, width, height) == (0, 0, probe.width, probe.height) {
        return Ok((picture, profile));
    }
    let mut canvas = Raster::new(budget, probe.width, probe.height, Channels::Rgba)?;
    canvas.draw(&picture.into_channels(Channels::Rgba)?, left, top);
    Ok((canvas, profile))
}

/// See [`encoding`](super::encoding).
pub(crate) fn encoding(pixels: u64, has_alpha: bool) -> u64 {
    let of_pixel = if has_alpha {
        // alpha is encoded without loss, by hash chains over all pixels
        56
    } else if is_scarce(pixels) {
        16
    } else {
        // what is to be coded: the most of noise in the best quality
        40
    };
    pixels * of_pixel
}

/// Whether so many pixels are encoded without holding all that is to be coded, which takes 29 bytes of a pixel at most, where 4 would do in 1.4 of the time.
fn is_scarce(pixels: u64) -> bool {
    pixels > 1_500_000
}

/// For transparent pictures: libwebp calls no progress hook while it encodes alpha. So many pixels of it each method encodes in less than
/// a second, at up to 270, 230, 140 and 75 ns a pixel; the slowest one takes 8 µs.
const MOST_PIXELS: [(u8, u64); 4] = [(5, 2_500_000), (4, 3_500_000), (FAST, 5_000_000), (0, 12_500_000)];

/// Half the time of [`BALANCED`], and 5 % more bytes at the same SSIMULACRA2.
const FAST: u8 = 2;

/// Libwebp's own.
const BALANCED: u8 = 4;

/// 2.4 times the time of [`BALANCED`], and 3 % fewer bytes at the same SSIMULACRA2.
const SMALL: u8 = 6;

/// The method for so many pixels, from 0, the fastest, to 6.
pub(crate) fn method(effort: Effort, pixels: u64, has_alpha: bool) -> Result<u8, Error> {
    let wanted = match effort {
        Effort::Fast => FAST,
        Effort::Balanced => BALANCED,
        Effort::Small => SMALL,
    };
    if !has_alpha {
        return Ok(wanted);
    }
    let fits = MOST_PIXELS.iter().find(|(method, most)| *method <= wanted && pixels <= *most).map(|(method, _)| *method);
    fits.ok_or_else(|| {
        let most = MOST_PIXELS[MOST_PIXELS.len() - 1].1;
        Error::TooLarge(format!(
            "a WebP of {pixels} pixels with transparency, at most {most} are encoded: a smaller resolution or another output.format would do"
        ))
    })
}

/// Encodes lossily, or a drawing without loss, or nearly, where that is smaller; gray becomes RGB, for the format has no gray.
pub(crate) fn encode(raster: Raster, quality: u8, effort: Effort) -> Result<Vec<u8>, Error> {
    let pixels = u64::from(raster.width) * u64::from(raster.height);
    let has_alpha = raster.channels.has_alpha();
    let method = method(effort, pixels, has_alpha)?;
    let raster = raster.into_channels(if has_alpha { Channels::Rgba } else { Channels::Rgb })?;
    let closeness = if is_scarce(pixels) { None } else { closeness(&raster)? };
    let lossless = closeness.map(|closeness| lib::encode_lossless(&raster, closeness)).transpose()?;
    let lossy = lib::encode(Planes::of(raster)?, quality, method, is_scarce(pixels))?;
    Ok(lossless.filter(|file| file.len() < lossy.len()).unwrap_or(lossy))
}

/// How close a drawing is to be encoded: exactly if it has as few colours as a palette. Of other pictures hardly any is smaller without
/// loss.
fn closeness(raster: &Raster) -> Result<Option<Closeness>, Error> {
    if !raster.is_drawn()? {
        return Ok(None);
    }
    Ok(Some(if Palette::of(raster, COLOURS)?.is_some() { Closeness::Exact } else { Closeness::Nearly }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::drawing::{flat, noisy};

    #[test]
    fn drawings_are_written_without_loss_where_that_is_smaller() {
        let lines = |channels: Channels, colours: u32| {
            let mut lines = flat(60, 40, channels, &[255; 4][..channels.count()]);
            for (number, pixel) in (0..).zip(lines.pixels.chunks_exact_mut(channels.count()).step_by(7)) {
                pixel[0] = u8::try_from(number % colours).unwrap();
            }
            lines
        };
        let is_lossless = |raster: Raster| encode(raster, 80, Effort::Balanced).unwrap()[12..].starts_with(b"VP8L");
        assert!(is_lossless(lines(Channels::Gray, 3)) && is_lossless(lines(Channels::Rgb, 200)));
        assert!(encode(lines(Channels::Rgba, 3), 80, Effort::Balanced).unwrap().windows(4).any(|name| name == b"VP8L"));
        assert!(!is_lossless(noisy(60, 40, Channels::Gray)) && !is_lossless(noisy(60, 40, Channels::Rgb)));
        assert_eq!(closeness(&lines(Channels::Rgb, 256)), Ok(Some(Closeness::Exact)));
        assert_eq!(closeness(&noisy(60, 40, Channels::Rgb)), Ok(None));
    }

    #[test]
    fn drawings_of_many_colours_are_written_at_most_4_levels_off_where_that_is_smaller() {
        let mut slope = flat(300, 200, Channels::Rgb, &[255; 3]);
        for (row, pixels) in slope.pixels.chunks_exact_mut(900).enumerate().filter(|(row, _)| row % 3 == 0) {
            for (at, pixel) in (0_u32..).zip(pixels[..390].chunks_exact_mut(3)) {
                pixel.copy_from_slice(&[u8::try_from(row).unwrap(), u8::try_from(at * 7 % 31 + at).unwrap(), 200]);
            }
        }
        assert_eq!(closeness(&slope), Ok(Some(Closeness::Nearly)));
        let file = encode(slope.clone(), 80, Effort::Balanced).unwrap();
        assert!(file[12..].starts_with(b"VP8L"));
        let decoded = lib::decode(&file, (300, 200), false, slope.budget()).unwrap();
        let off = |(written, meant): (&u8, &u8)| written.abs_diff(*meant);
        let most = decoded.pixels.iter().zip(slope.pixels.iter()).map(off).max();
        assert!(matches!(most, Some(1..=4)), "{most:?}");
    }

    #[test]
    fn large_pictures_with_transparency_are_encoded_with_less_effort_or_refused() {
        use Effort::{Balanced, Fast, Small};
        for (pixels, [fast, balanced, small]) in [
            (2_500_000, [2, 4, 5]),
            (2_500_001, [2, 4, 4]),
            (3_500_000, [2, 4, 4]),
            (3_500_001, [2, 2, 2]),
            (5_000_000, [2, 2, 2]),
            (5_000_001, [0, 0, 0]),
            (12_500_000, [0, 0, 0]),
        ] {
            for (effort, expected) in [(Fast, fast), (Balanced, balanced), (Small, small)] {
                assert_eq!(method(effort, pixels, true), Ok(expected), "{effort} {pixels}");
            }
        }
        assert_eq!([Fast, Balanced, Small].map(|effort| method(effort, 25_000_000, false)), [Ok(2), Ok(4), Ok(6)]);
        let refused = method(Fast, 12_500_001, true).unwrap_err();
        assert!(matches!(refused, Error::TooLarge(_)) && refused.to_string().contains("output.format"), "{refused}");
    }
}
