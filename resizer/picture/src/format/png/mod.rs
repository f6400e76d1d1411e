//! PNG: header → [`Probe`]; file → pixels and profile. `write`: pixels → file.
//!
//! Below `probe`, `plan` and `codec`; above the conversion of 16 bits, the reader of essential parts, and the raster.

mod write;

use std::borrow::Cow;

use png::{ColorType, Decoder, DecodingError, Limits, Reader, Transformations};

pub(crate) use self::write::{encode, encoding};

use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    colour::deep::{Deep, Numbers},
    format::essential::Essential,
    header::{Container, Probe},
    orientation::Orientation,
    profile::{inflated, inflated_length},
    raster::Raster,
    rows::Rows,
};

/// The chunk at `at`: name, content, which may be cut off, and where the next one begins.
fn chunk(source: &[u8], at: usize) -> Option<(&[u8], &[u8], usize)> {
    let (head, after) = source.get(at..)?.split_at_checked(8)?;
    let length = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
    Some((&head[4..], &after[..length.min(after.len())], at.checked_add(length)?.checked_add(12)?))
}

/// Name and content of each chunk; the content of the last one may be cut off.
fn chunks(source: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = 8;
    std::iter::from_fn(move || {
        let (name, content, next) = chunk(source, at)?;
        at = next;
        Some((name, content))
    })
}

/// What the decoder refuses in a file whose pixels are whole.
#[derive(Default)]
struct Quirks {
    /// Where a transparent colour has more bits than the pixels, and the bits that count.
    colour: Option<(usize, u16)>,
    /// The file has no IEND, or a broken chunk behind its pixels: it is cut here.
    end: Option<usize>,
}

impl Quirks {
    fn of(source: &[u8]) -> Self {
        let (mut quirks, mut at, mut pixels) = (Self::default(), 8, false);
        let &[depth, kind] = source.get(24..26).and_then(|bytes| bytes.first_chunk()).unwrap_or(&[8, 6]);
        while let Some((name, content, next)) = chunk(source, at) {
            match name {
                b"tRNS" if depth < 16 && matches!(kind, 0 | 2) => {
                    let bits = (1 << depth.min(15)) - 1;
                    let over = content.as_chunks().0.iter().any(|&value| u16::from_be_bytes(value) > bits);
                    quirks.colour = over.then_some((at, bits));
                }
                b"IDAT" => pixels = true,
                b"IEND" => return quirks,
                _ => {}
            }
            if next > source.len() && name == b"IDAT" {
                return quirks;
            }
            if next > source.len() {
                break;
            }
            at = next;
        }
        quirks.end = pixels.then_some(at);
        quirks
    }

    /// Bytes that [`mended`](Self::mended) copies.
    fn working(&self, source: &[u8]) -> u64 {
        if self.end.is_some() || self.colour.is_some() { source.len() as u64 + 12 } else { 0 }
    }

    /// The file with both mended.
    fn mended(self, source: &[u8]) -> Cow<'_, [u8]> {
        let mut file = Cow::Borrowed(source);
        if let Some((at, bits)) = self.colour
            && let Some((.., next)) = chunk(source, at)
            && let Some(chunk) = file.to_mut().get_mut(at + 4..next)
            && let Some((named, check)) = chunk.split_last_chunk_mut::<4>()
        {
            for value in named[4..].as_chunks_mut().0 {
                *value = (u16::from_be_bytes(*value) & bits).to_be_bytes();
            }
            let mut crc = flate2::Crc::new();
            crc.update(named);
            *check = crc.sum().to_be_bytes();
        }
        if let Some(end) = self.end {
            file.to_mut().truncate(end);
            file.to_mut().extend(b"\0\0\0\0IEND\xAE\x42\x60\x82");
        }
        file
    }
}

pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let Some((b"IHDR", &[w3, w2, w1, w0, h3, h2, h1, h0, depth, color, _, _, interlaced])) = chunks(source).next() else {
        return Err(Error::Damaged("PNG without a header".into()));
    };
    let (width, height) = (u32::from_be_bytes([w3, w2, w1, w0]), u32::from_be_bytes([h3, h2, h1, h0]));
    let mut channels = match color {
        0 => Channels::Gray,
        2 | 3 => Channels::Rgb,
        4 => Channels::GrayAlpha,
        6 => Channels::Rgba,
        _ => return Err(Error::Damaged(format!("PNG of colour type {color}"))),
    };
    let (mut orientation, mut profile) = (Orientation::default(), 0);
    for (name, content) in chunks(source).take_while(|chunk| chunk.0 != b"IDAT") {
        match name {
            b"iCCP" => profile = compressed_profile(content).and_then(inflated_length).unwrap_or(0),
            b"eXIf" => orientation = Orientation::from_exif(content),
            b"tRNS" if channels == Channels::Gray => channels = Channels::GrayAlpha,
            b"tRNS" if channels == Channels::Rgb => channels = Channels::Rgba,
            _ => {}
        }
    }
    let sample = u64::from(depth.div_ceil(8));
    let row = u64::from(width) * channels.count() as u64 * sample;
    let rows = interlaced == 0;
    let again = match (is_deep(depth, colours(source)), rows) {
        (false, _) => 0,
        (true, true) => Deep::working(width),
        (true, false) => row * u64::from(height) + Deep::working(width),
    };
    let working = row * 4 + (256 << 10) + again + Quirks::of(source).working(source);
    if colours(source).1.is_some() {
        profile = NUMBERS;
    }
    Ok(Probe { container: Container::Png, width, height, channels, orientation, working, profile, scaled: None, rows })
}

/// The most bytes of a profile that is made of `cICP`.
const NUMBERS: usize = 8 << 10;

/// The signature or a chunk, and whether it makes pixels: see [`Essential`].
fn part(source: &[u8], at: usize) -> (usize, bool) {
    if at == 0 {
        return (8, true);
    }
    let Some((&length, rest)) = source[at..].split_first_chunk() else { return (source.len(), true) };
    let matters = matches!(rest.get(..4), None | Some(b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND"));
    (at.saturating_add(12).saturating_add(u32::from_be_bytes(length) as usize), matters)
}

/// The compressed profile behind its name and the one kind of compression.
fn compressed_profile(content: &[u8]) -> Option<&[u8]> {
    let name = content.iter().position(|&byte| byte == 0)?;
    content[name + 1..].strip_prefix(&[0])
}

/// The colour profile.
fn profile(source: &[u8]) -> Option<Vec<u8>> {
    let content = chunks(source).take_while(|chunk| chunk.0 != b"IDAT").find(|chunk| chunk.0 == b"iCCP")?.1;
    compressed_profile(content).and_then(inflated)
}

/// Whether there is an ICC profile, and the `cICP` chunk, which takes precedence.
fn colours(source: &[u8]) -> (bool, Option<Numbers>) {
    let mut colours = (false, None);
    for (name, content) in chunks(source).take_while(|chunk| chunk.0 != b"IDAT") {
        match name {
            b"iCCP" => colours.0 = true,
            b"cICP" => colours.1 = Numbers::read(content),
            _ => {}
        }
    }
    colours
}

/// Whether 8 bits a sample are too few before the conversion to sRGB.
fn is_deep(depth: u8, (profile, numbers): (bool, Option<Numbers>)) -> bool {
    (depth == 16 && (profile || numbers.is_some())) || numbers.is_some_and(Numbers::is_hdr)
}

fn failure(error: DecodingError) -> Error {
    match error {
        DecodingError::LimitsExceeded => Error::TooLarge("PNG with too much beside its pixels".into()),
        error => Error::Damaged(format!("PNG: {error}")),
    }
}

/// A file whose header was read.
struct Opened<'a> {
    reader: Reader<Essential<'a>>,
    channels: Channels,
    /// Where samples are converted before they have 8 bits.
    deep: Option<Samples>,
    /// What is still to be converted by it.
    profile: Option<Vec<u8>>,
}

impl<'a> Opened<'a> {
    fn new(source: &'a [u8], memory: u64, budget: &Budget) -> Result<Self, Error> {
        let source = Quirks::of(source).mended(source);
        let limits = Limits { bytes: usize::try_from(memory).unwrap_or(usize::MAX) };
        let colours = colours(&source);
        let depth = source.get(24).copied().unwrap_or_default();
        let is_deep = is_deep(depth, colours);
        let profile = colours.1.map_or_else(|| profile(&source), Numbers::to_icc);
        let mut decoder = Decoder::new_with_limits(Essential::new(source, budget.stop(), part), limits);
        decoder.set_transformations(if is_deep { Transformations::EXPAND } else { Transformations::normalize_to_color8() });
        let reader = decoder.read_info().map_err(failure)?;
        let channels = match reader.output_color_type().0 {
            ColorType::Grayscale => Channels::Gray,
            ColorType::GrayscaleAlpha => Channels::GrayAlpha,
            ColorType::Rgb | ColorType::Indexed => Channels::Rgb,
            ColorType::Rgba => Channels::Rgba,
        };
        let (width, height) = (reader.info().width, reader.info().height);
        budget.admit((width, height), channels)?;
        let bytes = if is_deep && depth == 16 { 2 } else { 1 };
        let length = u64::from(width) * u64::from(height) * channels.count() as u64 * bytes;
        if reader.output_buffer_size().is_none_or(|size| size as u64 != length) {
            return Err(Error::Damaged("PNG whose rows do not fill its size".into()));
        }
        let deep = is_deep.then(|| Samples::new(channels, bytes == 2, colours.1, profile.as_deref()));
        let converts = deep.as_ref().is_some_and(|samples| samples.conversion.is_some());
        Ok(Self { reader, channels, deep, profile: profile.filter(|_| !converts) })
    }

    fn size(&self) -> (u32, u32) {
        (self.reader.info().width, self.reader.info().height)
    }

    /// Those of a file that is not interlaced.
    fn rows(self, budget: &Budget) -> Result<Rows<'a>, Error> {
        let Self { mut reader, channels, mut deep, .. } = self;
        let (width, height) = (reader.info().width, reader.info().height);
        let mut stored = budget.zeros(if deep.is_some() { reader.output_line_size(width).unwrap_or_default() } else { 0 })?;
        let mut left = height;
        Ok(Rows::new(budget, (width, height), channels, move |into| {
            match &mut deep {
                None => reader.read_row(into).map_err(failure)?,
                Some(samples) => {
                    let row = reader.read_row(&mut stored).map_err(failure)?;
                    samples.convert(&stored, into);
                    row
                }
            };
            left -= 1;
            if left == 0 {
                // there is no row any more: it reads to the end of the pixels
                reader.read_row(&mut []).map_err(failure)?;
            }
            Ok(())
        }))
    }

    /// The pixels of a file in which they come in seven passes.
    fn interlaced(mut self, budget: &Budget) -> Result<Raster, Error> {
        let (width, height) = self.size();
        let mut raster = Raster::new(budget, width, height, self.channels)?;
        let Some(samples) = &mut self.deep else {
            self.reader.next_frame(&mut raster.pixels).map_err(failure)?;
            return Ok(raster);
        };
        let stride = raster.stride().max(1);
        let stored_stride = self.reader.output_line_size(width).unwrap_or_default().max(1);
        let mut stored = budget.zeros(stored_stride * height as usize)?;
        self.reader.next_frame(&mut stored).map_err(failure)?;
        for (from, into) in stored.chunks_exact(stored_stride).zip(raster.pixels.chunks_exact_mut(stride)) {
            budget.go_on()?;
            samples.convert(from, into);
        }
        Ok(raster)
    }
}

/// Samples of 16 bits, or those of an HDR picture → values of 8 bits.
struct Samples {
    /// There are 16 bits in the file.
    wide: bool,
    conversion: Option<Deep>,
    row: Vec<u16>,
}

impl Samples {
    fn new(channels: Channels, wide: bool, numbers: Option<Numbers>, profile: Option<&[u8]>) -> Self {
        let by_profile = || Deep::by_profile(channels, profile.filter(|_| wide)?);
        let conversion = numbers.and_then(|numbers| Deep::hdr(channels, numbers)).or_else(by_profile);
        Self { wide, conversion, row: vec![] }
    }

    fn convert(&mut self, from: &[u8], into: &mut [u8]) {
        self.row.clear();
        if self.wide {
            self.row.extend(from.as_chunks().0.iter().map(|&value| u16::from_be_bytes(value)));
        } else {
            self.row.extend(from.iter().map(|&value| u16::from(value) * 257));
        }
        match &mut self.conversion {
            Some(conversion) => conversion.row(&self.row, into),
            None => into.iter_mut().zip(&self.row).for_each(|(into, value)| *into = value.to_be_bytes()[0]),
        }
    }
}

/// Rows of 8 bits, palette and transparent colours expanded, and the colour profile.
pub(crate) fn rows<'a>(source: &'a [u8], memory: u64, budget: &Budget) -> Result<(Rows<'a>, Option<Vec<u8>>), Error> {
    let mut opened = Opened::new(source, memory, budget)?;
    let profile = opened.profile.take();
    Ok((opened.rows(budget)?, profile))
}

/// All of them at once.
pub(crate) fn decode(source: &[u8], memory: u64, budget: &Budget) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let mut opened = Opened::new(source, memory, budget)?;
    let profile = opened.profile.take();
    let interlaced = opened.reader.info().interlaced;
    Ok((if interlaced { opened.interlaced(budget)? } else { opened.rows(budget)?.whole()? }, profile))
}
