//! Entropy-coded bytes → bits.
//!
//! [`Data`] takes the stuffed zeros out, some thousand bytes at a time, up to the next marker. [`Reader`] takes bits from what is ready;
//! it is small and goes by value, so that it stays in registers.

#![allow(clippy::cast_possible_truncation, reason = "at most 32 bits at a time")]

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    error::{Error, ErrorKind},
    segment::{RST0, RST7},
};

const MASK: usize = (1 << 15) - 1;
/// Any position up to [`MASK`] has 8 bytes, without a check.
const SIZE: usize = MASK + 8;
/// More than a unit can take: 10 blocks of 64 coefficients of 16 + 15 bits.
const RESERVE: usize = 4096;
const MOST: usize = MASK - 2 * RESERVE;

pub(crate) type Bytes = [u8; SIZE];

/// Takes bits, from the highest on.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    /// The next bits; more than `count` may be there, which are read again.
    bits: u64,
    count: u32,
    /// The next byte to read.
    at: usize,
}

#[allow(clippy::inline_always, reason = "for the registers, and for the caller's target features")]
impl Reader {
    /// At least 56 bits from here on.
    #[inline(always)]
    pub(crate) fn refill(&mut self, bytes: &Bytes) {
        let at = self.at & MASK;
        let next = bytes[at..at + 8].first_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk));
        self.bits |= next >> self.count;
        self.at += (63 - self.count as usize) >> 3;
        self.count |= 0b11_1000;
    }

    #[inline(always)]
    pub(crate) fn peek(&self, count: u32) -> usize {
        (self.bits >> (64 - count)) as usize
    }

    #[inline(always)]
    pub(crate) fn consume(&mut self, count: u32) {
        self.bits <<= count & 63;
        self.count = self.count.wrapping_sub(count & 63);
    }

    /// The next `count` bits, of 0 to 16.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> u32 {
        let value = (self.bits >> 1 >> (63 - count)) as u32;
        self.consume(count);
        value
    }

    /// How many bits are there without a refill.
    #[inline(always)]
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// How many bits of the buffer are taken.
    pub(crate) fn taken(&self) -> usize {
        self.at * 8 - self.count as usize
    }
}

/// The data of a scan, from one marker to the next.
pub(crate) struct Data<'a> {
    source: &'a [u8],
    /// Whether the caller wants no more.
    stop: &'a AtomicBool,
    /// The next byte of the source.
    next: usize,
    /// All up to the next marker is in `bytes`.
    complete: bool,
    filled: usize,
    bytes: Box<Bytes>,
}

impl<'a> Data<'a> {
    /// Data of `source`, from where [`restart_at`](Self::restart_at) says.
    pub(crate) fn new(source: &'a [u8], stop: &'a AtomicBool) -> Self {
        let bytes = vec![0; SIZE].into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("the length is SIZE"));
        Self { source, stop, next: 0, complete: false, filled: 0, bytes }
    }

    /// Goes on at `position`.
    pub(crate) fn restart_at(&mut self, position: usize) -> Reader {
        (self.next, self.complete, self.filled) = (position, false, 0);
        self.fill();
        Reader { bits: 0, count: 0, at: 0 }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Beyond this byte a reader needs [`more`](Self::more) before it reads a unit.
    #[inline]
    pub(crate) fn limit(&self) -> usize {
        if self.complete { 0 } else { self.filled.saturating_sub(RESERVE) }
    }

    /// Whether `reader` needs [`more`](Self::more).
    #[inline]
    pub(crate) fn is_low(&self, reader: Reader) -> bool {
        reader.at >= self.limit()
    }

    /// Puts enough for a unit before the reader, with zeros after the end.
    #[cold]
    #[inline(never)]
    pub(crate) fn more(&mut self, mut reader: Reader) -> Result<Reader, Error> {
        if self.complete {
            return self.check(reader).map(|()| reader);
        }
        // what the reader has taken ahead is still counted
        let past = reader.at.saturating_sub(8);
        self.bytes.copy_within(past..self.filled, 0);
        self.filled -= past;
        reader.at -= past;
        self.fill();
        Ok(reader)
    }

    fn fill(&mut self) {
        while self.filled < MOST {
            let rest = &self.source[self.next.min(self.source.len())..];
            let room = MOST - self.filled;
            let marked = &rest[..rest.len().min(room)];
            let plain = memchr::memchr(0xFF, marked).unwrap_or(marked.len());
            self.bytes[self.filled..self.filled + plain].copy_from_slice(&rest[..plain]);
            self.filled += plain;
            self.next += plain;
            if plain == room {
                return;
            }
            match rest[plain..] {
                [0xFF, 0, ..] => {
                    self.bytes[self.filled] = 0xFF;
                    self.filled += 1;
                    self.next += 2;
                }
                [0xFF, 0xFF, ..] => self.next += 1,
                _ => {
                    self.complete = true;
                    self.bytes[self.filled..].fill(0);
                    return;
                }
            }
        }
    }

    /// An error about where `reader` is.
    pub(crate) fn error(&self, kind: ErrorKind, reader: Reader) -> Error {
        // what was made up after the end can look like any damage
        self.check(reader).err().unwrap_or_else(|| kind.at(self.next.saturating_sub(self.filled.saturating_sub(reader.at))))
    }

    /// Whether to go on: asked for each row of units.
    pub(crate) fn go_on(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) { Err(ErrorKind::Stopped.at(self.next)) } else { Ok(()) }
    }

    /// Whether `reader` has taken more than there is.
    pub(crate) fn check(&self, reader: Reader) -> Result<(), Error> {
        if self.complete && reader.taken() > self.filled * 8 { Err(ErrorKind::Truncated.at(self.next)) } else { Ok(()) }
    }

    /// Whether the bytes did not end before here. What is left of them is passed over: many encoders write a byte too much.
    pub(crate) fn finish(&mut self, reader: Reader) -> Result<(), Error> {
        self.check(reader)?;
        self.pass();
        Ok(())
    }

    /// Goes to the next marker.
    fn pass(&mut self) {
        while !self.complete {
            self.filled = 0;
            self.fill();
        }
    }

    /// Passes the restart marker `number`, 0 to 7.
    pub(crate) fn restart(&mut self, reader: Reader, number: usize) -> Result<Reader, Error> {
        self.finish(reader)?;
        self.pass_restart(number)
    }

    /// Passes what is before the restart marker, unread, and the marker.
    pub(crate) fn skip_to_restart(&mut self, number: usize) -> Result<Reader, Error> {
        self.pass();
        self.pass_restart(number)
    }

    fn pass_restart(&mut self, number: usize) -> Result<Reader, Error> {
        match self.source[self.next.min(self.source.len())..] {
            [] | [_] => Err(ErrorKind::Truncated.at(self.source.len())),
            [_, marker, ..] if usize::from(marker) == usize::from(RST0) + number => Ok(self.restart_at(self.next + 2)),
            [_, marker, ..] if (RST0..=RST7).contains(&marker) => Err(ErrorKind::NoRestart.at(self.next)),
            // another marker: the scan is over
            _ => Err(ErrorKind::Truncated.at(self.next)),
        }
    }

    /// Where the marker is that ends the data, once that was all read.
    pub(crate) fn end(&self) -> usize {
        self.next
    }
}
