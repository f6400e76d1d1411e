//! A suffix of a key → the format that a picture has beside its own: `300x300/cat.jpg.webp` is `cat.jpg` as WebP.
//!
//! Read by `key`, `settings` and `picture`; below is `words`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use strum::{Display, EnumString, VariantArray};

use crate::words::want_one_of;

/// A format in which pictures are served beside their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Variant {
    /// `.avif`
    Avif,
    /// `.webp`
    WebP,
    /// `.jpg`
    Jpeg,
    /// `.png`
    Png,
}

impl Variant {
    /// Every variant, the one with the fewest bytes first.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// What a key of this variant ends in, after the whole name of its original.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Avif => ".avif",
            Self::WebP => ".webp",
            Self::Jpeg => ".jpg",
            Self::Png => ".png",
        }
    }

    /// The variant that `name` ends in, and the name without it.
    pub fn split(name: &str) -> Option<(&str, Self)> {
        let split = |&variant: &Self| Some((name.strip_suffix(variant.suffix()).filter(|name| !name.is_empty())?, variant));
        Self::ALL.iter().find_map(split)
    }
}

/// `WebP,Avif`: words with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VariantList(pub(crate) BTreeSet<Variant>);

impl FromStr for VariantList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|word| word.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for VariantList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&words.join(","))
    }
}
