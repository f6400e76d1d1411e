//! What went wrong once, somewhere, with pictures of real people: a row for each file and size, with what is right.
//!
//! Every file is drawn here, to be as the report says it was. A row's name is that of the report's case. Rows go by the format of their
//! file; what comes out is read by other decoders than those under test, but for animated WebPs.

mod animations;
mod bmp;
mod gif;
mod jpeg;
mod jpeg_file;
mod png;
mod scaling;
mod tiff;
mod webp;

use std::io::Cursor;

use image::{AnimationDecoder, RgbaImage};
use resize_api::{Limits, Recipe};

use super::{animations::frames as animations_of, drawing::resize};
use crate::{Error, Format, Request, channels::Channels, plan, raster::Raster};

/// A colour in part of the way across and down, over white, and how far from it is right.
type Point = (f64, f64, [u8; 3], u8);

/// What is right.
enum Right {
    /// The drawing, cut and scaled, each of 6 by 6 cells as far from it at most.
    Shows(Raster, u8),
    Points(Vec<Point>),
    /// How much alpha lies there.
    Alpha(Vec<(f64, f64, u8)>),
    /// So many frames, with points in the first ones.
    Frames(usize, Vec<Vec<Point>>),
    /// Durations in milliseconds.
    Lasts(Vec<u32>),
    /// No value is larger in this part of the width.
    Dark(f64, u8),
    Damaged,
    Unsupported,
    TooLarge,
    /// A picture, or an error that says what is wrong.
    Either,
    /// No more memory is set aside.
    Within(u64),
}

use Right::{Alpha, Damaged, Dark, Either, Frames, Lasts, Points, Shows, TooLarge, Unsupported, Within};

/// A row: its name, a file, a size with variables, and what is right of the output, whose size comes first if there is to be one.
struct Row(String, Vec<u8>, String, Option<(u32, u32)>, Vec<Right>);

/// A file that is to be a picture of the size that is asked for.
fn row(name: impl Into<String>, file: Vec<u8>, request: &str, right: Vec<Right>) -> Row {
    let size = request.split(' ').next().and_then(|size| size.split_once('x'));
    let size = size.and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    Row(name.into(), file, request.to_owned(), size.filter(|(width, height)| *width > 0 && *height > 0), right)
}

/// A file that is to be a picture of another size.
fn sized(name: impl Into<String>, file: Vec<u8>, request: &str, size: (u32, u32), right: Vec<Right>) -> Row {
    Row(name.into(), file, request.to_owned(), Some(size), right)
}

/// A file that is no picture.
fn refused(name: impl Into<String>, file: Vec<u8>, request: &str, why: Right) -> Row {
    Row(name.into(), file, request.to_owned(), None, vec![why])
}

/// Looks at every row, and names those that are wrong.
fn check(rows: Vec<Row>) {
    let wrong: Vec<_> = rows.iter().filter_map(|row| wrong(row).err().map(|what| format!("{}: {what}", row.0))).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), rows.len());
}

fn request(words: &str) -> Request {
    let mut words = words.split(' ');
    let resolution = words.next().unwrap().parse().unwrap();
    let variables: Vec<_> = words.map(|word| word.split_once('=').unwrap()).collect();
    let value = |name: &str| variables.iter().find(|variable| variable.0 == name).map(|variable| variable.1.to_owned());
    Request { resolution, limits: Limits::default(), recipe: Recipe::from_env(value).unwrap() }
}

fn wrong(Row(_, file, words, size, right): &Row) -> Result<(), String> {
    let request = request(words);
    let made = resize(file, &request);
    let is_right = |right: &Right| match right {
        Damaged => matches!(made, Err(Error::Damaged(_))),
        Unsupported => matches!(made, Err(Error::Unsupported(_))),
        TooLarge => matches!(made, Err(Error::TooLarge(_))),
        Within(bytes) => plan(file, &request).map_or(true, |plan| plan.memory() <= *bytes),
        _ => true,
    };
    if !right.iter().all(is_right) {
        return Err(format!("{made:.0?}"));
    }
    if right.iter().any(|right| matches!(right, Damaged | Unsupported | TooLarge | Either)) {
        return Ok(());
    }
    let picture = made.map_err(|error| error.to_string())?;
    if size.is_some_and(|size| size != (picture.width, picture.height)) {
        return Err(format!("{} by {}", picture.width, picture.height));
    }
    let frames = frames(&picture.bytes, picture.format);
    right.iter().try_for_each(|right| looks(right, &frames))
}

/// The frames of what was made, and how long each lasts.
fn frames(file: &[u8], format: Format) -> Vec<(RgbaImage, u32)> {
    let all = |frames: image::Frames| -> Vec<_> {
        let duration = |frame: &image::Frame| frame.delay().numer_denom_ms().0 / frame.delay().numer_denom_ms().1;
        frames.map(Result::unwrap).map(|frame| (duration(&frame), frame)).map(|(duration, frame)| (frame.into_buffer(), duration)).collect()
    };
    match format {
        Format::Gif => all(image::codecs::gif::GifDecoder::new(Cursor::new(file)).unwrap().into_frames()),
        // `image` does not clear frames as the format says
        Format::WebP if file.windows(4).any(|name| name == b"ANIM") => {
            let rgba = |raster: Raster| RgbaImage::from_raw(raster.width, raster.height, raster.pixels.to_vec()).unwrap();
            animations_of(file).0.into_iter().map(|(raster, duration)| (rgba(raster), duration)).collect()
        }
        _ => vec![(image::load_from_memory(file).unwrap().to_rgba8(), 0)],
    }
}

fn looks(right: &Right, frames: &[(RgbaImage, u32)]) -> Result<(), String> {
    let first = &frames[0].0;
    match right {
        Shows(drawing, tolerance) => {
            let (seen, wanted) = (cells(first), wanted(drawing, first.dimensions()));
            let apart = |index: usize| (0..3).map(|channel| (seen[index][channel] - wanted[index][channel]).abs()).fold(0.0, f64::max);
            let worst = (0..36).max_by(|one, other| apart(*one).total_cmp(&apart(*other))).unwrap();
            let text = || format!("cell {},{} is {:.0?}, not {:.0?}", worst % 6, worst / 6, seen[worst], wanted[worst]);
            if apart(worst) <= f64::from(*tolerance) { Ok(()) } else { Err(text()) }
        }
        Points(points) => points.iter().try_for_each(|point| at(first, point)),
        Alpha(points) => points.iter().try_for_each(|&(x, y, wanted)| match pixel(first, x, y)[3] {
            alpha if alpha.abs_diff(wanted) <= 16 => Ok(()),
            alpha => Err(format!("alpha at {x},{y} is {alpha}, not {wanted}")),
        }),
        Frames(count, _) if frames.len() != *count => Err(format!("{} frames", frames.len())),
        Frames(_, points) => {
            points.iter().zip(frames).try_for_each(|(points, frame)| points.iter().try_for_each(|point| at(&frame.0, point)))
        }
        Lasts(durations) => {
            let seen: Vec<_> = frames.iter().map(|frame| frame.1).collect();
            if seen == *durations { Ok(()) } else { Err(format!("{seen:?} ms")) }
        }
        Dark(part, most) => {
            let end = (f64::from(first.width()) * part) as u32;
            let lightest = first.enumerate_pixels().filter(|(x, ..)| *x < end).flat_map(|(.., pixel)| pixel.0[..3].to_vec()).max();
            if lightest <= Some(*most) { Ok(()) } else { Err(format!("a line of {lightest:?} in the dark")) }
        }
        _ => Ok(()),
    }
}

fn pixel(picture: &RgbaImage, x: f64, y: f64) -> [u8; 4] {
    let place = |part: f64, side: u32| ((part * f64::from(side)) as u32).min(side - 1);
    picture.get_pixel(place(x, picture.width()), place(y, picture.height())).0
}

fn over_white([red, green, blue, alpha]: [u8; 4]) -> [f64; 3] {
    [red, green, blue].map(|value| (f64::from(value) * f64::from(alpha) + 255.0 * f64::from(255 - alpha)) / 255.0)
}

fn at(picture: &RgbaImage, &(x, y, wanted, tolerance): &Point) -> Result<(), String> {
    let seen = over_white(pixel(picture, x, y));
    let near = seen.iter().zip(wanted).all(|(seen, wanted)| (seen - f64::from(wanted)).abs() <= f64::from(tolerance));
    if near { Ok(()) } else { Err(format!("{seen:.0?} at {x},{y}, not {wanted:?}")) }
}

/// The middles of 6 by 6 parts of a picture over white.
fn cells(picture: &RgbaImage) -> Vec<[f64; 3]> {
    let range = |cell: u32, side: u32| {
        let start = cell * side / 6 + side / 30;
        start.min(side - 1)..((cell + 1) * side / 6 - side / 30).max(start + 1).min(side)
    };
    let places = (0..6).flat_map(|row| (0..6).map(move |column| (column, row)));
    let cell = |(column, row)| {
        let pixels: Vec<_> = range(row, picture.height())
            .flat_map(|y| range(column, picture.width()).map(move |x| over_white(picture.get_pixel(x, y).0)))
            .collect();
        [0, 1, 2].map(|channel| pixels.iter().map(|pixel| pixel[channel]).sum::<f64>() / pixels.len() as f64)
    };
    places.map(cell).collect()
}

/// The same of a drawing, of which as much as has the shape of the output is seen.
fn wanted(drawing: &Raster, (width, height): (u32, u32)) -> Vec<[f64; 3]> {
    let drawing = drawing.clone().into_channels(Channels::Rgba).unwrap();
    let shrink = (f64::from(drawing.width) / f64::from(width)).min(f64::from(drawing.height) / f64::from(height));
    let side = |whole: u32, size: u32| (((f64::from(size) * shrink).round() as u32).clamp(1, whole), whole);
    let ((width, all), (height, rows)) = (side(drawing.width, width), side(drawing.height, height));
    let (left, upper) = ((all - width) / 2, (rows - height) / 2);
    let whole = RgbaImage::from_raw(drawing.width, drawing.height, drawing.pixels.to_vec()).unwrap();
    cells(&image::imageops::crop_imm(&whole, left, upper, width, height).to_image())
}
