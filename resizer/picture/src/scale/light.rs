//! Decoded pixels → fewer pixels, mixed as light mixes, and weighed by their alpha.
//!
//! Stored values are not proportional to light: mixed as they are, fine bright structures on dark ground fade. A few rows at a time
//! become light, of 14 bits and some for what kernels overshoot; they are mixed to rows of the output's height, and each of these
//! to its width.
//!
//! Beside an edge kernels with negative lobes leave a few percent of its light. As stored values that is invisible; as light in the
//! dark it is a line. So nothing dark becomes lighter than the lightest within a pixel of the output.
//!
//! Below the scaler; above weights, loops over them, the tone curve of sRGB and the raster.

use std::{iter, ops::Range};

use super::{
    kernel::Weight,
    mix::{self, LANES, Row, Sums},
    source::Source,
    weights::{Pair, Weights},
};
use crate::{
    Error,
    budget::Pixels,
    channels::Channels,
    colour::srgb::{ONE, TABLES, Tables},
    geometry::Region,
    raster::Raster,
};

/// Pairs of rows that are light at a time: they stay in the processor's cache.
const PAIRS: usize = 8;

/// From this stored value on, lines beside edges are not visible.
const DARK: usize = 64;

/// What is taken for each value of a decoded row: the rows above, sums and lightest values of as many rows as [windows
/// overlap](Weights::overlap), and a row of each.
pub(super) const PER_VALUE: u64 = 4 * PAIRS as u64 + (4 + 4) * 17 + 2 + 2;

/// The kernel of an axis that is left as it is.
pub(super) const COPY: (Weight, f64) = (|_| 1.0, 0.5);

/// Scales with a kernel for each axis.
pub(super) fn scale(source: Source, region: Region, size: (u32, u32), kernels: [(Weight, f64); 2]) -> Result<Raster, Error> {
    let columns = Weights::new(kernels[0], (region.left, region.width), source.size().0, size.0).of_one_length();
    let rows = Weights::new(kernels[1], (region.top, region.height), source.size().1, size.1);
    match source.channels() {
        Channels::Gray => Work::<1>::new(source, &columns, &rows, size.0 as usize)?.run(size),
        Channels::GrayAlpha => Work::<2>::new(source, &columns, &rows, size.0 as usize)?.run(size),
        Channels::Rgb => Work::<3>::new(source, &columns, &rows, size.0 as usize)?.run(size),
        Channels::Rgba | Channels::Cmyk => Work::<4>::new(source, &columns, &rows, size.0 as usize)?.run(size),
    }
}

/// Pixels of `COUNT` values. Those of two neighbours lie beside each other, as their weights do: so do rows, and the pixels of a row.
struct Work<'a, const COUNT: usize> {
    source: Source<'a>,
    tables: &'static Tables,
    columns: &'a Weights,
    rows: &'a Weights,
    /// Pairs of columns that matter.
    span: Range<usize>,
    /// Values of a row.
    length: usize,
    /// Some pairs of rows.
    light: Pixels<Pair>,
    /// For each row of the output that was begun: its sums, and its lightest values.
    sums: Pixels<i32>,
    peaks: Pixels<Pair>,
    open: usize,
    /// A row of the output, as wide as the source, and what is lightest there. What is read behind their ends does not matter.
    mixed: Pixels<Pair>,
    lightest: Pixels<Pair>,
    /// A row of the output, as light.
    line: Pixels<[i32; 4]>,
}

impl<'a, const COUNT: usize> Work<'a, COUNT> {
    fn new(source: Source<'a>, columns: &'a Weights, rows: &'a Weights, width: usize) -> Result<Self, Error> {
        let (budget, span, open) = (source.budget(), columns.pairs(), rows.overlap() + 1);
        let length = (span.len() * 2 * COUNT).next_multiple_of(LANES);
        // as many as a window has
        let behind = columns.window(0).map_or(0, |(_, taps)| taps.len()) * COUNT + 4;
        let light = budget.collect(PAIRS * length, iter::repeat([0; 2]))?;
        let sums = budget.collect(open * length, iter::repeat(0))?;
        let peaks = budget.collect(open * length, iter::repeat([0; 2]))?;
        let mixed = budget.collect(length / 2 + behind, iter::repeat([0; 2]))?;
        let lightest = budget.collect(length / 2 + behind, iter::repeat([0; 2]))?;
        let line = budget.collect(width, iter::repeat([0; 4]))?;
        Ok(Self { source, tables: &TABLES, columns, rows, span, length, light, sums, peaks, open, mixed, lightest, line })
    }

    fn run(mut self, (width, height): (u32, u32)) -> Result<Raster, Error> {
        let budget = self.source.budget();
        let mut scaled = Raster::new(&budget, width, height, self.source.channels())?;
        let mut lines = scaled.pixels.chunks_exact_mut(width as usize * COUNT).enumerate().peekable();
        let all = self.rows.pairs();
        for first in all.clone().step_by(PAIRS) {
            budget.go_on()?;
            let pairs = first..(first + PAIRS).min(all.end);
            self.lighten(pairs.clone())?;
            let mut at = lines.peek().map_or(0, |(at, _)| *at);
            while self.add(at, pairs.clone()) {
                if let Some((_, line)) = lines.next_if(|(at, _)| self.is_whole(*at, pairs.end)) {
                    self.settle(at, line);
                }
                at += 1;
            }
        }
        drop(lines);
        self.source.finish()?;
        Ok(scaled)
    }

    /// Some pairs of the source's rows → light.
    fn lighten(&mut self, pairs: Range<usize>) -> Result<(), Error> {
        let (span, tables) = (self.span.start * 2..self.span.end * 2, self.tables);
        let both = |into: &mut [Pair], odd: usize, upper: &[u8; COUNT], lower: &[u8; COUNT]| {
            let (upper, lower) = (light(tables, upper), light(tables, lower));
            (0..COUNT).for_each(|channel| into[channel * 2 + odd] = [upper[channel], lower[channel]]);
        };
        for (pair, into) in pairs.zip(self.light.chunks_exact_mut(self.length)) {
            let [upper, lower] = self.source.pair(pair)?;
            let ((upper, upper_rest), (lower, lower_rest)) = (within::<COUNT>(upper, &span), within::<COUNT>(lower, &span));
            let mut into = into.chunks_exact_mut(2 * COUNT);
            for ((upper, lower), into) in upper.iter().zip(lower).zip(&mut into) {
                both(into, 0, &upper[0], &lower[0]);
                both(into, 1, &upper[1], &lower[1]);
            }
            if let (Some(into), [upper], [lower]) = (into.next(), upper_rest, lower_rest) {
                both(into, 0, upper, lower);
            }
        }
        Ok(())
    }

    /// Adds what is there of the rows that are mixed to row `at` of the output; whether there is such a row, and it has begun.
    fn add(&mut self, at: usize, pairs: Range<usize>) -> bool {
        let Some((first, taps)) = self.rows.window(at).filter(|(first, _)| *first < pairs.end) else { return false };
        let from = first.max(pairs.start);
        let place = self.place(at);
        let into = Sums { sums: &mut self.sums[place.clone()], peaks: &mut self.peaks[place] };
        if first >= pairs.start {
            into.sums.fill(1 << (self.rows.bits - 1));
            into.peaks.fill([0; 2]);
        }
        mix::add(into, &self.light[(from - pairs.start) * self.length..pairs.len() * self.length], &taps[from - first..]);
        true
    }

    /// Where the sums of row `at` of the output are.
    fn place(&self, at: usize) -> Range<usize> {
        let slot = at % self.open;
        slot * self.length..(slot + 1) * self.length
    }

    /// Whether the window of row `at` lies before pair `end`.
    fn is_whole(&self, at: usize, end: usize) -> bool {
        self.rows.window(at).is_some_and(|(first, taps)| first + taps.len() <= end)
    }

    /// Sums of row `at` → its pixels.
    fn settle(&mut self, at: usize, pixels: &mut [u8]) {
        let place = self.place(at);
        let sums = Sums { sums: &mut self.sums[place.clone()], peaks: &mut self.peaks[place] };
        mix::settle(sums, self.rows.bits, &mut self.mixed, &mut self.lightest);
        let row = Row { mixed: &self.mixed, lightest: &self.lightest, first: self.span.start };
        mix::across::<COUNT>(&row, self.columns, self.tables.light[DARK].into(), &mut self.line);
        let pixels = pixels.as_chunks_mut::<COUNT>().0.iter_mut().zip(&*self.line);
        pixels.for_each(|(pixel, light)| *pixel = stored(self.tables, *light));
    }
}

/// Pixels of `span` in a row, by two, and the one that is left.
fn within<'a, const COUNT: usize>(row: &'a [u8], span: &Range<usize>) -> (&'a [[[u8; COUNT]; 2]], &'a [[u8; COUNT]]) {
    let row = row.as_chunks().0;
    row[span.start..row.len().min(span.end)].as_chunks()
}

const fn has_alpha(count: usize) -> bool {
    count.is_multiple_of(2)
}

/// The light of a pixel; that of its colours as much as its alpha lets through.
fn light<const COUNT: usize>(tables: &Tables, pixel: &[u8; COUNT]) -> [i16; COUNT] {
    if !has_alpha(COUNT) {
        return pixel.map(|value| tables.light[usize::from(value)]);
    }
    let alpha = tables.alpha[usize::from(pixel[COUNT - 1])];
    let mut light = match pixel[COUNT - 1] {
        0 => return [0; COUNT],
        255 => pixel.map(|value| tables.light[usize::from(value)]),
        _ => pixel.map(|value| through(tables.light[usize::from(value)], alpha)),
    };
    light[COUNT - 1] = alpha;
    light
}

#[allow(clippy::cast_possible_truncation, reason = "a product of two that are at most one")]
fn through(light: i16, alpha: i16) -> i16 {
    ((i32::from(light) * i32::from(alpha) + ONE / 2) / ONE) as i16
}

/// What [`light`] was made of.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "from 0 to one")]
fn stored<const COUNT: usize>(tables: &Tables, light: [i32; 4]) -> [u8; COUNT] {
    let value = |light: i32| tables.stored[light as usize % tables.stored.len()];
    if !has_alpha(COUNT) {
        return std::array::from_fn(|channel| value(light[channel]));
    }
    let alpha = light[COUNT - 1];
    let mut pixel = match alpha {
        0 => return [0; COUNT],
        ONE => std::array::from_fn(|channel| value(light[channel])),
        _ => {
            let scale = ONE as f32 / alpha as f32;
            std::array::from_fn(|channel| value(((light[channel] as f32 * scale + 0.5) as i32).min(ONE)))
        }
    };
    pixel[COUNT - 1] = ((alpha * 255 + ONE / 2) / ONE) as u8;
    pixel
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "sides and sizes are small")]
mod tests {
    use resize_api::picture::Kernel;

    use super::*;
    use crate::{scale::kernel, tests::drawing::noisy};

    #[test]
    fn what_is_opaque_or_transparent_is_as_if_it_were_multiplied() {
        for value in 0..=u8::MAX {
            for alpha in [0, 255] {
                let light = light(&TABLES, &[value, alpha]);
                let alpha = TABLES.alpha[usize::from(alpha)];
                assert_eq!(light, [through(TABLES.light[usize::from(value)], alpha), alpha], "{value}");
                let whole = if alpha == 0 { [0, 0] } else { [value, 255] };
                assert_eq!(stored::<2>(&TABLES, [light[0].into(), light[1].into(), 0, 0]), whole);
            }
        }
    }

    fn whole(source: &Raster, size: (u32, u32), kernel: Kernel) -> Raster {
        let region = Region { left: 0.0, top: 0.0, width: f64::from(source.width), height: f64::from(source.height) };
        scale(Source::Whole(source), region, size, [kernel::weights(kernel).unwrap(); 2]).unwrap()
    }

    #[test]
    fn half_of_the_light_is_not_half_of_the_value() {
        for channels in [Channels::Gray, Channels::GrayAlpha, Channels::Rgb, Channels::Rgba] {
            let pixel = |value: u8| {
                let mut pixel = vec![value; channels.count()];
                pixel.iter_mut().skip(if channels.has_alpha() { channels.count() - 1 } else { 4 }).for_each(|alpha| *alpha = 255);
                pixel
            };
            for side in [64, 1000] {
                let pixels = [pixel(0), pixel(255)].concat().repeat(side * side / 2);
                let source = Raster::test(side as u32, side as u32, channels, pixels);
                let scaled = whole(&source, (8, 8), Kernel::Lanczos3);
                let wrong = scaled
                    .pixels
                    .chunks(channels.count())
                    .find(|scaled| scaled.iter().zip(pixel(188)).any(|(one, other)| one.abs_diff(other) > 5));
                assert_eq!(wrong, None, "{channels:?} {side}");
            }
        }
    }

    /// By numbers without end, and all at once.
    fn exactly(source: &Raster, (width, height): (u32, u32), (weight, support): (Weight, f64)) -> Vec<f64> {
        let count = source.channels.count();
        let axis = |side: u32, size: u32| -> Vec<Vec<(usize, f64)>> {
            let step = f64::from(side) / f64::from(size);
            let of = |at: u32| {
                let middle = (f64::from(at) + 0.5) * step;
                let taps = (0..side).map(|tap| (tap as usize, (f64::from(tap) + 0.5 - middle) / step)).filter(|(_, x)| x.abs() < support);
                let taps: Vec<_> = taps.map(|(tap, x)| (tap, weight(x))).collect();
                let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
                taps.into_iter().map(|(tap, weight)| (tap, weight / sum)).collect()
            };
            (0..size).map(of).collect()
        };
        let (columns, rows) = (axis(source.width, width), axis(source.height, height));
        let mut all = vec![];
        for row in &rows {
            for (column, channel) in columns.iter().flat_map(|column| (0..count).map(move |channel| (column, channel))) {
                let light = row.iter().flat_map(|&(y, first)| column.iter().map(move |&(x, second)| (y, x, first * second)));
                let light = light.map(|(y, x, weight)| {
                    let value = source.pixels[(y * source.width as usize + x) * count + channel];
                    weight * crate::colour::srgb::light(f64::from(value) / 255.0)
                });
                all.push(255.0 * crate::colour::srgb::stored(light.sum::<f64>().clamp(0.0, 1.0)));
            }
        }
        all
    }

    #[test]
    fn integers_are_as_good_as_numbers() {
        for (channels, size) in [(Channels::Rgb, (40, 31)), (Channels::Gray, (3, 2)), (Channels::Rgb, (96, 200))] {
            let source = noisy(97, 203, channels);
            for &kernel in Kernel::ALL.iter().filter(|kernel| **kernel != Kernel::Nearest) {
                let scaled = whole(&source, size, kernel);
                let exact = exactly(&source, size, kernel::weights(kernel).unwrap());
                // what is darker has no lines beside edges
                let bright = scaled.pixels.iter().zip(&exact).filter(|(_, exact)| **exact > DARK as f64 + 1.0);
                let wrong = bright.clone().find(|(value, exact)| (f64::from(**value) - **exact).abs() > 1.0);
                assert!(bright.count() > scaled.pixels.len() / 3, "{channels:?}");
                assert_eq!(wrong, None, "{channels:?} {kernel} {size:?}");
            }
        }
    }

    #[test]
    fn black_beside_white_stays_black_and_fine_lines_keep_their_light() {
        for channels in [Channels::Gray, Channels::Rgb] {
            let count = channels.count();
            let picture = |white: &dyn Fn(usize) -> bool| {
                let pixels = (0..400 * 40 * count).map(|index| if white(index / count % 400) { 255 } else { 0 }).collect();
                let region = Region { left: 0.0, top: 0.0, width: 400.0, height: 40.0 };
                let kernels = [kernel::weights(Kernel::Lanczos3).unwrap(); 2];
                scale(Source::Whole(&Raster::test(400, 40, channels, pixels)), region, (40, 4), kernels).unwrap()
            };
            for edge in 200..210 {
                let step = picture(&|x| x >= edge);
                let dark = step.pixels.chunks(40 * count).flat_map(|row| &row[..(edge / 10 - 1) * count]).max();
                assert!(dark <= Some(&4), "{channels:?} {edge}: {dark:?}");
            }
            // a twentieth of the light
            let lines = picture(&|x| x % 20 == 3);
            let mean = lines.pixels.iter().map(|&value| u32::from(value)).sum::<u32>() / u32::try_from(lines.pixels.len()).unwrap();
            assert!((40..70).contains(&mean), "{channels:?} {mean}");
        }
    }
}
