//! One block's transform → the coefficients with the least sum of error and bits, and where they are not zero.
//!
//! A path through the block's coefficients that may be other than zero: each is reached from one before it, at the cost of the run between them
//! and its own size, less the error that coding it saves. Below the encoder, above the rates.

use crate::{
    coefficients::Places,
    order::{ZIGZAG, places_of},
    rates::{Rates, ZEROS},
};

/// A coefficient that saves so many bits' worth of error is on every path.
const CERTAIN: f32 = 60.0;
/// What is added to sizes before they are cut, where nothing is weighed: less than a half, as zeros are short.
const ROUND: f32 = 0.4;
/// Beyond what 8-bit samples give.
const MOST: f32 = 1023.0;

/// Coefficients as a block lies in memory.
pub(crate) type Block = [i16; 64];

/// Reused from block to block.
#[derive(Debug)]
pub(crate) struct Trellis {
    nodes: [Node; 65],
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Of the best path to here, without what zeros cost.
    cost: f32,
    place: u8,
    from: u8,
    value: i16,
}

impl Trellis {
    pub(crate) fn new() -> Self {
        Self { nodes: [Node::default(); 65] }
    }

    /// Chooses the AC coefficients. `scaled` has them in steps; an error of one step squared is worth `1 / lambda` bits.
    pub(crate) fn choose(&mut self, scaled: &[f32; 64], lambda: f32, rates: &Rates, block: &mut Block) -> Places {
        let flags: [u8; 64] = std::array::from_fn(|at| u8::from(scaled[at].abs() > 0.5));
        let mut candidates = places_of(&flags) & !1;
        *block = [0; 64];
        let worth = 1.0 / lambda;
        let nodes = &mut self.nodes;
        let (mut count, mut first) = (0, 0);
        while candidates != 0 {
            let place = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            let size_of = scaled[usize::from(ZIGZAG[place])].abs().min(MOST);
            let rounded = (size_of + 0.5) as u32;
            let whole = saved(size_of, rounded) * worth;
            let size = 32 - rounded.leading_zeros();
            let mut best = best(&nodes[first..=count], place, rates.of(size as usize));
            best.0 -= whole;
            let mut value = rounded;
            if rounded > 1 && rounded.is_power_of_two() {
                let mut other = self::best(&nodes[first..=count], place, rates.of(size as usize - 1));
                other.0 -= saved(size_of, rounded - 1) * worth;
                if other.0 < best.0 {
                    (best, value) = (other, rounded - 1);
                }
            }
            count += 1;
            nodes[count] = Node { cost: best.0, place: place as u8, from: (first + best.1) as u8, value: value as i16 };
            if whole > CERTAIN {
                first = count;
            }
        }
        let end = |node: &Node| node.cost + if node.place == 63 { 0.0 } else { rates.end };
        let mut last = first;
        for at in first + 1..=count {
            if end(&nodes[at]) < end(&nodes[last]) {
                last = at;
            }
        }
        self.write(last, scaled, block)
    }

    fn write(&self, last: usize, scaled: &[f32; 64], block: &mut Block) -> Places {
        let (mut at, mut places) = (last, Places::default());
        while at != 0 {
            let node = &self.nodes[at];
            let index = usize::from(ZIGZAG[usize::from(node.place)]);
            block[index] = if scaled[index] < 0.0 { -node.value } else { node.value };
            places.set |= 1 << node.place;
            places.large |= u64::from(node.value > 1) << node.place;
            at = usize::from(node.from);
        }
        places
    }
}

/// Error that is saved by coding `value` and not zero.
#[inline(always)]
fn saved(size: f32, value: u32) -> f32 {
    let value = value as f32;
    value * (2.0 * size - value)
}

/// The cheapest way to `place`, and from which node.
#[inline(always)]
fn best(nodes: &[Node], place: usize, rates: &[f32; 64]) -> (f32, usize) {
    let mut best = (f32::INFINITY, 0);
    for (at, node) in nodes.iter().enumerate() {
        let cost = node.cost + rates[(place - 1 - usize::from(node.place)) & 63];
        if cost < best.0 {
            best = (cost, at);
        }
    }
    best
}

/// Counts the symbols of the AC coefficients of a block.
#[inline(always)]
pub(crate) fn count(block: &Block, places: u64, rates: &mut Rates) {
    let (mut rest, mut before) = (places, 0);
    while rest != 0 {
        let place = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        let mut run = place - 1 - before;
        while run > 15 {
            rates.count(ZEROS);
            run -= 16;
        }
        let size = 16 - block[usize::from(ZIGZAG[place])].unsigned_abs().leading_zeros();
        rates.count((run as u8) << 4 | size as u8);
        before = place;
    }
    if before < 63 {
        rates.count(0);
    }
}

/// Chooses the AC coefficients by rounding alone.
pub(crate) fn round(scaled: &[f32; 64], block: &mut Block) -> Places {
    *block = scaled.map(|value| {
        let size = (value.abs().min(MOST) + ROUND) as i32 as i16;
        if value < 0.0 { -size } else { size }
    });
    block[0] = 0;
    let beyond = |size: u16| places_of(&std::array::from_fn(|at| u8::from(block[at].unsigned_abs() > size)));
    Places { set: beyond(0), large: beyond(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Error and bits of a block, in bits.
    fn cost(block: &Block, places: u64, scaled: &[f32; 64], lambda: f32, rates: &Rates) -> f64 {
        let error: f32 = (1..64).map(|at| (scaled[at] - f32::from(block[at])).powi(2)).sum();
        let (mut bits, mut before) = (0.0, 0);
        for place in (1..64).filter(|place| places >> place & 1 == 1) {
            let size = 16 - block[usize::from(ZIGZAG[place])].unsigned_abs().leading_zeros();
            bits += rates.of(size as usize)[place - 1 - before];
            before = place;
        }
        f64::from(error / lambda + bits + if before < 63 { rates.end } else { 0.0 })
    }

    /// Coefficients that get smaller with their frequency.
    fn random(state: &mut u32) -> [f32; 64] {
        let mut next = || {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*state >> 8) as f32 / (1 << 24) as f32
        };
        let (strength, fall) = (next() * 30.0, 1.0 + next() * 3.0);
        std::array::from_fn(|at| (next() - 0.5) * strength / (1.0 + ((at / 8) as f32 + (at % 8) as f32) * fall / 4.0))
    }

    #[test]
    fn no_choice_is_worse_than_rounding() {
        let (mut state, mut rates, mut trellis) = (1, Rates::new(), Trellis::new());
        let (mut all, mut rounded) = (0.0, 0.0);
        for number in 0..20_000 {
            let scaled = random(&mut state);
            let lambda = [0.02, 0.05, 0.1, 0.3][number % 4];
            let (mut block, mut plain) = ([0; 64], [0; 64]);
            let places = trellis.choose(&scaled, lambda, &rates, &mut block);
            let chosen = cost(&block, places.set, &scaled, lambda, &rates);
            let places_of_plain = round(&scaled, &mut plain);
            let others = cost(&plain, places_of_plain.set, &scaled, lambda, &rates);
            assert!(chosen <= others + 1e-2, "{number}: {chosen} {others}");
            for (block, places) in [(&block, places), (&plain, places_of_plain)] {
                let beyond = |size: u16| (1..64).filter(move |&place| block[usize::from(ZIGZAG[place])].unsigned_abs() > size);
                assert_eq!(places.set, beyond(0).map(|place| 1 << place).sum());
                assert_eq!(places.large, beyond(1).map(|place| 1 << place).sum());
            }
            (all, rounded) = (all + chosen, rounded + others);
            count(&block, places.set, &mut rates);
            rates.update();
        }
        assert!(all < rounded * 0.98, "{all} {rounded}");
    }
}
