//! Coefficients → the symbols of one scan.
//!
//! Below the script, above the sink.

use crate::{
    bits::{AC, Sink},
    coefficients::{Coefficients, Plane},
    order::ZIGZAG,
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
const WAITING: usize = 1000;

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
        coefficients(plane.places[at], block, 0, |next, value| {
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
fn coefficients(mut places: u64, block: &[i16; 64], low: u8, mut tell: impl FnMut(u32, i32)) {
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
        coefficients(plane.places[at] & band, &plane.blocks[at], low, |place, value| {
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

/// Bits of coefficients that were not zero before, which follow the next symbol.
#[derive(Default)]
struct Waiting(Vec<bool>);

impl Waiting {
    /// Those before the block's own.
    fn settle(&mut self, own: &mut usize, sink: &mut impl Sink) {
        self.0.drain(..*own).for_each(|bit| sink.bits(u32::from(bit), 1));
        *own = 0;
    }

    fn tell(&mut self, sink: &mut impl Sink) {
        self.0.drain(..).for_each(|bit| sink.bits(u32::from(bit), 1));
    }
}

fn ac_next(all: &Coefficients, component: u8, places: (u8, u8), low: u8, sink: &mut impl Sink) {
    let (plane, band, mut ended) = (&all.planes[usize::from(component)], band(places), 0);
    let mut waiting = Waiting::default();
    for at in plane.with_samples(all.stop) {
        let (block, set) = (&plane.blocks[at], plane.places[at] & band);
        let mut new = 0_u64;
        coefficients(set, block, low, |place, value| new |= u64::from(value.abs() == 1) << place);
        let last = 64 - new.leading_zeros();
        let (mut before, mut zeros) = (u32::from(places.0), 0);
        // those of this block, after those of blocks that have ended
        let mut own = waiting.0.len();
        coefficients(set, block, low, |place, value| {
            zeros += place - before;
            before = place + 1;
            while zeros > 15 && place < last {
                end_blocks(&mut ended, sink);
                waiting.settle(&mut own, sink);
                sink.symbol(AC, 0xF0, 0, 0);
                waiting.tell(sink);
                zeros -= 16;
            }
            if value.abs() > 1 {
                waiting.0.push(value & 1 != 0);
                return;
            }
            end_blocks(&mut ended, sink);
            waiting.settle(&mut own, sink);
            sink.symbol(AC, (zeros << 4 | 1) as u8, u32::from(value > 0), 1);
            waiting.tell(sink);
            zeros = 0;
        });
        if last <= u32::from(places.1) || waiting.0.len() > own {
            ended += 1;
            if ended == LONGEST || waiting.0.len() > WAITING {
                end_blocks(&mut ended, sink);
                waiting.tell(sink);
            }
        }
    }
    end_blocks(&mut ended, sink);
    waiting.tell(sink);
}
