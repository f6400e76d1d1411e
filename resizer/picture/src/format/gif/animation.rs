//! GIF: file → whole frames; whole frames → file.
//!
//! Below the room `animation`; above the decoder of one picture beside it, and the palette.

use std::ops::Range;

use gif::{Decoder, DisposalMethod, Encoder, Repeat};

use crate::{
    Error,
    budget::Budget,
    channels::Channels,
    format::{
        essential::Essential,
        gif::{
            Area, failure, header, options,
            palette::{Indexed, Missing, harden, side},
            part, picture, write_failure,
        },
    },
    frame::{Frame, Playback},
    header::Probe,
    raster::Raster,
};

/// Shorter durations are shown as 100 ms by browsers.
const LEAST_DURATION: u32 = 20;

/// Frames of an animation, each as it looks when it shows.
pub(crate) struct Reader<'a> {
    decoder: Decoder<Essential<'a>>,
    canvas: Raster,
    /// How the last frame is disposed of before the next one is drawn.
    dispose: Dispose,
}

enum Dispose {
    Nothing,
    Clear { left: u32, top: u32, width: u32, height: u32 },
    Restore(Raster),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a [u8], probe: &Probe, budget: &Budget) -> Result<Self, Error> {
        Ok(Self {
            decoder: options(probe).read_info(Essential::new(source, budget.stop(), part)).map_err(failure)?,
            canvas: Raster::new(budget, probe.width, probe.height, Channels::Rgba)?,
            dispose: Dispose::Nothing,
        })
    }

    /// Known when the first frame is read.
    pub(crate) fn playback(&self) -> Playback {
        match self.decoder.repeat() {
            Repeat::Infinite => Playback { plays: 0 },
            Repeat::Finite(again) => Playback { plays: u32::from(again) + 1 },
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Error> {
        let Some(frame) = header(&mut self.decoder)? else { return Ok(None) };
        let picture = picture(&mut self.decoder, &frame, self.canvas.budget())?;
        match std::mem::replace(&mut self.dispose, Dispose::Nothing) {
            Dispose::Nothing => {}
            Dispose::Clear { left, top, width, height } => self.canvas.clear(left, top, width, height),
            Dispose::Restore(canvas) => self.canvas = canvas,
        }
        let Area { left, top, width, height } = frame.area;
        self.dispose = match frame.dispose {
            DisposalMethod::Any | DisposalMethod::Keep => Dispose::Nothing,
            DisposalMethod::Background => Dispose::Clear { left, top, width, height },
            DisposalMethod::Previous => Dispose::Restore(self.canvas.copy()?),
        };
        self.canvas.draw_over(&picture, left, top);
        let duration = match u32::from(frame.delay) * 10 {
            ..LEAST_DURATION => 100,
            duration => duration,
        };
        Ok(Some(Frame { raster: self.canvas.copy()?, duration }))
    }
}

/// Columns and rows.
type Rectangle = (Range<u32>, Range<u32>);

/// An animation that is being written. Each frame is written as its difference from the one before.
pub(crate) struct Writer {
    encoder: Encoder<Vec<u8>>,
    /// Not written yet: the next frame decides how it is disposed of.
    last: Option<Last>,
}

struct Last {
    frame: Frame,
    /// Where it differs from the one before.
    changed: Rectangle,
    /// The same, transparent where nothing changes.
    change: Raster,
}

impl Writer {
    pub(crate) fn new(width: u32, height: u32, playback: Playback) -> Result<Self, Error> {
        let mut encoder = Encoder::new(Vec::new(), side(width)?, side(height)?, &[]).map_err(|error| write_failure(&error))?;
        let repeat = match playback.plays {
            0 => Repeat::Infinite,
            plays => Repeat::Finite(u16::try_from(plays - 1).unwrap_or(u16::MAX)),
        };
        encoder.set_repeat(repeat).map_err(|error| write_failure(&error))?;
        Ok(Self { encoder, last: None })
    }

    /// Adds an RGBA frame of the animation's size.
    pub(crate) fn add(&mut self, mut frame: Frame) -> Result<(), Error> {
        harden(&mut frame.raster)?;
        let whole = (0..frame.raster.width, 0..frame.raster.height);
        let (changed, change) = match self.last.take() {
            None => (whole, frame.raster.copy()?),
            Some(last) if shows_through(&last.frame.raster, &frame.raster) => {
                self.write(&last.frame.raster, (0, 0), last.frame.duration, DisposalMethod::Background)?;
                (whole, frame.raster.copy()?)
            }
            Some(last) => {
                let change = difference(&last.frame.raster, &frame.raster)?;
                let (x, y) = &last.changed;
                self.write(&last.change, (x.start, y.start), last.frame.duration, DisposalMethod::Keep)?;
                change
            }
        };
        self.last = Some(Last { frame, changed, change });
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>, Error> {
        if let Some(Last { frame, changed: (x, y), change }) = self.last.take() {
            self.write(&change, (x.start, y.start), frame.duration, DisposalMethod::Keep)?;
        }
        self.encoder.into_inner().map_err(|error| Error::Damaged(format!("cannot write GIF: {error}")))
    }

    fn write(&mut self, raster: &Raster, (left, top): (u32, u32), duration: u32, dispose: DisposalMethod) -> Result<(), Error> {
        let indexed =
            if dispose == DisposalMethod::Background { transparent(raster)? } else { Indexed::new(raster.copy()?, Missing::Nearest)? };
        let mut frame = indexed.frame(side(raster.height)?);
        (frame.left, frame.top, frame.dispose) = (side(left)?, side(top)?, dispose);
        frame.delay = u16::try_from(duration.div_ceil(10)).unwrap_or(u16::MAX);
        self.encoder.write_frame(&frame).map_err(|error| write_failure(&error))
    }
}

/// Indexed colours with a transparent one among them even if all pixels are opaque, by a transparent row below: some decoders dispose of a
/// frame to a colour where the palette has none.
fn transparent(raster: &Raster) -> Result<Indexed, Error> {
    let mut taller = raster.another(raster.width, raster.height + 1, raster.channels)?;
    taller.draw(raster, 0, 0);
    Indexed::new(taller, Missing::Nearest)
}

/// Whether `next` is transparent where `last` is not: then it cannot be drawn over it.
fn shows_through(last: &Raster, next: &Raster) -> bool {
    let (last, next) = (last.pixels.as_chunks::<4>().0, next.pixels.as_chunks::<4>().0);
    last.iter().zip(next).any(|(last, next)| next[3] == 0 && last[3] != 0)
}

/// The rectangle where `next` differs from `last`, one pixel at least, and `next` there, transparent where it does not differ.
fn difference(last: &Raster, next: &Raster) -> Result<(Rectangle, Raster), Error> {
    let width = next.width as usize;
    let (from, into) = (last.pixels.as_chunks::<4>().0, next.pixels.as_chunks::<4>().0);
    let differs = |index: &usize| from[*index] != into[*index];
    let changed: Vec<usize> = (0..into.len()).filter(differs).collect();
    let around = |values: &mut dyn Iterator<Item = usize>| {
        let (low, high) = values.fold((usize::MAX, 0), |(low, high), value| (low.min(value), high.max(value)));
        if low > high { 0..1 } else { low..high + 1 }
    };
    let columns = around(&mut changed.iter().map(|index| index % width));
    let rows = around(&mut changed.iter().map(|index| index / width));
    let pixel = |index: usize| if differs(&index) { into[index] } else { [0; 4] };
    let pixels = rows.clone().flat_map(|y| columns.clone().map(move |x| y * width + x)).flat_map(pixel).collect();
    let side = |range: Range<usize>| u32::try_from(range.start).unwrap_or(0)..u32::try_from(range.end).unwrap_or(0);
    let (columns, rows) = (side(columns), side(rows));
    let across_and_down = (columns.end - columns.start, rows.end - rows.start);
    let raster = Raster::of(next.budget(), across_and_down, Channels::Rgba, pixels)?;
    Ok(((columns, rows), raster))
}
