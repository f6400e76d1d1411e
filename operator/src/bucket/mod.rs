//! What a reconcile does with the bucket: rules in or out, and a look at the public URL.

pub mod calls;
pub mod client;
pub mod credentials;
pub mod locks;
pub mod public_read;
pub mod website;

use std::time::{Duration, Instant};

use aws_sdk_s3::config::Credentials;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
    endpoint::RoutingManagement,
    status::{PublicRead, ResizeEndpointStatus},
};
use serde_json::json;

use crate::{
    bucket::{
        client::Bucket,
        website::{Record, WebsiteError},
    },
    config::ClaimsPolicy,
    context::Context,
    endpoint::{self, BucketAddress, CREDENTIALS, Endpoint},
    kubernetes::explain,
    public_url,
    report::{self, Report, Verdict, writer::StatusWriter},
    tenancy::policy,
    workload::observe::Workload,
};

/// What a bucket holds of us, and what visitors get.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    routing: Verdict,
    public_url: Verdict,
    record: Record,
    public_read: Option<PublicRead>,
}

impl Found {
    fn of(report: &Report) -> Self {
        Self {
            routing: report.routing.clone(),
            public_url: report.public_url.clone(),
            record: report.record.clone(),
            public_read: report.public_read.clone(),
        }
    }
}

/// How long what was found in a bucket is believed: shorter than the next look is away.
fn age(context: &Context) -> Duration {
    Duration::from_secs(context.config.resync_seconds) * 3 / 4
}

/// Says again what was found a short while ago, if all was well. Returns whether there is such.
pub fn recall(resource: &ResizeEndpoint, context: &Context, report: &mut Report) -> bool {
    let found = context.looked.recently(resource, age(context), Instant::now());
    // the record in the status is what counts
    match found.filter(|found| found.record == report.record && found.public_read == report.public_read) {
        Some(found) => {
            (report.routing, report.public_url) = (found.routing, found.public_url);
            true
        }
        None => false,
    }
}

/// Notes that all is well with the bucket, or that it has to be looked at again.
pub fn remember(resource: &ResizeEndpoint, context: &Context, report: &Report) {
    let (now, uid) = (Instant::now(), resource.uid().unwrap_or_default());
    if report.ready().holds != Some(true) || context.settling.is_wrong(&uid) {
        context.looked.forget(resource);
    } else if context.looked.recently(resource, age(context), now).is_none() {
        context.looked.note(resource, Found::of(report), now);
    }
}

/// Keeps the rules in the bucket and looks whether visitors are sent to the resizer, or says why not.
/// New rules wait until pods that know them serve.
pub async fn route(
    context: &Context,
    endpoint: &Endpoint,
    workload: &Workload,
    previous: &ResizeEndpointStatus,
    writer: &mut StatusWriter,
    report: &mut Report,
) {
    let recorded = &mut report.record;
    let known = endpoint.wanted.are(&recorded.rules);
    if endpoint.management == RoutingManagement::Merge && !workload.rolled_out && !known {
        report.routing =
            Verdict::no(Reason::WaitingForWorkload, "the routing rules go into the bucket as soon as pods of the current spec serve");
        return;
    }
    let bucket = match connect(context, &endpoint.namespace, &endpoint.bucket).await {
        Ok(bucket) => bucket,
        Err(error) => {
            report.routing = Verdict::no(error.reason(), error.to_string());
            return;
        }
    };
    let _only_writer = context.locks.lock(&endpoint.bucket).await;
    let published = publish(endpoint, &bucket, writer, &mut report.public_read).await;
    let result = match endpoint.management {
        RoutingManagement::Merge => merge(context, endpoint, &bucket, writer, recorded).await,
        RoutingManagement::Observe => observe(endpoint, &bucket, recorded).await,
    };
    let mut written = published.as_ref().is_ok_and(|changed| *changed);
    report.routing = result.map_or_else(
        |error| Verdict::no(error.reason(), error.to_string()),
        |(verdict, wrote)| {
            written |= wrote;
            verdict
        },
    );
    if let Err(error) = published {
        report.public_url = Verdict::no(error.reason(), format!("bucket.publicRead is not as it should be: {error}"));
    } else if report.routing.holds == Some(true) {
        report.public_url = verify(context, endpoint, previous, &report.record, written).await;
    }
}

/// Lets everybody read the bucket, or no longer, as the spec has it. Returns whether that changed.
async fn publish(
    endpoint: &Endpoint,
    bucket: &Bucket,
    writer: &mut StatusWriter,
    lifted: &mut Option<PublicRead>,
) -> Result<bool, WebsiteError> {
    let before = lifted.clone();
    if endpoint.public_read {
        let mut ahead = before.clone();
        let write_ahead = async |now: &PublicRead| {
            ahead = Some(now.clone());
            writer.merge(json!({ "publicRead": now })).await
        };
        let granted = public_read::grant(bucket, &endpoint.bucket.region, before.as_ref(), write_ahead).await;
        *lifted = ahead;
        granted?;
    } else if let Some(before) = &before {
        public_read::revoke(bucket, before).await?;
        *lifted = None;
    }
    Ok(*lifted != before)
}

async fn merge(
    context: &Context,
    endpoint: &Endpoint,
    bucket: &Bucket,
    writer: &mut StatusWriter,
    recorded: &mut Record,
) -> Result<(Verdict, bool), WebsiteError> {
    let write_ahead = async |ahead: &Record| writer.merge(report::record(ahead)).await;
    let (record, result) = website::apply(bucket, recorded, &endpoint.wanted, (context.now)(), write_ahead).await;
    *recorded = record;
    let message = format!("{} in bucket {}", count(recorded.rules.len()), endpoint.bucket.name);
    result.map(|written| (Verdict::yes(Reason::RulesApplied, message), written))
}

async fn observe(endpoint: &Endpoint, bucket: &Bucket, recorded: &mut Record) -> Result<(Verdict, bool), WebsiteError> {
    let name = &endpoint.bucket.name;
    let (rules, there) = website::observe(bucket, &endpoint.wanted).await?;
    let verdict = if there {
        Verdict::yes(Reason::RulesApplied, format!("{} in bucket {name}, written by others", count(rules.len())))
    } else {
        Verdict::no(
            Reason::WaitingForExternalWriter,
            format!("routing.management is Observe: write the rules of status.routingRules into bucket {name}"),
        )
    };
    *recorded = Record { rules, ..Record::default() };
    Ok((verdict, false))
}

fn count(rules: usize) -> String {
    if rules == 1 { "1 routing rule".to_owned() } else { format!("{rules} routing rules") }
}

/// Asks `publicUrl` for a picture that nobody has.
async fn verify(context: &Context, endpoint: &Endpoint, previous: &ResizeEndpointStatus, record: &Record, written: bool) -> Verdict {
    // the resolution, not the rule's prefix: that is empty for a catch-all
    let size = endpoint.settings.allowed_resolutions.first().map(|resolution| resolution.prefix()).unwrap_or_default();
    let Some(key) = public_url::impossible_key(&size) else {
        return Verdict::unknown(Reason::Verifying, "no key to ask for");
    };
    let url = endpoint.settings.url.location(&key);
    let verdict = public_url::judge(&context.visitor.ask(&url).await, &url, &endpoint.target.url());
    let same_rules = !written && record.rules == previous.routing_rules;
    let before = report::verdict(previous, ConditionType::PublicUrlVerified, endpoint.generation)
        .filter(|before| same_rules && before.reason != Reason::NotAttempted);
    context.settling.settle(&endpoint.owner.uid, verdict, before, (context.now)())
}

/// Takes our rules out of the bucket, if they are to go.
pub async fn clean_up(resource: &ResizeEndpoint, context: &Context, previous: &ResizeEndpointStatus) -> Result<(), WebsiteError> {
    let Report { record, public_read: lifted, .. } = Report::of(&Verdict::unknown(Reason::NotAttempted, ""), previous);
    let has_rules = endpoint::removes_rules(resource) && (!record.rules.is_empty() || record.created);
    let lifted = lifted.filter(|_| endpoint::gives_back(resource));
    if !has_rules && lifted.is_none() {
        return Ok(());
    }
    let address =
        BucketAddress::new(resource, &context.config.s3).map_err(|invalid| website::s3_error(Reason::InvalidSpec, invalid.to_string()))?;
    let bucket = connect(context, &resource.namespace().unwrap_or_default(), &address).await?;
    let _only_writer = context.locks.lock(&address).await;
    if has_rules {
        website::remove(&bucket, &record).await?;
    }
    if let Some(lifted) = lifted {
        public_read::revoke(&bucket, &lifted).await?;
    }
    Ok(())
}

/// Whether the bucket's own tag lets the endpoint's namespace use it, where tags are asked.
pub async fn is_allowed(context: &Context, endpoint: &Endpoint) -> Result<bool, WebsiteError> {
    if context.config.claims.policy != ClaimsPolicy::BucketTag {
        return Ok(context.config.claims.allow(&endpoint.namespace, &endpoint.bucket.name));
    }
    let bucket = connect(context, &endpoint.namespace, &endpoint.bucket).await?;
    let tag = bucket.tag(policy::TAG).await?;
    Ok(tag.is_some_and(|value| policy::tag_names(&value, &endpoint.namespace)))
}

/// The bucket, with the credentials of the Secret if one is named.
async fn connect(context: &Context, namespace: &str, address: &BucketAddress) -> Result<Bucket, WebsiteError> {
    let credentials = match &address.secret {
        Some(name) => {
            let secret = Api::<Secret>::namespaced(context.client.clone(), namespace).get(name).await.map_err(|error| {
                website::s3_error(
                    Reason::SecretInvalid,
                    format!("cannot read Secret {name}, named in bucket.credentialsSecretRef: {}", explain(&error)),
                )
            })?;
            Some(credentials(name, &secret).map_err(|problem| website::s3_error(Reason::SecretInvalid, problem))?)
        }
        None => None,
    };
    Ok(Bucket::new(&context.s3, address, credentials))
}

fn credentials(name: &str, secret: &Secret) -> Result<Credentials, String> {
    let value = |key: &str| {
        let bytes = secret.data.as_ref()?.get(key)?;
        String::from_utf8(bytes.0.clone()).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let required = |key: &str| value(key).ok_or_else(|| format!("Secret {name} has no {key}: add it"));
    let [id, key, token] = CREDENTIALS;
    Ok(Credentials::new(required(id)?, required(key)?, value(token), None, "Secret"))
}
