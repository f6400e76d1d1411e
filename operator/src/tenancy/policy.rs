//! Which namespaces may use which buckets, where the operator's owner restricts it. Pure.

use std::{collections::BTreeMap, str::FromStr};

use crate::config::{Claims, ClaimsPolicy};

/// Tag of a bucket with the namespaces that may use it.
pub const TAG: &str = "resize-operator.dev/namespaces";

/// Patterns of namespaces → patterns of the buckets that they may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(BTreeMap<String, Vec<String>>);

impl FromStr for AllowList {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text).map(Self)
    }
}

impl Claims {
    /// Whether the settings alone let endpoints of `namespace` use `bucket`; a tag is looked at later.
    pub fn allow(&self, namespace: &str, bucket: &str) -> bool {
        self.policy != ClaimsPolicy::AllowList
            || self
                .allow
                .0
                .iter()
                .any(|(namespaces, buckets)| matches(namespaces, namespace) && buckets.iter().any(|pattern| matches(pattern, bucket)))
    }
}

/// Whether the value of a bucket's tag names `namespace`. Names stand between spaces or slashes: AWS lets no comma in.
pub fn tag_names(value: &str, namespace: &str) -> bool {
    value.split([' ', '/', ',']).any(|name| name == namespace)
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

    #[test]
    fn an_allow_list_names_namespaces_and_buckets() {
        let allow = r#"{ "team-a": ["team-a-*", "shared"], "admin-*": ["*"] }"#.parse().unwrap();
        let claims = Claims { policy: ClaimsPolicy::AllowList, allow };
        for (namespace, bucket, allowed) in [
            ("team-a", "team-a-photos", true),
            ("team-a", "shared", true),
            ("team-a", "team-b-photos", false),
            ("team-b", "shared", false),
            ("admin-1", "anything", true),
        ] {
            assert_eq!(claims.allow(namespace, bucket), allowed, "{namespace} {bucket}");
        }
        assert!(Claims::default().allow("team-b", "shared"), "open is open");
    }

    #[test]
    fn a_tag_names_namespaces_exactly() {
        for (value, namespace, named) in
            [("demo", "demo", true), ("a demo", "demo", true), ("a/demo/b", "demo", true), ("demos", "demo", false), ("", "demo", false)]
        {
            assert_eq!(tag_names(value, namespace), named, "{value}");
        }
    }
}
