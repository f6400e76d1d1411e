//! A whole frame of an animation, and how the animation plays. Between the [`raster`](crate::raster) and the readers and writers of
//! animations.

use crate::raster::Raster;

/// How an animation plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Playback {
    /// How often; 0 is without end.
    pub(crate) plays: u32,
}

/// A whole frame, and how long it shows.
pub(crate) struct Frame {
    /// RGBA of the animation's size.
    pub(crate) raster: Raster,
    /// Milliseconds.
    pub(crate) duration: u32,
}
