//! Random coefficients: the samples are those of the definition, rounded.
#![allow(clippy::unwrap_used, reason = "this is a test")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers")]

mod support;

use proptest::prelude::*;
use scaled_jpeg::{Header, Options, Plan, Region, Scale};
use support::{
    Picture,
    encoder::{Layout, encode},
    reference,
};

const SCALES: [(Scale, usize); 8] = [
    (Scale::Eighth, 1),
    (Scale::Quarter, 2),
    (Scale::ThreeEighths, 3),
    (Scale::Half, 4),
    (Scale::FiveEighths, 5),
    (Scale::ThreeQuarters, 6),
    (Scale::SevenEighths, 7),
    (Scale::Full, 8),
];

fn samplings() -> impl Strategy<Value = Vec<(usize, usize)>> {
    let usual = [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 2), (3, 1), (1, 3)];
    let usual = prop::sample::select(usual.to_vec()).prop_map(|luma| vec![luma, (1, 1), (1, 1)]);
    let any =
        prop::collection::vec((1_usize..=4, 1_usize..=4), 3).prop_filter("10 blocks", |s| s.iter().map(|s| s.0 * s.1).sum::<usize>() <= 10);
    prop_oneof![Just(vec![(1, 1)]), Just(vec![(2, 2)]), usual, any]
}

fn decode(file: &[u8], options: &Options) -> (u32, u32, Vec<u8>) {
    let plan = Plan::new(&Header::read(file).unwrap(), options).unwrap();
    let (width, height) = plan.size();
    let stride = width as usize * plan.channels();
    let mut pixels = vec![0; stride * height as usize];
    assert_eq!(plan.decode(file, &mut pixels, stride).unwrap(), height);
    (width, height, pixels)
}

fn planes(file: &[u8], options: &Options) -> Vec<(scaled_jpeg::PlaneLayout, Vec<u8>)> {
    let plan = Plan::new(&Header::read(file).unwrap(), options).unwrap();
    let layouts = plan.planes();
    let mut buffers: Vec<Vec<u8>> = layouts.iter().map(|layout| vec![0; layout.width * layout.height]).collect();
    plan.decode_planes(file, &mut buffers.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>()).unwrap();
    layouts.into_iter().zip(buffers).collect()
}

fn rgb([luma, blue, red]: [f64; 3]) -> [f64; 3] {
    let (blue, red) = (blue - 128.0, red - 128.0);
    [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn samples_are_those_of_the_definition(
        seed: u64,
        size in (1_usize..150, 1_usize..90),
        sampling in samplings(),
        restart in prop_oneof![Just(0_usize), 1_usize..20],
        separate: bool,
        progressive: bool,
        wild: bool,
    ) {
        let picture = Picture::random(seed, size.0, size.1, &sampling, wild);
        let file = encode(&picture, &Layout { restart, separate, progressive, seed });
        for (scale, side) in SCALES {
            let sides = reference::sides(&picture, side, progressive);
            for (((layout, plane), component), [x, y]) in planes(&file, &Options::new(scale)).iter().zip(&picture.components).zip(sides) {
                let expected = reference::samples(component, x.0, y.0);
                for (index, &sample) in plane.iter().enumerate() {
                    let exact = expected.values[index / layout.width * expected.width + index % layout.width].clamp(0.0, 255.0);
                    // rounding takes 0.5; what is beyond that is the arithmetic's
                    let most = if wild { 0.53 } else { 0.505 };
                    prop_assert!((f64::from(sample) - exact).abs() < most, "{scale:?} at {index} of {layout:?}: {sample}, exactly {exact}");
                }
            }
        }
    }

    #[test]
    fn pixels_are_those_of_the_enlarged_and_converted_samples(
        seed: u64,
        size in (1_usize..150, 1_usize..90),
        sampling in samplings(),
        restart in prop_oneof![Just(0_usize), 1_usize..20],
        progressive: bool,
    ) {
        let picture = Picture::random(seed, size.0, size.1, &sampling, false);
        let file = encode(&picture, &Layout { restart, progressive, seed, ..Layout::default() });
        for (scale, side) in SCALES {
            let (width, height, expected) = reference::components(&picture, side, progressive);
            let (got_width, got_height, pixels) = decode(&file, &Options::new(scale));
            prop_assert_eq!((width, height), (got_width as usize, got_height as usize));
            for (index, pixel) in pixels.chunks_exact(expected.len().max(1)).enumerate() {
                let exact: Vec<f64> = match &expected[..] {
                    [luma, blue, red] => rgb([luma[index], blue[index], red[index]]).to_vec(),
                    gray => vec![gray[0][index]],
                };
                for (&value, exact) in pixel.iter().zip(&exact) {
                    // a sample may be off by 0.505 and, enlarged, by 0.5 more: that of the luma, 1.772 times that of a colour, and 0.5 for the pixel
                    let apart = (f64::from(value) - exact.clamp(0.0, 255.0)).abs();
                    prop_assert!(apart < 3.3, "{scale:?} at {index}: {pixel:?}, exactly {exact:?}");
                }
            }
        }
    }

    #[test]
    fn a_region_is_a_part_of_the_whole_and_portable_code_does_the_same(
        seed: u64,
        size in (1_usize..400, 1_usize..200),
        corners in (0.0_f64..1.0, 0.0_f64..1.0, 0.0_f64..1.0, 0.0_f64..1.0),
        sampling in samplings(),
        restart in prop_oneof![Just(0_usize), 1_usize..40],
        separate: bool,
        progressive: bool,
    ) {
        let picture = Picture::random(seed, size.0, size.1, &sampling, false);
        let file = encode(&picture, &Layout { restart, separate, progressive, seed });
        for (scale, _) in SCALES {
            let mut options = Options::new(scale);
            let (width, height, whole) = decode(&file, &options);
            options.portable = true;
            prop_assert_eq!(&decode(&file, &options).2, &whole);
            let axis = |a: f64, b: f64, side: u32| {
                let (from, to) = (a.min(b) * f64::from(side), a.max(b) * f64::from(side));
                (from as u32, (to as u32 + 1).min(side) - from as u32)
            };
            let ((left, width_of), (top, height_of)) = (axis(corners.0, corners.1, width), axis(corners.2, corners.3, height));
            options.region = Some(Region { left, top, width: width_of, height: height_of });
            let channels = whole.len() / (width * height) as usize;
            let part: Vec<u8> = whole
                .chunks_exact(width as usize * channels)
                .skip(top as usize)
                .take(height_of as usize)
                .flat_map(|row| &row[left as usize * channels..(left + width_of) as usize * channels])
                .copied()
                .collect();
            for portable in [false, true] {
                options.portable = portable;
                let (.., region) = decode(&file, &options);
                prop_assert!(region == part, "{:?}, portable {}", options.region, portable);
            }
        }
    }
}

#[test]
fn a_large_picture_with_restarts_comes_through_the_buffer_in_parts() {
    let picture = Picture::random(11, 1200, 900, &[(2, 2), (1, 1), (1, 1)], false);
    for (restart, progressive) in [(0, false), (50, false), (1500, false), (0, true), (700, true)] {
        let file = encode(&picture, &Layout { restart, progressive, seed: 4, ..Layout::default() });
        assert!(file.len() > 200_000, "{}", file.len());
        let luma = reference::samples(&picture.components[0], 2, 2);
        let (layout, plane) = planes(&file, &Options::new(Scale::Quarter)).swap_remove(0);
        for (index, &sample) in plane.iter().enumerate() {
            let exact = luma.values[index / layout.width * luma.width + index % layout.width].clamp(0.0, 255.0);
            assert!(
                (f64::from(sample) - exact).abs() < 1.0,
                "restart {restart}, progressive {progressive}, {index}: {sample}, exactly {exact}"
            );
        }
    }
}
