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
    budget::Budget,
    colour::deep::Deep,
    header::{Container, Probe},
    orientation::Orientation,
    profile,
    raster::Raster,
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
    })
}

/// Pixels of 8 bits and the colour profile.
pub(crate) fn decode(source: &[u8], budget: &Budget) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let layout = Layout::read(&Directory::read(source)?)?;
    let channels = layout.channels();
    budget.admit((layout.width, layout.height), channels)?;
    let mut raster = Raster::new(budget, layout.width, layout.height, channels)?;
    let (across, down) = layout.grid();
    let row = usize::try_from(layout.row()).map_err(|_| Error::TooLarge("TIFF with rows beyond all memory".into()))?;
    let mut bytes = budget.zeros(row)?;
    let step = layout.rows_together();
    let mut conversion = layout
        .profile
        .filter(|profile| layout.is_deep() && profile.len() <= profile::LARGEST)
        .and_then(|profile| Deep::by_profile(channels, profile));
    for index in 0..across * down * if layout.planar { layout.samples as usize } else { 1 } {
        let (plane, tile) = (index / (across * down), index % (across * down));
        if !layout.needs(plane) {
            continue;
        }
        let (left, top) = (tile % across * layout.chunk.0 as usize, tile / across * layout.chunk.1 as usize);
        let bottom = (top + layout.chunk.1 as usize).min(layout.height as usize);
        let rows = u32::try_from(bottom - top).unwrap_or(0);
        let mut chunk = chunks::open(source, &layout, index, rows, budget)?;
        for y in (top..bottom).step_by(step) {
            budget.go_on()?;
            chunk.read_exact(&mut bytes).map_err(|error| chunks::failure(&error))?;
            layout.undo(&mut bytes);
            match &mut conversion {
                Some(conversion) => layout.convert(&bytes, &mut raster, conversion, (left, y)),
                None => layout.put(&bytes, &mut raster, plane, (left, y)),
            }
        }
    }
    layout.finish(&mut raster);
    Ok((raster, profile::joined(layout.profile.filter(|_| conversion.is_none()).into_iter())))
}
