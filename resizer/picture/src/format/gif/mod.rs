//! GIF: header → [`Probe`]; file → pixels of the first frame; pixels → file.
//!
//! Below `probe`, `plan`, `codec` and the reader of animations; above the palette, the reader of essential parts, and the raster.

pub(crate) mod animation;
mod palette;

use std::io::Read;

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, DisposalMethod, Encoder, Frame, MemoryLimit};

pub(crate) use self::palette::encoding;
use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    format::{
        essential::Essential,
        gif::palette::{Indexed, Missing, side},
    },
    header::{Container, Probe},
    orientation::Orientation,
    raster::Raster,
};

/// Where a frame lies on the canvas.
#[derive(Clone, Copy)]
pub(crate) struct Area {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// The area of each frame of `source`, without decoding it.
pub(crate) fn frames(source: &[u8]) -> impl Iterator<Item = Area> {
    let mut at = part(source, 0).0;
    std::iter::from_fn(move || {
        loop {
            let block = source.get(at..)?;
            at = match block {
                [0x2C | 0x21, ..] => part(source, at).0,
                _ => return None,
            };
            if let [0x2C, l0, l1, t0, t1, w0, w1, h0, h1, _, ..] = *block {
                let [left, top, width, height] = [[l0, l1], [t0, t1], [w0, w1], [h0, h1]].map(|side| u32::from(u16::from_le_bytes(side)));
                return Some(Area { left, top, width, height });
            }
        }
    })
}

pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let &[_, _, _, _, _, _, w0, w1, h0, h1, ..] = source else {
        return Err(Error::Damaged("GIF without a header".into()));
    };
    let (mut width, mut height) = (u32::from(u16::from_le_bytes([w0, w1])), u32::from(u16::from_le_bytes([h0, h1])));
    if let Some(first) = frames(source).next() {
        // as in browsers: a canvas of no size is as large as needed, and one that is smaller than the first frame grows
        let grown = |canvas: u32, start: u32, length: u32| if canvas == 0 { start + length } else { canvas.max(length) };
        (width, height) = (grown(width, first.left, first.width), grown(height, first.top, first.height));
    }
    // the frame is decoded by itself before it is drawn on the canvas
    let working = u64::from(width) * u64::from(height) * 5 + (64 << 10);
    Ok(Probe {
        container: Container::Gif,
        width,
        height,
        channels: Channels::Rgba,
        orientation: Orientation::default(),
        working,
        profile: 0,
        scaled: None,
        rows: false,
    })
}

/// Bytes of a palette, if `flags` say that there is one.
fn palette_length(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// The header or a block, and whether it makes pixels or says how they play: see [`Essential`].
pub(crate) fn part(source: &[u8], at: usize) -> (usize, bool) {
    if at == 0 {
        return (13 + source.get(10).map_or(0, |&flags| palette_length(flags)), true);
    }
    let (mut end, matters) = match source.get(at..).unwrap_or_default() {
        [0x2C, ..] => (at + 11 + source.get(at + 9).map_or(0, |&flags| palette_length(flags)), true),
        [0x21, label, rest @ ..] => (at + 2, *label == 0xF9 || *label == 0xFF && rest.starts_with(b"\x0BNETSCAPE2.0")),
        // the trailer, or an unknown block, which the decoder judges
        _ => return (source.len(), true),
    };
    while let Some(&length @ 1..) = source.get(end) {
        end += 1 + usize::from(length);
    }
    (end + 1, matters)
}

pub(crate) fn failure(error: DecodingError) -> Error {
    match error {
        DecodingError::OutOfMemory | DecodingError::MemoryLimit => Error::TooLarge("GIF with a frame larger than its canvas".into()),
        error => Error::Damaged(format!("GIF: {error}")),
    }
}

/// How to decode a picture: to RGBA, within the memory that was admitted.
pub(crate) fn options(probe: &Probe) -> DecodeOptions {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    options.set_memory_limit(MemoryLimit::Bytes(probe.working.try_into().unwrap_or(std::num::NonZeroU64::MIN)));
    options
}

/// The rows of a frame in the order in which they are stored.
fn rows(height: usize, interlaced: bool) -> impl Iterator<Item = usize> {
    let passes: &[(usize, usize)] = if interlaced { &[(0, 8), (4, 8), (2, 4), (1, 2)] } else { &[(0, 1)] };
    passes.iter().flat_map(move |&(first, step)| (first..height).step_by(step))
}

/// The pixels of the frame that `decoder` has come to, without its canvas. What the frame does not fill is transparent.
fn picture<R: Read>(decoder: &mut Decoder<R>, frame: &Header, budget: &Budget) -> Result<Raster, Error> {
    let mut picture = Raster::new(budget, frame.area.width, frame.area.height, Channels::Rgba)?;
    let stride = picture.stride();
    for row in rows(frame.area.height as usize, frame.interlaced) {
        budget.go_on()?;
        let filled = stride == 0 || decoder.fill_buffer(&mut picture.pixels[row * stride..][..stride]).map_err(failure)?;
        if !filled {
            break;
        }
    }
    Ok(picture)
}

/// What comes before the pixels of a frame.
struct Header {
    area: Area,
    interlaced: bool,
    /// In hundredths of a second.
    delay: u16,
    dispose: DisposalMethod,
}

/// The next frame's header.
fn header<R: Read>(decoder: &mut Decoder<R>) -> Result<Option<Header>, Error> {
    let area =
        |frame: &Frame| Area { left: frame.left.into(), top: frame.top.into(), width: frame.width.into(), height: frame.height.into() };
    let header = |frame: &Frame| Header { area: area(frame), interlaced: frame.interlaced, delay: frame.delay, dispose: frame.dispose };
    Ok(decoder.next_frame_info().map_err(failure)?.map(header))
}

/// The first frame on its canvas.
pub(crate) fn decode(source: &[u8], probe: &Probe, budget: &Budget) -> Result<Raster, Error> {
    let mut decoder = options(probe).read_info(Essential::new(source, budget.stop(), part)).map_err(failure)?;
    let frame = header(&mut decoder)?.ok_or_else(|| Error::Damaged("GIF without a frame".into()))?;
    let picture = picture(&mut decoder, &frame, budget)?;
    let Area { left, top, width, height } = frame.area;
    if (left, top, width, height) == (0, 0, probe.width, probe.height) {
        return Ok(picture);
    }
    let mut canvas = Raster::new(budget, probe.width, probe.height, Channels::Rgba)?;
    canvas.draw(&picture, left, top);
    Ok(canvas)
}

pub(crate) fn write_failure(error: &dyn std::fmt::Display) -> Error {
    Error::Damaged(format!("cannot write GIF: {error}"))
}

/// Encodes a still picture.
pub(crate) fn encode(raster: Raster) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, side(raster.width)?, side(raster.height)?, &[]).map_err(|error| write_failure(&error))?;
    let indexed = Indexed::new(raster, Missing::Dithered)?;
    encoder.write_frame(&indexed.frame(indexed.height())).map_err(|error| write_failure(&error))?;
    drop(encoder);
    Ok(bytes)
}
