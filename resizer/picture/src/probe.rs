//! First bytes of a file → [`Probe`]: what it is and how large, without decoding a pixel.
//!
//! Below the root alone; above the [formats](crate::format), each of which reads its own header.

use crate::{
    Error, Format,
    format::{avif, bmp, gif, jpeg, png, tiff, webp},
    header::{Container, Probe},
};

/// What [`Container`] has.
const READ: &str = "JPEG, PNG, WebP, GIF, TIFF, BMP and AVIF";

/// How many first bytes [`sniff`] looks at.
pub const HEAD: usize = 1024;

/// Whether a file that begins with `head` is of a format that is read here. `head` is the first [`HEAD`] bytes, or all there are.
pub fn sniff(head: &[u8]) -> Result<(), Error> {
    container(head).map(drop)
}

/// The media type of a file that begins with `head`, if it is of a format that is read here.
pub fn media_type(head: &[u8]) -> Option<&'static str> {
    Some(match container(head).ok()? {
        Container::Jpeg => Format::Jpeg.content_type(),
        Container::Png => Format::Png.content_type(),
        Container::WebP => Format::WebP.content_type(),
        Container::Gif => Format::Gif.content_type(),
        Container::Avif => Format::Avif.content_type(),
        Container::Tiff => "image/tiff",
        Container::Bmp => "image/bmp",
    })
}

fn container(source: &[u8]) -> Result<Container, Error> {
    Ok(match source {
        [0xFF, 0xD8, 0xFF, ..] => Container::Jpeg,
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Container::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Container::WebP,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Container::Gif,
        [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => Container::Tiff,
        [b'B', b'M', ..] => Container::Bmp,
        _ if avif::is_avif(source) => Container::Avif,
        _ => return Err(Error::Unsupported(format!("{}: {READ} are read", stranger(source)))),
    })
}

/// Reads the header of `source`.
pub(crate) fn probe(source: &[u8]) -> Result<Probe, Error> {
    let probe = match container(source)? {
        Container::Jpeg => jpeg::probe(source),
        Container::Png => png::probe(source),
        Container::WebP => webp::probe(source),
        Container::Gif => gif::probe(source),
        Container::Tiff => tiff::probe(source),
        Container::Bmp => bmp::probe(source),
        Container::Avif => avif::probe(source),
    }?;
    if probe.width == 0 || probe.height == 0 {
        return Err(Error::Damaged(format!("{} by {} pixels", probe.width, probe.height)));
    }
    Ok(probe)
}

/// Name of a format that is not read here.
fn stranger(source: &[u8]) -> &'static str {
    match source {
        [] => "an empty file",
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand {
            [b'h', b'e' | b'v', b'i' | b'c', ..] | [b'm', b'i' | b's', b'f', b'1', ..] => "HEIC",
            _ => "an ISO media file",
        },
        [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', b'L', b' ', ..] => "JPEG XL",
        [0, 0, 0, 0x0C, b'j', b'P', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => "JPEG 2000",
        [0, 0, 1 | 2, 0, ..] => "ICO",
        [b'%', b'P', b'D', b'F', ..] => "PDF",
        [b'8', b'B', b'P', b'S', ..] => "PSD",
        _ if is_svg(source) => "SVG",
        _ => "not a picture that is known here",
    }
}

fn is_svg(source: &[u8]) -> bool {
    let head = &source[..source.len().min(HEAD)];
    head.trim_ascii_start().first() == Some(&b'<') && head.windows(4).any(|window| window == b"<svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_not_read() {
        for (source, name) in [
            (&b""[..], "an empty file"),
            (b"hello", "not a picture that is known here"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
            (b"\n<?xml version='1.0'?>\n<!-- drawn --><svg>", "SVG"),
            (b"<html><body>", "not a picture that is known here"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0", "HEIC"),
            (b"\xFF\x0A\x00\x10", "JPEG XL"),
            (b"\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL"),
            (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
        ] {
            let expected = format!("unsupported: {name}: JPEG, PNG, WebP, GIF, TIFF, BMP and AVIF are read");
            assert_eq!(probe(source).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_format_that_is_read_has_a_media_type() {
        for (head, expected) in [
            (&b"\xFF\xD8\xFF\xE0"[..], Some("image/jpeg")),
            (b"\x89PNG\r\n\x1A\n", Some("image/png")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"GIF89a", Some("image/gif")),
            (b"\0\0\0\x14ftypmif1\0\0\0\0avif", Some("image/avif")),
            (b"MM\0*", Some("image/tiff")),
            (b"BM", Some("image/bmp")),
            (b"<svg", None),
            (b"", None),
        ] {
            assert_eq!(media_type(head), expected, "{head:?}");
        }
    }

    #[test]
    fn a_header_that_ends_early_is_damaged() {
        for source in [
            &b"\xFF\xD8\xFF"[..],
            b"\x89PNG\r\n\x1A\n\0\0",
            b"RIFF\0\0\0\0WEBPVP8 ",
            b"GIF89a\x01",
            b"II*\0\x08",
            b"BM\x01",
            b"\0\0\0\x1cftypavif\0\0\0\0",
        ] {
            assert!(matches!(probe(source), Err(Error::Damaged(_))), "{source:?}: {:?}", probe(source));
        }
    }
}
