//! What a sweep is asked to do. Below are only the types of the settings.

use std::{collections::BTreeSet, num::NonZeroU32};

use resize_api::Resolution;

use super::{brake::MaxDeletions, suspicion::Suspicion};

/// What a sweep is asked to do.
#[derive(Clone, Debug)]
pub struct Order {
    /// Only say what would go.
    pub dry_run: bool,
    /// Delete however much there is.
    pub force: bool,
    /// Delete every derivative.
    pub purge: bool,
    /// How many may go.
    pub max_deletions: MaxDeletions,
    /// Of which resolutions what is missing is made.
    pub warm: BTreeSet<Resolution>,
    /// With what the keys of the originals begin.
    pub prefix: String,
    /// What has to be looked at.
    pub suspicion: Suspicion,
    /// Requests a second.
    pub rate: NonZeroU32,
}
