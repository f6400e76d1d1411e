//! The head of a lossless bitstream → what its Huffman tables take, of which no size in the file tells.
//!
//! Blocks of a picture may have groups of tables of their own, up to 65,536 groups. Libwebp allocates all of them at their largest when it
//! has read which block has which group: a small picture in a small file can ask for 1.2 GB. What is read here is just that much of the
//! bitstream. Of the images that come before, only their length matters, and of the one with the groups its literal pixels:
//! copies repeat what was there.
//!
//! Below the header of WebP, above nothing: bits in, a number out.

/// Bytes of a group: its tables at most, by the bits of the colour cache, and what libwebp knows of them.
const GROUP: [u64; 12] = [2954, 2956, 2958, 2962, 2970, 2986, 3018, 3082, 3212, 3468, 3980, 5004];
const ENTRY: u64 = 4;
const ABOUT_A_GROUP: u64 = 640;

/// Colours of a literal, codes of lengths, codes of distances.
const LITERALS: usize = 256;
const LENGTHS: usize = 24;
const DISTANCES: usize = 40;
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Larger pictures are not parsed, and their tables count as the largest: hardly anybody admits so many pixels.
const MOST_PIXELS: u64 = 1 << 27;

/// Bytes for the tables of a picture of `width` by `height` whose bitstream, behind its size, is `data`. A broken one has none.
pub(crate) fn tables(data: &[u8], width: u32, height: u32) -> u64 {
    let (cache, groups) = if u64::from(width) * u64::from(height) > MOST_PIXELS {
        (GROUP.len() - 1, 1 << 16)
    } else {
        head(&mut Bits { data, at: 0 }, width, height).unwrap_or((0, 1))
    };
    groups * (GROUP[cache] * ENTRY + ABOUT_A_GROUP) + 65_536 * 4
}

/// Bits of the colour cache, and how many groups there are.
fn head(bits: &mut Bits, mut width: u32, height: u32) -> Option<(usize, u64)> {
    while bits.take(1)? == 1 {
        match bits.take(2)? {
            0 | 1 => {
                let block = bits.take(3)? + 2;
                image(bits, blocks(width, block) * blocks(height, block), |_| ())?;
            }
            2 => {}
            _ => {
                let colours = bits.take(8)? + 1;
                image(bits, u64::from(colours), |_| ())?;
                let packed = [16, 4, 2].iter().filter(|most| colours <= **most).count();
                width = width.div_ceil(1 << packed);
            }
        }
    }
    let cache = cache_bits(bits)?;
    if bits.take(1)? == 0 {
        return Some((cache, 1));
    }
    let block = bits.take(3)? + 2;
    let (mut seen, mut most) = (vec![0_u64; 1024], 0);
    image(bits, blocks(width, block) * blocks(height, block), |group| {
        seen[group / 64] |= 1 << (group % 64);
        most = most.max(group as u64);
    })?;
    let different: u32 = seen.iter().map(|word| word.count_ones()).sum();
    // up to 1000 are allocated as they are numbered, more by those in use
    let all = most + 1;
    Some((cache, if all > 1000 || all > u64::from(width) * u64::from(height) { u64::from(different) } else { all }))
}

fn blocks(side: u32, bits: u32) -> u64 {
    u64::from(side.div_ceil(1 << bits))
}

fn cache_bits(bits: &mut Bits) -> Option<usize> {
    let bits = if bits.take(1)? == 1 { bits.take(4)? as usize } else { 0 };
    (bits < GROUP.len()).then_some(bits)
}

/// Passes over an image of `pixels`; `literal` is told red and green of those that are written out.
fn image(bits: &mut Bits, pixels: u64, mut literal: impl FnMut(usize)) -> Option<()> {
    let cache = cache_bits(bits)?;
    let cached = if cache > 0 { 1 << cache } else { 0 };
    let green = Code::read(bits, LITERALS + LENGTHS + cached)?;
    let [red, blue, alpha] = [Code::read(bits, LITERALS)?, Code::read(bits, LITERALS)?, Code::read(bits, LITERALS)?];
    let distance = Code::read(bits, DISTANCES)?;
    let mut done = 0;
    while done < pixels {
        let symbol = green.next(bits)?;
        if symbol < LITERALS {
            let red = red.next(bits)?;
            blue.next(bits)?;
            alpha.next(bits)?;
            literal(red << 8 | symbol);
            done += 1;
        } else if symbol < LITERALS + LENGTHS {
            done += number(bits, symbol - LITERALS)?;
            let symbol = distance.next(bits)?;
            number(bits, symbol)?;
        } else {
            done += 1;
        }
    }
    Some(())
}

/// A length or a distance, of which `symbol` is the beginning.
fn number(bits: &mut Bits, symbol: usize) -> Option<u64> {
    let symbol = u32::try_from(symbol).ok()?;
    if symbol < 4 {
        return Some(u64::from(symbol) + 1);
    }
    let extra = (symbol - 2) >> 1;
    Some((u64::from(2 + (symbol & 1)) << extra) + u64::from(bits.take(extra)?) + 1)
}

/// From the lowest bit on.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next 32 bits; zeros behind the end, as libwebp has them for a while.
    fn peek(&self) -> u32 {
        let rest = self.data.get(self.at / 8..).unwrap_or_default();
        let mut bytes = [0; 8];
        let length = rest.len().min(8);
        bytes[..length].copy_from_slice(&rest[..length]);
        let [low, high] = [0, 4].map(|at| u64::from(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])));
        u32::try_from((high << 32 | low) >> (self.at % 8) & u64::from(u32::MAX)).unwrap_or(0)
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let value = u64::from(self.peek()) & ((1 << count) - 1);
        self.at += count as usize;
        (self.at <= self.data.len() * 8 + 64).then(|| u32::try_from(value).unwrap_or(0))
    }
}

/// Bits that are looked up at once.
const FAST: u32 = 8;

/// A Huffman code.
struct Code {
    /// For each value of the next bits: the symbol and its bits, 0 if it has more.
    fast: Vec<(u16, u8)>,
    /// For each number of bits: the first code, and how many there are.
    ranges: [(u32, u32); 16],
    /// In the order of their codes.
    symbols: Vec<u16>,
}

impl Code {
    fn read(bits: &mut Bits, symbols: usize) -> Option<Self> {
        let mut lengths = vec![0_u8; symbols];
        if bits.take(1)? == 1 {
            let second = bits.take(1)? == 1;
            let first = if bits.take(1)? == 1 { 8 } else { 1 };
            *lengths.get_mut(bits.take(first)? as usize)? = 1;
            if second {
                *lengths.get_mut(bits.take(8)? as usize)? = 1;
            }
            return Self::new(&lengths);
        }
        let mut of_lengths = [0; 19];
        let count = bits.take(4)? as usize + 4;
        for &place in ORDER.get(..count)? {
            of_lengths[place] = u8::try_from(bits.take(3)?).ok()?;
        }
        let code = Self::new(&of_lengths)?;
        let mut left = symbols;
        if bits.take(1)? == 1 {
            let width = 2 + 2 * bits.take(3)?;
            left = 2 + bits.take(width)? as usize;
        }
        let (mut at, mut previous) = (0, 8);
        while at < symbols && left > 0 {
            left -= 1;
            let (length, repeat) = match code.next(bits)? {
                16 => (previous, bits.take(2)? + 3),
                17 => (0, bits.take(3)? + 3),
                18 => (0, bits.take(7)? + 11),
                length => (u8::try_from(length).ok()?, 1),
            };
            if length != 0 {
                previous = length;
            }
            lengths.get_mut(at..at + repeat as usize)?.fill(length);
            at += repeat as usize;
        }
        Self::new(&lengths)
    }

    fn new(lengths: &[u8]) -> Option<Self> {
        let mut ranges = [(0, 0); 16];
        for &length in lengths.iter().filter(|length| **length > 0) {
            ranges.get_mut(usize::from(length))?.1 += 1;
        }
        let mut next = 0;
        for range in &mut ranges[1..] {
            range.0 = next;
            next = (next + range.1) << 1;
        }
        let mut symbols: Vec<u16> = (0..u16::try_from(lengths.len()).ok()?).filter(|&symbol| lengths[usize::from(symbol)] > 0).collect();
        symbols.sort_by_key(|&symbol| lengths[usize::from(symbol)]);
        let mut code = Self { fast: vec![(0, 0); 1 << FAST], ranges, symbols };
        code.fill_fast(lengths);
        (!code.symbols.is_empty()).then_some(code)
    }

    fn fill_fast(&mut self, lengths: &[u8]) {
        let mut next = self.ranges.map(|range| range.0);
        for &symbol in &self.symbols {
            let length = lengths[usize::from(symbol)];
            let code = next[usize::from(length)];
            next[usize::from(length)] += 1;
            if u32::from(length) <= FAST {
                let start = (code.reverse_bits() >> (32 - u32::from(length))) as usize;
                self.fast.iter_mut().skip(start).step_by(1 << length).for_each(|entry| *entry = (symbol, length));
            }
        }
    }

    /// The next symbol; the only one of a code takes no bits.
    fn next(&self, bits: &mut Bits) -> Option<usize> {
        if let [symbol] = self.symbols[..] {
            return Some(usize::from(symbol));
        }
        let ahead = bits.peek();
        if let (symbol, length @ 1..) = self.fast[(ahead & ((1 << FAST) - 1)) as usize] {
            bits.take(u32::from(length))?;
            return Some(usize::from(symbol));
        }
        let (mut code, mut before) = (0, 0);
        for (length, &(first, count)) in (1_u32..).zip(&self.ranges[1..]) {
            code = code << 1 | (ahead >> (length - 1) & 1);
            if code >= first && code - first < count {
                bits.take(length)?;
                return self.symbols.get((before + code - first) as usize).map(|&symbol| usize::from(symbol));
            }
            before += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channels::Channels, tests::drawing};

    #[test]
    fn counts_groups() {
        for groups in [1, 7, 1000, 1001, 60_000] {
            let file = hostile::webp_groups(1000, groups);
            assert_eq!(head(&mut Bits { data: &file[25..], at: 0 }, 1000, 1000), Some((0, u64::from(groups))));
        }
        assert!(tables(&hostile::webp_groups(1000, 60_000)[25..], 1000, 1000) > 700_000_000);
        assert!(tables(b"", 1000, 1000) < 300_000);
    }

    #[test]
    fn reads_what_encoders_write() {
        for (width, height) in [(1, 1), (64, 48), (333, 222)] {
            for picture in [drawing::noisy(width, height, Channels::Rgba), drawing::gradient(width, height, Channels::Rgba)] {
                let file = drawing::lossless_webp(&picture);
                let found = head(&mut Bits { data: &file[25..], at: 0 }, width, height);
                assert!(found.is_some_and(|(_, groups)| groups < 100), "{width} {found:?}");
            }
        }
    }
}
