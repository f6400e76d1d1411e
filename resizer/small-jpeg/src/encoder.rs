//! Pixels → coefficients, one row of MCUs after the other.
//!
//! Below the root; above strips, the transform and the quantisation.

use std::sync::atomic::AtomicBool;

use crate::{
    Effort, Error,
    coefficients::Coefficients,
    dc::{self, Chain, DcRates},
    frame::{Component, Frame},
    rates::Rates,
    strip::{self, Strip},
    tables::Quantisation,
    transform::transform,
    trellis::{self, Trellis},
};

/// What a bit is worth, in squares of a step, where luma and chroma are flat.
const LAMBDAS: [f32; 2] = [0.036, 0.0575];
/// At this variance of a block's samples a bit is worth more, by the square root of 2: what is busy hides errors.
const BUSY: f32 = 240.0;

/// What is kept from row to row.
struct Quantiser<'a> {
    tables: &'a [Quantisation; 2],
    effort: Effort,
    trellis: Trellis,
    rates: [Rates; 2],
    chain: Chain,
    dc_rates: [DcRates; 2],
    /// Mean values of a row of MCUs' blocks, in steps.
    means: Vec<f32>,
    before: [i32; 3],
}

/// Bytes that are taken beside the coefficients.
pub(crate) fn memory(frame: &Frame) -> usize {
    let blocks = most_blocks(frame);
    strip::memory(frame) + dc::memory(blocks) + blocks * (size_of::<f32>() + size_of::<usize>())
}

/// Of a component in a row of MCUs.
fn most_blocks(frame: &Frame) -> usize {
    frame.components().iter().map(|component| component.stride * component.down).max().unwrap_or(0)
}

/// Quantises all of a picture.
pub(crate) fn coefficients<'a>(
    pixels: &[u8],
    frame: Frame,
    tables: &[Quantisation; 2],
    effort: Effort,
    stop: &'a AtomicBool,
) -> Result<Coefficients<'a>, Error> {
    let mut all = Coefficients::new(frame, stop);
    let mut strip = Strip::new(&frame);
    let mut quantiser = Quantiser {
        tables,
        effort,
        trellis: Trellis::new(),
        rates: [Rates::new(), Rates::new()],
        chain: Chain::new(most_blocks(&frame)),
        dc_rates: [DcRates::new(), DcRates::new()],
        means: vec![0.0; most_blocks(&frame)],
        before: [0; 3],
    };
    // what bits cost in all of the picture is known once it has been read
    let passes = if effort == Effort::Small { 2 } else { 1 };
    for row in (0..passes).flat_map(|_| 0..frame.mcu_rows) {
        if all.is_stopped() {
            return Err(Error::Stopped);
        }
        if row == 0 {
            quantiser.before = [0; 3];
        }
        strip.fill(pixels, &frame, row);
        for component in 0..frame.channels {
            quantiser.ac(&strip, &mut all, row, component);
            quantiser.dc(&mut all, row, component);
        }
    }
    Ok(all)
}

impl Quantiser<'_> {
    fn ac(&mut self, strip: &Strip, all: &mut Coefficients, mcu_row: usize, number: usize) {
        let kind = number.min(1);
        let component = all.frame.components()[number];
        let (source, plane) = (&strip.planes[number], &mut all.planes[number]);
        let table = &self.tables[kind];
        for y in 0..component.down {
            let row = mcu_row * component.down + y;
            if row >= component.rows {
                break;
            }
            for column in 0..component.columns {
                let at = row * component.stride + column;
                let samples = std::array::from_fn(|line| {
                    let start = (y * 8 + line) * source.stride + column * 8;
                    source.samples[start..start + 8].try_into().unwrap_or([0.0; 8])
                });
                let transformed = transform(samples);
                let flat = transformed.as_flattened();
                let scaled: [f32; 64] = std::array::from_fn(|at| flat[at] * table.inverse[at]);
                self.means[y * component.stride + column] = scaled[0];
                let block = &mut plane.blocks[at];
                plane.places[at] = if self.effort == Effort::Fast {
                    trellis::round(&scaled, block)
                } else {
                    let lambda = LAMBDAS[kind] * busyness(samples.as_flattened());
                    let places = self.trellis.choose(&scaled, lambda, &self.rates[kind], block);
                    trellis::count(block, places.set, &mut self.rates[kind]);
                    places
                };
            }
        }
        if self.effort != Effort::Fast {
            self.rates[kind].update();
        }
    }

    /// The DC coefficients, in the order of the file; blocks without samples repeat those before them.
    fn dc(&mut self, all: &mut Coefficients, mcu_row: usize, number: usize) {
        let kind = number.min(1);
        let component = all.frame.components()[number];
        let blocks = &mut all.planes[number].blocks;
        let start = mcu_row * component.down * component.stride;
        let means = &self.means;
        let mut order = Vec::with_capacity(component.stride * component.down);
        order.extend(in_order(component, mcu_row).filter(|place| place.1).map(|place| place.0));
        if self.effort == Effort::Fast {
            for &at in &order {
                blocks[start + at][0] = means[at].round().clamp(-1024.0, 1023.0) as i16;
            }
        } else {
            let chosen = order.iter().map(|&at| means[at]);
            self.chain.choose(chosen, self.before[number], &mut self.dc_rates[kind], |at, value| blocks[start + order[at]][0] = value);
        }
        let mut before = self.before[number] as i16;
        for (at, inside) in in_order(component, mcu_row) {
            let value = &mut blocks[start + at][0];
            if !inside {
                *value = before;
            }
            before = *value;
        }
        self.before[number] = i32::from(before);
    }
}

/// How much more a bit is worth than in a flat block.
#[inline(always)]
fn busyness(samples: &[f32]) -> f32 {
    let (sums, squares) = samples.as_chunks::<8>().0.iter().fold(([0.0; 8], [0.0; 8]), |(sums, squares): ([f32; 8], [f32; 8]), row| {
        (std::array::from_fn(|at| sums[at] + row[at]), std::array::from_fn(|at| squares[at] + row[at] * row[at]))
    });
    let mean = sums.iter().sum::<f32>() / 64.0;
    let variance = (squares.iter().sum::<f32>() / 64.0 - mean * mean).max(0.0);
    (1.0 + variance / BUSY).sqrt()
}

/// Blocks of a row of MCUs as the file has them, and whether each has samples.
fn in_order(component: Component, mcu_row: usize) -> impl Iterator<Item = (usize, bool)> {
    let Component { across, down, columns, rows, stride, .. } = component;
    let mcus =
        (0..stride / across.max(1)).flat_map(move |mcu| (0..down).flat_map(move |y| (0..across).map(move |x| (y, mcu * across + x))));
    mcus.map(move |(y, column)| (y * stride + column, column < columns && mcu_row * down + y < rows))
}
