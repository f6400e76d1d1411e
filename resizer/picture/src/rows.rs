//! A decoder that reads from top to bottom → its rows, one after the other, or a raster of all.
//!
//! Whoever takes rows as they come needs no memory for the whole picture. Below the formats, which make them, and the scaler, which
//! takes them; above the raster and the budget.

use crate::{Error, budget::Budget, channels::Channels, raster::Raster};

/// Fills a row.
type Next<'a> = Box<dyn FnMut(&mut [u8]) -> Result<(), Error> + 'a>;

/// Rows of a picture that is still to be read.
pub(crate) struct Rows<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    pub(crate) budget: Budget,
    next: Next<'a>,
}

impl<'a> Rows<'a> {
    /// `next` gives a row each time, `height` times, and then looks whether the file is whole.
    pub(crate) fn new(
        budget: &Budget,
        (width, height): (u32, u32),
        channels: Channels,
        next: impl FnMut(&mut [u8]) -> Result<(), Error> + 'a,
    ) -> Self {
        Self { width, height, channels, budget: budget.clone(), next: Box::new(next) }
    }

    /// Bytes of one row.
    pub(crate) fn stride(&self) -> usize {
        self.width as usize * self.channels.count()
    }

    /// Reads the next row.
    pub(crate) fn next(&mut self, into: &mut [u8]) -> Result<(), Error> {
        (self.next)(into)
    }

    /// All of them.
    pub(crate) fn whole(mut self) -> Result<Raster, Error> {
        let mut raster = Raster::new(&self.budget, self.width, self.height, self.channels)?;
        let stride = raster.stride().max(1);
        raster.pixels.chunks_exact_mut(stride).try_for_each(|row| self.next(row))?;
        Ok(raster)
    }
}
