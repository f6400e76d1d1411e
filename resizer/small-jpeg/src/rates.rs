//! How often each symbol came so far → what the next ones are expected to cost, in bits.
//!
//! Below the quantisation, above nothing. The logarithm is made of exact operations, for the same file on every machine.

/// Runs that a symbol can follow.
const RUNS: usize = 64;
/// Sizes of coefficients, in bits: 0 to 10.
const SIZES: usize = 11;

/// What a symbol with a code of no bits would count as before the first has come; each bit halves it.
const SEEN: u32 = 1 << 10;

/// Costs of AC coefficients of one component.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    /// By size and run; the bits of the coefficient itself are in it.
    coefficient: [[f32; RUNS]; SIZES],
    pub(crate) end: f32,
    counts: [u32; 256],
}

/// Sixteen zeros in a run.
pub(crate) const ZEROS: u8 = 0xF0;

impl Rates {
    pub(crate) fn new() -> Self {
        let mut rates = Self { coefficient: [[0.0; RUNS]; SIZES], end: 0.0, counts: [0; 256] };
        for run in 0..16_u32 {
            for size in 1..SIZES as u32 {
                // about the lengths of the codes that the standard shows
                let length = 1 + size + (run + 1).ilog2() * 3 / 2 + run.min(4) * (size - 1);
                rates.counts[(run << 4 | size) as usize] = (SEEN >> length.min(10)).max(1);
            }
        }
        rates.counts[0] = SEEN >> 3;
        rates.counts[usize::from(ZEROS)] = SEEN >> 10;
        rates.update();
        rates
    }

    #[inline(always)]
    pub(crate) fn of(&self, size: usize) -> &[f32; RUNS] {
        &self.coefficient[size]
    }

    #[inline(always)]
    pub(crate) fn count(&mut self, symbol: u8) {
        self.counts[usize::from(symbol)] += 1;
    }

    /// Makes the costs follow what was counted.
    pub(crate) fn update(&mut self) {
        let costs = costs(&self.counts);
        let zeros = costs[usize::from(ZEROS)];
        self.end = costs[0];
        for (size, coefficient) in self.coefficient.iter_mut().enumerate().skip(1) {
            for (run, cost) in coefficient.iter_mut().enumerate() {
                *cost = (run / 16) as f32 * zeros + costs[(run % 16) << 4 | size] + size as f32;
            }
        }
    }
}

/// Bits that symbols are worth that came so often.
pub(crate) fn costs<const N: usize>(counts: &[u32; N]) -> [f32; N] {
    let total: u32 = counts.iter().sum();
    let all = logarithm(total.max(1));
    counts.map(|count| if count == 0 { all.min(14.0) + 2.0 } else { (all - logarithm(count)).clamp(0.25, 16.0) })
}

/// To the base of two, within a hundredth.
fn logarithm(value: u32) -> f32 {
    let whole = value.ilog2();
    let part = f64::from(value) / f64::from(1_u32 << whole) - 1.0;
    whole as f32 + (part * (1.0 + 0.34 * (1.0 - part))) as f32
}
