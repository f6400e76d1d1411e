//! `draw FILE.jpg [SIDE] [WORLD]` → a picture to try with: a blue marble, lit from the upper left, or one of moss or embers.
//!
//! Drawn, not photographed, so that it is ours; it has what a resizer has to keep:
//! smooth shades, fine grain, and a sharp edge. The same call draws the same bytes.

#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "pixels are small numbers")]

use std::fs;

use anyhow::Context;
use small_jpeg::{Coding, Effort, Options, Sampling};

type Vector = [f32; 3];

const LIGHT: Vector = [-0.55, -0.6, 0.58];
/// What a world is made of, from the deep to the heights, and its clouds; the last number turns it.
const WORLDS: [World; 3] = [
    ("marble", [[0.01, 0.04, 0.22], [0.04, 0.25, 0.62], [0.35, 0.66, 0.90]], [0.97, 0.98, 1.0], 0.0),
    ("moss", [[0.01, 0.07, 0.04], [0.08, 0.33, 0.10], [0.62, 0.72, 0.30]], [0.95, 0.96, 0.85], 31.0),
    ("ember", [[0.07, 0.01, 0.01], [0.55, 0.10, 0.02], [0.98, 0.62, 0.18]], [0.42, 0.36, 0.34], 77.0),
];
const SPACE: Vector = [0.012, 0.014, 0.03];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("usage: draw FILE.jpg [SIDE] [WORLD]")?;
    let side = arguments.next().map_or(Ok(1600), |side| side.parse()).context("SIDE is a number of pixels")?;
    let name = arguments.next().unwrap_or_else(|| WORLDS[0].0.to_owned());
    let world = WORLDS.into_iter().find(|world| world.0 == name).context("WORLD is marble, moss or ember")?;
    let pixels: Vec<u8> = (0..side).flat_map(|y| (0..side).flat_map(move |x| pixel(x, y, side, &world))).collect();
    let options = Options { quality: 90, sampling: Sampling::S420, coding: Coding::Baseline, effort: Effort::Fast };
    let jpeg = small_jpeg::encode(&pixels, side, side, &options).context("SIDE")?;
    fs::write(&path, jpeg).with_context(|| format!("cannot write {path}"))
}

type World = (&'static str, [Vector; 3], Vector, f32);

fn pixel(x: u32, y: u32, side: u32, world: &World) -> [u8; 3] {
    let centred = |at: u32| ((at as f32 + 0.5) / side as f32 - 0.5) * 2.2;
    let (x, y) = (centred(x), centred(y));
    let distance = x.hypot(y);
    let globe = if distance < 1.0 { globe([x, y, (1.0 - distance * distance).sqrt()], world) } else { SPACE };
    // the edge is one pixel wide and a mix of both sides
    let inside = ((1.0 - distance) * side as f32 / 2.2).clamp(0.0, 1.0);
    let glow = (-(distance - 1.0).max(0.0) * 22.0).exp() * 0.35;
    let outside = mix(SPACE, world.1[1], glow);
    mix(outside, globe, inside).map(|light| (light.clamp(0.0, 1.0).powf(1.0 / 2.2) * 255.0).round() as u8)
}

/// Linear light that a point on the unit sphere sends to us.
fn globe(point: Vector, &(_, ground, clouds, turn): &World) -> Vector {
    let swirled = swirl(point).map(|at| at + turn);
    let depth = turbulence(scale(swirled, 2.3));
    let ocean = if depth < 0.5 { mix(ground[0], ground[1], depth * 2.0) } else { mix(ground[1], ground[2], depth * 2.0 - 1.0) };
    let bands = (swirled[1] * 7.0 + turbulence(scale(swirled, 4.0)) * 9.0).sin();
    let cloud = smooth(0.35, 1.0, bands) * smooth(0.35, 0.65, turbulence(scale(swirled, 9.0)));
    let colour = mix(ocean, clouds, cloud);

    let lit = dot(point, LIGHT).max(0.0);
    let rim = (1.0 - point[2]).powi(3) * 0.25;
    // the light's mirror image, as the eye at [0, 0, 1] sees it
    let shine = (2.0 * dot(point, LIGHT) * point[2] - LIGHT[2]).max(0.0).powi(40) * 0.5;
    std::array::from_fn(|i| colour[i] * (0.02 + lit) + ground[2][i] * rim * (0.1 + lit) + shine)
}

/// Turns the pattern, more near the poles, and lets it run like marble.
fn swirl(point: Vector) -> Vector {
    let (sin, cos) = (0.6 + 1.8 * point[1]).sin_cos();
    let turned = [cos * point[0] - sin * point[2], point[1], sin * point[0] + cos * point[2]];
    std::array::from_fn(|i| turned[i] + 0.55 * (turbulence(scale(turned.map(|v| v + 17.0 * i as f32), 1.6)) - 0.5))
}

/// Noise in 0..1 with detail at every size.
fn turbulence(point: Vector) -> f32 {
    (0..6).map(|octave| noise(scale(point, 2f32.powi(octave))) / 2f32.powi(octave + 1)).sum::<f32>() * 64.0 / 63.0
}

/// Smooth noise in 0..1: random at whole coordinates, blended between.
fn noise(point: Vector) -> f32 {
    let cell = point.map(f32::floor);
    let [u, v, w] = std::array::from_fn(|i| smooth(0.0, 1.0, point[i] - cell[i]));
    let corner = |x: i32, y: i32, z: i32| random(cell[0] as i32 + x, cell[1] as i32 + y, cell[2] as i32 + z);
    let line = |y, z| lerp(corner(0, y, z), corner(1, y, z), u);
    let plane = |z| lerp(line(0, z), line(1, z), v);
    lerp(plane(0), plane(1), w)
}

fn random(x: i32, y: i32, z: i32) -> f32 {
    let mut hash = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ (z as u32).wrapping_mul(0xC2B2_AE3D);
    for _ in 0..2 {
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    }
    (hash >> 8) as f32 / (1 << 24) as f32
}

fn smooth(from: f32, to: f32, at: f32) -> f32 {
    let at = ((at - from) / (to - from)).clamp(0.0, 1.0);
    at * at * (3.0 - 2.0 * at)
}

fn lerp(a: f32, b: f32, at: f32) -> f32 {
    a + (b - a) * at
}

fn mix(a: Vector, b: Vector, at: f32) -> Vector {
    std::array::from_fn(|i| lerp(a[i], b[i], at))
}

fn scale(vector: Vector, by: f32) -> Vector {
    vector.map(|v| v * by)
}

fn dot(a: Vector, b: Vector) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
