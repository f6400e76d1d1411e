//! Files that end early, lie, or are of another kind: an error that says so, in bounded time and memory.
#![allow(clippy::unwrap_used, reason = "this is a test")]
#![allow(clippy::cast_possible_truncation, reason = "small numbers")]

mod support;

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use scaled_jpeg::{Error, ErrorKind, Header, Limit, Options, Plan, Region, Scale, Unsupported};
use support::{
    Picture,
    encoder::{Layout, encode, segment},
};

const SCALES: [Scale; 8] = Scale::ALL;

fn decode(file: &[u8], options: &Options) -> Result<(u32, Vec<u8>), Error> {
    let plan = Plan::new(&Header::read(file)?, options)?;
    let (width, height) = plan.size();
    let stride = width as usize * plan.channels();
    let mut pixels = vec![0; stride * height as usize];
    plan.decode(file, &mut pixels, stride).map(|rows| (rows, pixels))
}

fn kind(file: &[u8], options: &Options) -> ErrorKind {
    decode(file, options).unwrap_err().kind
}

fn files() -> Vec<Vec<u8>> {
    let picture = Picture::random(3, 26, 20, &[(2, 2), (1, 1), (1, 1)], false);
    let layouts = [
        Layout::default(),
        Layout { restart: 2, ..Layout::default() },
        Layout { separate: true, ..Layout::default() },
        Layout { progressive: true, seed: 5, ..Layout::default() },
        Layout { progressive: true, restart: 3, seed: 6, ..Layout::default() },
    ];
    layouts.iter().map(|layout| encode(&picture, layout)).collect()
}

#[test]
fn every_beginning_of_a_file_ends_early() {
    for file in files() {
        for scale in SCALES {
            let whole = decode(&file, &Options::new(scale)).unwrap();
            for length in [file.len() - 2, file.len() - 1] {
                assert_eq!(decode(&file[..length], &Options::new(scale)).unwrap(), whole, "{scale:?} without an end");
            }
            for length in 2..file.len() - 2 {
                let error = decode(&file[..length], &Options::new(scale)).unwrap_err();
                assert_eq!(error.kind, ErrorKind::Truncated, "{scale:?} at {length} of {}: {error}", file.len());
                assert!(error.position <= length, "{error} at {length}");
            }
        }
    }
}

#[test]
fn a_beginning_is_accepted_on_request() {
    for (index, file) in files().into_iter().enumerate() {
        for scale in SCALES {
            let mut options = Options::new(scale);
            let (height, whole) = decode(&file, &options).unwrap();
            options.accept_truncated = true;
            let stride = whole.len() / height as usize;
            let mut most = 0;
            for length in (0..file.len()).rev() {
                match decode(&file[..length], &options) {
                    Ok((rows, pixels)) => {
                        assert!(pixels[..rows as usize * stride] == whole[..rows as usize * stride], "file {index}, {scale:?}, {length}");
                        most = most.max(rows);
                    }
                    // not even a header
                    Err(error) => assert_eq!(error.kind, if length < 2 { ErrorKind::NotJpeg } else { ErrorKind::Truncated }),
                }
            }
            assert!(most == height || index > 1, "file {index}: {most} of {height}");
        }
    }
}

#[test]
fn of_a_beginning_a_region_is_accepted_on_request() {
    let picture = Picture::random(3, 50, 400, &[(1, 1)], false);
    let file = encode(&picture, &Layout::default());
    let mut options = Options::new(Scale::Half);
    options.region = Some(Region { left: 3, top: 0, width: 5, height: 10 });
    assert!(decode(&file, &options).is_ok());
    options.accept_truncated = true;
    assert_eq!(decode(&file[..file.len() / 2], &options).unwrap().0, 10);
}

#[test]
fn a_region_ends_early_where_the_whole_does() {
    for file in files() {
        for scale in SCALES {
            let region = Some(Region { left: 0, top: 0, width: 2, height: 1 });
            let options = Options { region, ..Options::new(scale) };
            let expected = decode(&file, &options).unwrap();
            for length in 2..file.len() {
                match decode(&file[..length], &options) {
                    Ok(part) => assert!(part == expected && length >= file.len() - 2, "{scale:?} at {length} of {}", file.len()),
                    Err(error) => assert_eq!(error.kind, ErrorKind::Truncated, "{scale:?} at {length} of {}", file.len()),
                }
            }
        }
    }
    // the end marker alone makes no picture
    for file in &files()[..3] {
        for length in file.len() - 20..file.len() - 2 {
            let region = Some(Region { left: 0, top: 0, width: 2, height: 1 });
            let cut = [&file[..length], &[0xFF, 0xD9]].concat();
            let error = kind(&cut, &Options { region, ..Options::new(Scale::Half) });
            assert!(matches!(error, ErrorKind::Truncated | ErrorKind::BadSegment(_)), "at {length} of {}: {error}", file.len());
        }
    }
}

/// A file of one segment after the other, and a scan without data.
fn file(segments: &[Vec<u8>]) -> Vec<u8> {
    [&[0xFF, 0xD8][..], &segments.concat(), &segment(0xDA, &[1, 1, 0, 0, 63, 0]), &[0xFF, 0xD9]].concat()
}

fn frame(marker: u8, bits: u8, height: u16, width: u16, components: &[[u8; 3]]) -> Vec<u8> {
    let [h1, h0] = height.to_be_bytes();
    let [w1, w0] = width.to_be_bytes();
    segment(marker, &[&[bits, h1, h0, w1, w0, components.len() as u8][..], &components.concat()].concat())
}

#[test]
fn other_kinds_are_named() {
    let gray = [[1, 0x11, 0]];
    let two = [[1, 0x11, 0], [2, 0x11, 0]];
    for (frame, expected) in [
        (frame(0xC9, 8, 8, 8, &gray), Unsupported::Arithmetic),
        (frame(0xCA, 8, 8, 8, &gray), Unsupported::Arithmetic),
        (frame(0xC3, 8, 8, 8, &gray), Unsupported::Lossless),
        (frame(0xC5, 8, 8, 8, &gray), Unsupported::Hierarchical),
        (frame(0xCF, 8, 8, 8, &gray), Unsupported::Hierarchical),
        (frame(0xC1, 12, 8, 8, &gray), Unsupported::Precision(12)),
        (frame(0xC0, 8, 8, 8, &two), Unsupported::Components(2)),
        (frame(0xC0, 8, 0, 8, &gray), Unsupported::NoHeight),
    ] {
        assert_eq!(Header::read(&file(&[frame])).unwrap_err().kind, ErrorKind::Unsupported(expected));
    }
}

#[test]
fn broken_headers_are_refused() {
    for bad in [
        frame(0xC0, 8, 8, 0, &[[1, 0x11, 0]]),
        frame(0xC0, 8, 8, 8, &[[1, 0x51, 0]]),
        frame(0xC0, 8, 8, 8, &[[1, 0x11, 9]]),
        frame(0xC0, 8, 8, 8, &[[1, 0x11, 0], [1, 0x11, 0], [2, 0x11, 0]]),
        segment(0xC0, &[8, 0]),
        [frame(0xC0, 8, 8, 8, &[[1, 0x11, 0]]), frame(0xC0, 8, 8, 8, &[[1, 0x11, 0]])].concat(),
        vec![0xFF, 0xE0, 0, 1],
        vec![],
    ] {
        assert!(matches!(Header::read(&file(std::slice::from_ref(&bad))).unwrap_err().kind, ErrorKind::BadSegment(_)), "{bad:?}");
    }
    assert_eq!(Header::read(b"\x89PNG").unwrap_err(), Error { kind: ErrorKind::NotJpeg, position: 0 });
    // no tables
    let bare = file(&[frame(0xC0, 8, 8, 8, &[[1, 0x11, 0]])]);
    assert!(matches!(kind(&bare, &Options::new(Scale::Half)), ErrorKind::BadSegment(_)));
}

#[test]
fn work_that_is_to_stop_stops() {
    for file in files() {
        for scale in SCALES {
            let plan = Plan::new(&Header::read(&file).unwrap(), &Options::new(scale)).unwrap();
            let stride = plan.size().0 as usize * 3;
            let mut pixels = vec![0; stride * plan.size().1 as usize];
            assert_eq!(plan.decode_until(&AtomicBool::new(true), &file, &mut pixels, stride).unwrap_err().kind, ErrorKind::Stopped);
        }
    }
}

#[test]
fn requests_are_checked() {
    let file = &files()[0];
    let plan = Plan::new(&Header::read(file).unwrap(), &Options::new(Scale::Half)).unwrap();
    assert_eq!((plan.size(), plan.channels()), ((13, 10), 3));
    assert!(matches!(plan.decode(file, &mut [0; 389], 39).unwrap_err().kind, ErrorKind::BadRequest(_)));
    assert!(matches!(plan.decode(file, &mut [0; 2000], 38).unwrap_err().kind, ErrorKind::BadRequest(_)));
    assert!(matches!(plan.decode(&files()[3], &mut [0; 390], 39).unwrap_err().kind, ErrorKind::BadRequest(_)));
    assert!(matches!(plan.decode_planes(file, &mut [&mut [0; 130]]).unwrap_err().kind, ErrorKind::BadRequest(_)));
    for region in [(0, 0, 14, 1), (13, 0, 1, 1), (0, 9, 1, 2), (0, 0, 0, 1), (u32::MAX, 0, 2, 1)] {
        let (left, top, width, height) = region;
        let options = Options { region: Some(Region { left, top, width, height }), ..Options::new(Scale::Half) };
        assert!(matches!(kind(file, &options), ErrorKind::BadRequest(_)), "{region:?}");
    }
}

#[test]
fn limits_are_kept() {
    let file = &files()[3];
    for (limit, options) in [
        (Limit::Pixels, Options { max_pixels: 519, ..Options::new(Scale::Eighth) }),
        (Limit::Scans, Options { max_scans: 3, ..Options::new(Scale::Eighth) }),
        (Limit::Memory, Options { max_memory: 10_000, ..Options::new(Scale::Eighth) }),
    ] {
        assert_eq!(kind(file, &options), ErrorKind::Limit(limit));
    }
    assert!(decode(file, &Options { max_pixels: 520, ..Options::new(Scale::Eighth) }).is_ok());
}

#[test]
fn a_tiny_file_that_claims_to_be_huge_is_refused_or_ends_early() {
    let components = [[1, 0x22, 0], [2, 0x11, 0], [3, 0x11, 0]];
    for marker in [0xC0, 0xC2] {
        let mut file = file(&[frame(marker, 8, 65_500, 65_500, &components)]);
        assert_eq!(kind(&file, &Options::new(Scale::Eighth)), ErrorKind::Limit(Limit::Pixels));
        let open = Options { max_pixels: u64::MAX, ..Options::new(Scale::Half) };
        assert_eq!(kind(&file, &open), ErrorKind::Limit(Limit::Memory), "{marker:#x}");
        // endless restarts
        file.truncate(file.len() - 2);
        file.extend([0xFF, 0xD0].repeat(100_000));
        assert!(decode(&file, &open).is_err());
    }
}

#[test]
fn thousands_of_scans_are_refused() {
    let picture = Picture::random(1, 16, 16, &[(1, 1)], false);
    let mut file = encode(&picture, &Layout { progressive: true, ..Layout::default() });
    file.truncate(file.len() - 2);
    for _ in 0..5000 {
        file.extend(segment(0xDA, &[1, 1, 0, 1, 63, 0]));
        file.push(0);
    }
    file.extend([0xFF, 0xD9]);
    for scale in SCALES {
        assert_eq!(kind(&file, &Options::new(scale)), ErrorKind::Limit(Limit::Scans));
    }
}

#[test]
fn scans_that_do_not_matter_are_not_read() {
    let picture = Picture::random(7, 64, 64, &[(1, 1)], false);
    let file = encode(&picture, &Layout { progressive: true, seed: 2, ..Layout::default() });
    let expected = decode(&file, &Options::new(Scale::Eighth)).unwrap();
    // all AC scans become nonsense
    let mut broken = file.clone();
    let scans: Vec<usize> = (0..file.len() - 10).filter(|&at| file[at..].starts_with(&[0xFF, 0xDA]) && file[at + 7] > 0).collect();
    assert!(!scans.is_empty());
    for at in scans {
        let end = (at + 10..file.len()).find(|&end| file[end] == 0xFF && file[end + 1] > 0).unwrap();
        broken[at + 10..end].fill(0x55);
    }
    assert_eq!(decode(&broken, &Options::new(Scale::Eighth)).unwrap(), expected);
    assert!(
        decode(&broken, &Options::new(Scale::Half)).map(|picture| picture.1)
            != decode(&file, &Options::new(Scale::Half)).map(|picture| picture.1)
    );
}

#[test]
fn what_is_left_over_is_passed_over() {
    let after = |file: &[u8], at: usize, markers: std::ops::RangeInclusive<u8>| {
        at + file[at..].windows(2).position(|pair| pair[0] == 0xFF && markers.contains(&pair[1])).unwrap()
    };
    for (index, file) in files().into_iter().enumerate() {
        let data = after(&file, 0, 0xDA..=0xDA);
        let mut places = vec![file.len() - 2, file.len()];
        match index {
            1 => places.push(after(&file, data, 0xD0..=0xD0)),
            2.. => places.push(after(&file, data, 0xC4..=0xC4)),
            _ => {}
        }
        for scale in SCALES {
            for region in [None, Some(Region { left: 0, top: 0, width: 1, height: 1 })] {
                let options = Options { region, ..Options::new(scale) };
                let expected = decode(&file, &options).unwrap();
                for (&place, extra) in places.iter().flat_map(|place| [(place, &[0][..]), (place, &[0xFF, 0]), (place, &[9; 9000])]) {
                    let longer = [&file[..place], extra, &file[place..]].concat();
                    assert_eq!(decode(&longer, &options).unwrap(), expected, "file {index}, {scale:?}, {} at {place}", extra.len());
                }
            }
        }
    }
}

#[test]
fn a_restart_that_is_missing_is_damage() {
    let file = &files()[1];
    let at = file.windows(2).position(|pair| pair == [0xFF, 0xD0]).unwrap();
    let mut wrong = file.clone();
    wrong[at + 1] = 0xD5;
    assert_eq!(kind(&wrong, &Options::new(Scale::Half)), ErrorKind::NoRestart);
    wrong[at + 1] = 0xD9;
    assert_eq!(kind(&wrong, &Options::new(Scale::Half)), ErrorKind::Truncated);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_do_no_harm(
        index in 0_usize..5,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        accept_truncated: bool,
    ) {
        let mut file = files().swap_remove(index);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        for scale in SCALES {
            let options = Options { accept_truncated, max_pixels: 1_000_000, ..Options::new(scale) };
            prop_assert_eq!(decode(&file, &options), decode(&file, &Options { portable: true, ..options }));
        }
    }
}
