//! Entropy-coded bytes of a JPEG → differences of DC coefficients.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "at most 16 bits at a time")]

const FAST: u32 = 9;

/// A Huffman table.
pub(super) struct Codes {
    /// Length and value by the next [`FAST`] bits; length 0 where the code is longer.
    fast: Vec<(u8, u8)>,
    /// For each length: the first code that is longer, on 16 bits, and what to add to a code for the index of its value.
    longer: [(u32, i32); 17],
    values: Vec<u8>,
}

impl Codes {
    pub(super) fn new(lengths: &[u8], values: &[u8]) -> Option<Self> {
        let mut codes = Self { fast: vec![(0, 0); 1 << FAST], longer: [(0, 0); 17], values: values.to_vec() };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(lengths) {
            let offset = i32::try_from(index).ok()? - i32::try_from(code).ok()?;
            for _ in 0..count {
                if code >> length != 0 {
                    return None;
                }
                if length <= FAST {
                    let start = (code << (FAST - length)) as usize;
                    codes.fast[start..start + (1 << (FAST - length))].fill((length as u8, values[index]));
                }
                code += 1;
                index += 1;
            }
            codes.longer[length as usize] = (code << (16 - length), offset);
            code <<= 1;
        }
        Some(codes)
    }

    /// Length and value of the code at the start of 16 bits.
    fn read(&self, bits: u32) -> Option<(u32, u8)> {
        let (length, value) = self.fast[(bits >> (16 - FAST)) as usize];
        if length > 0 {
            return Some((u32::from(length), value));
        }
        let length = (FAST + 1..=16).find(|&length| bits < self.longer[length as usize].0)?;
        let index = (bits >> (16 - length)) as i32 + self.longer[length as usize].1;
        Some((length, *self.values.get(usize::try_from(index).ok()?)?))
    }
}

/// The bits of a scan; zeros after its end, and after a restart marker until it is passed.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
    /// How many of `count` were not in the data.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, count: 0, made_up: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.at += 2;
                    0xFF
                }
                (Some(0xFF) | None, _) => {
                    self.made_up += 8;
                    0
                }
                (Some(&byte), _) => {
                    self.at += 1;
                    byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn take(&mut self, count: u32) -> u32 {
        let value = if count == 0 { 0 } else { (self.buffer >> (64 - count)) as u32 };
        self.buffer <<= count;
        self.count -= count;
        value
    }

    pub(super) fn bit(&mut self) -> bool {
        if self.count == 0 {
            self.fill();
        }
        self.take(1) == 1
    }

    /// A coefficient's difference to the one before.
    pub(super) fn difference(&mut self, codes: &Codes) -> Option<i32> {
        if self.count < 32 {
            self.fill();
        }
        let (length, size) = codes.read((self.buffer >> 48) as u32)?;
        self.take(length);
        let size = u32::from(size);
        if size > 15 {
            return None;
        }
        let value = self.take(size) as i32;
        Some(if size > 0 && value >> (size - 1) == 0 { value - (1 << size) + 1 } else { value })
    }

    pub(super) fn overrun(&self) -> bool {
        self.count < self.made_up
    }

    pub(super) fn restart(&mut self) -> Option<()> {
        let marker = self.data.get(self.at..self.at + 2);
        if self.overrun() || !matches!(marker, Some([0xFF, 0xD0..=0xD7])) {
            return None;
        }
        *self = Self { at: self.at + 2, ..Self::new(self.data) };
        Some(())
    }
}
