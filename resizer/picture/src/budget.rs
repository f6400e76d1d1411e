//! What a plan admits → every buffer of pixels, and the word to stop. There is no other way to a [`Raster`](crate::raster::Raster).

use std::{
    cell::Cell,
    fmt,
    ops::{Deref, DerefMut},
    rc::Rc,
};

use crate::{
    Error,
    raster::Channels,
    stop::{Stop, Watched},
};

/// Memory for pixels, and what a decoder may give.
#[derive(Clone)]
pub(crate) struct Budget(Rc<Account>);

struct Account {
    /// Bytes of all buffers at once.
    limit: u64,
    held: Cell<u64>,
    /// Width and height of what the decoder gives, as the header says.
    size: (u32, u32),
    /// The most that a decoded pixel has.
    channels: Channels,
    stop: Stop,
}

impl Budget {
    pub(crate) fn new(limit: u64, size: (u32, u32), channels: Channels, stop: &Stop) -> Self {
        Self(Rc::new(Account { limit, held: Cell::new(0), size, channels, stop: stop.clone() }))
    }

    /// For tests, which make pictures out of nothing.
    #[cfg(test)]
    pub(crate) fn unlimited() -> Self {
        Self::new(u64::MAX, (0, 0), Channels::Gray, &Stop::new())
    }

    /// Whether a decoder that found `size` and `channels` may go on: they are what was admitted.
    pub(crate) fn admit(&self, size: (u32, u32), channels: Channels) -> Result<(), Error> {
        let (width, height) = self.0.size;
        if size != (width, height) || channels.count() > self.0.channels.count() {
            let found = format!("{} by {} pixels of {} channels", size.0, size.1, channels.count());
            return Err(Error::Damaged(format!("{found} where the header says {width} by {height} of {}", self.0.channels.count())));
        }
        Ok(())
    }

    /// To be asked between parts of long work.
    pub(crate) fn go_on(&self) -> Result<(), Error> {
        if self.0.stop.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// For libraries that ask themselves.
    pub(crate) fn stop(&self) -> &Stop {
        &self.0.stop
    }

    /// `source` for a decoder that only reads: it fails when the work is to stop.
    pub(crate) fn watch<'a>(&self, source: &'a [u8]) -> Watched<'a> {
        Watched::new(source, &self.0.stop)
    }

    /// So many zeros.
    pub(crate) fn zeros(&self, length: usize) -> Result<Pixels, Error> {
        self.take(length)?;
        Ok(Pixels { bytes: vec![0; length], budget: self.clone() })
    }

    /// Takes over what a library has made.
    pub(crate) fn adopt(&self, bytes: Vec<u8>) -> Result<Pixels, Error> {
        self.take(bytes.len())?;
        Ok(Pixels { bytes, budget: self.clone() })
    }

    fn take(&self, length: usize) -> Result<(), Error> {
        self.go_on()?;
        let total = self.0.held.get().saturating_add(length as u64);
        if total > self.0.limit {
            return Err(Error::TooLarge(format!("{total} bytes of pixels, {} were planned", self.0.limit)));
        }
        self.0.held.set(total);
        Ok(())
    }
}

/// Bytes that count against their budget until they are dropped.
pub(crate) struct Pixels {
    bytes: Vec<u8>,
    budget: Budget,
}

impl Pixels {
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        let account = &self.budget.0;
        account.held.set(account.held.get().saturating_sub(self.bytes.len() as u64));
    }
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Pixels {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_count_until_they_are_dropped() {
        let budget = Budget::new(100, (10, 10), Channels::Gray, &Stop::new());
        let first = budget.zeros(60).unwrap();
        assert!(matches!(budget.zeros(41), Err(Error::TooLarge(_))) && matches!(budget.adopt(vec![0; 41]), Err(Error::TooLarge(_))));
        let second = budget.adopt(vec![0; 40]).unwrap();
        drop((first, second));
        assert!(budget.zeros(100).is_ok());
    }

    #[test]
    fn only_what_the_header_says_is_admitted() {
        let budget = Budget::new(100, (5, 5), Channels::Rgb, &Stop::new());
        assert!(budget.admit((5, 5), Channels::Rgb).is_ok() && budget.admit((5, 5), Channels::Gray).is_ok());
        for (size, channels) in [((5, 6), Channels::Rgb), ((4, 5), Channels::Rgb), ((5, 5), Channels::Rgba)] {
            assert!(matches!(budget.admit(size, channels), Err(Error::Damaged(_))));
        }
    }

    #[test]
    fn nothing_is_begun_when_it_is_to_stop() {
        let stop = Stop::new();
        let budget = Budget::new(100, (5, 5), Channels::Rgb, &stop);
        stop.clone().stop();
        assert!(matches!(budget.go_on(), Err(Error::Stopped)) && matches!(budget.zeros(1), Err(Error::Stopped)));
    }
}
