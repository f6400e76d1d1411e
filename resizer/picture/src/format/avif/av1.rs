//! The bitstream of a still picture: what its two headers say, and the parts of it that the decoder is given.
//!
//! One sequence, one key frame, nothing else: so what it takes is known before it is decoded, and most of the decoder is out of reach.
//! See the AV1 specification, 5.5 and 5.9.
//!
//! Below the [`picture`](super::picture) and what decodes; above [`bits`](super::bits).

use super::bits::Bits;
use crate::Error;

/// Which samples there are of the two colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// 4:0:0: none.
    Gray,
    /// 4:2:0: half as many in a row, and half the rows.
    Quarter,
    /// 4:2:2: half as many in a row.
    Half,
    /// 4:4:4
    Full,
}

/// What the colours of a bitstream mean, by their numbers in H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colours {
    pub(super) primaries: u16,
    pub(super) transfer: u16,
    pub(super) matrix: u16,
    pub(super) full_range: bool,
}

/// What the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bits of a sample: 8, 10 or 12.
    pub(super) depth: u8,
    pub(super) layout: Layout,
    pub(super) colours: Colours,
    /// Parts that are decoded on their own.
    pub(super) tiles: u32,
    /// Coded with fewer pixels in a row.
    pub(super) is_stretched: bool,
}

/// Bytes within which both headers are.
pub(super) const HEADERS: usize = 4096;

/// Bytes of the decoder's state for each tile, and beside all.
const TILE: u64 = 24 << 10;
const DECODER: u64 = 2 << 20;

impl Header {
    /// Bytes of one frame as the decoder holds it.
    fn frame(&self) -> u64 {
        let side = |length: u32| u64::from(length.next_multiple_of(128));
        let samples = (side(self.width) + 64) * side(self.height);
        let with_colours = match self.layout {
            Layout::Gray => samples,
            Layout::Quarter => samples * 3 / 2,
            Layout::Half => samples * 2,
            Layout::Full => samples * 3,
        };
        with_colours * if self.depth > 8 { 2 } else { 1 }
    }

    /// Bytes that decoding takes beside the data itself.
    pub(super) fn memory(&self) -> u64 {
        let pixels = u64::from(self.width.next_multiple_of(128)) * u64::from(self.height.next_multiple_of(128));
        let frames = if self.is_stretched { 2 } else { 1 };
        self.frame() * frames + pixels + u64::from(self.tiles) * TILE + DECODER
    }

    /// Whether a decoder that was admitted for this one may decode `other`.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let kind = |header: &Self| (header.width, header.height, header.depth, header.layout, header.colours);
        kind(self) == kind(other) && other.memory() <= self.memory()
    }

    /// From the first bytes of a bitstream.
    pub(super) fn read(data: &[u8]) -> Result<Self, Error> {
        let mut sequence = None;
        for part in parts(data) {
            match part.kind {
                SEQUENCE => sequence = Some(Sequence::read(part.content)?),
                FRAME | FRAME_HEADER => {
                    let sequence = sequence.as_ref().ok_or_else(|| damaged("a frame before its sequence"))?;
                    return frame(sequence, part.content);
                }
                _ => {}
            }
        }
        Err(damaged("no frame"))
    }
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("AVIF: {what}"))
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported(format!("AVIF {what}"))
}

const SEQUENCE: u8 = 1;
const FRAME_HEADER: u8 = 3;
const TILES: u8 = 4;
const FRAME: u8 = 6;

/// An open bitstream unit.
struct Part<'a> {
    kind: u8,
    /// With its own header.
    whole: &'a [u8],
    content: &'a [u8],
    /// The data ends before it does.
    is_cut: bool,
}

fn parts(mut data: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let head = *data.first()?;
        let start = if head & 4 == 0 { 1 } else { 2 };
        let rest = data.get(start..)?;
        let (length, digits) = if head & 2 == 0 { (rest.len(), 0) } else { leb128(rest)? };
        let content = &rest[digits..];
        let is_cut = length > content.len();
        let content = &content[..length.min(content.len())];
        let (whole, after) = data.split_at(start + digits + content.len());
        data = after;
        Some(Part { kind: head >> 3 & 15, whole, content, is_cut })
    })
}

/// A number of seven bits a byte, the lowest first, and its bytes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let last = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let number = bytes[..=last].iter().rev().fold(0_u64, |number, byte| number << 7 | u64::from(byte & 0x7F));
    Some((usize::try_from(number).ok()?, last + 1))
}

/// What the decoder is given: one sequence, one frame, and no more. What else lies there says nothing about pixels.
pub(super) fn stream(data: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut sequence, mut frames, mut stream) = (None, 0, Vec::with_capacity(data.len()));
    for part in parts(data) {
        match part.kind {
            _ if part.is_cut => return Err(damaged("ends before its pixels do")),
            SEQUENCE if sequence.is_none() => sequence = Some(part.content),
            SEQUENCE if sequence == Some(part.content) => continue,
            SEQUENCE => return Err(damaged("two sequences")),
            FRAME | FRAME_HEADER => frames += 1,
            TILES => {}
            _ => continue,
        }
        stream.extend_from_slice(part.whole);
    }
    if frames > 1 { Err(unsupported("of layers: only a picture in one piece is read")) } else { Ok(stream) }
}

struct Sequence {
    is_reduced: bool,
    /// Bits of width and height, and the most that they are.
    size_bits: (u8, u8),
    most: (u32, u32),
    id_bits: u8,
    order_bits: u8,
    is_coarse: bool,
    /// Whether each frame says if it has tools for drawings, and if it moves by whole pixels.
    screen: Choice,
    whole_steps: Choice,
    may_stretch: bool,
    depth: u8,
    layout: Layout,
    colours: Colours,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    No,
    Yes,
    EachFrame,
}

impl Choice {
    fn of(is_yes: bool) -> Self {
        if is_yes { Self::Yes } else { Self::No }
    }

    /// As a frame says it.
    fn made(self, bits: &mut Bits) -> Result<bool, Error> {
        if self == Self::EachFrame { bits.flag() } else { Ok(self == Self::Yes) }
    }
}

impl Sequence {
    fn read(content: &[u8]) -> Result<Self, Error> {
        let bits = &mut Bits::new(content);
        let profile = bits.read(3)?;
        let _still = bits.flag()?;
        let is_reduced = bits.flag()?;
        if profile > 2 {
            return Err(unsupported("of a profile that is not known"));
        }
        if is_reduced {
            bits.skip(5)?;
        } else {
            operating_points(bits)?;
        }
        let size_bits = (bits.byte(4)? + 1, bits.byte(4)? + 1);
        let most = (bits.read(size_bits.0)? + 1, bits.read(size_bits.1)? + 1);
        let id_bits = if !is_reduced && bits.flag()? { bits.byte(4)? + 2 + bits.byte(3)? + 1 } else { 0 };
        let is_coarse = bits.flag()?;
        bits.skip(2)?;
        let (screen, whole_steps, order_bits) = if is_reduced { (Choice::EachFrame, Choice::EachFrame, 0) } else { tools(bits)? };
        let may_stretch = bits.flag()?;
        bits.skip(2)?;
        let (depth, layout, colours) = colours(bits, profile)?;
        Ok(Self { is_reduced, size_bits, most, id_bits, order_bits, is_coarse, screen, whole_steps, may_stretch, depth, layout, colours })
    }
}

/// What says in which time and from which layers a film is shown.
fn operating_points(bits: &mut Bits) -> Result<(), Error> {
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            bits.skip_exponential()?;
        }
        if bits.flag()? {
            return Err(unsupported("with a model of its decoder"));
        }
    }
    let has_delays = bits.flag()?;
    for _ in 0..=bits.read(5)? {
        bits.skip(12)?;
        if bits.read(5)? > 7 {
            bits.skip(1)?;
        }
        if has_delays && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Ok(())
}

fn tools(bits: &mut Bits) -> Result<(Choice, Choice, u8), Error> {
    bits.skip(4)?;
    let has_order = bits.flag()?;
    if has_order {
        bits.skip(2)?;
    }
    let screen = if bits.flag()? { Choice::EachFrame } else { Choice::of(bits.flag()?) };
    let whole_steps = if screen == Choice::No || bits.flag()? { Choice::EachFrame } else { Choice::of(bits.flag()?) };
    Ok((screen, whole_steps, if has_order { bits.byte(3)? + 1 } else { 0 }))
}

fn colours(bits: &mut Bits, profile: u32) -> Result<(u8, Layout, Colours), Error> {
    let is_deep = bits.flag()?;
    let depth = match is_deep {
        true if profile == 2 && bits.flag()? => 12,
        true => 10,
        false => 8,
    };
    let is_gray = profile != 1 && bits.flag()?;
    let (primaries, transfer, matrix) = if bits.flag()? { (bits.short(8)?, bits.short(8)?, bits.short(8)?) } else { (2, 2, 2) };
    if !is_gray && (primaries, transfer, matrix) == (1, 13, 0) {
        return Ok((depth, Layout::Full, Colours { primaries, transfer, matrix, full_range: true }));
    }
    let full_range = bits.flag()?;
    let layout = match (is_gray, profile) {
        (true, _) => Layout::Gray,
        (_, 0) => Layout::Quarter,
        (_, 1) => Layout::Full,
        _ if depth < 12 => Layout::Half,
        _ if !bits.flag()? => Layout::Full,
        _ if bits.flag()? => Layout::Quarter,
        _ => Layout::Half,
    };
    Ok((depth, layout, Colours { primaries, transfer, matrix, full_range }))
}

/// A frame's header, as far as to its tiles.
fn frame(sequence: &Sequence, content: &[u8]) -> Result<Header, Error> {
    let bits = &mut Bits::new(content);
    if !sequence.is_reduced && bits.read(4)? != 0b0001 {
        return Err(unsupported("whose first frame is not a picture on its own"));
    }
    let is_static = bits.flag()?;
    let is_screen = sequence.screen.made(bits)?;
    if is_screen {
        sequence.whole_steps.made(bits)?;
    }
    bits.skip(sequence.id_bits)?;
    let has_size = !sequence.is_reduced && bits.flag()?;
    bits.skip(sequence.order_bits)?;
    let (bits_of_width, bits_of_height) = sequence.size_bits;
    let (width, height) = if has_size { (bits.read(bits_of_width)? + 1, bits.read(bits_of_height)? + 1) } else { sequence.most };
    let is_stretched = sequence.may_stretch && bits.flag()?;
    let denominator = if is_stretched { 9 + bits.read(3)? } else { 8 };
    if bits.flag()? {
        bits.skip(32)?;
    }
    if is_screen && !is_stretched {
        bits.skip(1)?;
    }
    if !sequence.is_reduced && !is_static {
        bits.skip(1)?;
    }
    let coded = if is_stretched { ((width * 8 + denominator / 2) / denominator).max(width.min(16)) } else { width };
    let tiles = super::bits::tiles(bits, (coded, height), sequence.is_coarse)?;
    let Sequence { depth, layout, colours, .. } = *sequence;
    Ok(Header { width, height, depth, layout, colours, tiles, is_stretched })
}
