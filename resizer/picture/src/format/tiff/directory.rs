//! Bytes of a TIFF or BigTIFF → its first directory, and the values of its tags.
//!
//! Below all else of TIFF, above nothing but errors.

use crate::Error;

pub(super) fn damaged(what: &str) -> Error {
    Error::Damaged(format!("TIFF {what}"))
}

/// The entries of a directory.
pub(super) struct Directory<'a> {
    source: &'a [u8],
    pub(super) little: bool,
    /// BigTIFF: numbers of 8 bytes instead of 4.
    wide: bool,
    entries: &'a [u8],
}

/// The values of a tag.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) bytes: &'a [u8],
    /// Bytes of one.
    size: usize,
    little: bool,
}

fn number(bytes: &[u8], little: bool) -> u64 {
    let add = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}

/// `length` bytes of `source` from `at` on.
pub(super) fn part(source: &[u8], at: u64, length: u64) -> Option<&[u8]> {
    source.get(usize::try_from(at).ok()?..usize::try_from(at.checked_add(length)?).ok()?)
}

impl<'a> Directory<'a> {
    pub(super) fn read(source: &'a [u8]) -> Result<Self, Error> {
        let little = source.starts_with(b"II");
        let read = |at: u64, length: u64| {
            let bytes = part(source, at, length).ok_or_else(|| damaged("whose directory lies outside of it"))?;
            Ok::<_, Error>((bytes, number(bytes, little)))
        };
        let wide = read(2, 2)?.1 == 43;
        let at = if wide { read(8, 8)? } else { read(4, 4)? }.1;
        let (first, count) = if wide { (8, read(at, 8)?.1) } else { (2, read(at, 2)?.1) };
        let length = count.saturating_mul(if wide { 20 } else { 12 });
        let entries = read(at.saturating_add(first), length)?.0;
        Ok(Self { source, little, wide, entries })
    }

    /// The values of `tag`, if it is there.
    pub(super) fn values(&self, tag: u16) -> Result<Option<Values<'a>>, Error> {
        let (entry, count) = if self.wide { (20, 8) } else { (12, 4) };
        let find = |entry: &&[u8]| number(&entry[..2], self.little) == u64::from(tag);
        let Some(entry) = self.entries.chunks_exact(entry).find(find) else { return Ok(None) };
        let size = match number(&entry[2..4], self.little) {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            _ => 8,
        };
        let (length, inline) = entry[4..].split_at(count);
        let length = number(length, self.little).saturating_mul(size);
        let bytes = match inline.get(..usize::try_from(length).unwrap_or(usize::MAX)) {
            Some(bytes) => bytes,
            None => part(self.source, number(inline, self.little), length)
                .ok_or_else(|| damaged(&format!("whose tag {tag} lies outside of it")))?,
        };
        Ok(Some(Values { bytes, size: usize::try_from(size).unwrap_or(8), little: self.little }))
    }

    /// The only or first value of `tag`.
    pub(super) fn value(&self, tag: u16) -> Result<Option<u64>, Error> {
        Ok(self.values(tag)?.and_then(|values| values.get(0)))
    }

    /// The first value of `tag`, which fits into 32 bits.
    pub(super) fn small(&self, tag: u16, default: u32) -> Result<u32, Error> {
        let value = self.value(tag)?.map_or(Ok(default), u32::try_from);
        value.map_err(|_| damaged(&format!("whose tag {tag} is too large")))
    }
}

impl<'a> Values<'a> {
    pub(super) fn len(self) -> usize {
        self.bytes.len() / self.size
    }

    pub(super) fn get(self, index: usize) -> Option<u64> {
        self.bytes.chunks_exact(self.size).nth(index).map(|bytes| number(bytes, self.little))
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u64> + use<'a> {
        self.bytes.chunks_exact(self.size).map(move |bytes| number(bytes, self.little))
    }

    /// Fractions of two numbers of 4 bytes.
    pub(super) fn fractions(self) -> impl Iterator<Item = f64> + use<'a> {
        let half = move |bytes: &[u8]| u32::try_from(number(bytes, self.little)).map_or(0.0, f64::from);
        self.bytes.chunks_exact(8).map(move |bytes| half(&bytes[..4]) / half(&bytes[4..]).max(1.0))
    }
}
