//! Encodes JPEGs of RGB and gray pixels in few bytes, for pictures that are made once and served for years.
//!
//! # How
//! Coefficients are chosen by the sum of their error and their bits: AC coefficients by the best path through each block, DC coefficients by
//! the best path through a row of blocks; what bits cost follows the picture as it is read, and blocks that are busy may have more error.
//! Quantisation tables are not those of the standard's annex, but chosen by SSIMULACRA2. Chroma is made smaller so that what decoders make
//! larger again is close. Huffman codes are always the picture's own. Progressive scans are chosen by their exact sizes.
//!
//! Files are the same on every machine: all arithmetic is exact, or rounded as IEEE 754 says.
//!
//! # Memory and time
//! All coefficients are held, as 16 bits each, since codes come before them in the file; see [`memory`]. A flag is looked at for each row of
//! blocks, while pixels are transformed and while scans are counted and written.
//!
//! ```
//! # fn file(pixels: &[u8]) -> Result<Vec<u8>, small_jpeg::Error> {
//! use small_jpeg::{Coding, Effort, Options, Sampling, encode};
//!
//! let options = Options { quality: 80, sampling: Sampling::S420, coding: Coding::Smallest, effort: Effort::Balanced };
//! encode(pixels, 300, 200, &options)
//! # }
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "samples, coefficients and counts of a picture's blocks are small"
)]
#![allow(clippy::inline_always, reason = "measured: loops over blocks become vectors only as a whole")]

mod bits;
mod coefficients;
mod dc;
mod encoder;
mod file;
mod frame;
mod huffman;
mod order;
mod rates;
mod scan;
mod script;
mod strip;
mod tables;
mod transform;
mod trellis;

use std::sync::atomic::AtomicBool;

use frame::Frame;

/// Samples of chroma, for those of luma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// No chroma: pixels have one byte, else three.
    Gray,
    /// As many (4:4:4).
    S444,
    /// Half as many across (4:2:2).
    S422,
    /// Half as many across and down (4:2:0).
    S420,
}

/// How the file holds coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// In one scan, which the simplest decoders read.
    Baseline,
    /// In several, from coarse to fine.
    Progressive,
    /// As is smaller; in several for large pictures, where one hardly ever is.
    Smallest,
}

/// How much work a byte less is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Coefficients are rounded, and the script of scans is given.
    Fast,
    /// Coefficients are chosen by error and bits, and the better of two scripts.
    Balanced,
    /// They are chosen once more, by what bits cost in the whole picture, and the best of many scripts.
    Small,
}

/// How to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// From 1 to 100, on the scale of the Independent JPEG Group: about the same score as from its library.
    pub quality: u8,
    /// Also says what pixels are.
    pub sampling: Sampling,
    /// One scan or several.
    pub coding: Coding,
    /// Time against bytes; it does not change what memory is taken.
    pub effort: Effort,
}

/// Why nothing was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Sides that a JPEG cannot have, or more pixels than are counted here.
    #[error("{0} by {1} pixels: sides are from 1 to 65535, and there are at most {MOST_PIXELS} pixels")]
    Size(u32, u32),
    /// The slice is not of the picture's size.
    #[error("{given} bytes of pixels where {wanted} are wanted")]
    #[allow(missing_docs, reason = "the message says it")]
    Length { given: usize, wanted: usize },
    /// The caller wanted it to [stop](encode_until).
    #[error("stopped")]
    Stopped,
}

/// Their symbols are counted in 32 bits.
const MOST_PIXELS: u64 = 1 << 28;

/// Codes, counts and lists of scans.
const SMALL_THINGS: usize = 160 << 10;

/// Bytes that encoding takes at most beside the pixels and the file.
pub fn memory(width: u32, height: u32, sampling: Sampling) -> usize {
    let frame = Frame::new(width, height, sampling);
    coefficients::memory(&frame) + encoder::memory(&frame) + SMALL_THINGS
}

/// Encodes rows of pixels without gaps.
pub fn encode(pixels: &[u8], width: u32, height: u32, options: &Options) -> Result<Vec<u8>, Error> {
    encode_until(&AtomicBool::new(false), pixels, width, height, options)
}

/// As [`encode`]; ends with [`Error::Stopped`] soon after another thread has set `stop`.
pub fn encode_until(stop: &AtomicBool, pixels: &[u8], width: u32, height: u32, options: &Options) -> Result<Vec<u8>, Error> {
    let sides = 1..=65_535;
    if !sides.contains(&width) || !sides.contains(&height) || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Error::Size(width, height));
    }
    let frame = Frame::new(width, height, options.sampling);
    let wanted = frame.width * frame.height * frame.channels;
    if pixels.len() != wanted {
        return Err(Error::Length { given: pixels.len(), wanted });
    }
    let tables = tables::tables(options.quality);
    let all = encoder::coefficients(pixels, frame, &tables, options.effort, stop)?;
    let scans = script::choose(&all, options.coding, options.effort);
    let file = file::write(&all, &tables, &scans);
    if all.is_stopped() { Err(Error::Stopped) } else { Ok(file) }
}
