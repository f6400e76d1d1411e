//! How a look ends, and in which form it is told.

use std::process::ExitCode;

use serde::Serialize;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// Lines for people.
    Text,
}

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All is well.
    Well,
    /// Something could not be looked at.
    Unseen,
    /// Something is wrong.
    Wrong,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Well => 0,
            Outcome::Wrong => 1,
            Outcome::Unseen => 2,
        })
    }
}

/// The text of `value` for programs.
pub fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_counts_more_than_what_was_not_seen() {
        assert_eq!([Outcome::Unseen, Outcome::Wrong, Outcome::Well].into_iter().max(), Some(Outcome::Wrong));
    }
}
