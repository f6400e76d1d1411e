//! A flag that one thread sets → the work of another thread ends, and readers that end with it.
//!
//! On the ground: the budget asks it for all work in pieces, and hands it to libraries that ask by themselves.

use std::{
    io::{self, BufRead, Cursor, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A handle on work in another thread, which ends soon after [`stop`](Self::stop) with `Error::Stopped`.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Nothing is stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the work of every clone of this handle.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody called [`stop`](Self::stop).
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// For readers that are given to libraries: an error once the flag is set.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.is_stopped() { Err(io::Error::other("stopped")) } else { Ok(()) }
    }

    /// The flag itself, for libraries that look at it.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

/// Bytes at a time: a compressed file may make a thousand times as much of them.
pub(crate) const PIECE: usize = 16 << 10;

/// A file of which nothing more comes once its reader is to stop.
pub(crate) struct Watched<'a> {
    source: Cursor<&'a [u8]>,
    stop: Stop,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(source: &'a [u8], stop: &Stop) -> Self {
        Self { source: Cursor::new(source), stop: stop.clone() }
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        let length = into.len().min(PIECE);
        self.source.read(&mut into[..length])
    }
}

impl BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.stop.check()?;
        let rest = self.source.fill_buf()?;
        Ok(&rest[..rest.len().min(PIECE)])
    }

    fn consume(&mut self, amount: usize) {
        self.source.consume(amount);
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_told_while_it_reads() {
        let (file, stop) = (vec![7; 3 * PIECE], Stop::new());
        let mut reader = Watched::new(&file, &stop);
        let mut read = vec![0; 2 * PIECE];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(read, file[..2 * PIECE]);
        assert_eq!(reader.fill_buf().unwrap().len(), PIECE);
        stop.stop();
        assert!(reader.fill_buf().is_err() && reader.read(&mut read).is_err());
    }
}
