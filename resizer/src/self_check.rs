//! Results of reads and writes, and of a GET of a key that cannot exist → what `/selfcheck` says of the pod's access to the bucket.
//!
//! It has no influence on readiness: taking pods out of service because S3 is down helps nobody. `service` holds it and sends the
//! GET, `derivative` tells it the rest; the errors it reads are of `error` and `store` below.

use std::sync::{Arc, Mutex, PoisonError};

use resize_api::self_check::{Access, SelfCheck};

use crate::{error::Error, store::StoreError, watch::metrics::Metrics};

/// Characters of a message.
const LONGEST: usize = 200;
const DENIED: &str = "access denied to a key that does not exist, though the keys may be listed: allow s3:GetObject";
const UNCLEAR: &str =
    "access denied to a key that does not exist, and nothing was read yet: allow s3:GetObject, and s3:ListBucket to make sure";

/// What was found.
pub struct Checks {
    found: Mutex<SelfCheck>,
    metrics: Arc<Metrics>,
}

impl Checks {
    /// Nothing is known yet; `metrics` are told what is found.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let checks = Self { found: Mutex::default(), metrics };
        checks.tell(&SelfCheck::default());
        checks
    }

    fn tell(&self, check: &SelfCheck) {
        self.metrics.tell_access("originals", check.originals);
        self.metrics.tell_access("derivatives", check.derivatives);
    }

    /// What is known.
    pub fn now(&self) -> SelfCheck {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An original was read, or not.
    pub fn read(&self, result: Result<(), &Error>) {
        match result {
            Ok(()) | Err(Error::Resize(_) | Error::Derivative | Error::Encoded(_)) => self.originals(Access::Allowed, ""),
            Err(Error::Store(error)) => self.failed(error),
            Err(_) => {}
        }
    }

    /// A derivative was stored, or not.
    pub fn stored(&self, result: Result<(), &Error>) {
        let access = match result {
            Ok(()) => Access::Allowed,
            Err(Error::Store(StoreError::Forbidden)) => Access::Denied,
            Err(Error::Store(StoreError::Credentials(_))) => Access::CredentialsInvalid,
            Err(Error::Store(StoreError::NoBucket)) => Access::BucketMissing,
            Err(_) => return,
        };
        self.change(|found| found.derivatives = access);
    }

    /// A GET of the impossible key came to this; `lists` says whether the keys of the bucket may be listed.
    pub fn probed(&self, result: Result<(), &StoreError>, lists: bool) {
        match result {
            Ok(()) | Err(StoreError::Missing) => self.originals(Access::Allowed, ""),
            Err(StoreError::Forbidden) if lists => self.originals(Access::Denied, DENIED),
            // without s3:ListBucket, S3 answers 403 for a missing key too
            Err(StoreError::Forbidden) if self.now().originals == Access::Allowed => {}
            Err(StoreError::Forbidden) => self.originals(Access::Unknown, UNCLEAR),
            Err(error @ (StoreError::Credentials(_) | StoreError::NoBucket)) => self.failed(error),
            Err(error) => self.originals(Access::Unreachable, &error.to_string()),
        }
    }

    /// What is so for every key, whichever was asked for.
    fn failed(&self, error: &StoreError) {
        match error {
            StoreError::Credentials(text) => self.originals(Access::CredentialsInvalid, text),
            StoreError::NoBucket => self.originals(Access::BucketMissing, &error.to_string()),
            _ => {}
        }
    }

    fn originals(&self, access: Access, message: &str) {
        self.change(|found| {
            found.originals = access;
            found.message = message.chars().take(LONGEST).collect();
        });
    }

    fn change(&self, change: impl FnOnce(&mut SelfCheck)) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let before = found.clone();
        change(&mut found);
        let SelfCheck { originals, message, .. } = &*found;
        if before != *found {
            self.tell(&found);
        }
        if before.originals != *originals && *originals != Access::Allowed {
            tracing::warn!(%originals, message, "the bucket cannot be read");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::admission::Refused;

    #[test]
    fn tells_who_may_read_from_who_may_not() {
        let missing = || Err(StoreError::Missing);
        let denied = || Err(StoreError::Forbidden);
        let credentials = || Err(StoreError::Credentials("403 InvalidAccessKeyId".into()));
        for (probes, lists, read, expect) in [
            (vec![], false, false, Access::Unknown),
            (vec![missing()], false, false, Access::Allowed),
            (vec![denied()], true, false, Access::Denied),
            (vec![denied()], true, true, Access::Denied),
            (vec![denied()], false, false, Access::Unknown),
            (vec![denied()], false, true, Access::Allowed),
            (vec![missing(), denied()], true, false, Access::Denied),
            (vec![credentials()], false, false, Access::CredentialsInvalid),
            (vec![credentials(), missing()], false, false, Access::Allowed),
            (vec![credentials(), denied()], false, false, Access::Unknown),
            (vec![Err(StoreError::NoBucket)], false, false, Access::BucketMissing),
            (vec![Err(StoreError::TimedOut)], false, false, Access::Unreachable),
            (vec![Err(StoreError::SlowDown), denied()], true, false, Access::Denied),
        ] {
            let checks = Checks::new(Arc::new(Metrics::new()));
            if read {
                checks.read(Ok(()));
            }
            for probe in &probes {
                checks.probed(probe.as_ref().copied(), lists);
            }
            assert_eq!(checks.now().originals, expect, "{probes:?} {lists} {read}");
        }
    }

    #[test]
    fn what_visitors_ask_for_tells_too() {
        let checks = Checks::new(Arc::new(Metrics::new()));
        checks.read(Err(&Error::Store(StoreError::Forbidden)));
        checks.read(Err(&Error::Refused(Refused::Busy("no worker"))));
        assert_eq!(checks.now(), SelfCheck::default(), "a missing key is denied, too, without s3:ListBucket");
        checks.read(Err(&Error::Store(StoreError::Credentials("x".repeat(1000)))));
        assert_eq!((checks.now().originals, checks.now().message.len()), (Access::CredentialsInvalid, LONGEST));
        checks.read(Ok(()));
        checks.stored(Err(&Error::Store(StoreError::Forbidden)));
        let expect = SelfCheck { originals: Access::Allowed, derivatives: Access::Denied, message: String::new() };
        assert_eq!(checks.now(), expect);
        checks.stored(Ok(()));
        assert_eq!(checks.now().derivatives, Access::Allowed);
    }
}
