//! Coefficients → a file, with Huffman tables of all lengths.

use super::{Component, Picture, Random};

/// A Huffman table: the length and code of each value.
#[derive(Clone)]
struct Table {
    lengths: [u8; 16],
    values: Vec<u8>,
    codes: Vec<(u32, u32)>,
}

impl Table {
    /// Of all `values`, in a random order: a few short codes, and many of 16 bits.
    fn new(mut values: Vec<u8>, random: &mut Random) -> Self {
        for index in (1..values.len()).rev() {
            values.swap(index, random.below(index as u32 + 1) as usize);
        }
        let mut table = Self { lengths: [0; 16], codes: vec![(0, 0); 256], values };
        let (mut code, mut left) = (0_u32, table.values.len() as u32);
        let mut values = table.values.iter();
        for length in 1..=16_u32 {
            let free = (1 << length) - code;
            // what is left must fit, without the code of ones alone
            let fits = |used: u32| u64::from(free - used) << (16 - length) > u64::from(left - used);
            let most = (0..=free.min(left)).rev().find(|&used| fits(used)).unwrap_or(0);
            let used = if length == 16 { left } else { most.min(1 + random.below(1 + length / 2)) };
            for &value in values.by_ref().take(used as usize) {
                table.codes[usize::from(value)] = (length, code);
                code += 1;
            }
            table.lengths[length as usize - 1] = used as u8;
            left -= used;
            code <<= 1;
        }
        table
    }

    fn segment(&self, what: u8) -> Vec<u8> {
        segment(0xC4, &[&[what][..], &self.lengths, &self.values].concat())
    }
}

pub fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xFF, marker][..], &(content.len() as u16 + 2).to_be_bytes(), content].concat()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    buffer: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, count: u32, value: u32) {
        self.buffer = self.buffer << count | u64::from(value) & ((1 << count) - 1);
        self.count += count;
        while self.count >= 8 {
            let byte = (self.buffer >> (self.count - 8)) as u8;
            self.bytes.push(byte);
            if byte == 0xFF {
                self.bytes.push(0);
            }
            self.count -= 8;
        }
    }

    fn code(&mut self, table: &Table, value: u8) {
        let (length, code) = table.codes[usize::from(value)];
        assert!(length > 0, "no code for {value:#x}");
        self.put(length, code);
    }

    /// The size of a value, and its bits.
    fn value(&mut self, value: i32, size: u32) {
        self.put(size, if value < 0 { value - 1 } else { value } as u32);
    }

    fn align(&mut self) {
        if self.count > 0 {
            self.put(8 - self.count, 0xFF);
        }
    }

    fn restart(&mut self, number: usize) {
        self.align();
        self.bytes.extend([0xFF, 0xD0 + (number % 8) as u8]);
    }
}

fn size(value: i32) -> u32 {
    32 - value.unsigned_abs().leading_zeros()
}

/// How to write a picture.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub restart: usize,
    /// A scan for each component.
    pub separate: bool,
    pub progressive: bool,
    /// Seed of the tables, and of the script of a progressive picture.
    pub seed: u64,
}

/// A scan of a progressive picture: components, band, high and low bit.
type Step = (Vec<usize>, usize, usize, u32, u32);

/// A random script that gives every bit.
fn script(components: usize, random: &mut Random) -> Vec<Step> {
    let mut steps: Vec<Step> = vec![];
    let low = random.below(3);
    let all: Vec<usize> = (0..components).collect();
    let dc = |high: u32, low: u32, random: &mut Random| -> Vec<Step> {
        if random.below(2) == 0 { vec![(all.clone(), 0, 0, high, low)] } else { all.iter().map(|&c| (vec![c], 0, 0, high, low)).collect() }
    };
    steps.extend(dc(0, low, random));
    let mut rounds: Vec<Vec<Step>> = vec![];
    for component in 0..components {
        let low = random.below(3);
        let mut start = 1;
        let mut first = vec![];
        while start < 64 {
            let end = (start + [1, 4, 20, 62][random.below(4) as usize]).min(63);
            first.push((vec![component], start, end, 0, low));
            start = end + 1;
        }
        let mut own = first;
        for high in (1..=low).rev() {
            let cut = 1 + random.below(62) as usize;
            if random.below(2) == 0 {
                own.push((vec![component], 1, 63, high, high - 1));
            } else {
                own.push((vec![component], 1, cut, high, high - 1));
                own.push((vec![component], cut + 1, 63, high, high - 1));
            }
        }
        rounds.push(own);
    }
    while rounds.iter().any(|round| !round.is_empty()) {
        let pick = random.below(components as u32) as usize;
        if !rounds[pick].is_empty() {
            let step = rounds[pick].remove(0);
            steps.push(step);
        }
    }
    for high in (1..=low).rev() {
        steps.extend(dc(high, high - 1, random));
    }
    steps
}

/// Runs of blocks that end, and the bits that belong to them.
#[derive(Default)]
struct Ends {
    run: u32,
    corrections: Vec<bool>,
}

impl Ends {
    fn flush(&mut self, bits: &mut Bits, table: &Table) {
        if self.run > 0 {
            let size = self.run.ilog2();
            bits.code(table, (size as u8) << 4);
            bits.put(size, self.run - (1 << size));
            self.run = 0;
        }
        for bit in self.corrections.drain(..) {
            bits.put(1, bit.into());
        }
    }
}

fn ac_first(bits: &mut Bits, table: &Table, ends: &mut Ends, block: &[i16; 64], (first, last, low): (usize, usize, u32)) {
    let mut run = 0;
    for &value in &block[first..=last] {
        let value = if value < 0 { -(-i32::from(value) >> low) } else { i32::from(value) >> low };
        if value == 0 {
            run += 1;
            continue;
        }
        ends.flush(bits, table);
        while run > 15 {
            bits.code(table, 0xF0);
            run -= 16;
        }
        bits.code(table, (run << 4) as u8 | size(value) as u8);
        bits.value(value, size(value));
        run = 0;
    }
    if run > 0 {
        ends.run += 1;
        if ends.run == 0x7FFF {
            ends.flush(bits, table);
        }
    }
}

fn ac_refine(bits: &mut Bits, table: &Table, ends: &mut Ends, block: &[i16; 64], (first, last, low): (usize, usize, u32)) {
    let shifted = |k: usize| i32::from(block[k]).abs() >> low;
    let newest = (first..=last).rev().find(|&k| shifted(k) == 1).unwrap_or(0);
    let (mut run, mut corrections) = (0, vec![]);
    for (k, &coefficient) in block.iter().enumerate().take(last + 1).skip(first) {
        let value = shifted(k);
        if value == 0 {
            run += 1;
            continue;
        }
        while run > 15 && k <= newest {
            ends.flush(bits, table);
            bits.code(table, 0xF0);
            corrections.drain(..).for_each(|bit: bool| bits.put(1, bit.into()));
            run -= 16;
        }
        if value > 1 {
            corrections.push(value & 1 == 1);
            continue;
        }
        ends.flush(bits, table);
        bits.code(table, (run << 4) as u8 | 1);
        bits.put(1, (coefficient > 0).into());
        corrections.drain(..).for_each(|bit| bits.put(1, bit.into()));
        run = 0;
    }
    if run > 0 || !corrections.is_empty() {
        ends.run += 1;
        ends.corrections.extend(corrections);
        if ends.run == 0x7FFF || ends.corrections.len() > 900 {
            ends.flush(bits, table);
        }
    }
}

fn sequential_block(bits: &mut Bits, (dc, ac): (&Table, &Table), block: &[i16; 64], prediction: &mut i32) {
    let difference = i32::from(block[0]) - *prediction;
    *prediction = block[0].into();
    bits.code(dc, size(difference) as u8);
    bits.value(difference, size(difference));
    let mut run = 0;
    for &value in &block[1..] {
        if value == 0 {
            run += 1;
            continue;
        }
        while run > 15 {
            bits.code(ac, 0xF0);
            run -= 16;
        }
        bits.code(ac, (run << 4) as u8 | size(value.into()) as u8);
        bits.value(value.into(), size(value.into()));
        run = 0;
    }
    if run > 0 {
        bits.code(ac, 0);
    }
}

/// The blocks of each unit of a scan: component and index.
fn units(picture: &Picture, components: &[usize]) -> Vec<Vec<(usize, usize)>> {
    if let &[index] = components {
        let component = &picture.components[index];
        let own = picture.own(component);
        return (0..own.0 * own.1).map(|at| vec![(index, at / own.0 * component.size.0 + at % own.0)]).collect();
    }
    let size = picture.units();
    let blocks = |unit: usize| {
        let block = move |&index: &usize| {
            let Component { sampling, size: across, .. } = picture.components[index];
            let place =
                move |at: usize| (unit / size.0 * sampling.1 + at / sampling.0) * across.0 + unit % size.0 * sampling.0 + at % sampling.0;
            (0..sampling.0 * sampling.1).map(move |at| (index, place(at)))
        };
        components.iter().flat_map(block).collect()
    };
    (0..size.0 * size.1).map(blocks).collect()
}

fn scan(file: &mut Vec<u8>, picture: &Picture, (dc, ac): (&Table, &Table), layout: &Layout, (components, first, last, high, low): &Step) {
    let header: Vec<u8> = components.iter().flat_map(|&index| [index as u8 + 1, 0]).collect();
    let parameters = [*first as u8, *last as u8, (high << 4 | low) as u8];
    file.extend(segment(0xDA, &[&[components.len() as u8][..], &header, &parameters].concat()));
    let (mut bits, mut predictions, mut ends) = (Bits::default(), [0; 3], Ends::default());
    for (number, unit) in units(picture, components).into_iter().enumerate() {
        if layout.restart > 0 && number > 0 && number % layout.restart == 0 {
            ends.flush(&mut bits, ac);
            bits.restart(number / layout.restart - 1);
            predictions = [0; 3];
        }
        for (index, block) in unit {
            let block = &picture.components[index].blocks[block];
            match (layout.progressive, *first, *high) {
                (false, ..) => sequential_block(&mut bits, (dc, ac), block, &mut predictions[index]),
                (true, 0, 0) => {
                    let value = i32::from(block[0] >> low);
                    let difference = value - predictions[index];
                    predictions[index] = value;
                    bits.code(dc, size(difference) as u8);
                    bits.value(difference, size(difference));
                }
                (true, 0, _) => bits.put(1, u32::from(block[0] as u16 >> low & 1)),
                (true, _, 0) => ac_first(&mut bits, ac, &mut ends, block, (*first, *last, *low)),
                _ => ac_refine(&mut bits, ac, &mut ends, block, (*first, *last, *low)),
            }
        }
    }
    ends.flush(&mut bits, ac);
    bits.align();
    file.extend(bits.bytes);
}

/// The file of a picture.
pub fn encode(picture: &Picture, layout: &Layout) -> Vec<u8> {
    let mut random = Random(layout.seed);
    let mut file = vec![0xFF, 0xD8];
    let side = |side: usize| (side as u16).to_be_bytes();
    let count = picture.components.len();
    let mut frame = [&[8][..], &side(picture.height), &side(picture.width), &[count as u8]].concat();
    for (index, component) in picture.components.iter().enumerate() {
        let steps = component.steps.iter().flat_map(|step| step.to_be_bytes()).collect::<Vec<u8>>();
        file.extend(segment(0xDB, &[&[0x10 | index as u8][..], &steps].concat()));
        frame.extend([index as u8 + 1, (component.sampling.0 << 4 | component.sampling.1) as u8, index as u8]);
    }
    file.extend(segment(if layout.progressive { 0xC2 } else { 0xC1 }, &frame));
    if layout.restart > 0 {
        file.extend(segment(0xDD, &(layout.restart as u16).to_be_bytes()));
    }
    let all: Vec<usize> = (0..count).collect();
    let steps = match (layout.progressive, layout.separate) {
        (true, _) => script(count, &mut random),
        (false, true) => all.iter().map(|&index| (vec![index], 0, 63, 0, 0)).collect(),
        (false, false) => vec![(all, 0, 63, 0, 0)],
    };
    for step in steps {
        let dc = Table::new((0..16).collect(), &mut random);
        let values = (0..=255_u8).filter(|value| layout.progressive || value & 15 > 0 || matches!(value, 0 | 0xF0));
        let ac = Table::new(values.collect(), &mut random);
        file.extend(dc.segment(0));
        file.extend(ac.segment(0x10));
        scan(&mut file, picture, (&dc, &ac), layout, &step);
    }
    file.extend([0xFF, 0xD9]);
    file
}
