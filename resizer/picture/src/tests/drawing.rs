//! Pictures and files to test with.

use resize_api::{
    Limits, Resolution,
    picture::{Effort, Fit},
};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::{
    Error, Format, Picture, Request, Stop,
    channels::Channels,
    codec, execute,
    format::{avif, webp},
    plan,
    raster::Raster,
};

/// A request for `width` by `height` with PNG out, so that nothing is lost after scaling.
pub(crate) fn lossless(width: u32, height: u32) -> Request {
    written(Format::Png, width, height)
}

/// A request for `width` by `height` in `format`.
pub(crate) fn written(format: Format, width: u32, height: u32) -> Request {
    let mut request = request(width, height);
    request.recipe.format = format!("{format:?}").parse().unwrap();
    request
}

pub(crate) fn request(width: u32, height: u32) -> Request {
    Request::new(Resolution { width, height }, Limits::default())
}

pub(crate) fn resize(source: &[u8], request: &Request) -> Result<Picture, Error> {
    execute(source, &plan(source, request)?, &Stop::new())
}

/// The pixels of a whole file.
pub(crate) fn pixels(file: &[u8]) -> Raster {
    let mut whole = lossless(16_000, 16_000);
    (whole.recipe.fit, whole.recipe.without_enlargement) = (Fit::Inside, true);
    let plan = plan(file, &whole).unwrap();
    match codec::decode(file, &plan, &plan.budget(&Stop::new())).unwrap().pixels {
        codec::Pixels::Whole(raster) => raster,
        codec::Pixels::Rows(rows) => rows.whole().unwrap(),
    }
}

/// The pixels of a whole file without alpha, also where it is gray.
pub(crate) fn rgb(file: &[u8]) -> Raster {
    pixels(file).into_channels(Channels::Rgb).unwrap()
}

/// Smooth, and different in every corner.
pub(crate) fn gradient(width: u32, height: u32, channels: Channels) -> Raster {
    let level = |at: u32, side: u32| u8::try_from(at * 255 / side.max(2).saturating_sub(1).max(1)).unwrap_or(255);
    let pixel = |x: u32, y: u32| [level(x, width), level(y, height), 255 - level(x, width), 255 - level(y, height) / 2];
    let each = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = match channels {
        Channels::GrayAlpha => each.flat_map(|(x, y)| [pixel(x, y)[0], pixel(x, y)[3]]).collect(),
        _ => each.flat_map(|(x, y)| pixel(x, y).into_iter().take(channels.count())).collect(),
    };
    Raster::test(width, height, channels, pixels)
}

/// One colour everywhere.
pub(crate) fn flat(width: u32, height: u32, channels: Channels, pixel: &[u8]) -> Raster {
    Raster::test(width, height, channels, pixel.repeat((width * height) as usize))
}

/// Noise over a gradient, so that every part of a file matters.
pub(crate) fn noisy(width: u32, height: u32, channels: Channels) -> Raster {
    let mut raster = gradient(width, height, channels);
    let mut seed = 1_u32;
    for value in raster.pixels.iter_mut() {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = value.wrapping_add((seed >> 27) as u8);
    }
    raster
}

pub(crate) fn jpeg(raster: &Raster, configure: impl Fn(&mut Compressor)) -> Vec<u8> {
    let (format, sampling) = match raster.channels {
        Channels::Gray => (PixelFormat::GRAY, Subsamp::Gray),
        Channels::Cmyk => (PixelFormat::CMYK, Subsamp::None),
        _ => (PixelFormat::RGB, Subsamp::Sub2x2),
    };
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(95).unwrap();
    compressor.set_subsamp(sampling).unwrap();
    configure(&mut compressor);
    let image =
        Image { pixels: &raster.pixels[..], width: raster.width as usize, pitch: raster.stride(), height: raster.height as usize, format };
    compressor.compress_to_vec(image).unwrap()
}

/// The JPEG with one more segment after its start.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, marker], &length, content, &jpeg[2..]].concat()
}

/// A profile of CMYK with a table of `grid` samples for each ink, to Lab: the more ink, the darker.
pub(crate) fn cmyk_profile(grid: u8) -> Vec<u8> {
    let level = |index: u32| u8::try_from(index * 255 / u32::from(grid - 1)).unwrap_or(255);
    let samples = (0..u32::from(grid).pow(4)).flat_map(|index| {
        let inks = [0, 1, 2, 3].map(|place| u32::from(level(index / u32::from(grid).pow(3 - place) % u32::from(grid))));
        let dark = inks.iter().sum::<u32>().min(255) as u8;
        [255 - dark, 128, 128]
    });
    let identity: Vec<u8> = [1_u32, 0, 0, 0, 1, 0, 0, 0, 1].iter().flat_map(|value| (value << 16).to_be_bytes()).collect();
    let curve: Vec<u8> = (0..=255).collect();
    let table =
        [&b"mft1\0\0\0\0\x04\x03"[..], &[grid, 0], &identity, &curve.repeat(4), &samples.collect::<Vec<_>>(), &curve.repeat(3)].concat();
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut header = [0; 128];
    header[..4].copy_from_slice(&length(144 + table.len()));
    header[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    header[12..24].copy_from_slice(b"prtrCMYKLab ");
    header[36..40].copy_from_slice(b"acsp");
    header[68..80].copy_from_slice(&[0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D]);
    [&header[..], &length(1), b"A2B0", &length(144), &length(table.len()), &table].concat()
}

pub(crate) fn png(raster: &Raster, info: impl Fn(&mut png::Info)) -> Vec<u8> {
    let color = match raster.channels {
        Channels::Gray => png::ColorType::Grayscale,
        Channels::GrayAlpha => png::ColorType::GrayscaleAlpha,
        Channels::Rgb => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    };
    let mut header = png::Info::with_size(raster.width, raster.height);
    (header.color_type, header.bit_depth) = (color, png::BitDepth::Eight);
    info(&mut header);
    png_of(header, &raster.pixels)
}

pub(crate) fn png_of(header: png::Info, data: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = png::Encoder::with_info(&mut file, header).unwrap().write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    file
}

pub(crate) fn lossy_webp(raster: &Raster) -> Vec<u8> {
    webp::encode(raster.clone(), 95, Effort::Balanced).unwrap()
}

/// RGBA without loss.
pub(crate) fn lossless_webp(raster: &Raster) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut file);
    encoder.encode(&raster.pixels, raster.width, raster.height, image::ExtendedColorType::Rgba8).unwrap();
    file
}

pub(crate) fn riff_chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [name, &length, content, &[0][..content.len() % 2]].concat()
}

/// A WebP file of `width` by `height` with `flags` and these chunks after its header.
pub(crate) fn extended_webp(width: u32, height: u32, flags: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let size = [(width - 1).to_le_bytes(), (height - 1).to_le_bytes()];
    let header = riff_chunk(b"VP8X", &[&[flags, 0, 0, 0], &size[0][..3], &size[1][..3]].concat());
    riff_chunk(b"RIFF", &[b"WEBP".to_vec(), header, chunks.concat()].concat())
}

/// One opaque frame for each colour.
pub(crate) fn gif(width: u16, height: u16, colours: &[[u8; 3]]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = gif::Encoder::new(&mut file, width, height, &[]).unwrap();
    for colour in colours {
        let pixels = colour.repeat(usize::from(width) * usize::from(height));
        encoder.write_frame(&gif::Frame::from_rgb(width, height, &pixels)).unwrap();
    }
    drop(encoder);
    file
}

/// One file of each kind, with noise.
pub(crate) fn one_of_each() -> Vec<(&'static str, Vec<u8>)> {
    let (rgb, rgba) = (noisy(67, 45, Channels::Rgb), noisy(67, 45, Channels::Rgba));
    let mut gif = Vec::new();
    let frame = gif::Frame::from_rgb(67, 45, &rgb.pixels);
    gif::Encoder::new(&mut gif, 67, 45, &[]).unwrap().write_frame(&frame).unwrap();
    let image = |format| {
        let mut file = std::io::Cursor::new(Vec::new());
        image::write_buffer_with_format(&mut file, &rgb.pixels, 67, 45, image::ExtendedColorType::Rgb8, format).unwrap();
        file.into_inner()
    };
    vec![
        ("jpeg", jpeg(&rgb, |_| ())),
        ("progressive jpeg", jpeg(&rgb, |compressor| compressor.set_progressive(true).unwrap())),
        ("gray jpeg", jpeg(&noisy(67, 45, Channels::Gray), |_| ())),
        ("cmyk jpeg", jpeg(&noisy(67, 45, Channels::Cmyk), |_| ())),
        ("png", png(&rgba, |_| ())),
        ("webp", lossy_webp(&rgb)),
        ("webp with alpha", lossy_webp(&rgba)),
        ("gif", gif),
        ("tiff", image(image::ImageFormat::Tiff)),
        ("bmp", image(image::ImageFormat::Bmp)),
        ("avif", avif::encode(rgb, 60, 10).unwrap()),
        ("avif with alpha", avif::encode(rgba, 60, 10).unwrap()),
    ]
}

/// Largest difference between two rasters of one shape.
pub(crate) fn difference(one: &Raster, other: &Raster) -> u8 {
    assert_eq!((one.width, one.height, one.channels), (other.width, other.height, other.channels));
    one.pixels.iter().zip(other.pixels.iter()).map(|(one, other)| one.abs_diff(*other)).max().unwrap_or(0)
}

/// Pixel at `x`, `y`, in percent of the size.
pub(crate) fn at(raster: &Raster, x: usize, y: usize) -> &[u8] {
    let (width, height) = (raster.width as usize, raster.height as usize);
    let index = y * height / 100 * width + x * width / 100;
    &raster.pixels[index * raster.channels.count()..][..raster.channels.count()]
}

pub(crate) fn near(one: &[u8], other: &[u8], tolerance: u8) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.abs_diff(*other) <= tolerance)
}
