//! Decodes JPEGs at their size, or at any number of eighths of it, and reads only what that needs.
//!
//! A thumbnail needs few of a JPEG's coefficients. This decoder passes over the others several at a time, transforms only the blocks of the
//! wanted region, stops after its last row, and skips scans of a progressive picture that cannot matter.
//!
//! # What it decodes
//! Baseline, extended sequential and progressive JPEGs with Huffman codes and samples of 8 bits; 1, 3 or 4 components with any sampling
//! factors from 1 to 4, as gray, YCbCr, RGB, CMYK or YCCK (by Adobe's marker, or by the names of the components); one scan or several; restart
//! intervals; without Huffman tables, those of the standard.
//!
//! # What it refuses
//! Arithmetic coding, lossless, hierarchical, other precisions, 2 components, and a height that follows later, with an error that
//! says so ([`Unsupported`]). Whatever breaks the rules of the format or ends early, with its position ([`ErrorKind`]), except that a
//! picture whose last rows are missing is accepted on request. Whatever region is wanted, a sequential scan is read to its last block. A
//! file without an end marker is whole if its scans are; then those of a progressive picture are all read. Bytes that are left over
//! after a scan or a restart interval are passed over.
//! Files over the caller's limits on pixels, scans and memory ([`Options`]): time is bounded by the length of the file plus the number
//! of blocks times the number of scans, memory by [`Plan::memory`].
//!
//! # How exact it is
//! A block of 8 by 8 gives M by N samples, each from 1 to 8: the exact M by N inverse DCT of its M by N lowest coefficients, which is
//! the block without the frequencies that the smaller size cannot hold. A sample is that rounded: it differs from it by 0.505 at most,
//! and by less than 1 with coefficients far beyond those of any encoder, as long as their product with the quantisation has 16 bits.
//! libjpeg-turbo averages neighbouring samples of the full transform at 1/2 and 1/4, which needs 49 and 25 coefficients instead of 16 and 4, and lets
//! frequencies through that alias. At 1/8 both are the mean of the block, and at 1/1 the whole transform.
//!
//! A component with fewer samples than others gives more samples for each block where it can: with the usual sampling (4:2:0), at 1/2
//! the colour comes at full size, and nothing needs to be enlarged. Else it is enlarged linearly, with samples in the middle of their pixels.
//! Only at 1/8 of a progressive picture is it always one sample for each block, for the sake of the scans that this skips.
//!
//! ```
//! # fn thumbnail(file: &[u8]) -> Result<Vec<u8>, scaled_jpeg::Error> {
//! use scaled_jpeg::{Header, Options, Plan, Scale};
//!
//! let header = Header::read(file)?;
//! let plan = Plan::new(&header, &Options::new(Scale::Quarter))?;
//! let (width, height) = plan.size();
//! let stride = width as usize * plan.channels();
//! let mut pixels = vec![0; stride * height as usize];
//! plan.decode(file, &mut pixels, stride)?;
//! # Ok(pixels)
//! # }
//! ```

mod bits;
mod block;
mod decode;
mod error;
mod header;
mod huffman;
mod idct;
mod output;
mod plan;
mod progressive;
mod segment;
mod sequential;
mod standard;
mod tables;

pub use error::{Error, ErrorKind, Limit, Unsupported};
pub use header::{Coding, Colour, Header};
pub use plan::{Plan, PlaneLayout};

use std::sync::atomic::AtomicBool;

use output::Output;

/// The size of the output, on each side, in eighths of the picture's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Scale {
    Eighth = 1,
    Quarter,
    ThreeEighths,
    Half,
    FiveEighths,
    ThreeQuarters,
    SevenEighths,
    Full,
}

impl Scale {
    /// All, from the smallest.
    pub const ALL: [Self; 8] = [
        Self::Eighth,
        Self::Quarter,
        Self::ThreeEighths,
        Self::Half,
        Self::FiveEighths,
        Self::ThreeQuarters,
        Self::SevenEighths,
        Self::Full,
    ];

    /// How many eighths it is, from 1 to 8.
    pub fn eighths(self) -> u32 {
        self as u32
    }

    /// Width and height of the whole picture at this scale: a part of a pixel is one.
    pub fn size(self, header: &Header) -> (u32, u32) {
        self.size_of((header.width(), header.height()))
    }

    /// [`size`](Self::size) of a picture of so many pixels across and down.
    pub fn size_of(self, (width, height): (u32, u32)) -> (u32, u32) {
        // never more than `length`
        let side = |length: u32| u32::try_from((u64::from(length) * u64::from(self.eighths())).div_ceil(8)).unwrap_or(length);
        (side(width), side(height))
    }

    /// Samples of a side of a block.
    pub(crate) fn side(self) -> usize {
        self as usize
    }
}

/// A part of the picture, in pixels of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

/// What to decode, and within which limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Size of the whole picture.
    pub scale: Scale,
    /// What to give of it; `None` for all.
    pub region: Option<Region>,
    /// Pixels that the unscaled picture may have.
    pub max_pixels: u64,
    /// Scans that the file may have.
    pub max_scans: u32,
    /// Bytes that decoding may take beside file and output.
    pub max_memory: u64,
    /// Accept a file that ends early, and leave what is missing gray.
    pub accept_truncated: bool,
    /// Use no instructions that not every processor has. The output is the same.
    pub portable: bool,
}

impl Options {
    /// The whole picture at `scale`: at most 2^28 pixels, 100 scans and a gigabyte, complete.
    pub fn new(scale: Scale) -> Self {
        Self { scale, region: None, max_pixels: 1 << 28, max_scans: 100, max_memory: 1 << 30, accept_truncated: false, portable: false }
    }
}

impl Plan {
    /// Decodes `source`, whose header this was planned for, into rows of gray, RGB or four inks, as stored, that lie `stride` bytes apart.
    ///
    /// Gives the number of rows that are complete: all, unless the file ends early and that is accepted. None is, if it lacks scans.
    pub fn decode(&self, source: &[u8], pixels: &mut [u8], stride: usize) -> Result<u32, Error> {
        self.decode_until(&AtomicBool::new(false), source, pixels, stride)
    }

    /// As [`decode`](Self::decode); ends with [`ErrorKind::Stopped`] soon after another thread has set `stop`.
    pub fn decode_until(&self, stop: &AtomicBool, source: &[u8], pixels: &mut [u8], stride: usize) -> Result<u32, Error> {
        let (width, height) = (self.region.width as usize * self.channels(), self.region.height as usize);
        if stride < width || pixels.len() < (height - 1).saturating_mul(stride).saturating_add(width) {
            return Err(ErrorKind::BadRequest("the buffer is too small").at(0));
        }
        self.check(source)?;
        decode::decode(source, self, Output::Pixels(pixels, stride), stop)
    }

    /// Decodes `source`, whose header this was planned for, into planes of the sizes that [`planes`](Self::planes) gives, without gaps.
    ///
    /// Gives the number of complete rows, as [`decode`](Self::decode) does.
    pub fn decode_planes(&self, source: &[u8], planes: &mut [&mut [u8]]) -> Result<u32, Error> {
        let layouts = self.planes();
        if planes.len() != layouts.len() || layouts.iter().zip(&*planes).any(|(layout, plane)| plane.len() < layout.width * layout.height) {
            return Err(ErrorKind::BadRequest("a buffer is too small").at(0));
        }
        self.check(source)?;
        decode::decode(source, self, Output::Planes(planes.iter_mut().map(|plane| &mut **plane).collect()), &AtomicBool::new(false))
    }

    /// Whether `source` has the header that this was planned for.
    fn check(&self, source: &[u8]) -> Result<(), Error> {
        let same = Header::read(source)? == self.header;
        if same { Ok(()) } else { Err(ErrorKind::BadRequest("planned for another file").at(0)) }
    }
}
