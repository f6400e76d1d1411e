//! Patterns of namespaces → patterns of the buckets that they may use. Pure.
//!
//! Part of the settings in `config` above; nothing is below.

use std::{collections::BTreeMap, str::FromStr};

/// Patterns of namespaces, each with patterns of buckets; `*` is any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(BTreeMap<String, Vec<String>>);

impl FromStr for AllowList {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text).map(Self)
    }
}

impl AllowList {
    /// Whether it gives `bucket` to `namespace`.
    pub fn holds(&self, namespace: &str, bucket: &str) -> bool {
        let mut lines = self.0.iter();
        lines.any(|(namespaces, buckets)| matches(namespaces, namespace) && buckets.iter().any(|pattern| matches(pattern, bucket)))
    }
}

/// Whether `text` is like `pattern`, in which `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(first) else { return false };
    (0..=text.len()).filter_map(|at| text.get(at..)).any(|text| matches(rest, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text, like) in [
            ("photos", "photos", true),
            ("photos", "photos2", false),
            ("*", "", true),
            ("*", "photos", true),
            ("team-a-*", "team-a-photos", true),
            ("team-a-*", "team-b-photos", false),
            ("*-photos", "team-a-photos", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
        ] {
            assert_eq!(matches(pattern, text), like, "{pattern} {text}");
        }
    }
}
