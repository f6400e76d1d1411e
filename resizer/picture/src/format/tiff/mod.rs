//! TIFF, which is read and not written: header → [`Probe`]; the first picture → pixels and profile.
//!
//! What the samples mean is decided here, whatever their compression: the decoders at hand know fewer kinds, and mistake some for others.
//!
//! Below `probe` and `codec`; above its layout, chunks and samples, and the raster.

mod chunks;
mod directory;
mod fax;
mod layout;
mod samples;

use std::io::Read;

use crate::{
    Error,
    budget::{Budget, Pixels},
    colour::deep::Deep,
    header::{Container, Probe},
    orientation::Orientation,
    profile,
    raster::Raster,
    rows::Rows,
};

use directory::Directory;
use layout::Layout;

pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let layout = Layout::read(&Directory::read(source)?)?;
    Ok(Probe {
        container: Container::Tiff,
        width: layout.width,
        height: layout.height,
        channels: layout.channels(),
        orientation: Orientation::from_tag(layout.orientation),
        working: layout.working(),
        profile: profile::length(layout.profile.into_iter()),
        scaled: None,
        rows: layout.is_in_strips(),
    })
}

/// What turns rows of chunks to pixels.
struct Reading<'a> {
    layout: Layout<'a>,
    /// As stored, one row of pixels or those that are stored together.
    bytes: Pixels,
    conversion: Option<Deep>,
}

impl<'a> Reading<'a> {
    fn new(source: &'a [u8], budget: &Budget) -> Result<Self, Error> {
        let layout = Layout::read(&Directory::read(source)?)?;
        budget.admit((layout.width, layout.height), layout.channels())?;
        let row = usize::try_from(layout.row()).map_err(|_| Error::TooLarge("TIFF with rows beyond all memory".into()))?;
        let bytes = budget.zeros(row)?;
        let profile = layout.profile.filter(|profile| layout.is_deep() && profile.len() <= profile::LARGEST);
        let conversion = profile.and_then(|profile| Deep::by_profile(layout.channels(), profile));
        Ok(Self { layout, bytes, conversion })
    }

    /// The profile that is still to be applied.
    fn profile(&self) -> Option<Vec<u8>> {
        profile::joined(self.layout.profile.filter(|_| self.conversion.is_none()).into_iter())
    }

    /// Puts what a chunk has next into the raster, from `corner` on.
    fn put(&mut self, chunk: &mut dyn Read, raster: &mut Raster, plane: usize, corner: (usize, usize)) -> Result<(), Error> {
        raster.budget().go_on()?;
        chunk.read_exact(&mut self.bytes).map_err(|error| chunks::failure(&error))?;
        self.layout.undo(&mut self.bytes);
        match &mut self.conversion {
            Some(conversion) => self.layout.convert(&self.bytes, raster, conversion, corner),
            None => self.layout.put(&self.bytes, raster, plane, corner),
        }
        Ok(())
    }
}

/// Rows of 8 bits of a file in strips, and the colour profile.
pub(crate) fn rows<'a>(source: &'a [u8], budget: &Budget) -> Result<(Rows<'a>, Option<Vec<u8>>), Error> {
    let mut reading = Reading::new(source, budget)?;
    let (profile, channels) = (reading.profile(), reading.layout.channels());
    let (width, height, step) = (reading.layout.width, reading.layout.height, reading.layout.rows_together());
    let mut together = Raster::new(budget, width, u32::try_from(step).unwrap_or(1), channels)?;
    let (strip, stride, budget_of_strips) = (reading.layout.chunk.1, together.stride(), budget.clone());
    let mut chunk: Box<dyn Read + 'a> = Box::new(std::io::empty());
    let mut y = 0;
    let rows = Rows::new(budget, (width, height), channels, move |into| {
        let within = y % strip;
        if within == 0 {
            chunk = chunks::open(source, &reading.layout, (y / strip) as usize, strip.min(height - y), &budget_of_strips)?;
        }
        let at = within as usize % step;
        if at == 0 {
            reading.put(&mut *chunk, &mut together, 0, (0, 0))?;
            reading.layout.finish(&mut together);
        }
        into.copy_from_slice(&together.pixels[at * stride..][..stride]);
        y += 1;
        Ok(())
    });
    Ok((rows, profile))
}

/// Pixels of 8 bits and the colour profile.
pub(crate) fn decode(source: &[u8], budget: &Budget) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let mut reading = Reading::new(source, budget)?;
    let layout = &reading.layout;
    let mut raster = Raster::new(budget, layout.width, layout.height, layout.channels())?;
    let ((across, down), (width, height), step) = (layout.grid(), layout.chunk, layout.rows_together());
    for index in 0..across * down * if layout.planar { layout.samples as usize } else { 1 } {
        let (plane, tile) = (index / (across * down), index % (across * down));
        if !reading.layout.needs(plane) {
            continue;
        }
        let (left, top) = (tile % across * width as usize, tile / across * height as usize);
        let bottom = (top + height as usize).min(raster.height as usize);
        let rows = u32::try_from(bottom - top).unwrap_or(0);
        let mut chunk = chunks::open(source, &reading.layout, index, rows, budget)?;
        for y in (top..bottom).step_by(step) {
            reading.put(&mut *chunk, &mut raster, plane, (left, y))?;
        }
    }
    reading.layout.finish(&mut raster);
    Ok((raster, reading.profile()))
}
