//! WebP: header → [`Probe`]; file → pixels and profile; pixels → file.
//!
//! Below `probe`, `plan` and `codec`; above the calls into libwebp, the count of tables, and the raster.

pub(crate) mod animation;
mod lib;
mod tables;

use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    header::{Container, Probe},
    orientation::Orientation,
    profile,
    raster::Raster,
};

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
    // alpha is encoded without loss, by hash chains over all pixels
    pixels * if has_alpha { 56 } else { 16 }
}

/// Pixels whose alpha each effort encodes in about a second, at up to 100 ns and 60 ns a pixel: libwebp calls no progress hook there.
const MOST_PIXELS: [(u8, u64); 2] = [(EFFORT, 5_000_000), (0, 12_500_000)];

/// Of 0 to 6. Against libwebp's own 4, seven photos at 720 pixels take 0.64 of the time for all of the work, 3.6 % more bytes, and lose 0.4
/// points of SSIMULACRA2.
const EFFORT: u8 = 2;

/// The effort that fits so many pixels.
pub(crate) fn effort(pixels: u64, has_alpha: bool) -> Result<u8, Error> {
    let fits = MOST_PIXELS.iter().find(|(_, most)| !has_alpha || pixels <= *most).map(|(effort, _)| *effort);
    fits.ok_or_else(|| {
        let most = MOST_PIXELS[1].1;
        Error::TooLarge(format!(
            "a WebP of {pixels} pixels with transparency, at most {most} are encoded: a smaller resolution or another output.format would do"
        ))
    })
}

/// Encodes lossily; gray becomes RGB, for the format has no gray.
pub(crate) fn encode(raster: Raster, quality: u8) -> Result<Vec<u8>, Error> {
    let has_alpha = raster.channels.has_alpha();
    let effort = effort(u64::from(raster.width) * u64::from(raster.height), has_alpha)?;
    let channels = if has_alpha { Channels::Rgba } else { Channels::Rgb };
    lib::encode(&raster.into_channels(channels)?, quality, effort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pictures_with_transparency_are_encoded_with_less_effort_or_refused() {
        for (pixels, has_alpha, expected) in [(5_000_000, true, 2), (5_000_001, true, 0), (12_500_000, true, 0), (25_000_000, false, 2)] {
            assert_eq!(effort(pixels, has_alpha), Ok(expected));
        }
        let refused = effort(12_500_001, true).unwrap_err();
        assert!(matches!(refused, Error::TooLarge(_)) && refused.to_string().contains("output.format"), "{refused}");
    }
}
