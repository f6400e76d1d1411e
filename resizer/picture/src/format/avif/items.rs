//! A file's `meta` box → its items: their kinds, references, properties and data. Nothing is copied, and little is held: each question
//! looks through the box that answers it.
//!
//! Below the [`picture`](super::picture) that the items make, above the boxes.

use std::borrow::Cow;

use super::boxes::{Reader, boxes};
use crate::Error;

/// Bytes of the largest table of items that is looked through: about a thousand items.
const LARGEST_TABLE: usize = 64 << 10;

/// Most boxes among properties, and most parts of an item's data.
const MOST_PROPERTIES: usize = 1024;
const MOST_EXTENTS: usize = 64;

pub(super) struct Items<'a> {
    file: &'a [u8],
    /// The item that is the picture.
    pub(super) primary: u32,
    kinds: &'a [u8],
    locations: &'a [u8],
    references: &'a [u8],
    properties: &'a [u8],
    /// The boxes that say which item has which properties.
    associations: &'a [u8],
    /// Data beside the tables.
    inner: &'a [u8],
}

/// What is said of an item.
pub(super) struct Property<'a> {
    pub(super) name: &'a [u8; 4],
    pub(super) content: &'a [u8],
    /// Who does not know it cannot show the item.
    pub(super) is_essential: bool,
}

/// Where the data of an item lies.
pub(super) struct Data<'a>(Vec<&'a [u8]>);

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("AVIF {what}"))
}

fn find(content: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    boxes(content).find(|found| *found.0 == name).map(|found| found.1)
}

fn without_picture(file: &[u8]) -> Error {
    match find(file, *b"moov") {
        Some(_) => Error::Unsupported("AVIF of moving pictures without a still one".into()),
        None => damaged("without a picture"),
    }
}

impl<'a> Items<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, Error> {
        let Some(meta) = find(file, *b"meta").and_then(|meta| meta.get(4..)) else {
            return Err(without_picture(file));
        };
        let table = |content: Option<&'a [u8]>, name: &str| match content.unwrap_or_default() {
            table if table.len() <= LARGEST_TABLE => Ok(table),
            table => Err(Error::Unsupported(format!("AVIF with {} bytes of {name}, at most {LARGEST_TABLE} are read", table.len()))),
        };
        let primary = find(meta, *b"pitm").and_then(|content| {
            let mut content = Reader(content);
            let (version, _) = content.version()?;
            content.short_or_long(version > 0)
        });
        let of_items = find(meta, *b"iprp").unwrap_or_default();
        let associations = boxes(of_items).filter(|found| found.0 == b"ipma").map(|found| found.1.len()).sum::<usize>();
        if associations > LARGEST_TABLE {
            return Err(Error::Unsupported(format!("AVIF with {associations} bytes of ipma, at most {LARGEST_TABLE} are read")));
        }
        Ok(Self {
            file,
            primary: primary.ok_or_else(|| without_picture(file))?,
            kinds: table(find(meta, *b"iinf"), "iinf")?,
            locations: table(find(meta, *b"iloc"), "iloc")?,
            references: table(find(meta, *b"iref"), "iref")?,
            properties: find(of_items, *b"ipco").unwrap_or_default(),
            associations: of_items,
            inner: find(meta, *b"idat").unwrap_or_default(),
        })
    }

    /// The four letters that say what an item is.
    pub(super) fn kind(&self, item: u32) -> Option<[u8; 4]> {
        let mut table = Reader(self.kinds);
        let (version, _) = table.version()?;
        table.short_or_long(version > 0)?;
        boxes(table.0).filter(|found| found.0 == b"infe").find_map(|(_, content)| {
            let mut entry = Reader(content);
            let (version, _) = entry.version()?;
            let number = entry.short_or_long(version > 2)?;
            let _protection = entry.u16()?;
            (number == item).then(|| entry.array().copied())?
        })
    }

    /// From which item, to which one, in the order of the file.
    pub(super) fn references(&self, kind: [u8; 4]) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let mut table = Reader(self.references);
        let is_long = table.version().is_some_and(|(version, _)| version > 0);
        boxes(table.0).filter(move |found| *found.0 == kind).flat_map(move |(_, content)| {
            let mut content = Reader(content);
            let from = content.short_or_long(is_long).unwrap_or_default();
            let count = content.u16().unwrap_or_default();
            (0..count).map_while(move |_| Some((from, content.short_or_long(is_long)?)))
        })
    }

    pub(super) fn properties(&self, item: u32) -> impl Iterator<Item = Property<'a>> + use<'a> {
        let properties = self.properties;
        let tables = boxes(self.associations).filter(|found| found.0 == b"ipma");
        tables.flat_map(move |(_, table)| associations(table, item).into_iter().flatten()).filter_map(move |(is_essential, index)| {
            let index = usize::from(index).checked_sub(1).filter(|index| *index < MOST_PROPERTIES)?;
            let (name, content) = boxes(properties).nth(index)?;
            Some(Property { name, content, is_essential })
        })
    }

    /// The content of a property, without looking at whether it is essential.
    pub(super) fn property(&self, item: u32, name: [u8; 4]) -> Option<&'a [u8]> {
        self.properties(item).find(|property| *property.name == name).map(|property| property.content)
    }

    pub(super) fn data(&self, item: u32) -> Result<Data<'a>, Error> {
        let location = location(self.locations, item).ok_or_else(|| damaged("with an item that is nowhere"))?;
        let source = match location.construction {
            0 => self.file,
            1 => self.inner,
            _ => return Err(Error::Unsupported("AVIF with an item within another one".into())),
        };
        let extents = location.extents.into_iter().map(|(start, length)| {
            let start = usize::try_from(start).ok()?;
            let rest = source.get(start..)?;
            if length == 0 { Some(rest) } else { rest.get(..usize::try_from(length).ok()?) }
        });
        let data = extents.collect::<Option<Vec<_>>>().map(Data).ok_or_else(|| damaged("that ends before its pixels"))?;
        if data.length() == 0 || data.length() > self.file.len() {
            return Err(damaged("with an item of no bytes, or of more than the file has"));
        }
        Ok(data)
    }
}

/// Whether it is essential, and the number from 1 on, of each property of an item.
fn associations(table: &[u8], item: u32) -> Option<impl Iterator<Item = (bool, u16)>> {
    let mut table = Reader(table);
    let (version, flags) = table.version()?;
    let width = if flags & 1 == 1 { 2 } else { 1 };
    for _ in 0..table.u32()? {
        let (number, count) = (table.short_or_long(version > 0)?, table.u8()?);
        let entries = table.take(usize::from(count) * width)?;
        if number == item {
            return Some(entries.chunks_exact(width).map(move |entry| match *entry {
                [high, low] => (high & 0x80 != 0, u16::from_be_bytes([high & 0x7F, low])),
                [byte, ..] => (byte & 0x80 != 0, u16::from(byte & 0x7F)),
                [] => (false, 0),
            }));
        }
    }
    None
}

struct Location {
    /// 0 in the file, 1 in the meta box, 2 in another item.
    construction: u16,
    /// Where each part begins, and its length; 0 to the end.
    extents: Vec<(u64, u64)>,
}

fn location(table: &[u8], item: u32) -> Option<Location> {
    let mut table = Reader(table);
    let (version, _) = table.version()?;
    let [sizes, more] = *table.array()?;
    let index = if version > 0 { more & 15 } else { 0 };
    for _ in 0..table.short_or_long(version > 1)? {
        let number = table.short_or_long(version > 1)?;
        let construction = if version > 0 { table.u16()? & 15 } else { 0 };
        let elsewhere = table.u16()?;
        let base = table.number(more >> 4)?;
        let count = usize::from(table.u16()?);
        let mut entries = Reader(table.take(count * usize::from(index + (sizes >> 4) + (sizes & 15)))?);
        if number == item && elsewhere == 0 && count <= MOST_EXTENTS {
            let extent = |_| {
                entries.number(index)?;
                Some((base.checked_add(entries.number(sizes >> 4)?)?, entries.number(sizes & 15)?))
            };
            return Some(Location { construction, extents: (0..count).map(extent).collect::<Option<_>>()? });
        }
    }
    None
}

impl<'a> Data<'a> {
    /// Bytes that it takes to have it in one piece.
    pub(super) fn joining(&self) -> usize {
        if self.0.len() > 1 { self.length() } else { 0 }
    }

    pub(super) fn length(&self) -> usize {
        self.0.iter().map(|extent| extent.len()).sum()
    }

    /// At least the first `most` bytes, if there are so many, in one piece.
    pub(super) fn start(&self, most: usize) -> Cow<'a, [u8]> {
        match self.0[..] {
            [extent] => Cow::Borrowed(extent),
            _ => Cow::Owned(self.0.iter().copied().flatten().copied().take(most).collect()),
        }
    }

    pub(super) fn whole(&self) -> Cow<'a, [u8]> {
        match self.0[..] {
            [extent] => Cow::Borrowed(extent),
            _ => Cow::Owned(self.0.concat()),
        }
    }
}
