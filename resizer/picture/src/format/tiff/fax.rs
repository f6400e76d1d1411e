//! Bytes of CCITT's codes for black and white → rows of bits, 0 for white.
//!
//! The codes are those of the crate `fax`; its decoders want what TIFF does not have: ends of lines before the first one, or none at all.
//!
//! Below the chunks of TIFF, above its layout.

use std::{convert::Infallible, io};

use fax::{
    BitReader, ByteReader,
    maps::{self, Mode, black, mode, white},
};

use crate::format::tiff::layout::Compression;

/// Gives row after row.
pub(super) struct Rows<R: Iterator<Item = Result<u8, Infallible>>> {
    bits: ByteReader<R>,
    compression: Compression,
    width: usize,
    /// Where colours change in the row before.
    before: Vec<usize>,
    row: Vec<u8>,
    /// Bytes of the row that were given.
    given: usize,
}

fn damaged() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

impl<R: Iterator<Item = Result<u8, Infallible>>> Rows<R> {
    pub(super) fn new(bytes: R, compression: Compression, width: usize) -> io::Result<Self> {
        let bits = ByteReader::new(bytes).map_err(|_| damaged())?;
        let length = width.div_ceil(8);
        Ok(Self { bits, compression, width, before: vec![], row: vec![0; length], given: length })
    }

    fn skip(&mut self, count: u8) {
        let _: Result<(), Infallible> = self.bits.consume(count);
    }

    /// Passes the end of a line, if one is here, with what fills up before it; whether there was one.
    fn end_of_line(&mut self) -> bool {
        if self.bits.peek(11) != Some(0) {
            return false;
        }
        while self.bits.peek(1) == Some(0) {
            self.skip(1);
        }
        let ended = self.bits.peek(1) == Some(1);
        self.skip(1);
        ended
    }

    /// A run of one colour.
    fn run(&mut self, is_black: bool) -> io::Result<usize> {
        let mut length = 0;
        loop {
            let part = if is_black { black::decode(&mut self.bits) } else { white::decode(&mut self.bits) }.ok_or_else(damaged)?;
            length += usize::from(part);
            if length > self.width {
                return Err(damaged());
            }
            if part < 64 {
                return Ok(length);
            }
        }
    }

    /// Codes that a row may have: one for each pixel, and some without any. More runs of no length would have no end.
    fn codes(&self) -> std::ops::Range<usize> {
        0..self.width + 8
    }

    /// Where colours change in a row that is coded by itself.
    fn one_dimension(&mut self) -> io::Result<Vec<usize>> {
        let (mut changes, mut at, mut is_black) = (vec![], 0, false);
        let mut codes = self.codes();
        while at < self.width {
            codes.next().ok_or_else(damaged)?;
            at = (at + self.run(is_black)?).min(self.width);
            changes.push(at);
            is_black = !is_black;
        }
        Ok(changes)
    }

    /// Where colours change in a row that is coded by the one before; `None` at the end of all rows.
    fn two_dimensions(&mut self) -> io::Result<Option<Vec<usize>>> {
        if self.bits.peek(12) == Some(maps::EOL.data) {
            return Ok(None);
        }
        let (mut changes, mut at, mut is_black, mut start) = (Vec::<usize>::new(), 0, false, true);
        let (mut first, mut codes) = (0, self.codes());
        while at < self.width {
            codes.next().ok_or_else(damaged)?;
            // the first change to the other colour behind this place, and the one after it
            while self.before.get(first).is_some_and(|&change| change <= at && !(start && change == 0)) {
                first += 1;
            }
            let next = first + usize::from(first % 2 != usize::from(is_black));
            let change = |index: usize| self.before.get(index).map_or(self.width, |&change| change.min(self.width));
            let (b1, b2) = (change(next), change(next + 1));
            match mode::decode(&mut self.bits).ok_or_else(damaged)? {
                Mode::Pass => at = b2,
                Mode::Horizontal => {
                    for is_black in [is_black, !is_black] {
                        at = (at + self.run(is_black)?).min(self.width);
                        changes.push(at);
                    }
                }
                Mode::Vertical(delta) => {
                    let next = b1.checked_add_signed(delta.into()).filter(|&next| next <= self.width && next >= at).ok_or_else(damaged)?;
                    at = next;
                    changes.push(at);
                    is_black = !is_black;
                }
                Mode::EOF | Mode::Extension => return Err(damaged()),
            }
            start = false;
        }
        Ok(Some(changes))
    }

    fn changes(&mut self) -> io::Result<Vec<usize>> {
        match self.compression {
            Compression::Huffman => {
                let changes = self.one_dimension()?;
                // a row begins with a byte
                let rest = self.bits.bits_to_byte_boundary();
                self.skip(rest);
                Ok(changes)
            }
            Compression::Group3(both) => {
                self.end_of_line();
                let by_itself = !both || self.bits.peek(1) == Some(1);
                if both {
                    self.skip(1);
                }
                if by_itself { self.one_dimension() } else { self.two_dimensions()?.ok_or_else(damaged) }
            }
            // rows that are left out at the end are white
            _ => Ok(self.two_dimensions()?.unwrap_or_default()),
        }
    }

    fn next(&mut self) -> io::Result<()> {
        let changes = self.changes()?;
        self.row.fill(0);
        for pair in changes.chunks(2) {
            let end = pair.get(1).copied().unwrap_or(self.width);
            for x in pair[0]..end {
                self.row[x / 8] |= 0x80 >> (x % 8);
            }
        }
        self.before = changes;
        self.given = 0;
        Ok(())
    }
}

impl<R: Iterator<Item = Result<u8, Infallible>>> io::Read for Rows<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.row.len() {
            self.next()?;
        }
        let rest = &self.row[self.given..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}
