//! Every reason is reached by a reconcile, with its condition, and S3's faults go away without a restart.

use std::collections::BTreeSet;

use http::StatusCode;
use resize_api::condition::Reason;
use serde_json::{Value, json};

use super::derivatives_tests::sweep;
use crate::{
    config::{ClaimSettings, ClaimsPolicy, Config},
    testing::{
        fake::{Fake, NOW},
        fixtures::{claims, config},
        store::Site,
    },
};

/// Endpoint and world before the first reconcile, what happens after it has settled, and what is to be seen in the end.
struct Case {
    spec: Value,
    config: Config,
    before: fn(&Fake),
    after: fn(&Fake),
    expect: (&'static str, &'static str, Reason),
}

fn case(condition: &'static str, status: &'static str, reason: Reason) -> Case {
    Case { spec: json!({}), config: config(), before: |_| (), after: |_| (), expect: (condition, status, reason) }
}

fn with(spec: Value, condition: &'static str, status: &'static str, reason: Reason) -> Case {
    Case { spec, ..case(condition, status, reason) }
}

fn when(before: fn(&Fake), condition: &'static str, status: &'static str, reason: Reason) -> Case {
    Case { before, ..case(condition, status, reason) }
}

pub(super) const DENIED: (&str, u16, &str) = ("", 403, "AccessDenied");

pub(super) fn fault(fake: &Fake, fault: (&'static str, u16, &'static str)) {
    fake.store.lock().unwrap().fault = Some(fault);
}

pub(super) fn site(fake: &Fake, site: Site) {
    fake.store.lock().unwrap().site = site;
}

pub(super) fn deployment(fake: &Fake, status: Value) {
    fake.cluster.lock().unwrap().deployment = Some(status);
}

/// One pod serves, which says this of its access to the bucket.
pub(super) fn pods_say(fake: &Fake, self_check: Value) {
    let endpoint = fake.resource().unwrap().spec.bucket.endpoint.unwrap();
    let (_, port) = endpoint.rsplit_once(':').unwrap();
    fake.edit(|object| object["spec"]["workload"] = json!({ "env": [{ "name": "ADMIN_LISTEN", "value": format!("[::]:{port}") }] }));
    fake.store.lock().unwrap().self_check = self_check;
    let status = json!({ "podIP": "127.0.0.1", "conditions": [{ "type": "Ready", "status": "True" }] });
    fake.cluster.lock().unwrap().pods = vec![json!({ "metadata": { "name": "p" }, "status": status })];
}

fn kubernetes(fake: &Fake, status: StatusCode) {
    fake.cluster.lock().unwrap().fault = Some(("/deployments/", status));
}

fn website(fake: &Fake, inner: &str) {
    fake.put_config("website", &format!("<WebsiteConfiguration>{inner}</WebsiteConfiguration>"));
}

fn rule(prefix: &str) -> String {
    format!(
        "<RoutingRule><Condition><KeyPrefixEquals>{prefix}</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>\
         <Redirect><HostName>other.example.com</HostName></Redirect></RoutingRule>"
    )
}

fn rules(fake: &Fake, rules: &str) {
    website(fake, &format!("<IndexDocument><Suffix>index.html</Suffix></IndexDocument><RoutingRules>{rules}</RoutingRules>"));
}

fn cases() -> Vec<Case> {
    let (accepted, workload, routing, public_url, originals, ready) =
        ("Accepted", "WorkloadAvailable", "RoutingRuleApplied", "PublicUrlVerified", "OriginalsReadable", "Ready");
    let secret = json!({ "bucket": { "credentialsSecretRef": { "name": "none" } } });
    let gateway = json!({ "gateway": { "parentRefs": [{ "name": "public" }], "hostname": "resize.example.com" } });
    let mut all = vec![
        case(accepted, "True", Reason::Valid),
        case(workload, "True", Reason::PodsAvailable),
        case(routing, "True", Reason::RulesApplied),
        case(public_url, "True", Reason::PublicUrlServes),
        case(ready, "True", Reason::Serving),
        with(json!({ "allowedResolutions": [] }), ready, "True", Reason::ServingEverySize),
        with(json!({ "suspend": true }), ready, "Unknown", Reason::Suspended),
        with(json!({ "publicUrl": "photos" }), accepted, "False", Reason::InvalidSpec),
        with(json!({ "publicUrl": "photos" }), workload, "Unknown", Reason::NotAttempted),
        with(json!({ "routing": { "management": "Observe" } }), routing, "False", Reason::WaitingForExternalWriter),
        with(json!({ "publicUrl": "http://127.0.0.1:1" }), public_url, "Unknown", Reason::PublicUrlUnreachable),
        with(json!({ "publicUrl": "http://127.0.0.1:1" }), ready, "True", Reason::ServingUnverified),
        with(secret, routing, "False", Reason::SecretInvalid),
        with(gateway, accepted, "False", Reason::GatewayApiMissing),
        when(other, accepted, "False", Reason::BucketClaimed),
        when(other_on_our_host, accepted, "False", Reason::HostClaimed),
        when(taken, accepted, "False", Reason::NameTaken),
        when(|fake| deployment(fake, json!({})), workload, "False", Reason::Progressing),
        when(|fake| deployment(fake, json!({})), routing, "False", Reason::WaitingForWorkload),
        when(|fake| deployment(fake, json!({ "availableReplicas": 1 })), workload, "True", Reason::RollingOut),
        when(failing, workload, "False", Reason::PodsFailing),
        with(json!({ "workload": { "replicas": 0 } }), workload, "False", Reason::ScaledToZero),
        when(|fake| kubernetes(fake, StatusCode::INTERNAL_SERVER_ERROR), workload, "False", Reason::KubernetesError),
        when(|fake| kubernetes(fake, StatusCode::FORBIDDEN), workload, "False", Reason::Forbidden),
        when(|fake| kubernetes(fake, StatusCode::UNPROCESSABLE_ENTITY), accepted, "False", Reason::InvalidSpec),
        when(
            |fake| website(fake, "<RedirectAllRequestsTo><HostName>www.example.com</HostName></RedirectAllRequestsTo>"),
            routing,
            "False",
            Reason::RedirectsAllRequests,
        ),
        when(|fake| rules(fake, &(0..50).map(|n| rule(&format!("p{n}/"))).collect::<String>()), routing, "False", Reason::NoRoomForRules),
        when(|fake| rules(fake, &rule("300x300/")), routing, "False", Reason::ConflictingRule),
        when(|fake| fake.store.lock().unwrap().forgets = true, routing, "False", Reason::NotSupported),
        with(json!({ "bucket": { "publicRead": true } }), public_url, "True", Reason::PublicUrlServes),
    ];
    let allow_list = || Config { claims: ClaimSettings { policy: ClaimsPolicy::AllowList, ..claims() }, ..config() };
    let tag = || Config { claims: ClaimSettings { policy: ClaimsPolicy::BucketTag, ..claims() }, ..config() };
    all.push(Case { config: allow_list(), ..case(accepted, "False", Reason::BucketNotAllowed) });
    all.push(Case { config: tag(), ..case(accepted, "False", Reason::BucketNotAllowed) });
    let tagged = |fake: &Fake| {
        fake.put_config(
            "tagging",
            "<Tagging><TagSet><Tag><Key>resize-operator.dev/namespaces</Key><Value>a demo</Value></Tag></TagSet></Tagging>",
        );
    };
    all.push(Case { config: tag(), before: tagged, ..case(ready, "True", Reason::Serving) });
    all.push(Case { config: tag(), before: |fake| fault(fake, DENIED), ..case(accepted, "Unknown", Reason::AccessDenied) });
    all.push(Case {
        before: |fake| fault(fake, ("policy", 501, "NotImplemented")),
        ..with(json!({ "bucket": { "publicRead": true } }), public_url, "False", Reason::NotSupported)
    });
    let pods = |before, status, reason| when(before, originals, status, reason);
    all.push(pods(|_| (), "Unknown", Reason::PodsUnreachable));
    all.push(pods(|fake| pods_say(fake, json!("no self-check")), "Unknown", Reason::PodsUnreachable));
    all.push(pods(|fake| pods_say(fake, json!({ "originals": "Unknown" })), "Unknown", Reason::Verifying));
    all.push(pods(|fake| pods_say(fake, json!({ "originals": "Unknown", "message": "denied" })), "Unknown", Reason::AccessUnclear));
    all.push(pods(|fake| pods_say(fake, json!({ "originals": "Allowed" })), "True", Reason::PodsCanRead));
    all.push(pods(|fake| pods_say(fake, json!({ "originals": "Allowed", "derivatives": "Denied" })), "True", Reason::PodsCannotStore));
    all.push(when(|fake| pods_say(fake, json!({ "originals": "Denied" })), ready, "False", Reason::AccessDenied));
    all.push(when(|fake| pods_say(fake, json!({ "originals": "Allowed", "derivatives": "Denied" })), ready, "True", Reason::Serving));
    let current = "DerivativesCurrent";
    let sweeps = || json!({ "derivatives": { "sweep": { "schedule": "@daily" } } });
    let swept = |before, status, reason| Case { before, ..with(sweeps(), current, status, reason) };
    all.push(with(sweeps(), current, "Unknown", Reason::NotSweptYet));
    all.push(swept(|fake| sweep(fake, "Complete"), "True", Reason::SweepComplete));
    all.push(swept(|fake| sweep(fake, "DryRun"), "Unknown", Reason::SweepDryRun));
    all.push(swept(|fake| sweep(fake, "Refused"), "False", Reason::SweepRefused));
    all.push(swept(|fake| sweep(fake, "Failed"), "False", Reason::SweepFailed));
    let later: fn(&Fake) = |_| NOW.set(NOW.get() + 49 * 3600 + 60);
    all.push(Case { after: later, ..swept(|fake| sweep(fake, "Complete"), "False", Reason::Overdue) });
    all.push(Case { before: |fake| forbid(fake, "/cronjobs/"), ..with(sweeps(), current, "False", Reason::Forbidden) });
    all.push(Case { before: |fake| forbid(fake, "/cronjobs/"), ..with(sweeps(), ready, "True", Reason::Serving) });
    let follows = || json!({ "derivatives": { "events": { "sqs": { "queueUrl": "http://sqs.example.com/1/photos" } } } });
    all.push(with(follows(), current, "True", Reason::EventsFollowed));
    let away: fn(&Fake) = |fake| {
        let since = k8s_openapi::jiff::Timestamp::from_second(NOW.get() - 180).unwrap().to_string();
        let missing = json!({ "type": "Available", "status": "False", "lastTransitionTime": since, "message": "no minimum availability" });
        deployment(fake, json!({ "availableReplicas": 0, "conditions": [missing] }));
    };
    all.push(Case { before: away, ..with(follows(), current, "False", Reason::FollowUnavailable) });
    // an answer that stays wrong for a minute is told
    all.push(when(|fake| site(fake, Site::Wrong(404, "", None)), public_url, "Unknown", Reason::Verifying));
    let stays = |before, reason| Case { before, after: |_| NOW.set(NOW.get() + 60), ..case(public_url, "False", reason) };
    all.push(stays(|fake| site(fake, Site::Wrong(404, "", None)), Reason::NoRedirect));
    all.push(stays(|fake| site(fake, Site::Wrong(403, "", None)), Reason::PublicAccessDenied));
    all.push(stays(|fake| site(fake, Site::Wrong(200, "", None)), Reason::NotTheWebsite));
    all.push(stays(|fake| site(fake, Site::Wrong(301, "http://old.example.com/", None)), Reason::WrongRedirect));
    all.push(stays(|fake| site(fake, Site::Wrong(404, "", Some(("age", "9")))), Reason::CdnInTheWay));
    let direct = || json!({ "delivery": { "mode": "Direct" } });
    let by_resizer: fn(&Fake) = |fake| site(fake, Site::Resizer);
    all.push(with(direct(), routing, "True", Reason::NotNeeded));
    all.push(Case { before: by_resizer, ..with(direct(), public_url, "True", Reason::PublicUrlServes) });
    all.push(Case { before: by_resizer, ..with(direct(), ready, "True", Reason::Serving) });
    all.push(Case { after: |_| NOW.set(NOW.get() + 60), ..with(direct(), public_url, "False", Reason::NotTheResizer) });
    all
}

fn forbid(fake: &Fake, path: &'static str) {
    fake.cluster.lock().unwrap().fault = Some((path, StatusCode::FORBIDDEN));
}

/// An older endpoint for the same bucket.
fn other(fake: &Fake) {
    let mut other = fake.resource().unwrap();
    (other.metadata.namespace, other.metadata.uid) = (Some("secret".into()), Some("older".into()));
    other.metadata.creation_timestamp = Some(crate::testing::fixtures::time("2025-01-01T00:00:00Z"));
    fake.context.claims.put(&other);
}

fn other_on_our_host(fake: &Fake) {
    let mut other = fake.resource().unwrap();
    (other.metadata.namespace, other.metadata.uid) = (Some("secret".into()), Some("older".into()));
    other.metadata.creation_timestamp = Some(crate::testing::fixtures::time("2025-01-01T00:00:00Z"));
    other.spec.bucket.name = "another".into();
    fake.context.claims.put(&other);
}

fn taken(fake: &Fake) {
    let path = "/api/v1/namespaces/demo/services/photos-resizer".to_owned();
    fake.cluster.lock().unwrap().objects.insert(path, json!({ "metadata": { "name": "photos-resizer", "uid": "theirs" } }));
}

fn failing(fake: &Fake) {
    deployment(fake, json!({ "observedGeneration": 1 }));
    let status = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes" }] });
    fake.cluster.lock().unwrap().pods = vec![json!({ "metadata": { "name": "p" }, "status": status })];
}

pub(super) async fn fake(spec: Value, config: Config) -> Fake {
    Fake::new(config, |resource| {
        let mut object = serde_json::to_value(&*resource).unwrap();
        json_patch::merge(&mut object["spec"], &spec);
        *resource = serde_json::from_value(object).unwrap();
    })
    .await
}

/// Reasons of all conditions, and of all Events.
fn seen(fake: &Fake) -> BTreeSet<String> {
    let status = fake.resource().unwrap().status.unwrap_or_default();
    let mut seen: BTreeSet<_> = status.conditions.into_iter().map(|condition| condition.reason).collect();
    seen.extend(fake.cluster.lock().unwrap().events.iter().cloned());
    seen
}

/// What comes with every start gets an Event only when it comes later.
const OF_A_START: [Reason; 9] = [
    Reason::Valid,
    Reason::Progressing,
    Reason::RollingOut,
    Reason::PodsAvailable,
    Reason::WaitingForWorkload,
    Reason::RulesApplied,
    Reason::NotNeeded,
    Reason::PublicUrlServes,
    Reason::PodsCanRead,
];

#[tokio::test]
async fn every_reason_is_reached_and_told() {
    let mut reached = BTreeSet::new();
    for Case { spec, config, before, after, expect } in cases() {
        let fake = fake(spec.clone(), config).await;
        before(&fake);
        fake.settle().await;
        after(&fake);
        fake.settle().await;
        let (type_, status, reason) = expect;
        let (found, why, message) = fake.condition(type_);
        assert_eq!((found.as_str(), why), (status, reason.to_string()), "{spec} {type_}: {message}");
        let told = fake.cluster.lock().unwrap().events.contains(&reason.to_string());
        let unseen = [Reason::PublicUrlUnreachable, Reason::PodsUnreachable, Reason::AccessUnclear].contains(&reason);
        let silent = status == "Unknown" && !unseen;
        assert!(
            told != silent || OF_A_START.contains(&reason) || type_ == "Ready",
            "{type_} {reason}: an Event was {}",
            if told { "published" } else { "not published" }
        );
        reached.extend(seen(&fake));
    }
    for (fault, _) in FAULTS {
        let fake = fake(json!({}), config()).await;
        set(&fake, fault);
        fake.settle().await;
        reached.extend(seen(&fake));
    }
    // these are reached by cleanup_tests.rs, purge_tests.rs, tenant_tests.rs, and by tests/control_plane: certificate.rs, paced.rs, undecodable.rs, workload.rs
    // and by the test of three removals below
    let elsewhere = [
        Reason::CleanupGivenUp,
        Reason::ExternallyOverwritten,
        Reason::StoreChanged,
        Reason::TlsError,
        Reason::Undecodable,
        Reason::NoAddress,
        Reason::WaitingForRollouts,
        Reason::Purging,
        Reason::PurgeFailed,
        Reason::PurgeGivenUp,
    ];
    reached.extend(elsewhere.map(|reason| reason.to_string()));
    let all: BTreeSet<_> = Reason::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(all.difference(&reached).collect::<Vec<_>>(), Vec::<&String>::new(), "no reconcile reaches these");
}

/// What S3 may answer: status and code; without a status, no answer.
type Fault = Option<(u16, &'static str)>;

const FAULTS: [(Fault, Reason); 10] = [
    (Some((403, "AccessDenied")), Reason::AccessDenied),
    (Some((403, "SignatureDoesNotMatch")), Reason::InvalidCredentials),
    (Some((400, "ExpiredToken")), Reason::InvalidCredentials),
    (Some((404, "NoSuchBucket")), Reason::BucketNotFound),
    (Some((500, "InternalError")), Reason::S3Error),
    (Some((503, "ServiceUnavailable")), Reason::S3Error),
    (Some((503, "SlowDown")), Reason::S3Throttled),
    (Some((301, "PermanentRedirect")), Reason::WrongRegion),
    (Some((501, "NotImplemented")), Reason::NotSupported),
    (None, Reason::S3Unreachable),
];

fn set(fake: &Fake, fault: Fault) {
    let mut store = fake.store.lock().unwrap();
    match fault {
        Some((status, code)) => store.fault = Some(("", status, code)),
        None => store.hangs = true,
    }
}

#[tokio::test]
async fn each_fault_of_s3_has_its_condition_and_event_and_goes_away_without_a_restart() {
    for (fault, reason) in FAULTS {
        let fake = fake(json!({}), config()).await;
        set(&fake, fault);
        fake.settle().await;
        let (status, why, message) = fake.condition("RoutingRuleApplied");
        assert_eq!((status.as_str(), why), ("False", reason.to_string()), "{fault:?}: {message}");
        assert!(fake.cluster.lock().unwrap().events.contains(&reason.to_string()), "{fault:?}: no Event");
        assert_eq!(fake.condition("Ready").1, reason.to_string());
        {
            let mut store = fake.store.lock().unwrap();
            (store.fault, store.hangs) = (None, false);
        }
        fake.settle().await;
        assert_eq!(fake.condition("Ready").1, "Serving", "{fault:?} stays");
    }
}

/// Quiet: nothing is written when nothing changed.
#[tokio::test]
async fn a_settled_endpoint_costs_reads_alone() {
    let fake = fake(json!({ "bucket": { "publicRead": true } }), config()).await;
    fake.settle().await;
    fake.settle().await;
    let version = fake.resource().unwrap().metadata.resource_version;
    fake.cluster.lock().unwrap().calls.clear();
    fake.store.lock().unwrap().calls.clear();
    for _ in 0..10 {
        fake.reconcile().await.unwrap();
    }
    assert_eq!(fake.resource().unwrap().metadata.resource_version, version);
    assert!(fake.store.lock().unwrap().calls.iter().all(|(method, ..)| *method == http::Method::GET));
    let written = fake.cluster.lock().unwrap().calls.iter().any(|(_, path)| path.ends_with("/status") || path.contains("/events"));
    assert!(!written, "a status or an Event was written");
}

/// On first sight everything is unknown, before anything is tried.
#[tokio::test]
async fn at_first_sight_every_condition_is_unknown() {
    let fake = fake(json!({}), config()).await;
    fake.reconcile().await.unwrap();
    // the second status call fails: what stands is the first one
    fake.store.lock().unwrap().hangs = true;
    let seen = async {
        loop {
            if fake.resource().unwrap().status.is_some() {
                return fake.resource().unwrap().status.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let (status, _) = tokio::join!(seen, fake.reconcile());
    assert_eq!(status.conditions.len(), 6);
    for condition in status.conditions {
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("Unknown", "NotAttempted"), "{}", condition.type_);
        assert_eq!(condition.observed_generation, Some(3));
    }
}

#[test]
fn every_reason_has_a_section_of_the_runbook_and_stands_with_its_condition() {
    let runbook = include_str!("../../../docs/runbook.md");
    let (_, sections) = runbook.split_once("\n# Reasons\n").unwrap();
    let sections: BTreeSet<_> = sections.lines().filter_map(|line| line.strip_prefix("## ").map(ToOwned::to_owned)).collect();
    assert_eq!(sections, Reason::ALL.iter().map(ToString::to_string).collect());
    let missing = |word: &String| !runbook.lines().any(|line| line.starts_with("| ") && line.contains(&format!("`{word}`")));
    let conditions = resize_api::condition::ConditionType::ALL.iter().map(ToString::to_string);
    assert_eq!(sections.into_iter().chain(conditions).filter(missing).collect::<Vec<_>>(), Vec::<String>::new());
}
