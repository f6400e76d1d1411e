//! 8 by 8 samples → their cosine transform, by the algorithm of Arai, Agui and Nakajima (1988), whose factors are left to the quantisation.
//!
//! On the ground. Written over whole rows, for the compiler to use vectors.

/// What the output is too large by, per frequency and direction: 1 for the lowest, and the square root of 2 times a cosine.
pub(crate) const FACTORS: [f32; 8] = [1.0, 1.387_039_9, 1.306_563, 1.175_875_6, 1.0, 0.785_694_96, 0.541_196_1, 0.275_899_38];

type Rows = [[f32; 8]; 8];

/// One direction: over the rows, all columns at once.
#[inline(always)]
fn pass(rows: &mut Rows) {
    #[allow(clippy::needless_range_loop, reason = "it goes down the columns")]
    for column in 0..8 {
        let line: [f32; 8] = std::array::from_fn(|row| rows[row][column]);
        let [sum0, sum1, sum2, sum3] = [0, 1, 2, 3].map(|at: usize| line[at] + line[7 - at]);
        let [diff0, diff1, diff2, diff3] = [0, 1, 2, 3].map(|at: usize| line[at] - line[7 - at]);
        let (even0, even1, even2, even3) = (sum0 + sum3, sum1 + sum2, sum1 - sum2, sum0 - sum3);
        let turned = (even2 + even3) * 0.707_106_77;
        let (odd0, odd1, odd2) = (diff3 + diff2, diff2 + diff1, diff1 + diff0);
        let common = (odd0 - odd2) * 0.382_683_43;
        let (low, high) = (odd0 * 0.541_196_1 + common, odd2 * 1.306_563 + common);
        let middle = odd1 * 0.707_106_77;
        let (plus, minus) = (diff0 + middle, diff0 - middle);
        let out = [even0 + even1, plus + high, even3 + turned, minus - low, even0 - even1, minus + low, even3 - turned, plus - high];
        for (row, value) in out.into_iter().enumerate() {
            rows[row][column] = value;
        }
    }
}

#[inline(always)]
fn transpose(rows: &Rows) -> Rows {
    let mut turned = [[0.0; 8]; 8];
    for (y, row) in rows.iter().enumerate() {
        for (x, &value) in row.iter().enumerate() {
            turned[x][y] = value;
        }
    }
    turned
}

/// Gives for each horizontal frequency the vertical ones: 8 times the transform of the standard, times [`FACTORS`] of both.
#[inline(always)]
pub(crate) fn transform(mut rows: Rows) -> Rows {
    pass(&mut rows);
    let mut columns = transpose(&rows);
    pass(&mut columns);
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_transform_of_the_standard() {
        let sample = |x: usize, y: usize| ((x * 37 + y * 101 + x * y * 13) % 256) as f32 - 128.0;
        let mut rows = [[0.0; 8]; 8];
        (0..64).for_each(|at| rows[at / 8][at % 8] = sample(at % 8, at / 8));
        let columns = transform(rows);
        for (u, v) in (0..64).map(|at| (at / 8, at % 8)) {
            let share = |frequency: usize| if frequency == 0 { 0.5_f64.sqrt() } else { 1.0 };
            let wave = |at: usize, frequency: usize| ((2 * at + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0).cos();
            let sum: f64 = (0..64).map(|at| f64::from(sample(at % 8, at / 8)) * wave(at % 8, u) * wave(at / 8, v)).sum();
            let exact = sum * share(u) * share(v) / 4.0;
            let ours = columns[u][v] / (8.0 * FACTORS[u] * FACTORS[v]);
            assert!((f64::from(ours) - exact).abs() < 1e-3, "{u} {v}: {ours} {exact}");
        }
    }
}
