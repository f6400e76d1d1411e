//! What a plan admits → every buffer of pixels, and work in pieces between which it can be stopped.
//!
//! Below all that decodes, scales and encodes: there is no other way to a [`Raster`](crate::raster::Raster), and a loop over pixels
//! takes its pieces from here. Above [`Stop`] alone.

use std::{
    cell::Cell,
    fmt,
    ops::{Deref, DerefMut, Range},
    rc::Rc,
};

use crate::{
    Error,
    channels::Channels,
    stop::{Stop, Watched},
};

/// Pixels that are read or written at most between two looks at [`Stop`]. The slowest work on them, a conversion by the tables of a
/// profile, takes a tenth of a second.
pub(crate) const AT_ONCE: usize = 1 << 22;

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
    /// How often the work asked whether to go on, and at which time it is told to stop.
    #[cfg(test)]
    looks: Cell<usize>,
    #[cfg(test)]
    last: Cell<usize>,
}

impl Budget {
    pub(crate) fn new(limit: u64, size: (u32, u32), channels: Channels, stop: &Stop) -> Self {
        Self(Rc::new(Account {
            limit,
            held: Cell::new(0),
            size,
            channels,
            stop: stop.clone(),
            #[cfg(test)]
            looks: Cell::new(0),
            #[cfg(test)]
            last: Cell::new(usize::MAX),
        }))
    }

    /// How often the work asked whether to go on.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> usize {
        self.0.looks.get()
    }

    /// Stops the work when it asks for the `last` time from now.
    #[cfg(test)]
    pub(crate) fn stop_at(&self, last: usize) {
        self.0.last.set(self.looks() + last);
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
        #[cfg(test)]
        {
            self.0.looks.set(self.0.looks.get() + 1);
            if self.0.looks.get() == self.0.last.get() {
                self.0.stop.stop();
            }
        }
        if self.0.stop.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// For libraries that look at the flag themselves.
    pub(crate) fn stop(&self) -> &Stop {
        &self.0.stop
    }

    /// `source` for a decoder that only reads: it fails when the work is to stop.
    pub(crate) fn watch<'a>(&self, source: &'a [u8]) -> Watched<'a> {
        Watched::new(source, &self.0.stop)
    }

    /// Ranges of `0..rows`, for which `pixels` are read or written in all: each has [`AT_ONCE`] of them at most, or is one row. Before
    /// each one it is asked whether to go on.
    pub(crate) fn pieces(&self, rows: usize, pixels: u64) -> impl Iterator<Item = Result<Range<usize>, Error>> + use<> {
        let budget = self.clone();
        let of_row = usize::try_from(pixels.div_ceil(rows.max(1) as u64)).unwrap_or(usize::MAX);
        let step = (AT_ONCE / of_row.max(1)).max(1);
        (0..rows).step_by(step).map(move |start| budget.go_on().map(|()| start..(start + step).min(rows)))
    }

    /// So many zeros.
    pub(crate) fn zeros(&self, length: usize) -> Result<Pixels, Error> {
        let taken = self.take(length)?;
        Ok(Pixels { values: vec![0; length], taken, budget: self.clone() })
    }

    /// The first `length` of some values.
    pub(crate) fn collect<T>(&self, length: usize, values: impl Iterator<Item = T>) -> Result<Pixels<T>, Error> {
        let taken = self.take(length.saturating_mul(size_of::<T>()))?;
        let mut pixels = Pixels { values: Vec::with_capacity(length), taken, budget: self.clone() };
        pixels.values.extend(values.take(length));
        Ok(pixels)
    }

    /// Takes over what a library has made.
    pub(crate) fn adopt(&self, bytes: Vec<u8>) -> Result<Pixels, Error> {
        let taken = self.take(bytes.len())?;
        Ok(Pixels { values: bytes, taken, budget: self.clone() })
    }

    fn take(&self, length: usize) -> Result<u64, Error> {
        self.go_on()?;
        let total = self.0.held.get().saturating_add(length as u64);
        if total > self.0.limit {
            return Err(Error::TooLarge(format!("{total} bytes of pixels, {} were planned", self.0.limit)));
        }
        self.0.held.set(total);
        Ok(length as u64)
    }
}

/// Values that count against their budget until they are dropped.
pub(crate) struct Pixels<T = u8> {
    values: Vec<T>,
    /// Bytes.
    taken: u64,
    budget: Budget,
}

impl<T> Pixels<T> {
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl<T> Drop for Pixels<T> {
    fn drop(&mut self) {
        let account = &self.budget.0;
        account.held.set(account.held.get().saturating_sub(self.taken));
    }
}

impl<T> Deref for Pixels<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<T> DerefMut for Pixels<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values
    }
}

impl<T: fmt::Debug> fmt::Debug for Pixels<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.values.fmt(f)
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
        assert!(budget.collect(25, 0_u32..).is_ok_and(|values| values.iter().copied().eq(0..25)));
        assert!(matches!(budget.collect(26, 0_u32..), Err(Error::TooLarge(_))) && budget.zeros(100).is_ok());
    }

    #[test]
    fn pieces_are_bounded_by_pixels_and_cover_all_rows() {
        let budget = Budget::unlimited();
        for (rows, of_row, pieces) in
            [(0, 7, 0), (1, 7, 1), (100, 0, 1), (100, AT_ONCE, 100), (100, 3 * AT_ONCE, 100), (101, AT_ONCE / 10, 11)]
        {
            let before = budget.looks();
            let ranges: Vec<_> = budget.pieces(rows, (rows * of_row) as u64).map(Result::unwrap).collect();
            assert_eq!((ranges.len(), budget.looks() - before), (pieces, pieces));
            assert!(ranges.iter().all(|range| range.len() == 1 || range.len() * of_row <= AT_ONCE), "{ranges:?}");
            assert!(ranges.into_iter().flatten().eq(0..rows));
        }
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
