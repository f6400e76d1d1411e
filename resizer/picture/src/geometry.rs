//! Size of a source, size asked for, fit → which region of the source becomes how many pixels.
//!
//! Sizes, rounding and positions are those of sharp, to the pixel.
//!
//! On the ground: `plan` asks it, and the scaler and the orientation know its regions.

use resize_api::{
    Resolution,
    picture::{Fit, Position},
};

/// A rectangle in pixels of the source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Region {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// `region` of the displayed source becomes `scaled` pixels, which lie at `offset` on a `canvas`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Geometry {
    pub(crate) region: Region,
    pub(crate) scaled: (u32, u32),
    pub(crate) canvas: (u32, u32),
    pub(crate) offset: (u32, u32),
}

/// How sharp comes to a length when a half is left over: it multiplies and divides in the order of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// By its scaler.
    Scaled,
    /// By the decoder of WebP, if that reduces.
    Reduced,
}

impl Rounding {
    /// The length of `measured` pixels after a reduction by `shrink`, when both axes are reduced by at least `least`.
    fn length(self, measured: u32, shrink: f64, least: f64) -> u32 {
        let scale = 1.0 / shrink;
        match self {
            Self::Reduced if least > 1.0 => pixels((f64::from(measured) * scale).round_ties_even()),
            _ => pixels((f64::from(measured) / (1.0 / scale)).round()),
        }
    }
}

/// One axis: source pixels per output pixel, and the length of the whole source in output pixels.
#[derive(Clone, Copy)]
struct Axis {
    source: u32,
    target: u32,
    whole: u32,
}

impl Axis {
    /// Start and length, in source pixels, of the part that starts at `start` and is `length` output pixels long.
    fn region(self, start: u32, length: u32) -> (f64, f64) {
        let step = f64::from(self.source) / f64::from(self.whole);
        (f64::from(start) * step, f64::from(length) * step)
    }
}

/// The geometry of a source of `width` by `height` pixels as displayed, whose size is `measured` where it decides the size of the output:
/// see [`as_reduced`]. No side is 0.
pub(crate) fn geometry(
    (width, height): (u32, u32),
    measured: (u32, u32),
    resolution: Resolution,
    fit: Fit,
    position: Position,
    without_enlargement: bool,
    rounding: Rounding,
) -> Geometry {
    let (shrink_x, shrink_y) = shrink(measured, resolution, fit);
    let bound = |shrink: f64, side: u32| if without_enlargement { shrink.max(1.0) } else { shrink }.min(f64::from(side));
    let (shrink_x, shrink_y) = (bound(shrink_x, measured.0), bound(shrink_y, measured.1));
    let whole = |measured: u32, shrink: f64| rounding.length(measured, shrink, shrink_x.min(shrink_y));
    let x = Axis { source: width, target: resolution.width, whole: whole(measured.0, shrink_x) };
    let y = Axis { source: height, target: resolution.height, whole: whole(measured.1, shrink_y) };
    let both = resolution.width > 0 && resolution.height > 0;

    let scaled = if both && fit == Fit::Cover { (x.whole.min(x.target), y.whole.min(y.target)) } else { (x.whole, y.whole) };
    let canvas = if both && fit == Fit::Contain { (x.whole.max(x.target), y.whole.max(y.target)) } else { scaled };
    let (cut_left, cut_top) = crop(position, x.whole - scaled.0, y.whole - scaled.1);
    let (left, region_width) = x.region(cut_left, scaled.0);
    let (top, region_height) = y.region(cut_top, scaled.1);
    let region = Region { left, top, width: region_width, height: region_height };
    Geometry { region, scaled, canvas, offset: embed(position, canvas.0 - scaled.0, canvas.1 - scaled.1) }
}

/// The size of a JPEG after sharp's decoder has reduced it, from which sharp goes on: without this, an output would be
/// one pixel wider or narrower than its now and then. Where the size of the output is given there is nothing to follow.
pub(crate) fn as_reduced(size: (u32, u32), resolution: Resolution, fit: Fit) -> (u32, u32) {
    let both = resolution.width > 0 && resolution.height > 0;
    if both && matches!(fit, Fit::Cover | Fit::Fill) {
        return size;
    }
    let (x, y) = shrink(size, resolution, fit);
    let shrink = x.min(y);
    let factor = [8, 4, 2].into_iter().find(|&factor| shrink >= f64::from(factor)).unwrap_or(1);
    let factor = if factor > 1 && shrink < f64::from(factor + 1) { factor / 2 } else { factor };
    ((size.0 / factor).max(1), (size.1 / factor).max(1))
}

fn shrink((width, height): (u32, u32), resolution: Resolution, fit: Fit) -> (f64, f64) {
    let x = f64::from(width) / f64::from(resolution.width);
    let y = f64::from(height) / f64::from(resolution.height);
    match (resolution.width, resolution.height, fit) {
        (0, _, _) => (y, y),
        (_, 0, _) => (x, x),
        (_, _, Fit::Cover | Fit::Outside) => (x.min(y), x.min(y)),
        (_, _, Fit::Contain | Fit::Inside) => (x.max(y), x.max(y)),
        (_, _, Fit::Fill) => (x, y),
    }
}

/// A length that was rounded.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and lengths are not negative")]
fn pixels(length: f64) -> u32 {
    (length as u32).max(1)
}

/// Share of what is left over that goes before the picture, in halves.
fn halves(position: Position) -> (u32, u32) {
    match position {
        Position::LeftTop => (0, 0),
        Position::Top => (1, 0),
        Position::RightTop => (2, 0),
        Position::Left => (0, 1),
        Position::Center => (1, 1),
        Position::Right => (2, 1),
        Position::LeftBottom => (0, 2),
        Position::Bottom => (1, 2),
        Position::RightBottom => (2, 2),
    }
}

/// Where to cut when `x` and `y` pixels are over: an odd one goes from the left and the top.
fn crop(position: Position, x: u32, y: u32) -> (u32, u32) {
    let (halves_x, halves_y) = halves(position);
    let part = |over: u32, halves: u32| if halves == 1 { over.div_ceil(2) } else { over * (halves / 2) };
    (part(x, halves_x), part(y, halves_y))
}

/// Where to put the picture when `x` and `y` pixels are free.
fn embed(position: Position, x: u32, y: u32) -> (u32, u32) {
    let (halves_x, halves_y) = halves(position);
    let part = |free: u32, halves: u32| if halves == 1 { free / 2 } else { free * (halves / 2) };
    (part(x, halves_x), part(y, halves_y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(source: (u32, u32), width: u32, height: u32, fit: Fit) -> Geometry {
        geometry(source, source, Resolution { width, height }, fit, Position::Center, false, Rounding::Scaled)
    }

    #[test]
    fn output_sizes_are_those_of_sharp() {
        for (source, width, height, fit, canvas) in [
            ((2725, 2225), 300, 300, Fit::Cover, (300, 300)),
            ((2725, 2225), 720, 720, Fit::Inside, (720, 588)),
            ((2725, 2225), 300, 300, Fit::Inside, (300, 245)),
            ((2725, 2225), 300, 300, Fit::Outside, (367, 300)),
            ((2725, 2225), 300, 300, Fit::Contain, (300, 300)),
            ((2725, 2225), 300, 100, Fit::Fill, (300, 100)),
            ((2725, 2225), 720, 0, Fit::Cover, (720, 588)),
            ((2725, 2225), 0, 588, Fit::Contain, (720, 588)),
            ((2725, 2225), 0, 100, Fit::Fill, (122, 100)),
            ((10, 10), 300, 200, Fit::Cover, (300, 200)),
            ((1, 10_000), 300, 300, Fit::Inside, (1, 300)),
            ((10_000, 1), 300, 300, Fit::Cover, (300, 300)),
            ((3, 5), 1, 1, Fit::Inside, (1, 1)),
        ] {
            assert_eq!(of(source, width, height, fit).canvas, canvas, "{source:?} to {width}x{height} {fit:?}");
        }
    }

    #[test]
    fn a_jpeg_comes_out_in_the_size_that_sharp_gives_it() {
        for (source, width, height, fit, canvas) in [
            ((2725, 2225), 200, 200, Fit::Inside, (200, 164)),
            ((2725, 2225), 720, 720, Fit::Inside, (720, 588)),
            ((1717, 1431), 200, 200, Fit::Inside, (200, 166)),
            ((1790, 1200), 220, 40, Fit::Outside, (220, 148)),
            ((1790, 1200), 212, 232, Fit::Inside, (212, 142)),
            ((817, 1808), 268, 312, Fit::Outside, (268, 594)),
            ((817, 1808), 300, 244, Fit::Outside, (300, 664)),
        ] {
            let resolution = Resolution { width, height };
            let measured = as_reduced(source, resolution, fit);
            let geometry = geometry(source, measured, resolution, fit, Position::Center, false, Rounding::Scaled);
            assert_eq!(geometry.canvas, canvas, "{source:?} to {width}x{height} {fit:?}");
        }
    }

    #[test]
    fn halves_are_rounded_as_sharp_rounds_them() {
        for (source, width, scaled, reduced) in [
            ((640, 480), 2, 2, 2),
            ((640, 480), 6, 5, 4),
            ((640, 480), 18, 14, 13),
            ((640, 480), 98, 73, 73),
            ((1000, 625), 20, 13, 12),
            ((300, 450), 9, 13, 14),
            ((300, 450), 13, 20, 20),
        ] {
            for (rounding, height) in [(Rounding::Scaled, scaled), (Rounding::Reduced, reduced)] {
                let resolution = Resolution { width, height: 0 };
                let canvas = geometry(source, source, resolution, Fit::Inside, Position::Center, false, rounding).canvas;
                assert_eq!(canvas, (width, height), "{source:?} {rounding:?}");
            }
        }
    }

    #[test]
    fn without_enlargement_a_small_picture_keeps_its_size() {
        for (source, fit, canvas) in [
            ((100, 80), Fit::Cover, (100, 80)),
            ((100, 900), Fit::Cover, (100, 300)),
            ((100, 80), Fit::Inside, (100, 80)),
            ((100, 80), Fit::Contain, (300, 300)),
            ((100, 900), Fit::Fill, (100, 300)),
            ((100, 900), Fit::Outside, (100, 900)),
        ] {
            let resolution = Resolution { width: 300, height: 300 };
            assert_eq!(
                geometry(source, source, resolution, fit, Position::Center, true, Rounding::Scaled).canvas,
                canvas,
                "{source:?} {fit:?}"
            );
        }
    }

    #[test]
    fn positions_choose_what_is_kept() {
        let resolution = Resolution { width: 10, height: 10 };
        for (position, left, top) in [(Position::Left, 0.0, 0.0), (Position::Center, 6.0, 0.0), (Position::RightBottom, 11.0, 0.0)] {
            let region = geometry((21, 10), (21, 10), resolution, Fit::Cover, position, false, Rounding::Scaled).region;
            assert_eq!(region, Region { left, top, width: 10.0, height: 10.0 }, "{position:?}");
        }
        for (position, offset) in [(Position::Top, (0, 0)), (Position::Center, (0, 2)), (Position::LeftBottom, (0, 5))] {
            assert_eq!(
                geometry((20, 10), (20, 10), resolution, Fit::Contain, position, false, Rounding::Scaled).offset,
                offset,
                "{position:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_region_lies_in_the_source_and_the_picture_on_the_canvas(
            source in (1_u32..70_000, 1_u32..70_000),
            target in (0_u32..17_000, 0_u32..17_000),
            fit in prop::sample::select(vec![Fit::Cover, Fit::Contain, Fit::Inside, Fit::Outside, Fit::Fill]),
            position in prop::sample::select(vec![Position::Center, Position::LeftTop, Position::RightBottom]),
            without_enlargement: bool,
            reduced: bool,
            rounding in prop::sample::select(vec![Rounding::Scaled, Rounding::Reduced]),
        ) {
            prop_assume!(target != (0, 0));
            let resolution = Resolution { width: target.0, height: target.1 };
            let measured = if reduced { as_reduced(source, resolution, fit) } else { source };
            let Geometry { region, scaled, canvas, offset } = geometry(source, measured, resolution, fit, position, without_enlargement, rounding);
            prop_assert!(scaled.0 >= 1 && scaled.1 >= 1);
            prop_assert!(region.left >= 0.0 && region.left + region.width <= f64::from(source.0) + 1e-6);
            prop_assert!(region.top >= 0.0 && region.top + region.height <= f64::from(source.1) + 1e-6);
            prop_assert!(u64::from(offset.0) + u64::from(scaled.0) <= u64::from(canvas.0));
            prop_assert!(u64::from(offset.1) + u64::from(scaled.1) <= u64::from(canvas.1));
            if without_enlargement {
                prop_assert!(scaled.0 <= source.0 && scaled.1 <= source.1);
            }
        }
    }
}
