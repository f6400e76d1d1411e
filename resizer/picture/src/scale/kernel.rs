//! Name of a kernel → its weights, and how fast_image_resize mixes by them.
//!
//! Below the scalers, above nothing.

use std::f64::consts::PI;

use fast_image_resize::{Filter, FilterType, ResizeAlg};
use resize_api::picture::Kernel;

/// Weight of what lies so many pixels from the middle.
pub(super) type Weight = fn(f64) -> f64;

/// The weights of a kernel, and how far it reaches, in pixels of the side that has fewer. [`Kernel::Nearest`] mixes nothing.
pub(super) fn weights(kernel: Kernel) -> Option<(Weight, f64)> {
    Some(match kernel {
        Kernel::Nearest => return None,
        Kernel::Linear => (|x| not_zero((1.0 - x.abs()).max(0.0)), 1.0),
        // fast_image_resize's own computes two sines for each weight: 2.4 % of the work on a small picture
        Kernel::Lanczos3 => (|x| not_zero(within(x, 3.0, lanczos3)), 3.0),
        Kernel::Cubic => (|x| not_zero(cubic(x.abs())), 2.0),
        Kernel::Mitchell => (|x| not_zero(mitchell(x.abs())), 2.0),
        Kernel::Lanczos2 => (|x| not_zero(within(x, 2.0, |x| sinc(x) * sinc(x / 2.0))), 2.0),
        Kernel::Mks2013 => (|x| not_zero(magic_2013(x.abs())), 2.5),
        Kernel::Mks2021 => (|x| not_zero(magic_2021(x.abs())), 4.5),
    })
}

pub(super) fn algorithm(kernel: Kernel) -> ResizeAlg {
    let Some((weight, support)) = weights(kernel) else { return ResizeAlg::Nearest };
    ResizeAlg::Convolution(Filter::new("kernel", weight, support).map(FilterType::Custom).unwrap_or_default())
}

/// Where a kernel is exactly 0 inside of its support, fast_image_resize 6.1 reads outside of its buffer.
fn not_zero(weight: f64) -> f64 {
    if weight == 0.0 { 1e-12 } else { weight }
}

fn within(x: f64, support: f64, weight: Weight) -> f64 {
    if x.abs() < support { weight(x) } else { 0.0 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// sinc(x) sinc(x/3), as sin 3t = 3 sin t - 4 sin³ t.
fn lanczos3(x: f64) -> f64 {
    let third = x * PI / 3.0;
    let square = third.sin() * third.sin();
    if x == 0.0 { 1.0 } else { square * (3.0 - 4.0 * square) / (3.0 * third * third) }
}

fn cubic(x: f64) -> f64 {
    match x {
        ..1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        ..2.0 => ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}

fn mitchell(x: f64) -> f64 {
    match x {
        ..1.0 => ((7.0 * x - 12.0) * x * x + 16.0 / 3.0) / 6.0,
        ..2.0 => (((12.0 - 7.0 / 3.0 * x) * x - 20.0) * x + 32.0 / 3.0) / 6.0,
        _ => 0.0,
    }
}

fn magic_2013(x: f64) -> f64 {
    match x {
        ..0.5 => 17.0 / 16.0 - 7.0 / 4.0 * x * x,
        ..1.5 => (1.0 - x) * (7.0 / 4.0 - x),
        ..2.5 => -(x - 2.5) * (x - 2.5) / 8.0,
        _ => 0.0,
    }
}

fn magic_2021(x: f64) -> f64 {
    match x {
        ..0.5 => 577.0 / 576.0 - 239.0 / 144.0 * x * x,
        ..1.5 => 35.0 / 36.0 * (x - 1.0) * (x - 239.0 / 140.0),
        ..2.5 => (x - 2.0) * (65.0 / 24.0 - x) / 6.0,
        ..3.5 => (x - 3.0) * (x - 15.0 / 4.0) / 36.0,
        ..4.5 => -(x - 4.5) * (x - 4.5) / 288.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanczos_by_one_sine_is_that_by_two() {
        for step in -300..=300 {
            let x = f64::from(step) / 100.0;
            assert!((lanczos3(x) - sinc(x) * sinc(x / 3.0)).abs() < 1e-12, "{x}");
        }
    }

    #[test]
    fn weights_add_up_to_one_wherever_a_pixel_lies() {
        type Kernel = fn(f64) -> f64;
        let kernels: [(Kernel, i32); 4] = [(cubic, 2), (mitchell, 2), (magic_2013, 3), (magic_2021, 5)];
        for (kernel, support) in kernels {
            for phase in [0.0, 0.1, 0.25, 0.4999, 0.5, 0.7, 0.99] {
                let sum: f64 = (-support..=support).map(|at| kernel((f64::from(at) + phase).abs())).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{phase}: {sum}");
            }
        }
    }
}
