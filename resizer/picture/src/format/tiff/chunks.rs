//! The bytes of a strip or tile → its samples, as bytes one after the other.
//!
//! Below the decoder of TIFF, above the layout and the codes of CCITT.

use std::{
    borrow::Cow,
    convert::Infallible,
    io::{self, BufRead, Read},
};

use flate2::bufread::ZlibDecoder;
use scaled_jpeg::{Header, Options, Plan, Scale};
use weezl::{BitOrder, LzwStatus, decode};

use crate::{
    Error,
    budget::{Budget, Pixels},
    colour::deep::Deep,
    format::tiff::{
        directory::{damaged, part},
        fax::Rows,
        layout::{Colour, Compression, Layout},
    },
    stop::{PIECE, Stop},
};

/// What a chunk holds, uncompressed.
pub(super) fn open<'a>(
    source: &'a [u8],
    layout: &Layout<'a>,
    index: usize,
    rows: u32,
    budget: &Budget,
) -> Result<Box<dyn Read + 'a>, Error> {
    let (at, length) = layout.offsets.get(index).zip(layout.lengths.get(index)).ok_or_else(|| damaged("that ends early"))?;
    let data = part(source, at, length).ok_or_else(|| damaged("that ends early"))?;
    let data = if layout.reversed && layout.compression != Compression::Jpeg {
        Cow::Owned(data.iter().map(|byte| byte.reverse_bits()).collect())
    } else {
        Cow::Borrowed(data)
    };
    let data = Bytes { data, at: 0, stop: budget.stop().clone() };
    Ok(match layout.compression {
        Compression::None => Box::new(data),
        Compression::Lzw => Box::new(Lzw { decoder: decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8), data }),
        Compression::Deflate => Box::new(ZlibDecoder::new(data)),
        Compression::PackBits => Box::new(PackBits { data, left: 0, repeated: None }),
        Compression::Huffman | Compression::Group3(_) | Compression::Group4 => {
            // the code tables peek beyond the last code
            let data = Iterator::chain(data, std::iter::repeat_n(Ok(0), 4));
            Box::new(Rows::new(data, layout.compression, layout.chunk.0 as usize).map_err(|error| failure(&error))?)
        }
        Compression::Jpeg => Box::new(Samples { samples: jpeg(&data.data, layout, rows, budget)?, at: 0 }),
    })
}

/// What reading a chunk failed for.
pub(super) fn failure(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("that ends early"),
        _ => damaged("whose compressed data breaks the rules"),
    }
}

/// The bytes of a chunk as they are in the file, in pieces; no more of them come once the work is to stop. So no decoder is away for long:
/// codes that make no pixels may fill the whole file.
struct Bytes<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
    stop: Stop,
}

impl Read for Bytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Bytes<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stop.check()?;
        let rest = &self.data[self.at..];
        Ok(&rest[..rest.len().min(PIECE)])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl Iterator for Bytes<'_> {
    type Item = Result<u8, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at.is_multiple_of(PIECE) && self.stop.is_stopped() {
            return None;
        }
        let byte = self.data.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte.map(Ok)
    }
}

/// What the decoder of a JPEG has given.
struct Samples {
    samples: Pixels,
    at: usize,
}

impl Read for Samples {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = (&self.samples[self.at..]).read(into)?;
        self.at += length;
        Ok(length)
    }
}

struct Lzw<'a> {
    decoder: decode::Decoder,
    data: Bytes<'a>,
}

impl Read for Lzw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = self.decoder.decode_bytes(self.data.fill_buf()?, into);
            self.data.consume(result.consumed_in);
            match result.status {
                Ok(LzwStatus::Ok) if result.consumed_out == 0 && !into.is_empty() => {}
                Ok(_) => return Ok(result.consumed_out),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }
}

struct PackBits<'a> {
    data: Bytes<'a>,
    /// Bytes of the run that are still to come.
    left: usize,
    /// All of them are this one.
    repeated: Option<u8>,
}

impl PackBits<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.data.next().and_then(Result::ok)
    }
}

impl Read for PackBits<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some(head) = self.byte() else { return Ok(0) };
            match head {
                ..128 => (self.left, self.repeated) = (usize::from(head) + 1, None),
                128 => {}
                _ => {
                    let Some(value) = self.byte() else { return Ok(0) };
                    (self.left, self.repeated) = (257 - usize::from(head), Some(value));
                }
            }
        }
        let length = self.left.min(into.len());
        let length = if let Some(value) = self.repeated {
            into[..length].fill(value);
            length
        } else {
            self.data.read(&mut into[..length])?
        };
        self.left -= length;
        Ok(length)
    }
}

/// The samples of a chunk that is a JPEG, whose tables may be those of all chunks.
fn jpeg(data: &[u8], layout: &Layout, rows: u32, budget: &Budget) -> Result<Pixels, Error> {
    let bad = |error: scaled_jpeg::Error| match error.kind {
        scaled_jpeg::ErrorKind::Unsupported(what) => Error::Unsupported(format!("TIFF with JPEG of {what}")),
        _ => damaged(&format!("with JPEG that is broken: {error}")),
    };
    // the marker says whether three samples are luma and colour differences
    let transform = u8::from(layout.ycbcr);
    let adobe = [0xFF, 0xD8, 0xFF, 0xEE, 0, 14, b'A', b'd', b'o', b'b', b'e', 0, 100, 0, 0, 0, 0, transform];
    let tables = layout.tables.strip_prefix(&[0xFF, 0xD8]).unwrap_or_default();
    let tables = tables.strip_suffix(&[0xFF, 0xD9]).unwrap_or(tables);
    let file = [&adobe[..], tables, data.strip_prefix(&[0xFF, 0xD8]).unwrap_or(data)].concat();
    let header = Header::read(&file).map_err(bad)?;
    let plan = Plan::new(&header, &Options::new(Scale::Full)).map_err(bad)?;
    let (width, height) = plan.size();
    if width != layout.chunk.0 || height < rows || height > layout.chunk.1 || plan.channels() != layout.samples_in_chunk() as usize {
        return Err(damaged("with JPEG of another size than its own"));
    }
    let stride = width as usize * plan.channels();
    let mut samples = budget.zeros(stride * height as usize)?;
    plan.decode_until(budget.stop().flag(), &file, &mut samples, stride).map_err(bad)?;
    Ok(samples)
}

impl Layout<'_> {
    /// What decoding takes beside the pixels it gives, in bytes.
    pub(super) fn working(&self) -> u64 {
        let rows = self.row().saturating_mul(4);
        let chunk = u64::from(self.chunk.0).saturating_mul(self.chunk.1.into()).saturating_mul(self.samples_in_chunk().into());
        let compressed = self.lengths.iter().max().unwrap_or(0);
        let own = match self.compression {
            // the file again with its tables, samples, and what the decoder needs for each of them
            Compression::Jpeg => chunk.saturating_mul(8).saturating_add(compressed),
            _ if self.reversed => compressed,
            _ => 0,
        };
        let palette = if matches!(self.colour, Colour::Palette(_)) { 1 << 12 } else { 0 };
        // of this row and the one before, two for each code, as lists that grow
        let changes = if self.bits == 1 { u64::from(self.chunk.0) * 80 } else { 0 };
        let deep = if self.is_deep() { Deep::working(self.width) } else { 0 };
        own.saturating_add(rows).saturating_add(palette + changes + deep + (256 << 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_make_no_samples_come_in_pieces_between_which_the_work_stops() {
        let stop = Stop::new();
        let bytes = || Bytes { data: Cow::Owned(vec![0; 4 * PIECE]), at: 0, stop: stop.clone() };
        // the code of 9 bits that clears the table, over and over
        let clear = [0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01, 0].repeat(PIECE);
        let decoder = decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
        let mut lzw = Lzw { decoder, data: Bytes { data: Cow::Owned(clear), at: 0, stop: stop.clone() } };
        let mut bits = bytes();
        assert_eq!(Iterator::take(&mut bits, PIECE + 1).count(), PIECE + 1);
        assert_eq!(bytes().fill_buf().unwrap().len(), PIECE);
        stop.stop();
        assert!(lzw.read(&mut [0; 10]).is_err() && bytes().fill_buf().is_err());
        assert_eq!((lzw.data.at, bits.count()), (0, PIECE - 1));
    }
}
