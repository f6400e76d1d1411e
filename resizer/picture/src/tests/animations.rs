//! Animations that stay animations.

use gif::{DisposalMethod, Encoder, Frame, Repeat};
use resize_api::picture::{Animation, Fit};

use super::drawing::{at, extended_webp, flat, lossy_webp, near, noisy, pixels, request, resize, riff_chunk, written};
use crate::{Error, Format, Request, Stop, animation, channels::Channels, frame::Playback, plan, raster::Raster};

const RED: [u8; 4] = [255, 0, 0, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];
const BLUE: [u8; 4] = [0, 0, 255, 255];
const NOTHING: [u8; 4] = [0; 4];

fn keep(request: Request) -> Request {
    let mut request = request;
    request.recipe.animation = Animation::Keep;
    request
}

/// A frame of one colour at `left`, `top` of `width` by `height`.
fn part(colour: [u8; 4], [left, top, width, height]: [u16; 4], dispose: DisposalMethod) -> Frame<'static> {
    let mut pixels = colour.repeat(usize::from(width) * usize::from(height));
    Frame { left, top, dispose, delay: 7, ..Frame::from_rgba(width, height, &mut pixels) }
}

fn gif(width: u16, height: u16, repeat: Repeat, frames: &[Frame]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new(), width, height, &[]).unwrap();
    encoder.set_repeat(repeat).unwrap();
    for frame in frames {
        encoder.write_frame(frame).unwrap();
    }
    encoder.into_inner().unwrap()
}

/// A WebP of 40 by 20: frames of 20 by 20, each where and for as long as it says.
fn webp(frames: &[([u8; 3], u8, u8)]) -> Vec<u8> {
    let frames = frames.iter().map(|&(colour, left, duration)| {
        let data = lossy_webp(&flat(20, 20, Channels::Rgb, &colour))[12..].to_vec();
        riff_chunk(b"ANMF", &[&[left / 2, 0, 0, 0, 0, 0, 19, 0, 0, 19, 0, 0, duration, 0, 0, 0][..], &data].concat())
    });
    let chunks: Vec<_> = std::iter::once(riff_chunk(b"ANIM", &[0, 0, 0, 0, 3, 0])).chain(frames).collect();
    extended_webp(40, 20, 0x12, &chunks)
}

/// Every frame of `file` with its duration, and how it plays.
pub(super) fn frames(file: &[u8]) -> (Vec<(Raster, u32)>, Playback) {
    let plan = plan(file, &keep(request(1, 1))).unwrap();
    let mut reader = animation::Reader::new(file, &plan, &plan.budget(&Stop::new())).unwrap();
    let mut frames = vec![];
    while let Some(frame) = reader.next().unwrap() {
        frames.push((frame.raster, frame.duration));
    }
    (frames, reader.playback())
}

#[test]
fn every_kind_of_disposal_is_followed() {
    let source = gif(
        40,
        40,
        Repeat::Finite(4),
        &[
            part(RED, [0, 0, 40, 40], DisposalMethod::Keep),
            // comes and goes, and red is there again
            part(GREEN, [0, 0, 20, 20], DisposalMethod::Previous),
            // leaves a hole
            part(BLUE, [20, 20, 20, 20], DisposalMethod::Background),
            part(GREEN, [0, 20, 20, 20], DisposalMethod::Any),
        ],
    );
    let corners = [[RED; 4], [GREEN, RED, RED, RED], [RED, RED, RED, BLUE], [RED, RED, GREEN, NOTHING]];
    for format in [Format::Gif, Format::WebP] {
        let picture = resize(&source, &keep(written(format, 20, 20))).unwrap();
        assert_eq!((picture.format, picture.width, picture.height), (format, 20, 20));
        let (frames, playback) = frames(&picture.bytes);
        assert_eq!((frames.len(), playback.plays), (4, 5), "{format:?}");
        for (number, ((raster, duration), corners)) in frames.iter().zip(corners).enumerate() {
            assert_eq!((raster.width, raster.height, *duration), (20, 20, 70), "{format:?}");
            for ((x, y), corner) in [(25, 25), (75, 25), (25, 75), (75, 75)].into_iter().zip(corners) {
                let pixel = at(raster, x, y);
                // a pixel that cannot be seen has any colour
                assert!(
                    near(pixel, &corner, 40) || (pixel[3], corner[3]) == (0, 0),
                    "{format:?} {number} {x},{y}: {pixel:?}, want {corner:?}"
                );
            }
        }
    }
}

#[test]
fn a_webp_animation_stays_one_or_becomes_a_gif() {
    let source = webp(&[([255, 0, 0], 0, 30), ([0, 0, 255], 20, 90), ([0, 255, 0], 0, 200)]);
    for format in [Format::WebP, Format::Gif] {
        let picture = resize(&source, &keep(written(format, 20, 0))).unwrap();
        let (frames, playback) = frames(&picture.bytes);
        assert_eq!((picture.format, picture.width, picture.height, playback.plays), (format, 20, 10, 3));
        assert_eq!(frames.iter().map(|frame| frame.1).collect::<Vec<_>>(), [30, 90, 200], "{format:?}");
        let halves: Vec<_> = frames.iter().map(|(raster, _)| [at(raster, 20, 50), at(raster, 80, 50)]).collect();
        assert!(near(halves[0][0], &RED, 12) && halves[0][1][3] == 0, "{format:?} {halves:?}");
        assert!(near(halves[1][0], &RED, 12) && near(halves[1][1], &BLUE, 12), "{format:?} {halves:?}");
        assert!(near(halves[2][0], &GREEN, 12) && near(halves[2][1], &BLUE, 12), "{format:?} {halves:?}");
    }
}

#[test]
fn a_still_frame_costs_next_to_nothing() {
    let picture = noisy(80, 80, Channels::Rgb);
    let still = Frame::from_rgb(80, 80, &picture.pixels);
    let size = |count| resize(&gif(80, 80, Repeat::Infinite, &vec![still.clone(); count]), &keep(request(40, 40))).unwrap().bytes.len();
    assert!(size(20) - size(1) < 19 * 100, "{} {}", size(1), size(20));
    let (frames, playback) = frames(&resize(&gif(80, 80, Repeat::Infinite, &vec![still; 3]), &keep(request(40, 40))).unwrap().bytes);
    assert!(playback.plays == 0 && frames.iter().all(|frame| frame.0 == frames[0].0));
}

#[test]
fn it_fits_like_any_other_picture() {
    let source =
        gif(40, 20, Repeat::Infinite, &[part(RED, [0, 0, 40, 20], DisposalMethod::Keep), part(BLUE, [0, 0, 40, 20], DisposalMethod::Keep)]);
    let mut request = keep(request(20, 20));
    request.recipe.fit = Fit::Contain;
    let (frames, _) = frames(&resize(&source, &request).unwrap().bytes);
    for ((raster, _), colour) in frames.iter().zip([RED, BLUE]) {
        assert!(near(at(raster, 50, 10), &[255; 4], 4) && near(at(raster, 50, 50), &colour, 4));
    }
}

#[test]
fn only_what_is_asked_to_stays_an_animation() {
    let source = webp(&[([255, 0, 0], 0, 30), ([0, 0, 255], 0, 90)]);
    let still = resize(&source, &request(20, 0)).unwrap();
    assert_eq!(animation::count(&still.bytes, crate::header::Container::WebP, 9), 0);
    for format in [Format::Png, Format::Jpeg, Format::Avif] {
        let picture = resize(&source, &keep(written(format, 20, 0))).unwrap();
        assert_eq!((picture.format, picture.width, picture.height), (format, 20, 10));
    }
    let png = resize(&source, &keep(written(Format::Png, 40, 20))).unwrap();
    assert!(near(at(&pixels(&png.bytes), 20, 50), &RED, 4));
}

#[test]
fn too_many_frames_or_too_many_pixels_in_all_are_refused() {
    let frame = part(RED, [0, 0, 40, 40], DisposalMethod::Keep);
    let source = gif(40, 40, Repeat::Infinite, &vec![frame; 10]);
    for (frames, pixels, side, fits) in [(10, 16_000, 20, true), (9, 16_000, 20, false), (10, 15_999, 20, false), (10, 16_000, 41, false)] {
        let mut request = keep(request(side, side));
        (request.limits.max_frames, request.limits.max_source_pixels) = (frames, pixels);
        let result = resize(&source, &request).map(drop);
        assert!(if fits { result.is_ok() } else { matches!(result, Err(Error::TooLarge(_))) }, "{frames} {pixels} {side}: {result:?}");
    }
}

#[test]
fn a_webp_animation_that_ends_early_is_damaged() {
    let source = webp(&[([255, 0, 0], 0, 30), ([0, 0, 255], 20, 90)]);
    for length in (source.len() / 2 + 60..source.len() - 1).step_by(7) {
        let result = resize(&source[..length], &keep(request(20, 20)));
        assert!(matches!(result, Err(Error::Damaged(_))), "{length} of {}: {:?}", source.len(), result.map(|_| ()));
    }
}

#[test]
fn a_gif_animation_ends_where_a_later_frame_is_broken() {
    let picture = noisy(30, 30, Channels::Rgb);
    let frame = Frame { delay: 7, ..Frame::from_rgb(30, 30, &picture.pixels) };
    let source = gif(30, 30, Repeat::Infinite, &[frame.clone(), frame.clone(), frame]);
    let third = source.len() - source.len() / 4;
    for length in (third..source.len() - 9).step_by(7) {
        let out = resize(&source[..length], &keep(request(20, 20))).unwrap();
        assert_eq!(frames(&out.bytes).0.len(), 2, "{length} of {}", source.len());
    }
    for length in [source.len() / 6, source.len() / 4] {
        assert!(matches!(resize(&source[..length], &keep(request(20, 20))), Err(Error::Damaged(_))), "{length}");
    }
}

#[test]
fn a_gif_that_loops_longer_than_webp_can_say_loops_without_end() {
    for (repeat, plays) in [(Repeat::Finite(65_535), 0), (Repeat::Finite(65_534), 65_535), (Repeat::Infinite, 0)] {
        let colours = [part(RED, [0, 0, 20, 20], DisposalMethod::Keep), part(BLUE, [0, 0, 20, 20], DisposalMethod::Keep)];
        let out = resize(&gif(20, 20, repeat, &colours), &keep(written(Format::WebP, 10, 10))).unwrap();
        assert_eq!(frames(&out.bytes).1.plays, plays, "{repeat:?}");
    }
}

/// Some decoders go by what a file says of its transparency, and clear to a colour where it says nothing.
#[test]
fn an_animation_says_that_it_is_transparent() {
    let source = gif(
        40,
        40,
        Repeat::Infinite,
        &[part(RED, [0, 0, 40, 40], DisposalMethod::Background), part(GREEN, [0, 0, 20, 20], DisposalMethod::Background)],
    );
    let webp = resize(&source, &keep(written(Format::WebP, 20, 20))).unwrap().bytes;
    assert_eq!((&webp[12..16], webp[20] & 0x10), (&b"VP8X"[..], 0x10));
    let out = resize(&source, &keep(written(Format::Gif, 20, 20))).unwrap().bytes;
    let mut decoder = gif::DecodeOptions::new().read_info(&out[..]).unwrap();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        assert!(frame.transparent.is_some() || frame.dispose != DisposalMethod::Background);
    }
    let opaque =
        gif(20, 20, Repeat::Infinite, &[part(RED, [0, 0, 20, 20], DisposalMethod::Keep), part(BLUE, [0, 0, 20, 20], DisposalMethod::Keep)]);
    assert_eq!(resize(&opaque, &keep(written(Format::WebP, 20, 20))).unwrap().bytes[20] & 0x10, 0);
}
