//! Scans of a progressive picture → those of its coefficients that matter → samples.
//!
//! Of the coefficients that do not matter, a scan that refines a band needs to know only which are zero: a bit for each.

#![allow(clippy::inline_always, reason = "for the caller's target features")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "values have 16 bits, or are cut off as in other decoders")]

use crate::{
    bits::{Bytes, Data, Reader},
    block::{coefficient, difference},
    error::{Error, ErrorKind},
    huffman::{Codes, END},
    idct::{LANES, transform},
    output::Sink,
    plan::{Part, Plan},
    tables::{Scan, Tables},
};

/// What is known of a component so far.
struct Store {
    /// Groups, row after row of blocks.
    coefficients: Vec<i16>,
    /// For each block, a bit for each coefficient that is not zero.
    history: Vec<u64>,
    /// Groups of a row.
    across: usize,
}

/// All components.
pub(crate) struct Progressive<'a> {
    plan: &'a Plan,
    stores: Vec<Store>,
}

/// Which scans matter. A scan matters for its coefficients, or because it says which coefficients are zero to a later one that matters.
pub(crate) fn wanted(plan: &Plan, scans: &[Scan]) -> Vec<bool> {
    if !plan.header.ended {
        // any of them may end early
        return vec![true; scans.len()];
    }
    let kept = |part: &Part| (0..64).filter(|&k| usize::from(part.places[k]) < part.kept() * LANES).fold(0_u64, |mask, k| mask | 1 << k);
    let mut needed: Vec<u64> = plan.parts.iter().map(kept).collect();
    let mut wanted = vec![false; scans.len()];
    for (wanted, scan) in wanted.iter_mut().zip(scans).rev() {
        let band = mask(scan.band.0, scan.band.1);
        *wanted = scan.components.iter().any(|&(index, ..)| needed[index] & band != 0);
        if *wanted && scan.refines && !scan.is_dc() {
            scan.components.iter().for_each(|&(index, ..)| needed[index] |= band);
        }
    }
    wanted
}

/// Whether the scans give every bit of every coefficient: of a file without an end nothing else says that none is missing.
pub(crate) fn are_all(plan: &Plan, scans: &[Scan]) -> bool {
    let mut low = vec![[u32::MAX; 64]; plan.parts.len()];
    for scan in scans {
        for &(index, ..) in &scan.components {
            low[index][scan.band.0..=scan.band.1].fill(scan.low);
        }
    }
    low.iter().flatten().all(|&low| low == 0)
}

fn mask(first: usize, last: usize) -> u64 {
    u64::MAX >> (63 - last) & u64::MAX << first
}

impl<'a> Progressive<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let store = |part: &Part| Store {
            coefficients: vec![0; plan.stored(part)],
            history: vec![0; plan.history(part)],
            across: plan.across(part) / LANES,
        };
        Self { plan, stores: plan.parts.iter().map(store).collect() }
    }

    /// Reads a scan, up to the last unit that is wanted.
    #[inline(always)]
    pub(crate) fn read(&mut self, scan: &Scan, tables: &Tables, data: &mut Data, position: usize) -> Result<(), Error> {
        if scan.is_dc() { self.read_dc(scan, tables, data, position) } else { self.read_ac(scan, tables, data, position) }
    }

    fn wanted_rows(&self, part: &Part, alone: bool) -> (usize, usize) {
        let bottom = self.plan.bottom();
        if alone { (part.own.0, (bottom * part.blocks.1).min(part.own.1)) } else { (self.plan.units.0, bottom) }
    }

    #[inline(always)]
    fn read_dc(&mut self, scan: &Scan, tables: &Tables, data: &mut Data, position: usize) -> Result<(), Error> {
        let codes = if scan.refines { vec![] } else { scan.dc(tables)? };
        let alone = scan.components.len() == 1;
        let (width, bottom) = self.wanted_rows(&self.plan.parts[scan.components[0].0], alone);
        let mut reader = data.restart_at(position);
        let mut predictions = [0_i32; 4];
        let mut restarts = Restarts::new(tables.restart);
        for y in 0..bottom {
            data.go_on()?;
            for x in 0..width {
                if restarts.next() {
                    reader = data.restart(reader, restarts.number())?;
                    predictions = [0; 4];
                }
                if data.is_low(reader) {
                    reader = data.more(reader)?;
                }
                let bytes = data.bytes();
                for (track, &(index, ..)) in scan.components.iter().enumerate() {
                    let part = &self.plan.parts[index];
                    let (across, down) = if alone { (1, 1) } else { part.blocks };
                    for block in 0..across * down {
                        let (block_x, block_y) = (x * across + block % across, y * down + block / across);
                        let place = place(self.plan, part, self.stores[index].across, block_x, block_y);
                        let value = if let Some(codes) = codes.get(track) {
                            let difference = difference(&mut reader, bytes, codes).map_err(|kind| data.error(kind, reader))?;
                            predictions[track & 3] = predictions[track & 3].wrapping_add(difference);
                            (predictions[track & 3] << scan.low) as i16
                        } else {
                            reader.refill(bytes);
                            (reader.take(1) << scan.low) as i16
                        };
                        if let Some(place) = place {
                            let coefficient = &mut self.stores[index].coefficients[place];
                            *coefficient = if scan.refines { *coefficient | value } else { value };
                        }
                    }
                }
            }
        }
        let all = if alone { self.plan.parts[scan.components[0].0].own.1 } else { self.plan.units.1 };
        if bottom == all { data.finish(reader) } else { data.check(reader) }
    }

    #[inline(always)]
    fn read_ac(&mut self, scan: &Scan, tables: &Tables, data: &mut Data, position: usize) -> Result<(), Error> {
        let index = scan.components[0].0;
        let (part, store) = (&self.plan.parts[index], &mut self.stores[index]);
        let code = scan.band_codes(tables)?;
        let bottom = (self.plan.bottom() * part.blocks.1).min(part.own.1);
        let mut reader = data.restart_at(position);
        let mut restarts = Restarts::new(tables.restart);
        let mut band = Band { part, first: scan.band.0 as u32, last: scan.band.1 as u32, low: scan.low, ends: 0 };
        let mut unwanted = vec![0_i16; part.kept() * LANES];
        for y in 0..bottom {
            data.go_on()?;
            for x in 0..part.own.0 {
                if restarts.next() {
                    reader = data.restart(reader, restarts.number())?;
                    band.ends = 0;
                }
                let history = &mut store.history[y * part.own.0 + x];
                if band.ends > 0 && (!scan.refines || *history & mask(scan.band.0, scan.band.1) == 0) {
                    band.ends -= 1;
                    continue;
                }
                if data.is_low(reader) {
                    reader = data.more(reader)?;
                }
                let block = match place(self.plan, part, store.across, x, y) {
                    Some(place) => &mut store.coefficients[place..],
                    None => &mut unwanted[..],
                };
                let bytes = data.bytes();
                let done = if scan.refines {
                    band.refine(&mut reader, bytes, &code, block, history)
                } else {
                    band.first(&mut reader, bytes, &code, block, history)
                };
                done.map_err(|kind| data.error(kind, reader))?;
            }
        }
        if bottom == part.own.1 { data.finish(reader) } else { data.check(reader) }
    }

    /// Turns the coefficients into samples.
    #[inline(always)]
    pub(crate) fn finish(&self, multipliers: &[[f32; 64]], sink: &mut Sink, data: &Data) -> Result<(), Error> {
        let (top, bottom) = self.plan.wanted.1;
        for y in top..bottom {
            data.go_on()?;
            for (index, ((part, store), multipliers)) in self.plan.parts.iter().zip(&self.stores).zip(multipliers).enumerate() {
                let length = LANES * part.kept();
                for row in 0..part.blocks.1 {
                    let start = sink.start(index, y * part.blocks.1) + row * part.block.1 * sink.windows[index].stride;
                    let window = &mut sink.windows[index];
                    let groups = &store.coefficients[((y - top) * part.blocks.1 + row) * store.across * length..][..store.across * length];
                    for (group_x, group) in groups.chunks_exact(length).enumerate() {
                        let at = start + group_x * LANES * part.block.0;
                        transform(group, multipliers, part.block, &mut window.samples[at..], window.stride);
                    }
                }
            }
            if self.plan.striped {
                sink.finish(y, y + 1);
            }
        }
        if !self.plan.striped {
            sink.finish(top, bottom);
        }
        Ok(())
    }
}

/// Where the coefficients of a block begin, if it is wanted.
#[inline(always)]
fn place(plan: &Plan, part: &Part, across: usize, x: usize, y: usize) -> Option<usize> {
    let ((left, right), (top, bottom)) = plan.wanted;
    let wanted = (left * part.blocks.0..right * part.blocks.0).contains(&x) && (top * part.blocks.1..bottom * part.blocks.1).contains(&y);
    let (x, y) = (x.wrapping_sub(left * part.blocks.0), y.wrapping_sub(top * part.blocks.1));
    wanted.then(|| (y * across + x / LANES) * part.kept() * LANES + x % LANES)
}

/// When a restart is due.
struct Restarts {
    interval: usize,
    left: usize,
    passed: usize,
}

impl Restarts {
    fn new(interval: usize) -> Self {
        Self { interval, left: interval, passed: 0 }
    }

    /// Counts a unit; whether there is a restart before it.
    #[inline(always)]
    fn next(&mut self) -> bool {
        if self.interval == 0 {
            return false;
        }
        let due = self.left == 0;
        if due {
            self.left = self.interval;
            self.passed += 1;
        }
        self.left -= 1;
        due
    }

    fn number(&self) -> usize {
        (self.passed + 7) % 8
    }
}

/// The coefficients that a scan is about.
struct Band<'a> {
    part: &'a Part,
    first: u32,
    last: u32,
    low: u32,
    /// In how many blocks, from this one on, nothing follows but bits of coefficients that are not zero.
    ends: u32,
}

impl Band<'_> {
    #[inline(always)]
    fn put(&self, block: &mut [i16], index: u32, value: i32) {
        let place = usize::from(self.part.places[index as usize & 63]);
        if place < self.part.kept() * LANES {
            block[place] = value as i16;
        }
    }

    /// The first scan of this band: blocks are zero before.
    #[inline(always)]
    fn first(&mut self, reader: &mut Reader, bytes: &Bytes, codes: &Codes, block: &mut [i16], history: &mut u64) -> Result<(), ErrorKind> {
        let mut index = self.first;
        while index <= self.last {
            let (advance, value) = coefficient(reader, bytes, codes)?;
            if advance >= END {
                self.ends = (1 << value) - 1 + reader.take(value.cast_unsigned());
                return Ok(());
            }
            index += advance;
            if index > self.last + 1 {
                return Err(ErrorKind::TooManyCoefficients);
            }
            if value != 0 {
                self.put(block, index - 1, value << self.low);
                *history |= 1 << (index - 1);
            }
        }
        Ok(())
    }

    /// A later scan: one more bit for coefficients that are not zero, and some that are no longer.
    #[inline(always)]
    fn refine(&mut self, reader: &mut Reader, bytes: &Bytes, codes: &Codes, block: &mut [i16], history: &mut u64) -> Result<(), ErrorKind> {
        let mut index = self.first;
        while self.ends == 0 && index <= self.last {
            let (advance, value) = coefficient(reader, bytes, codes)?;
            if advance >= END {
                self.ends = (1 << value) + reader.take(value.cast_unsigned());
                break;
            }
            if value.abs() > 1 {
                return Err(ErrorKind::BadCode);
            }
            let mut zeros = advance - 1;
            loop {
                let next = (*history >> index).trailing_zeros();
                if next > zeros {
                    index += zeros;
                    break;
                }
                zeros -= next;
                index += next;
                if index >= self.last {
                    return Err(ErrorKind::TooManyCoefficients);
                }
                self.correct(reader, bytes, block, index);
                index += 1;
            }
            if index > self.last {
                return Err(ErrorKind::TooManyCoefficients);
            }
            if value != 0 {
                self.put(block, index, value << self.low);
                *history |= 1 << index;
            }
            index += 1;
        }
        if self.ends > 0 {
            self.ends -= 1;
            if index <= self.last {
                self.correct_rest(reader, bytes, block, *history & mask(index as usize, self.last as usize));
            }
        }
        Ok(())
    }

    /// One more bit of a coefficient that is not zero.
    #[inline(always)]
    fn correct(&self, reader: &mut Reader, bytes: &Bytes, block: &mut [i16], index: u32) {
        if reader.count() == 0 {
            reader.refill(bytes);
        }
        let place = usize::from(self.part.places[index as usize & 63]);
        if reader.take(1) == 1 && place < self.part.kept() * LANES {
            let value = block[place];
            block[place] = value.wrapping_add(if value < 0 { -1 << self.low } else { 1 << self.low });
        }
    }

    /// The same for all of `indices`.
    #[inline(always)]
    fn correct_rest(&self, reader: &mut Reader, bytes: &Bytes, block: &mut [i16], mut indices: u64) {
        let matter = mask(0, self.part.last);
        while indices & matter != 0 {
            self.correct(reader, bytes, block, indices.trailing_zeros());
            indices &= indices - 1;
        }
        let mut count = indices.count_ones();
        while count > 0 {
            reader.refill(bytes);
            let now = count.min(48);
            reader.consume(now);
            count -= now;
        }
    }
}
