//! What bounds the pipeline while it is fuzzed.

pub mod counter;

use counter::peak;
use picture::{Error, Picture, Plan, Request, Stop, execute, plan};
use resize_api::{Limits, Recipe, Resolution, picture::UpTo};

/// What one byte chooses of `all`.
fn one_of<T: Copy>(all: &[T], choice: u8) -> T {
    all[usize::from(choice) % all.len()]
}

/// The request that the first bytes of `data` choose, small enough to be fast, and the file that is the rest.
pub fn request(data: &[u8]) -> Option<(Request, &[u8])> {
    let (&[width, height, fit, position, kernel, format, animation, flags], source) = data.split_first_chunk::<8>()?;
    let resolution = Resolution { width: u32::from(width), height: u32::from(height) };
    if resolution.is_empty() {
        return None;
    }
    let limits = Limits { max_source_bytes: 1 << 20, max_source_pixels: 1 << 18, max_output_pixels: 1 << 16, max_frames: 8 };
    use resize_api::picture::{Animation, Effort, Fit, Kernel, OutputFormat, Position};
    use strum::VariantArray;
    let recipe = Recipe {
        fit: one_of(Fit::VARIANTS, fit),
        position: one_of(Position::VARIANTS, position),
        kernel: one_of(Kernel::VARIANTS, kernel),
        format: one_of(OutputFormat::VARIANTS, format),
        animation: one_of(Animation::VARIANTS, animation),
        without_enlargement: flags & 1 != 0,
        progressive: flags & 2 != 0,
        quality: (flags & 4 != 0).then(|| UpTo::new(flags / 2)),
        effort: one_of(Effort::VARIANTS, flags >> 3),
        avif_speed: Some(UpTo::new(10)),
        ..Recipe::default()
    };
    Some((Request { resolution, limits, recipe }, source))
}

/// What a plan may take, which has read no more than headers.
const PLANNING: u64 = 1 << 20;

/// Plans a picture, and checks that this takes little memory.
pub fn planned(source: &[u8], request: &Request) -> Result<Plan, Error> {
    let (plan, taken) = peak(|| plan(source, request));
    assert!(taken <= PLANNING, "{taken} bytes for a plan");
    plan
}

/// Makes a picture, and checks what every caller relies on: that it takes no more memory than was planned, for one.
pub fn resize(source: &[u8], request: &Request) -> Result<Picture, Error> {
    let plan = planned(source, request)?;
    let (picture, taken) = peak(|| execute(source, &plan, &Stop::new()));
    assert!(taken <= plan.memory(), "{taken} bytes, {} were planned", plan.memory());
    let picture = picture?;
    assert!(u64::from(picture.width) * u64::from(picture.height) <= request.limits.max_output_pixels);
    assert!(!picture.bytes.is_empty());
    Ok(picture)
}
