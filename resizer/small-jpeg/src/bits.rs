//! Symbols → counts of them, or the bits of a scan.
//!
//! Below the scans, above the codes.

use crate::huffman::Code;

/// Tables of a scan: DC and DC of chroma, AC and AC of chroma.
pub(crate) const TABLES: usize = 4;
/// The first for AC coefficients.
pub(crate) const AC: usize = 2;

/// What a scan is told to.
pub(crate) trait Sink {
    /// A symbol of one of the scan's tables, and so many bits after it.
    fn symbol(&mut self, table: usize, symbol: u8, extra: u32, bits: u32);
    /// Bits alone.
    fn bits(&mut self, extra: u32, bits: u32);
}

/// Counts of the symbols of each table, and of the bits beside them.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pub(crate) symbols: [[u32; 256]; TABLES],
    pub(crate) bits: u64,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self { symbols: [[0; 256]; TABLES], bits: 0 }
    }
}

impl Sink for Counts {
    #[inline(always)]
    fn symbol(&mut self, table: usize, symbol: u8, _: u32, bits: u32) {
        self.symbols[table % TABLES][usize::from(symbol)] += 1;
        self.bits += u64::from(bits);
    }

    #[inline(always)]
    fn bits(&mut self, _: u32, bits: u32) {
        self.bits += u64::from(bits);
    }
}

/// Writes the bits of a scan to a file.
pub(crate) struct Writer<'a> {
    file: &'a mut Vec<u8>,
    codes: [&'a [(u16, u8); 256]; TABLES],
    /// Bits that are not yet written, the last one lowest.
    held: u64,
    count: u32,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(file: &'a mut Vec<u8>, codes: [&'a Code; TABLES]) -> Self {
        Self { file, codes: codes.map(|code| &code.codes), held: 0, count: 0 }
    }

    #[inline(always)]
    fn put(&mut self, bits: u64, count: u32) {
        self.held = self.held << count | bits;
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            self.write((self.held >> self.count) as u32);
        }
    }

    /// A zero follows each byte of ones.
    #[inline(always)]
    fn write(&mut self, word: u32) {
        let bytes = word.to_be_bytes();
        // whether one is 255: then its complement is zero
        let complement = !word;
        if complement.wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
            self.file.extend_from_slice(&bytes);
        } else {
            for byte in bytes {
                self.byte(byte);
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        self.file.push(byte);
        if byte == 0xFF {
            self.file.push(0);
        }
    }

    /// Fills up the last byte with ones.
    pub(crate) fn finish(mut self) {
        let fill = (8 - self.count % 8) % 8;
        self.held = self.held << fill | ((1 << fill) - 1);
        self.count += fill;
        while self.count > 0 {
            self.count -= 8;
            self.byte((self.held >> self.count) as u8);
        }
    }
}

impl Sink for Writer<'_> {
    #[inline(always)]
    fn symbol(&mut self, table: usize, symbol: u8, extra: u32, bits: u32) {
        let (code, length) = self.codes[table % TABLES][usize::from(symbol)];
        self.put(u64::from(code) << bits | u64::from(extra), u32::from(length) + bits);
    }

    #[inline(always)]
    fn bits(&mut self, extra: u32, bits: u32) {
        self.put(u64::from(extra), bits);
    }
}
