//! One axis of a region and a kernel → which pixels are mixed to each one of the output, and how much of each.
//!
//! Weights are integers, and come in pairs, as processors multiply them. Below the scaler that mixes light; above the kernels.

use std::ops::Range;

use super::kernel::Weight;

/// Two neighbours: pixels, rows or their weights.
pub(super) type Pair = [i16; 2];

/// What a pair of the source is for a pixel of the output.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Tap {
    pub(super) weights: Pair,
    /// All bits where it lies within one pixel of the output, else none.
    pub(super) near: Pair,
}

/// For each pixel of the output a window of pairs.
pub(super) struct Weights {
    /// A weight of 1 is 1 << `bits`.
    pub(super) bits: u32,
    windows: Vec<Window>,
    taps: Vec<Tap>,
    /// How many taps of a window are near, at most.
    pub(super) near: usize,
}

struct Window {
    /// The first of the source's pairs.
    first: usize,
    taps: Range<usize>,
    /// The first of its taps that is near.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the portable loop asks all taps"))]
    near: usize,
}

impl Weights {
    /// Of `length` pixels from `start`, out of `side` of them, to `count`.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the picture")]
    pub(super) fn new((weight, support): (Weight, f64), (start, length): (f64, f64), side: u32, count: u32) -> Self {
        let step = length / f64::from(count);
        let stretch = step.max(1.0);
        let most = (support * stretch).ceil() as usize + 2;
        let mut weights = Self {
            bits: if step < 1.25 { 14 } else { 15 },
            windows: Vec::with_capacity(count as usize),
            taps: Vec::with_capacity(count as usize * most),
            near: 0,
        };
        let mut exact = vec![];
        for at in 0..count {
            let middle = start + (f64::from(at) + 0.5) * step;
            let first = ((middle - support * stretch).floor().max(0.0) as usize).min(side as usize - 1);
            let end = ((middle + support * stretch).ceil() as usize).clamp(first + 1, side as usize);
            exact.clear();
            exact.extend((first..end).map(|at| weight((at as f64 + 0.5 - middle) / stretch)));
            let near = ((middle - stretch).floor().max(first as f64) as usize)..((middle + stretch).ceil() as usize).min(end);
            weights.push(first, &exact, near);
        }
        weights
    }

    /// Rounds weights so that their sum is 1: what one loses the next one gets.
    #[allow(clippy::cast_possible_truncation, reason = "clamped")]
    fn push(&mut self, first: usize, exact: &[f64], near: Range<usize>) {
        let scale = f64::from(1 << self.bits) / exact.iter().sum::<f64>();
        let begin = self.taps.len();
        let mut left = 0.0;
        let mut rounded = exact.iter().map(|weight| {
            left += weight * scale;
            let whole = left.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX));
            left -= whole;
            whole as i16
        });
        for pair in first / 2..(first + exact.len()).div_ceil(2) {
            let pixels = [pair * 2, pair * 2 + 1];
            let weights = pixels.map(|pixel| if pixel < first { 0 } else { rounded.next().unwrap_or(0) });
            self.taps.push(Tap { weights, near: pixels.map(|pixel| -i16::from(near.contains(&pixel))) });
        }
        self.near = self.near.max(near.end.div_ceil(2) - near.start / 2);
        self.windows.push(Window { first: first / 2, taps: begin..self.taps.len(), near: near.start / 2 - first / 2 });
    }

    /// The first pair of the window of pixel `at`, and what it and the following ones are.
    pub(super) fn window(&self, at: usize) -> Option<(usize, &[Tap])> {
        self.windows.get(at).map(|window| (window.first, &self.taps[window.taps.clone()]))
    }

    /// The same, with windows of one length: processors foresee the end of a loop that always ends there. What is read more counts for
    /// nothing.
    pub(super) fn of_one_length(mut self) -> Self {
        let most = self.windows.iter().map(|window| window.taps.len()).max().unwrap_or(0);
        let mut taps = Vec::with_capacity(most * self.windows.len());
        for window in &mut self.windows {
            let begin = taps.len();
            taps.extend_from_slice(&self.taps[window.taps.clone()]);
            taps.resize(begin + most, Tap { weights: [0; 2], near: [0; 2] });
            window.taps = begin..taps.len();
        }
        self.taps = taps;
        self
    }

    /// [`near`](Self::near) taps of pixel `at`: those that are near to it, and others.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "the portable loop asks all taps"))]
    pub(super) fn around(&self, at: usize) -> Range<usize> {
        let first = self.windows.get(at).map_or(0, |window| window.near.min(window.taps.len().saturating_sub(self.near)));
        first..first + self.near
    }

    /// The pairs of the source that matter.
    pub(super) fn pairs(&self) -> Range<usize> {
        let first = self.windows.first().map_or(0, |window| window.first);
        first..self.windows.last().map_or(first, |window| window.first + window.taps.len())
    }

    /// How many windows begin, at most, before one of them ends.
    pub(super) fn overlap(&self) -> usize {
        let begin_before = |end: usize| self.windows.partition_point(|window| window.first < end);
        let ends = self.windows.iter().map(|window| window.first + window.taps.len());
        ends.enumerate().map(|(at, end)| begin_before(end) - at).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use resize_api::picture::Kernel;

    use super::*;
    use crate::scale::kernel;

    #[test]
    fn weights_add_up_to_one_and_lie_within_the_picture() {
        for &kernel in Kernel::ALL.iter().filter(|kernel| **kernel != Kernel::Nearest) {
            for (start, length, side, count) in [(0.0, 1.0, 1, 1), (0.5, 99.0, 100, 99), (3.25, 9000.0, 9004, 7), (0.0, 80.0, 80, 63)] {
                let weights = Weights::new(kernel::weights(kernel).unwrap(), (start, length), side, count);
                for at in 0..count as usize {
                    let (first, taps) = weights.window(at).unwrap();
                    let pairs: Vec<_> = taps.iter().map(|tap| tap.weights).collect();
                    let sum: i32 = pairs.iter().flatten().map(|&weight| i32::from(weight)).sum();
                    assert_eq!(sum, 1 << weights.bits, "{kernel} {length} to {count}, {at}");
                    let outside = |pair: usize, odd: usize| (first + pair) * 2 + odd >= side as usize;
                    let taken = |tap: &Tap, odd: usize| tap.weights[odd] != 0 || tap.near[odd] != 0;
                    let wrong = |(pair, tap): (usize, &Tap)| (0..2).any(|odd| outside(pair, odd) && taken(tap, odd));
                    assert!(!taps.iter().enumerate().any(wrong), "{kernel} {length} to {count}, {at}");
                    assert!(taps.iter().any(|tap| tap.near != [0; 2]), "{kernel} {length} to {count}, {at}");
                }
            }
        }
    }

    #[test]
    fn what_is_to_be_left_as_it_is_has_one_weight() {
        let weights = Weights::new(kernel::weights(Kernel::Lanczos3).unwrap(), (2.0, 8.0), 20, 8);
        for at in 0..8 {
            let (first, taps) = weights.window(at).unwrap();
            let taken = taps.iter().flat_map(|tap| &tap.weights).enumerate().filter(|(_, weight)| **weight != 0);
            assert!(taken.map(|(tap, weight)| (first * 2 + tap, *weight)).eq([(at + 2, 1 << 14)]));
        }
    }
}
