//! What is asked, in which steps it is made, and what comes out: the words of the crate's interface, on the ground.

use resize_api::{Limits, Recipe, Resolution};

/// What to make of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// Size of the output.
    pub resolution: Resolution,
    /// What may come in and go out.
    pub limits: Limits,
    /// How it is made.
    pub recipe: Recipe,
}

impl Request {
    /// A request for `resolution` within `limits` by the default recipe.
    pub fn new(resolution: Resolution, limits: Limits) -> Self {
        Self { resolution, limits, recipe: Recipe::default() }
    }
}

/// A finished picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The encoded file.
    pub bytes: Vec<u8>,
    /// Format of `bytes`.
    pub format: Format,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A picture file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// image/jpeg
    Jpeg,
    /// image/png
    Png,
    /// image/webp
    WebP,
    /// image/gif
    Gif,
    /// image/avif
    Avif,
}

impl Format {
    /// Every format that is written.
    pub const ALL: [Self; 5] = [Self::Jpeg, Self::Png, Self::WebP, Self::Gif, Self::Avif];

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
        }
    }
}

/// A part of [`execute`](crate::execute).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// File → pixels.
    Decode,
    /// Pixels → as many as wanted, with their colour, orientation and canvas.
    Scale,
    /// Pixels → file.
    Encode,
}

impl Step {
    /// All steps, in their order.
    pub const ALL: [Self; 3] = [Self::Decode, Self::Scale, Self::Encode];
}
