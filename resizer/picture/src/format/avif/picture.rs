//! Items → the picture that they make: its frames of colours and of alpha, and how it is shown.
//!
//! Below the [format](super) itself; above the items and the headers of their bitstreams.

use super::{
    av1::{Colours, HEADERS, Header, Layout},
    boxes::Reader,
    items::Items,
};
use crate::{Error, orientation::Orientation, profile::LARGEST};

/// Properties that are known here, or say nothing about pixels.
const KNOWN: [&[u8; 4]; 14] =
    [b"av1C", b"auxC", b"clap", b"clli", b"colr", b"imir", b"irot", b"ispe", b"mdcv", b"pasp", b"pixi", b"amve", b"cclv", b"reve"];

/// Most pixels and bytes of a frame, which is decoded in one go: so many take about a second of one core.
const MOST_PIXELS: u64 = 50_000_000;
const MOST_BYTES: usize = 12 << 20;

/// Most frames in a grid.
const MOST_FRAMES: u32 = 1024;

pub(super) struct Picture<'a> {
    pub(super) items: Items<'a>,
    pub(super) colour: Canvas,
    pub(super) alpha: Option<Canvas>,
    /// The colours hold as much light as alpha leaves of them.
    pub(super) is_premultiplied: bool,
    /// What is seen of the canvas.
    pub(super) window: Window,
    pub(super) orientation: Orientation,
    /// Of the file, or else of the bitstream.
    pub(super) colours: Colours,
    pub(super) profile: Option<&'a [u8]>,
}

/// One frame, or a grid of some that are alike.
pub(super) struct Canvas {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) columns: u32,
    /// Row by row.
    pub(super) frames: Vec<u32>,
    /// Of each frame.
    pub(super) header: Header,
    /// Bytes of the data of the longest frame, in one piece and before.
    pub(super) data: usize,
}

/// A part of a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("AVIF {what}"))
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("AVIF {what}"))
}

impl<'a> Picture<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, Error> {
        let items = Items::read(file)?;
        let primary = items.primary;
        let colour = Canvas::read(&items, primary)?;
        let alpha_of = |item| items.references(*b"auxl").find(|&(from, to)| to == item && is_alpha(&items, from)).map(|(from, _)| from);
        let alpha_item = alpha_of(primary);
        let alpha = match alpha_item {
            Some(item) => Some(Canvas::read(&items, item)?),
            // of each frame of a grid
            None => {
                colour.frames.iter().copied().map(alpha_of).collect::<Option<_>>().map(|frames| colour.over(&items, frames)).transpose()?
            }
        };
        if alpha.as_ref().is_some_and(|alpha| (alpha.width, alpha.height) != (colour.width, colour.height)) {
            return Err(damaged("whose alpha has another size"));
        }
        let is_premultiplied = items.references(*b"prem").any(|(from, to)| from == primary && Some(to) == alpha_item);
        let (numbers, profile) = colours(&items, primary);
        Ok(Self {
            is_premultiplied,
            window: window(&items, &colour),
            orientation: orientation(&items, primary),
            colours: numbers.unwrap_or(colour.header.colours),
            profile,
            items,
            colour,
            alpha,
        })
    }

    /// Bytes that decoding takes beside the pixels that come out.
    pub(super) fn memory(&self) -> u64 {
        let canvas = |canvas: &Canvas| canvas.header.memory() + canvas.data as u64 + u64::from(canvas.header.width) * 16;
        canvas(&self.colour).max(self.alpha.as_ref().map_or(0, canvas))
    }
}

impl Canvas {
    fn read(items: &Items, item: u32) -> Result<Self, Error> {
        if let Some(unknown) = items.properties(item).find(|property| property.is_essential && !KNOWN.contains(&property.name)) {
            return Err(unsupported(&format!("that needs what {:?} says", unknown.name.escape_ascii().to_string())));
        }
        let (size, columns, frames) = match items.kind(item).as_ref() {
            Some(b"av01") => (None, 1, vec![item]),
            Some(b"grid") => grid(items, item)?,
            Some(kind) => return Err(unsupported(&format!("whose picture is of kind {:?}", kind.escape_ascii().to_string()))),
            None => return Err(damaged("without its picture")),
        };
        let canvas = Self::of_frames(items, size, columns, frames)?;
        if size_said(items, item).is_some_and(|said| said != (canvas.width, canvas.height)) {
            return Err(damaged("of another size than it says"));
        }
        Ok(canvas)
    }

    /// Of other frames in the same places.
    fn over(&self, items: &Items, frames: Vec<u32>) -> Result<Self, Error> {
        Self::of_frames(items, Some((self.width, self.height)), self.columns, frames)
    }

    fn of_frames(items: &Items, size: Option<(u32, u32)>, columns: u32, frames: Vec<u32>) -> Result<Self, Error> {
        let header = Header::read(&items.data(frames[0])?.start(HEADERS))?;
        let (width, height) = size.unwrap_or((header.width, header.height));
        let rows = u32::try_from(frames.len()).unwrap_or(u32::MAX) / columns;
        let fits = |whole: u32, frame: u32, count: u32| {
            let (frame, count) = (u64::from(frame), u64::from(count));
            (frame * (count - 1) + 1..=frame * count).contains(&u64::from(whole))
        };
        if !fits(width, header.width, columns) || !fits(height, header.height, rows) {
            return Err(damaged("of a grid that is not filled"));
        }
        let data = frames.iter().try_fold(0, |most: usize, &frame| {
            let data = items.data(frame)?;
            Ok(most.max(data.length() + data.joining()))
        })?;
        let pixels = u64::from(header.width) * u64::from(header.height);
        if pixels > MOST_PIXELS || data > MOST_BYTES {
            let most = format!("at most {MOST_PIXELS} of {MOST_BYTES} are decoded in one go");
            return Err(Error::TooLarge(format!("an AVIF with a frame of {pixels} pixels of {data} bytes, {most}")));
        }
        Ok(Self { width, height, columns, frames, header, data })
    }
}

/// Size, columns and frames of a grid.
type Grid = (Option<(u32, u32)>, u32, Vec<u32>);

fn grid(items: &Items, item: u32) -> Result<Grid, Error> {
    let data = items.data(item)?.start(12);
    let read = || {
        let mut data = Reader(&data);
        let [0, flags, rows, columns] = *data.array()? else { return None };
        let mut side = || data.short_or_long(flags & 1 == 1);
        Some((side()?, side()?, u32::from(columns) + 1, u32::from(rows) + 1))
    };
    let (width, height, columns, rows) = read().ok_or_else(|| damaged("of a grid without its size"))?;
    if columns * rows > MOST_FRAMES {
        return Err(unsupported(&format!("of {columns} by {rows} parts, at most {MOST_FRAMES} are read")));
    }
    let frames: Vec<u32> =
        items.references(*b"dimg").filter(|&(from, _)| from == item).map(|(_, to)| to).take(1 + MOST_FRAMES as usize).collect();
    if frames.len() != (columns * rows) as usize || frames.iter().any(|&frame| items.kind(frame).as_ref() != Some(b"av01")) {
        return Err(damaged("of a grid without its parts"));
    }
    Ok((Some((width, height)), columns, frames))
}

fn is_alpha(items: &Items, item: u32) -> bool {
    let kind = items.property(item, *b"auxC").and_then(|content| content.get(4..)).unwrap_or_default();
    [&b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"[..], b"urn:mpeg:hevc:2015:auxid:1"]
        .iter()
        .any(|name| kind.strip_prefix(*name).is_some_and(|rest| matches!(rest, [] | [0, ..])))
}

fn size_said(items: &Items, item: u32) -> Option<(u32, u32)> {
    let mut content = Reader(items.property(item, *b"ispe")?);
    content.version()?;
    Some((content.u32()?, content.u32()?))
}

/// Numbers and profile; a profile that is too large counts as none.
fn colours<'a>(items: &Items<'a>, item: u32) -> (Option<Colours>, Option<&'a [u8]>) {
    let (mut numbers, mut profile) = (None, None);
    for property in items.properties(item).filter(|property| property.name == b"colr") {
        match property.content {
            [b'n', b'c', b'l', b'x', p1, p0, t1, t0, m1, m0, range, ..] => {
                let number = |high: &u8, low: &u8| u16::from_be_bytes([*high, *low]);
                let (primaries, transfer, matrix) = (number(p1, p0), number(t1, t0), number(m1, m0));
                numbers = numbers.or(Some(Colours { primaries, transfer, matrix, full_range: range & 0x80 != 0 }));
            }
            [b'p', b'r', b'o', b'f', icc @ ..] | [b'r', b'I', b'C', b'C', icc @ ..] if (1..=LARGEST).contains(&icc.len()) => {
                profile = profile.or(Some(icc));
            }
            _ => {}
        }
    }
    (numbers, profile)
}

/// By quarters of a turn, counterclockwise, and then by a mirror.
fn orientation(items: &Items, item: u32) -> Orientation {
    let first = |name| items.property(item, name).and_then(|content| content.first().copied());
    let mirror = first(*b"imir").map(|axis| axis & 1 == 1);
    Orientation::turned(first(*b"irot").unwrap_or_default() & 3, mirror == Some(true), mirror == Some(false))
}

/// The clean aperture, if it lies within the canvas; otherwise all of it.
fn window(items: &Items, canvas: &Canvas) -> Window {
    let whole = Window { left: 0, top: 0, width: canvas.width, height: canvas.height };
    let part = |content: &[u8]| {
        let mut content = Reader(content);
        let mut fraction = || {
            let (above, below) = (content.u32()?.cast_signed(), content.u32()?.cast_signed());
            (below > 0).then_some((i64::from(above), i64::from(below)))
        };
        let (width, height, x, y) = (fraction()?, fraction()?, fraction()?, fraction()?);
        let (width, left) = aperture(canvas.width, width, x)?;
        let (height, top) = aperture(canvas.height, height, y)?;
        Some(Window { left, top, width, height })
    };
    items.property(items.primary, *b"clap").and_then(part).unwrap_or(whole)
}

/// Length and start along one side, of a length and how far its middle is from that of the side, as fractions; both in whole pixels.
fn aperture(side: u32, (above, below): (i64, i64), (off_above, off_below): (i64, i64)) -> Option<(u32, u32)> {
    let length = above / below;
    // twice the start, times the fraction's lower part
    let twice = (i64::from(side) - length).checked_mul(off_below)?.checked_add(off_above.checked_mul(2)?)?;
    let start = twice.div_euclid(2 * off_below);
    let fits = length > 0 && start >= 0 && start.checked_add(length)? <= i64::from(side);
    if fits { Some((u32::try_from(length).ok()?, u32::try_from(start).ok()?)) } else { None }
}

impl Header {
    /// Whether all of it is gray.
    pub(super) fn is_gray(&self) -> bool {
        self.layout == Layout::Gray
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aperture_is_cut_to_whole_pixels_and_lies_within_the_side() {
        for (side, length, off, expected) in [
            (100, (50, 1), (0, 1), Some((50, 25))),
            (100, (100, 2), (-50, 2), Some((50, 0))),
            (101, (50, 1), (1, 2), Some((50, 26))),
            (101, (50, 1), (0, 1), Some((50, 25))),
            (722, (385, 1), (103, 1), Some((385, 271))),
            (100, (101, 1), (0, 1), None),
            (100, (50, 1), (26, 1), None),
            (100, (0, 1), (0, 1), None),
            (100, (33, 2), (0, 1), Some((16, 42))),
            (100, (1, 2), (0, 1), None),
            (100, (50, 1), (-51, 2), None),
        ] {
            assert_eq!(aperture(side, length, off), expected, "{side} {length:?} {off:?}");
        }
    }
}
