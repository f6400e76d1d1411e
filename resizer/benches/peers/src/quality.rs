//! A finished file against what it should look like → SSIMULACRA2.

use fast_image_resize::{PixelType, ResizeOptions, Resizer, images::Image};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};

use crate::{Outcome, draw::Drawing};

/// The whole of `original`, not reduced by its decoder, scaled in linear light to what `width` by `height` shows of it.
/// `cover` cuts off what is over, half on each side; else the picture lies within the size.
pub fn reference(original: &Drawing, (width, height): (u32, u32), cover: bool) -> Outcome<Drawing> {
    let linear: Vec<u8> = original.pixels.iter().flat_map(|&value| to_linear(value).to_ne_bytes()).collect();
    let from = Image::from_vec_u8(original.width, original.height, linear, PixelType::F32x3)?;
    let mut into = Image::new(width, height, PixelType::F32x3);
    let mut options = ResizeOptions::new();
    if cover {
        let (source_width, source_height) = (f64::from(original.width), f64::from(original.height));
        let shrink = (source_width / f64::from(width)).min(source_height / f64::from(height));
        let whole = [(source_width / shrink).round(), (source_height / shrink).round()];
        let cut = [((whole[0] - f64::from(width)) / 2.0).ceil(), ((whole[1] - f64::from(height)) / 2.0).ceil()];
        let step = [source_width / whole[0], source_height / whole[1]];
        let within = |start: f64, length: f64, side: f64| if start + length > side { (side - start).next_down() } else { length };
        let (left, top) = (cut[0] * step[0], cut[1] * step[1]);
        let (region_width, region_height) = (f64::from(width) * step[0], f64::from(height) * step[1]);
        options = options.crop(left, top, within(left, region_width, source_width), within(top, region_height, source_height));
    }
    Resizer::new().resize(&from, &mut into, &options)?;
    let pixels = into.buffer().chunks_exact(4).map(|value| to_srgb(f32::from_ne_bytes([value[0], value[1], value[2], value[3]]))).collect();
    Ok(Drawing { width, height, pixels })
}

fn to_linear(value: u8) -> f32 {
    let value = f32::from(value) / 255.0;
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn to_srgb(value: f32) -> u8 {
    let value = if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}

/// 100 is the same, 90 cannot be told apart, 70 is good.
pub fn score(reference: &Drawing, distorted: &Drawing) -> Outcome<f64> {
    if (reference.width, reference.height) != (distorted.width, distorted.height) {
        return Err(format!("{}x{} is not {}x{}", distorted.width, distorted.height, reference.width, reference.height).into());
    }
    fn slice(drawing: &Drawing) -> Outcome<PixelSlice<'_>> {
        let stride = drawing.width as usize * 3;
        Ok(PixelSlice::new(&drawing.pixels, drawing.width, drawing.height, stride, PixelDescriptor::RGB8_SRGB)?.into())
    }
    Ok(compute_ssimulacra2(&slice(reference)?, &slice(distorted)?)?)
}
