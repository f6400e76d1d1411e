//! What the header of a source says. On the ground of the [formats](crate::format): each reads its own headers into this.

use crate::{channels::Channels, orientation::Orientation};

/// The format of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Jpeg,
    Png,
    WebP,
    Gif,
    Tiff,
    Bmp,
    Avif,
}

/// What the header of a source says.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) container: Container,
    /// As stored, before the orientation is applied.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The most that a decoded pixel has.
    pub(crate) channels: Channels,
    pub(crate) orientation: Orientation,
    /// What the decoder takes beside the pixels it gives, in bytes.
    pub(crate) working: u64,
    /// Bytes of the colour profile, if it has one that is applied.
    pub(crate) profile: usize,
    /// A JPEG that can be decoded at a part of its size without reading all of it.
    pub(crate) scaled: Option<scaled_jpeg::Header>,
    /// The decoder can give one row after the other, from top to bottom.
    pub(crate) rows: bool,
}
