//! The text of an environment variable → a typed value, or an error that names the variable. Nothing is below.

use std::{fmt, str::FromStr};

/// A variable that cannot be used: its name, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// Name of the environment variable.
    pub name: &'static str,
    /// What is wrong with its value.
    pub problem: String,
}

/// Typed reading of variables; an empty value counts as not set.
pub(crate) struct Env<'a, F>(pub(crate) &'a F);

impl<F: Fn(&str) -> Option<String>> Env<'_, F> {
    pub(crate) fn optional<T: FromStr<Err: fmt::Display>>(&self, name: &'static str) -> Result<Option<T>, SettingError> {
        let Some(text) = (self.0)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|error| SettingError { name, problem: format!("`{text}`: {error}") })
    }

    pub(crate) fn required<T: FromStr<Err: fmt::Display>>(&self, name: &'static str, what: &str) -> Result<T, SettingError> {
        self.optional(name)?.ok_or_else(|| SettingError { name, problem: format!("not set; want {what}") })
    }

    pub(crate) fn read<T: FromStr<Err: fmt::Display>>(&self, name: &'static str, into: &mut T) -> Result<(), SettingError> {
        if let Some(value) = self.optional(name)? {
            *into = value;
        }
        Ok(())
    }
}
