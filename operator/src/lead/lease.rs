//! A Lease in the Kubernetes API → whether this process leads, and until when it may write.
//!
//! Clocks of different machines are never compared: a holder is given up when its Lease has not
//! changed for the Lease's duration, as seen from here. Every write names the version that was read,
//! so of two who take a Lease at once one gets a conflict.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, api::PostParams};

use crate::fence::{Fence, WRITE};

/// How long a Lease holds after its last renewal.
const DURATION: Duration = Duration::from_secs(15);
/// How long its holder trusts it, so that it has stopped before another one begins.
const TRUST: Duration = Duration::from_secs(10);
// a write that began before the trust ended has ended before another process can hold the Lease
const _: () = assert!(TRUST.as_millis() + WRITE.as_millis() < DURATION.as_millis());
/// How often the holder renews it.
const RENEWAL: Duration = Duration::from_secs(5);
/// How often one who failed to renew it, or waits for it, tries again.
const RETRY: Duration = Duration::from_secs(2);
/// How long an answer may take to one who waits for it.
const ANSWER: Duration = Duration::from_secs(5);

/// The Lease is another's, or could not be renewed in time: whatever this process still writes may be wrong.
#[derive(Debug, thiserror::Error)]
#[error("lost the lease {name}: {why}")]
pub struct Lost {
    name: String,
    why: String,
}

/// What is to be done with a Lease.
#[derive(Debug, PartialEq)]
enum Plan {
    /// Make it: there is none.
    Create,
    /// Write our identity into it.
    Take,
    /// Look again, at the latest after this time.
    Wait(Duration),
}

/// A version of somebody else's Lease, and since when it has been there.
#[derive(Debug)]
struct Sighting {
    version: Option<String>,
    since: Instant,
}

/// A candidate for the Lease.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    fence: Fence,
    seen: Option<Sighting>,
    held: Option<Lease>,
}

impl Candidate {
    /// Stands for the Lease `name` under an `identity` that nobody else has; `fence` is open while it is held.
    pub fn new(api: Api<Lease>, name: String, identity: String, fence: Fence) -> Self {
        Self { api, name, identity, fence, seen: None, held: None }
    }

    /// Waits until the Lease is ours. `heard` is told of every look, and whether the API answered.
    pub async fn acquire(&mut self, mut heard: impl FnMut(Result<(), String>)) {
        loop {
            let wait = match tokio::time::timeout(ANSWER, self.try_acquire()).await {
                Ok(Ok(None)) => {
                    heard(Ok(()));
                    return;
                }
                Ok(Ok(Some(wait))) => {
                    heard(Ok(()));
                    wait
                }
                Ok(Err(error)) => {
                    heard(Err(error.to_string()));
                    RETRY
                }
                Err(_) => {
                    heard(Err("no answer in time".to_owned()));
                    RETRY
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// How long to wait before the next try, or nothing if the Lease is ours now.
    async fn try_acquire(&mut self) -> Result<Option<Duration>, kube::Error> {
        let live = self.api.get_opt(&self.name).await?;
        let before = Instant::now();
        let written = match self.plan(live.as_ref(), before) {
            Plan::Wait(time) => return Ok(Some(time)),
            Plan::Create => self.api.create(&PostParams::default(), &self.ours(Lease::default())).await,
            Plan::Take => self.api.replace(&self.name, &PostParams::default(), &self.ours(live.unwrap_or_default())).await,
        };
        match written {
            Ok(lease) => {
                self.fence.open_until(before + TRUST);
                self.held = Some(lease);
                Ok(None)
            }
            // another candidate wrote the Lease first
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(Some(RETRY)),
            Err(error) => Err(error),
        }
    }

    fn plan(&mut self, live: Option<&Lease>, now: Instant) -> Plan {
        let Some(lease) = live else { return Plan::Create };
        if holder(lease).is_none_or(|holder| holder == self.identity) {
            return Plan::Take;
        }
        let version = &lease.metadata.resource_version;
        let seen = match &self.seen {
            Some(seen) if seen.version == *version => seen.since,
            _ => {
                self.seen = Some(Sighting { version: version.clone(), since: now });
                now
            }
        };
        let left = (seen + duration(lease).unwrap_or(DURATION)).saturating_duration_since(now);
        if left.is_zero() { Plan::Take } else { Plan::Wait(left.min(RETRY)) }
    }

    /// `lease` with our identity, as of now.
    fn ours(&self, mut lease: Lease) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = lease.spec.take().unwrap_or_default();
        let is_ours = before.holder_identity.as_ref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        lease.metadata.name = Some(self.name.clone());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: before.acquire_time.clone().filter(|_| is_ours).or(Some(now.clone())),
            lease_transitions: Some(transitions + i32::from(!is_ours)),
            renew_time: Some(now),
            ..before
        });
        lease
    }

    /// Renews the Lease until it is lost.
    pub async fn keep(&mut self) -> Lost {
        let mut wait = RENEWAL;
        let mut why = String::new();
        loop {
            tokio::time::sleep(wait.min(self.fence.left())).await;
            let left = self.fence.left();
            if left.is_zero() {
                return self.lost(format!("not renewed within {} s{why}", TRUST.as_secs()));
            }
            // the renewal may take until the trust ends: a slow API server alone does not end the process
            match tokio::time::timeout(left, self.renew()).await {
                Ok(Ok(true)) => wait = RENEWAL,
                Ok(Ok(false)) => return self.lost("another process has it".to_owned()),
                Ok(Err(error)) => (wait, why) = (RETRY, format!(": {error}")),
                Err(_) => (wait, why) = (Duration::ZERO, ": no answer in time".to_owned()),
            }
        }
    }

    /// Whether it is still ours. One that somebody deleted is made anew.
    async fn renew(&mut self) -> Result<bool, kube::Error> {
        match self.write().await {
            // changed by an earlier write of ours whose answer was lost, or by another holder
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() || status.is_already_exists() => {
                self.held = self.api.get_opt(&self.name).await?;
                if self.held.as_ref().is_some_and(|lease| holder(lease) != Some(self.identity.as_str())) {
                    return Ok(false);
                }
                self.write().await.map(|()| true)
            }
            written => written.map(|()| true),
        }
    }

    /// Writes the Lease on top of the one that we know, or makes it.
    async fn write(&mut self) -> Result<(), kube::Error> {
        let before = Instant::now();
        self.held = Some(match &self.held {
            Some(held) => self.api.replace(&self.name, &PostParams::default(), &self.ours(held.clone())).await?,
            None => self.api.create(&PostParams::default(), &self.ours(Lease::default())).await?,
        });
        self.fence.open_until(before + TRUST);
        Ok(())
    }

    fn lost(&self, why: String) -> Lost {
        self.fence.close();
        Lost { name: self.name.clone(), why }
    }

    /// Gives the Lease back, so that the next one need not wait. Nothing may be written after.
    pub async fn release(&mut self) -> Result<(), kube::Error> {
        self.fence.close();
        let Some(mut lease) = self.held.take() else { return Ok(()) };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
        }
        let with = PostParams::default();
        match tokio::time::timeout(ANSWER, self.api.replace(&self.name, &with, &lease)).await {
            Ok(given) => given.map(drop),
            Err(late) => Err(kube::Error::Service(late.into())),
        }
    }
}

/// Who has it; a Lease that was given back has an empty name.
pub fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// How long it holds after a renewal, if it says so.
pub fn duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}

/// Under which name one process of `pod` stands for a Lease.
pub fn identity(pod: &str, random: u64) -> String {
    format!("{pod}_{random:016x}")
}

/// The pod of such a name.
pub fn pod_of(identity: &str) -> &str {
    identity.rsplit_once('_').map_or(identity, |(pod, _)| pod)
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
