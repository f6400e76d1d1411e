//! What is said to S3: an endpoint and the keys to its bucket → rules in or out, and what visitors get.
//!
//! `reconcile` above asks for it; below are `public_url`, `report` for verdicts, `endpoint` for what is asked, `fence` and `outbound`
//! for every call.

pub mod calls;
pub mod client;
pub mod credentials;
pub mod error;
pub mod locks;
pub mod public_read;
pub mod trust;
pub mod website;

use k8s_openapi::jiff::Timestamp;
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
    routing::RoutingManagement,
    status::{PublicRead, Record, ResizeEndpointStatus},
};
use serde_json::json;

use crate::{
    bucket::{
        client::{Bucket, Shared},
        credentials::{Access, Keys},
        error::BucketError,
        locks::Locks,
        trust::{Authorities, Trust},
        website::Website,
    },
    endpoint::{self, BucketAddress, Endpoint},
    public_url::{self, Expected, Visitor},
    report::{self, Verdict, writer::StatusWriter},
};

/// What a bucket holds of us, and what visitors get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Condition RoutingRuleApplied.
    pub routing: Verdict,
    /// Condition PublicUrlVerified.
    pub public_url: Verdict,
    /// Since when the public URL gives no right answer, if it does not.
    pub wrong_since: Option<Timestamp>,
    /// What we wrote into the bucket, as the status records it.
    pub record: Record,
    /// What we lifted to let everybody read.
    pub public_read: Option<PublicRead>,
}

/// What was known before a look at the bucket.
#[derive(Debug)]
pub struct Before<'a> {
    /// What was reported last.
    pub status: &'a ResizeEndpointStatus,
    /// What we wrote into the bucket, as the status records it.
    pub record: Record,
    /// Since when the public URL gives no right answer, if it does not.
    pub wrong_since: Option<Timestamp>,
    /// Whether all pods know the current spec, and one serves.
    pub rolled_out: bool,
    /// Whether some pod serves.
    pub serves: bool,
    /// Whether others wait for the bucket.
    pub contested: bool,
    /// Condition OriginalsReadable, of now.
    pub originals: &'a Verdict,
}

impl Before<'_> {
    /// Nothing was looked at: all is as it was.
    fn stopped(self, routing: Verdict) -> Found {
        let public_url = Verdict::unknown(Reason::NotAttempted, report::EARLIER);
        Found { routing, public_url, wrong_since: None, record: self.record, public_read: self.status.public_read.clone() }
    }
}

/// All that buckets and their public URLs are looked after with.
#[derive(Debug)]
pub struct Buckets {
    /// What S3 clients share.
    pub s3: Shared,
    /// Private authorities.
    pub authorities: Authorities,
    /// One writer per bucket.
    pub locks: Locks,
    /// Asks public URLs.
    pub visitor: Visitor,
    /// The time.
    pub now: fn() -> Timestamp,
}

impl Buckets {
    /// Keeps the rules in the bucket and looks whether visitors are sent to the resizer, or says why not.
    /// New rules wait until pods that know them serve.
    pub async fn look_after(&self, endpoint: &Endpoint, access: &Access, before: Before<'_>, writer: &mut StatusWriter) -> Found {
        if endpoint.is_direct() {
            return self.leave_alone(endpoint, access, before).await;
        }
        let known = endpoint.wanted.are(&before.record.rules);
        let waits = endpoint.management == RoutingManagement::Merge && !before.rolled_out && !known;
        let waiting =
            Verdict::no(Reason::WaitingForWorkload, "the routing rules go into the bucket as soon as pods of the current spec serve");
        if waits && !before.contested {
            return before.stopped(waiting);
        }
        writer.begin((self.now)()).await;
        let bucket = match self.enter(&endpoint.bucket, access) {
            Ok(bucket) => bucket,
            Err(error) => return before.stopped(Verdict::no(error.reason(), error.to_string())),
        };
        if waits {
            // one read: an endpoint that S3 refuses must not keep the bucket from others while its pods do not serve
            let refused = bucket.get().await.err().map(|error| Verdict::no(error.reason, error.message));
            return before.stopped(refused.unwrap_or(waiting));
        }
        let _only_writer = self.locks.lock(&endpoint.bucket).await;
        let (mut record, result) = match endpoint.management {
            RoutingManagement::Merge => merge(endpoint, &bucket, writer, before.record, (self.now)()).await,
            RoutingManagement::Observe => observe(endpoint, &bucket, before.record).await,
        };
        let (routing, wrote) = result.unwrap_or_else(|error| (Verdict::no(error.reason(), error.to_string()), false));
        // the bucket is opened only once its rules lead to pods that serve
        let may_open = routing.holds == Some(true) && before.serves;
        let lifted = before.status.public_read.clone();
        let (public_read, published) =
            if may_open || !endpoint.public_read { publish(endpoint, &bucket, writer, lifted).await } else { (lifted, Ok(false)) };
        // with Observe others write the rules, so there is nothing to take back
        let is_merged = endpoint.management == RoutingManagement::Merge;
        let is_ours = record.created || !record.left.is_empty() || is_merged && !record.rules.is_empty();
        if !is_ours && public_read.is_none() {
            record.store = None;
        }
        let written = wrote || published.as_ref().is_ok_and(|changed| *changed);
        let (public_url, wrong_since) = if let Err(error) = published {
            (Verdict::no(error.reason(), format!("bucket.publicRead is not as it should be: {error}")), None)
        } else if routing.holds == Some(true) {
            let same_rules = !written && record.rules == before.status.routing_rules;
            self.verify(endpoint, access, Some(before.status).filter(|_| same_rules), before.wrong_since).await
        } else {
            (Verdict::unknown(Reason::NotAttempted, report::EARLIER), None)
        };
        Found { routing, public_url, wrong_since, record, public_read }
    }

    /// With `Direct` nothing is kept in the bucket, and S3 is not called. Tells if what the pods enter it with cannot be used. Looks whether visitors reach the pods, as soon as one serves.
    /// The record names the store once the pods could read there: who has that is not overtaken by an older claim.
    async fn leave_alone(&self, endpoint: &Endpoint, access: &Access, before: Before<'_>) -> Found {
        let routing = match access {
            Ok(_) => Verdict::yes(Reason::NotNeeded, "delivery.mode is Direct: visitors come to the pods, and the bucket needs no rules"),
            // pods that are started from now on cannot read it either
            Err(error) => Verdict::no(error.reason, error.message.clone()),
        };
        let mut record = before.record.clone();
        if before.originals.holds == Some(true) {
            record.store = Some(endpoint.bucket.record());
        }
        if !before.serves {
            return Found { record, ..before.stopped(routing) };
        }
        let (public_url, wrong_since) = self.verify(endpoint, access, Some(before.status), before.wrong_since).await;
        Found { routing, public_url, wrong_since, record, public_read: before.status.public_read.clone() }
    }

    /// Asks `publicUrl` for a picture that nobody has. `previous` is what was said of the same rules.
    async fn verify(
        &self,
        endpoint: &Endpoint,
        access: &Access,
        previous: Option<&ResizeEndpointStatus>,
        wrong_since: Option<Timestamp>,
    ) -> (Verdict, Option<Timestamp>) {
        // the resolution, not the rule's prefix: that is empty for a catch-all
        let size = endpoint.settings.allowed_resolutions.first().map(|resolution| resolution.prefix()).unwrap_or_default();
        let Some(key) = public_url::impossible_key(&size) else {
            return (Verdict::unknown(Reason::Verifying, "no key to ask for"), None);
        };
        let url = endpoint.settings.url.location(&key);
        let target = endpoint.target.url();
        let expected = if endpoint.is_direct() { Expected::Resizer } else { Expected::RedirectTo(&target) };
        let trust = access.as_ref().ok().and_then(|keys| keys.as_ref()?.trust.as_ref());
        let seen = self.visitor.ask(&url, trust.map(Trust::visitor)).await;
        let verdict = public_url::judge(&seen, &url, expected);
        let before = previous
            .and_then(|previous| report::verdict(previous, ConditionType::PublicUrlVerified, endpoint.generation))
            .filter(|before| before.reason != Reason::NotAttempted);
        public_url::settle(verdict, before, wrong_since, (self.now)())
    }

    /// Takes what we wrote out of the bucket: rules, policy statement, and the lifted block.
    pub async fn take_back(&self, mark: Mark, address: &BucketAddress, access: &Access) -> Result<(), BucketError> {
        let Mark { rules, lifted } = mark;
        let bucket = self.enter(address, access)?;
        let _only_writer = self.locks.lock(address).await;
        if let Some(record) = rules {
            website::remove(&bucket, &record).await?;
        }
        if let Some(lifted) = lifted {
            public_read::revoke(&bucket, &lifted).await?;
        }
        Ok(())
    }

    /// The value of the bucket's own tag `key`.
    pub async fn tag(&self, address: &BucketAddress, access: &Access, key: &str) -> Result<Option<String>, BucketError> {
        Ok(self.enter(address, access)?.tag(key).await?)
    }

    fn enter(&self, address: &BucketAddress, access: &Access) -> Result<Bucket, BucketError> {
        let keys = access.clone()?;
        let trust = keys.as_ref().and_then(|keys| keys.trust.as_ref());
        Ok(Bucket::new(&self.s3, address, keys.as_ref().and_then(Keys::credentials), trust.map(Trust::store)))
    }
}

/// What has to be taken back on deletion.
#[derive(Clone, Debug)]
pub struct Mark {
    rules: Option<Record>,
    lifted: Option<PublicRead>,
}

impl Mark {
    /// What `resource` leaves in its bucket, as far as it is to go.
    pub fn of(resource: &ResizeEndpoint) -> Self {
        let previous = resource.status.clone().unwrap_or_default();
        let rules = Some(Record::from(&previous));
        Self {
            rules: rules.filter(|record| endpoint::removes_rules(resource) && (!record.rules.is_empty() || record.created)),
            lifted: previous.public_read.filter(|_| endpoint::gives_back(resource)),
        }
    }

    /// The same, for whoever has to do it by hand.
    pub fn to_json(&self) -> String {
        json!({ "record": self.rules.as_ref().map(report::record), "publicRead": self.lifted }).to_string()
    }

    /// Whether there is nothing.
    pub fn is_none(&self) -> bool {
        self.rules.is_none() && self.lifted.is_none()
    }
}

/// Lets everybody read the bucket, or no longer, as the spec has it. Returns what is lifted now, and whether that changed.
async fn publish(
    endpoint: &Endpoint,
    bucket: &Bucket,
    writer: &mut StatusWriter,
    before: Option<PublicRead>,
) -> (Option<PublicRead>, Result<bool, BucketError>) {
    if endpoint.management == RoutingManagement::Observe {
        (before, Ok(false))
    } else if endpoint.public_read {
        let mut ahead = before.clone();
        let write_ahead = async |now: &PublicRead| {
            ahead = Some(now.clone());
            writer.merge(json!({ "publicRead": now, "store": endpoint.bucket.record() })).await
        };
        let granted = public_read::grant(bucket, &endpoint.bucket.region, before.as_ref(), write_ahead).await;
        let changed = granted.map(|_| ahead != before);
        (ahead, changed)
    } else if let Some(lifted) = &before {
        match public_read::revoke(bucket, lifted).await {
            Ok(()) => (None, Ok(true)),
            Err(error) => (before, Err(error)),
        }
    } else {
        (None, Ok(false))
    }
}

async fn merge(
    endpoint: &Endpoint,
    bucket: &Bucket,
    writer: &mut StatusWriter,
    mut before: Record,
    now: Timestamp,
) -> (Record, Result<(Verdict, bool), BucketError>) {
    before.store = Some(endpoint.bucket.record());
    let write_ahead = async |ahead: &Record| writer.merge(report::record(ahead)).await;
    let (record, result) = website::apply(bucket, &before, &endpoint.wanted, now, write_ahead).await;
    let message = format!("{} in bucket {}", count(record.rules.len()), endpoint.bucket.name);
    (record, result.map(|written| (Verdict::yes(Reason::RulesApplied, message), written)))
}

async fn observe(endpoint: &Endpoint, bucket: &Bucket, before: Record) -> (Record, Result<(Verdict, bool), BucketError>) {
    let name = &endpoint.bucket.name;
    let record = match website::observe(bucket, &before, &endpoint.wanted).await {
        Ok(record) => record,
        Err(error) => return (before, Err(error)),
    };
    let verdict = if record.pending {
        Verdict::no(
            Reason::WaitingForExternalWriter,
            format!("routing.management is Observe: write the rules of status.routingRules into bucket {name}"),
        )
    } else {
        Verdict::yes(Reason::RulesApplied, format!("{} in bucket {name}, written by others", count(record.rules.len())))
    };
    (record, Ok((verdict, false)))
}

fn count(rules: usize) -> String {
    if rules == 1 { "1 routing rule".to_owned() } else { format!("{rules} routing rules") }
}
