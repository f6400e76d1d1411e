//! Every reason is reached by a reconcile, with its condition, and S3's faults go away without a restart.

use std::collections::BTreeSet;

use http::StatusCode;
use resize_api::condition::Reason;
use serde_json::{Value, json};

use crate::{
    config::{Claims, ClaimsPolicy, Config},
    testing::{
        fake::{Fake, NOW, Site},
        fixtures::{claims, config},
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

const DENIED: (&str, u16, &str) = ("", 403, "AccessDenied");

fn fault(fake: &Fake, fault: (&'static str, u16, &'static str)) {
    fake.store.lock().unwrap().fault = Some(fault);
}

fn site(fake: &Fake, site: Site) {
    fake.store.lock().unwrap().site = site;
}

fn deployment(fake: &Fake, status: Value) {
    fake.cluster.lock().unwrap().deployment = Some(status);
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
    let (accepted, workload, routing, public_url, ready) =
        ("Accepted", "WorkloadAvailable", "RoutingRuleApplied", "PublicUrlVerified", "Ready");
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
    let allow_list = || Config { claims: Claims { policy: ClaimsPolicy::AllowList, ..claims() }, ..config() };
    let tag = || Config { claims: Claims { policy: ClaimsPolicy::BucketTag, ..claims() }, ..config() };
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
    // an answer that stays wrong for a minute is told
    all.push(when(|fake| site(fake, Site::Wrong(404, "", None)), public_url, "Unknown", Reason::Verifying));
    let stays = |before, reason| Case { before, after: |_| NOW.set(NOW.get() + 60), ..case(public_url, "False", reason) };
    all.push(stays(|fake| site(fake, Site::Wrong(404, "", None)), Reason::NoRedirect));
    all.push(stays(|fake| site(fake, Site::Wrong(403, "", None)), Reason::PublicAccessDenied));
    all.push(stays(|fake| site(fake, Site::Wrong(200, "", None)), Reason::NotTheWebsite));
    all.push(stays(|fake| site(fake, Site::Wrong(301, "http://old.example.com/", None)), Reason::WrongRedirect));
    all.push(stays(|fake| site(fake, Site::Wrong(404, "", Some(("age", "9")))), Reason::CdnInTheWay));
    all
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
    deployment(fake, json!({}));
    let status = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes" }] });
    fake.cluster.lock().unwrap().pods = vec![json!({ "metadata": { "name": "p" }, "status": status })];
}

async fn fake(spec: Value, config: Config) -> Fake {
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
        let silent = status == "Unknown" && reason != Reason::PublicUrlUnreachable || type_ == "Ready";
        assert!(told != silent || type_ == "Ready", "{type_} {reason}: an Event was {}", if told { "published" } else { "not published" });
        reached.extend(seen(&fake));
    }
    for (fault, _) in FAULTS {
        let fake = fake(json!({}), config()).await;
        set(&fake, fault);
        fake.settle().await;
        reached.extend(seen(&fake));
    }
    // these are reached by cleanup_tests.rs, tenant_tests.rs, and by tests/control_plane: certificate.rs, undecodable.rs, workload.rs
    // and by the test of three removals below
    let elsewhere = [
        Reason::CleanupGivenUp,
        Reason::ExternallyOverwritten,
        Reason::StoreChanged,
        Reason::TlsError,
        Reason::Undecodable,
        Reason::NoAddress,
    ];
    reached.extend(elsewhere.map(|reason| reason.to_string()));
    let all: BTreeSet<_> = Reason::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(all.difference(&reached).collect::<Vec<_>>(), Vec::<&String>::new(), "no reconcile reaches these");
}

/// What S3 may answer: status and code; no status is silence.
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

/// AWS refuses every call with 403 when another account owns the bucket.
#[tokio::test]
async fn every_call_names_the_account_that_must_own_the_bucket_and_a_refusal_reminds_of_it() {
    let owner = "111122223333";
    let config = Config { claims: Claims { policy: ClaimsPolicy::BucketTag, ..claims() }, ..config() };
    let fake = fake(json!({ "bucket": { "publicRead": true, "expectedOwner": owner } }), config).await;
    fake.put_config(
        "tagging",
        "<Tagging><TagSet><Tag><Key>resize-operator.dev/namespaces</Key><Value>demo</Value></Tag></TagSet></Tagging>",
    );
    fake.put_config(
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>",
    );
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    fake.edit(|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
    fake.settle().await;
    assert!(fake.resource().is_none());
    let calls = std::mem::take(&mut fake.store.lock().unwrap().calls);
    let kinds: BTreeSet<_> = calls.iter().map(|(method, name, _)| format!("{method} {name}")).collect();
    let every = [
        "DELETE policy",
        "DELETE website",
        "GET policy",
        "GET publicAccessBlock",
        "GET tagging",
        "GET website",
        "PUT policy",
        "PUT publicAccessBlock",
        "PUT website",
    ];
    assert_eq!(kinds, every.map(ToOwned::to_owned).into(), "not every kind of call was made");
    for (method, name, sent) in calls {
        assert_eq!(sent.as_deref(), Some(owner), "{method} {name}");
    }

    let fake = self::fake(json!({ "bucket": { "expectedOwner": owner } }), crate::testing::fixtures::config()).await;
    fault(&fake, DENIED);
    fake.settle().await;
    let (_, why, message) = fake.condition("RoutingRuleApplied");
    assert_eq!(why, "AccessDenied");
    assert!(message.contains("expectedOwner") && message.contains(owner), "{message}");
}

/// `publicRead` takes only what is in the way, and puts it back.
#[tokio::test]
async fn public_read_is_done_by_merge_and_undone_on_false_and_on_deletion() {
    const BLOCK: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
                         <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let theirs = r#"{ "Sid":"theirs", "Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*" }"#;
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{theirs}]}}"#);
    // one of them as Ceph writes it
    for (delete, block) in [(false, BLOCK.to_owned()), (true, BLOCK.replace("PublicAccessBlock", "BlockPublicAccessBlock"))] {
        let fake = fake(json!({ "bucket": { "publicRead": true } }), config()).await;
        fake.put_config("publicAccessBlock", &block);
        fake.put_config("policy", &policy);
        fake.settle().await;
        let during = fake.config("policy").unwrap();
        assert!(during.contains(theirs) && during.contains("ResizeOperatorPublicRead"), "{during}");
        let block = fake.config("publicAccessBlock").unwrap();
        for (part, on) in
            [("BlockPublicAcls", true), ("IgnorePublicAcls", true), ("BlockPublicPolicy", false), ("RestrictPublicBuckets", false)]
        {
            assert!(block.contains(&format!("<{part}>{on}</{part}>")), "{block}");
        }
        fake.edit(|object| {
            if delete {
                object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
            } else {
                object["spec"]["bucket"]["publicRead"] = json!(false);
            }
        });
        fake.settle().await;
        assert_eq!(fake.config("policy").as_ref(), Some(&policy));
        assert!(!fake.config("publicAccessBlock").unwrap().contains("false"), "{:?}", fake.config("publicAccessBlock"));
        assert_eq!(fake.resource().map(|resource| resource.status.unwrap().public_read), (!delete).then_some(None));
    }
}

/// Merge, then Observe with other sizes, then Merge: every rule that the operator wrote is known all the time.
#[tokio::test]
async fn observe_orphans_no_rule_that_merge_wrote() {
    let fake = fake(json!({}), config()).await;
    fake.settle().await;
    fake.edit(|object| {
        object["spec"]["routing"] = json!({ "management": "Observe" });
        object["spec"]["allowedResolutions"] = json!(["10x10"]);
    });
    fake.settle().await;
    assert_eq!(fake.condition("RoutingRuleApplied").1, "WaitingForExternalWriter");
    assert!(fake.config("website").unwrap().contains("300x300/"), "Observe wrote");
    assert_eq!(fake.resource().unwrap().status.unwrap().routing_rules_left.len(), 2);
    fake.edit(|object| object["spec"]["routing"] = json!({ "management": "Merge" }));
    fake.settle().await;
    let website = fake.config("website").unwrap();
    assert!(website.contains("10x10/") && !website.contains("300x300/"), "{website}");
    let status = fake.resource().unwrap().status.unwrap();
    assert!(status.routing_rules_left.is_empty() && status.routing_rules_removed.is_empty());
    fake.edit(|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
    fake.settle().await;
    assert_eq!(fake.config("website"), None, "the website that the operator created stays");
}

#[tokio::test]
async fn observe_with_public_read_writes_nothing() {
    let fake = fake(json!({}), config()).await;
    fake.settle().await;
    fake.store.lock().unwrap().calls.clear();
    fake.edit(|object| {
        object["spec"]["routing"] = json!({ "management": "Observe" });
        object["spec"]["bucket"]["publicRead"] = json!(true);
    });
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "InvalidSpec", "they exclude each other");
    assert_eq!(fake.config("policy"), None);
    assert!(fake.store.lock().unwrap().calls.iter().all(|(method, ..)| *method == http::Method::GET));
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
    assert_eq!(status.conditions.len(), 5);
    for condition in status.conditions {
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("Unknown", "NotAttempted"), "{}", condition.type_);
        assert_eq!(condition.observed_generation, Some(3));
    }
}

/// The rules were removed three times in an hour: no more writes, until the spec changes.
#[tokio::test]
async fn after_three_removals_in_an_hour_there_is_peace_until_the_spec_changes() {
    let fake = fake(json!({}), config()).await;
    fake.settle().await;
    for _ in 0..3 {
        fake.store.lock().unwrap().configs.remove("website");
        NOW.set(NOW.get() + 60);
        fake.settle().await;
    }
    assert_eq!(fake.condition("RoutingRuleApplied").1, "ExternallyOverwritten");
    assert_eq!((fake.config("website"), fake.condition("Ready").0.as_str()), (None, "False"));
    fake.settle().await;
    assert_eq!(fake.config("website"), None);
    // the pods of the change take their time, and it is a change all the same
    deployment(&fake, json!({}));
    fake.edit(|object| object["spec"]["allowedResolutions"] = json!(["10x10"]));
    fake.settle().await;
    assert_eq!(fake.condition("RoutingRuleApplied").1, "WaitingForWorkload");
    fake.cluster.lock().unwrap().deployment = None;
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    // missing once more, it counts from one again
    assert_eq!(fake.resource().unwrap().status.unwrap().routing_rules_removed.len(), 1);
}

/// The README's table is the list of reasons.
#[test]
fn every_reason_and_condition_stands_in_the_readme() {
    let readme = include_str!("../../../README.md");
    let missing = |word: &String| !readme.lines().any(|line| line.starts_with("| ") && line.contains(&format!("`{word}`")));
    let reasons = Reason::ALL.iter().map(ToString::to_string);
    let conditions = resize_api::condition::ConditionType::ALL.iter().map(ToString::to_string);
    assert_eq!(reasons.chain(conditions).filter(missing).collect::<Vec<_>>(), Vec::<String>::new(), "not in README.md");
}
