//! What the operator changed of pods waits for its turn; until then nothing is done that would need the pods to be replaced. An edit does
//! not wait.

use std::sync::Arc;

use http::{Method, StatusCode};
use kube::runtime::reflector;
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

use crate::{
    config::Config,
    testing::{fake::Fake, fixtures::config},
    watch::{Scope, Scopes, children::Children},
};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/demo/deployments/";
const OBJECT: &str = "/apis/resize-operator.dev/v1alpha1/namespaces/demo/resizeendpoints/photos";

/// An endpoint that serves, whose Deployments are known as they are, and an operator that has no turns to give.
async fn serving(spec: Value) -> Fake {
    let edit = |resource: &mut ResizeEndpoint| {
        let mut all = serde_json::to_value(&resource.spec).unwrap();
        json_patch::merge(&mut all, &spec);
        resource.spec = serde_json::from_value(all).unwrap();
    };
    let mut fake = Fake::new(Config { rollout_max_concurrent: 0, ..config() }, edit).await;
    let secret = json!({ "metadata": { "name": "hook" }, "data": { "token": "YQ==" } });
    fake.cluster.lock().unwrap().objects.insert("/api/v1/namespaces/demo/secrets/hook".into(), secret);
    fake.settle().await;
    assert_eq!(fake.condition("Ready").1, "Serving");
    let known = |(path, object): (&String, &Value)| path.starts_with(DEPLOYMENTS).then(|| serde_json::from_value(object.clone()).unwrap());
    let children = Children::with(fake.cluster.lock().unwrap().objects.iter().filter_map(known));
    let scope = Scope { endpoints: reflector::store().0, children };
    Arc::get_mut(&mut fake.context).unwrap().scopes = Scopes([(None, scope)].into());
    fake
}

/// The same after an upgrade of the operator.
fn upgrade(fake: &mut Fake) {
    Arc::get_mut(&mut fake.context).unwrap().config.resizer_image = "localhost/resizer:newer".into();
    fake.cluster.lock().unwrap().calls.clear();
}

/// The methods of the calls to such paths since then.
fn calls(fake: &Fake, part: &str) -> Vec<Method> {
    let calls = &fake.cluster.lock().unwrap().calls;
    calls.iter().filter(|(_, path)| path.contains(part)).map(|(method, _)| method.clone()).collect()
}

#[tokio::test]
async fn pods_that_wait_are_not_asked_and_cost_no_call() {
    for spec in [json!({}), json!({ "workload": { "autoscaling": { "minReplicas": 2, "maxReplicas": 4 } } })] {
        let mut fake = serving(spec.clone()).await;
        let before = fake.condition("OriginalsReadable");
        upgrade(&mut fake);
        fake.settle().await;
        assert_eq!(fake.condition("WorkloadAvailable").1, "WaitingForRollouts", "{spec}");
        assert_eq!((fake.condition("OriginalsReadable"), fake.condition("Ready").1.as_str()), (before, "Serving"), "{spec}");
        assert_eq!((calls(&fake, "/pods"), calls(&fake, "/deployments")), (vec![], vec![]), "{spec}");
    }
}

/// As when it was restored from a backup without its status.
#[tokio::test]
async fn rules_wait_with_the_pods_that_know_them() {
    let mut fake = serving(json!({})).await;
    upgrade(&mut fake);
    fake.store.lock().unwrap().configs.clear();
    fake.cluster.lock().unwrap().objects.get_mut(OBJECT).unwrap()["status"] = json!({});
    fake.settle().await;
    assert_eq!(fake.condition("WorkloadAvailable").1, "WaitingForRollouts");
    assert_eq!((fake.condition("RoutingRuleApplied").1.as_str(), fake.config("website")), ("WaitingForWorkload", None));
}

#[tokio::test]
async fn what_follows_events_says_that_it_waits() {
    let events = json!({ "derivatives": { "credentialsSecretRef": { "name": "hook" }, "events": { "webhook": { "tokenSecretRef": { "name": "hook" } } } } });
    let mut fake = serving(events).await;
    assert_eq!(fake.condition("DerivativesCurrent").0, "True");
    upgrade(&mut fake);
    fake.settle().await;
    let (status, reason, message) = fake.condition("DerivativesCurrent");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "WaitingForRollouts"), "{message}");
}

#[tokio::test]
async fn an_edit_does_not_wait_also_if_its_first_write_failed() {
    for failed in [false, true] {
        let mut fake = serving(json!({})).await;
        upgrade(&mut fake);
        fake.edit(|object| object["spec"]["allowedResolutions"] = json!(["300x300", "555x555"]));
        if failed {
            fake.cluster.lock().unwrap().fault = Some(("/deployments/", StatusCode::INTERNAL_SERVER_ERROR));
            fake.settle().await;
            assert_eq!(fake.condition("WorkloadAvailable").1, "KubernetesError");
            fake.cluster.lock().unwrap().fault = None;
        }
        fake.settle().await;
        assert_eq!(fake.condition("WorkloadAvailable").1, "PodsAvailable");
        let pods = fake.cluster.lock().unwrap().objects[&format!("{DEPLOYMENTS}photos-resizer")].to_string();
        assert!(pods.contains("555x555") && fake.config("website").unwrap().contains("555x555"));
    }
}
