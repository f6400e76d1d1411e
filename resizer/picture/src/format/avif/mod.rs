//! AVIF: header → [`Probe`]; file → pixels and profile; pixels → file.
//!
//! Read is a still picture: a key frame of AV1, or a grid of some, and alpha beside it. Of an animation that is its still picture, which
//! every writer makes of its first frame. The container is read here, since the parser on crates.io gives no turns, mirrors,
//! apertures, colours or grids; the frames are decoded by rav1d.
//!
//! Below `probe`, `plan` and `codec`; above the conversion of deep samples, the orientation and the raster.

mod av1;
mod bits;
mod boxes;
mod convert;
mod items;
mod matrix;
mod picture;
mod planes;
mod rav1d;
mod write;

pub(crate) use self::write::{encode, encoding, speed};

use self::{
    av1::{Colours, Header},
    convert::{Painter, divide_by_alpha},
    picture::{Canvas, Picture},
    rav1d::Frame,
};
use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    colour::deep::{Deep, Numbers},
    header::{Container, Probe},
    raster::Raster,
};

/// The most bytes of a profile that is made of numbers.
const NUMBERS: usize = 8 << 10;

/// Whether a file that begins like this says that it is one.
pub(crate) fn is_avif(head: &[u8]) -> bool {
    let Some((b"ftyp", brands)) = boxes::boxes(head).next() else { return false };
    let (brands, _) = brands.as_chunks::<4>();
    brands.iter().enumerate().any(|(index, brand)| index != 1 && matches!(brand, b"avif" | b"avis"))
}

pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let picture = Picture::read(source)?;
    let numbers = numbers(picture.colours);
    let (width, height) = (picture.window.width, picture.window.height);
    let working = picture.memory() + Deep::working(picture.colour.header.width);
    let profile = picture.profile.map_or(0, <[u8]>::len).max(if numbers.is_some() { NUMBERS } else { 0 });
    let channels = channels(&picture);
    Ok(Probe {
        container: Container::Avif,
        width,
        height,
        channels,
        orientation: picture.orientation,
        working,
        profile,
        scaled: None,
        rows: false,
    })
}

/// Colours that are not those of sRGB. Every tone curve of television is shown as that of sRGB, as browsers do it.
fn numbers(Colours { primaries, transfer, .. }: Colours) -> Option<Numbers> {
    let transfer = if matches!(transfer, 1 | 2 | 6 | 14 | 15) { 13 } else { transfer };
    if matches!((primaries, transfer), (1 | 2, 13)) {
        return None;
    }
    Numbers::read(&[u8::try_from(primaries).ok()?, u8::try_from(transfer).ok()?, 0, 1])
}

fn channels(picture: &Picture) -> Channels {
    let for_gray = picture.profile.is_none_or(|profile| profile.get(16..20) == Some(b"GRAY"));
    match (picture.colour.header.is_gray() && for_gray && numbers(picture.colours).is_none(), picture.alpha.is_some()) {
        (true, false) => Channels::Gray,
        (true, true) => Channels::GrayAlpha,
        (false, false) => Channels::Rgb,
        (false, true) => Channels::Rgba,
    }
}

/// Pixels of 8 bits, and the profile if they are not in sRGB yet.
pub(crate) fn decode(source: &[u8], budget: &Budget) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let picture = Picture::read(source)?;
    let (window, channels) = (picture.window, channels(&picture));
    budget.admit((window.width, window.height), channels)?;
    let numbers = numbers(picture.colours);
    let hdr = numbers.filter(|numbers| numbers.is_hdr());
    let profile = || picture.profile.map(<[u8]>::to_vec).or_else(|| numbers?.to_icc());
    let profile = if hdr.is_some() { None } else { profile() };
    let painted = if channels.count() < 3 { Channels::Gray } else { Channels::Rgb };
    let header = &picture.colour.header;
    let by_profile = || Deep::by_profile(painted, profile.as_deref().filter(|_| header.depth > 8)?);
    let deep = hdr.and_then(|numbers| Deep::hdr(painted, numbers)).or_else(by_profile);
    let is_converted = deep.is_some();
    let mut raster = Raster::new(budget, window.width, window.height, channels)?;
    paint(&picture, &picture.colour, Painter::of_colours(header, picture.colours, deep)?, &mut raster, 0)?;
    if let Some(alpha) = &picture.alpha {
        paint(&picture, alpha, Painter::of_alpha(&alpha.header)?, &mut raster, channels.count() - 1)?;
    }
    if picture.is_premultiplied {
        divide_by_alpha(&mut raster)?;
    }
    Ok((raster, profile.filter(|_| !is_converted)))
}

/// Decodes the frames of a canvas, one after the other, into the channels from `first` on.
fn paint(picture: &Picture, canvas: &Canvas, mut painter: Painter, into: &mut Raster, first: usize) -> Result<(), Error> {
    let mut corner = (0, 0);
    for row in canvas.frames.chunks(canvas.columns as usize) {
        for &item in row {
            into.budget().go_on()?;
            let frame = frame(&picture.items.data(item)?.whole(), &canvas.header)?;
            painter.draw(&frame, corner, picture.window, into, first)?;
            corner.0 += canvas.header.width;
        }
        corner = (0, corner.1 + canvas.header.height);
    }
    Ok(())
}

/// One frame, if it takes no more than what was planned for it.
fn frame(data: &[u8], planned: &Header) -> Result<Frame, Error> {
    let header = Header::read(data)?;
    if !planned.covers(&header) {
        return Err(Error::Damaged("AVIF of parts that differ".into()));
    }
    Frame::decode(av1::stream(data)?, header)
}
