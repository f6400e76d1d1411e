//! What was seen at one place, and how it is told. Pure.

use std::fmt::Write as _;

use resize_api::text::printable;
use serde::Serialize;

use crate::command::form::Outcome;

/// Most things that are named.
const NAMED: usize = 5;

/// What was seen at one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The place.
    pub subject: String,
    /// Whether all is well there.
    pub state: State,
    /// What was seen.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// Whether all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is.
    Ok,
    /// It is not.
    Wrong,
    /// It could not be looked at.
    Unknown,
}

impl Finding {
    /// All is well.
    pub fn ok(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { subject: subject.into(), state: State::Ok, message: message.into(), advice: None }
    }

    /// Something is wrong, and what to do.
    pub fn wrong(subject: impl Into<String>, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Wrong, advice: Some(advice.into()), ..Self::ok(subject, message) }
    }

    /// It could not be looked at.
    pub fn unknown(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { state: State::Unknown, ..Self::ok(subject, message) }
    }

    /// With what may be done, though all is well.
    pub fn with_advice(self, advice: Option<&str>) -> Self {
        Self { advice: advice.map(ToOwned::to_owned).or(self.advice), ..self }
    }
}

/// What all findings come to.
pub fn outcome(findings: &[Finding]) -> Outcome {
    let each = findings.iter().map(|finding| match finding.state {
        State::Ok => Outcome::Well,
        State::Unknown => Outcome::Unseen,
        State::Wrong => Outcome::Wrong,
    });
    each.max().unwrap_or(Outcome::Well)
}

/// The first few of `all`, and how many more there are.
pub fn some(all: &[String]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let named = all[..all.len().min(NAMED)].join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

/// Lines for people.
pub fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { subject, state, message, advice } in findings {
        let state = match state {
            State::Ok => "ok     ",
            State::Wrong => "wrong  ",
            State::Unknown => "unknown",
        };
        // writing to a String cannot fail
        let _ = writeln!(text, "{state}  {}: {}", printable(subject), printable(message));
        if let Some(advice) = advice {
            let _ = writeln!(text, "         to do: {}", printable(advice));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_with_what_to_do() {
        let found = [Finding::ok("a", "well"), Finding::unknown("b", "no answer"), Finding::wrong("c", "broken", "mend it")];
        assert_eq!(text(&found), "ok       a: well\nunknown  b: no answer\nwrong    c: broken\n         to do: mend it\n");
        let faked = [Finding::wrong("a\rb", "holder\nok       everything: is well\u{1b}[2J", "\u{9b}2J")];
        assert_eq!(text(&faked), "wrong    a b: holder ok       everything: is well [2J\n         to do:  2J\n");
        assert_eq!(some(&["a", "b", "c", "d", "e", "f", "g"].map(String::from)), "a, b, c, d, e and 2 more");
        assert_eq!([outcome(&found), outcome(&found[..2]), outcome(&found[..1])], [Outcome::Wrong, Outcome::Unseen, Outcome::Well]);
    }
}
