//! Coefficients → the scans of the file, with their codes and their exact sizes.
//!
//! Below the encoder, above the scans.

use crate::{
    Coding, Effort,
    bits::{Counts, TABLES, Writer},
    coefficients::Coefficients,
    huffman::Code,
    scan::{Part, walk},
};

/// A scan, before it is written.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) part: Part,
    /// Of each table that has symbols.
    pub(crate) codes: [Option<Code>; TABLES],
    bits: u64,
}

impl Scan {
    fn new(part: Part, all: &Coefficients) -> Self {
        let mut counts = Counts::new();
        walk(part, all, &mut counts);
        let mut bits = counts.bits;
        let codes = counts.symbols.map(|counts| {
            let code = counts.iter().any(|&count| count > 0).then(|| Code::new(&counts));
            bits += code.as_ref().map_or(0, |code| code.bits(&counts));
            code
        });
        Self { part, codes, bits }
    }

    /// Of the file, but for zeros after bytes of ones.
    pub(crate) fn bytes(&self) -> usize {
        let tables: usize = self.codes.iter().flatten().map(Code::bytes).sum();
        14 + tables + usize::try_from(self.bits.div_ceil(8)).unwrap_or(usize::MAX)
    }

    pub(crate) fn write(&self, all: &Coefficients, file: &mut Vec<u8>) {
        let none = Code::none();
        let codes = self.codes.each_ref().map(|code| code.as_ref().unwrap_or(&none));
        let mut writer = Writer::new(file, codes);
        walk(self.part, all, &mut writer);
        writer.finish();
    }
}

fn scans(parts: &[Part], all: &Coefficients) -> Vec<Scan> {
    parts.iter().map(|&part| Scan::new(part, all)).collect()
}

fn bytes(scans: &[Scan]) -> usize {
    scans.iter().map(Scan::bytes).sum()
}

/// Blocks of luma, of about 700 by 700 pixels: of so many no photo was smaller in one scan, and what was drawn by at most 3 %, at quality 95.
const MANY: usize = 7680;

/// The scans with the fewest bytes among those that `effort` tries.
pub(crate) fn choose(all: &Coefficients, coding: Coding, effort: Effort) -> Vec<Scan> {
    let whole = || scans(&[Part::Whole], all);
    match coding {
        Coding::Baseline => whole(),
        Coding::Progressive => progressive(all, effort),
        Coding::Smallest if all.planes[0].blocks.len() > MANY => progressive(all, effort),
        Coding::Smallest => {
            let (whole, progressive) = (whole(), progressive(all, effort));
            if bytes(&whole) <= bytes(&progressive) { whole } else { progressive }
        }
    }
}

fn progressive(all: &Coefficients, effort: Effort) -> Vec<Scan> {
    let mut chosen = scans(&[Part::Dc], all);
    for component in 0..all.planes.len() as u8 {
        let best = ways(component, effort).into_iter().map(|parts| scans(&parts, all)).min_by_key(|scans| bytes(scans));
        chosen.extend(best.unwrap_or_default());
    }
    chosen
}

/// How the AC coefficients of a component can be coded. In more scans, each has a code of its own, and runs of blocks that end early are longer; but
/// each costs its header, which small pictures do not earn.
fn ways(component: u8, effort: Effort) -> Vec<Vec<Part>> {
    let ac = |first, last, low| Part::Ac { component, first, last, low };
    let next = |first, low| Part::AcNext { component, first, last: 63, low };
    let one = vec![ac(1, 63, 0)];
    let luma = component == 0;
    // the best for most photos
    let usual = vec![ac(1, 8, 1), ac(9, 63, 1), next(1, 0)];
    match effort {
        Effort::Fast | Effort::Balanced if !luma => vec![one],
        Effort::Fast => vec![usual],
        Effort::Balanced => vec![usual, vec![ac(1, 2, 0), ac(3, 63, 1), next(3, 0)]],
        Effort::Small => vec![
            one,
            usual,
            vec![ac(1, 2, 0), ac(3, 63, 0)],
            vec![ac(1, 5, 0), ac(6, 63, 0)],
            vec![ac(1, 2, 0), ac(3, 63, 1), next(3, 0)],
            vec![ac(1, 63, 1), next(1, 0)],
            vec![ac(1, 63, 2), next(1, 1), next(1, 0)],
            vec![ac(1, 8, 2), ac(9, 63, 2), next(1, 1), next(1, 0)],
        ],
    }
}
