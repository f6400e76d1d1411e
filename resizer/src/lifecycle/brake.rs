//! What a pass found → whether it may be deleted.
//!
//! Pure. A bucket that lost its originals, or a sweep of the wrong bucket, must not take the derivatives along: they are what visitors
//! see. What whoever changed the settings asked for does not count.

use std::{fmt, str::FromStr};

/// A share of the derivatives is never less than this.
const LEAST: u64 = 100;

/// How many derivatives may go in one sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxDeletions {
    /// So many.
    Number(u64),
    /// So many of a hundred that were seen, and at least 100.
    Percent(u8),
}

impl Default for MaxDeletions {
    fn default() -> Self {
        Self::Percent(10)
    }
}

impl MaxDeletions {
    /// The number, where so many derivatives were `seen`.
    pub fn of(self, seen: u64) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Percent(share) => (seen / 100 * u64::from(share) + seen % 100 * u64::from(share) / 100).max(LEAST),
        }
    }
}

impl FromStr for MaxDeletions {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANT: &str = "want a number such as 5000, or a share from 0% to 100%";
        let Some(share) = text.strip_suffix('%') else { return text.parse().map(Self::Number).map_err(|_| WANT) };
        share.parse().ok().filter(|share| *share <= 100).map(Self::Percent).ok_or(WANT)
    }
}

impl fmt::Display for MaxDeletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

/// What a pass over the whole listing found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Originals listed.
    pub originals: u64,
    /// Derivatives listed, foreign objects included.
    pub derivatives: u64,
    /// Derivatives that are to go.
    pub doomed: u64,
    /// Those of them that a change of settings explains.
    pub explained: u64,
}

/// Why nothing is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing but derivatives.
    #[error(
        "there is no original at all, and {doomed} of {derivatives} derivatives would go: is this the right bucket? --force deletes them"
    )]
    NoOriginals {
        /// What would go.
        doomed: u64,
        /// What was seen.
        derivatives: u64,
    },
    /// More than are allowed.
    #[error(
        "{doomed} of {derivatives} derivatives would go because their originals are gone or changed, or because other settings made them; \
         {limit} may: if that is right, --force or --max-deletions deletes them"
    )]
    TooMany {
        /// What would go and is not explained.
        doomed: u64,
        /// What was seen.
        derivatives: u64,
        /// What may go.
        limit: u64,
    },
}

/// How many of those that are not explained may go, or why none.
pub fn judge(found: Found, max: MaxDeletions) -> Result<u64, Refusal> {
    let Found { originals, derivatives, doomed, explained } = found;
    if originals == 0 && doomed > 0 {
        return Err(Refusal::NoOriginals { doomed, derivatives });
    }
    let (doomed, limit) = (doomed - explained, max.of(derivatives));
    if doomed > limit { Err(Refusal::TooMany { doomed, derivatives, limit }) } else { Ok(limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_share_is_refused() {
        let ten = MaxDeletions::default();
        let refused = |refusal: Refusal| Err(refusal);
        for (originals, derivatives, doomed, explained, max, expect) in [
            (0, 0, 0, 0, ten, Ok(100)),
            (0, 9, 0, 0, ten, Ok(100)),
            (0, 9, 1, 0, ten, refused(Refusal::NoOriginals { doomed: 1, derivatives: 9 })),
            (0, 9, 1, 1, ten, refused(Refusal::NoOriginals { doomed: 1, derivatives: 9 })),
            (5, 100, 100, 0, ten, Ok(100)),
            (5, 101, 101, 0, ten, refused(Refusal::TooMany { doomed: 101, derivatives: 101, limit: 100 })),
            (5, 10_000, 1000, 0, ten, Ok(1000)),
            (5, 10_000, 1001, 0, ten, refused(Refusal::TooMany { doomed: 1001, derivatives: 10_000, limit: 1000 })),
            // a new quality makes all others go
            (5, 10_000, 10_000, 9500, ten, Ok(1000)),
            (5, 10_000, 10_000, 8000, ten, refused(Refusal::TooMany { doomed: 2000, derivatives: 10_000, limit: 1000 })),
            (5, 10_000, 2, 0, MaxDeletions::Number(1), refused(Refusal::TooMany { doomed: 2, derivatives: 10_000, limit: 1 })),
            (5, 10_000, 10_000, 0, MaxDeletions::Percent(100), Ok(10_000)),
            (5, u64::MAX, u64::MAX, 0, MaxDeletions::Percent(100), Ok(u64::MAX)),
        ] {
            assert_eq!(judge(Found { originals, derivatives, doomed, explained }, max), expect);
        }
    }

    #[test]
    fn reads_what_it_writes() {
        for text in ["0", "5000", "0%", "10%", "100%"] {
            assert_eq!(text.parse::<MaxDeletions>().unwrap().to_string(), text);
        }
        for text in ["", "%", "101%", "-1", "1.5%", "ten", "10 %"] {
            assert!(text.parse::<MaxDeletions>().is_err(), "{text}");
        }
    }
}
