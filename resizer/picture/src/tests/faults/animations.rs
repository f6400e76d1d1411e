//! GIFs and WebPs that stay animations.

use super::{
    Alpha, Frames, Lasts, Points, Row, check,
    gif::{COLOURS, Frame, gif, quarters},
    jpeg::exif,
    row,
};
use crate::{
    channels::Channels,
    tests::drawing::{extended_webp, flat, lossless_webp, riff_chunk},
};

const RED: [u8; 3] = COLOURS[0];
const GREEN: [u8; 3] = COLOURS[1];
const BLUE: [u8; 3] = COLOURS[2];
const WHITE: [u8; 3] = [255; 3];
const ALL: [u16; 4] = [0, 0, 60, 60];

/// A colour and another, left and right.
fn sides(left: u8, right: u8) -> Frame {
    Frame::new(ALL, |x, _| if x < 30 { left } else { right })
}

fn gifs() -> Vec<Row> {
    let keep = "60x60 ANIMATION=keep";
    let seen = |points: &[&[(f64, f64, [u8; 3])]]| {
        let frame = |points: &&[(f64, f64, [u8; 3])]| points.iter().map(|&(x, y, colour)| (x, y, colour, 14)).collect();
        vec![Frames(points.len(), points.iter().map(frame).collect())]
    };
    // the fifth colour is transparent
    let clear = |left, right| Frame { transparent: Some(4), disposal: 2, ..sides(left, right) };
    let ghost = || gif((60, 60), Some(0), &[clear(0, 4), clear(4, 1)]);
    let no_ghost: &[&[_]] = &[&[(0.2, 0.5, RED), (0.8, 0.5, WHITE)], &[(0.2, 0.5, WHITE), (0.8, 0.5, GREEN)]];
    let lasting = |delay, colour| Frame { delay, ..Frame::flat(ALL, colour) };
    let parts = gif((60, 60), Some(0), &[Frame::flat(ALL, 0), Frame::flat([0, 0, 20, 20], 1), Frame::flat([40, 40, 20, 20], 2)]);
    let through = gif((60, 60), Some(0), &[Frame::flat(ALL, 0), Frame { transparent: Some(4), ..sides(1, 4) }]);
    let quick = [0, 1, 7].map(|delay| Frame { delay, ..Frame::quarters() });
    // frames that differ, lest they become one
    let quick = quick.into_iter().enumerate().map(|(at, mut frame)| {
        frame.pixels[60 * 29 + 29] = at as u8;
        frame
    });
    vec![
        row(
            "anim-partial",
            parts,
            keep,
            seen(&[
                &[(0.5, 0.5, RED)],
                &[(0.15, 0.15, GREEN), (0.5, 0.5, RED)],
                &[(0.15, 0.15, GREEN), (0.5, 0.5, RED), (0.85, 0.85, BLUE)],
            ]),
        ),
        row("anim-transparent-keep", through, keep, seen(&[&[(0.2, 0.5, RED), (0.8, 0.5, RED)], &[(0.2, 0.5, GREEN), (0.8, 0.5, RED)]])),
        row("anim-dispose-background", ghost(), keep, seen(no_ghost)),
        row("anim-to-webp", ghost(), "60x60 ANIMATION=keep OUTPUT_FORMAT=webp", seen(no_ghost)),
        row("anim-outside", gif((60, 60), Some(0), &[Frame::flat(ALL, 0), Frame::flat([40, 40, 60, 60], 1)]), keep, seen(&[&[], &[]])),
        row("anim-no-loop", gif((60, 60), None, &[Frame::flat(ALL, 0), Frame::flat(ALL, 1)]), keep, seen(&[&[], &[]])),
        row(
            "anim-equal-frames",
            gif((60, 60), Some(0), &[lasting(20, 0), lasting(30, 0), lasting(40, 1)]),
            keep,
            vec![Lasts(vec![200, 300, 400])],
        ),
        row("zero-delay", gif((60, 60), Some(0), &quick.collect::<Vec<_>>()), keep, vec![quarters(RED), Lasts(vec![100, 100, 70])]),
    ]
}

/// A frame of a WebP: its place, a pixel for each half of it, whether it is mixed with what is there and cleared afterwards.
fn webp_frame([left, top, width, height]: [u32; 4], halves: [[u8; 4]; 2], flags: u8, duration: u8) -> Vec<u8> {
    let mut picture = flat(width, height, Channels::Rgba, &halves[0]);
    for (index, pixel) in picture.pixels.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *pixel = halves[usize::from(index as u32 % width >= width / 2)];
    }
    let data = &lossless_webp(&picture)[12..];
    let numbers = [left / 2, top / 2, width - 1, height - 1].map(u32::to_le_bytes);
    let head: Vec<u8> = numbers.iter().flat_map(|number| number[..3].to_vec()).chain([duration, 0, 0, flags]).collect();
    riff_chunk(b"ANMF", &[&head, data].concat())
}

fn webp((width, height): (u32, u32), background: [u8; 4], frames: Vec<Vec<u8>>, exif: Option<Vec<u8>>) -> Vec<u8> {
    let flags = 0x12 | if exif.is_some() { 8 } else { 0 };
    let head = riff_chunk(b"ANIM", &[&background[..], &[0, 0]].concat());
    let exif = exif.map(|exif| riff_chunk(b"EXIF", &exif));
    extended_webp(width, height, flags, &[vec![head], frames, exif.into_iter().collect()].concat())
}

fn webps() -> Vec<Row> {
    const ALL: [u32; 4] = [0, 0, 60, 60];
    const CORNER: [u32; 4] = [0, 0, 20, 20];
    let solid = |[red, green, blue]: [u8; 3]| [[red, green, blue, 255]; 2];
    let frame = |place, colour| webp_frame(place, solid(colour), 2, 90);
    let file = |frames| webp((60, 60), [0; 4], frames, None);
    let keep = "60x60 ANIMATION=keep";
    let is = |x, y, colour| (x, y, colour, 20);
    let partial = || file(vec![frame(ALL, RED), frame(CORNER, GREEN), frame([40, 40, 20, 20], BLUE)]);
    let shadow = || webp_frame(ALL, [[255, 0, 0, 255], [0, 0, 0, 64]], 2, 90);
    let halves = webp_frame(ALL, [[40, 160, 70, 255], [0; 4]], 0, 90);
    let turned = |colours: [[u8; 3]; 2]| {
        let [one, other] = colours.map(|[red, green, blue]| [red, green, blue, 255]);
        webp_frame([0, 0, 60, 40], [one, other], 2, 90)
    };
    // upright, the left half lies above; an orientation of 3 turns it by half
    let half_turn = webp((60, 40), [0; 4], vec![turned([GREEN, RED]), turned([RED, GREEN])], Some(exif(3, 3)));
    let quarter = webp((60, 40), [0; 4], vec![turned([GREEN, RED]), turned([RED, GREEN])], Some(exif(6, 3)));
    let inner = |background| webp((60, 60), background, vec![frame([16, 16, 28, 28], GREEN), frame(ALL, RED)], None);
    let around = || vec![Points(vec![(0.5, 0.5, GREEN, 15), (0.1, 0.1, WHITE, 10)]), Alpha(vec![(0.1, 0.1, 0)])];
    let lasting = |duration, colour| webp_frame(ALL, solid(colour), 2, duration);
    vec![
        row(
            "webp-anim-partial",
            partial(),
            keep,
            vec![Frames(
                3,
                vec![
                    vec![is(0.5, 0.5, RED)],
                    vec![is(0.15, 0.15, GREEN), is(0.5, 0.5, RED)],
                    vec![is(0.15, 0.15, GREEN), is(0.85, 0.85, BLUE), is(0.5, 0.5, RED)],
                ],
            )],
        ),
        row("webp-anim-first", partial(), "60x60", vec![Points(vec![is(0.5, 0.5, RED)])]),
        row(
            "webp-anim-blend",
            file(vec![frame(ALL, RED), halves]),
            keep,
            vec![Frames(2, vec![vec![is(0.2, 0.5, RED)], vec![is(0.2, 0.5, GREEN), is(0.8, 0.5, RED)]])],
        ),
        row(
            "webp-anim-half-alpha",
            file(vec![shadow(), webp_frame(ALL, [[0, 255, 0, 255], [0, 0, 0, 64]], 2, 90)]),
            keep,
            vec![Frames(2, vec![vec![(0.8, 0.8, [191; 3], 12)], vec![(0.8, 0.8, [191; 3], 12)]])],
        ),
        row("webp-anim-first-partial", inner([0; 4]), "60x60", around()),
        row("webp-anim-background", inner([255, 0, 0, 255]), "60x60", around()),
        row("webp-anim-half-turn", half_turn, "60x40 ANIMATION=keep", vec![Frames(2, vec![vec![is(0.8, 0.5, GREEN), is(0.2, 0.5, RED)]])]),
        row("webp-anim-exif-keep", quarter, "40x60 ANIMATION=keep", vec![Frames(2, vec![vec![is(0.5, 0.2, GREEN), is(0.5, 0.8, RED)]])]),
        row("webp-anim-one-frame", file(vec![frame(ALL, RED)]), keep, vec![Points(vec![is(0.5, 0.5, RED)])]),
        row("webp-anim-durations", file(vec![lasting(0, RED), lasting(0, GREEN), lasting(0, BLUE)]), keep, vec![Frames(3, vec![])]),
        row(
            "webp-anim-dispose",
            file(vec![webp_frame(ALL, solid(RED), 3, 90), frame(CORNER, GREEN)]),
            keep,
            vec![Frames(2, vec![vec![is(0.5, 0.5, RED)], vec![is(0.15, 0.15, GREEN), is(0.5, 0.5, WHITE)]])],
        ),
    ]
}

#[test]
fn animations_of_the_reports_play_as_in_browsers() {
    check([gifs(), webps()].into_iter().flatten().collect());
}
