//! Originals that a listing has come to, as long as more that belongs to them may come behind → the original of each place, and in the
//! end what has come of each.
//!
//! In the byte order of keys, all that comes between `cat.jpg` and `cat.jpg.webp` begins with `cat.jpg`. So those originals with which
//! the key begins that the listings have come to are all that can have a variant there or later: a stack, never deeper than a key is
//! long. Pure; `merge` asks it, below are only the types of keys and of the listing.

use std::{collections::BTreeSet, sync::Arc};

use resize_api::Variant;

use crate::store::listing::Listed;

/// The original of a place, and the format that the key of the place names.
pub type Owner = (Arc<Listed>, Option<Variant>);

/// A stack of originals, each of which begins with the one below.
pub struct Pending {
    variants: BTreeSet<Variant>,
    stack: Vec<Whole>,
}

/// An original, and where derivatives of it cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// The original.
    pub original: Arc<Listed>,
    /// Where something lies, by the number of the listing.
    taken: Vec<(usize, Option<Variant>)>,
    /// Variants whose keys are those of other originals' derivatives.
    shadowed: BTreeSet<Variant>,
}

impl Whole {
    /// Whether nothing lies at this place, and what would lie there would be of this original.
    pub fn is_free(&self, lane: usize, variant: Option<Variant>) -> bool {
        variant.is_none_or(|variant| !self.shadowed.contains(&variant)) && !self.taken.contains(&(lane, variant))
    }
}

impl Pending {
    /// None yet, where these variants are listed.
    pub fn new(variants: BTreeSet<Variant>) -> Self {
        Self { variants, stack: Vec::new() }
    }

    /// Takes out an original to which nothing belongs from `position` on, which the listings have come to; none: they have ended.
    pub fn pop(&mut self, position: Option<&str>) -> Option<Whole> {
        self.stack.pop_if(|last| position.is_none_or(|position| !position.starts_with(&last.original.key)))
    }

    /// Adds the original at the position, when all that is over has been taken out.
    pub fn push(&mut self, original: Listed) {
        if let Some((whole, variant)) = self.shorter(&original.key) {
            whole.shadowed.insert(variant);
        }
        self.stack.push(Whole { original: original.into(), taken: Vec::new(), shadowed: BTreeSet::new() });
    }

    /// The original of what lies at `key`, the position, in these listings: the one of that very name, else the one whose variant it is.
    pub fn take(&mut self, key: &str, lanes: impl Iterator<Item = usize>) -> Option<Owner> {
        let is_literal = self.stack.last().is_some_and(|last| last.original.key == key);
        let (whole, variant) =
            if is_literal { (self.stack.last_mut()?, None) } else { self.shorter(key).map(|(whole, variant)| (whole, Some(variant)))? };
        whole.taken.extend(lanes.map(|lane| (lane, variant)));
        Some((Arc::clone(&whole.original), variant))
    }

    /// The original of which `key`, the position, is a listed variant.
    fn shorter(&mut self, key: &str) -> Option<(&mut Whole, Variant)> {
        let (name, variant) = Variant::split(key).filter(|(_, variant)| self.variants.contains(variant))?;
        // the position begins with each of them: they differ only in length
        let at = self.stack.binary_search_by_key(&name.len(), |whole| whole.original.key.len()).ok()?;
        Some((&mut self.stack[at], variant))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::listing::Moment;

    proptest! {
        /// Whatever the names are: never more originals than the position has bytes, each the beginning of the next.
        #[test]
        fn is_never_deeper_than_a_key_is_long(names in prop::collection::btree_set("[ab.]{1,6}", 0..200)) {
            let mut pending = Pending::new(Variant::ALL.iter().copied().collect());
            let mut popped = 0;
            for name in &names {
                while pending.pop(Some(name)).is_some() {
                    popped += 1;
                }
                pending.push(Listed { key: name.clone(), etag: None, modified: Moment(0), size: 0 });
                let keys: Vec<_> = pending.stack.iter().map(|whole| whole.original.key.as_str()).collect();
                prop_assert!(keys.len() <= name.len() && keys.windows(2).all(|two| two[1].starts_with(two[0])), "{keys:?}");
            }
            while pending.pop(None).is_some() {
                popped += 1;
            }
            prop_assert_eq!(popped, names.len());
        }
    }
}
