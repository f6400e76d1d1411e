//! Work that somebody stops.

use moxcms::ColorProfile;
use resize_api::picture::{Animation, Effort, Kernel, OutputFormat};

use super::drawing::{cmyk_profile, flat, gif, jpeg, noisy, one_of_each, request};
use crate::{
    Error, Picture, Request, Step, Stop,
    budget::AT_ONCE,
    channels::Channels,
    colour, execute, execute_in_steps,
    format::{gif as gif_format, png, webp},
    geometry::Region,
    orientation::Orientation,
    plan,
    raster::Raster,
    scale,
};

/// What comes of a picture that is stopped when `last` is done.
fn stopped_after(last: Step, source: &[u8], request: &Request) -> Result<Picture, Error> {
    let stop = Stop::new();
    execute_in_steps(source, &plan(source, request).unwrap(), &stop, |done| {
        if done == last {
            stop.stop();
        }
    })
}

#[test]
fn nothing_is_made_of_what_was_stopped_before() {
    let stop = Stop::new();
    stop.clone().stop();
    let animation = gif(20, 20, &[[255, 0, 0], [0, 0, 255]]);
    for (name, source) in one_of_each().into_iter().chain([("animation", animation)]) {
        for animation in [Animation::First, Animation::Keep] {
            let mut request = request(10, 10);
            request.recipe.animation = animation;
            assert_eq!(execute(&source, &plan(&source, &request).unwrap(), &stop), Err(Error::Stopped), "{name}");
        }
    }
}

#[test]
fn no_step_begins_after_work_was_stopped() {
    for channels in [Channels::Gray, Channels::Rgb] {
        let source = jpeg(&noisy(300, 200, channels), |_| ());
        for &format in OutputFormat::ALL {
            let mut request = request(90, 80);
            request.recipe.format = format;
            for step in [Step::Decode, Step::Scale] {
                let made = stopped_after(step, &source, &request);
                assert_eq!(made.map(|made| made.format), Err(Error::Stopped), "{format:?} after {step:?}");
            }
        }
    }
}

#[test]
fn an_animation_stops_between_frames() {
    let source = gif(60, 60, &[[255, 0, 0], [0, 255, 0], [0, 0, 255]]);
    for format in [OutputFormat::Gif, OutputFormat::WebP] {
        let mut request = request(30, 30);
        (request.recipe.animation, request.recipe.format) = (Animation::Keep, format);
        assert_eq!(stopped_after(Step::Encode, &source, &request), Err(Error::Stopped), "{format:?}");
    }
}

/// A kind of work on pixels.
type Work = fn(Raster) -> Result<(), Error>;

fn scaled(raster: Raster, size: (u32, u32)) -> Result<(), Error> {
    let region = Region { left: 0.0, top: 0.0, width: f64::from(raster.width), height: f64::from(raster.height) };
    scale::scale(&raster, region, size, Kernel::Lanczos3).map(drop)
}

/// What goes over all pixels, here or in a library, and which pixels it wants.
const WORK: [(&str, Channels, Work); 11] = [
    ("scaling down", Channels::Rgba, |raster| scaled(raster, (40, 30))),
    ("scaling up", Channels::Gray, |raster| {
        let small = raster.another(64, 64, Channels::Gray)?;
        scaled(small, (raster.width, raster.height))
    }),
    ("a profile of curves", Channels::Rgb, |raster| {
        colour::to_srgb(raster, ColorProfile::new_display_p3().encode().ok().as_deref()).map(drop)
    }),
    ("a profile of tables", Channels::Cmyk, |raster| colour::to_srgb(raster, Some(&cmyk_profile(9))).map(drop)),
    ("plain inks", Channels::Cmyk, |raster| colour::to_srgb(raster, None).map(drop)),
    ("turning", Channels::Rgb, |raster| Orientation::from_tag(6).apply(raster).map(drop)),
    ("other channels", Channels::Gray, |raster| raster.into_channels(Channels::Rgba).map(drop)),
    ("a background", Channels::Rgba, |raster| raster.flatten([1, 2, 3]).map(drop)),
    ("a palette", Channels::Rgb, |raster| gif_format::encode(raster).map(drop)),
    ("a PNG", Channels::Rgb, |raster| png::encode(&raster, Effort::Small).map(drop)),
    ("what a WebP is made of", Channels::Rgba, |raster| webp::encode(raster, 80, Effort::Fast).map(drop)),
];

#[test]
fn no_work_goes_on_for_many_pixels_without_a_look_at_stop() {
    let side = 3 * AT_ONCE.isqrt() / 2;
    let (width, height) = (u32::try_from(side).unwrap(), u32::try_from(side).unwrap());
    let pixels = |channels: Channels| flat(width, height, channels, &[90; 4][..channels.count()]);
    for (name, channels, work) in WORK {
        let raster = pixels(channels);
        let budget = raster.budget().clone();
        let before = budget.looks();
        work(raster).unwrap();
        let looks = budget.looks() - before;
        assert!(looks > side * side / AT_ONCE, "{name}: {looks} looks");
        // whenever it looks, it stops there
        for last in [1, looks / 2, looks.saturating_sub(1).max(1)] {
            let raster = pixels(channels);
            let budget = raster.budget().clone();
            let before = budget.looks();
            budget.stop_at(last);
            assert_eq!(work(raster), Err(Error::Stopped), "{name}, at look {last} of {looks}");
            assert_eq!(budget.looks() - before, last, "{name}");
        }
    }
}
