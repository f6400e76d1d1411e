//! GIF: header → [`Probe`]; file → pixels of the first frame; pixels → file.

pub(crate) mod animation;

use gif::{ColorOutput, DecodeOptions, DecodingError, Encoder, Frame, MemoryLimit};

use crate::{
    Error,
    budget::Budget,
    orientation::Orientation,
    probe::{Container, Probe},
    raster::{Channels, Raster},
};

/// From 1, the slowest search for a palette, to 30.
const PALETTE_SPEED: i32 = 10;

pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let &[_, _, _, _, _, _, w0, w1, h0, h1, ..] = source else {
        return Err(Error::Damaged("GIF without a header".into()));
    };
    let (width, height) = (u32::from(u16::from_le_bytes([w0, w1])), u32::from(u16::from_le_bytes([h0, h1])));
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
    })
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

/// The pixels of a frame, without its canvas.
pub(crate) fn picture(frame: &Frame, budget: &Budget) -> Result<Raster, Error> {
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    Raster::of(budget, (width, height), Channels::Rgba, frame.buffer.to_vec())
}

/// The first frame on its canvas.
pub(crate) fn decode(source: &[u8], probe: &Probe, budget: &Budget) -> Result<Raster, Error> {
    let mut decoder = options(probe).read_info(budget.watch(source)).map_err(failure)?;
    let frame = decoder.read_next_frame().map_err(failure)?.ok_or_else(|| Error::Damaged("GIF without a frame".into()))?;
    let picture = picture(frame, budget)?;
    if (frame.left, frame.top, picture.width, picture.height) == (0, 0, probe.width, probe.height) {
        return Ok(picture);
    }
    let mut canvas = Raster::new(budget, probe.width, probe.height, Channels::Rgba)?;
    canvas.draw(&picture, u32::from(frame.left), u32::from(frame.top));
    Ok(canvas)
}

pub(crate) fn write_failure(error: &dyn std::fmt::Display) -> Error {
    Error::Damaged(format!("cannot write GIF: {error}"))
}

pub(crate) fn side(side: u32) -> Result<u16, Error> {
    u16::try_from(side).map_err(|_| Error::TooLarge(format!("a side of {side} pixels")))
}

/// Makes half transparent pixels of RGBA one or the other.
pub(crate) fn harden(raster: &mut Raster) {
    for pixel in raster.pixels.as_chunks_mut::<4>().0 {
        *pixel = if pixel[3] < 128 { [0; 4] } else { [pixel[0], pixel[1], pixel[2], 255] };
    }
}

/// Indexed colours, with a palette of their own.
pub(crate) fn palette(raster: Raster) -> Result<Frame<'static>, Error> {
    let (width, height) = (side(raster.width)?, side(raster.height)?);
    Ok(if raster.channels.has_alpha() {
        let mut rgba = raster.into_channels(Channels::Rgba)?;
        harden(&mut rgba);
        Frame::from_rgba_speed(width, height, &mut rgba.pixels, PALETTE_SPEED)
    } else {
        Frame::from_rgb_speed(width, height, &raster.into_channels(Channels::Rgb)?.pixels, PALETTE_SPEED)
    })
}

/// Encodes a still picture.
pub(crate) fn encode(raster: Raster) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, side(raster.width)?, side(raster.height)?, &[]).map_err(|error| write_failure(&error))?;
    encoder.write_frame(&palette(raster)?).map_err(|error| write_failure(&error))?;
    drop(encoder);
    Ok(bytes)
}
