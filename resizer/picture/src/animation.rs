//! Frames of an animation → scaled frames → animation, one at a time: memory does not grow with their number, but for the file's.
//!
//! Below the root; above the [`pipeline`](crate::pipeline), which finishes a frame, and the formats that have animations.

use crate::{
    Error, Format, Picture, Plan, Step, Stop,
    budget::Budget,
    channels::Channels,
    format::{
        gif::{self, animation as gif_animation},
        webp::{self, animation as webp_animation},
    },
    frame::{Frame, Playback},
    header::Container,
    pipeline::finish,
};

/// How many frames `source` has, counted up to one more than `most`.
pub(crate) fn count(source: &[u8], container: Container, most: u32) -> u32 {
    let enough = most as usize + 1;
    let frames = match container {
        Container::Gif => gif::frames(source).take(enough).count(),
        Container::WebP => webp::frames(source).take(enough).count(),
        _ => 1,
    };
    u32::try_from(frames).unwrap_or(u32::MAX)
}

/// Frames in their order, from one of the decoders.
pub(crate) enum Reader<'a> {
    Gif(Box<gif_animation::Reader<'a>>),
    WebP(webp_animation::Reader<'a>),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(source: &'a [u8], plan: &Plan, budget: &Budget) -> Result<Self, Error> {
        match plan.probe.container {
            Container::Gif => gif_animation::Reader::new(source, &plan.probe, budget).map(|reader| Self::Gif(Box::new(reader))),
            _ => webp_animation::Reader::new(source, &plan.probe, budget).map(Self::WebP),
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Error> {
        match self {
            Self::Gif(reader) => reader.next(),
            Self::WebP(reader) => reader.next(),
        }
    }

    pub(crate) fn playback(&self) -> Playback {
        match self {
            Self::Gif(reader) => reader.playback(),
            Self::WebP(reader) => reader.playback(),
        }
    }
}

/// The file, frame by frame.
enum Writer {
    Gif(gif_animation::Writer),
    WebP(webp_animation::Writer),
}

impl Writer {
    fn new(plan: &Plan, playback: Playback, stop: &Stop) -> Result<Self, Error> {
        let (width, height) = plan.geometry.canvas;
        match plan.format {
            Format::Gif => gif_animation::Writer::new(width, height, playback).map(Self::Gif),
            _ => webp_animation::Writer::new(width, height, playback, plan.quality(), plan.recipe.effort, stop).map(Self::WebP),
        }
    }

    fn add(&mut self, frame: Frame) -> Result<(), Error> {
        match self {
            Self::Gif(writer) => writer.add(frame),
            Self::WebP(writer) => writer.add(&frame),
        }
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Gif(writer) => writer.finish(),
            Self::WebP(writer) => writer.finish(),
        }
    }
}

/// Makes the animation that was planned for the same `source`.
pub(crate) fn execute(source: &[u8], plan: &Plan, budget: &Budget, mut done: impl FnMut(Step)) -> Result<Picture, Error> {
    let profile = webp::profile(source);
    let mut reader = Reader::new(source, plan, budget)?;
    let mut writer = None;
    for number in 0.. {
        budget.go_on()?;
        let frame = match reader.next() {
            // as browsers do: what is there plays
            Err(Error::Damaged(_)) if number > 0 && plan.probe.container == Container::Gif => break,
            other => other?,
        };
        let Some(Frame { raster, duration }) = frame else { break };
        if number == plan.frames {
            return Err(Error::Damaged("an animation with more frames than it says".into()));
        }
        done(Step::Decode);
        let raster = finish(raster, profile.as_deref(), plan)?.into_channels(Channels::Rgba)?;
        done(Step::Scale);
        if writer.is_none() {
            // how the animation plays is known once its first frame is read
            writer = Some(Writer::new(plan, reader.playback(), budget.stop())?);
        }
        if let Some(writer) = &mut writer {
            writer.add(Frame { raster, duration })?;
        }
        done(Step::Encode);
    }
    let writer = writer.ok_or_else(|| Error::Damaged("an animation without a frame".into()))?;
    let (width, height) = plan.geometry.canvas;
    let bytes = writer.finish()?;
    done(Step::Encode);
    Ok(Picture { bytes, format: plan.format, width, height })
}
