//! Huffman tables of a file → tables that read several bits at once.
//!
//! There are two: one gives a coefficient with the run of zeros before it, one passes over as many coefficients as fit.

#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss, reason = "codes have 16 bits, values 16")]

/// Bits that [`Codes::keep`] looks at.
pub(crate) const KEEP: u32 = 10;
/// Bits that [`Ac::skip`] looks at.
pub(crate) const SKIP: u32 = 12;

/// Bits of an entry of [`Ac::skip`], so that two steps need one refill of 56 bits.
const MOST_SKIPPED: u32 = 28;

/// The table as a file has it.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    lengths: [u8; 16],
    values: Vec<u8>,
}

impl Spec {
    /// From the content of a DHT segment: the table, and what follows it.
    pub(crate) fn parse(content: &[u8]) -> Option<(Self, &[u8])> {
        let (lengths, rest) = content.split_first_chunk::<16>()?;
        let count = lengths.iter().map(|&count| usize::from(count)).sum();
        let (values, rest) = rest.split_at_checked(count)?;
        let full = (1..=16).try_fold(0_u32, |code, length| {
            let next = code + u32::from(lengths[length - 1]);
            (next <= 1 << length).then_some(next << 1)
        });
        (count <= 256 && full.is_some()).then(|| (Self { lengths: *lengths, values: values.to_vec() }, rest))
    }

    /// Code, length, value.
    fn codes(&self) -> impl Iterator<Item = (u32, u32, u8)> {
        let mut code = 0;
        let mut values = self.values.iter();
        (1_u32..).zip(self.lengths).flat_map(move |(length, count)| {
            let first = code;
            code = (code + u32::from(count)) << 1;
            (first..)
                .zip(values.by_ref().take(usize::from(count)).copied().collect::<Vec<_>>())
                .map(move |(code, value)| (code, length, value))
        })
    }
}

/// Codes of any length.
#[derive(Clone, Debug)]
pub(crate) struct Long {
    /// For each length: the first 16 bits that are beyond its codes, and what to add to a code for the index of its value.
    limits: [(u32, i32); 17],
    values: [u8; 256],
}

impl Long {
    fn new(spec: &Spec) -> Self {
        let mut long = Self { limits: [(0, 0); 17], values: [0; 256] };
        long.values[..spec.values.len()].copy_from_slice(&spec.values);
        let (mut code, mut index) = (0_u32, 0_i32);
        for (length, &count) in (1_u32..).zip(&spec.lengths) {
            let offset = index - code as i32;
            code += u32::from(count);
            index += i32::from(count);
            long.limits[length as usize] = (code << (16 - length), offset);
            code <<= 1;
        }
        long
    }

    /// Length and value of the code at the start of 16 bits; by value, so that a reader can stay in registers.
    #[cold]
    #[inline(never)]
    pub(crate) fn read(&self, bits: u32) -> Option<(u32, u8)> {
        let length = (1..=16).find(|&length| bits < self.limits[length as usize].0)?;
        let index = (bits >> (16 - length)) as i32 + self.limits[length as usize].1;
        Some((length, self.values[usize::from(index as u8)]))
    }
}

/// A table of DC differences, or of AC coefficients one by one.
pub(crate) struct Codes {
    /// By the next [`KEEP`] bits: bits to take, 6 bits; advance of the index, 9 bits; then either the value, from bit 16 on, or if
    /// [`MORE`] is set, of how many more bits it is. 0: a longer code.
    pub(crate) keep: Box<[u32; 1 << KEEP]>,
    pub(crate) long: Long,
}

/// A table of AC coefficients.
pub(crate) struct Ac {
    pub(crate) codes: Codes,
    /// By the next [`SKIP`] bits: bits to take, 6 bits; advance of the index. Several coefficients at once.
    pub(crate) skip: Box<[u16; 1 << SKIP]>,
}

/// In [`Codes::keep`].
pub(crate) const MORE: u32 = 1 << 15;
/// An advance that ends the block.
pub(crate) const END: u32 = 256;
/// An advance of [`Ac::skip`] that stands for a code which is too long for the table.
const TOO_LONG: u32 = 128;

/// Whether a sum of advances ends a block where it should.
pub(crate) fn is_end(index: u32) -> bool {
    index == 64 || (END..END + 64).contains(&index)
}

/// Advance of the index, and bits of the coefficient, for the value of an AC code.
pub(crate) fn meaning(value: u8) -> (u32, u32) {
    let (run, size) = (u32::from(value >> 4), u32::from(value & 15));
    match (run, size) {
        (15, 0) => (16, 0),
        (_, 0) => (END, 0),
        _ => (run + 1, size),
    }
}

/// The value of `symbol` with these meaning and bits.
pub(crate) fn value(symbol: u8, advance: u32, bits: u32, size: u32) -> i32 {
    if advance == END { i32::from(symbol >> 4) } else { extend(bits, size) }
}

/// A coefficient from its `size` bits.
pub(crate) fn extend(bits: u32, size: u32) -> i32 {
    // a first bit of zero stands for a negative value
    let negative = (bits as i32) < (1 << size >> 1);
    bits as i32 - if negative { (1 << size) - 1 } else { 0 }
}

#[allow(clippy::unnecessary_box_returns, reason = "tables are large")]
fn table<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    // never on the stack
    vec![T::default(); N].into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("the length is N"))
}

impl Codes {
    /// `None` for a difference of more than 15 bits.
    pub(crate) fn dc(spec: &Spec) -> Option<Self> {
        let valid = spec.values.iter().all(|&size| size < 16);
        valid.then(|| Self::new(spec, |size| (0, u32::from(size))))
    }

    /// The value of a code that ends the block is its run.
    pub(crate) fn ac(spec: &Spec) -> Self {
        Self::new(spec, meaning)
    }

    fn new(spec: &Spec, meaning: impl Fn(u8) -> (u32, u32)) -> Self {
        let mut keep = table();
        for (code, length, symbol) in spec.codes().filter(|code| code.1 <= KEEP) {
            let (advance, size) = meaning(symbol);
            let free = KEEP - length;
            for (rest, entry) in (0_u32..).zip(&mut keep[(code << free) as usize..((code + 1) << free) as usize]) {
                let rest = if size <= free {
                    value(symbol, advance, rest >> (free - size), size) << 16 | (length + size) as i32
                } else {
                    (size << 16 | MORE | length) as i32
                };
                *entry = rest as u32 | advance << 6;
            }
        }
        Self { keep, long: Long::new(spec) }
    }
}

impl Ac {
    pub(crate) fn new(spec: &Spec) -> Self {
        // one coefficient: length of the code, of all, advance
        let mut single: Box<[(u8, u8, u16); 1 << SKIP]> = table();
        for (code, length, value) in spec.codes().filter(|code| code.1 <= SKIP) {
            let (advance, size) = meaning(value);
            let free = SKIP - length;
            single[(code << free) as usize..((code + 1) << free) as usize].fill((length as u8, (length + size) as u8, advance as u16));
        }
        let mut skip = table();
        for (index, entry) in skip.iter_mut().enumerate() {
            let (mut taken, mut advance) = (0_u32, 0_u32);
            loop {
                // what lies beyond the bits that are known is zero here, so only codes that end before it count
                let (length, all, next) = if taken < SKIP { single[(index << taken) & ((1 << SKIP) - 1)] } else { (0, 0, 0) };
                let fits = length > 0 && taken + u32::from(length) <= SKIP && taken + u32::from(all) <= MOST_SKIPPED;
                if !fits || advance + u32::from(next) % END > 64 {
                    break;
                }
                taken += u32::from(all);
                advance += u32::from(next);
                if advance >= END {
                    break;
                }
            }
            *entry = (if taken == 0 { TOO_LONG << 6 } else { advance << 6 | taken }) as u16;
        }
        Self { codes: Codes::ac(spec), skip }
    }
}
