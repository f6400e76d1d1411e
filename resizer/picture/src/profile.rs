//! Colour profiles, as they lie in files → one piece of bounded size.
//!
//! On the ground: every format that may have a profile stands above.

use std::io::{Read, copy, sink};

use flate2::read::ZlibDecoder;

/// Bytes of the largest profile that is applied. Those of printing presses have 3 MB at most; what is larger counts as none.
pub(crate) const LARGEST: usize = 4 << 20;

/// Bytes of a profile in parts; 0 if it is none that is applied.
pub(crate) fn length<'a>(parts: impl Iterator<Item = &'a [u8]>) -> usize {
    let length = parts.map(<[u8]>::len).sum();
    if length > LARGEST { 0 } else { length }
}

/// Puts a profile together.
pub(crate) fn joined<'a>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Vec<u8>> {
    (length(parts.clone()) > 0).then(|| parts.flatten().copied().collect())
}

/// What a compressed profile is.
pub(crate) fn inflated(compressed: &[u8]) -> Option<Vec<u8>> {
    let length = inflated_length(compressed)?;
    let mut profile = Vec::with_capacity(length);
    ZlibDecoder::new(compressed).take(length as u64).read_to_end(&mut profile).ok()?;
    Some(profile)
}

/// How long a compressed profile is, if it is whole and not too large. Nothing stops this, so it reads no more than what such a profile has
/// uncompressed: blocks of no length may fill the whole file.
pub(crate) fn inflated_length(compressed: &[u8]) -> Option<usize> {
    if compressed.len() > LARGEST + (64 << 10) {
        return None;
    }
    let length = copy(&mut ZlibDecoder::new(compressed).take(LARGEST as u64 + 1), &mut sink()).ok()?;
    usize::try_from(length).ok().filter(|length| (1..=LARGEST).contains(length))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    #[test]
    fn is_applied_up_to_a_bound() {
        for (length, fits) in [(0, false), (1, true), (LARGEST, true), (LARGEST + 1, false)] {
            let profile = vec![7; length];
            assert_eq!(joined(profile.chunks(1 << 16)).is_some(), fits, "{length}");
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&profile).unwrap();
            assert_eq!(inflated(&encoder.finish().unwrap()), fits.then_some(profile));
        }
        assert_eq!(inflated(b"no zlib"), None);
    }
}
