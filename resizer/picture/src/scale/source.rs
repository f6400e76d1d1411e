//! A raster, or rows as they are read → pairs of rows, from top to bottom.
//!
//! Below the scaler that mixes light.

use crate::{
    Error,
    budget::{Budget, Pixels},
    channels::Channels,
    raster::Raster,
    rows::Rows,
};

/// Where rows come from.
pub(super) enum Source<'a> {
    Whole(&'a Raster),
    /// With a pair of them, and how many were read.
    Rows(Rows<'a>, Pixels, u32),
}

impl<'a> Source<'a> {
    pub(super) fn of_rows(rows: Rows<'a>) -> Result<Self, Error> {
        let pair = rows.budget.zeros(2 * rows.stride())?;
        Ok(Self::Rows(rows, pair, 0))
    }

    pub(super) fn size(&self) -> (u32, u32) {
        match self {
            Self::Whole(raster) => (raster.width, raster.height),
            Self::Rows(rows, ..) => (rows.width, rows.height),
        }
    }

    pub(super) fn channels(&self) -> Channels {
        match self {
            Self::Whole(raster) => raster.channels,
            Self::Rows(rows, ..) => rows.channels,
        }
    }

    pub(super) fn budget(&self) -> Budget {
        match self {
            Self::Whole(raster) => raster.budget().clone(),
            Self::Rows(rows, ..) => rows.budget.clone(),
        }
    }

    /// Pair `at` of the rows, none of which is asked for again once a later one was. Where there is but one, it comes twice.
    pub(super) fn pair(&mut self, at: usize) -> Result<[&[u8]; 2], Error> {
        match self {
            Self::Whole(raster) => {
                let (stride, last) = (raster.stride(), raster.height as usize - 1);
                Ok([at * 2, at * 2 + 1].map(|at| &raster.pixels[at.min(last) * stride..][..stride]))
            }
            Self::Rows(rows, pair, read) => {
                let (upper, lower) = pair.split_at_mut(rows.stride());
                while (*read as usize) < at * 2 {
                    rows.next(upper)?;
                    *read += 1;
                }
                rows.next(upper)?;
                *read += 1;
                if *read < rows.height {
                    rows.next(lower)?;
                    *read += 1;
                } else {
                    lower.copy_from_slice(upper);
                }
                Ok([upper, lower])
            }
        }
    }

    /// Reads what is left: a picture that breaks off below what is scaled is broken all the same.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if let Self::Rows(rows, pair, read) = self {
            let (upper, _) = pair.split_at_mut(rows.stride());
            while *read < rows.height {
                rows.next(upper)?;
                *read += 1;
            }
        }
        Ok(())
    }
}
