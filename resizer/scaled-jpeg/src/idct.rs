//! Coefficients of [`LANES`] blocks → their samples, from 1 to 8 a side.
//!
//! The reduced transform of M by N samples is the exact M by N inverse DCT of the M by N lowest coefficients:
//!
//! sample(x, y) = 128 + ¼ Σ c(u) c(v) F(u, v) cos((2x+1)uπ/2M) cos((2y+1)vπ/2N), u < M, v < N, c(0) = 1/√2, else 1.
//!
//! All blocks of a group are done at once, one in each lane. It is plain arithmetic on floats, whose results are the same on every
//! processor: no operation is fused or reordered.

/// Blocks of a group.
pub(crate) const LANES: usize = 16;

/// Place of each coefficient in its block, in the order of the file.
pub(crate) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56,
    57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Added to a float from 0 to 255, rounds it to the last byte of the sum's bits.
const ROUND: f32 = 12_582_912.0;

/// What to multiply each coefficient of a block of `side` samples with, row by row.
///
/// Beside the step of quantisation it holds the factors that leave [`inverse`] with few multiplications.
pub(crate) fn multipliers(steps: &[u16; 64], (across, down): (usize, usize)) -> [f32; 64] {
    // of each index, the wave's first sample, where that leaves fewer multiplications
    let factor = |index: usize, side: usize| match (index, f64::from(u32::try_from(index).unwrap_or(0)), side) {
        (0, ..) => 1.0,
        (_, index, 2) => std::f64::consts::SQRT_2 * (index * std::f64::consts::FRAC_PI_4).cos(),
        (_, index, 3) => std::f64::consts::SQRT_2 * (index * std::f64::consts::FRAC_PI_6).cos(),
        (_, index, 4) => std::f64::consts::SQRT_2 * (index * std::f64::consts::FRAC_PI_8).cos(),
        (2 | 4, index, 6) => std::f64::consts::SQRT_2 * (index * std::f64::consts::FRAC_PI_6 / 2.0).cos(),
        (_, _, 6) => 1.0,
        (_, _, 5 | 7) => std::f64::consts::SQRT_2,
        (_, index, _) => std::f64::consts::SQRT_2 * (index * std::f64::consts::FRAC_PI_8 / 2.0).cos(),
    };
    let mut multipliers = [0.0; 64];
    for (&natural, &step) in ZIGZAG.iter().zip(steps) {
        let (u, v) = (usize::from(natural % 8), usize::from(natural / 8));
        if u < across && v < down {
            #[allow(clippy::cast_possible_truncation, reason = "as exact as a float can be")]
            let multiplier = (f64::from(step) * factor(u, across) * factor(v, down) / 8.0) as f32;
            multipliers[v * across + u] = multiplier;
        }
    }
    multipliers
}

/// One line: `N` coefficients, multiplied as [`multipliers`] says → `N` samples. The transform of 8 is that of Arai, Agui and Nakajima;
/// those of 2, 4 and 3 are the even parts of those of 4, 8 and 6.
#[inline(always)]
#[allow(clippy::inline_always, reason = "for the caller's target features")]
#[allow(clippy::many_single_char_names, reason = "they are the terms of a formula")]
fn inverse<const N: usize>(line: [f32; N]) -> [f32; N] {
    let two = |a: f32, b: f32| [a + b, a - b];
    let four = |a: f32, b: f32, c: f32, d: f32| {
        let [outer, inner] = two(a, c);
        let sum = b + d;
        let rest = (b - d) * std::f32::consts::SQRT_2 - sum;
        [outer + sum, inner + rest, inner - rest, outer - sum]
    };
    let three = |a: f32, b: f32, c: f32| [a + c + b, a - 2.0 * c, a + c - b];
    let mut out = [0.0; N];
    match line[..] {
        [a] => out[0] = a,
        [a, b] => out.copy_from_slice(&two(a, b)),
        [a, b, c] => out.copy_from_slice(&three(a, b, c)),
        [a, b, c, d, e] => {
            let even = [a + c * COS_36 + e * COS_72, a - c * COS_72 - e * COS_36];
            let odd = [b * COS_18 + d * COS_54, b * COS_54 - d * COS_18];
            for index in 0..2 {
                out[index] = even[index] + odd[index];
                out[4 - index] = even[index] - odd[index];
            }
            out[2] = a - c + e;
        }
        [a, b, c, d, e, f] => {
            let even = three(a, c, e);
            let outer = (b + f) * 0.366_025_4;
            let odd = [outer + b + d, b - d - f, outer + f - d];
            for index in 0..3 {
                out[index] = even[index] + odd[index];
                out[5 - index] = even[index] - odd[index];
            }
        }
        [a, b, c, d, e, f, g] => {
            let [c1, c2, c3] = SEVENTHS;
            let even = [a + c * c1 + e * c2 + g * c3, a + c * c3 - e * c1 - g * c2, a - c * c2 - e * c3 + g * c1];
            let [s1, s3, s5] = FOURTEENTHS;
            let odd = [b * s1 + d * s3 + f * s5, b * s3 - d * s5 - f * s1, b * s5 - d * s1 + f * s3];
            for index in 0..3 {
                out[index] = even[index] + odd[index];
                out[6 - index] = even[index] - odd[index];
            }
            out[3] = a - c + e - g;
        }
        [a, b, c, d] => out.copy_from_slice(&four(a, b, c, d)),
        [a, b, c, d, e, f, g, h] => {
            let even = four(a, c, e, g);
            let (sum35, difference35, sum17, difference17) = (f + d, f - d, b + h, b - h);
            let odd0 = sum17 + sum35;
            let both = (difference35 + difference17) * 1.847_759_1;
            let odd1 = both - difference35 * 2.613_126 - odd0;
            let odd2 = (sum17 - sum35) * std::f32::consts::SQRT_2 - odd1;
            let odd3 = both - difference17 * 1.082_392_2 - odd2;
            let odd = [odd0, odd1, odd2, odd3];
            for index in 0..4 {
                out[index] = even[index] + odd[index];
                out[7 - index] = even[index] - odd[index];
            }
        }
        _ => {}
    }
    out
}

/// Cosines of degrees, for the transform of 5.
const COS_18: f32 = 0.951_056_5;
const COS_36: f32 = 0.809_017;
const COS_54: f32 = 0.587_785_25;
const COS_72: f32 = 0.309_017;
/// cos(kπ/7) for 1, 2, 3, and cos(kπ/14) for 1, 3, 5: for the transform of 7.
const SEVENTHS: [f32; 3] = [0.900_968_87, 0.623_489_8, 0.222_520_93];
const FOURTEENTHS: [f32; 3] = [0.974_927_9, 0.781_831_5, 0.433_883_74];

/// Samples of a group, row after row: `across` bytes for each lane, at `into`, `into + stride` and so on.
#[inline(always)]
#[allow(clippy::inline_always, reason = "for the caller's target features")]
pub(crate) fn transform(group: &[i16], multipliers: &[f32; 64], (across, down): (usize, usize), into: &mut [u8], stride: usize) {
    match (across, down) {
        (1, 1) => reduced::<1, 1>(group, multipliers, into, stride),
        (2, 1) => reduced::<2, 1>(group, multipliers, into, stride),
        (4, 1) => reduced::<4, 1>(group, multipliers, into, stride),
        (1, 2) => reduced::<1, 2>(group, multipliers, into, stride),
        (2, 2) => reduced::<2, 2>(group, multipliers, into, stride),
        (4, 2) => reduced::<4, 2>(group, multipliers, into, stride),
        (8, 2) => reduced::<8, 2>(group, multipliers, into, stride),
        (1, 4) => reduced::<1, 4>(group, multipliers, into, stride),
        (2, 4) => reduced::<2, 4>(group, multipliers, into, stride),
        (4, 4) => reduced::<4, 4>(group, multipliers, into, stride),
        (8, 4) => reduced::<8, 4>(group, multipliers, into, stride),
        (2, 8) => reduced::<2, 8>(group, multipliers, into, stride),
        (4, 8) => reduced::<4, 8>(group, multipliers, into, stride),
        (8, 8) => reduced::<8, 8>(group, multipliers, into, stride),
        (3, 3) => reduced::<3, 3>(group, multipliers, into, stride),
        (6, 3) => reduced::<6, 3>(group, multipliers, into, stride),
        (3, 6) => reduced::<3, 6>(group, multipliers, into, stride),
        (6, 6) => reduced::<6, 6>(group, multipliers, into, stride),
        (5, 5) => reduced::<5, 5>(group, multipliers, into, stride),
        (7, 7) => reduced::<7, 7>(group, multipliers, into, stride),
        _ => unreachable!("sides are those of one scale, doubled at most twice, and none is beyond 8"),
    }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "for the caller's target features")]
fn reduced<const X: usize, const Y: usize>(group: &[i16], multipliers: &[f32; 64], into: &mut [u8], stride: usize) {
    let rows = &group.as_chunks::<LANES>().0[..X * Y];
    // by sample row, coefficient column, lane
    let mut between = [[[0.0_f32; LANES]; X]; Y];
    for u in 0..X {
        for lane in 0..LANES {
            let mut line = [0.0; Y];
            for v in 0..Y {
                line[v] = f32::from(rows[v * X + u][lane]) * multipliers[v * X + u];
            }
            if u == 0 {
                line[0] += 128.0;
            }
            let line = inverse(line);
            for y in 0..Y {
                between[y][u][lane] = line[y];
            }
        }
    }
    for (between, into) in between.iter().zip(into.chunks_mut(stride)) {
        let mut words = [[0_u32; LANES]; 2];
        for lane in 0..LANES {
            let mut line = [0.0; X];
            for u in 0..X {
                line[u] = between[u][lane];
            }
            let line = inverse(line);
            for x in 0..X {
                let byte = (line[x].clamp(0.0, 255.0) + ROUND).to_bits() & 0xFF;
                words[x / 4][lane] |= byte << (8 * (x % 4));
            }
        }
        let into = &mut into[..LANES * X];
        for lane in 0..LANES {
            let low = words[0][lane].to_le_bytes();
            let into = &mut into[lane * X..(lane + 1) * X];
            if X > 4 {
                into[..4].copy_from_slice(&low);
                into[4..].copy_from_slice(&words[1][lane].to_le_bytes()[..X - 4]);
            } else {
                into.copy_from_slice(&low[..X]);
            }
        }
    }
}
