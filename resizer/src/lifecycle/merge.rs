//! Listings in key order, page by page → groups: an original and what lies at the places of its derivatives.
//!
//! Pure. `lanes` feeds it; what it holds is the pages, whatever the bucket's size. Below are only the types of the listing.

use std::vec::IntoIter;

use crate::store::listing::Listed;

/// The listings of one bucket. The first is of originals, the others of derivatives, whose keys are without their prefix.
pub struct Merge {
    lanes: Vec<Lane>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// This listing has to go on, or to end, before anything can be said.
    Feed(usize),
    /// All that belongs to one original.
    Group(Group),
    /// All listings have ended.
    End,
}

/// What there is of one original.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// The object itself, if there is one.
    pub original: Option<Listed>,
    /// What lies at the places of its derivatives, by the number of the listing; keys are the original's.
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
    /// Merges so many listings.
    pub fn new(lanes: usize) -> Self {
        Self { lanes: (0..lanes).map(|_| Lane::default()).collect() }
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

    /// The next group, or what is missing to know it.
    pub fn step(&mut self) -> Step {
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            if lane.head.is_none() && !lane.has_ended {
                lane.head = lane.page.next();
                if lane.head.is_none() {
                    return Step::Feed(number);
                }
            }
        }
        let heads = self.lanes.iter().enumerate().filter_map(|(number, lane)| Some((&lane.head.as_ref()?.key, number)));
        let Some((_, first)) = heads.min() else { return Step::End };
        let Some(listed) = self.lanes[first].head.take() else { return Step::End };
        let mut group = Group { original: None, derivatives: Vec::new() };
        for (number, lane) in self.lanes.iter_mut().enumerate().skip(first + 1) {
            if let Some(same) = lane.head.take_if(|head| head.key == listed.key) {
                group.derivatives.push((number, same));
            }
        }
        match first {
            0 => group.original = Some(listed),
            _ => group.derivatives.insert(0, (first, listed)),
        }
        Step::Group(group)
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

    /// Each group as `original: listings`, where pages have `size` objects.
    fn groups(lanes: &[Vec<&str>], size: usize) -> Vec<String> {
        let mut pages: Vec<_> = lanes.iter().map(|keys| keys.chunks(size)).collect();
        let (mut merge, mut groups) = (Merge::new(lanes.len()), Vec::new());
        loop {
            match merge.step() {
                Step::Feed(lane) => {
                    let page = pages[lane].next().map(|keys| keys.iter().map(|key| listed(key)).collect());
                    merge.feed(lane, page).unwrap();
                }
                Step::Group(Group { original, derivatives }) => {
                    let key = original.as_ref().unwrap_or_else(|| &derivatives[0].1).key.clone();
                    assert!(derivatives.iter().all(|(_, listed)| listed.key == key));
                    let lanes: Vec<_> = derivatives.iter().map(|(lane, _)| lane.to_string()).collect();
                    groups.push(format!("{key}{}: {}", if original.is_some() { "" } else { " gone" }, lanes.join(",")));
                }
                Step::End => return groups,
            }
        }
    }

    #[test]
    fn groups_by_original_in_byte_order() {
        for (lanes, expect) in [
            (vec![vec![], vec![]], vec![]),
            (vec![vec!["a"], vec![]], vec!["a: "]),
            (vec![vec![], vec!["a"]], vec!["a gone: 1"]),
            (vec![vec!["a", "b", "c"], vec!["b"], vec!["b", "c", "d"]], vec!["a: ", "b: 1,2", "c: 2", "d gone: 2"]),
            // `Z` before `a`, a longer key behind its beginning, and characters by their bytes: U+FFFD before U+1F600, unlike UTF-16
            (
                vec![vec!["Z", "a", "a!", "a/b", "é", "한", "\u{fffd}", "\u{1f600}"], vec!["a/b", "\u{fffd}", "\u{1f600}"]],
                vec!["Z: ", "a: ", "a!: ", "a/b: 1", "é: ", "한: ", "\u{fffd}: 1", "\u{1f600}: 1"],
            ),
            // an original under a resolution of its own
            (vec![vec!["1920x1080/sea.jpg"], vec!["1920x1080/sea.jpg"], vec!["sea.jpg"]], vec!["1920x1080/sea.jpg: 1", "sea.jpg gone: 2"]),
        ] {
            for size in 1..4 {
                assert_eq!(groups(&lanes, size), expect);
            }
        }
    }

    #[test]
    fn disorder_is_noticed_within_a_page_and_between_pages() {
        for pages in [&[&["b", "a"][..]][..], &[&["a", "b"], &["b"]], &[&["b"], &[], &["a"]]] {
            let mut merge = Merge::new(1);
            let fed: Result<(), _> = pages.iter().try_for_each(|page| merge.feed(0, Some(page.iter().map(|key| listed(key)).collect())));
            assert!(fed.unwrap_err().to_string().contains("`b`"));
        }
    }

    proptest! {
        /// What a map by key gives, in its order.
        #[test]
        fn gives_what_a_map_gives(
            lanes in prop::collection::vec(prop::collection::btree_set("[a-c/é한]{1,3}", 0..12), 1..5),
            size in 1_usize..5,
        ) {
            let mut map = std::collections::BTreeMap::<&str, (bool, Vec<String>)>::new();
            for (lane, keys) in lanes.iter().enumerate() {
                for key in keys {
                    let entry = map.entry(key).or_default();
                    if lane == 0 { entry.0 = true } else { entry.1.push(lane.to_string()) }
                }
            }
            let line = |(key, (there, lanes)): (&&str, &(bool, Vec<String>))| {
                format!("{key}{}: {}", if *there { "" } else { " gone" }, lanes.join(","))
            };
            let expect: Vec<_> = map.iter().map(line).collect();
            let lanes: Vec<Vec<&str>> = lanes.iter().map(|keys| keys.iter().map(String::as_str).collect()).collect();
            prop_assert_eq!(groups(&lanes, size), expect);
        }
    }
}
