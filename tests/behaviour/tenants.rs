//! Two tenants: one has a bucket, the other one may write ResizeEndpoints in a namespace of its own and tries what it can with them.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use crate::lab::{self, Forwarder, HOST, Lab, picture};

/// The other tenant.
struct Neighbour<'a> {
    lab: &'a Lab,
    namespace: String,
}

impl Neighbour<'_> {
    /// Runs `body` with a lab and a neighbour of it, and cleans up after both.
    async fn beside(body: impl AsyncFnOnce(&Lab, &Neighbour)) {
        lab::run(async |lab: &Lab| {
            let neighbour = Neighbour { lab, namespace: format!("{}-evil", lab.name) };
            let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": neighbour.namespace } })).unwrap();
            Api::all(lab.kube.clone()).create(&PostParams::default(), &namespace).await.unwrap();
            // a user of the same store, who has no right to the bucket
            let secret: Secret = serde_json::from_value(json!({
                "metadata": { "name": "s3" },
                "stringData": { "AWS_ACCESS_KEY_ID": "other-access-key", "AWS_SECRET_ACCESS_KEY": "other-secret-key" },
            }))
            .unwrap();
            Api::namespaced(lab.kube.clone(), &neighbour.namespace).create(&PostParams::default(), &secret).await.unwrap();
            let result = AssertUnwindSafe(body(lab, &neighbour)).catch_unwind().await;
            neighbour.clean_up(result.is_err()).await;
            if let Err(panic) = result {
                resume_unwind(panic);
            }
        })
        .await;
    }

    fn endpoints(&self) -> Api<ResizeEndpoint> {
        Api::namespaced(self.lab.kube.clone(), &self.namespace)
    }

    async fn clean_up(&self, tell: bool) {
        for endpoint in self.endpoints().list(&ListParams::default()).await.into_iter().flatten() {
            if tell {
                eprintln!("{:#?}", endpoint.status);
            }
            let name = endpoint.metadata.name.unwrap_or_default();
            let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
            let _ = self.endpoints().patch(&name, &PatchParams::default(), &Patch::Merge(retain)).await;
            let _ = self.endpoints().delete(&name, &DeleteParams::default()).await;
        }
        let _ = Api::<Namespace>::all(self.lab.kube.clone()).delete(&self.namespace, &DeleteParams::background()).await;
    }

    /// Applies an endpoint for the lab's bucket, `patch` merged into its spec.
    async fn try_apply(&self, name: &str, patch: Value) -> Result<ResizeEndpoint, kube::Error> {
        let mut spec = self.lab.spec(json!({
            "ingress": { "host": format!("{name}.{}.localhost", self.namespace) }, "routing": { "hostName": "evil.example.com" },
        }));
        json_patch::merge(&mut spec, &patch);
        let object =
            json!({ "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint", "metadata": { "name": name }, "spec": spec });
        self.endpoints().patch(name, &PatchParams::apply("tests").force(), &Patch::Apply(object)).await
    }

    /// Waits until a condition of the current spec has `reason`.
    async fn is(&self, name: &str, condition: &str, reason: &str) -> Condition {
        let mut last = None;
        self.lab
            .eventually(&format!("{name} is {reason}"), async || {
                let endpoint = self.endpoints().get(name).await.unwrap();
                let conditions = endpoint.status.map(|status| status.conditions).unwrap_or_default();
                last = conditions.into_iter().find(|found| found.type_ == condition);
                last.as_ref().is_some_and(|found| found.reason == reason && found.observed_generation == endpoint.metadata.generation)
            })
            .await;
        last.unwrap()
    }

    async fn has_no_pods(&self) -> bool {
        let deployments: Api<Deployment> = Api::namespaced(self.lab.kube.clone(), &self.namespace);
        deployments.list(&ListParams::default()).await.unwrap().items.is_empty()
    }
}

#[tokio::test]
async fn without_keys_of_its_own_a_neighbour_opens_and_redirects_nothing() {
    Neighbour::beside(async |lab, neighbour| {
        lab.s3.delete_bucket_policy().bucket(&lab.name).send().await.unwrap();
        lab.upload("private.jpg", "image/jpeg", picture(10, 10)).await;
        let private = format!("{}/private.jpg", lab.site());
        // Ceph says 404 where there is no website at all
        assert!(matches!(lab.get(&private).await.status, 403 | 404));
        // by the operator's own identity
        let ambient = json!({ "bucket": { "credentialsSecretRef": null, "publicRead": true } });
        neighbour.try_apply("ambient", ambient).await.unwrap();
        let refused = neighbour.is("ambient", "Accepted", "BucketNotAllowed").await;
        assert!(refused.message.contains("bucket.credentialsSecretRef"), "{refused:?}");
        // with `Observe`, which writes nothing
        let observed =
            neighbour.try_apply("observed", json!({ "bucket": { "publicRead": true }, "routing": { "management": "Observe" } })).await;
        if observed.is_ok() {
            neighbour.is("observed", "Accepted", "InvalidSpec").await;
        }
        assert!(matches!(lab.get(&private).await.status, 403 | 404));
        assert_eq!((lab.policy().await, lab.website().await), (None, None));
        assert!(neighbour.has_no_pods().await);
    })
    .await;
}

#[tokio::test]
async fn who_has_no_access_to_a_bucket_keeps_nobody_from_it() {
    Neighbour::beside(async |lab, neighbour| {
        // the first to name the bucket, by pods that serve, by pods that never do, and asleep
        neighbour.try_apply("serves", json!({})).await.unwrap();
        neighbour.is("serves", "RoutingRuleApplied", "AccessDenied").await;
        neighbour.try_apply("hangs", json!({ "workload": { "image": "localhost/none:1" } })).await.unwrap();
        neighbour.try_apply("sleeps", json!({ "suspend": true })).await.unwrap();
        lab.serve(json!({})).await;
        for name in ["serves", "hangs"] {
            neighbour.is(name, "Accepted", "BucketClaimed").await;
        }
        lab.eventually("those who lost the bucket have no pods", async || neighbour.has_no_pods().await).await;
        lab.wait_for(&lab.name, "Ready", "True").await;
    })
    .await;
}

#[tokio::test]
async fn another_spelling_of_a_store_is_no_other_store() {
    Neighbour::beside(async |lab, neighbour| {
        let spelled = |endpoint: &str| json!({ "bucket": { "endpoint": endpoint } });
        lab.serve(spelled("http://s3.localhost:7480")).await;
        for (name, endpoint) in
            [("capitals", "http://S3.LocalHost:7480"), ("dot", "http://s3.localhost.:7480"), ("slash", "http://s3.localhost:7480/")]
        {
            neighbour.try_apply(name, spelled(endpoint)).await.unwrap();
            neighbour.is(name, "Accepted", "BucketClaimed").await;
        }
        // and with the port that it has anyway
        let store = Forwarder::new(80).await;
        lab.serve(spelled(&format!("http://{HOST}"))).await;
        neighbour.try_apply("port", spelled(&format!("http://{HOST}:80"))).await.unwrap();
        neighbour.is("port", "Accepted", "BucketClaimed").await;
        lab.delete(&lab.name).await;
        drop(store);
    })
    .await;
}

#[tokio::test]
async fn what_other_services_answer_is_not_told() {
    Neighbour::beside(async |lab, neighbour| {
        lab.serve(json!({})).await;
        let victim = format!("http://{}-resizer.{}.svc", lab.name, lab.name);
        neighbour.try_apply("service", json!({ "bucket": { "endpoint": victim } })).await.unwrap();
        let told = neighbour.is("service", "RoutingRuleApplied", "S3Error").await;
        assert!(told.message.contains("answers something that is no S3 (status 4"), "{told:?}");
        assert!(!told.message.contains("message") && told.message.len() < 300, "{told:?}");
        for (name, endpoint) in [
            ("itself", "http://127.0.0.1:9090"),
            ("mapped", "http://[::ffff:127.0.0.1]:9090"),
            ("metadata", "http://169.254.169.254"),
            ("by-name", "http://localhost:9090"),
        ] {
            neighbour.try_apply(name, json!({ "bucket": { "endpoint": endpoint } })).await.unwrap();
            let told = neighbour.is(name, "RoutingRuleApplied", "S3Unreachable").await;
            assert!(told.message.contains("no link-local address"), "{told:?}");
        }
        lab.apply(json!({ "publicUrl": "http://127.0.0.1:9090/metrics" })).await;
        let told = lab.wait_for_reason(&lab.name, "PublicUrlVerified", "PublicUrlUnreachable").await;
        assert!(told.message.contains("no link-local address"), "{told:?}");
        lab.serve(json!({})).await;
    })
    .await;
}

/// Answers every request with a page of so many bytes, or one that never ends: its URL, and what answers until it is dropped.
async fn website(length: Option<usize>) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind((HOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut answers = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            answers.spawn(async move {
                let _ = stream.read(&mut [0; 1 << 12]).await;
                let head = length.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{head}\r\n").as_bytes()).await;
                let mut left = length.unwrap_or(usize::MAX);
                while left > 0 {
                    let piece = left.min(1 << 14);
                    if stream.write_all(&[b'a'; 1 << 14][..piece]).await.is_err() {
                        break;
                    }
                    left -= piece;
                }
            });
        }
    });
    (url, tasks)
}

/// Bytes of memory of each of the demo's operators, measured after `time`, as the metrics server has it.
async fn memory_after(lab: &Lab, time: Timestamp) -> Vec<u64> {
    let kind = ApiResource {
        group: "metrics.k8s.io".into(),
        version: "v1beta1".into(),
        api_version: "metrics.k8s.io/v1beta1".into(),
        kind: "PodMetrics".into(),
        plural: "pods".into(),
    };
    let measured: Api<DynamicObject> = Api::namespaced_with(lab.kube.clone(), "resize-system", &kind);
    let mut found = Vec::new();
    lab.eventually("the operators' memory is measured", async || {
        let pods = measured.list(&ListParams::default()).await.unwrap().items;
        let is_new = |pod: &&DynamicObject| pod.data["timestamp"].as_str().is_some_and(|at| at.parse::<Timestamp>().unwrap() > time);
        found = pods.iter().filter(is_new).map(|pod| kibibytes(&pod.data["containers"][0]["usage"]["memory"]) << 10).collect();
        !found.is_empty() && found.len() == pods.len()
    })
    .await;
    found
}

fn kibibytes(quantity: &Value) -> u64 {
    let text = quantity.as_str().unwrap();
    text.strip_suffix("Ki").map_or_else(|| panic!("{text}"), |number| number.parse().unwrap())
}

#[tokio::test]
async fn long_and_endless_answers_end_no_operator_and_are_not_repeated() {
    Neighbour::beside(async |lab, neighbour| {
        let operators: Api<Pod> = Api::namespaced(lab.kube.clone(), "resize-system");
        let ours = ListParams::default().labels("app.kubernetes.io/name=resize-operator");
        let restarts = async || {
            let pods = operators.list(&ours).await.unwrap().items;
            let statuses = pods.into_iter().filter_map(|pod| pod.status?.container_statuses).flatten();
            statuses.map(|status| status.restart_count).sum::<i32>()
        };
        let before = restarts().await;
        let (page, large, endless) = futures::join!(website(Some(40_000)), website(Some(3_000_000)), website(None));
        let kinds = [("page", &page.0, "no S3 (status 200, text/html)"), ("large", &large.0, "more than 1048576 bytes")];
        let endless: Vec<_> = (0..10).map(|number| (format!("endless-{number}"), &endless.0, "more than 1048576 bytes")).collect();
        let all: Vec<_> = kinds.into_iter().map(|(name, url, says)| (name.to_owned(), url, says)).chain(endless).collect();
        for (name, url, _) in &all {
            neighbour.try_apply(name, json!({ "bucket": { "name": format!("{}-{name}", lab.name), "endpoint": url } })).await.unwrap();
        }
        for (name, _, says) in &all {
            let told = neighbour.is(name, "RoutingRuleApplied", "S3Error").await;
            assert!(told.message.contains(says) && told.message.len() < 300, "{told:?}");
        }
        // and the others are served meanwhile
        lab.serve(json!({})).await;
        let memory = memory_after(lab, Timestamp::now()).await;
        assert!(memory.iter().all(|bytes| *bytes < 128 << 20), "{memory:?}");
        println!("after twelve long answers the operators have {memory:?} bytes");
        assert_eq!(restarts().await, before, "an operator ended");
    })
    .await;
}

#[tokio::test]
async fn stores_that_never_answer_hold_up_nobody_else() {
    Neighbour::beside(async |lab, neighbour| {
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // the kernel accepts connections, and nothing reads from them
        for number in 0..40 {
            let name = format!("silent-{number}");
            neighbour.try_apply(&name, json!({ "bucket": { "name": format!("{}-{number}", lab.name), "endpoint": url } })).await.unwrap();
        }
        let start = std::time::Instant::now();
        lab.serve(json!({})).await;
        println!("served {:.1} s after 40 endpoints of a store that does not answer", start.elapsed().as_secs_f64());
        drop(listener);
    })
    .await;
}

#[tokio::test]
async fn rules_are_taken_back_where_they_were_written_before_others_are_written() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let recorded = async || lab.endpoints().get(&lab.name).await.unwrap().status.unwrap().store.unwrap().endpoint.unwrap();
        let first = recorded().await;
        // the same store by a name, which makes it another one to the operator: the rules go and come again
        lab.serve(json!({ "bucket": { "endpoint": "http://s3.localhost:7480" } })).await;
        assert_eq!((first.as_str(), recorded().await.as_str()), ("http://198.18.255.1:7480", "http://s3.localhost:7480"));
        assert_eq!(lab.website().await.unwrap().routing_rules().len(), 2);
        // also for one that cannot be reached
        lab.apply(json!({ "bucket": { "endpoint": "http://198.18.255.1:1" } })).await;
        lab.wait_for_reason(&lab.name, "RoutingRuleApplied", "S3Unreachable").await;
        lab.delete(&lab.name).await;
        assert_eq!(lab.website().await, None);
    })
    .await;
}
