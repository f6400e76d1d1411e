//! Directory → [`Layout`]: what the samples are and where they lie, or the name of what is not read.
//!
//! Below all else of TIFF, above its directory.

use crate::{
    Error,
    channels::Channels,
    format::tiff::directory::{Directory, Values, damaged},
};

/// What the first samples of a pixel mean.
#[derive(Debug, PartialEq)]
pub(super) enum Colour {
    Gray { white_is_zero: bool },
    Rgb,
    Palette(Vec<[u8; 3]>),
    Cmyk,
    YCbCr(YCbCr),
}

/// How luma and colour differences are stored, and become light.
#[derive(Debug, PartialEq)]
pub(super) struct YCbCr {
    /// Pixels for each colour difference, across and down.
    pub(super) sampling: (u32, u32),
    /// Shares of red, green and blue in luma.
    pub(super) coefficients: [f64; 3],
    /// Values of black and white, for each sample.
    pub(super) reference: [f64; 6],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    /// Modified Huffman, without ends of lines.
    Huffman,
    /// With ends of lines; some lines by the one before, if the second.
    Group3(bool),
    Group4,
    Jpeg,
}

/// The picture as its directory says it.
#[allow(clippy::struct_excessive_bools, reason = "the file has as many")]
pub(super) struct Layout<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) colour: Colour,
    /// Samples of a pixel, those of the colour first.
    pub(super) samples: u32,
    /// Which of them is transparency.
    pub(super) alpha: Option<u32>,
    /// Colours are multiplied by alpha.
    pub(super) associated: bool,
    /// Bits of each sample: 1, 2, 4, 8, 16 or 32.
    pub(super) bits: u32,
    pub(super) float: bool,
    pub(super) little: bool,
    pub(super) compression: Compression,
    /// Samples are stored as differences.
    pub(super) predicted: bool,
    /// The bits of every byte are in the reverse order.
    pub(super) reversed: bool,
    /// Each sample has chunks of its own.
    pub(super) planar: bool,
    /// Width and height of a strip or tile.
    pub(super) chunk: (u32, u32),
    pub(super) offsets: Values<'a>,
    pub(super) lengths: Values<'a>,
    /// JPEGs hold luma and colour differences.
    pub(super) ycbcr: bool,
    /// Tables of all JPEGs.
    pub(super) tables: &'a [u8],
    pub(super) profile: Option<&'a [u8]>,
    pub(super) orientation: u16,
}

fn unsupported<T>(what: impl std::fmt::Display) -> Result<T, Error> {
    Err(Error::Unsupported(format!("TIFF {what}")))
}

fn compression(directory: &Directory) -> Result<Compression, Error> {
    Ok(match directory.small(259, 1)? {
        1 => Compression::None,
        2 => Compression::Huffman,
        3 => match directory.small(292, 0)? {
            options if options & 2 != 0 => return unsupported("of Group 3 without compression"),
            options => Compression::Group3(options & 1 != 0),
        },
        4 => Compression::Group4,
        5 => Compression::Lzw,
        7 => Compression::Jpeg,
        8 | 32_946 => Compression::Deflate,
        32_773 => Compression::PackBits,
        6 => return unsupported("with JPEG of the old kind"),
        34_712 | 33_003 | 33_005 => return unsupported("with JPEG 2000"),
        34_887 => return unsupported("with LERC"),
        34_925 => return unsupported("with LZMA"),
        50_000 => return unsupported("with Zstandard"),
        50_001 => return unsupported("with WebP"),
        other => return unsupported(format!("of compression {other}")),
    })
}

fn palette(directory: &Directory, bits: u32) -> Result<Colour, Error> {
    let entries = 1_usize << bits.min(16);
    let values: Vec<u64> = directory.values(320)?.map(|map| map.iter().take(3 * entries).collect()).unwrap_or_default();
    if bits > 8 || values.len() < 3 * entries {
        return Err(damaged("without the palette that it needs"));
    }
    // some write 8 bits instead of 16
    let shift = if values.iter().all(|&value| value < 256) { 0 } else { 8 };
    let byte = |index: usize| u8::try_from(values[index] >> shift).unwrap_or(u8::MAX);
    Ok(Colour::Palette((0..entries).map(|index| [byte(index), byte(entries + index), byte(2 * entries + index)]).collect()))
}

fn ycbcr(directory: &Directory) -> Result<Colour, Error> {
    let sampling = directory.values(530)?;
    let side = |index: usize| sampling.and_then(|sides| sides.get(index)).and_then(|side| u32::try_from(side).ok()).unwrap_or(2);
    let sampling = (side(0), side(1));
    if ![sampling.0, sampling.1].iter().all(|side| matches!(side, 1 | 2 | 4)) {
        return Err(damaged("with colour differences of a strange size"));
    }
    let numbers = |tag: u16| Ok::<Vec<f64>, Error>(directory.values(tag)?.map(|values| values.fractions().collect()).unwrap_or_default());
    // some write 0/0, which counts as nothing
    let shares = |shares: &[f64; 3]| shares.iter().all(|share| *share > 0.0 && *share < 1.0);
    let levels = |levels: &[f64; 6]| levels.chunks(2).all(|pair| pair[0] < pair[1]);
    Ok(Colour::YCbCr(YCbCr {
        sampling,
        coefficients: numbers(529)?.try_into().ok().filter(shares).unwrap_or([0.299, 0.587, 0.114]),
        reference: numbers(532)?.try_into().ok().filter(levels).unwrap_or([0.0, 255.0, 128.0, 255.0, 128.0, 255.0]),
    }))
}

fn colour(directory: &Directory, compression: Compression, bits: u32) -> Result<Colour, Error> {
    let Some(photometric) = directory.value(262)? else { return Err(damaged("that does not say what its colours are")) };
    Ok(match photometric {
        0 | 1 => Colour::Gray { white_is_zero: photometric == 0 },
        2 => Colour::Rgb,
        3 => palette(directory, bits)?,
        5 if directory.small(332, 1)? != 1 => return unsupported("of inks that are not CMYK"),
        5 => Colour::Cmyk,
        // the JPEG decoder converts to RGB
        6 if compression == Compression::Jpeg => Colour::Rgb,
        6 => ycbcr(directory)?,
        4 => return unsupported("that is a mask"),
        8..=10 => return unsupported("of L*a*b*"),
        32_803 => return unsupported("of a camera's raw samples"),
        32_844 | 32_845 => return unsupported("of LogLuv"),
        other => return unsupported(format!("of colours {other}")),
    })
}

/// Bits of the samples, which all have the same, and whether they are floating-point numbers.
fn depth(directory: &Directory) -> Result<(u32, bool), Error> {
    let all = |tag: u16, default: u64| {
        let values: Vec<u64> = directory.values(tag)?.map(|values| values.iter().take(64).collect()).unwrap_or_default();
        let first = values.first().copied().unwrap_or(default);
        Ok::<_, Error>(if values.iter().all(|&value| value == first) { Some(first) } else { None })
    };
    let Some(bits) = all(258, 1)? else { return unsupported("whose samples differ in their bits") };
    match (bits, all(339, 1)?) {
        (1 | 2 | 4 | 8 | 16 | 32, Some(1 | 4)) => Ok((u32::try_from(bits).unwrap_or(8), false)),
        (32, Some(3)) => Ok((32, true)),
        (_, Some(3)) => unsupported(format!("of floating-point numbers of {bits} bits")),
        (_, Some(2)) => unsupported("of signed samples"),
        (_, Some(5 | 6)) => unsupported("of complex numbers"),
        _ => unsupported(format!("of {bits} bits")),
    }
}

impl Colour {
    pub(super) fn samples(&self) -> u32 {
        match self {
            Self::Gray { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::YCbCr(_) => 3,
            Self::Cmyk => 4,
        }
    }
}

impl<'a> Layout<'a> {
    pub(super) fn read(directory: &Directory<'a>) -> Result<Self, Error> {
        let (width, height) = (directory.small(256, 0)?, directory.small(257, 0)?);
        let compression = compression(directory)?;
        let (bits, float) = depth(directory)?;
        let colour = colour(directory, compression, bits)?;
        let samples = directory.small(277, 1)?;
        let Some(extra) = samples.checked_sub(colour.samples()) else { return Err(damaged("with fewer samples than its colours have")) };
        let kinds: Option<Vec<u64>> = directory.values(338)?.map(|kinds| kinds.iter().take(64).collect());
        // old files do not declare what an extra sample is
        let kinds = kinds.unwrap_or_else(|| vec![2; usize::from(extra == 1)]);
        let alpha = kinds.iter().position(|kind| matches!(kind, 1 | 2)).filter(|&index| index < extra as usize);
        let tiled = directory.values(324)?.is_some();
        let chunk =
            if tiled { (directory.small(322, 0)?, directory.small(323, 0)?) } else { (width, directory.small(278, height)?.min(height)) };
        let (offsets, lengths) = if tiled { (324, 325) } else { (273, 279) };
        let (Some(offsets), Some(lengths)) = (directory.values(offsets)?, directory.values(lengths)?) else {
            return Err(damaged("that does not say where its pixels are"));
        };
        let predictor = directory.small(317, 1)?;
        let layout = Self {
            width,
            height,
            samples,
            alpha: alpha.and_then(|index| u32::try_from(index).ok()).map(|index| colour.samples() + index),
            associated: alpha.is_some_and(|index| kinds[index] == 1),
            colour,
            bits,
            float,
            little: directory.little,
            compression,
            predicted: predictor == 2 && matches!(compression, Compression::Lzw | Compression::Deflate),
            reversed: directory.small(266, 1)? == 2,
            planar: directory.small(284, 1)? == 2 && samples > 1,
            chunk,
            offsets,
            lengths,
            ycbcr: directory.small(262, 1)? == 6,
            tables: directory.values(347)?.map(|tables| tables.bytes).unwrap_or_default(),
            profile: directory.values(34_675)?.map(|profile| profile.bytes),
            orientation: u16::try_from(directory.small(274, 1)?).unwrap_or(1),
        };
        layout.check(predictor)?;
        Ok(layout)
    }

    /// Whether what it says goes together.
    fn check(&self, predictor: u32) -> Result<(), Error> {
        let fax = matches!(self.compression, Compression::Huffman | Compression::Group3(_) | Compression::Group4);
        if predictor == 3 {
            return unsupported("with a predictor of floating-point numbers");
        }
        if self.predicted && !matches!((self.bits, self.float), (8 | 16 | 32, false)) {
            return unsupported(format!("with a predictor of {} bits", self.bits));
        }
        if (fax && (self.bits, self.samples) != (1, 1)) || (self.compression == Compression::Jpeg && self.bits != 8) {
            return unsupported(format!("of {} bits in a compression that is for others", self.bits));
        }
        if self.ycbcr && self.planar {
            return unsupported("of luma and colour differences that are stored apart");
        }
        if matches!(self.colour, Colour::YCbCr(_)) && (self.bits != 8 || self.samples != 3 || self.predicted) {
            return unsupported("of luma and colour differences that are not alone, or not of 8 bits");
        }
        if self.width > 0 && self.height > 0 && (self.chunk.0 == 0 || self.chunk.1 == 0) {
            return Err(damaged("with strips or tiles of no size"));
        }
        if self.offsets.len() < self.chunks() || self.lengths.len() < self.chunks() {
            return Err(damaged("that says of fewer strips or tiles where they are"));
        }
        Ok(())
    }

    /// What the samples become.
    pub(super) fn channels(&self) -> Channels {
        match (&self.colour, self.alpha.is_some()) {
            (Colour::Gray { .. }, false) => Channels::Gray,
            (Colour::Gray { .. }, true) => Channels::GrayAlpha,
            (Colour::Cmyk, _) => Channels::Cmyk,
            (_, false) => Channels::Rgb,
            (_, true) => Channels::Rgba,
        }
    }

    /// Chunks across and down.
    pub(super) fn grid(&self) -> (usize, usize) {
        let axis = |side: u32, chunk: u32| side.div_ceil(chunk.max(1)) as usize;
        (axis(self.width, self.chunk.0), axis(self.height, self.chunk.1))
    }

    /// Whether the file has one row after the other, with all of its samples.
    pub(super) fn is_in_strips(&self) -> bool {
        self.grid().0 == 1 && self.chunk.0 == self.width && self.chunk.1 > 0 && !self.planar
    }

    /// Chunks of all planes.
    fn chunks(&self) -> usize {
        let planes = if self.planar { self.samples as usize } else { 1 };
        self.grid().0.saturating_mul(self.grid().1).saturating_mul(planes)
    }

    /// Samples of a pixel in a chunk.
    pub(super) fn samples_in_chunk(&self) -> u32 {
        if self.planar { 1 } else { self.samples }
    }

    /// Bytes of a row of a chunk; of luma and colour differences, those of the rows that share them.
    pub(super) fn row(&self) -> u64 {
        let width = u64::from(self.chunk.0);
        if let Colour::YCbCr(YCbCr { sampling: (across, down), .. }) = self.colour {
            return width.div_ceil(across.into()) * u64::from(across * down + 2);
        }
        (width * u64::from(self.samples_in_chunk())).saturating_mul(self.bits.into()).div_ceil(8)
    }
}
