//! The bits of a header → its numbers, and its most intricate one: how many tiles there are.
//!
//! Below the [bitstream](super::av1), above nothing.

use crate::Error;

/// Takes bits from the front, the highest of a byte first.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn flag(&mut self) -> Result<bool, Error> {
        let byte = self.bytes.get(self.at / 8).ok_or_else(|| Error::Damaged("AVIF: ends in its header".into()))?;
        self.at += 1;
        Ok(byte >> (7 - (self.at - 1) % 8) & 1 == 1)
    }

    /// A number of so many bits, at most 32.
    pub(super) fn read(&mut self, bits: u8) -> Result<u32, Error> {
        (0..bits).try_fold(0, |number, _| Ok(number << 1 | u32::from(self.flag()?)))
    }

    /// At most 8 bits.
    pub(super) fn byte(&mut self, bits: u8) -> Result<u8, Error> {
        Ok(self.read(bits)?.to_le_bytes()[0])
    }

    /// At most 16 bits.
    pub(super) fn short(&mut self, bits: u8) -> Result<u16, Error> {
        let [low, high, ..] = self.read(bits)?.to_le_bytes();
        Ok(u16::from_le_bytes([low, high]))
    }

    pub(super) fn skip(&mut self, bits: u8) -> Result<(), Error> {
        (0..bits).try_for_each(|_| self.flag().map(drop))
    }

    /// A number with as many bits as there are zeros before it.
    pub(super) fn skip_exponential(&mut self) -> Result<(), Error> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        self.skip(if zeros < 32 { zeros } else { 0 })
    }

    /// A number below `end`, of as few bits as that may have.
    fn below(&mut self, end: u32) -> Result<u32, Error> {
        let bits = u8::try_from(end.max(1).ilog2() + 1).unwrap_or(32);
        let short = (1_u32 << bits) - end;
        let number = self.read(bits - 1)?;
        Ok(if number < short { number } else { (number << 1 | u32::from(self.flag()?)) - short })
    }

    /// How many flags are set before one that is not, of at most so many.
    fn ones(&mut self, most: u32) -> Result<u32, Error> {
        let mut ones = 0;
        while ones < most && self.flag()? {
            ones += 1;
        }
        Ok(ones)
    }
}

/// Most columns and rows of tiles.
const MOST: u32 = 64;

/// How many tiles a frame of so many coded pixels has.
pub(super) fn tiles(bits: &mut Bits, (width, height): (u32, u32), is_coarse: bool) -> Result<u32, Error> {
    let block = if is_coarse { 7 } else { 6 };
    let (columns, rows) = (width.div_ceil(1 << block), height.div_ceil(1 << block));
    let (widest, largest) = (4096 >> block, (4096 * 2304) >> (2 * block));
    let least_columns = doublings(widest, columns);
    let least = doublings(largest, columns * rows).max(least_columns);
    if bits.flag()? {
        let across = least_columns + bits.ones(doublings(1, columns.min(MOST)).saturating_sub(least_columns))?;
        let least_rows = least.saturating_sub(across);
        let down = least_rows + bits.ones(doublings(1, rows.min(MOST)).saturating_sub(least_rows))?;
        let parts = |blocks: u32, doublings: u32| blocks.div_ceil(1 + ((blocks - 1) >> doublings));
        return Ok(parts(columns, across) * parts(rows, down));
    }
    let (across, wide) = sizes(bits, columns, widest)?;
    let area = if least > 0 { (columns * rows) >> (least + 1) } else { columns * rows };
    let (down, _) = sizes(bits, rows, (area / wide.max(1)).max(1))?;
    Ok(across * down)
}

/// How many parts so many blocks are cut into, and the most blocks that one has.
fn sizes(bits: &mut Bits, blocks: u32, most: u32) -> Result<(u32, u32), Error> {
    let (mut done, mut parts, mut widest) = (0, 0, 0);
    while done < blocks && parts < MOST {
        let length = 1 + bits.below((blocks - done).min(most))?;
        (done, parts, widest) = (done + length, parts + 1, widest.max(length));
    }
    Ok((parts, widest))
}

/// How often `size` is doubled until it is at least `wanted`.
fn doublings(size: u32, wanted: u32) -> u32 {
    (0..31).find(|&doublings| size << doublings >= wanted).unwrap_or(31)
}
