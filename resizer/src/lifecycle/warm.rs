//! A derivative that is missing → made, by the same service and within the same bounds as for a visitor.
//!
//! `sweep` asks for it. Below is `derivative`, which makes it.

use std::sync::Arc;

use resize_api::ResizedKey;

use crate::{
    derivative,
    error::Error,
    guard::negative::Blame,
    outcome::{Outcome, Shown},
    service::Service,
};

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// It is stored.
    Made,
    /// There is nothing to be made: the original is no picture, too large, or gone.
    Needless,
    /// It could not be made, or not be stored.
    Failed(String),
}

/// Makes the derivative `key`, if it is not there.
pub async fn make(service: &Arc<Service>, key: &ResizedKey) -> Warmed {
    let start = |lease, hold| derivative::run(Arc::clone(service), key.clone(), lease, hold);
    let flown = service.flights.join(key.to_string(), || service.admission.lease(), start).await;
    let result = flown.map_err(Error::from).and_then(|((result, _), _)| result);
    match result {
        Ok(Outcome::Stored | Outcome::Original { .. } | Outcome::Picture { why: Shown::Loop | Shown::Refused | Shown::Made, .. }) => {
            Warmed::Made
        }
        // an error where the picture may not be shown instead
        Ok(Outcome::Picture { why: Shown::NotStored, .. }) | Err(Error::NotPublic) => Warmed::Failed("made, but not stored".to_owned()),
        Err(error) if error.blame() != Blame::Passing => Warmed::Needless,
        Err(error) => Warmed::Failed(error.to_string()),
    }
}
