//! What keeps derivatives true, on a real API server: made, read, pruned, and the Job that comes before an endpoint goes.

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        batch::v1::{CronJob, Job},
        core::v1::{Pod, Service},
        networking::v1::NetworkPolicy,
    },
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use resize_api::{ResizeEndpoint, derivatives::DerivativesStatus};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    endpoints::{endpoint, touch, wait_until_all_are},
    process::eventually,
};

/// The endpoint `photos` with these derivatives, if any.
async fn apply(bench: &Bench, derivatives: impl Into<Option<Value>>) {
    let mut object = endpoint(&bench.store, "photos");
    object["spec"]["workload"] = json!({ "replicas": 1, "networkPolicy": {} });
    if let Some(derivatives) = derivatives.into() {
        object["spec"]["derivatives"] = derivatives;
    }
    bench.plane.apply(&[object]).await;
}

async fn condition(bench: &Bench) -> (String, String) {
    let status = bench.api::<ResizeEndpoint>().get("photos").await.unwrap().status.unwrap_or_default();
    let found = status.conditions.into_iter().find(|condition| condition.type_ == "DerivativesCurrent");
    found.map(|found| (found.status, found.reason)).unwrap_or_default()
}

async fn status(bench: &Bench) -> DerivativesStatus {
    bench.api::<ResizeEndpoint>().get("photos").await.unwrap().status.and_then(|status| status.derivatives).unwrap_or_default()
}

/// What `kubectl create job NAME --from=cronjob/photos-sweep` does, and then a node: the sweep ends with `report`.
async fn sweep(bench: &Bench, name: &str, report: &Value) {
    let sweep = bench.api::<CronJob>().get("photos-sweep").await.unwrap();
    let template = sweep.spec.job_template.clone();
    let mut metadata = template.metadata.unwrap();
    metadata.name = Some(name.to_owned());
    metadata.annotations = Some([("cronjob.kubernetes.io/instantiate".to_owned(), "manual".to_owned())].into());
    metadata.owner_references = sweep.controller_owner_ref(&()).map(|owner| vec![owner]);
    let job = Job { metadata, spec: template.spec, status: None };
    let job = bench.api::<Job>().create(&PostParams::default(), &job).await.unwrap();

    let mut pod = job.spec.unwrap().template;
    let metadata = pod.metadata.get_or_insert_default();
    metadata.name = Some(format!("{name}-1"));
    metadata.labels.get_or_insert_default().insert("batch.kubernetes.io/job-name".to_owned(), name.to_owned());
    let pod = Pod { metadata: metadata.clone(), spec: pod.spec, status: None };
    bench.api::<Pod>().create(&PostParams::default(), &pod).await.unwrap();
    let now = Time(Timestamp::now());
    let end = json!({ "exitCode": 0, "reason": "Completed", "finishedAt": now, "message": report.to_string() });
    let container =
        json!({ "name": "sweep", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { "terminated": end } });
    let ended = json!({ "status": { "phase": "Succeeded", "containerStatuses": [container] } });
    bench.api::<Pod>().patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(ended)).await.unwrap();
    end_job(bench, name, "Complete").await;
}

/// What the controller of Jobs does at the end of one.
async fn end_job(bench: &Bench, name: &str, as_: &str) {
    let now = Time(Timestamp::now());
    let condition = |type_: &str| json!({ "type": type_, "status": "True", "lastTransitionTime": now, "lastProbeTime": now });
    let (before, complete) = if as_ == "Complete" { ("SuccessCriteriaMet", json!(now)) } else { ("FailureTarget", Value::Null) };
    let status = json!({ "status": {
        "startTime": now, "completionTime": complete, "conditions": [condition(before), condition(as_)],
    } });
    bench.api::<Job>().patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

async fn has<K>(api: Api<K>, name: &str) -> bool
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    api.get_opt(name).await.unwrap().is_some()
}

#[tokio::test]
async fn sweeps_are_made_read_and_taken_away() {
    let Some(bench) = Bench::start().await else { return };
    bench
        .plane
        .apply(&[json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default", "namespace": "default" } })])
        .await;
    let webhook = json!({ "webhook": { "tokenSecretRef": { "name": "hook" } } });
    apply(&bench, json!({ "sweep": { "schedule": "17 3 * * *", "timeZone": "Asia/Seoul" }, "warm": ["300x300"], "events": webhook })).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    eventually("nothing was swept yet", async || condition(&bench).await == ("Unknown".into(), "NotSweptYet".into())).await;
    assert!(has(bench.api::<CronJob>(), "photos-sweep").await && has(bench.api::<Deployment>(), "photos-follow").await);
    assert!(has(bench.api::<Service>(), "photos-follow").await && has(bench.api::<NetworkPolicy>(), "photos-derivatives").await);
    assert!(status(&bench).await.next_sweep.is_some());

    let report =
        json!({ "outcome": "Complete", "started": Timestamp::now().to_string(), "seconds": 3, "originals": 2, "fresh": 4, "deleted": 1 });
    Box::pin(sweep(&bench, "first", &report)).await;
    eventually("the sweep is told", async || condition(&bench).await == ("True".into(), "SweepComplete".into())).await;
    let told = status(&bench).await;
    let last = told.last_sweep.unwrap();
    assert_eq!((last.job.as_str(), last.report.originals, last.report.deleted), ("first", 2, 1));
    assert!(told.last_complete.is_some() && told.stale_after_seconds == Some(24 * 3600 + 3));
    rests(&bench).await;

    drift(&bench).await;
    Box::pin(sweep(&bench, "second", &json!({ "outcome": "Refused", "message": "all would go" }))).await;
    eventually("the refusal is told", async || condition(&bench).await == ("False".into(), "SweepRefused".into())).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    assert!(status(&bench).await.stale_after_seconds.is_none() && status(&bench).await.last_complete.is_some());

    apply(&bench, None).await;
    eventually("no sweep is wanted any more", async || !has(bench.api::<CronJob>(), "photos-sweep").await).await;
    eventually("nothing follows", async || !has(bench.api::<Deployment>(), "photos-follow").await).await;
    eventually("nobody notifies", async || !has(bench.api::<Service>(), "photos-follow").await).await;
    eventually("no policy is needed", async || !has(bench.api::<NetworkPolicy>(), "photos-derivatives").await).await;
    eventually("nothing is said", async || condition(&bench).await == (String::new(), String::new())).await;
    assert!(has(bench.api::<NetworkPolicy>(), "photos-resizer").await && has(bench.api::<Deployment>(), "photos-resizer").await);
}

async fn drift(bench: &Bench) {
    let drift = json!({ "spec": { "suspend": true, "concurrencyPolicy": "Allow" } });
    bench.api::<CronJob>().patch("photos-sweep", &PatchParams::default(), &Patch::Merge(drift)).await.unwrap();
    eventually("the CronJob is as it was", async || {
        let spec = bench.api::<CronJob>().get("photos-sweep").await.unwrap().spec;
        spec.suspend == Some(false) && spec.concurrency_policy.as_deref() == Some("Forbid")
    })
    .await;
}

/// Looks three times more, and writes nothing.
async fn rests(bench: &Bench) {
    let writes = || {
        let by_operator = |call: &&Value| call["user"]["username"] == "system:serviceaccount:system:resize-operator";
        let is_write = |call: &&Value| matches!(call["verb"].as_str(), Some("patch" | "create" | "update" | "delete"));
        let is_lease = |call: &&Value| call["objectRef"]["resource"] == "leases";
        let calls = bench.plane.calls();
        let all = calls.iter().filter(by_operator).filter(is_write).filter(|call| !is_lease(call));
        all.map(|call| call["requestURI"].to_string()).collect::<Vec<_>>()
    };
    let looks = || bench.operator.metric("resize_operator_reconcile_duration_seconds_count").unwrap_or_default();
    let look = async || {
        let so_far = looks();
        touch(&bench.plane, &["photos".to_owned()]).await;
        eventually("it has looked again", async || looks() > so_far).await;
    };
    look().await;
    let before = writes();
    for _ in 0..3 {
        look().await;
    }
    assert_eq!(writes()[before.len()..], [] as [String; 0]);
}

#[tokio::test]
async fn derivatives_go_before_the_endpoint() {
    let Some(bench) = Bench::start().await else { return };
    apply(&bench, json!({ "sweep": { "schedule": "@daily" }, "onDelete": "Delete" })).await;
    wait_until_all_are(&bench.plane, 1, "Serving").await;
    let endpoints = bench.api::<ResizeEndpoint>();
    endpoints.delete("photos", &DeleteParams::foreground()).await.unwrap();
    eventually("a Job deletes them", async || has(bench.api::<Job>(), "photos-purge").await).await;
    assert!(!has(bench.api::<Deployment>(), "photos-resizer").await && !has(bench.api::<CronJob>(), "photos-sweep").await);
    eventually("it is told", async || condition(&bench).await == ("False".into(), "Purging".into())).await;
    end_job(&bench, "photos-purge", "Failed").await;
    eventually("its failure is told", async || condition(&bench).await == ("False".into(), "PurgeFailed".into())).await;
    bench.api::<Job>().delete("photos-purge", &DeleteParams::background()).await.unwrap();
    let first = bench.api::<Job>().get_opt("photos-purge").await.unwrap().and_then(|job| job.uid());
    eventually("it is tried again", async || {
        bench
            .api::<Job>()
            .get_opt("photos-purge")
            .await
            .unwrap()
            .is_some_and(|job| job.uid() != first && job.metadata.deletion_timestamp.is_none())
    })
    .await;
    end_job(&bench, "photos-purge", "Complete").await;
    // without a garbage collector the object of a deletion in the foreground stays, without our finalizer
    eventually("the endpoint is let go", async || {
        let finalizers = endpoints.get_opt("photos").await.unwrap().map(|endpoint| endpoint.finalizers().to_vec()).unwrap_or_default();
        !finalizers.iter().any(|finalizer| finalizer.starts_with("resize-operator.dev/"))
    })
    .await;
}
