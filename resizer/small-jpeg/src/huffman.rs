//! How often each symbol comes → the best code of at most 16 bits, as a file holds it.
//!
//! On the ground.

/// A code for each symbol.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    /// Symbols of each length from 1 to 16.
    lengths: [u8; 16],
    /// By their codes.
    symbols: Vec<u8>,
    /// Code and its length, by symbol.
    pub(crate) codes: [(u16, u8); 256],
}

/// No code is longer.
const LONGEST: usize = 16;

impl Code {
    /// Of no symbols.
    pub(crate) fn none() -> Self {
        Self { lengths: [0; 16], symbols: vec![], codes: [(0, 0); 256] }
    }

    /// The best for symbols that come so often.
    pub(crate) fn new(counts: &[u32; 256]) -> Self {
        let mut used: Vec<(u32, u8)> = (0..=255_u8).map(|symbol| (counts[usize::from(symbol)], symbol)).filter(|used| used.0 > 0).collect();
        if used.is_empty() {
            used.push((1, 0));
        }
        used.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        let mut lengths = limited(&depths(&used));
        // the code of ones alone is not allowed: the last of the longest, which `depths` had one more symbol for
        if let Some(longest) = lengths.iter_mut().rev().find(|count| **count > 0) {
            *longest -= 1;
        }
        let mut codes = [(0, 0); 256];
        let (mut next, mut symbols) = (0_u16, used.iter().map(|used| used.1));
        for (length, &count) in (1_u8..).zip(&lengths) {
            for symbol in symbols.by_ref().take(usize::from(count)) {
                codes[usize::from(symbol)] = (next, length);
                next += 1;
            }
            next <<= 1;
        }
        Self { lengths, symbols: used.into_iter().map(|used| used.1).collect(), codes }
    }

    /// What follows class and number of a table in a DHT segment.
    pub(crate) fn definition(&self) -> impl Iterator<Item = u8> + '_ {
        self.lengths.iter().chain(&self.symbols).copied()
    }

    /// Bytes of a table in a DHT segment.
    pub(crate) fn bytes(&self) -> usize {
        1 + LONGEST + self.symbols.len()
    }

    /// Bits that so many symbols take.
    pub(crate) fn bits(&self, counts: &[u32; 256]) -> u64 {
        counts.iter().zip(&self.codes).map(|(&count, code)| u64::from(count) * u64::from(code.1)).sum()
    }
}

/// How many symbols have each depth in a tree without a limit, of symbols from the most frequent to the least, and one that never comes.
fn depths(used: &[(u32, u8)]) -> Vec<u32> {
    // leaves from the least frequent, then the nodes above them, which come in order by themselves
    let leaves = used.len() + 1;
    let mut weights: Vec<u64> = Vec::with_capacity(2 * leaves);
    weights.push(0);
    weights.extend(used.iter().rev().map(|used| u64::from(used.0)));
    let mut parents = vec![0_usize; 2 * leaves];
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            let take_leaf = leaf < leaves && (inner >= node || weights[leaf] <= weights[inner]);
            let child = if take_leaf { &mut leaf } else { &mut inner };
            sum += weights[*child];
            parents[*child] = node;
            *child += 1;
        }
        weights.push(sum);
    }
    let mut depth = vec![0_u32; 2 * leaves - 1];
    for node in (0..2 * leaves - 2).rev() {
        depth[node] = depth[parents[node]] + 1;
    }
    let mut counts = vec![0; leaves + 1];
    depth[..leaves].iter().for_each(|&depth| counts[depth as usize] += 1);
    counts
}

/// Moves symbols up until none is deeper than allowed, as the standard shows it (Annex K.2): two go from the deepest place, one to the place
/// above it, and one beside a symbol from higher up that goes down by one.
fn limited(counts: &[u32]) -> [u8; 16] {
    let mut counts = counts.to_vec();
    counts.resize(counts.len().max(LONGEST + 1), 0);
    for depth in (LONGEST + 1..counts.len()).rev() {
        while counts[depth] > 0 {
            let above = (1..depth - 1).rev().find(|&above| counts[above] > 0).unwrap_or(1);
            counts[depth] -= 2;
            counts[depth - 1] += 1;
            counts[above + 1] += 2;
            counts[above] -= 1;
        }
    }
    std::array::from_fn(|at| u8::try_from(counts[at + 1]).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[u32]) -> [u32; 256] {
        let mut counts = [0; 256];
        counts[..of.len()].copy_from_slice(of);
        counts
    }

    #[test]
    fn codes_are_prefix_free_and_never_ones_alone() {
        let fibonacci: Vec<u32> = (0..40)
            .scan((1, 1), |pair, _| {
                *pair = (pair.1, pair.0 + pair.1);
                Some(pair.0)
            })
            .collect();
        for of in [&[5][..], &[1, 1], &[1, 2, 3, 4, 100], &[1; 256], &fibonacci] {
            let code = Code::new(&counts(of));
            let used: Vec<_> = code.codes.iter().filter(|code| code.1 > 0).collect();
            assert_eq!(used.len(), of.len());
            let space: u32 = used.iter().map(|code| 1 << (16 - code.1)).sum();
            assert!(space < 1 << 16, "{of:?}");
            for (at, one) in used.iter().enumerate() {
                assert!(one.1 <= 16 && u32::from(one.0) + 1 < 1 << one.1);
                for other in used[at + 1..].iter().filter(|other| other.1 >= one.1) {
                    assert!(other.0 >> (other.1 - one.1) != one.0);
                }
            }
        }
    }

    #[test]
    fn what_comes_often_has_short_codes() {
        let of = counts(&[100, 50, 25, 12, 6, 3]);
        let code = Code::new(&of);
        assert_eq!(code.codes[..6].iter().map(|code| code.1).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(code.bits(&of), 100 + 100 + 75 + 48 + 30 + 18);
    }
}
