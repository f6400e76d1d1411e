//! A drawing → a JPEG of any sampling, scans, restarts and markers: what other encoders write and libjpeg-turbo does not.
//!
//! All codes of one table have nearly the same length, so that no table has to be fitted.

use std::f64::consts::{PI, SQRT_2};

use crate::raster::Raster;

/// Components of a scan, and its first and last coefficient.
pub(super) type Scan = (Vec<usize>, u8, u8);

/// How a file is written.
pub(super) struct How {
    pub(super) sampling: Vec<(usize, usize)>,
    pub(super) progressive: bool,
    /// Units between two restarts; 0 for none.
    pub(super) restart: usize,
    pub(super) scans: Vec<Scan>,
    pub(super) names: Vec<u8>,
    /// The values are stored as they are, not as luma and differences.
    pub(super) plain: bool,
    /// Quantisation tables of 16 bits.
    pub(super) wide: bool,
    /// The quantisation table's number.
    pub(super) table: u8,
}

/// Baseline, all in one scan.
pub(super) fn of(sampling: &[(usize, usize)]) -> How {
    let names = (1..).take(sampling.len()).collect();
    let scans = vec![((0..sampling.len()).collect(), 0, 63)];
    How { sampling: sampling.to_vec(), progressive: false, restart: 0, scans, names, plain: false, wide: false, table: 0 }
}

impl How {
    pub(super) fn progressive(mut self) -> Self {
        let count = self.sampling.len();
        self.progressive = true;
        self.scans = vec![((0..count).collect(), 0, 0)];
        self.scans.extend((0..count).flat_map(|component| [(vec![component], 1, 5), (vec![component], 6, 63)]));
        self
    }

    pub(super) fn restart(self, restart: usize) -> Self {
        Self { restart, ..self }
    }

    /// Units across and down.
    fn units(&self, raster: &Raster) -> (usize, usize) {
        let (across, down) = self.most();
        ((raster.width as usize).div_ceil(8 * across), (raster.height as usize).div_ceil(8 * down))
    }

    fn most(&self) -> (usize, usize) {
        self.sampling.iter().fold((1, 1), |most, own| (most.0.max(own.0), most.1.max(own.1)))
    }

    pub(super) fn units_in_a_row(&self, raster: &Raster) -> usize {
        self.units(raster).0
    }

    /// The segments of the file's head, and then those of each scan with its data; the end comes last.
    pub(super) fn segments(&self, raster: &Raster) -> Vec<Vec<u8>> {
        let steps = if self.wide { [0, 2].repeat(64) } else { vec![2; 64] };
        let mut segments = vec![segment(0xDB, &[&[u8::from(self.wide) << 4 | self.table], &steps[..]].concat())];
        segments.push(self.frame(raster));
        // 12 codes of 4 bits; 128 of 8 and 128 of 9 bits
        segments.push(segment(0xC4, &[&[0, 0, 0, 0, 12][..], &[0; 12], &(0..12).collect::<Vec<u8>>()].concat()));
        segments.push(segment(0xC4, &[&[0x10, 0, 0, 0, 0, 0, 0, 0, 128, 128][..], &[0; 7], &(0..=255).collect::<Vec<u8>>()].concat()));
        if self.restart > 0 {
            segments.push(segment(0xDD, &(self.restart as u16).to_be_bytes()));
        }
        let blocks: Vec<_> = (0..self.sampling.len()).map(|component| self.blocks(raster, component)).collect();
        segments.extend(self.scans.iter().map(|scan| self.scan(raster, scan, &blocks)));
        segments.push(vec![0xFF, 0xD9]);
        segments
    }

    pub(super) fn file(&self, raster: &Raster) -> Vec<u8> {
        file(&self.segments(raster))
    }

    fn frame(&self, raster: &Raster) -> Vec<u8> {
        let mut frame = vec![8];
        frame.extend((raster.height as u16).to_be_bytes());
        frame.extend((raster.width as u16).to_be_bytes());
        frame.push(self.sampling.len() as u8);
        for (name, (across, down)) in self.names.iter().zip(&self.sampling) {
            frame.extend([*name, (across << 4 | down) as u8, self.table]);
        }
        segment(if self.progressive { 0xC2 } else { 0xC0 }, &frame)
    }

    /// Blocks in a row, and the coefficients of each block of a component, in the order of zigzag.
    fn blocks(&self, raster: &Raster, component: usize) -> (usize, Vec<[i32; 64]>) {
        let ((across, down), most) = (self.sampling[component], self.most());
        let (columns, rows) = (self.units(raster).0 * across, self.units(raster).1 * down);
        let sample = |x: usize, y: usize| {
            // the middle of what the sample stands for
            let place = |at: usize, most: usize, own: usize, side: u32| ((2 * at + 1) * most / (2 * own)).min(side as usize - 1);
            let (x, y) = (place(x, most.0, across, raster.width), place(y, most.1, down, raster.height));
            let count = raster.channels.count();
            let pixel = &raster.pixels[(y * raster.width as usize + x) * count..][..count];
            if self.plain || count == 1 { f64::from(pixel[component]) } else { luma_and_differences(pixel)[component] }
        };
        let blocks = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        (columns, blocks.map(|(column, row)| transform(|x, y| sample(column * 8 + x, row * 8 + y) - 128.0)).collect())
    }

    fn scan(&self, raster: &Raster, (components, first, last): &Scan, blocks: &[(usize, Vec<[i32; 64]>)]) -> Vec<u8> {
        let mut header = vec![components.len() as u8];
        header.extend(components.iter().flat_map(|component| [self.names[*component], 0]));
        header.extend([*first, *last, 0]);
        let mut bytes = segment(0xDA, &header);
        let (most, mut bits, mut before) = (self.most(), Bits::default(), [0; 4]);
        let (columns, rows) = match components[..] {
            [own] => {
                let blocks = |side: u32, own: usize, most: usize| (side as usize * own).div_ceil(most).div_ceil(8);
                (blocks(raster.width, self.sampling[own].0, most.0), blocks(raster.height, self.sampling[own].1, most.1))
            }
            _ => self.units(raster),
        };
        for unit in 0..columns * rows {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                bytes.extend(std::mem::take(&mut bits).bytes());
                bytes.extend([0xFF, 0xD0 + (unit / self.restart - 1) as u8 % 8]);
                before = [0; 4];
            }
            let (column, row) = (unit % columns, unit / columns);
            for &component in components {
                let (across, down) = if components.len() == 1 { (1, 1) } else { self.sampling[component] };
                for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
                    let (stride, blocks) = &blocks[component];
                    let block = &blocks[(row * down + y) * stride + column * across + x];
                    bits.block(block, (*first).into(), (*last).into(), &mut before[component]);
                }
            }
        }
        bytes.extend(bits.bytes());
        bytes
    }
}

pub(super) fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xFF, marker][..], &u16::try_from(content.len() + 2).unwrap().to_be_bytes(), content].concat()
}

pub(super) fn file(segments: &[Vec<u8>]) -> Vec<u8> {
    [&[0xFF, 0xD8][..], &segments.concat()].concat()
}

fn luma_and_differences(pixel: &[u8]) -> [f64; 3] {
    let [red, green, blue] = [0, 1, 2].map(|channel| f64::from(pixel[channel]));
    let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    [luma, (blue - luma) / 1.772 + 128.0, (red - luma) / 1.402 + 128.0]
}

fn transform(sample: impl Fn(usize, usize) -> f64) -> [i32; 64] {
    let wave = |at: usize, frequency: usize| {
        ((2 * at + 1) as f64 * frequency as f64 * PI / 16.0).cos() / if frequency == 0 { 2.0 * SQRT_2 } else { 2.0 }
    };
    let waves: [[f64; 8]; 8] = std::array::from_fn(|frequency| std::array::from_fn(|at| wave(at, frequency)));
    let samples: [[f64; 8]; 8] = std::array::from_fn(|y| std::array::from_fn(|x| sample(x, y)));
    let rows = samples.map(|row| waves.map(|wave| (0..8).map(|x| row[x] * wave[x]).sum::<f64>()));
    let mut places: Vec<_> = (0..64).map(|at| (at / 8, at % 8)).collect();
    places.sort_by_key(|(v, u)| (v + u, if (v + u) % 2 == 0 { *u } else { *v }));
    std::array::from_fn(|at| {
        let (v, u) = places[at];
        // steps are 2
        ((0..8).map(|y| rows[y][u] * waves[v][y]).sum::<f64>() / 2.0).round() as i32
    })
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    /// A coefficient's size in bits, in a code, and its value.
    fn value(&mut self, value: i32, code: impl Fn(&mut Self, u32)) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        code(self, size);
        self.put((if value < 0 { value - 1 } else { value }) as u32 & ((1 << size) - 1), size);
    }

    fn symbol(&mut self, symbol: u32) {
        if symbol < 128 { self.put(symbol, 8) } else { self.put(256 + symbol - 128, 9) }
    }

    fn block(&mut self, block: &[i32; 64], first: usize, last: usize, before: &mut i32) {
        if first == 0 {
            self.value(block[0] - *before, |bits, size| bits.put(size, 4));
            *before = block[0];
        }
        let mut zeros = 0;
        for &value in &block[first.max(1).min(last + 1)..=last] {
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 {
                self.symbol(0xF0);
                zeros -= 16;
            }
            self.value(value, |bits, size| bits.symbol(zeros << 4 | size));
            zeros = 0;
        }
        if zeros > 0 {
            self.symbol(0);
        }
    }

    /// Filled up with ones, and a zero behind every byte of ones.
    fn bytes(self) -> Vec<u8> {
        let byte = |bits: &[bool]| (0..8).fold(0, |byte, bit| byte << 1 | u8::from(bits.get(bit).copied().unwrap_or(true)));
        self.0.chunks(8).map(byte).flat_map(|byte| if byte == 0xFF { vec![0xFF, 0] } else { vec![byte] }).collect()
    }
}
