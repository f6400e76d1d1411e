//! Samples of 16 bits and what says their colours → values of 8 bits in sRGB.
//!
//! In a linear space 8 bits have too few values for what is dark, and an HDR picture has more light than they can say.
//!
//! Below the formats that store 16 bits, above the profile beside it and HDR.

use moxcms::{CicpProfile, ColorProfile, MatrixCoefficients, TransferCharacteristics};

use crate::{
    channels::Channels,
    colour::{Source, Transform, hdr::Hdr},
};

/// Converts rows.
pub(crate) struct Deep {
    channels: Channels,
    how: How,
    /// A row in sRGB.
    row: Vec<u16>,
}

enum How {
    Profile(Transform<u16>),
    Hdr(Hdr),
}

/// What a PNG's `cICP` chunk says: colours by their numbers in H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    primaries: u8,
    transfer: u8,
}

impl Numbers {
    /// Of RGB in the full range, which is all that a PNG may have.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        if let &[primaries, transfer, 0, 1] = content { Some(Self { primaries, transfer }) } else { None }
    }

    pub(crate) fn is_hdr(self) -> bool {
        matches!(self.transfer, 16 | 18)
    }

    fn profile(self) -> Option<ColorProfile> {
        let transfer_characteristics = TransferCharacteristics::try_from(self.transfer).ok()?;
        let cicp = CicpProfile {
            color_primaries: self.primaries.try_into().ok()?,
            transfer_characteristics,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        };
        let profile = ColorProfile::new_from_cicp(cicp);
        profile.is_matrix_shaper().then_some(profile)
    }

    /// An ICC profile that says the same; none if there is more light than in sRGB, or the numbers are unknown.
    pub(crate) fn to_icc(self) -> Option<Vec<u8>> {
        if self.is_hdr() { None } else { self.profile()?.encode().ok() }
    }
}

impl Deep {
    /// By an ICC profile that is made of curves; tables are no finer than 8 bits.
    pub(crate) fn by_profile(channels: Channels, profile: &[u8]) -> Option<Self> {
        let source = Source::new(channels, profile).filter(|source| channels != Channels::Cmyk && !source.has_tables())?;
        let transform = source.profile.create_transform_16bit(source.layouts.0, &source.srgb, source.layouts.1, source.options).ok()?;
        Some(Self { channels, how: How::Profile(transform), row: vec![] })
    }

    /// Of an HDR picture.
    pub(crate) fn hdr(channels: Channels, numbers: Numbers) -> Option<Self> {
        if !numbers.is_hdr() || !matches!(channels, Channels::Rgb | Channels::Rgba) {
            return None;
        }
        let mut linear = numbers;
        linear.transfer = 8;
        let matrix = linear.profile()?.transform_matrix(&ColorProfile::new_srgb());
        Some(Self { channels, how: How::Hdr(Hdr::new(numbers.transfer == 16, matrix.v)), row: vec![] })
    }

    /// Bytes that it takes for rows of `width` pixels.
    pub(crate) fn working(width: u32) -> u64 {
        // curves and their inverses, and a row
        (1 << 20) + u64::from(width) * 8
    }

    pub(crate) fn row(&mut self, from: &[u16], into: &mut [u8]) {
        self.row.resize(from.len(), 0);
        match &self.how {
            How::Profile(transform) => {
                if transform.transform(from, &mut self.row).is_err() {
                    self.row.copy_from_slice(from);
                }
            }
            How::Hdr(hdr) => hdr.row(from, &mut self.row, self.channels.count()),
        }
        for (into, &value) in into.iter_mut().zip(&self.row) {
            *into = u8::try_from((u32::from(value) + 128) / 257).unwrap_or(u8::MAX);
        }
    }
}
