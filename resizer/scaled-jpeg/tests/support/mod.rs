//! For the tests: random coefficients, an encoder that writes them as they are, and what a decoder must make of them.
#![allow(dead_code, reason = "each test needs a part of it")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

pub mod encoder;
pub mod reference;

pub const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56,
    57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Random numbers, the same for the same seed.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (self.0 >> 33) as u32
    }

    pub fn below(&mut self, end: u32) -> u32 {
        self.next() % end
    }

    /// From -most to most, small ones more often.
    pub fn value(&mut self, most: i32) -> i16 {
        let most = (most as u32 >> self.below(12)).max(1);
        (self.below(2 * most + 1) as i32 - most as i32) as i16
    }
}

/// One component: the coefficients of its blocks in the order of the file, in whole units.
#[derive(Clone, Debug)]
pub struct Component {
    pub sampling: (usize, usize),
    pub steps: [u16; 64],
    /// Blocks in a row and rows, in whole units.
    pub size: (usize, usize),
    pub blocks: Vec<[i16; 64]>,
}

#[derive(Clone, Debug)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub components: Vec<Component>,
}

impl Picture {
    pub fn most(&self) -> (usize, usize) {
        self.components.iter().fold((1, 1), |most, c| (most.0.max(c.sampling.0), most.1.max(c.sampling.1)))
    }

    pub fn units(&self) -> (usize, usize) {
        (self.width.div_ceil(8 * self.most().0), self.height.div_ceil(8 * self.most().1))
    }

    /// Blocks of a component without those that only fill up units.
    pub fn own(&self, component: &Component) -> (usize, usize) {
        let axis = |length: usize, sampling: usize, most: usize| (length * sampling).div_ceil(most).div_ceil(8);
        (axis(self.width, component.sampling.0, self.most().0), axis(self.height, component.sampling.1, self.most().1))
    }

    /// Random coefficients whose samples are mostly within range; `wild` goes far beyond.
    pub fn random(seed: u64, width: usize, height: usize, sampling: &[(usize, usize)], wild: bool) -> Self {
        let mut random = Random(seed);
        let mut picture = Self { width, height, components: vec![] };
        let blank = |&sampling: &(usize, usize)| Component { sampling, steps: [1; 64], size: (0, 0), blocks: vec![] };
        picture.components = if sampling.len() == 1 { vec![blank(&(1, 1))] } else { sampling.iter().map(blank).collect() };
        let units = picture.units();
        for component in &mut picture.components {
            component.size = (units.0 * component.sampling.0, units.1 * component.sampling.1);
            component.steps = std::array::from_fn(|_| 1 + random.below(if wild { 255 } else { 40 }) as u16);
            let density = [1, 6, 30, 64][random.below(4) as usize];
            for _ in 0..component.size.0 * component.size.1 {
                let mut block = [0; 64];
                for (k, value) in block.iter_mut().enumerate() {
                    // what is stored of the first one is its difference to the one before, in 15 bits at most
                    let far = if k == 0 { 16_000 } else { 32_000 };
                    let room = (if wild { far } else { 700 / (1 + k as i32 / 4) }) / i32::from(component.steps[k]);
                    if k == 0 || random.below(64) < density {
                        *value = random.value(room.max(1));
                    }
                }
                component.blocks.push(block);
            }
        }
        picture
    }
}
