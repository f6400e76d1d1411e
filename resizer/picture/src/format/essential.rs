//! A file → only those of its parts that make its pixels: whatever else it holds takes no memory of its decoder.
//!
//! Below the formats whose files are made of chunks, above `stop`.

use std::{
    borrow::Cow,
    io::{self, BufRead, Read, Seek, SeekFrom},
};

use crate::stop::{PIECE, Stop};

/// Where the part ends that begins at a position, and whether it matters. It is behind the position, as far as the file goes.
type Part = fn(source: &[u8], at: usize) -> (usize, bool);

/// Reads the parts that matter, until the work is to stop.
pub(crate) struct Essential<'a> {
    source: Cow<'a, [u8]>,
    stop: Stop,
    part: Part,
    /// What is left of a part.
    at: usize,
    end: usize,
}

impl<'a> Essential<'a> {
    pub(crate) fn new(source: impl Into<Cow<'a, [u8]>>, stop: &Stop, part: Part) -> Self {
        Self { source: source.into(), stop: stop.clone(), part, at: 0, end: 0 }
    }

    /// Moves to the next part that matters.
    fn advance(&mut self) {
        while self.at == self.end && self.end < self.source.len() {
            let (end, matters) = (self.part)(&self.source, self.end);
            self.end = end.clamp(self.end + 1, self.source.len());
            if !matters {
                self.at = self.end;
            }
        }
    }
}

impl Read for Essential<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Essential<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stop.check()?;
        self.advance();
        Ok(&self.source[self.at..self.end.min(self.at + PIECE)])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.end);
    }
}

/// The decoder of PNG asks for this, but does not use it.
impl Seek for Essential<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_over_what_does_not_matter() {
        // a letter, a digit, and as many points as it says; upper case matters
        let part: Part = |source, at| (at + 2 + usize::from(source[at + 1] - b'0'), source[at].is_ascii_uppercase());
        for (source, wanted) in [("A0", "A0"), ("A2..b3...C1.", "A2..C1."), ("a9.........", ""), ("A9..", "A9.."), ("", "")] {
            let mut read = String::new();
            Essential::new(source.as_bytes(), &Stop::new(), part).read_to_string(&mut read).unwrap();
            assert_eq!(read, wanted);
        }
    }

    #[test]
    fn stops() {
        let (source, stop) = ([7; 100], Stop::new());
        let mut reader = Essential::new(&source, &stop, |source, _| (source.len(), true));
        reader.read_exact(&mut [0; 10]).unwrap();
        stop.stop();
        assert!(reader.read(&mut [0; 10]).is_err());
    }
}
