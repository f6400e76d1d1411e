//! Samples of the components → the caller's pixels or planes.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "samples and sides of pictures, clamped where they need it")]
#![allow(clippy::inline_always, reason = "for the caller's target features")]

use std::ops::Range;

use crate::{
    header::Colour,
    plan::{Part, Plan},
};

/// Where the picture goes.
pub(crate) enum Output<'a> {
    /// Rows of gray or RGB, and bytes from row to row.
    Pixels(&'a mut [u8], usize),
    /// A buffer for each component, without gaps.
    Planes(Vec<&'a mut [u8]>),
}

/// Samples of a component: of all wanted units, or of a row of them and the end of those before.
pub(crate) struct Window {
    pub(crate) samples: Vec<u8>,
    pub(crate) stride: usize,
    /// Sample rows of a unit.
    unit: usize,
    /// Sample rows of the units before.
    carry: usize,
}

impl Window {
    /// A sample row of the component, when the first row of units that is here is `first_unit`.
    #[inline(always)]
    fn row(&self, row: usize, first_unit: usize) -> &[u8] {
        &self.samples[(row + self.carry - first_unit * self.unit) * self.stride..][..self.stride]
    }

    /// Gray from here on.
    pub(crate) fn give_up(&mut self) {
        self.samples[self.carry * self.stride..].fill(128);
    }
}

/// Windows and output.
pub(crate) struct Sink<'a> {
    plan: &'a Plan,
    output: Output<'a>,
    pub(crate) windows: Vec<Window>,
    enlargers: Vec<Option<Enlarger>>,
    rows: Vec<Vec<u8>>,
    /// Rows of the output that are finished.
    pub(crate) finished: u32,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(plan: &'a Plan, output: Output<'a>) -> Self {
        let window = |part: &Part| {
            let stride = plan.stride(part);
            Window { samples: vec![128; stride * plan.rows(part)], stride, unit: part.blocks.1 * part.block.1, carry: plan.carry(part) }
        };
        let enlarger = |part: &Part| part.ratio.iter().any(|ratio| ratio.0 != ratio.1).then(|| Enlarger::new(plan, part));
        Self {
            plan,
            output,
            windows: plan.parts.iter().map(window).collect(),
            enlargers: plan.parts.iter().map(enlarger).collect(),
            rows: vec![vec![0; plan.region.width as usize]; plan.parts.len()],
            finished: 0,
        }
    }

    /// Where the samples of a row of blocks begin in the window of a component; of a row of units, when that is all the window holds.
    pub(crate) fn start(&self, index: usize, row: usize) -> usize {
        let part = &self.plan.parts[index];
        let window = &self.windows[index];
        let unit = if self.plan.striped { 0 } else { row - self.plan.wanted.1.0 * part.blocks.1 };
        (window.carry + unit * part.block.1) * window.stride
    }

    /// Gives out the pixels of unit rows `from` to `to`, whose samples are ready, as far as they need no more than these.
    #[inline(always)]
    pub(crate) fn finish(&mut self, from: usize, to: usize) {
        let plan = self.plan;
        let (unit, bottom) = (plan.side * plan.header.most().1, (plan.region.top + plan.region.height) as usize);
        let end = if to < plan.wanted.1.1 { (to * unit).saturating_sub(plan.delay).min(bottom) } else { bottom };
        let first_unit = if plan.striped { from } else { plan.wanted.1.0 };
        match &mut self.output {
            Output::Planes(planes) => {
                for (((layout, part), window), plane) in plan.planes().iter().zip(&plan.parts).zip(&self.windows).zip(planes.iter_mut()) {
                    let left = layout.left - plan.wanted.0.0 * part.blocks.0 * part.block.0;
                    let rows = (from * window.unit).max(layout.top)..(to * window.unit).min(layout.top + layout.height);
                    for row in rows {
                        let samples = &window.row(row, first_unit)[left..][..layout.width];
                        plane[(row - layout.top) * layout.width..][..layout.width].copy_from_slice(samples);
                    }
                }
            }
            Output::Pixels(pixels, stride) => {
                let (left, top, width) = (plan.region.left as usize, plan.region.top as usize, plan.region.width as usize);
                let start = (from * unit).saturating_sub(plan.delay).max(top);
                for y in start..end {
                    for (((row, window), enlarger), part) in
                        self.rows.iter_mut().zip(&self.windows).zip(&mut self.enlargers).zip(&plan.parts)
                    {
                        if let Some(enlarger) = enlarger {
                            enlarger.row(window, y, first_unit, row);
                        } else {
                            let start = left - plan.wanted.0.0 * part.blocks.0 * part.block.0;
                            row.copy_from_slice(&window.row(y, first_unit)[start..start + width]);
                        }
                    }
                    let into = &mut pixels[(y - top) * *stride..][..width * plan.channels()];
                    match (&self.rows[..], plan.header.colour) {
                        ([luma, blue, red], Colour::YCbCr) => to_rgb(luma, blue, red, into),
                        ([red, green, blue], _) => interleave(red, green, blue, into),
                        ([cyan, magenta, yellow, black], colour) => inks([cyan, magenta, yellow, black], colour, into),
                        (rows, _) => into.copy_from_slice(&rows[0]),
                    }
                }
            }
        }
        self.finished = (end as u32).saturating_sub(plan.region.top);
        for window in self.windows.iter_mut().filter(|window| window.carry > 0) {
            window.samples.copy_within(window.unit * window.stride.., 0);
        }
    }
}

/// Enlarges a component, linear between the middles of its samples.
struct Enlarger {
    ratio: [(usize, usize); 2],
    /// Samples of the whole component, down.
    height: usize,
    /// For each pixel of a row: its two samples in the window, and the share of the second in 2 * `ratio`.
    columns: Vec<(u32, u32, u32)>,
    /// Of a row, the pixels in pairs that have a sample of their own and one on each side, if there are two for each
    /// sample and weights add up to a power of two.
    doubled: Range<usize>,
    /// Samples of two rows, weighed.
    blend: Vec<u16>,
}

/// The two samples beside the middle of a pixel, and the share of the second in twice the `over` pixels of `under` samples.
fn neighbours(at: usize, (over, under): (usize, usize), side: usize) -> (usize, usize, usize) {
    let middle = (2 * at + 1) * under + over;
    let (second, share) = (middle / (2 * over), middle % (2 * over));
    let first = second.saturating_sub(1).min(side - 1);
    (first, if share == 0 { first } else { second.min(side - 1) }, share)
}

impl Enlarger {
    fn new(plan: &Plan, part: &Part) -> Self {
        let start = plan.wanted.0.0 * part.blocks.0 * part.block.0;
        let column = |x: usize| {
            let (left, right, share) = neighbours(x, part.ratio[0], part.samples.0);
            ((left - start) as u32, (right - start) as u32, share as u32)
        };
        let (left, width) = (plan.region.left as usize, plan.region.width as usize);
        let doubled = if part.ratio[0] == (2, 1) && part.ratio[1].0.is_power_of_two() {
            let first = left.max(2).next_multiple_of(2) - left;
            let end = (left + width).min(2 * (part.samples.0 - 1)) / 2 * 2;
            first.min(width)..end.saturating_sub(left).max(first).min(width)
        } else {
            0..0
        };
        Self {
            ratio: part.ratio,
            height: part.samples.1,
            doubled,
            columns: (left..left + width).map(column).collect(),
            blend: vec![0; plan.stride(part)],
        }
    }

    #[inline(always)]
    fn row(&mut self, window: &Window, y: usize, first_unit: usize, into: &mut [u8]) {
        let (upper, lower, share) = neighbours(y, self.ratio[1], self.height);
        let (whole_x, whole_y) = (2 * self.ratio[0].0 as u32, 2 * self.ratio[1].0 as u16);
        let share = share as u16;
        let row = |row: usize| window.row(row, first_unit);
        for ((blend, &upper), &lower) in self.blend.iter_mut().zip(row(upper)).zip(row(lower)) {
            *blend = u16::from(upper) * (whole_y - share) + u16::from(lower) * share;
        }
        let whole = whole_x * u32::from(whole_y);
        let (before, rest) = into.split_at_mut(self.doubled.start);
        let (pairs, after) = rest.split_at_mut(self.doubled.len());
        let between = |value: &mut u8, &(left, right, share): &(u32, u32, u32)| {
            let sum = u32::from(self.blend[left as usize]) * (whole_x - share) + u32::from(self.blend[right as usize]) * share;
            *value = ((sum + whole / 2) / whole) as u8;
        };
        before.iter_mut().zip(&self.columns).for_each(|(value, column)| between(value, column));
        after.iter_mut().zip(&self.columns[self.doubled.end..]).for_each(|(value, column)| between(value, column));
        if let Some(&(left, ..)) = self.columns.get(self.doubled.start) {
            double(pairs, &self.blend[left as usize..], whole as u16);
        }
    }
}

/// Two pixels for each of `samples` but the first and the last, which are beside them: three parts of the nearer, one of the other.
#[inline(always)]
fn double(pairs: &mut [u8], samples: &[u16], whole: u16) {
    let (half, shift) = (whole / 2, whole.trailing_zeros());
    let [_, middle @ ..] = samples else { return };
    let [_, next @ ..] = middle else { return };
    for (((pair, &previous), &middle), &next) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(samples).zip(middle).zip(next) {
        let [first, second] = [previous, next].map(|other| (middle * 3 + other + half) >> shift);
        *pair = (first | second << 8).to_le_bytes();
    }
}

#[inline(always)]
fn to_rgb(luma: &[u8], blue: &[u8], red: &[u8], into: &mut [u8]) {
    for (((pixel, &luma), &blue), &red) in into.as_chunks_mut::<3>().0.iter_mut().zip(luma).zip(blue).zip(red) {
        let (luma, blue, red) = (i32::from(luma) << 16 | 1 << 15, i32::from(blue) - 128, i32::from(red) - 128);
        let parts = [luma + 91_881 * red, luma - 22_554 * blue - 46_802 * red, luma + 116_130 * blue];
        *pixel = parts.map(|part| (part >> 16).clamp(0, 255) as u8);
    }
}

/// The three parts of [`to_rgb`] are light: what they leave of it is ink.
fn inks([one, two, three, black]: [&Vec<u8>; 4], colour: Colour, into: &mut [u8]) {
    let rows = one.iter().zip(two).zip(three).zip(black);
    for (pixel, (((&one, &two), &three), &black)) in into.as_chunks_mut::<4>().0.iter_mut().zip(rows) {
        let mut inks = [one, two, three];
        if colour == Colour::Ycck {
            to_rgb(&[one], &[two], &[three], &mut inks);
            inks = inks.map(|light| 255 - light);
        }
        *pixel = [inks[0], inks[1], inks[2], black];
    }
}

#[inline(always)]
fn interleave(red: &[u8], green: &[u8], blue: &[u8], into: &mut [u8]) {
    for (((pixel, &red), &green), &blue) in into.as_chunks_mut::<3>().0.iter_mut().zip(red).zip(green).zip(blue) {
        *pixel = [red, green, blue];
    }
}
