//! Segments up to the first scan → [`Header`].

use crate::{
    error::{Error, ErrorKind, Unsupported},
    segment::{APP0, APP14, EOI, SOS, Segment, Segments},
};

/// What the samples of three components are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One component.
    Gray,
    /// Luma and two colour differences, as in JFIF.
    YCbCr,
    /// Red, green and blue as they are.
    Rgb,
    /// Four inks, with the values as they are stored: most files store how much light each ink leaves.
    Cmyk,
    /// The light that cyan, magenta and yellow leave as luma and two colour differences, and black as it is stored.
    Ycck,
}

impl Colour {
    /// Bytes of a pixel.
    pub(crate) fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::YCbCr | Self::Rgb => 3,
            Self::Cmyk | Self::Ycck => 4,
        }
    }
}

/// How the coefficients are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Block by block: baseline and extended sequential.
    Sequential,
    /// In several scans over the whole picture.
    Progressive,
}

/// What a file says of itself before its first scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) coding: Coding,
    pub(crate) colour: Colour,
    pub(crate) components: Vec<Component>,
    /// The first scan has all components.
    pub(crate) interleaved: bool,
    /// An end marker comes after the scans of a progressive picture; nobody looks for that of a sequential one.
    pub(crate) ended: bool,
}

/// A colour component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) id: u8,
    /// Blocks in a unit, across and down.
    pub(crate) sampling: (usize, usize),
    pub(crate) quantisation: usize,
}

impl Header {
    /// Reads up to the first scan.
    pub fn read(source: &[u8]) -> Result<Self, Error> {
        let mut segments = Segments::new(source)?;
        let (mut frame, mut jfif, mut transform) = (None, false, None);
        loop {
            let segment = segments.next()?;
            match segment.marker {
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF if frame.is_some() => return Err(segment.bad("second frame header")),
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => frame = Some(Self::from_frame(&segment)?),
                APP0 => jfif |= segment.content.starts_with(b"JFIF\0"),
                APP14 if segment.content.starts_with(b"Adobe") => transform = segment.content.get(11).copied().or(transform),
                SOS => {
                    let mut header = frame.ok_or_else(|| segment.bad("scan before its frame"))?;
                    header.colour = header.guess_colour(jfif, transform);
                    header.interleaved = segment.content.first().is_some_and(|&count| usize::from(count) == header.components.len());
                    let progressive = header.coding == Coding::Progressive;
                    header.ended = progressive && (source.ends_with(&[0xFF, EOI]) || segments.has_end());
                    return Ok(header);
                }
                EOI => return Err(ErrorKind::Truncated.at(segment.position)),
                _ => {}
            }
        }
    }

    fn from_frame(segment: &Segment) -> Result<Self, Error> {
        let unsupported = |what| Err(ErrorKind::Unsupported(what).at(segment.position));
        let coding = match segment.marker {
            0xC0 | 0xC1 => Coding::Sequential,
            0xC2 => Coding::Progressive,
            0xC3 | 0xCB => return unsupported(Unsupported::Lossless),
            0xC9 | 0xCA => return unsupported(Unsupported::Arithmetic),
            _ => return unsupported(Unsupported::Hierarchical),
        };
        let [precision, h1, h0, w1, w0, count, components @ ..] = segment.content else { return Err(segment.bad("frame header")) };
        let (width, height) = (u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0]));
        if *precision != 8 {
            return unsupported(Unsupported::Precision(*precision));
        }
        if !matches!(count, 1 | 3 | 4) {
            return unsupported(Unsupported::Components(*count));
        }
        if height == 0 {
            return unsupported(Unsupported::NoHeight);
        }
        let component = |c: &[u8; 3]| Component {
            id: c[0],
            sampling: (usize::from(c[1] >> 4), usize::from(c[1] & 15)),
            quantisation: usize::from(c[2]),
        };
        let mut components: Vec<_> = components.as_chunks::<3>().0.iter().map(component).collect();
        let valid = |c: &Component| (1..=4).contains(&c.sampling.0) && (1..=4).contains(&c.sampling.1) && c.quantisation < 4;
        let same_id = |c: &Component| components.iter().filter(|other| other.id == c.id).count() > 1;
        if width == 0 || components.len() != usize::from(*count) || !components.iter().all(valid) || components.iter().any(same_id) {
            return Err(segment.bad("frame header"));
        }
        if let [gray] = &mut components[..] {
            // with nothing to compare them to, sampling factors mean nothing
            gray.sampling = (1, 1);
        }
        Ok(Self { width, height, coding, colour: Colour::Gray, components, interleaved: false, ended: false })
    }

    /// As libjpeg decides it.
    fn guess_colour(&self, jfif: bool, transform: Option<u8>) -> Colour {
        let ids: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        match (&ids[..], transform) {
            ([_], _) => Colour::Gray,
            ([_, _, _, _], Some(2)) => Colour::Ycck,
            ([_, _, _, _], _) => Colour::Cmyk,
            _ if jfif => Colour::YCbCr,
            (_, Some(0)) | (b"RGB", None) => Colour::Rgb,
            _ => Colour::YCbCr,
        }
    }

    /// Width in pixels, unscaled.
    pub fn width(&self) -> u32 {
        self.width.into()
    }

    /// Height in pixels, unscaled.
    pub fn height(&self) -> u32 {
        self.height.into()
    }

    /// How the coefficients are stored.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// What the samples are.
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// The most blocks that a component has in a unit, across and down.
    pub(crate) fn most(&self) -> (usize, usize) {
        self.components.iter().fold((1, 1), |most, c| (most.0.max(c.sampling.0), most.1.max(c.sampling.1)))
    }
}
