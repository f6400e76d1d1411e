//! Samples of a frame → rows of a raster: colours where they were left out, their matrix, and what is more than sRGB.
//!
//! Below the [format](super) itself; above the decoder's frames, the conversion of deep samples, and the raster.

use super::{
    av1::{Colours, Header},
    matrix::Matrix,
    picture::Window,
    rav1d::{Frame, Plane},
};
use crate::{Error, colour::deep::Deep, raster::Raster};

/// Draws frames into a raster, of which it holds a few rows.
pub(super) struct Painter {
    matrix: Matrix,
    deep: Option<Deep>,
    /// One row of each kind of samples.
    rows: [Vec<u16>; 3],
    /// One row of a colour, with half as many samples, and one of another with which it is mixed.
    few: [Vec<u16>; 2],
    /// One row before it is converted.
    wide: Vec<u16>,
    narrow: Vec<u8>,
}

impl Painter {
    /// Of colours, as they are if nothing is known of `deep`.
    pub(super) fn of_colours(header: &Header, colours: Colours, deep: Option<Deep>) -> Result<Self, Error> {
        let matrix = Matrix::new(header, colours, if deep.is_some() { u16::MAX } else { 255 })?;
        Ok(Self { matrix, deep, rows: Default::default(), few: Default::default(), wide: vec![], narrow: vec![] })
    }

    /// Of alpha.
    pub(super) fn of_alpha(header: &Header) -> Result<Self, Error> {
        let colours = Colours { matrix: 2, ..header.colours };
        Self::of_colours(header, colours, None)
    }

    /// Draws the part that is seen of a frame, whose corner is at `left`, `top` of the canvas, in the channels from `first` on.
    pub(super) fn draw(
        &mut self,
        frame: &Frame,
        (left, top): (u32, u32),
        window: Window,
        into: &mut Raster,
        first: usize,
    ) -> Result<(), Error> {
        let Some(light) = frame.plane(0) else { return Ok(()) };
        let (width, height) = (light.width, light.height);
        let seen = |start: u32, length: u32, corner: u32, side: usize| {
            start.saturating_sub(corner) as usize..((start + length).saturating_sub(corner) as usize).min(side)
        };
        let (columns, rows) = (seen(window.left, window.width, left, width), seen(window.top, window.height, top, height));
        if columns.is_empty() {
            return Ok(());
        }
        self.make_room(width);
        let (count, stride) = (into.channels.count(), into.stride());
        let colours = frame.plane(1).zip(frame.plane(2)).filter(|_| count > 2 && first == 0);
        let start = (left as usize + columns.start - window.left as usize) * count;
        let budget = into.budget().clone();
        for piece in budget.pieces(rows.len(), (rows.len() * width) as u64) {
            for row in piece?.map(|row| row + rows.start) {
                light.row(row, &mut self.rows[0]);
                if let Some((blue, red)) = &colours {
                    self.spread(blue, 1, row, (width, height));
                    self.spread(red, 2, row, (width, height));
                }
                let place = (top as usize + row - window.top as usize) * stride + start;
                let into = &mut into.pixels[place..place + columns.len() * count];
                self.convert(columns.clone(), into, (count, first), colours.is_some());
            }
        }
        Ok(())
    }

    fn make_room(&mut self, width: usize) {
        self.rows.iter_mut().chain(&mut self.few).for_each(|row| row.resize(width, 0));
    }

    /// A row of colour with a sample for each pixel: those that were left out lie between their neighbours.
    fn spread(&mut self, plane: &Plane, kind: usize, row: usize, (width, height): (usize, usize)) {
        let halved = |place: usize, most: usize| {
            (place / 2, if place % 2 == 1 { (place / 2 + 1).min(most - 1) } else { (place / 2).saturating_sub(1) })
        };
        let is_narrow = plane.width < width;
        let into = &mut self.rows[kind];
        if plane.height == height && !is_narrow {
            plane.row(row, into);
            return;
        }
        let (near, far) = if plane.height < height { halved(row, plane.height) } else { (row, row) };
        let [few, other] = &mut self.few;
        let count = plane.row(near, few);
        if far != near {
            plane.row(far, other);
            few.iter_mut().zip(&*other).take(count).for_each(|(near, &far)| *near = (*near * 3 + far + 2) / 4);
        }
        if !is_narrow {
            into.copy_from_slice(few);
            return;
        }
        let few = &few[..count];
        let mixed = |near: u16, far: u16| (near * 3 + far + 2) / 4;
        into[0] = few[0];
        for (pair, neighbours) in into[1..].chunks_mut(2).zip(few.windows(2)) {
            pair[0] = mixed(neighbours[0], neighbours[1]);
            if let Some(second) = pair.get_mut(1) {
                *second = mixed(neighbours[1], neighbours[0]);
            }
        }
        if width.is_multiple_of(2) {
            into[width - 1] = few[count - 1];
        }
    }

    /// One row, of which every pixel has `count` channels, from the channel `first` on.
    fn convert(&mut self, seen: std::ops::Range<usize>, into: &mut [u8], (count, first): (usize, usize), has_colours: bool) {
        let [light, blue, red] = self.rows.each_ref().map(|row| &row[seen.clone()]);
        let channels = if first > 0 || count < 3 { 1 } else { 3 };
        let Some(deep) = &mut self.deep else {
            if has_colours {
                self.matrix.colours(light, blue, red, into.chunks_exact_mut(count));
            } else {
                self.matrix.gray(light, into.chunks_exact_mut(count).map(|pixel| &mut pixel[first..first + channels]));
            }
            return;
        };
        self.wide.resize(light.len() * channels, 0);
        self.narrow.resize(self.wide.len(), 0);
        if has_colours {
            self.matrix.colours(light, blue, red, self.wide.chunks_exact_mut(3));
        } else {
            self.matrix.gray(light, self.wide.chunks_exact_mut(channels));
        }
        deep.row(&self.wide, &mut self.narrow);
        for (into, from) in into.chunks_exact_mut(count).zip(self.narrow.chunks_exact(channels)) {
            into[first..first + channels].copy_from_slice(from);
        }
    }
}

/// Makes the light of colours what it is where nothing shines through.
pub(super) fn divide_by_alpha(raster: &mut Raster) -> Result<(), Error> {
    let (count, stride) = (raster.channels.count(), raster.stride());
    for rows in raster.pieces() {
        let rows = rows?;
        for pixel in raster.pixels[rows.start * stride..rows.end * stride].chunks_exact_mut(count) {
            if let Some((&mut alpha, colours)) = pixel.split_last_mut() {
                let whole = |value: u8| (u32::from(value) * 255 + u32::from(alpha) / 2).checked_div(alpha.into()).unwrap_or(0);
                for value in colours {
                    *value = u8::try_from(whole(*value)).unwrap_or(u8::MAX);
                }
            }
        }
    }
    Ok(())
}
