//! Listings in key order, page by page → what lies at the places of derivatives, each with its original, and each original in the end.
//!
//! Pure. `lanes` feeds it; what it holds is the pages, and the few originals of which more may come, whatever the bucket's size. Below
//! are `pending`, which knows those, and the types of the listing.

use std::{collections::BTreeSet, vec::IntoIter};

use resize_api::Variant;

use super::pending::{Owner, Pending, Whole};
use crate::store::listing::Listed;

/// The listings of one bucket. The first is of originals, the others of derivatives, whose keys are without their prefix.
pub struct Merge {
    lanes: Vec<Lane>,
    pending: Pending,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// This listing has to go on, or to end, before anything can be said.
    Feed(usize),
    /// What lies at the places of derivatives under one key.
    Group(Group),
    /// An original, when all that belongs to it has come.
    Whole(Whole),
    /// All listings have ended.
    End,
}

/// What lies at the places of derivatives under one key.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// Whose derivatives they are, if their key is one of an original's.
    pub owner: Option<Owner>,
    /// They, by the number of the listing: one at least.
    pub derivatives: Vec<(usize, Listed)>,
}

/// A listing that is not in the byte order of its keys: nothing can be concluded from it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the listing is not in the byte order of keys: `{later}` comes behind `{earlier}`")]
pub struct Disorder {
    earlier: String,
    later: String,
}

#[derive(Default)]
struct Lane {
    head: Option<Listed>,
    page: IntoIter<Listed>,
    /// The last key of the last page.
    last: Option<String>,
    has_ended: bool,
}

impl Merge {
    /// Merges so many listings, where these variants are listed.
    pub fn new(lanes: usize, variants: BTreeSet<Variant>) -> Self {
        Self { lanes: (0..lanes).map(|_| Lane::default()).collect(), pending: Pending::new(variants) }
    }

    /// The next page of a listing; none: it has ended.
    pub fn feed(&mut self, lane: usize, page: Option<Vec<Listed>>) -> Result<(), Disorder> {
        let lane = &mut self.lanes[lane];
        let Some(page) = page else {
            lane.has_ended = true;
            return Ok(());
        };
        let mut earlier = lane.last.as_deref();
        for Listed { key, .. } in &page {
            if let Some(earlier) = earlier.filter(|earlier| *earlier >= key.as_str()) {
                return Err(Disorder { earlier: earlier.to_owned(), later: key.clone() });
            }
            earlier = Some(key);
        }
        lane.last = earlier.map(ToOwned::to_owned);
        lane.page = page.into_iter();
        Ok(())
    }

    /// What comes next, or what is missing to know it.
    pub fn step(&mut self) -> Step {
        loop {
            for (number, lane) in self.lanes.iter_mut().enumerate() {
                if lane.head.is_none() && !lane.has_ended {
                    lane.head = lane.page.next();
                    if lane.head.is_none() {
                        return Step::Feed(number);
                    }
                }
            }
            let heads = self.lanes.iter().enumerate().filter_map(|(number, lane)| Some((lane.head.as_ref()?.key.as_str(), number)));
            let first = heads.min();
            if let Some(whole) = self.pending.pop(first.map(|(position, _)| position)) {
                return Step::Whole(whole);
            }
            let Some((_, first)) = first else { return Step::End };
            let Some(listed) = self.lanes[first].head.take() else { return Step::End };
            if first == 0 {
                self.pending.push(listed);
                continue;
            }
            let mut derivatives = vec![(first, listed)];
            for (number, lane) in self.lanes.iter_mut().enumerate().skip(first + 1) {
                let same = lane.head.take_if(|head| head.key == derivatives[0].1.key);
                derivatives.extend(same.map(|same| (number, same)));
            }
            let owner = self.pending.take(&derivatives[0].1.key, derivatives.iter().map(|(number, _)| *number));
            return Step::Group(Group { owner, derivatives });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::listing::Moment;

    fn listed(key: &str) -> Listed {
        Listed { key: key.to_owned(), etag: None, modified: Moment(0), size: 0 }
    }

    /// Each group as `original variant: listings`, and each original behind its last as `original, free: places`.
    fn steps(lanes: &[Vec<&str>], size: usize, variants: &[Variant]) -> Vec<String> {
        let mut pages: Vec<_> = lanes.iter().map(|keys| keys.chunks(size)).collect();
        let (mut merge, mut steps) = (Merge::new(lanes.len(), variants.iter().copied().collect()), Vec::new());
        loop {
            match merge.step() {
                Step::Feed(lane) => {
                    let page = pages[lane].next().map(|keys| keys.iter().map(|key| listed(key)).collect());
                    merge.feed(lane, page).unwrap();
                }
                Step::Group(Group { owner, derivatives }) => {
                    let key = derivatives[0].1.key.clone();
                    assert!(derivatives.iter().all(|(_, listed)| listed.key == key));
                    let lanes: Vec<_> = derivatives.iter().map(|(lane, _)| lane.to_string()).collect();
                    let owner = owner.map_or("nobody".to_owned(), |(original, variant)| named(&original.key, variant));
                    steps.push(format!("{key} of {owner}: {}", lanes.join(",")));
                }
                Step::Whole(whole) => {
                    let formats = std::iter::once(None).chain(variants.iter().copied().map(Some));
                    let places = formats.flat_map(|variant| (1..lanes.len()).map(move |lane| (lane, variant)));
                    let free = places.filter(|&(lane, variant)| whole.is_free(lane, variant));
                    let free: Vec<_> = free.map(|(lane, variant)| named(&lane.to_string(), variant)).collect();
                    steps.push(format!("{}, free: {}", whole.original.key, free.join(",")));
                }
                Step::End => return steps,
            }
        }
    }

    fn named(key: &str, variant: Option<Variant>) -> String {
        variant.map_or(key.to_owned(), |variant| format!("{key} {variant}"))
    }

    #[test]
    fn groups_by_key_in_byte_order() {
        for (lanes, expect) in [
            (vec![vec![], vec![]], vec![]),
            (vec![vec!["a"], vec![]], vec!["a, free: 1"]),
            (vec![vec![], vec!["a"]], vec!["a of nobody: 1"]),
            (
                vec![vec!["a", "b", "c"], vec!["b"], vec!["b", "c", "d"]],
                vec!["a, free: 1,2", "b of b: 1,2", "b, free: ", "c of c: 2", "c, free: 1", "d of nobody: 2"],
            ),
            // `Z` before `a`, a longer key behind its beginning, and characters by their bytes: U+FFFD before U+1F600, unlike UTF-16
            (
                vec![vec!["Z", "a", "a!", "a/b", "é", "\u{fffd}", "\u{1f600}"], vec!["a/b", "\u{fffd}", "\u{1f600}"]],
                vec![
                    "Z, free: 1",
                    "a!, free: 1",
                    "a/b of a/b: 1",
                    "a/b, free: ",
                    "a, free: 1",
                    "é, free: 1",
                    "\u{fffd} of \u{fffd}: 1",
                    "\u{fffd}, free: ",
                    "\u{1f600} of \u{1f600}: 1",
                    "\u{1f600}, free: ",
                ],
            ),
            // an original under a resolution of its own
            (
                vec![vec!["1920x1080/sea.jpg"], vec!["1920x1080/sea.jpg"], vec!["sea.jpg"]],
                vec!["1920x1080/sea.jpg of 1920x1080/sea.jpg: 1", "1920x1080/sea.jpg, free: 2", "sea.jpg of nobody: 2"],
            ),
        ] {
            for size in 1..4 {
                assert_eq!(steps(&lanes, size, &[]), expect);
            }
        }
    }

    #[test]
    fn a_variant_belongs_to_the_original_of_its_very_name_else_to_the_shorter_one() {
        use Variant::{Avif, Png, WebP};
        for (variants, lanes, expect) in [
            (&[WebP][..], vec![vec!["a.jpg"], vec!["a.jpg.webp"]], vec!["a.jpg.webp of a.jpg WebP: 1", "a.jpg, free: 1"]),
            // not listed
            (&[Avif], vec![vec!["a.jpg"], vec!["a.jpg.webp"]], vec!["a.jpg.webp of nobody: 1", "a.jpg, free: 1,1 Avif"]),
            // without any original
            (&[WebP], vec![vec![], vec!["a.jpg.webp"]], vec!["a.jpg.webp of nobody: 1"]),
            // an object of that very name
            (
                &[WebP],
                vec![vec!["a.jpg", "a.jpg.webp"], vec!["a.jpg.webp", "a.jpg.webp.webp"]],
                vec!["a.jpg.webp of a.jpg.webp: 1", "a.jpg.webp.webp of a.jpg.webp WebP: 1", "a.jpg.webp, free: ", "a.jpg, free: 1"],
            ),
            // many others in between
            (
                &[WebP, Png],
                vec![vec!["a", "a!", "a-b", "a.png", "a.pngx"], vec!["a", "a-b.png", "a.png", "a.webp"], vec!["a.webp"]],
                vec![
                    "a of a: 1",
                    "a!, free: 1,2,1 WebP,2 WebP,1 Png,2 Png",
                    "a-b.png of a-b Png: 1",
                    "a-b, free: 1,2,1 WebP,2 WebP,2 Png",
                    "a.png of a.png: 1",
                    "a.pngx, free: 1,2,1 WebP,2 WebP,1 Png,2 Png",
                    "a.png, free: 2,1 WebP,2 WebP,1 Png,2 Png",
                    "a.webp of a WebP: 1,2",
                    "a, free: 2",
                ],
            ),
        ] {
            for size in 1..4 {
                assert_eq!(steps(&lanes, size, variants), expect);
            }
        }
    }

    #[test]
    fn disorder_is_noticed_within_a_page_and_between_pages() {
        for pages in [&[&["b", "a"][..]][..], &[&["a", "b"], &["b"]], &[&["b"], &[], &["a"]]] {
            let mut merge = Merge::new(1, BTreeSet::new());
            let fed: Result<(), _> = pages.iter().try_for_each(|page| merge.feed(0, Some(page.iter().map(|key| listed(key)).collect())));
            assert!(fed.unwrap_err().to_string().contains("`b`"));
        }
    }

    /// Short names with characters on both sides of a dot, and suffixes of variants, some of them twice.
    fn name() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec!["a", "b", "-", ".", "/", "é", ".webp", ".webp", ".png", ".pn", ".jpg"]);
        prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// What maps of all keys give.
        #[test]
        fn gives_what_maps_give(
            lanes in prop::collection::vec(prop::collection::btree_set(name(), 0..16), 1..4),
            size in 1_usize..5,
            variants in prop::sample::subsequence(vec![Variant::WebP, Variant::Jpeg, Variant::Png], 0..=3),
        ) {
            let originals = &lanes[0];
            let owner = |key: &str| {
                let shorter = Variant::split(key).filter(|(name, variant)| variants.contains(variant) && originals.contains(*name));
                if originals.contains(key) { Some((key.to_owned(), None)) } else { shorter.map(|(name, variant)| (name.to_owned(), Some(variant))) }
            };
            let mut expect = Vec::new();
            for key in lanes[1..].iter().flatten().collect::<BTreeSet<_>>() {
                let there: Vec<_> = (1..lanes.len()).filter(|&lane| lanes[lane].contains(key)).map(|lane| lane.to_string()).collect();
                let owner = owner(key).map_or("nobody".to_owned(), |(original, variant)| named(&original, variant));
                expect.push(format!("{key} of {owner}: {}", there.join(",")));
            }
            for original in originals {
                let formats = std::iter::once(None).chain(variants.iter().copied().map(Some));
                let is_free = |lane: usize, variant: Option<Variant>| {
                    let key = format!("{original}{}", variant.map_or("", Variant::suffix));
                    !lanes[lane].contains(&key) && (variant.is_none() || !originals.contains(&key))
                };
                let free: Vec<_> = formats
                    .flat_map(|variant| (1..lanes.len()).map(move |lane| (lane, variant)))
                    .filter(|&(lane, variant)| is_free(lane, variant))
                    .map(|(lane, variant)| named(&lane.to_string(), variant))
                    .collect();
                expect.push(format!("{original}, free: {}", free.join(",")));
            }
            let lanes: Vec<Vec<&str>> = lanes.iter().map(|keys| keys.iter().map(String::as_str).collect()).collect();
            let mut found = steps(&lanes, size, &variants);
            let groups: Vec<_> = found.iter().filter(|step| step.contains(" of ")).cloned().collect();
            prop_assert!(groups.is_sorted_by_key(|step| step.split(" of ").next().map(str::to_owned)));
            found.sort();
            expect.sort();
            prop_assert_eq!(found, expect);
        }
    }
}
