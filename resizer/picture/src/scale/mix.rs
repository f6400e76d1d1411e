//! Pairs of values, and what they are for pixels of the output → sums, and the largest near by: the loops in which scaling spends its
//! time.
//!
//! With the instructions of the processor where there are some, to the same integers. Below the scaler that mixes light.

use super::weights::{Pair, Tap, Weights};
use crate::colour::srgb::ONE;

/// Sums of a row are a multiple of so many.
pub(super) const LANES: usize = 32;

/// What becomes one row of the output, as wide as the source: weighed sums, and what is the largest near by.
pub(super) struct Sums<'a> {
    pub(super) sums: &'a mut [i32],
    pub(super) peaks: &'a mut [Pair],
}

/// Adds `rows`, each as long as the sums.
pub(super) fn add(into: Sums, rows: &[Pair], taps: &[Tap]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "the processor was just asked whether it has these features")]
        return unsafe { x86::add(into, rows, taps) };
    }
    add_portable(into, rows, taps);
}

/// What [`add`] does.
fn add_portable(Sums { sums, peaks }: Sums, rows: &[Pair], taps: &[Tap]) {
    for (row, tap) in rows.chunks_exact(sums.len().max(1)).zip(taps) {
        for ((sum, peak), pair) in sums.iter_mut().zip(peaks.iter_mut()).zip(row) {
            *sum += dot(*pair, tap.weights);
            *peak = larger(*peak, *pair, tap.near);
        }
    }
}

fn dot(pair: Pair, weights: Pair) -> i32 {
    i32::from(pair[0]) * i32::from(weights[0]) + i32::from(pair[1]) * i32::from(weights[1])
}

fn larger(peak: Pair, pair: Pair, near: Pair) -> Pair {
    [peak[0].max(pair[0] & near[0]), peak[1].max(pair[1] & near[1])]
}

/// Sums by weights of so many `bits` → values, and the larger of each pair of `peaks`.
pub(super) fn settle(from: Sums, bits: u32, mixed: &mut [Pair], lightest: &mut [Pair]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "the processor was just asked whether it has these features")]
        return unsafe { x86::settle(from, bits, mixed, lightest) };
    }
    settle_portable(from, bits, mixed, lightest);
}

/// What [`settle`] does.
#[allow(clippy::inline_always, reason = "for the caller's target features")]
#[allow(clippy::cast_possible_truncation, reason = "clamped")]
#[inline(always)]
fn settle_portable(Sums { sums, peaks }: Sums, bits: u32, mixed: &mut [Pair], lightest: &mut [Pair]) {
    let value = |sum: i32| (sum >> bits).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    mixed.as_flattened_mut().iter_mut().zip(sums).for_each(|(mixed, sum)| *mixed = value(*sum));
    lightest.as_flattened_mut().iter_mut().zip(peaks).for_each(|(lightest, peak)| *lightest = peak[0].max(peak[1]));
}

/// A row that is as wide as the source, and what is the largest near by.
pub(super) struct Row<'a> {
    pub(super) mixed: &'a [Pair],
    pub(super) lightest: &'a [Pair],
    /// Its first pair of pixels.
    pub(super) first: usize,
}

/// Values of `COUNT` channels → as many as `columns` say, each in four values, from 0 to [`ONE`]. What is below `dark` is made no larger
/// than what is the largest near by. `columns` are of one length, and as many pairs and four more lie behind a row.
pub(super) fn across<const COUNT: usize>(row: &Row, columns: &Weights, dark: i32, into: &mut [[i32; 4]]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "the processor was just asked whether it has these features")]
        return unsafe { x86::across::<COUNT>(row, columns, dark, into) };
    }
    across_portable::<COUNT>(row, columns, dark, into);
}

/// What [`across`] does.
fn across_portable<const COUNT: usize>(row: &Row, columns: &Weights, dark: i32, into: &mut [[i32; 4]]) {
    for (at, into) in into.iter_mut().enumerate() {
        let Some((first, taps)) = columns.window(at) else { return };
        let from = (first - row.first) * COUNT;
        let (mut sums, mut peaks) = ([1 << (columns.bits - 1); 4], [[0; 2]; 4]);
        for (at, tap) in taps.iter().enumerate() {
            let from = from + at * COUNT;
            let pairs = row.mixed[from..][..4].iter().zip(&row.lightest[from..][..4]);
            for ((sum, peak), (pair, lightest)) in sums.iter_mut().zip(&mut peaks).zip(pairs) {
                *sum += dot(*pair, tap.weights);
                *peak = larger(*peak, *lightest, tap.near);
            }
        }
        for ((into, sum), peak) in into.iter_mut().zip(sums).zip(peaks) {
            let value = sum >> columns.bits;
            let value = if value < dark { value.min(peak[0].max(peak[1]).into()) } else { value };
            *into = value.clamp(0, ONE);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(unsafe_code, reason = "loads and stores by address, of arrays that are as long")]
    #![allow(clippy::cast_ptr_alignment, reason = "the instructions are those for any alignment")]

    use std::arch::x86_64::{
        __m128i, __m256i, _mm_add_epi32, _mm_and_si128, _mm_blendv_epi8, _mm_cmplt_epi32, _mm_cvtsi32_si128, _mm_loadu_si128,
        _mm_madd_epi16, _mm_max_epi16, _mm_max_epi32, _mm_min_epi32, _mm_set1_epi32, _mm_setzero_si128, _mm_slli_epi32, _mm_sra_epi32,
        _mm_srli_epi32, _mm_storeu_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_max_epi16,
        _mm256_set1_epi32, _mm256_storeu_si256,
    };

    use super::{LANES, ONE, Pair, Row, Sums, Tap, Weights, settle_portable};

    fn both(pair: Pair) -> i32 {
        i32::from(pair[0]) & 0xFFFF | i32::from(pair[1]) << 16
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn add(Sums { sums, peaks }: Sums, rows: &[Pair], taps: &[Tap]) {
        let stride = sums.len();
        let chunks = sums.as_chunks_mut::<LANES>().0.iter_mut().zip(peaks.as_chunks_mut::<LANES>().0);
        for (at, (sums, peaks)) in chunks.enumerate() {
            let (sums, peaks) = (sums.as_mut_ptr().cast::<__m256i>(), peaks.as_mut_ptr().cast::<__m256i>());
            // SAFETY: the sums of a chunk are four vectors, and so are the peaks
            let mut sum: [_; 4] = std::array::from_fn(|vector| unsafe { _mm256_loadu_si256(sums.add(vector)) });
            let mut peak: [_; 4] = std::array::from_fn(|vector| unsafe { _mm256_loadu_si256(peaks.add(vector)) });
            for (row, tap) in rows.chunks_exact(stride).zip(taps) {
                let from = row[at * LANES..][..LANES].as_ptr().cast::<__m256i>();
                let weights = _mm256_set1_epi32(both(tap.weights));
                for (vector, sum) in sum.iter_mut().enumerate() {
                    // SAFETY: the pairs of a chunk are four vectors
                    let pairs = unsafe { _mm256_loadu_si256(from.add(vector)) };
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, weights));
                }
                if tap.near != [0; 2] {
                    let near = _mm256_set1_epi32(both(tap.near));
                    for (vector, peak) in peak.iter_mut().enumerate() {
                        // SAFETY: as above
                        let pairs = unsafe { _mm256_loadu_si256(from.add(vector)) };
                        *peak = _mm256_max_epi16(*peak, _mm256_and_si256(pairs, near));
                    }
                }
            }
            for vector in 0..4 {
                // SAFETY: as above
                unsafe {
                    _mm256_storeu_si256(sums.add(vector), sum[vector]);
                    _mm256_storeu_si256(peaks.add(vector), peak[vector]);
                }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn settle(from: Sums, bits: u32, mixed: &mut [Pair], lightest: &mut [Pair]) {
        settle_portable(from, bits, mixed, lightest);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn across<const COUNT: usize>(row: &Row, columns: &Weights, dark: i32, into: &mut [[i32; 4]]) {
        let length = row.mixed.len().min(row.lightest.len());
        let half = _mm_set1_epi32(1 << (columns.bits - 1));
        let (bits, dark) = (_mm_cvtsi32_si128(columns.bits.cast_signed()), _mm_set1_epi32(dark));
        let (zero, one) = (_mm_setzero_si128(), _mm_set1_epi32(ONE));
        for (at, into) in into.iter_mut().enumerate() {
            let Some((first, taps)) = columns.window(at) else { return };
            let from = (first - row.first) * COUNT;
            assert!(from + taps.len() * COUNT + 4 <= length, "a row and what is behind it");
            // SAFETY: four pairs are a vector, and there are more behind the last tap
            let load = |pairs: &[Pair], tap: usize| unsafe { _mm_loadu_si128(pairs.as_ptr().add(from + tap * COUNT).cast::<__m128i>()) };
            let (mut sums, mut peaks) = (half, zero);
            for (at, tap) in taps.iter().enumerate() {
                sums = _mm_add_epi32(sums, _mm_madd_epi16(load(row.mixed, at), _mm_set1_epi32(both(tap.weights))));
            }
            let around = columns.around(at);
            for (at, tap) in around.clone().zip(&taps[around]) {
                peaks = _mm_max_epi16(peaks, _mm_and_si128(load(row.lightest, at), _mm_set1_epi32(both(tap.near))));
            }
            // none of them is negative: the larger of each pair lies in its upper half
            let peaks = _mm_srli_epi32::<16>(_mm_max_epi16(peaks, _mm_slli_epi32::<16>(peaks)));
            let values = _mm_sra_epi32(sums, bits);
            let capped = _mm_blendv_epi8(values, _mm_min_epi32(values, peaks), _mm_cmplt_epi32(values, dark));
            let within = _mm_min_epi32(_mm_max_epi32(capped, zero), one);
            // SAFETY: four values are a vector
            unsafe { _mm_storeu_si128(into.as_mut_ptr().cast(), within) };
        }
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "sides and sizes are small")]
mod tests {
    use super::*;

    /// As different as can be without an overflow of sums.
    fn pairs(count: usize, most: i16) -> Vec<Pair> {
        let value = |at: usize| i16::try_from(at * 7919 % (2 * most as usize)).unwrap_or(0) - most;
        (0..count).map(|at| [value(at * 2), value(at * 2 + 1)]).collect()
    }

    #[test]
    fn the_processors_instructions_give_the_same_integers() {
        const LENGTH: usize = 3 * LANES;
        for taps in [0, 1, 7] {
            let near = |at: usize| [-i16::from(at % 3 == 1), -i16::from(at.is_multiple_of(2))];
            let taps: Vec<_> = pairs(taps, 4000).into_iter().enumerate().map(|(at, weights)| Tap { weights, near: near(at) }).collect();
            let rows = pairs(LENGTH * 7, 16_000);
            let work = |add: fn(Sums, &[Pair], &[Tap]), settle: fn(Sums, u32, &mut [Pair], &mut [Pair])| {
                let (mut sums, mut peaks) = (vec![5; LENGTH], vec![[7, -9]; LENGTH]);
                let (mut mixed, mut lightest) = (vec![[0; 2]; LENGTH], vec![[0; 2]; LENGTH]);
                add(Sums { sums: &mut sums, peaks: &mut peaks }, &rows, &taps);
                settle(Sums { sums: &mut sums, peaks: &mut peaks }, 14, &mut mixed, &mut lightest);
                (sums, peaks, mixed, lightest)
            };
            assert_eq!(work(add, settle), work(add_portable, settle_portable));
        }
        let (mixed, lightest) = (pairs(70 * 3, 8000), pairs(70 * 3, 9000));
        let row = Row { mixed: &mixed, lightest: &lightest, first: 0 };
        let columns = Weights::new((|x| 1.0 - x.abs(), 1.0), (0.0, 120.0), 120, 50).of_one_length();
        let mut results = [vec![[0; 4]; 50], vec![[0; 4]; 50]];
        across::<3>(&row, &columns, 1000, &mut results[0]);
        across_portable::<3>(&row, &columns, 1000, &mut results[1]);
        assert_eq!(results[0], results[1]);
    }
}
