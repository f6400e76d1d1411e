//! Which originals may be published, by the prefixes of their keys, and how large they may be: as a user writes it → whether a key may.
//!
//! The resizer reads the bucket with its own credentials. Without these bounds, anybody who knows a key gets a small copy of that
//! object published. A part of `settings` and `endpoint` above; below is `resolution`, for the limits.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

#[cfg(feature = "kube")]
use kube::KubeSchema;
#[cfg(feature = "kube")]
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};

use crate::words::want_one_of;

/// What would be read as something else in a list; spaces, for those at the ends.
const LIST: &AsciiSet = &CONTROLS.add(b'%').add(b',').add(b' ');

/// The originals that may be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "kube", derive(KubeSchema, Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Source {
    /// Only originals whose key begins with one of these are published, such as `photos/`. An empty list publishes all.
    #[cfg_attr(feature = "kube", serde(default, skip_serializing_if = "Vec::is_empty"))]
    #[cfg_attr(feature = "kube", schemars(length(max = 100), inner(length(min = 1, max = 1024))))]
    #[cfg_attr(feature = "kube", x_kube(validation = Rule::new("self.all(p, p.matches('^[^[:cntrl:]]+$'))")
        .message("want the beginning of a key, such as photos/: not empty, no control characters")))]
    pub include_prefixes: Vec<String>,

    /// Originals whose key begins with one of these are never published, also where `includePrefixes` has them. To a visitor they are as if they did not exist.
    #[cfg_attr(feature = "kube", serde(default, skip_serializing_if = "Vec::is_empty"))]
    #[cfg_attr(feature = "kube", schemars(length(max = 100), inner(length(min = 1, max = 1024))))]
    #[cfg_attr(feature = "kube", x_kube(validation = Rule::new("self.all(p, p.matches('^[^[:cntrl:]]+$'))")
        .message("want the beginning of a key, such as drafts/: not empty, no control characters")))]
    pub exclude_prefixes: Vec<String>,

    /// What becomes of an original that its Content-Type calls a picture, and that is not read here, such as SVG. `Refuse`: 415. `ShowOriginal`: visitors are sent to the original in every size.
    #[cfg_attr(feature = "kube", serde(default))]
    pub unsupported: Unsupported,
}

/// What becomes of a picture that is not read here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(Serialize, Deserialize, schemars::JsonSchema))]
pub enum Unsupported {
    /// 415.
    #[default]
    Refuse,
    /// The original itself.
    ShowOriginal,
}

impl Source {
    /// Whether the original `key` may be published.
    pub fn publishes(&self, key: &str) -> bool {
        let begins = |prefixes: &[String]| prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
        (self.include_prefixes.is_empty() || begins(&self.include_prefixes)) && !begins(&self.exclude_prefixes)
    }
}

/// Bounds on pictures, as a user writes them.
#[cfg(feature = "kube")]
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// Largest original in bytes. Default: 67108864.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_294_967_296_i64))]
    pub max_source_bytes: Option<i64>,

    /// Largest original in pixels. Default: 100000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_073_676_289))]
    pub max_source_pixels: Option<i64>,

    /// Largest output in pixels. No side is ever over 16383. Default: 25000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 268_402_689))]
    pub max_output_pixels: Option<i64>,
}

#[cfg(feature = "kube")]
impl From<&LimitsSpec> for crate::Limits {
    fn from(spec: &LimitsSpec) -> Self {
        let default = Self::default();
        let or = |written: Option<i64>, default| written.and_then(|number| number.try_into().ok()).unwrap_or(default);
        Self {
            max_source_bytes: or(spec.max_source_bytes, default.max_source_bytes),
            max_source_pixels: or(spec.max_source_pixels, default.max_source_pixels),
            max_output_pixels: or(spec.max_output_pixels, default.max_output_pixels),
            ..default
        }
    }
}

/// `photos/,a%2Cb/`: prefixes with commas between, each percent-encoded where it needs to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PrefixList(pub(crate) Vec<String>);

impl FromStr for PrefixList {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let prefix = |item: &str| {
            let prefix = percent_decode_str(item.trim()).decode_utf8().map_err(|_| "want UTF-8, percent-encoded")?;
            if prefix.is_empty() {
                Err("want prefixes of keys with commas between, such as photos/,logos/")
            } else {
                Ok(prefix.into_owned())
            }
        };
        text.split(',').map(prefix).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for PrefixList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<_> = self.0.iter().map(|prefix| utf8_percent_encode(prefix, LIST).to_string()).collect();
        f.write_str(&items.join(","))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_exclusion_beats_an_inclusion() {
        let source = |include: &[&str], exclude: &[&str]| Source {
            include_prefixes: include.iter().map(ToString::to_string).collect(),
            exclude_prefixes: exclude.iter().map(ToString::to_string).collect(),
            ..Source::default()
        };
        for (include, exclude, key, published) in [
            (&[][..], &[][..], "a.jpg", true),
            (&["photos/"], &[], "photos/a.jpg", true),
            (&["photos/"], &[], "photos", false),
            (&["photos/"], &[], "/photos/a.jpg", false),
            (&["photos/"], &[], "private/photos/a.jpg", false),
            (&["photos/", "logos/"], &[], "logos/a.jpg", true),
            (&[], &["drafts/"], "drafts/a.jpg", false),
            (&[], &["drafts/"], "draft.jpg", true),
            (&["photos/"], &["photos/drafts/"], "photos/drafts/a.jpg", false),
            (&["photos/"], &["photos/drafts/"], "photos/a.jpg", true),
            (&["photos/drafts/"], &["photos/"], "photos/drafts/a.jpg", false),
        ] {
            assert_eq!(source(include, exclude).publishes(key), published, "{include:?} {exclude:?} {key}");
        }
    }

    #[test]
    fn refuses_what_would_mean_everything_or_nothing() {
        for text in ["", ",", "a/,", "a/, ,b/", "%FF"] {
            assert!(text.parse::<PrefixList>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_list_of_any_prefixes_is_read_as_it_was_written(prefixes in prop::collection::vec(".+", 1..4)) {
            let list = PrefixList(prefixes);
            prop_assert_eq!(list.to_string().parse(), Ok(list));
        }
    }
}
