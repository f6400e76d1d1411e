//! Rules that others keep removing → whether to write them once more. Pure.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::bucket::error::BucketError;

/// How often in an hour the rules may be removed before the bucket is left alone.
const MOST: usize = 3;
/// How long a removal counts, and how long the bucket is left alone.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The removals that still count: those of the last hour, or all of them while the bucket is left alone.
pub fn recent(removed: &[Timestamp], now: Timestamp) -> Vec<Timestamp> {
    let is_recent = |time: &Timestamp| now.duration_since(*time) < HOUR;
    if removed.len() >= MOST && removed.last().is_some_and(is_recent) {
        return removed.to_vec();
    }
    // removals of more than an hour ago count no more
    let rest = if removed.len() >= MOST { &[] } else { removed };
    rest.iter().copied().filter(is_recent).collect()
}

/// Notes a removal, unless the bucket is left alone already. Fails if it is now.
pub fn go_on(removed: &mut Vec<Timestamp>, was_removed: bool, now: Timestamp) -> Result<(), BucketError> {
    if was_removed && removed.len() < MOST {
        removed.push(now);
    }
    match removed.last() {
        Some(last) if removed.len() >= MOST => Err(BucketError::Overwritten { times: removed.len(), last: *last }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    /// The removals after the rules were found removed at these minutes, and whether they were written each time.
    fn found_removed(minutes: &[i64]) -> (Vec<Timestamp>, Vec<bool>) {
        let mut removed = Vec::new();
        let written = minutes.iter().map(|minute| {
            removed = recent(&removed, at(*minute));
            go_on(&mut removed, true, at(*minute)).is_ok()
        });
        let written = written.collect();
        (removed, written)
    }

    #[test]
    fn the_third_time_in_an_hour_is_the_last_for_an_hour() {
        assert_eq!(found_removed(&[0, 10, 20, 30, 79]).1, [true, true, false, false, false]);
        assert_eq!(found_removed(&[0, 10, 20, 80, 90, 100]).1, [true, true, false, true, true, false]);
        assert_eq!(found_removed(&[0, 40, 80, 120]).1, [true, true, true, true]);
        assert_eq!(found_removed(&[0, 10, 20, 30]).0, [at(0), at(10), at(20)]);
    }

    #[test]
    fn rules_that_were_not_removed_count_nothing() {
        let mut removed = vec![at(0), at(1)];
        assert!(go_on(&mut removed, false, at(2)).is_ok());
        assert_eq!(removed.len(), 2);
    }
}
