//! scaled-jpeg beside libjpeg-turbo, jpeg-decoder and zune-jpeg (which only knows the whole size) at each scale.
//!
//! `BENCH_PHOTO` is a JPEG, of which 24 megapixels are made; without it, they are drawn.

use std::{hint::black_box, io::Cursor, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use scaled_jpeg::{Header, Options, Plan, Scale};
use turbojpeg::{Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

const SIZE: (usize, usize) = (6000, 4000);

/// Pixels of the photo and its mirror images, or waves with grain.
fn pixels() -> Vec<u8> {
    let photo = std::env::var_os("BENCH_PHOTO").map(|path| turbojpeg::decompress(&std::fs::read(path).unwrap(), PixelFormat::RGB).unwrap());
    let mirror = |at: usize, side: usize| if at / side % 2 == 0 { at % side } else { side - 1 - at % side };
    let mut noise = 1_u32;
    let mut pixels = Vec::with_capacity(SIZE.0 * SIZE.1 * 3);
    for y in 0..SIZE.1 {
        for x in 0..SIZE.0 {
            if let Some(photo) = &photo {
                let at = mirror(y, photo.height) * photo.pitch + mirror(x, photo.width) * 3;
                pixels.extend_from_slice(&photo.pixels[at..at + 3]);
            } else {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let base = 110.0 + 60.0 * (x as f32 / 23.0).sin() + 40.0 * (y as f32 / 41.0).cos() + (noise >> 28) as f32;
                pixels.extend([base, base * 0.9 + 10.0, 220.0 - base].map(|value| value as u8));
            }
        }
    }
    pixels
}

fn ours(file: &[u8], scale: Scale) -> Vec<u8> {
    let plan = Plan::new(&Header::read(file).unwrap(), &Options::new(scale)).unwrap();
    let (width, height) = plan.size();
    let stride = width as usize * plan.channels();
    let mut pixels = vec![0; stride * height as usize];
    plan.decode(file, &mut pixels, stride).unwrap();
    pixels
}

fn turbo(file: &[u8], side: usize) -> Vec<u8> {
    let mut decoder = Decompressor::new().unwrap();
    let scale = ScalingFactor::new(side, 8);
    decoder.set_scaling_factor(scale).unwrap();
    let header = decoder.read_header(file).unwrap().scaled(scale);
    let mut pixels = vec![0; header.width * header.height * 3];
    let image = Image { pixels: &mut pixels[..], width: header.width, pitch: header.width * 3, height: header.height, format: PixelFormat::RGB };
    decoder.decompress(file, image).unwrap();
    pixels
}

fn jpeg_decoder(file: &[u8], side: usize) -> Vec<u8> {
    let mut decoder = jpeg_decoder::Decoder::new(file);
    decoder.scale((SIZE.0 * side / 8) as u16, (SIZE.1 * side / 8) as u16).unwrap();
    decoder.decode().unwrap()
}

fn zune(file: &[u8]) -> Vec<u8> {
    zune_jpeg::JpegDecoder::new(Cursor::new(file)).decode().unwrap()
}

fn benches(criterion: &mut Criterion) {
    let pixels = pixels();
    for progressive in [false, true] {
        let mut compressor = Compressor::new().unwrap();
        compressor.set_quality(90).unwrap();
        compressor.set_subsamp(Subsamp::Sub2x2).unwrap();
        compressor.set_progressive(progressive).unwrap();
        let image = Image { pixels: &pixels[..], width: SIZE.0, pitch: SIZE.0 * 3, height: SIZE.1, format: PixelFormat::RGB };
        let file = compressor.compress_to_vec(image).unwrap();
        for scale in Scale::ALL {
            let side = scale.eighths() as usize;
            let kind = if progressive { "progressive" } else { "baseline" };
            let mut group = criterion.benchmark_group(format!("24 MP {kind} at {side}/8"));
            group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
            group.bench_function("scaled-jpeg", |bencher| bencher.iter(|| ours(black_box(&file), scale)));
            group.bench_function("libjpeg-turbo", |bencher| bencher.iter(|| turbo(black_box(&file), side)));
            group.bench_function("jpeg-decoder", |bencher| bencher.iter(|| jpeg_decoder(black_box(&file), side)));
            group.bench_function("zune-jpeg, whole", |bencher| bencher.iter(|| zune(black_box(&file))));
            group.finish();
        }
    }
}

criterion_group!(scales, benches);
criterion_main!(scales);
