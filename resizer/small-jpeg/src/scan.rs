//! Coefficients → the symbols of one scan.
//!
//! Below the script, above the sink.

use crate::{
    bits::{AC, Sink},
    coefficients::{Coefficients, Places, Plane},
    order::ZIGZAG,
    trellis::Block,
};

/// What a scan holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of all components.
    Whole,
    /// The DC coefficients of all components.
    Dc,
    /// The AC coefficients from place `first` to `last` of one component, without their `low` lowest bits.
    Ac { component: u8, first: u8, last: u8, low: u8 },
    /// Bit `low` of those.
    AcNext { component: u8, first: u8, last: u8, low: u8 },
}

/// A block that ends early, or a run of them.
const END: u8 = 0;
/// Blocks that one symbol ends at most.
const LONGEST: u32 = 0x7FFF;
/// Bits that wait for the symbol of their run at most.
const WAITING: u32 = 1000;

/// Tells all symbols of a scan.
pub(crate) fn walk(part: Part, all: &Coefficients, sink: &mut impl Sink) {
    match part {
        Part::Whole => whole(all, sink),
        Part::Dc => dc(all, sink),
        Part::Ac { component, first, last, low } => ac(all, component, (first, last), low, sink),
        Part::AcNext { component, first, last, low } => ac_next(all, component, (first, last), low, sink),
    }
}

/// Tells of each block, by MCUs, in which component's plane and where it is.
#[inline(always)]
fn each(all: &Coefficients, mut tell: impl FnMut(&Plane, usize, usize)) {
    for row in (0..all.frame.mcu_rows).take_while(|_| !all.is_stopped()) {
        for column in 0..all.frame.mcu_columns {
            for (number, (plane, component)) in all.planes.iter().zip(all.frame.components()).enumerate() {
                for y in 0..component.down {
                    let start = (row * component.down + y) * component.stride + column * component.across;
                    (start..start + component.across).for_each(|at| tell(plane, at, number));
                }
            }
        }
    }
}

/// A number's size in bits, and how a file holds it.
#[inline(always)]
fn coded(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = if value < 0 { value - 1 } else { value };
    (size, bits as u32 & ((1 << size) - 1))
}

fn dc(all: &Coefficients, sink: &mut impl Sink) {
    let mut before = [0; 3];
    each(all, |plane, at, component| {
        let value = i32::from(plane.blocks[at][0]);
        let (size, bits) = coded(value - before[component]);
        before[component] = value;
        sink.symbol(component.min(1), size as u8, bits, size);
    });
}

fn whole(all: &Coefficients, sink: &mut impl Sink) {
    let mut before = [0; 3];
    each(all, |plane, at, component| {
        let block = &plane.blocks[at];
        let value = i32::from(block[0]);
        let (size, bits) = coded(value - before[component]);
        before[component] = value;
        let table = component.min(1);
        sink.symbol(table, size as u8, bits, size);
        let mut place = 0;
        coefficients(plane.places[at].set, block, 0, |next, value| {
            run(table + AC, next - place - 1, value, sink);
            place = next;
        });
        if place < 63 {
            sink.symbol(table + AC, END, 0, 0);
        }
    });
}

/// Tells of each coefficient that is not zero without its `low` lowest bits.
#[inline(always)]
fn coefficients(mut places: u64, block: &Block, low: u8, mut tell: impl FnMut(u32, i32)) {
    while places != 0 {
        let place = places.trailing_zeros();
        places &= places - 1;
        let value = i32::from(block[usize::from(ZIGZAG[place as usize])]);
        let value = if low == 0 { value } else { value.signum() * (value.abs() >> low) };
        if value != 0 {
            tell(place, value);
        }
    }
}

/// A coefficient after so many zeros.
#[inline(always)]
fn run(table: usize, mut zeros: u32, value: i32, sink: &mut impl Sink) {
    while zeros > 15 {
        sink.symbol(table, 0xF0, 0, 0);
        zeros -= 16;
    }
    let (size, bits) = coded(value);
    sink.symbol(table, (zeros << 4 | size) as u8, bits, size);
}

/// Places from the first to the last.
fn band((first, last): (u8, u8)) -> u64 {
    u64::MAX << first & u64::MAX >> (63 - last)
}

/// The symbol that ends so many blocks.
fn end_blocks(blocks: &mut u32, sink: &mut impl Sink) {
    if *blocks > 0 {
        let bits = blocks.ilog2();
        sink.symbol(AC, (bits << 4) as u8, *blocks & ((1 << bits) - 1), bits);
        *blocks = 0;
    }
}

fn ac(all: &Coefficients, component: u8, places: (u8, u8), low: u8, sink: &mut impl Sink) {
    let (plane, band, mut ended) = (&all.planes[usize::from(component)], band(places), 0);
    for at in plane.with_samples(all.stop) {
        let mut before = u32::from(places.0) - 1;
        coefficients(plane.places[at].without(low) & band, &plane.blocks[at], low, |place, value| {
            end_blocks(&mut ended, sink);
            run(AC, place - before - 1, value, sink);
            before = place;
        });
        if before < u32::from(places.1) {
            ended += 1;
            if ended == LONGEST {
                end_blocks(&mut ended, sink);
            }
        }
    }
    end_blocks(&mut ended, sink);
}

/// Bits of blocks that have ended, which follow the symbol that says so: at most 32 in each piece.
#[derive(Default)]
struct Waiting {
    pieces: Vec<(u32, u32)>,
    count: u32,
}

impl Waiting {
    /// The symbol, and they.
    #[inline(always)]
    fn end(&mut self, blocks: &mut u32, sink: &mut impl Sink) {
        if *blocks > 0 {
            end_blocks(blocks, sink);
            self.pieces.drain(..).for_each(|(bits, count)| sink.bits(bits, count));
            self.count = 0;
        }
    }
}

/// Bit `low` of the coefficients at these places, at most 32 bits at a time.
#[inline(always)]
fn bits_of(mut places: u64, block: &Block, low: u8, mut tell: impl FnMut(u32, u32)) {
    while places != 0 {
        let (mut bits, mut count) = (0, 0);
        while places != 0 && count < 32 {
            let value = block[usize::from(ZIGZAG[places.trailing_zeros() as usize])];
            places &= places - 1;
            bits = bits << 1 | u32::from(value.unsigned_abs() >> low & 1);
            count += 1;
        }
        tell(bits, count);
    }
}

/// The coefficients of a block that are one without their lowest bits, and those that are more.
#[inline(always)]
fn ones_and_more(places: Places, band: u64, block: &Block, low: u8) -> (u64, u64) {
    if low == 0 {
        return (places.set & !places.large & band, places.large & band);
    }
    let (mut ones, mut more) = (0, 0);
    coefficients(places.large & band, block, low, |place, value| *if value.abs() == 1 { &mut ones } else { &mut more } |= 1 << place);
    (ones, more)
}

fn ac_next(all: &Coefficients, component: u8, places: (u8, u8), low: u8, sink: &mut impl Sink) {
    let (plane, band, mut ended) = (&all.planes[usize::from(component)], band(places), 0);
    let mut waiting = Waiting::default();
    for at in plane.with_samples(all.stop) {
        let block = &plane.blocks[at];
        let (mut ones, more) = ones_and_more(plane.places[at], band, block, low);
        // places up to the last symbol's
        let mut done = !(u64::MAX << places.0);
        while ones != 0 {
            let one = ones & ones.wrapping_neg();
            ones ^= one;
            let mut symbol = |symbol: u32, extra: u32, bits: u32, own: u64| {
                waiting.end(&mut ended, sink);
                sink.symbol(AC, symbol as u8, extra, bits);
                bits_of(own, block, low, |bits, count| sink.bits(bits, count));
            };
            let mut own = more & !done & (one - 1);
            let mut zeros = (!more & !done & (one - 1)).count_ones();
            if zeros > 15 {
                // sixteen are told at the first coefficient after them
                let (mut rest, mut before) = (own | one, done.trailing_ones());
                (zeros, own) = (0, 0);
                while rest != 0 {
                    let at = rest.trailing_zeros();
                    rest &= rest - 1;
                    zeros += at - before;
                    before = at + 1;
                    while zeros > 15 {
                        symbol(0xF0, 0, 0, own);
                        own = 0;
                        zeros -= 16;
                    }
                    own |= more & 1 << at;
                }
            }
            let is_positive = block[usize::from(ZIGZAG[one.trailing_zeros() as usize])] > 0;
            symbol(zeros << 4 | 1, u32::from(is_positive), 1, own);
            done = one | (one - 1);
        }
        if done >> places.1 & 1 == 0 {
            ended += 1;
            bits_of(more & !done, block, low, |bits, count| {
                waiting.pieces.push((bits, count));
                waiting.count += count;
            });
            if ended == LONGEST || waiting.count > WAITING {
                waiting.end(&mut ended, sink);
            }
        }
    }
    waiting.end(&mut ended, sink);
}
