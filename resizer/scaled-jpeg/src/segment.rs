//! Bytes of a file → its marker segments, one after the other.

use crate::error::{Error, ErrorKind};

pub(crate) const DHT: u8 = 0xC4;
pub(crate) const RST0: u8 = 0xD0;
pub(crate) const RST7: u8 = 0xD7;
const SOI: u8 = 0xD8;
pub(crate) const EOI: u8 = 0xD9;
pub(crate) const SOS: u8 = 0xDA;
pub(crate) const DQT: u8 = 0xDB;
pub(crate) const DRI: u8 = 0xDD;
pub(crate) const APP0: u8 = 0xE0;
pub(crate) const APP14: u8 = 0xEE;

/// A marker with its content; that of EOI is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    pub(crate) content: &'a [u8],
    /// Of the content.
    pub(crate) position: usize,
}

impl Segment<'_> {
    pub(crate) fn bad(&self, what: &'static str) -> Error {
        ErrorKind::BadSegment(what).at(self.position)
    }
}

/// Walks from segment to segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments<'a> {
    source: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Segments<'a> {
    pub(crate) fn new(source: &'a [u8]) -> Result<Self, Error> {
        if source.starts_with(&[0xFF, SOI]) { Ok(Self { source, at: 2 }) } else { Err(ErrorKind::NotJpeg.at(0)) }
    }

    /// The next segment. What is between segments is passed over, and so are markers without content, but EOI.
    pub(crate) fn next(&mut self) -> Result<Segment<'a>, Error> {
        let source = self.source;
        let truncated = ErrorKind::Truncated.at(source.len());
        loop {
            self.at += memchr::memchr(0xFF, source.get(self.at..).unwrap_or_default()).ok_or(truncated)?;
            let marker = *source.get(self.at + 1).ok_or(truncated)?;
            match marker {
                0xFF => self.at += 1,
                0 | 1 | RST0..=SOI => self.at += 2,
                EOI => return Ok(Segment { marker, content: &[], position: self.at + 2 }),
                _ => {
                    let position = self.at + 4;
                    let length: [u8; 2] = source.get(self.at + 2..position).and_then(|bytes| bytes.try_into().ok()).ok_or(truncated)?;
                    let end = self.at + 2 + usize::from(u16::from_be_bytes(length));
                    if end < position {
                        return Err(ErrorKind::BadSegment("segment length").at(self.at + 2));
                    }
                    let content = source.get(position..end).ok_or(truncated)?;
                    self.at = end;
                    return Ok(Segment { marker, content, position });
                }
            }
        }
    }

    /// Whether an end marker comes, in a file of scans that may end anywhere.
    pub(crate) fn has_end(mut self) -> bool {
        loop {
            self.pass_data();
            match self.next() {
                Ok(segment) if segment.marker == EOI => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// Moves behind entropy-coded data: to the next marker that is not a restart, or to the end.
    pub(crate) fn pass_data(&mut self) {
        while let Some(next) = memchr::memchr(0xFF, self.source.get(self.at..).unwrap_or_default()) {
            self.at += next;
            match self.source.get(self.at + 1) {
                Some(0 | RST0..=RST7) => self.at += 2,
                Some(0xFF) => self.at += 1,
                _ => return,
            }
        }
        self.at = self.source.len();
    }
}
