//! A bitstream → a frame of samples, by rav1d: on this thread, and without film grain, which a smaller picture would not show.
//!
//! Below what decodes, above nothing.

use re_rav1d::{Decoder, Error as Rav1dError, Picture, PixelLayout, PlanarImageComponent as Component, Settings};

use super::av1::{Header, Layout};
use crate::Error;

/// A decoded frame.
pub(super) struct Frame {
    picture: Picture,
    header: Header,
}

/// One kind of samples of a frame.
pub(super) struct Plane {
    samples: re_rav1d::Plane,
    stride: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Bytes of one.
    sample: usize,
}

impl Plane {
    /// Writes the samples of a row, and says how many.
    pub(super) fn row(&self, row: usize, into: &mut [u16]) -> usize {
        let bytes = &self.samples[row * self.stride..][..self.width * self.sample];
        if self.sample == 1 {
            into.iter_mut().zip(bytes).for_each(|(into, &sample)| *into = sample.into());
        } else {
            into.iter_mut().zip(bytes.as_chunks().0).for_each(|(into, &sample)| *into = u16::from_ne_bytes(sample));
        }
        self.width
    }
}

impl Frame {
    /// Decodes the one frame of `stream`, which is as `header` says.
    pub(super) fn decode(stream: Vec<u8>, header: Header) -> Result<Self, Error> {
        let picture = decoded(stream, &header).map_err(|error| Error::Damaged(format!("AVIF: {error}")))?;
        let frame = Self { picture, header };
        if frame.is_as_said() { Ok(frame) } else { Err(Error::Damaged("AVIF: other pixels than its header says".into())) }
    }

    fn is_as_said(&self) -> bool {
        let layout = match self.picture.pixel_layout() {
            PixelLayout::I400 => Layout::Gray,
            PixelLayout::I420 => Layout::Quarter,
            PixelLayout::I422 => Layout::Half,
            PixelLayout::I444 => Layout::Full,
        };
        let found = (self.picture.width(), self.picture.height(), self.picture.bit_depth(), layout);
        found == (self.header.width, self.header.height, self.header.depth.into(), self.header.layout)
    }

    /// The first kind of samples is light, two others may be colours.
    pub(super) fn plane(&self, index: usize) -> Option<Plane> {
        let (across, down) = match self.header.layout {
            _ if index == 0 => (1, 1),
            Layout::Gray => return None,
            Layout::Quarter => (2, 2),
            Layout::Half => (2, 1),
            Layout::Full => (1, 1),
        };
        let component = [Component::Y, Component::U, Component::V][index];
        Some(Plane {
            samples: self.picture.plane(component),
            stride: self.picture.stride(component) as usize,
            width: self.header.width.div_ceil(across) as usize,
            height: self.header.height.div_ceil(down) as usize,
            sample: if self.header.depth > 8 { 2 } else { 1 },
        })
    }
}

fn decoded(stream: Vec<u8>, header: &Header) -> Result<Picture, Rav1dError> {
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_apply_grain(false);
    settings.set_frame_size_limit(header.width.saturating_mul(header.height));
    let mut decoder = Decoder::with_settings(&settings)?;
    match decoder.send_data(stream, None, None, None) {
        // there is a picture, and something behind it
        Ok(()) | Err(Rav1dError::Again) => decoder.get_picture(),
        Err(error) => Err(error),
    }
}
