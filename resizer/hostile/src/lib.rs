//! Pictures that strangers send: broken, lying, huge, endless, or no pictures at all. All of them are drawn here.

#![allow(
    missing_docs,
    clippy::default_trait_access,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::large_stack_arrays,
    clippy::format_collect,
    clippy::trivially_copy_pass_by_ref,
    reason = "for tests"
)]

mod draw;

use draw::avif::{Coding, Item, bomb, grid, icc, still, stripes, unit};
pub use draw::{avif, webp_groups};

use image::ImageFormat;

use draw::{
    SOF, bmp, bmp_runs, encoded, exif_loop, flat, gif, gif_with, iccp, jpeg, jpeg_scans, patched, png, png_with, riff, riff_chunk,
    sixteen_bits, svg, tiff, tiff_clears, tiff_runs, webp_canvas, webp_frame, webp_header, webp_heads, webp_junk, webp_lossless,
    with_profiles, with_segments, ztxt,
};

/// A case: what it is, its bytes, and the HTTP status that is right for it where 120 MB may be taken.
pub struct Case {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub right: u16,
}

const MADE: u16 = 307;
const TOO_LARGE: u16 = 413;
const UNKNOWN: u16 = 415;
const DAMAGED: u16 = 422;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name, right, bytes: Vec<u8>| cases.push(Case { name, bytes, right });
    basics(&mut add);
    pngs(&mut add);
    jpegs(&mut add);
    others(&mut add);
    avifs(&mut add);
    cases
}

type Add<'a> = &'a mut dyn FnMut(&'static str, u16, Vec<u8>);

fn basics(add: Add) {
    let whole = |format| encoded(format, 600, 400);
    let half = |format| {
        let mut bytes = whole(format);
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    for (name, format) in [("JPEG", ImageFormat::Jpeg), ("PNG", ImageFormat::Png), ("GIF", ImageFormat::Gif), ("WebP", ImageFormat::WebP)] {
        let [truncated, cut, good]: [&'static str; 3] = match name {
            "JPEG" => ["JPEG, truncated", "JPEG, header only", "JPEG, good"],
            "PNG" => ["PNG, truncated", "PNG, header only", "PNG, good"],
            "GIF" => ["GIF, truncated", "GIF, header only", "GIF, good"],
            _ => ["WebP, truncated", "WebP, header only", "WebP, good"],
        };
        add(good, MADE, whole(format));
        add(truncated, DAMAGED, half(format));
        add(cut, DAMAGED, whole(format)[..20].to_vec());
    }

    add("nothing at all", UNKNOWN, Vec::new());
    add("one byte", UNKNOWN, vec![0xFF]);
    add("wrong magic: PNG's first byte changed", UNKNOWN, patched(whole(ImageFormat::Png), 0, &[0]));
    add("wrong magic: JPEG's name on GIF's pixels", DAMAGED, patched(whole(ImageFormat::Gif), 0, &[0xFF, 0xD8, 0xFF]));
    add("ZIP named .jpg", UNKNOWN, [b"PK\x03\x04\x14\0\0\0\x08\0", &[7; 500][..]].concat());
    add("HTML", UNKNOWN, b"<!doctype html><script>alert(1)</script>".to_vec());
    add("SVG with entities", UNKNOWN, svg());
    add("PDF", UNKNOWN, b"%PDF-1.7\n1 0 obj\n".to_vec());
}

fn pngs(add: Add) {
    add("PNG of 0 by 0", DAMAGED, png(0, 0, 8, 2, &[]));
    add("PNG of 2^31 - 1 by 2^31 - 1", TOO_LARGE, png(i32::MAX as u32, i32::MAX as u32, 8, 2, &[0; 10]));
    add("PNG of 65535 by 65535", TOO_LARGE, png(65535, 65535, 8, 6, &[0; 10]));
    add("PNG bomb: 20000 by 20000, RGBA, zeros", TOO_LARGE, png(20_000, 20_000, 8, 6, &[0; 1 << 20]));
    add("PNG bomb: 10000 by 10000, RGBA, too few zeros", DAMAGED, png(10_000, 10_000, 8, 6, &[0; 1 << 20]));
    add("PNG bomb: 7000 by 7000, gray, zeros", MADE, png(7000, 7000, 8, 0, &vec![0; 7000 * 7001]));
    add("PNG of 5000 by 5000, gray, zeros", MADE, png(5000, 5000, 8, 0, &vec![0; 5000 * 5001]));
    add("PNG whose header says more rows than come", DAMAGED, png(3000, 3000, 8, 2, &[0; 100_000]));
    add("PNG whose header says fewer rows than come", MADE, png(10, 10, 8, 2, &vec![0; 5_000_000]));
    add("PNG with 200 MB of colour profile in 200 kB", MADE, png_with(&[(b"iCCP", &iccp(200 << 20))], 50, 50, 8, 2, &[0; 50 * 151]));
    add("PNG with 64 MB of text in 64 kB", MADE, png_with(&[(b"zTXt", &ztxt(64 << 20))], 50, 50, 8, 2, &[0; 50 * 151]));
    add("PNG with 100000 chunks", MADE, png_with(&vec![(b"tEXt", &b"a\0b"[..]); 100_000], 50, 50, 8, 2, &[0; 50 * 151]));
    add("PNG with 20 MB of EXIF", MADE, png_with(&[(b"eXIf", &vec![0; 20 << 20])], 50, 50, 8, 2, &[0; 50 * 151]));
    add("PNG with 20 MB of an unknown chunk", MADE, png_with(&[(b"rAnd", &vec![0; 20 << 20])], 50, 50, 8, 2, &[0; 50 * 151]));
    let profile = (b"iCCP", &iccp(12 << 20)[..]);
    add("PNG of 2000 by 2000 with a profile as large as its pixels", MADE, png_with(&[profile], 2000, 2000, 8, 2, &vec![0; 2000 * 6001]));
    add("PNG of 16 bits", MADE, sixteen_bits());
    add("PNG of 1 bit, no palette", DAMAGED, png(64, 64, 1, 3, &[0; 64 * 9]));
    add("PNG of 2 bits, 3 colours, a fourth one used", DAMAGED, png_with(&[(b"PLTE", &[9; 9])], 64, 64, 2, 3, &[0xFF; 64 * 17]));
    add("PNG of 3 bits", DAMAGED, png(64, 64, 3, 3, &[0; 64 * 25]));
    add("PNG with a palette of 257 colours", DAMAGED, png_with(&[(b"PLTE", &[9; 771])], 64, 64, 8, 3, &[0; 64 * 65]));
}

fn jpegs(add: Add) {
    add("JPEG of 65535 by 65535", TOO_LARGE, jpeg(0xC0, 65535, 65535, 3, 1, 1000));
    add("JPEG of 0 by 100", DAMAGED, jpeg(0xC0, 0, 100, 3, 1, 100));
    add("JPEG of 9000 by 9000, flat, 160 kB", MADE, jpeg(0xC0, 9000, 9000, 1, 1, 1125 * 1125 / 4 + 1));
    add("JPEG of 9900 by 9900, progressive, CMYK", DAMAGED, jpeg(0xC2, 9900, 9900, 4, 1, 100_000));
    add("JPEG of CMYK", MADE, jpeg(0xC0, 640, 480, 4, 1, 80 * 60 * 4 / 4));
    let ones = |count| vec![(1, 1); count];
    add("JPEG of 9900 by 9900, CMYK, a scan for each component", MADE, jpeg_scans(9900, 9900, &ones(4)));
    add("JPEG of 3000 by 2000, CMYK, a scan for each component", MADE, jpeg_scans(3000, 2000, &ones(4)));
    add("JPEG of 3000 by 2000, a scan for each component", MADE, jpeg_scans(3000, 2000, &ones(3)));
    add("JPEG of 3000 by 2000, a scan for each component, little colour", MADE, jpeg_scans(3000, 2000, &[(2, 2), (1, 1), (1, 1)]));
    add("JPEG of 12 bits", UNKNOWN, patched(jpeg(0xC1, 64, 64, 1, 1, 64), SOF + 4, &[12]));
    add("JPEG whose header says more than comes", DAMAGED, jpeg(0xC0, 8000, 8000, 3, 1, 10));
    add("JPEG of 7000 by 7000, progressive, 5000 scans", DAMAGED, jpeg(0xC2, 7000, 7000, 1, 5000, 100));
    add("JPEG of 3000 by 3000, progressive, 99 whole scans", DAMAGED, jpeg(0xC2, 3000, 3000, 1, 99, 3000 * 3000 / 64 / 8));
    add(
        "JPEG with 255 parts of a colour profile, 16 MB",
        MADE,
        with_segments(0xE2, 255, |part| [b"ICC_PROFILE\0", &[part, 255][..], &[part; 65_000]].concat()),
    );
    add("JPEG of CMYK with 16 MB of a colour profile and of others", MADE, with_profiles(jpeg(0xC0, 640, 480, 4, 1, 80 * 60)));
    let arithmetic = |width, height| patched(jpeg_scans(width, height, &ones(4)), SOF + 1, &[0xC9]);
    add("JPEG of 1900 by 1900, CMYK, arithmetic, a scan for each component", DAMAGED, arithmetic(1900, 1900));
    add("JPEG of 3000 by 2000, CMYK, arithmetic, a scan for each component", TOO_LARGE, arithmetic(3000, 2000));
    add(
        "JPEG of CMYK, arithmetic, with 16 MB of profiles",
        DAMAGED,
        with_profiles(patched(jpeg(0xC0, 640, 480, 4, 1, 99), SOF + 1, &[0xC9])),
    );
    let wide = [(4, 4), (1, 1), (1, 1), (1, 1)];
    add("JPEG of 30000 by 64, arithmetic, coarse inks", DAMAGED, patched(jpeg_scans(30_000, 64, &wide), SOF + 1, &[0xC9]));
    add("JPEG of 65500 by 128, arithmetic, coarse inks", TOO_LARGE, patched(jpeg_scans(65_500, 128, &wide), SOF + 1, &[0xC9]));
    add("JPEG with an EXIF that points at itself", MADE, with_segments(0xE1, 1, |_| exif_loop()));
    add("JPEG with 1000 EXIFs", MADE, with_segments(0xE1, 1000, |_| exif_loop()));
    add("JPEG with a segment that ends behind the file", DAMAGED, [&b"\xFF\xD8\xFF\xE1\xFF\xFF"[..], &[0; 100]].concat());
}

fn others(add: Add) {
    add("GIF of 65535 by 65535, one pixel", TOO_LARGE, gif(65535, 65535, &[(1, 1)]));
    add("GIF with a frame of 65535 by 65535 on a canvas of 10 by 10", TOO_LARGE, gif(10, 10, &[(65535, 65535)]));
    let big = |label: u8, name: &[u8]| gif_with(label, &[name, &vec![7; 20 << 20]].concat());
    add("GIF with 20 MB of XMP", MADE, big(0xFF, b"XMP DataXMP"));
    add("GIF with a profile of 20 MB", MADE, big(0xFF, b"ICCRGBG1012"));
    add("GIF with a comment of 20 MB", MADE, big(0xFE, b""));
    add("GIF of 0 by 0", MADE, gif(0, 0, &[(1, 1)]));
    add("GIF without a frame", DAMAGED, gif(10, 10, &[]));
    add("GIF, endless, 300000 frames", MADE, gif(10, 10, &vec![(10, 10); 300_000]));
    add("WebP of 16384 by 16384, lossless, no pixels", TOO_LARGE, webp_lossless(16384, 16384));
    add("WebP of 16383 by 6000, lossless, no pixels", TOO_LARGE, webp_lossless(16383, 6000));
    add("WebP with a frame of 16383 by 16383 on a canvas of 10 by 10", DAMAGED, webp_frame(10, 16383));
    add("WebP with a profile of 20 MB", MADE, riff(&[webp_header(0x20, 100), riff_chunk(b"ICCP", &vec![0; 20 << 20]), flat(100)].concat()));
    add("WebP of 1000 by 1000, lossless, 60000 groups of Huffman tables", TOO_LARGE, webp_groups(1000, 60_000));
    add("WebP of 500 by 500, lossless, 2000 groups of Huffman tables", MADE, webp_groups(500, 2000));
    add("WebP of 500 frames of 16383 by 6000, lossless, with heads of many pixels and few bits", TOO_LARGE, webp_heads((16383, 6000), 500));
    add("WebP, animated, with a million unknown chunks", MADE, webp_junk(1_000_000));
    add("WebP, canvas of 2^24 by 2^24", TOO_LARGE, webp_canvas());
    add("TIFF of 65535 by 65535", TOO_LARGE, tiff(65535, 65535));
    add("TIFF of 64 by 64 with 1 MB of LZW codes that only clear the table", DAMAGED, tiff_clears(1 << 20));
    add("TIFF of 64 by 64 with 20 MB of runs of no length, Huffman", DAMAGED, tiff_runs(2, 20 << 20));
    add("TIFF of 64 by 64 with 20 MB of runs of no length, Group 4", DAMAGED, tiff_runs(4, 20 << 20));
    add("TIFF whose directories point at each other", DAMAGED, b"II*\0\x08\0\0\0\0\0\x08\0\0\0".to_vec());
    add("BMP of 30000 by 30000, no pixels", DAMAGED, bmp(30_000, 30_000));
    add("BMP of 1 by 1 with 10 million runs", MADE, bmp_runs(10_000_000));
    add("BMP of 20000 by -1", DAMAGED, bmp(20_000, -1));
}

fn avifs(add: Add) {
    let data = stripes(Coding::new(600, 400));
    let good = still(data.clone(), vec![]);
    add("AVIF, truncated", DAMAGED, good[..good.len() / 2].to_vec());
    add("AVIF, header only", DAMAGED, good[..20].to_vec());
    add("AVIF, good", MADE, good);
    add("AVIF of 65536 by 65536, no pixels", TOO_LARGE, still(bomb(65536, 65536, false, 100), vec![]));
    add("AVIF of 9000 by 9000, no pixels", TOO_LARGE, still(bomb(9000, 9000, false, 100), vec![]));
    add("AVIF of 3000 by 3000, zeros", MADE, still(bomb(3000, 3000, false, 1000), vec![]));
    add("AVIF of 2000 by 2000 in 1024 tiles, no pixels", DAMAGED, still(bomb(2000, 2000, true, 1000), vec![]));
    add("AVIF of 4000 by 4000 in 3969 tiles, no pixels", TOO_LARGE, still(bomb(4000, 4000, true, 1000), vec![]));
    add("AVIF with a profile of 20 MB", MADE, still(data.clone(), vec![icc(&vec![0; 20 << 20])]));
    let notes = [unit(5, &vec![4; 5 << 20]), unit(15, &vec![0; 5 << 20]), data.clone()].concat();
    add("AVIF with 10 MB of notes before its pixels", MADE, still(notes, vec![]));
    add("AVIF with 13 MB in a frame", TOO_LARGE, still([data.clone(), vec![0; 13 << 20]].concat(), vec![]));
    add("AVIF of 20 frames", UNKNOWN, still(data.repeat(20), vec![]));
    let part = || Item::frame(stripes(Coding::new(64, 64)), vec![]);
    let head = |columns, rows| Item { kind: *b"grid", data: grid(columns, rows, 1024, 1024), properties: vec![] };
    add("AVIF of a grid of one frame, 256 times", MADE, avif::avif(&[head(16, 16), part()], &[(*b"dimg", 1, &[2; 256])]));
    add("AVIF of a grid of 65536 parts", UNKNOWN, avif::avif(&[head(0, 0), part()], &[(*b"dimg", 1, &[2; 256])]));
    add("AVIF of a grid of itself", DAMAGED, avif::avif(&[head(1, 1), part()], &[(*b"dimg", 1, &[1])]));
    let items: Vec<_> = (0..6000).map(|_| Item::frame(vec![0], vec![])).collect();
    add("AVIF of 6000 items", UNKNOWN, avif::avif(&items, &[]));
}
