//! What libjpeg-turbo's decoder makes of our files.
#![allow(clippy::unwrap_used, reason = "this is a test")]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]

mod support;

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use small_jpeg::{Coding, Effort, Error, Sampling, encode, encode_until};
use support::{CODINGS, EFFORTS, SAMPLINGS, channels, decode, drawing, noise, options, psnr};

#[test]
fn every_size_and_sampling_comes_back() {
    for sampling in SAMPLINGS {
        for (width, height) in (1..=33).flat_map(|side| [(side, side), (side, 34 - side), (side, 1), (1, side), (33, side)]) {
            let pixels = drawing(width, height, channels(sampling));
            for (coding, effort) in CODINGS.into_iter().flat_map(|coding| EFFORTS.map(|effort| (coding, effort))) {
                let file = encode(&pixels, width, height, &options(90, sampling, coding, effort)).unwrap();
                let decoded = decode(&file, channels(sampling));
                assert_eq!((decoded.0, decoded.1), (width, height));
                // colour that changes from pixel to pixel is lost with fewer samples of it
                let floor = if matches!(sampling, Sampling::Gray | Sampling::S444) { 27.0 } else { 18.0 };
                let psnr = psnr(&pixels, &decoded.2);
                assert!(psnr > floor, "{width} by {height} {sampling:?} {coding:?} {effort:?}: {psnr}");
            }
        }
    }
}

#[test]
fn scans_change_nothing_but_bytes() {
    for sampling in SAMPLINGS {
        let (width, height) = (203, 131);
        for pixels in [drawing(width, height, channels(sampling)), noise((width * height) as usize * channels(sampling))] {
            for effort in EFFORTS {
                for quality in [5, 40, 80, 97, 100] {
                    let [whole, progressive, smallest] =
                        CODINGS.map(|coding| encode(&pixels, width, height, &options(quality, sampling, coding, effort)).unwrap());
                    assert_eq!(decode(&whole, channels(sampling)), decode(&progressive, channels(sampling)), "{quality} {effort:?}");
                    assert!(smallest == whole || smallest == progressive);
                    // the sizes that are compared lack the zeros after bytes of ones
                    assert!(smallest.len() <= whole.len().min(progressive.len()) * 101 / 100);
                }
            }
        }
    }
}

#[test]
fn large_pictures_have_several_scans_unseen() {
    // of noise, which one scan holds in fewer bytes
    let pixels = noise(712 * 712);
    let made = CODINGS.map(|coding| encode(&pixels, 712, 712, &options(100, Sampling::Gray, coding, Effort::Balanced)).unwrap());
    let [whole, progressive, smallest] = &made;
    assert!(whole.len() < progressive.len() && smallest == progressive, "{} {}", whole.len(), progressive.len());
}

#[test]
fn more_quality_is_closer_and_larger() {
    let pixels = drawing(160, 120, 3);
    for effort in EFFORTS {
        let made: Vec<_> = (1..=100)
            .map(|quality| {
                let file = encode(&pixels, 160, 120, &options(quality, Sampling::S444, Coding::Smallest, effort)).unwrap();
                (file.len(), psnr(&pixels, &decode(&file, 3).2))
            })
            .collect();
        for (quality, pair) in (1..).zip(made.windows(10)) {
            assert!(pair[0].0 <= pair[9].0 && pair[0].1 < pair[9].1 + 0.5, "{effort:?} from {quality}: {pair:?}");
        }
        assert!(made[99].1 > 45.0 && made[79].1 > 33.0 && made[9].1 > 22.0, "{effort:?}: {:?} {:?} {:?}", made[99], made[79], made[9]);
        assert!(made[79].0 * 2 < made[99].0);
    }
}

#[test]
fn effort_saves_bytes() {
    let pixels: Vec<u8> = drawing(300, 200, 3).iter().zip(noise(180_000)).map(|(value, noise)| value.saturating_add(noise / 10)).collect();
    let at = |effort, quality| {
        let file = encode(&pixels, 300, 200, &options(quality, Sampling::S420, Coding::Smallest, effort)).unwrap();
        (file.len(), psnr(&pixels, &decode(&file, 3).2))
    };
    let [fast, balanced, small] = EFFORTS.map(|effort| at(effort, 80));
    assert!(small.0 <= balanced.0 && balanced.0 < fast.0, "{small:?} {balanced:?} {fast:?}");
    // error is moved to where it is seen less, which is not what this counts
    assert!(balanced.1 > fast.1 - 1.0, "{balanced:?} {fast:?}");
}

/// FNV-1a.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

#[test]
fn files_are_the_same_on_every_machine() {
    let pixels = drawing(203, 131, 3);
    let prints = EFFORTS.map(|effort| {
        let make = || encode(&pixels, 203, 131, &options(80, Sampling::S420, Coding::Smallest, effort)).unwrap();
        assert_eq!(make(), make());
        fingerprint(&make())
    });
    assert_eq!(
        prints,
        [9_070_168_530_350_641_042, 5_058_244_388_338_062_544, 5_542_139_785_781_673_944],
        "these are new files for old pixels: what was stored before stays as it is"
    );
}

#[test]
fn nothing_is_made_of_what_is_no_picture() {
    let ask = |length, width, height| {
        encode(&vec![0; length], width, height, &options(80, Sampling::S420, Coding::Baseline, Effort::Fast)).unwrap_err()
    };
    assert_eq!(ask(0, 0, 10), Error::Size(0, 10));
    assert_eq!(ask(0, 10, 65_536), Error::Size(10, 65_536));
    assert_eq!(ask(0, 20_000, 20_000), Error::Size(20_000, 20_000));
    assert_eq!(ask(299, 10, 10), Error::Length { given: 299, wanted: 300 });
    assert_eq!(ask(301, 10, 10), Error::Length { given: 301, wanted: 300 });
}

#[test]
fn a_flag_stops_it() {
    let stop = AtomicBool::new(true);
    for effort in EFFORTS {
        let stopped = encode_until(&stop, &drawing(64, 64, 3), 64, 64, &options(80, Sampling::S420, Coding::Smallest, effort));
        assert_eq!(stopped, Err(Error::Stopped));
    }
}

proptest! {
    #[test]
    fn any_pixels_come_back(
        (width, height, sampling, pixels) in (1_u32..40, 1_u32..40, 0_usize..4).prop_flat_map(|(width, height, sampling)| {
            let sampling = SAMPLINGS[sampling];
            let length = (width * height) as usize * channels(sampling);
            (Just(width), Just(height), Just(sampling), proptest::collection::vec(any::<u8>(), length))
        }),
        quality in 1_u8..=100,
        coding in 0_usize..3,
        effort in 0_usize..3,
    ) {
        let file = encode(&pixels, width, height, &options(quality, sampling, CODINGS[coding], EFFORTS[effort])).unwrap();
        let decoded = decode(&file, channels(sampling));
        prop_assert_eq!((decoded.0, decoded.1), (width, height));
        let exact = encode(&pixels, width, height, &options(100, sampling, CODINGS[coding], EFFORTS[effort])).unwrap();
        if matches!(sampling, Sampling::Gray | Sampling::S444) {
            prop_assert!(psnr(&pixels, &decode(&exact, channels(sampling)).2) > 36.0);
        }
    }
}
