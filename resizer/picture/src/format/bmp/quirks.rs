//! A BMP of a kind that the decoder refuses, or fills with black → one that it takes.
//!
//! Below the decoder beside it, above nothing but errors.

use std::borrow::Cow;

use crate::Error;

const HEADER: usize = 14;

fn damaged() -> Error {
    Error::Damaged("BMP that ends early".into())
}

fn number(source: &[u8], at: usize, size: usize) -> Result<usize, Error> {
    let bytes = source.get(at..at + size).ok_or_else(damaged)?;
    Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte)))
}

fn put(file: &mut [u8], at: usize, value: usize) {
    if let (Some(into), Ok(value)) = (file.get_mut(at..at + 4), u32::try_from(value)) {
        into.copy_from_slice(&value.to_le_bytes());
    }
}

/// Of the second version of OS/2: its header begins as that of Windows, and may end before it or go on.
pub(super) fn of_windows(source: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    let size = number(source, HEADER, 4)?;
    if !(16..=64).contains(&size) || matches!(size, 40 | 52 | 56) {
        return Ok(Cow::Borrowed(source));
    }
    let (head, rest) = source.split_at_checked(HEADER + size).ok_or_else(damaged)?;
    let mut file = head.to_vec();
    file.resize(HEADER + 40, 0);
    put(&mut file, HEADER, 40);
    let offset = number(source, 10, 4)?;
    put(&mut file, 10, (offset + 40).saturating_sub(size));
    if number(&file, 30, 4)? > 2 {
        return Err(Error::Unsupported("BMP of OS/2 with Huffman's codes or runs of 24 bits".into()));
    }
    file.extend(rest);
    Ok(Cow::Owned(file))
}

/// Size of the pixels of a BMP with runs, if they are uncompressed: bytes of a row, and rows.
pub(super) fn runs(source: &[u8]) -> Option<(usize, usize)> {
    let field = |at: usize| number(source, at, 4).ok();
    let has_runs = field(HEADER)? >= 40 && matches!(field(30)?, 1 | 2);
    let (width, height) = (field(18)?, i32::try_from(field(22)?).ok().and_then(|height| usize::try_from(height).ok())?);
    has_runs.then_some((width.next_multiple_of(4), height))
}

/// The runs as pixels of 8 bits. What they leave out has the first colour of the palette.
pub(super) fn without_runs(source: &[u8], (stride, height): (usize, usize), pixels: &mut [u8]) -> Result<Vec<u8>, Error> {
    let (offset, depth) = (number(source, 10, 4)?, number(source, 28, 2)?);
    expand(source.get(offset..).ok_or_else(damaged)?, number(source, 30, 4)? == 2, number(source, 18, 4)?, stride, height, pixels)?;
    let mut file = source[..offset].to_vec();
    if file.len() < HEADER + 40 {
        return Err(damaged());
    }
    let colours = number(source, 46, 4)?;
    put(&mut file, 46, if colours == 0 { 1 << depth.min(8) } else { colours });
    file[28..30].copy_from_slice(&[8, 0]);
    file[30..38].fill(0);
    Ok(file)
}

fn value_of(value: usize) -> u8 {
    u8::try_from(value).unwrap_or_default()
}

fn expand(data: &[u8], four: bool, width: usize, stride: usize, height: usize, pixels: &mut [u8]) -> Result<(), Error> {
    let (mut x, mut y, mut at) = (0, 0, 0);
    let byte = |at: usize| data.get(at).copied().map(usize::from).ok_or_else(damaged);
    while y < height {
        let (count, value) = (byte(at)?, byte(at + 1)?);
        at += 2;
        // the value of a pixel of a run, or of pixels one by one, two of which may share a byte
        let half = |pair: usize, index: usize| {
            if !four {
                pair
            } else if index.is_multiple_of(2) {
                pair >> 4
            } else {
                pair & 15
            }
        };
        // of pixels beyond the row nothing is kept
        let start = y.saturating_mul(stride);
        let row = pixels.get_mut(start.saturating_add(x)..start.saturating_add(width)).unwrap_or_default();
        match (count, value) {
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => return Ok(()),
            (0, 2) => {
                (x, y) = (x + byte(at)?, y + byte(at + 1)?);
                at += 2;
            }
            (0, count) => {
                let length = if four { count.div_ceil(2) } else { count };
                byte(at + length - 1)?;
                for (index, pixel) in row.iter_mut().take(count).enumerate() {
                    *pixel = value_of(half(byte(at + if four { index / 2 } else { index })?, index));
                }
                x += count;
                at += length.next_multiple_of(2);
            }
            (count, value) => {
                row.iter_mut().take(count).enumerate().for_each(|(index, pixel)| *pixel = value_of(half(value, index)));
                x += count;
            }
        }
    }
    Ok(())
}
