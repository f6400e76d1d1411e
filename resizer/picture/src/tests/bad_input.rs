//! Files that end early, lie, or are no pictures at all: an error or a picture, never a panic.

use std::{path::Path, sync::LazyLock};

use proptest::prelude::*;

use super::{
    avif::kinds,
    drawing::{gif, jpeg, noisy, one_of_each, request, resize},
};
use crate::{Error, Request, channels::Channels};

#[test]
fn a_file_that_ends_early_is_damaged() {
    for (name, source) in one_of_each() {
        // the last bytes only say that the picture is over
        let tail = match name.split(' ').next() {
            Some("png") => 16,
            Some("gif") => 1,
            Some("jpeg" | "progressive" | "gray" | "cmyk") => 2,
            _ => 0,
        };
        for length in (12..source.len() - tail).step_by(1 + source.len() / 200) {
            let result = resize(&source[..length], &request(20, 20));
            assert!(matches!(result, Err(Error::Damaged(_))), "{name} at {length} of {}: {:?}", source.len(), result.map(|_| ()));
        }
    }
}

#[test]
fn a_jpeg_that_ends_early_is_damaged_at_every_scale() {
    let picture = noisy(320, 240, Channels::Rgb);
    for progressive in [false, true] {
        let source = jpeg(&picture, |compressor| compressor.set_progressive(progressive).unwrap());
        for side in [10, 30, 60, 120, 240] {
            for share in 1..20 {
                let result = resize(&source[..source.len() * share / 20], &request(side, side));
                assert!(matches!(result, Err(Error::Damaged(_))), "progressive {progressive}, {side}, {share}/20");
            }
        }
    }
}

#[test]
fn no_size_is_damaged() {
    let (_, mut png) = one_of_each().swap_remove(4);
    png[16..20].fill(0);
    assert!(matches!(resize(&png, &request(20, 20)), Err(Error::Damaged(_))));
}

/// The fuzzers begin with these files. `FUZZ_SEEDS=FOLDER` writes them anew.
#[test]
fn the_fuzzers_begin_with_one_of_each_kind() {
    // the first bytes are the request: see `request` of the fuzzers
    let request = [40, 30, 0, 4, 5, 0, 1, 0];
    let two = gif(20, 20, &[[255, 0, 0], [0, 0, 255]]);
    for (name, source) in one_of_each().into_iter().chain([("animation", two)]).chain(kinds(67, 45)) {
        let name = name.replace(' ', "-");
        if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
            std::fs::write(Path::new(&folder).join(&name), [&request[..], &source].concat()).unwrap();
        }
        let seed = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/picture").join(&name)).unwrap();
        assert!(seed.starts_with(&request) && resize(&seed[request.len()..], &small(30)).is_ok(), "{name}");
    }
}

/// Keeps a lying header from taking a second for each case.
fn small(width: u32) -> Request {
    let mut request = request(width, 0);
    request.limits.max_source_pixels = 1_000_000;
    request.limits.max_output_pixels = 100_000;
    request
}

fn starts() -> Vec<&'static [u8]> {
    vec![
        b"\xFF\xD8\xFF",
        b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR",
        b"RIFF\0\x01\0\0WEBPVP8",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
        b"II+\0\x08\0\0\0",
        b"BM",
        b"\0\0\0\x14ftypavif\0\0\0\0mif1\0\0\0\x7Fmeta\0\0\0\0",
        b"",
    ]
}

static EACH: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(one_of_each);

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn garbage_does_no_harm(start in prop::sample::select(starts()), rest in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = resize(&[start, &rest].concat(), &small(20));
    }

    #[test]
    fn changed_bytes_do_no_harm(
        kind in 0_usize..12,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        in_header: bool,
        width in 1_u32..100,
    ) {
        let mut source = EACH[kind].1.clone();
        let reach = if in_header { source.len().min(100) } else { source.len() };
        for (index, value) in changes {
            source[index.index(reach)] = value;
        }
        let _ = resize(&source, &small(width));
    }
}
