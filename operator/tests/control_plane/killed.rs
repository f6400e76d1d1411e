//! The operator is killed at every call that it makes, to the Kubernetes API and to a real S3, before the call
//! and after it: the next run comes to the same end, and what others have in the bucket is there at every moment.

use std::{
    fs,
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
};

use aws_sdk_s3::{
    Client as S3,
    types::{Condition, ErrorDocument, IndexDocument, PublicAccessBlockConfiguration, Redirect, RoutingRule, WebsiteConfiguration},
};
use futures::FutureExt;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service, networking::v1::Ingress};
use kube::{Api, api::DeleteParams};
use resize_api::ResizeEndpoint;
use serde_json::json;

use crate::{
    control_plane::ControlPlane,
    cut::{Cut, Moment},
    endpoints::run_deployments,
    process::{Operator, eventually},
    s3,
};

/// Most calls that a run may take; more means that it does not converge.
const MOST: usize = 80;

struct Lab {
    plane: ControlPlane,
    cut: Cut,
    s3: S3,
    kubeconfig: PathBuf,
}

/// How a bucket is: website, policy, public access block.
type Bucket = (Option<WebsiteConfiguration>, Option<String>, Option<String>);

fn rule(prefix: &str, code: Option<&str>, to: &str) -> RoutingRule {
    RoutingRule::builder()
        .condition(Condition::builder().key_prefix_equals(prefix).set_http_error_code_returned_equals(code.map(Into::into)).build())
        .redirect(Redirect::builder().replace_key_prefix_with(to).build())
        .build()
}

impl Lab {
    async fn new() -> Option<Self> {
        let s3 = s3::running().await?;
        let plane = ControlPlane::start().await?;
        plane.install(&[]).await;
        plane.apply(&[s3::secret("default")]).await;
        run_deployments(plane.client.clone());
        let cut = Cut::start(plane.client.clone()).await;
        let kubeconfig = plane.folder.join("cut.kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "cut",
            "clusters": [{ "name": "cut", "cluster": { "server": cut.api } }],
            "users": [{ "name": "cut", "user": {} }],
            "contexts": [{ "name": "cut", "context": { "cluster": "cut", "user": "cut", "namespace": "system" } }],
        });
        fs::write(&kubeconfig, text.to_string()).unwrap();
        Some(Self { plane, cut, s3, kubeconfig })
    }

    /// A bucket as others left it: a website with rules, a policy, and a block that forbids public ones.
    async fn create_bucket(&self, name: &str) {
        self.s3.create_bucket().bucket(name).send().await.unwrap();
        let website = WebsiteConfiguration::builder()
            .index_document(IndexDocument::builder().suffix("home.html").build().unwrap())
            .error_document(ErrorDocument::builder().key("sorry.html").build().unwrap())
            .routing_rules(rule("old/", None, "new/"))
            .routing_rules(rule("docs/", Some("404"), "help/"))
            .build();
        self.s3.put_bucket_website().bucket(name).website_configuration(website).send().await.unwrap();
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": format!("arn:aws:s3:::{name}") },
        ] });
        self.s3.put_bucket_policy().bucket(name).policy(policy.to_string()).send().await.unwrap();
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(false)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(false)
            .build();
        self.s3.put_public_access_block().bucket(name).public_access_block_configuration(block).send().await.unwrap();
    }

    async fn bucket(&self, name: &str) -> Bucket {
        let website = self.s3.get_bucket_website().bucket(name).send().await.ok().map(|got| {
            WebsiteConfiguration::builder()
                .set_redirect_all_requests_to(got.redirect_all_requests_to)
                .set_index_document(got.index_document)
                .set_error_document(got.error_document)
                .set_routing_rules(got.routing_rules)
                .build()
        });
        let policy = self.s3.get_bucket_policy().bucket(name).send().await.ok().and_then(|got| got.policy);
        // the SDK does not read what Ceph answers
        let block = self.s3.get_public_access_block().bucket(name).send().await.unwrap_err();
        let block = block.raw_response().and_then(|raw| raw.body().bytes()).map(|text| String::from_utf8_lossy(text).into_owned());
        (website, policy, block)
    }

    async fn delete_bucket(&self, name: &str) {
        self.s3.delete_bucket().bucket(name).send().await.unwrap();
    }

    async fn apply(&self, name: &str) {
        let endpoint = json!({
            "apiVersion": "resize-operator.dev/v1alpha1", "kind": "ResizeEndpoint", "metadata": { "name": name, "namespace": "default" },
            "spec": {
                "bucket": {
                    "name": name, "endpoint": self.cut.s3, "forcePathStyle": true, "publicRead": true,
                    "credentialsSecretRef": { "name": "s3" },
                },
                "publicUrl": format!("{}/site/{name}", self.cut.s3),
                "allowedResolutions": ["300x300", "640x0"],
                "ingress": { "host": format!("{name}.example.com") },
            },
        });
        self.plane.apply(&[endpoint]).await;
    }

    fn endpoints(&self) -> Api<ResizeEndpoint> {
        Api::namespaced(self.plane.client.clone(), "default")
    }

    async fn is_ready(&self, name: &str) -> bool {
        let endpoint = self.endpoints().get(name).await.unwrap();
        let mut conditions = endpoint.status.iter().flat_map(|status| &status.conditions);
        conditions.any(|condition| condition.type_ == "Ready" && condition.reason == "Serving")
    }

    async fn is_gone(&self, name: &str) -> bool {
        self.endpoints().get_opt(name).await.unwrap().is_none()
    }

    /// Runs the operator until `done`, killing it at call `at`, and then again unharmed. Returns whether it was killed.
    async fn run(&self, name: &str, at: usize, moment: Moment, before: &Bucket, done: impl AsyncFn() -> bool) -> bool {
        // a lease of its own for each: the one of a process that was killed would have to run out first
        let [first, second] = ["killed", "again"].map(|run| format!("{run}-{:016x}", rand::random::<u64>()));
        let operator = Operator::start(&self.plane, &format!("{name}-killed"), &self.kubeconfig, &["--lease-name", &first]);
        self.cut.arm(at, moment, operator.id());
        eventually(&format!("{name} is done or the operator is dead"), async || self.cut.has_killed() || done().await).await;
        // before the operator is stopped: a call that it is making may be the one, and then there is nobody to kill
        let killed = self.cut.disarm();
        drop(operator);
        self.cut.reset();
        foreign_parts_are_there(&self.bucket(name).await, before, name);
        if killed {
            let _operator = Operator::start(&self.plane, &format!("{name}-again"), &self.kubeconfig, &["--lease-name", &second]);
            eventually(&format!("{name} is done after a kill"), async || done().await).await;
        }
        killed
    }
}

fn foreign_parts_are_there(now: &Bucket, before: &Bucket, name: &str) {
    let (website, policy, block) = now;
    let (website, was) = (website.as_ref().unwrap(), before.0.as_ref().unwrap());
    assert_eq!((website.index_document(), website.error_document()), (was.index_document(), was.error_document()), "{name}");
    let foreign: Vec<_> = website.routing_rules().iter().filter(|rule| was.routing_rules().contains(rule)).collect();
    assert_eq!(foreign, was.routing_rules().iter().collect::<Vec<_>>(), "{name}");
    let policy = policy.as_ref().unwrap();
    let statement = before.1.as_ref().unwrap().split_once('[').unwrap().1.split_once(']').unwrap().0;
    assert!(policy.contains(statement), "{name}: {policy}");
    assert!(block.as_ref().unwrap().contains("<IgnorePublicAcls>true<"), "{name}: {block:?}");
}

/// Everything that a visitor needs is there, once.
async fn is_as_it_should_be(lab: &Lab, name: &str) {
    let (website, policy, block) = lab.bucket(name).await;
    let website = website.unwrap();
    let prefixes: Vec<_> = website.routing_rules().iter().map(|rule| rule.condition().unwrap().key_prefix_equals().unwrap()).collect();
    assert_eq!(prefixes, ["old/", "docs/", "300x300/", "640x0/"], "{name}");
    assert_eq!(policy.unwrap().matches("ResizeOperatorPublicRead").count(), 1, "{name}");
    assert!(block.unwrap().contains("<BlockPublicPolicy>false<"), "{name}");
    let status = lab.endpoints().get(name).await.unwrap().status.unwrap();
    assert_eq!((status.routing_rules.len(), status.routing_rules_pending, status.website_created), (2, false, false), "{name}");
    assert!(status.routing_rules_removed.is_empty(), "{name}: a crash was taken for somebody else's write");
    assert!(status.public_read.unwrap().block_public_policy_lifted, "{name}");
    let child = format!("{name}-resizer");
    Api::<Deployment>::namespaced(lab.plane.client.clone(), "default").get(&child).await.unwrap();
    Api::<Service>::namespaced(lab.plane.client.clone(), "default").get(&child).await.unwrap();
    Api::<Ingress>::namespaced(lab.plane.client.clone(), "default").get(&child).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_call_the_next_run_comes_to_the_same_end() {
    let Some(lab) = Lab::new().await else { return };
    let run = format!("killed-{:08x}", rand::random::<u32>());
    let result = AssertUnwindSafe(kill_everywhere(&lab, &run)).catch_unwind().await;
    // a bucket is left only by a failure
    for bucket in lab.s3.list_buckets().send().await.unwrap().buckets() {
        let name = bucket.name().unwrap_or_default();
        if name.starts_with(&run) {
            lab.delete_bucket(name).await;
        }
    }
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

async fn kill_everywhere(lab: &Lab, run: &str) {
    for moment in [Moment::Before, Moment::After] {
        let (mut reconciles, mut deletions) = (0, 0);
        for at in 1.. {
            assert!(at < MOST, "a run takes ever more calls: {:#?}", lab.cut.calls());
            let name = format!("{run}-{}-{at}", if moment == Moment::Before { "before" } else { "after" });
            lab.create_bucket(&name).await;
            let before = lab.bucket(&name).await;
            lab.apply(&name).await;
            let made = lab.run(&name, at, moment, &before, async || lab.is_ready(&name).await).await;
            is_as_it_should_be(lab, &name).await;

            lab.endpoints().delete(&name, &DeleteParams::default()).await.unwrap();
            let deleted = lab.run(&name, at, moment, &before, async || lab.is_gone(&name).await).await;
            assert_eq!(lab.bucket(&name).await, before, "{name}");
            lab.delete_bucket(&name).await;
            reconciles += usize::from(made);
            deletions += usize::from(deleted);
            if !made && !deleted {
                break;
            }
        }
        eprintln!("killed {moment:?} the call: at {reconciles} calls of making, at {deletions} calls of deletion");
        assert!(reconciles >= 15 && deletions >= 8, "{reconciles} {deletions}");
    }
}
