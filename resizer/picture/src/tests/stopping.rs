//! Work that somebody stops.

use resize_api::picture::{Animation, OutputFormat};

use super::drawing::{gif, jpeg, noisy, one_of_each, request};
use crate::{Error, Picture, Request, Step, Stop, execute, execute_in_steps, plan, raster::Channels};

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
