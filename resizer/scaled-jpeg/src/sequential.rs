//! A scan of a sequential picture → samples.

#![allow(clippy::inline_always, reason = "for the caller's target features")]
#![allow(clippy::cast_possible_truncation, reason = "values have 16 bits, or are cut off as in other decoders")]

use crate::{
    bits::{Data, Reader},
    block::{difference, keep, skip},
    error::{Error, ErrorKind},
    huffman::{Ac, Codes},
    idct::{LANES, transform},
    output::{Sink, Window},
    plan::{CHUNK, Part, Plan},
    tables::{Scan, Tables},
};

/// A component in a scan.
struct Track<'a> {
    index: usize,
    part: &'a Part,
    /// Blocks in a unit of this scan.
    blocks: (usize, usize),
    multipliers: [f32; 64],
    dc: Codes,
    ac: Ac,
    /// Where its coefficients of a chunk are among those of all components.
    start: usize,
}

/// A block of a unit.
struct Unit {
    track: usize,
    /// Where its row of groups begins, and its place among the blocks of a unit.
    start: usize,
    x: usize,
}

/// Goes through the units of a scan.
pub(crate) struct Sequential<'a> {
    tracks: Vec<Track<'a>>,
    units: Vec<Unit>,
    /// Units of the scan, across and down.
    size: (usize, usize),
    wanted: ((usize, usize), (usize, usize)),
    interval: usize,
    coefficients: Vec<i16>,
    /// The unit that is next.
    at: (usize, usize),
}

impl<'a> Sequential<'a> {
    pub(crate) fn new(plan: &'a Plan, scan: &Scan, tables: &Tables, multipliers: &[[f32; 64]]) -> Result<Self, Error> {
        let alone = scan.components.len() == 1;
        let mut tracks = vec![];
        let mut units = vec![];
        let mut length = 0;
        for ((&(index, ..), dc), ac) in scan.components.iter().zip(scan.dc(tables)?).zip(scan.ac(tables)?) {
            let part = &plan.parts[index];
            let blocks = if alone { (1, 1) } else { part.blocks };
            for y in 0..blocks.1 {
                let start = length + y * CHUNK * blocks.0 * (part.kept() + 1);
                units.extend((0..blocks.0).map(|x| Unit { track: tracks.len(), start, x }));
            }
            tracks.push(Track { index, part, blocks, multipliers: multipliers[index], dc, ac, start: length });
            length += CHUNK * blocks.0 * blocks.1 * (part.kept() + 1);
        }
        let ((left, right), (top, bottom)) = plan.wanted;
        let (size, wanted) = match &tracks[..] {
            [Track { part, .. }] => {
                let axis = |from: usize, to: usize, blocks: usize, own: usize| (from * blocks, (to * blocks).min(own));
                (part.own, (axis(left, right, part.blocks.0, part.own.0), axis(top, bottom, part.blocks.1, part.own.1)))
            }
            _ => (plan.units, plan.wanted),
        };
        let coefficients = vec![0; length];
        Ok(Self { tracks, units, size, wanted, interval: tables.restart, coefficients, at: (0, 0) })
    }

    /// How many units there are from this one to the next that is wanted, or else to the first behind the last restart: the scan
    /// must not end early, even where it does not matter.
    fn unwanted(&self) -> usize {
        let ((left, right), (top, bottom)) = self.wanted;
        let (x, y) = self.at;
        let next = match (x, y) {
            _ if y < top => (left, top),
            _ if x < left => (left, y),
            _ if x < right => (x, y),
            _ => (left, y + 1),
        };
        let units = self.size.0 * self.size.1;
        let next = if next.1 < bottom { next.1 * self.size.0 + next.0 } else { (units - 1) / self.interval.max(1) * self.interval };
        next.saturating_sub(y * self.size.0 + x)
    }

    fn advance(&mut self, count: usize) {
        let index = self.at.1 * self.size.0 + self.at.0 + count;
        self.at = (index % self.size.0, index / self.size.0);
    }

    /// Reads the scan; gives finished rows to the sink, if it takes rows.
    #[inline(always)]
    pub(crate) fn read(&mut self, data: &mut Data, position: usize, sink: &mut Sink, striped: bool) -> Result<(), Error> {
        let ((left, right), (top, bottom)) = self.wanted;
        let mut reader = data.restart_at(position);
        let mut predictions = [0_i32; 4];
        let (mut restarts, mut remaining, mut unread) = (0, if self.interval > 0 { self.interval } else { usize::MAX }, false);
        if self.interval > 0 && self.unwanted() >= self.interval {
            (remaining, unread) = (0, true);
            self.advance(self.interval);
        }
        while self.at.1 < self.size.1 {
            if remaining == 0 {
                reader = if unread { data.skip_to_restart(restarts % 8)? } else { data.restart(reader, restarts % 8)? };
                restarts += 1;
                predictions = [0; 4];
                unread = self.unwanted() >= self.interval;
                if unread {
                    self.advance(self.interval);
                    continue;
                }
                remaining = self.interval;
            }
            if data.is_low(reader) {
                reader = data.more(reader)?;
            }
            let (x, y) = self.at;
            let place = ((top..bottom).contains(&y) && (left..right).contains(&x)).then(|| (x - left) % CHUNK);
            self.unit(&mut reader, data, &mut predictions, place).map_err(|kind| data.error(kind, reader))?;
            if x + 1 == right {
                // a row is finished only if nothing of it was made up
                data.check(reader)?;
                data.go_on()?;
            }
            remaining -= 1;
            self.at.0 += 1;
            if self.at.0 == self.size.0 {
                self.at = (0, y + 1);
            }
            if let Some(place) = place
                && (place + 1 == CHUNK || x + 1 == right)
            {
                self.flush((x - left) / CHUNK, y, sink);
                if x + 1 == right {
                    if striped {
                        sink.finish(y, y + 1);
                    }
                    let next = self.unwanted();
                    if self.interval > 0 && next >= remaining && remaining > 0 {
                        self.advance(remaining);
                        (remaining, unread) = (0, true);
                    }
                }
            }
        }
        data.finish(reader)
    }

    /// Reads a unit; its coefficients are kept if it has a place in the chunk.
    #[inline(always)]
    fn unit(&mut self, reader: &mut Reader, data: &Data, predictions: &mut [i32; 4], place: Option<usize>) -> Result<(), ErrorKind> {
        let bytes = data.bytes();
        for unit in &self.units {
            let track = &self.tracks[unit.track];
            let prediction = &mut predictions[unit.track & 3];
            *prediction = prediction.wrapping_add(difference(reader, bytes, &track.dc)?);
            let Some(place) = place else {
                skip(reader, bytes, &track.ac, 1)?;
                continue;
            };
            let block = place * track.blocks.0 + unit.x;
            let start = unit.start + block / LANES * LANES * (track.part.kept() + 1) + block % LANES;
            let coefficients = &mut self.coefficients[start..];
            coefficients[0] = *prediction as i16;
            if track.part.last == 0 {
                skip(reader, bytes, &track.ac, 1)?;
            } else {
                keep(reader, bytes, &track.ac, track.part.last as u32, &track.part.places, coefficients)?;
            }
        }
        Ok(())
    }

    /// Gives out what there is after the data has ended early.
    #[inline(always)]
    pub(crate) fn give_up(&mut self, sink: &mut Sink, striped: bool) {
        let ((left, right), (top, bottom)) = self.wanted;
        let ((x, y), finished) = (self.at, sink.finished);
        if y >= top && y < bottom && (left..right).contains(&x) {
            self.flush((x - left) / CHUNK, y, sink);
        }
        if striped {
            for row in y.max(top)..bottom {
                sink.finish(row, row + 1);
                sink.windows.iter_mut().for_each(Window::give_up);
            }
            sink.finished = finished;
        }
    }

    /// Turns the coefficients of a chunk into samples.
    #[inline(always)]
    fn flush(&mut self, chunk: usize, y: usize, sink: &mut Sink) {
        for track in &self.tracks {
            let Part { block, .. } = *track.part;
            let length = LANES * (track.part.kept() + 1);
            let coefficients = &mut self.coefficients[track.start..][..length * track.blocks.0 * track.blocks.1];
            let start = sink.start(track.index, y * track.blocks.1);
            let window = &mut sink.windows[track.index];
            let left = chunk * CHUNK * track.blocks.0 * block.0;
            for (index, group) in coefficients.chunks_exact_mut(length).enumerate() {
                let (row, group_x) = (index / track.blocks.0, index % track.blocks.0);
                let at = start + row * block.1 * window.stride + left + group_x * LANES * block.0;
                transform(group, &track.multipliers, block, &mut window.samples[at..], window.stride);
                group.fill(0);
            }
        }
    }
}
