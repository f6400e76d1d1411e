//! Bits → the coefficients of a block.

#![allow(clippy::inline_always, reason = "for the registers, and for the caller's target features")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "values have 16 bits")]

use crate::{
    bits::{Bytes, Reader},
    error::ErrorKind,
    huffman::{Ac, Codes, END, KEEP, Long, MORE, SKIP, extend, is_end, meaning, value},
};

/// A code of any length.
#[inline(always)]
fn long(reader: &mut Reader, table: &Long) -> Result<u8, ErrorKind> {
    let (length, symbol) = table.read(reader.peek(16) as u32).ok_or(ErrorKind::BadCode)?;
    reader.consume(length);
    Ok(symbol)
}

/// A DC difference.
#[inline(always)]
pub(crate) fn difference(reader: &mut Reader, bytes: &Bytes, codes: &Codes) -> Result<i32, ErrorKind> {
    reader.refill(bytes);
    let entry = codes.keep[reader.peek(KEEP)];
    if is_short(entry) {
        reader.consume(entry);
        return Ok(entry as i32 >> 16);
    }
    let size = if entry == 0 {
        u32::from(long(reader, &codes.long)?)
    } else {
        reader.consume(entry);
        entry >> 16
    };
    Ok(extend(reader.take(size), size))
}

/// One coefficient: by how much it advances the index, and its value.
#[inline(always)]
pub(crate) fn coefficient(reader: &mut Reader, bytes: &Bytes, codes: &Codes) -> Result<(u32, i32), ErrorKind> {
    reader.refill(bytes);
    coefficient_of(reader, codes.keep[reader.peek(KEEP)], codes)
}

/// The same of an `entry` of [`Codes::keep`], when at least 31 bits are there. A short one takes at most [`KEEP`].
#[inline(always)]
fn coefficient_of(reader: &mut Reader, entry: u32, codes: &Codes) -> Result<(u32, i32), ErrorKind> {
    if is_short(entry) {
        reader.consume(entry);
        return Ok((entry >> 6 & 511, entry as i32 >> 16));
    }
    if entry == 0 {
        let symbol = long(reader, &codes.long)?;
        let (advance, size) = meaning(symbol);
        return Ok((advance, value(symbol, advance, reader.take(size), size)));
    }
    reader.consume(entry);
    let size = entry >> 16;
    Ok((entry >> 6 & 511, extend(reader.take(size), size)))
}

/// Whether an entry of [`Codes::keep`] holds the whole value.
#[inline(always)]
fn is_short(entry: u32) -> bool {
    entry & MORE == 0 && entry != 0
}

/// Passes over the coefficients from `index` on.
#[inline(always)]
pub(crate) fn skip(reader: &mut Reader, bytes: &Bytes, table: &Ac, mut index: u32) -> Result<(), ErrorKind> {
    loop {
        reader.refill(bytes);
        for _ in 0..2 {
            let entry = u32::from(table.skip[reader.peek(SKIP)]);
            let next = index + (entry >> 6);
            if next < 64 {
                reader.consume(entry);
                index = next;
                continue;
            }
            if is_end(next) {
                reader.consume(entry);
                return Ok(());
            }
            // a code that is too long for the table, or the entry reaches into the next block
            index += coefficient(reader, bytes, &table.codes)?.0;
            if index >= 64 {
                return if is_end(index) { Ok(()) } else { Err(ErrorKind::TooManyCoefficients) };
            }
            // it may have taken 31 bits: too few are left for another entry
            break;
        }
    }
}

/// Stores the coefficients up to index `last` that `places` have a place for in `block`, and passes over the others.
#[inline(always)]
pub(crate) fn keep(
    reader: &mut Reader,
    bytes: &Bytes,
    table: &Ac,
    last: u32,
    places: &[u16; 64],
    block: &mut [i16],
) -> Result<(), ErrorKind> {
    let mut index = 1;
    while index <= last {
        reader.refill(bytes);
        // of 56 bits, two short ones leave enough for any
        for _ in 0..3 {
            let entry = table.codes.keep[reader.peek(KEEP)];
            let (advance, value) = coefficient_of(reader, entry, &table.codes)?;
            index += advance;
            if index > 64 {
                return if index >= END { Ok(()) } else { Err(ErrorKind::TooManyCoefficients) };
            }
            block[usize::from(places[(index - 1) as usize & 63])] = value as i16;
            if index > last || !is_short(entry) {
                break;
            }
        }
    }
    if index < 64 { skip(reader, bytes, table, index) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    use crate::{bits::Data, huffman::Spec};

    #[test]
    fn the_longest_coefficients_are_passed_over_one_after_the_other() {
        // 0: end of the block; codes of 12 and 16 bits: a coefficient of 15 bits
        let mut content = [0; 19];
        (content[0], content[11], content[15]) = (1, 1, 1);
        content[16..].copy_from_slice(&[0x00, 0x0F, 0x0F]);
        let ac = Ac::new(&Spec::parse(&content).unwrap().0);
        let pair = format!("{:016b}{:015b}{:012b}{:015b}", 0x8010, 0x4AAA, 0x800, 0x5555);
        let mut bits = pair.repeat(20) + "0";
        let length = bits.len();
        bits += &"0".repeat(8 - length % 8);
        let bytes: Vec<u8> =
            bits.as_bytes().chunks(8).map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap()).collect();
        let stop = AtomicBool::new(false);
        let mut data = Data::new(&bytes, &stop);
        let mut reader = data.restart_at(0);
        skip(&mut reader, data.bytes(), &ac, 1).unwrap();
        assert_eq!(reader.taken(), length);
    }
}
