//! What the enums whose variants are words of the API and of the environment have in common: the error that lists the words.

use std::fmt::Display;

use strum::VariantArray;

/// Says which words would be right.
pub(crate) fn want_one_of<T: VariantArray + Display>(_: &str) -> String {
    let words: Vec<_> = T::VARIANTS.iter().map(ToString::to_string).collect();
    format!("want one of {}", words.join(", "))
}
