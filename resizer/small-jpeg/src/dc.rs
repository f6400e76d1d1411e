//! A row of MCUs' mean values → the DC coefficients with the least sum of error and bits, over all blocks of a component in the order of the
//! file.
//!
//! Each is one of the two whole numbers beside it: a path through pairs. Below the encoder, above the rates.

use crate::rates::costs;

/// Bits that an error of one step squared is worth: more than elsewhere, as steps between blocks are seen.
const WORTH: f32 = 16.0;

/// What differences of DC coefficients cost, by their size in bits.
#[derive(Clone, Debug)]
pub(crate) struct DcRates {
    counts: [u32; 12],
    costs: [f32; 12],
}

/// Bits of a difference.
pub(crate) fn size(difference: i32) -> usize {
    (32 - difference.unsigned_abs().leading_zeros()) as usize
}

impl DcRates {
    pub(crate) fn new() -> Self {
        let counts = [40, 60, 80, 90, 80, 50, 30, 12, 4, 2, 1, 1];
        Self { counts, costs: costs(&counts) }
    }

    #[inline(always)]
    fn of(&self, difference: i32) -> f32 {
        let size = size(difference).min(11);
        self.costs[size] + size as f32
    }

    fn update(&mut self) {
        self.costs = costs(&self.counts);
        self.costs.iter_mut().for_each(|cost| *cost = cost.min(14.0));
    }
}

/// A block's two candidates, and from which of the two before them each is best reached.
#[derive(Clone, Copy, Debug)]
struct Step {
    value: i32,
    from: [bool; 2],
}

/// Reused from row to row.
#[derive(Debug)]
pub(crate) struct Chain {
    steps: Vec<Step>,
}

/// Bytes for so many blocks.
pub(crate) fn memory(blocks: usize) -> usize {
    blocks * size_of::<Step>()
}

impl Chain {
    pub(crate) fn new(blocks: usize) -> Self {
        Self { steps: Vec::with_capacity(blocks) }
    }

    /// Chooses for the `means`, in steps, given the DC coefficient before them; tells them in reverse order.
    pub(crate) fn choose(&mut self, means: impl Iterator<Item = f32>, before: i32, rates: &mut DcRates, mut tell: impl FnMut(usize, i16)) {
        self.steps.clear();
        let (mut costs, mut last) = ([0.0, f32::INFINITY], before);
        for mean in means {
            let mean = mean.clamp(-1024.0, 1023.0);
            let value = mean.floor().min(1022.0);
            let part = mean - value;
            let value = value as i32;
            let mut step = Step { value, from: [false; 2] };
            let reached = [0, 1].map(|up: usize| {
                let target = value + up as i32;
                let error = part - up as f32;
                let ways = [0, 1].map(|from: usize| costs[from] + rates.of(target - last - from as i32));
                step.from[up] = ways[1] < ways[0];
                ways[0].min(ways[1]) + error * error * WORTH
            });
            (costs, last) = (reached, value);
            self.steps.push(step);
        }
        let mut up = costs[1] < costs[0];
        let mut after: Option<i32> = None;
        for (at, step) in self.steps.iter().enumerate().rev() {
            let value = step.value + i32::from(up);
            tell(at, value as i16);
            if let Some(after) = after {
                rates.counts[size(after - value).min(11)] += 1;
            }
            after = Some(value);
            up = step.from[usize::from(up)];
        }
        rates.update();
    }
}
