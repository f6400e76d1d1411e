//! A progressive JPEG → an eighth of its size, from its DC coefficients alone.
//!
//! An eighth has one pixel for each block, whose mean is the DC coefficient. It has scans of its own, which are a small part of the
//! file; the others are skipped unread, where a full decoder spends nearly all of its time and memory.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "samples are clamped, and sides are below 2^16")]

use std::io::BufRead;

use super::{
    Error,
    huffman::{Bits, Codes},
    raster::{Channels, Raster},
};

const SOF2: u8 = 0xC2;
const DHT: u8 = 0xC4;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DRI: u8 = 0xDD;

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("progressive JPEG {what}"))
}

/// One colour channel: a coefficient for each block.
#[derive(Default)]
struct Component {
    id: u8,
    sampling: (usize, usize),
    quantisation: usize,
    /// Blocks in a row and rows that the picture has.
    size: (usize, usize),
    /// Blocks in a row as stored, with those that only fill up the last unit.
    stride: usize,
    blocks: Vec<i16>,
    seen: bool,
}

/// What the segments have said so far.
#[derive(Default)]
struct Decoder {
    width: usize,
    height: usize,
    units: (usize, usize),
    components: Vec<Component>,
    steps: [i32; 4],
    codes: [Option<Codes>; 4],
    restart: usize,
}

/// Decodes gray or YCbCr.
pub(super) fn decode_eighth(source: &[u8], max_scans: u32) -> Result<Raster, Error> {
    let mut decoder = Decoder::default();
    let (mut at, mut scans) = (2, 0);
    loop {
        at += find_marker(source.get(at..).unwrap_or_default()).ok_or_else(|| damaged("ends early"))?;
        let marker = *source.get(at + 1).ok_or_else(|| damaged("ends early"))?;
        match marker {
            0xFF => at += 1,
            0 | 1 | 0xD0..=0xD8 => at += 2,
            EOI => return decoder.finish(),
            _ => {
                let length = source.get(at + 2..at + 4).map_or(0, |length| usize::from(length[0]) << 8 | usize::from(length[1]));
                let content = source.get(at + 4..at + 2 + length).ok_or_else(|| damaged("ends early"))?;
                at += 2 + length;
                if marker == SOS {
                    let data = &source[at..at + entropy_length(&source[at..])];
                    at += data.len();
                    scans += 1;
                    if scans > max_scans {
                        return Err(damaged("has too many scans"));
                    }
                    decoder.scan(content, data)?;
                } else {
                    decoder.segment(marker, content)?;
                }
            }
        }
    }
}

/// Where the first 0xFF is. The search of a reader is the standard library's only fast one.
fn find_marker(data: &[u8]) -> Option<usize> {
    let last = BufRead::skip_until(&mut &*data, 0xFF).ok()?.checked_sub(1)?;
    (data[last] == 0xFF).then_some(last)
}

/// Bytes up to the next marker that is not a restart.
fn entropy_length(data: &[u8]) -> usize {
    let mut at = 0;
    while let Some(next) = find_marker(&data[at..]) {
        at += next;
        match data.get(at + 1) {
            Some(0 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            _ => return at,
        }
    }
    data.len()
}

impl Decoder {
    fn segment(&mut self, marker: u8, content: &[u8]) -> Result<(), Error> {
        match marker {
            SOF2 => self.frame(content).ok_or_else(|| damaged("has a bad frame header")),
            DHT => self.tables(content).ok_or_else(|| damaged("has a bad Huffman table")),
            DQT => self.quantisation(content).ok_or_else(|| damaged("has a bad quantisation table")),
            DRI => {
                self.restart = content.first_chunk().map_or(0, |&interval| usize::from(u16::from_be_bytes(interval)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn frame(&mut self, content: &[u8]) -> Option<()> {
        let [_, h1, h0, w1, w0, _, components @ ..] = content else { return None };
        (self.width, self.height) = (usize::from(u16::from_be_bytes([*w1, *w0])), usize::from(u16::from_be_bytes([*h1, *h0])));
        let components: Vec<_> = components.chunks_exact(3).map(|c| (c[0], usize::from(c[1] >> 4), usize::from(c[1] & 15), c[2])).collect();
        let most_x = components.iter().map(|component| component.1).max()?;
        let most_y = components.iter().map(|component| component.2).max()?;
        let valid = components.iter().all(|&(_, x, y, table)| matches!((x, y), (1 | 2 | 4, 1 | 2 | 4)) && table < 4);
        if !valid || !self.components.is_empty() || self.width == 0 || self.height == 0 {
            return None;
        }
        self.units = (self.width.div_ceil(8 * most_x), self.height.div_ceil(8 * most_y));
        self.components = components
            .into_iter()
            .map(|(id, x, y, table)| Component {
                id,
                sampling: (x, y),
                quantisation: usize::from(table),
                size: ((self.width * x).div_ceil(8 * most_x), (self.height * y).div_ceil(8 * most_y)),
                stride: self.units.0 * x,
                blocks: vec![0; self.units.0 * x * self.units.1 * y],
                seen: false,
            })
            .collect();
        Some(())
    }

    fn tables(&mut self, mut content: &[u8]) -> Option<()> {
        while let Some((&[kind, ref lengths @ ..], rest)) = content.split_first_chunk::<17>() {
            let count: usize = lengths.iter().map(|&length| usize::from(length)).sum();
            let (values, rest) = rest.split_at_checked(count)?;
            if kind < 4 {
                self.codes[usize::from(kind)] = Some(Codes::new(lengths, values)?);
            }
            content = rest;
        }
        Some(())
    }

    fn quantisation(&mut self, mut content: &[u8]) -> Option<()> {
        while let Some((&kind, rest)) = content.split_first() {
            let wide = kind >> 4 != 0;
            let (table, rest) = rest.split_at_checked(if wide { 128 } else { 64 })?;
            let first = if wide { i32::from(table[0]) << 8 | i32::from(table[1]) } else { i32::from(table[0]) };
            *self.steps.get_mut(usize::from(kind & 15))? = first;
            content = rest;
        }
        Some(())
    }

    fn scan(&mut self, header: &[u8], data: &[u8]) -> Result<(), Error> {
        let bad = || damaged("has a bad scan header");
        let (&count, rest) = header.split_first().ok_or_else(bad)?;
        let (chosen, rest) = rest.split_at_checked(usize::from(count) * 2).ok_or_else(bad)?;
        let &[first, last, precision, ..] = rest else { return Err(bad()) };
        if first != 0 {
            return Ok(());
        }
        let (refining, shift) = (precision >> 4 != 0, u32::from(precision & 15));
        let mut chosen: Vec<(usize, usize)> = chosen
            .chunks_exact(2)
            .map(|pair| Some((self.components.iter().position(|component| component.id == pair[0])?, usize::from(pair[1] >> 4))))
            .collect::<Option<_>>()
            .ok_or_else(bad)?;
        let known = chosen.iter().all(|&(_, table)| refining || self.codes.get(table).is_some_and(Option::is_some));
        if last != 0 || shift > 13 || chosen.is_empty() || !known {
            return Err(bad());
        }
        let mut bits = Bits::new(data);
        let mut last_values = vec![0_i32; self.components.len()];
        // a component by itself has only the blocks that the picture needs, one in each unit
        let alone = chosen.len() == 1;
        let units = if alone { self.components[chosen[0].0].size } else { self.units };
        for unit in 0..units.0 * units.1 {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                bits.restart().ok_or_else(|| damaged("lacks a restart"))?;
                last_values.fill(0);
            }
            let (unit_x, unit_y) = (unit % units.0, unit / units.0);
            for &mut (index, table) in &mut chosen {
                let component = &mut self.components[index];
                let (across, down) = if alone { (1, 1) } else { component.sampling };
                for y in 0..down {
                    let start = (unit_y * down + y) * component.stride + unit_x * across;
                    for block in &mut component.blocks[start..start + across] {
                        if refining {
                            *block |= i16::from(bits.bit()) << shift;
                        } else if let Some(codes) = &self.codes[table] {
                            let value = &mut last_values[index];
                            *value = value.wrapping_add(bits.difference(codes).ok_or_else(|| damaged("has a bad code"))?);
                            // what does not fit is cut off, as in other decoders
                            *block = (*value << shift) as i16;
                        }
                    }
                }
                component.seen = true;
            }
        }
        if bits.overrun() { Err(damaged("has a scan that ends early")) } else { Ok(()) }
    }

    fn finish(self) -> Result<Raster, Error> {
        if self.components.is_empty() || self.components.iter().any(|component| !component.seen) {
            return Err(damaged("lacks a scan"));
        }
        let (width, height) = (self.width.div_ceil(8), self.height.div_ceil(8));
        let side = |side: usize| u32::try_from(side).map_err(|_| damaged("is too large"));
        let planes: Vec<Vec<u8>> = self.components.iter().map(|component| component.samples(self.steps)).collect();
        let channels = if planes.len() == 3 { Channels::Rgb } else { Channels::Gray };
        let mut raster = Raster::new(side(width)?, side(height)?, channels);
        let most = self.components.iter().fold((1, 1), |most, c| (most.0.max(c.sampling.0), most.1.max(c.sampling.1)));
        let stride = raster.stride();
        let mut rows = vec![vec![0_u8; width]; planes.len()];
        for (y, into) in raster.pixels.chunks_exact_mut(stride).enumerate() {
            for ((row, plane), component) in rows.iter_mut().zip(&planes).zip(&self.components) {
                let ratio = (most.0 / component.sampling.0, most.1 / component.sampling.1);
                enlarge_row(plane, component.size, ratio, y, row);
            }
            match &rows[..] {
                [luma, blue, red] => {
                    for (((pixel, &luma), &blue), &red) in into.as_chunks_mut::<3>().0.iter_mut().zip(luma).zip(blue).zip(red) {
                        *pixel = rgb(luma, blue, red);
                    }
                }
                rows => into.copy_from_slice(&rows[0]),
            }
        }
        Ok(raster)
    }
}

impl Component {
    /// The mean of each block, without the blocks that only fill up.
    fn samples(&self, steps: [i32; 4]) -> Vec<u8> {
        let step = steps[self.quantisation];
        let sample = |&dc: &i16| (((i32::from(dc) * step + 4) >> 3) + 128).clamp(0, 255) as u8;
        self.blocks.chunks_exact(self.stride).take(self.size.1).flat_map(|row| row[..self.size.0].iter().map(sample)).collect()
    }
}

/// Row `y` of a plane enlarged by `ratio`, linear between the middles of its samples.
fn enlarge_row(plane: &[u8], (width, height): (usize, usize), ratio: (usize, usize), y: usize, into: &mut [u8]) {
    if ratio == (1, 1) {
        into.copy_from_slice(&plane[y * width..][..into.len()]);
        return;
    }
    // neighbours, and the share of the second in 2 * ratio
    let neighbours = |at: usize, ratio: usize, side: usize| {
        let middle = 2 * at + 1 + ratio;
        let (second, share) = (middle / (2 * ratio), middle % (2 * ratio));
        (second.saturating_sub(1).min(side - 1), second.min(side - 1), share as u32)
    };
    let (upper, lower, share_y) = neighbours(y, ratio.1, height);
    let (whole_x, whole_y) = (2 * ratio.0 as u32, 2 * ratio.1 as u32);
    let column = |x: usize| u32::from(plane[upper * width + x]) * (whole_y - share_y) + u32::from(plane[lower * width + x]) * share_y;
    for (x, value) in into.iter_mut().enumerate() {
        let (left, right, share_x) = neighbours(x, ratio.0, width);
        let sum = column(left) * (whole_x - share_x) + column(right) * share_x;
        *value = ((sum + whole_x * whole_y / 2) / (whole_x * whole_y)) as u8;
    }
}

fn rgb(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let (luma, blue, red) = (i32::from(luma) << 16 | 1 << 15, i32::from(blue) - 128, i32::from(red) - 128);
    let parts = [luma + 91_881 * red, luma - 22_554 * blue - 46_802 * red, luma + 116_130 * blue];
    parts.map(|part| (part >> 16).clamp(0, 255) as u8)
}
