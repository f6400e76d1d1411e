//! The first bytes of a file, and its name → its media type. A file carries none. Below is `picture`, which knows what it reads.

/// The media type of a picture; anything else is bytes, which no browser runs.
pub(super) fn media_type(head: &[u8], name: &str) -> &'static str {
    picture::media_type(head).unwrap_or_else(|| match head {
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "image/jxl",
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] if is_heic(brand) => "image/heic",
        _ if is_svg(head, name) => "image/svg+xml",
        _ => "application/octet-stream",
    })
}

fn is_heic(brand: &[u8]) -> bool {
    matches!(brand, [b'h', b'e', b'i', b'c' | b'x', ..] | [b'm', b'i' | b's', b'f', b'1', ..])
}

/// XML says little in its first bytes.
fn is_svg(head: &[u8], name: &str) -> bool {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    text.starts_with(b"<svg") || text.starts_with(b"<") && name.to_ascii_lowercase().ends_with(".svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_count_before_the_name() {
        for (head, name, expect) in [
            (&b"\xFF\xD8\xFF\xE0"[..], "a.png", "image/jpeg"),
            (b"\x89PNG\r\n\x1A\n", "a", "image/png"),
            (b"GIF89a", "a.jpg", "image/gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "a", "image/webp"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "a.webp", "application/octet-stream"),
            (b"\0\0\0\x1Cftypavif\0\0\0\0", "a", "image/avif"),
            (b"\0\0\0\x1Cftypmif1\0\0\0\0avif", "a", "image/avif"),
            (b"\0\0\0\x1Cftypheic\0\0\0\0", "a.avif", "image/heic"),
            (b"\0\0\0\x1Cftyp", "a.avif", "application/octet-stream"),
            (b"MM\0*\0\0\0\x08", "a", "image/tiff"),
            (b"BM", "a", "image/bmp"),
            (b"\xEF\xBB\xBF\n<svg ", "a", "image/svg+xml"),
            (b"<?xml version", "a.SVG", "image/svg+xml"),
            (b"<?xml version", "a.xml", "application/octet-stream"),
            (b"<!doctype html><script>", "a.html", "application/octet-stream"),
            (b"#!/bin/sh", "a.svg", "application/octet-stream"),
            (b"", "a.jpg", "application/octet-stream"),
        ] {
            assert_eq!(media_type(head, name), expect, "{name}: {head:?}");
        }
    }
}
