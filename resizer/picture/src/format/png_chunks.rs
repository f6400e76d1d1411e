//! A PNG file → only those of its chunks that make its pixels: whatever else it holds takes no memory of the decoder.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::stop::{PIECE, Stop};

/// Reads the signature and the chunks that matter, until the work is to stop.
pub(crate) struct Essential<'a> {
    source: &'a [u8],
    stop: Stop,
    /// What is left of the signature or of a chunk.
    at: usize,
    end: usize,
}

impl<'a> Essential<'a> {
    pub(crate) fn new(source: &'a [u8], stop: &Stop) -> Self {
        Self { source, stop: stop.clone(), at: 0, end: source.len().min(8) }
    }

    /// Moves to the next chunk that matters.
    fn advance(&mut self) {
        while self.at == self.end && self.end < self.source.len() {
            let Some((length, name)) = self.source[self.end..].split_first_chunk::<4>().map(|(length, rest)| (*length, rest.get(..4)))
            else {
                self.end = self.source.len();
                return;
            };
            let next = self.end.saturating_add(12).saturating_add(u32::from_be_bytes(length) as usize).min(self.source.len());
            if !matches!(name, Some(b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND")) {
                self.at = next;
            }
            self.end = next;
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

/// The decoder asks for this, but does not use it.
impl Seek for Essential<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
        [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], name, content, &[9; 4]].concat()
    }

    #[test]
    fn passes_over_what_makes_no_pixels() {
        let [head, text, data, end] =
            [chunk(b"IHDR", &[1; 13]), chunk(b"tEXt", &[2; 10_000]), chunk(b"IDAT", &[3; 10_000]), chunk(b"IEND", &[])];
        let signature = b"\x89PNG\r\n\x1A\n";
        let file = [&signature[..], &head, &text, &data, &text, &data, &end].concat();
        let wanted = [&signature[..], &head, &data, &data, &end].concat();
        let mut read = Vec::new();
        Essential::new(&file, &Stop::new()).read_to_end(&mut read).unwrap();
        assert_eq!(read, wanted);
    }
}
