//! Where objects are written: all that a reconcile of one endpoint says it with. Below are `rollouts` and `watch`.

use kube::Client;

use super::rollouts::Pace;
use crate::watch::children::Children;

/// Where the objects of one endpoint are written.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    /// The API.
    pub client: &'a Client,
    /// What is known of it.
    pub children: &'a Children,
    /// Whether its pods may be replaced now; where nobody says, they may.
    pub pace: Option<Pace<'a>>,
}
