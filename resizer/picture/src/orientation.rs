//! EXIF bytes → which way up a picture is stored → the picture upright.
//!
//! Below `pipeline` and the headers of formats; above the raster and the regions of the geometry.

use crate::{Error, geometry::Region, raster::Raster};

/// How the stored picture becomes the displayed one: flipped as displayed, and then
/// read with rows and columns exchanged if `transpose`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orientation {
    transpose: bool,
    flip_x: bool,
    flip_y: bool,
}

const TAG: u16 = 0x0112;

impl Orientation {
    /// From the value of the EXIF tag; upright for a value that is none.
    pub(crate) fn from_tag(value: u16) -> Self {
        let (transpose, flip_x, flip_y) = match value {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => (false, false, false),
        };
        Self { transpose, flip_x, flip_y }
    }

    /// Of a picture that is displayed turned counterclockwise by so many quarters, and then mirrored.
    pub(crate) fn turned(quarters: u8, left_to_right: bool, top_to_bottom: bool) -> Self {
        let turned = Self::from_tag([1, 8, 3, 6][usize::from(quarters % 4)]);
        Self { flip_x: turned.flip_x != left_to_right, flip_y: turned.flip_y != top_to_bottom, ..turned }
    }

    /// From EXIF data, which begins with a TIFF header. Upright if the data says nothing, or nonsense.
    pub(crate) fn from_exif(exif: &[u8]) -> Self {
        Self::from_tag(tag(exif).unwrap_or(1))
    }

    /// Width and height as displayed, of a picture stored as `size`; also the reverse.
    pub(crate) fn turn<T>(self, size: (T, T)) -> (T, T) {
        if self.transpose { (size.1, size.0) } else { size }
    }

    /// Where `region` of the displayed picture lies in the stored one, whose size as displayed is `width` by `height`.
    pub(crate) fn stored(self, region: Region, width: f64, height: f64) -> Region {
        let left = if self.flip_x { width - region.left - region.width } else { region.left };
        let top = if self.flip_y { height - region.top - region.height } else { region.top };
        let (left, top) = self.turn((left, top));
        let (width, height) = self.turn((region.width, region.height));
        Region { left, top, width, height }
    }

    /// The picture as displayed.
    pub(crate) fn apply(self, stored: Raster) -> Result<Raster, Error> {
        if self == Self::default() {
            return Ok(stored);
        }
        let (width, height) = self.turn((stored.width, stored.height));
        let mut upright = stored.another(width, height, stored.channels)?;
        match stored.channels.count() {
            1 => self.copy::<1>(&stored, &mut upright)?,
            2 => self.copy::<2>(&stored, &mut upright)?,
            3 => self.copy::<3>(&stored, &mut upright)?,
            _ => self.copy::<4>(&stored, &mut upright)?,
        }
        Ok(upright)
    }

    fn copy<const N: usize>(self, stored: &Raster, upright: &mut Raster) -> Result<(), Error> {
        let (from, stored_width) = (stored.pixels.as_chunks::<N>().0, stored.width as usize);
        let (width, height) = (upright.width as usize, upright.height as usize);
        let (step_x, step_y) = self.turn((1, stored_width));
        for rows in upright.pieces() {
            let rows = rows?;
            let piece = &mut upright.pixels.as_chunks_mut::<N>().0[rows.start * width..rows.end * width];
            for (y, row) in rows.zip(piece.chunks_exact_mut(width.max(1))) {
                let base = (if self.flip_y { height - 1 - y } else { y }) * step_y;
                if self.flip_x {
                    row.iter_mut().rev().enumerate().for_each(|(x, pixel)| *pixel = from[base + x * step_x]);
                } else {
                    row.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = from[base + x * step_x]);
                }
            }
        }
        Ok(())
    }
}

fn tag(exif: &[u8]) -> Option<u16> {
    let little = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = exif.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes = exif.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = usize::try_from(u32_at(4)?).ok()?;
    let entries = usize::from(u16_at(directory)?);
    let first = directory.checked_add(2)?;
    let entry = (0..entries).map(|index| first + index * 12).find(|&at| u16_at(at) == Some(TAG))?;
    let at = entry + 8;
    // whole numbers of 8, 16 and 32 bits, without and with a sign: writers take any of them
    match u16_at(entry + 2)? {
        1 | 6 => exif.get(at).copied().map(u16::from),
        3 | 8 => u16_at(at),
        4 | 9 => u32_at(at).and_then(|value| value.try_into().ok()),
        _ => None,
    }
}

/// EXIF data with nothing but an orientation, for tests.
#[cfg(test)]
pub(crate) fn exif(value: u8) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([value, 0, 0, 0, 0, 0, 0]);
    exif
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::Channels;

    #[test]
    fn reads_the_tag_in_both_byte_orders() {
        assert_eq!(Orientation::from_exif(&exif(6)), Orientation::from_tag(6));
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0";
        assert_eq!(Orientation::from_exif(little), Orientation::from_tag(8));
    }

    #[test]
    fn the_tag_may_be_any_whole_number() {
        for (kind, value, expected) in [
            (1, [6, 0, 0, 0], 6),
            (4, [0, 0, 0, 6], 6),
            (8, [0, 6, 0, 0], 6),
            (9, [0, 0, 0, 6], 6),
            (4, [0, 6, 0, 0], 1),
            (2, [6, 0, 0, 0], 1),
        ] {
            let mut data = exif(0);
            data[13] = kind;
            data[18..22].copy_from_slice(&value);
            assert_eq!(Orientation::from_exif(&data), Orientation::from_tag(expected), "type {kind}, {value:?}");
        }
    }

    #[test]
    fn nonsense_is_upright() {
        let mut far = exif(6);
        far[4..8].fill(255);
        for data in [&b""[..], b"II*", b"junk and junk and junk", &exif(0), &exif(9), &exif(6)[..15], &far] {
            assert_eq!(Orientation::from_exif(data), Orientation::default(), "{data:?}");
        }
    }

    #[test]
    fn turns_every_orientation_upright() {
        // displayed: ABC / DEF
        for (value, width, stored) in [
            (1, 3, "ABCDEF"),
            (2, 3, "CBAFED"),
            (3, 3, "FEDCBA"),
            (4, 3, "DEFABC"),
            (5, 2, "ADBECF"),
            (6, 2, "CFBEAD"),
            (7, 2, "FCEBDA"),
            (8, 2, "DAEBFC"),
        ] {
            for channels in [Channels::Gray, Channels::GrayAlpha, Channels::Rgb, Channels::Rgba] {
                let pixels = stored.bytes().flat_map(|byte| vec![byte; channels.count()]).collect();
                let upright = Orientation::from_tag(value).apply(Raster::test(width, 6 / width, channels, pixels)).unwrap();
                assert_eq!((upright.width, upright.height), (3, 2));
                let letters: Vec<u8> = upright.pixels.chunks(channels.count()).map(|pixel| pixel[0]).collect();
                assert_eq!(letters, b"ABCDEF", "orientation {value}");
            }
        }
    }

    #[test]
    fn finds_a_displayed_region_in_the_stored_picture() {
        // the pixel C, at 2,0 as displayed
        let region = Region { left: 2.0, top: 0.0, width: 1.0, height: 1.0 };
        for (value, left, top) in
            [(1, 2.0, 0.0), (2, 0.0, 0.0), (3, 0.0, 1.0), (4, 2.0, 1.0), (5, 0.0, 2.0), (6, 0.0, 0.0), (7, 1.0, 0.0), (8, 1.0, 2.0)]
        {
            assert_eq!(Orientation::from_tag(value).stored(region, 3.0, 2.0), Region { left, top, ..region }, "orientation {value}");
        }
    }
}
