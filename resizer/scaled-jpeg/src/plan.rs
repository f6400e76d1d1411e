//! Header and options → [`Plan`]: which blocks are wanted, how many samples each gives, how much memory that takes.

use crate::{
    Options, Region,
    error::{Error, ErrorKind, Limit},
    header::{Coding, Header},
    huffman::{KEEP, SKIP},
    idct::{LANES, ZIGZAG},
};

/// Blocks of a group across, for each that a unit has.
pub(crate) const CHUNK: usize = LANES;

/// What will be decoded, and what that takes.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) header: Header,
    pub(crate) options: Options,
    pub(crate) region: Region,
    /// Samples of a block at this scale, from 1 to 8.
    pub(crate) side: usize,
    pub(crate) parts: Vec<Part>,
    /// Units of the picture, across and down.
    pub(crate) units: (usize, usize),
    /// Units that are wanted: from and to, across and down.
    pub(crate) wanted: ((usize, usize), (usize, usize)),
    /// Rows are finished unit row by unit row; else all at the end.
    pub(crate) striped: bool,
    /// Pixel rows at the end of a row of units that wait for the next one: their colour lies between samples of both.
    pub(crate) delay: usize,
    memory: u64,
}

/// A component, as it is decoded.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Blocks in a unit, across and down.
    pub(crate) blocks: (usize, usize),
    /// Samples of a block, across and down, from 1 to 8.
    pub(crate) block: (usize, usize),
    /// Pixels for each sample, as fractions, across and down.
    pub(crate) ratio: [(usize, usize); 2],
    /// Blocks of the component by itself, without those that only fill up its last units.
    pub(crate) own: (usize, usize),
    /// Samples of the whole component, without those that only fill up.
    pub(crate) samples: (usize, usize),
    /// The last coefficient, in the order of the file, that matters.
    pub(crate) last: usize,
    /// For each coefficient in the order of the file: where its row of a group begins; behind the others if it does not matter.
    pub(crate) places: [u16; 64],
}

impl Part {
    /// How many coefficients matter.
    pub(crate) fn kept(&self) -> usize {
        self.block.0 * self.block.1
    }
}

/// How a component lies in the picture, for output as planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneLayout {
    /// Width in samples.
    pub width: usize,
    /// Height in samples.
    pub height: usize,
    /// The first sample's column in the whole component.
    pub left: usize,
    /// The first sample's row in the whole component.
    pub top: usize,
    /// Pixels for each sample, across: numerator and denominator. Samples and pixels begin at the same edge.
    pub ratio_x: (usize, usize),
    /// The same, down.
    pub ratio_y: (usize, usize),
}

fn fraction(over: usize, under: usize) -> (usize, usize) {
    let (mut a, mut b) = (over, under);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (over / a, under / a)
}

impl Plan {
    /// What `options` make of a file with `header`.
    pub fn new(header: &Header, options: &Options) -> Result<Self, Error> {
        let refused = |kind: ErrorKind| kind.at(0);
        if u64::from(header.width()) * u64::from(header.height()) > options.max_pixels {
            return Err(refused(ErrorKind::Limit(Limit::Pixels)));
        }
        let (width, height) = options.scale.size(header);
        let region = options.region.unwrap_or(Region { left: 0, top: 0, width, height });
        let inside = |start: u32, length: u32, side: u32| length > 0 && start.checked_add(length).is_some_and(|end| end <= side);
        if !inside(region.left, region.width, width) || !inside(region.top, region.height, height) {
            return Err(refused(ErrorKind::BadRequest("the region lies outside of the picture")));
        }
        let side = options.scale.side();
        let most = header.most();
        let parts: Vec<_> = header.components.iter().map(|component| Part::new(header, component.sampling, side)).collect();
        let units = (usize::from(header.width).div_ceil(8 * most.0), usize::from(header.height).div_ceil(8 * most.1));
        // where samples are interpolated, a neighbour on each side counts
        let margin = [0, 1].map(|axis: usize| {
            let ratios = parts.iter().map(|part| part.ratio[axis]);
            ratios.filter(|ratio| ratio.0 != ratio.1).map(|ratio| ratio.0.div_ceil(ratio.1)).max().unwrap_or(0)
        });
        let range = |start: u32, length: u32, margin: usize, unit: usize, units: usize| {
            let (start, end) = (start as usize, (start + length) as usize);
            (start.saturating_sub(margin) / unit, (end + margin).div_ceil(unit).min(units))
        };
        let wanted = (
            range(region.left, region.width, margin[0], side * most.0, units.0),
            range(region.top, region.height, margin[1], side * most.1, units.1),
        );
        let single_scan = header.interleaved || header.coding == Coding::Progressive;
        let mut plan = Self {
            header: header.clone(),
            options: *options,
            region,
            side,
            parts,
            units,
            wanted,
            striped: single_scan,
            delay: if single_scan { margin[1] } else { 0 },
            memory: 0,
        };
        plan.memory = plan.estimate();
        if plan.memory > options.max_memory {
            return Err(refused(ErrorKind::Limit(Limit::Memory)));
        }
        Ok(plan)
    }

    /// Upper bound on the memory that decoding takes beside the file and the output, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    fn estimate(&self) -> u64 {
        let window: usize = self.parts.iter().map(|part| self.stride(part) * self.rows(part)).sum();
        let coefficients: usize = match self.header.coding {
            Coding::Sequential => self.parts.iter().map(|part| CHUNK * part.blocks.0 * part.blocks.1 * (part.kept() + 1) * 2).sum(),
            Coding::Progressive => self.parts.iter().map(|part| self.stored(part) * 2 + self.history(part) * 8).sum(),
        };
        let tables = 4 * ((4 << KEEP) + (4 << KEEP) + (2 << SKIP) + 2048);
        let (rows_for_output, fixed) = (self.region.width as usize * 64, 1 << 16);
        (window + coefficients + tables + rows_for_output + fixed) as u64
    }

    /// Blocks of a row of wanted units, in whole chunks.
    pub(crate) fn across(&self, part: &Part) -> usize {
        (self.wanted.0.1 - self.wanted.0.0).next_multiple_of(CHUNK) * part.blocks.0
    }

    /// Samples of a row of the window.
    pub(crate) fn stride(&self, part: &Part) -> usize {
        self.across(part) * part.block.0
    }

    /// Sample rows of the window: of all wanted units; or of a row of them, after those that [`carry`](Self::carry) says.
    pub(crate) fn rows(&self, part: &Part) -> usize {
        let units = if self.striped { 1 } else { self.wanted.1.1 - self.wanted.1.0 };
        self.carry(part) + units * part.blocks.1 * part.block.1
    }

    /// Sample rows that the pixels which wait need of the units before.
    pub(crate) fn carry(&self, part: &Part) -> usize {
        let (over, under) = part.ratio[1];
        if self.delay > 0 { (self.delay * under).div_ceil(over) + 1 } else { 0 }
    }

    /// Coefficients to store of a progressive picture.
    pub(crate) fn stored(&self, part: &Part) -> usize {
        self.across(part) * (self.wanted.1.1 - self.wanted.1.0) * part.blocks.1 * part.kept()
    }

    /// Blocks of which to remember which coefficients are not zero.
    pub(crate) fn history(&self, part: &Part) -> usize {
        let unread = part.last == 0 && self.header.ended;
        if unread { 0 } else { part.own.0 * part.own.1.min(self.bottom() * part.blocks.1) }
    }

    /// Rows of units that are read of a progressive picture: of one whose file has no end all, to see whether it ends early.
    pub(crate) fn bottom(&self) -> usize {
        if self.header.ended { self.wanted.1.1 } else { self.units.1 }
    }

    /// Width and height of the output in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.region.width, self.region.height)
    }

    /// Which part of the picture the output is.
    pub fn region(&self) -> Region {
        self.region
    }

    /// Bytes of a pixel of the output: 1 for gray, 4 for inks, else 3.
    pub fn channels(&self) -> usize {
        self.header.colour.channels()
    }

    /// The planes of the output, one for each component.
    pub fn planes(&self) -> Vec<PlaneLayout> {
        let (left, top) = (self.region.left as usize, self.region.top as usize);
        let (right, bottom) = (left + self.region.width as usize, top + self.region.height as usize);
        let plane = |part: &Part| {
            let [(over_x, under_x), (over_y, under_y)] = part.ratio;
            let start = (left * under_x / over_x, top * under_y / over_y);
            let end_x = (right * under_x).div_ceil(over_x).min(part.samples.0);
            let end_y = (bottom * under_y).div_ceil(over_y).min(part.samples.1);
            PlaneLayout {
                width: end_x - start.0,
                height: end_y - start.1,
                left: start.0,
                top: start.1,
                ratio_x: part.ratio[0],
                ratio_y: part.ratio[1],
            }
        };
        self.parts.iter().map(plane).collect()
    }
}

impl Part {
    fn new(header: &Header, sampling: (usize, usize), side: usize) -> Self {
        let most = header.most();
        let axis = |sampling: usize, most: usize, length: u16| {
            // a component that has fewer samples than others gives more of them for each block, instead of being enlarged
            let mut block = side;
            let progressive_eighth = side == 1 && header.coding == Coding::Progressive;
            while block <= 4 && !progressive_eighth && (side * most).is_multiple_of(sampling * block * 2) {
                block *= 2;
            }
            let length = (usize::from(length) * sampling).div_ceil(most);
            (block, fraction(side * most, sampling * block), length.div_ceil(8), (length * block).div_ceil(8))
        };
        let x = axis(sampling.0, most.0, header.width);
        let y = axis(sampling.1, most.1, header.height);
        let kept = x.0 * y.0;
        let row = |natural: usize| if natural % 8 < x.0 && natural / 8 < y.0 { natural / 8 * x.0 + natural % 8 } else { kept };
        let places = ZIGZAG.map(|natural| u16::try_from(row(usize::from(natural)) * LANES).unwrap_or(u16::MAX));
        let last = places.iter().rposition(|&place| usize::from(place) < kept * LANES).unwrap_or(0);
        Self { blocks: sampling, block: (x.0, y.0), ratio: [x.1, y.1], own: (x.2, y.2), samples: (x.3, y.3), last, places }
    }
}
