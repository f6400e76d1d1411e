//! Pictures for measuring: photo-like, the same on every machine.

use std::{fs, path::Path};

use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::Outcome;

/// RGB pixels.
pub struct Drawing {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<u8>,
}

fn hash(x: u32, y: u32, seed: u32) -> u32 {
    let mut value = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ seed.wrapping_mul(0xC2B2_AE3D);
    value = (value ^ (value >> 15)).wrapping_mul(0x2C1B_3C6D);
    value = (value ^ (value >> 12)).wrapping_mul(0x297A_2D39);
    value ^ (value >> 15)
}

/// Smooth noise from 0 to 1 with features of `cell` pixels.
fn noise(x: u32, y: u32, cell: u32, seed: u32) -> f32 {
    let corner = |dx: u32, dy: u32| (hash(x / cell + dx, y / cell + dy, seed) >> 8) as f32 / 16_777_216.0;
    let ease = |at: u32| {
        let share = (at % cell) as f32 / cell as f32;
        share * share * (3.0 - 2.0 * share)
    };
    let (u, v) = (ease(x), ease(y));
    let (top, bottom) = (corner(0, 0) * (1.0 - u) + corner(1, 0) * u, corner(0, 1) * (1.0 - u) + corner(1, 1) * u);
    top * (1.0 - v) + bottom * v
}

/// A landscape of hills, discs with hard edges, lines of writing, and the grain of a sensor.
pub fn photo(width: u32, height: u32, seed: u32) -> Drawing {
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    let unit = (width / 100).max(4);
    for y in 0..height {
        for x in 0..width {
            let broad = noise(x, y, unit * 16, seed) * 0.5 + noise(x, y, unit * 4, seed + 1) * 0.25;
            let fine = noise(x, y, unit, seed + 2) * 0.14 + noise(x, y, (unit / 4).max(2), seed + 3) * 0.08;
            let sky = 1.0 - y as f32 / height as f32;
            let mut colour = [broad + fine + sky * 0.15, broad * 0.9 + fine + sky * 0.2, broad * 0.6 + fine * 0.8 + sky * 0.4];
            let (cell_x, cell_y) = (x / (unit * 14), y / (unit * 14));
            let (dx, dy) = ((x % (unit * 14)) as f32 / unit as f32 - 7.0, (y % (unit * 14)) as f32 / unit as f32 - 7.0);
            let disc = hash(cell_x, cell_y, seed + 4);
            if disc % 3 == 0 && dx * dx + dy * dy < (disc >> 8 & 31) as f32 {
                colour =
                    [0.2 + (disc >> 16 & 7) as f32 / 10.0, 0.1 + (disc >> 20 & 7) as f32 / 10.0, 0.15 + (disc >> 24 & 7) as f32 / 10.0];
                colour = colour.map(|value| value + fine);
            }
            let (stroke_x, stroke_y) = (x / (unit / 3).max(1), y / (unit / 3).max(1));
            if stroke_y % 40 > 35 && hash(stroke_x, stroke_y, seed + 5) & 1 == 0 && noise(x, y / (unit * 13), unit * 20, seed) > 0.5 {
                colour = [0.05; 3];
            }
            for (channel, value) in colour.into_iter().enumerate() {
                let grain = (hash(x, y, seed + 6 + channel as u32) >> 24) as f32 / 255.0 - 0.5;
                pixels.push(((value + grain * 0.03) * 255.0).clamp(0.0, 255.0) as u8);
            }
        }
    }
    Drawing { width, height, pixels }
}

/// `tile` and its mirror images, repeated over `width` by `height`.
pub fn tiled(tile: &Drawing, width: u32, height: u32) -> Drawing {
    let mirror = |at: u32, side: u32| if at / side % 2 == 0 { at % side } else { side - 1 - at % side };
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let at = (mirror(y, tile.height) as usize * tile.width as usize + mirror(x, tile.width) as usize) * 3;
            pixels.extend_from_slice(&tile.pixels[at..at + 3]);
        }
    }
    Drawing { width, height, pixels }
}

impl Drawing {
    pub fn write_jpeg(&self, path: &Path, progressive: bool) -> Outcome<()> {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(90)?;
        compressor.set_subsamp(Subsamp::Sub2x2)?;
        compressor.set_progressive(progressive)?;
        let (width, height) = (self.width as usize, self.height as usize);
        let image = Image { pixels: &self.pixels[..], width, pitch: width * 3, height, format: PixelFormat::RGB };
        Ok(fs::write(path, compressor.compress_to_vec(image)?)?)
    }

    pub fn write_png(&self, path: &Path) -> Outcome<()> {
        write_png(path, self.width, self.height, png::ColorType::Rgb, &self.pixels)
    }

    /// As a drawing on glass: a soft round spot of it, with a hard border, on nothing.
    pub fn write_png_with_alpha(&self, path: &Path) -> Outcome<()> {
        let (width, height) = (self.width as f32, self.height as f32);
        let pixels = self.pixels.chunks_exact(3).enumerate();
        let pixels: Vec<u8> = pixels
            .flat_map(|(index, pixel)| {
                let (x, y) = ((index % self.width as usize) as f32 / width - 0.5, (index / self.width as usize) as f32 / height - 0.5);
                let distance = (x * x + y * y).sqrt() * 2.0;
                let alpha = if distance > 0.9 { 0 } else { (255.0 * (1.4 - distance).min(1.0)) as u8 };
                // flat colours, as drawings have them
                if alpha == 0 { [0; 4] } else { [pixel[0] & 0xE0, pixel[1] & 0xE0, pixel[2] & 0xE0, alpha] }
            })
            .collect();
        write_png(path, self.width, self.height, png::ColorType::Rgba, &pixels)
    }

    pub fn write_gif(&self, path: &Path) -> Outcome<()> {
        let (width, height) = (u16::try_from(self.width)?, u16::try_from(self.height)?);
        let frame = gif::Frame::from_rgb_speed(width, height, &self.pixels, 10);
        Ok(gif::Encoder::new(fs::File::create(path)?, width, height, &[])?.write_frame(&frame)?)
    }
}

fn write_png(path: &Path, width: u32, height: u32, color: png::ColorType, pixels: &[u8]) -> Outcome<()> {
    let mut encoder = png::Encoder::new(fs::File::create(path)?, width, height);
    encoder.set_color(color);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    Ok(writer.finish()?)
}
