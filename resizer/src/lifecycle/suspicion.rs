//! What a listing says of a derivative → whether it has to be looked at.
//!
//! Pure. A derivative that is clearly younger than its original and than the settings is fresh without a request of its own. What the
//! times of a listing cannot show is found in turn: each derivative is looked at once in [`TURNS`] days, however it seems.

use crate::store::listing::{Listed, Moment};

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;

/// A derivative that was stored within this time after its original was replaced may be made from the old one: the pod read it before,
/// and died before it looked again. Longer than any request takes.
const MAKING: i64 = 10 * MINUTE;
/// The same for an original that was uploaded in parts: S3 dates it back to the beginning of its upload.
const UPLOADING: i64 = 7 * DAY;
/// Pods of old settings may go on so long after the settings changed.
const ROLLOUT: i64 = 60 * MINUTE;
/// Days within which every derivative is looked at. An original may be replaced by one that is older: the latest version of an object
/// is deleted, or a replica comes, which keeps its date.
const TURNS: i64 = 30;

/// Since when what is so.
#[derive(Clone, Copy, Debug)]
pub struct Suspicion {
    /// When the sweep began.
    pub now: Moment,
    /// Since when the settings are what they are, if that is known.
    pub settings_since: Option<Moment>,
}

impl Suspicion {
    /// Whether the derivative has to be looked at. `is_listed`: its resolution is asked for.
    pub fn falls_on(&self, derivative: &Listed, original: Option<&Listed>, is_listed: bool) -> bool {
        let Some(original) = original.filter(|_| is_listed) else { return true };
        let doubtful = match derivative.modified.0 {
            // sweeps looked at it again and again
            old if old < self.now.0 - TURNS * DAY => 0,
            _ if is_upload_in_parts(original) => UPLOADING,
            _ => MAKING,
        };
        derivative.modified.0 <= original.modified.0.saturating_add(doubtful)
            || self.is_before_settings(derivative.modified)
            || self.has_its_turn(&derivative.key)
    }

    /// Whether the settings may have changed since `modified`, as far as is known.
    fn is_before_settings(&self, modified: Moment) -> bool {
        self.settings_since.is_none_or(|since| modified.0 <= since.0.saturating_add(ROLLOUT))
    }

    /// Whether a derivative of `modified` may be of other settings because whoever changed them has said so.
    pub fn is_explained(&self, modified: Moment) -> bool {
        self.settings_since.is_some() && self.is_before_settings(modified)
    }

    fn has_its_turn(&self, key: &str) -> bool {
        let hash = key.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        i64::from(hash) % TURNS == self.now.0.div_euclid(DAY).rem_euclid(TURNS)
    }
}

/// The ETag of such an object ends with the number of its parts.
fn is_upload_in_parts(original: &Listed) -> bool {
    let etag = original.etag.as_deref().unwrap_or_default().trim_matches('"');
    etag.rsplit_once('-').is_some_and(|(_, parts)| !parts.is_empty() && parts.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1000 * DAY;

    fn listed(modified: i64, etag: &str) -> Listed {
        Listed { key: "a.jpg".into(), etag: Some(etag.into()), modified: Moment(modified), size: 1 }
    }

    /// A day on which the key has no turn.
    fn suspicion(settings_since: Option<i64>) -> Suspicion {
        let suspicion = Suspicion { now: Moment(NOW), settings_since: settings_since.map(Moment) };
        assert!(!suspicion.has_its_turn("a.jpg"), "choose another key");
        suspicion
    }

    #[test]
    fn falls_on_what_may_be_untrue() {
        let (whole, parts) = ("\"0123456789abcdef0123456789abcdef\"", "\"0123456789abcdef0123456789abcdef-3\"");
        for (made, original, since, is_listed, falls) in [
            // made well after its original and the settings
            (NOW, Some((0, whole)), Some(0), true, false),
            // no original
            (NOW, None, Some(0), true, true),
            // no longer listed
            (NOW, Some((0, whole)), Some(0), false, true),
            // the original is younger, or not much older
            (NOW, Some((NOW + 1, whole)), Some(0), true, true),
            (NOW, Some((NOW - MAKING, whole)), Some(0), true, true),
            (NOW, Some((NOW - MAKING - 1, whole)), Some(0), true, false),
            // an upload in parts is dated back
            (NOW, Some((NOW - UPLOADING, parts)), Some(0), true, true),
            (NOW, Some((NOW - UPLOADING - 1, parts)), Some(0), true, false),
            // that was so for a month
            (NOW - TURNS * DAY, Some((NOW - TURNS * DAY, whole)), Some(0), true, true),
            (NOW - TURNS * DAY - 1, Some((NOW - TURNS * DAY - 1, whole)), Some(0), true, true),
            (NOW - TURNS * DAY - 1, Some((NOW - TURNS * DAY - 2, whole)), Some(0), true, false),
            // the settings changed
            (NOW, Some((0, whole)), Some(NOW - ROLLOUT), true, true),
            (NOW, Some((0, whole)), Some(NOW - ROLLOUT - 1), true, false),
            (NOW, Some((0, whole)), None, true, true),
        ] {
            let original = original.map(|(modified, etag)| listed(modified, etag));
            let found = suspicion(since).falls_on(&listed(made, whole), original.as_ref(), is_listed);
            assert_eq!(found, falls, "{made} {original:?} {since:?} {is_listed}");
        }
    }

    #[test]
    fn everything_has_its_turn() {
        for key in ["a.jpg", "b/c.png", "한"] {
            let on = |day: i64| Suspicion { now: Moment(NOW + day * DAY), settings_since: Some(Moment(0)) };
            assert_eq!((0..TURNS).filter(|&day| on(day).has_its_turn(key)).count(), 1, "{key}");
        }
    }

    #[test]
    fn only_settings_that_are_dated_explain_anything() {
        assert!(!suspicion(None).is_explained(Moment(0)));
        assert!(suspicion(Some(NOW)).is_explained(Moment(NOW + ROLLOUT)));
        assert!(!suspicion(Some(NOW)).is_explained(Moment(NOW + ROLLOUT + 1)));
    }
}
