//! One kind of picture after the other, two visitors at a time: what a request costs through HTTP and the S3 in CPU, page faults and
//! memory, once the program has made some of its kind; and what it holds when nobody asks any more.

use std::{io::Cursor, time::Duration};

use futures::future::join_all;
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb, Rgba, RgbaImage};

use crate::lab::{Cage, Lab, Resizer, picture};

const ORIGINALS: u32 = 4;
/// Requests before those that are measured.
const FIRST: u32 = 16;
const REQUESTS: u32 = 48;
const VISITORS: u32 = 2;
/// After so long nobody comes any more.
const REST: Duration = Duration::from_secs(15);

/// Something like a photo: slopes, edges and grain.
fn photo(width: u32, height: u32, seed: u32) -> RgbaImage {
    let mut noise = seed | 1;
    RgbaImage::from_fn(width, height, |x, y| {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        let edge = if (x / 90 + y / 70 + seed).is_multiple_of(3) { 50 } else { 0 };
        let level = |slope: u32| (slope % 180 + edge + (noise >> 9) % 6).to_le_bytes()[0];
        let alpha = if (x / 200 + y / 300).is_multiple_of(4) { (x % 200).to_le_bytes()[0] } else { 255 };
        Rgba([level(x / 9 + y / 17), level(y / 7), level((x + 2 * y) / 13), alpha])
    })
}

fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// In 16 bits.
fn deep(picture: &RgbaImage) -> DynamicImage {
    ImageBuffer::<Rgb<u16>, Vec<u16>>::from_fn(picture.width(), picture.height(), |x, y| {
        let Rgba([red, green, blue, _]) = *picture.get_pixel(x, y);
        Rgb([red, green, blue].map(|value| u16::from(value) * 257))
    })
    .into()
}

/// A kind of pictures: what it is called, how its files end, what is asked for, and the files by a seed.
type Kind = (&'static str, &'static str, &'static str, fn(u32) -> Vec<u8>);

const KINDS: [Kind; 9] = [
    ("JPEG, 2725×2225", "jpg", "", |seed| picture(2725, 2225, seed)),
    ("PNG with alpha, 2048×1536", "png", "", |seed| file(photo(2048, 1536, seed), ImageFormat::Png)),
    ("PNG, 2048×1536", "png", "", |seed| file(DynamicImage::from(photo(2048, 1536, seed)).to_rgb8(), ImageFormat::Png)),
    ("PNG of 16 bits, 1600×1200", "png", "", |seed| file(deep(&photo(1600, 1200, seed)), ImageFormat::Png)),
    ("gray PNG, 2048×1536", "png", "", |seed| file(DynamicImage::from(photo(2048, 1536, seed)).to_luma8(), ImageFormat::Png)),
    ("lossless WebP, 1600×1200", "webp", "", |seed| file(photo(1600, 1200, seed), ImageFormat::WebP)),
    ("GIF, 1600×1200", "gif", "", |seed| file(photo(1600, 1200, seed), ImageFormat::Gif)),
    ("JPEG to WebP, 2725×2225", "jpg", ".webp", |seed| picture(2725, 2225, seed)),
    ("JPEG to AVIF, 1600×1200", "jpg", ".avif", |seed| picture(1600, 1200, seed)),
];

/// Asks for `count` pictures that were not asked for before.
async fn ask(resizer: &Resizer, kind: usize, suffixes: (&str, &str), numbers: std::ops::Range<u32>) {
    let visits = (0..VISITORS).map(async |visitor| {
        for number in numbers.clone().skip(visitor as usize).step_by(VISITORS as usize) {
            let key = format!("1200x{}/{kind}-{}.{}{}", 800 + number / ORIGINALS, number % ORIGINALS, suffixes.0, suffixes.1);
            let answer = resizer.get(&key).await.unwrap();
            assert_eq!(answer.status, 307, "{key}");
        }
    });
    join_all(visits).await;
}

/// Prints a row for each kind, or for those whose names begin with `only`.
pub async fn measure(lab: &Lab, only: &str) -> bool {
    println!("| 1200×800 of | CPU ms each | minor faults each | peak MiB | at rest MiB |\n|---|---|---|---|---|");
    for (at, (name, ending, suffix, draw)) in KINDS.into_iter().enumerate().filter(|(_, kind)| kind.0.starts_with(only)) {
        let media_type = match ending {
            "jpg" => "image/jpeg".to_owned(),
            ending => format!("image/{ending}"),
        };
        for original in 0..ORIGINALS {
            lab.upload(&format!("{at}-{original}.{ending}"), &media_type, draw(original)).await;
        }
        let cage = Cage::new(super::LIMIT);
        let resizer = lab.resizer_in(cage.as_ref(), &[("OUTPUT_VARIANTS", "WebP,Avif"), ("LOG_LEVEL", "info")]);
        ask(&resizer, at, (ending, suffix), 0..FIRST).await;
        resizer.forget_peak();
        let (cpu, faults) = (resizer.cpu(), resizer.faults());
        ask(&resizer, at, (ending, suffix), FIRST..FIRST + REQUESTS).await;
        let (cpu, faults) = (resizer.cpu().saturating_sub(cpu), resizer.faults() - faults);
        let peak = resizer.peak() >> 20;
        tokio::time::sleep(REST).await;
        let each = cpu.as_secs_f64() * 1000.0 / f64::from(REQUESTS);
        println!("| {name} | {each:.1} | {} | {peak} | {} |", faults / u64::from(REQUESTS), resizer.held() >> 20);
    }
    false
}
