//! Names and labels of the release's objects.

use std::path::Path;

use serde_json::{Value, json};

use super::{CHART, named, objects, one, pod, render, template};

/// The longest name that Helm gives a release.
const LONGEST: &str = "r2345678901234567890123456789012345678901234567890123";

fn of_release(release: &str, values: &[&str]) -> Option<Vec<Value>> {
    Some(template(Path::new(CHART), release, "system", values)?.unwrap())
}

fn name(objects: &[Value]) -> &str {
    one(objects, "Deployment")["metadata"]["name"].as_str().unwrap()
}

#[test]
fn objects_have_the_releases_name_unless_another_is_wanted() {
    let Some(plain) = objects(&[]) else { return };
    assert_eq!(name(&plain), "photos");
    for (values, expected, application) in [
        (&["nameOverride=pictures"][..], "photos-pictures", "pictures"),
        (&["nameOverride=photo"], "photos", "photo"),
        (&["fullnameOverride=mine"], "mine", "resize-operator"),
        (&["fullnameOverride=mine", "nameOverride=pictures"], "mine", "pictures"),
    ] {
        let objects = render(values).unwrap().unwrap();
        assert_eq!(name(&objects), expected, "{values:?}");
        let deployment = one(&objects, "Deployment");
        let selector = json!({ "app.kubernetes.io/name": application, "app.kubernetes.io/instance": "photos" });
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], selector);
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert!(selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value), "{labels}");
        // roles, account and Lease are found by the same name
        let account = named(&objects, "ServiceAccount", expected);
        assert_eq!(pod(&objects)["serviceAccountName"], account["metadata"]["name"]);
        assert_eq!(named(&objects, "Role", &format!("{expected}-lease"))["rules"][1]["resourceNames"], json!([expected]));
    }
}

#[test]
fn no_name_is_longer_than_a_label_may_be() {
    let longest = format!("fullnameOverride={}", "f".repeat(80));
    let all = ["metrics.podMonitor.enabled=true", "metrics.serviceMonitor.enabled=true", "networkPolicy.enabled=true"];
    for more in [&[][..], &["nameOverride=pictures"], &[longest.as_str()]] {
        let Some(objects) = of_release(LONGEST, &[&all[..], more].concat()) else { return };
        let mut names: Vec<(&str, &str)> = Vec::new();
        for object in &objects {
            let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
            assert!(name.contains(':') || kind == "CustomResourceDefinition" || name.len() <= 63, "{kind} {name}");
            assert!(!names.contains(&(kind, name)), "{kind} {name} twice");
            names.push((kind, name));
        }
    }
}

#[test]
fn common_labels_are_on_everything_but_the_definition_and_replace_nothing() {
    let values = [
        "commonLabels.team=web",
        "commonLabels.app\\.kubernetes\\.io/name=mine",
        r#"{ "commonLabels": { "rbac.authorization.k8s.io/aggregate-to-view": "false" } }"#,
        "podLabels.team=pods",
        "networkPolicy.enabled=true",
        "admissionPolicy.enabled=true",
        "metrics.podMonitor.enabled=true",
    ];
    let Some(objects) = objects(&values) else { return };
    for object in objects.iter().filter(|object| object["kind"] != "CustomResourceDefinition") {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["team"], "web", "{object}");
        assert_ne!(labels["app.kubernetes.io/name"], "mine", "{object}");
    }
    let deployment = one(&objects, "Deployment");
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"]["team"], "pods", "what is said of pods is more to the point");
    assert!(deployment["spec"]["selector"]["matchLabels"]["team"].is_null(), "a selector cannot be changed");
    let view = named(&objects, "ClusterRole", "resize-operator:system:photos:view");
    assert_eq!(view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"], "true");
}

/// Every text of the manifests is a text, whatever YAML would make of it.
#[test]
fn a_value_that_looks_like_a_number_is_a_text() {
    let values = r#"{
        "serviceAccount": { "name": "1e3" }, "commonLabels": { "build": "0123" }, "podLabels": { "on": "yes" }, "podAnnotations": { "a": "1" },
        "priorityClassName": "0x1f", "logLevel": "1", "watchNamespaces": ["1", "2e2"], "nodeSelector": { "zone": "1" },
        "s3": { "region": "1" }, "image": { "tag": "1.10" }, "resizer": { "image": { "tag": "1e1" } }, "caBundle": { "secret": "7", "key": "1" },
        "extraVolumeMounts": [{ "name": "1", "mountPath": "/1" }], "imagePullSecrets": [{ "name": "5" }],
        "metrics": { "serviceMonitor": { "enabled": true, "labels": { "release": "1" } } }, "networkPolicy": { "enabled": true },
        "admissionPolicy": { "enabled": true, "hosts": { "1": ["2"] } }
    }"#;
    let Some(objects) = of_release("1234", &[values]) else { return };
    let pod = pod(&objects);
    assert_eq!(pod["serviceAccountName"], "1e3");
    assert_eq!(pod["priorityClassName"], "0x1f");
    assert_eq!(pod["containers"][0]["image"], "resize-operator:1.10");
    for object in &objects {
        for field in ["name", "namespace"] {
            assert!(object["metadata"][field].is_string() || object["metadata"][field].is_null(), "{object}");
        }
        let labels = [&object["metadata"]["labels"], &object["spec"]["template"]["metadata"]["labels"]];
        assert!(labels.iter().filter_map(|labels| labels.as_object()).flatten().all(|(_, value)| value.is_string()), "{object}");
    }
    for variable in pod["containers"][0]["env"].as_array().unwrap() {
        assert!(variable["value"].is_string() || variable["valueFrom"].is_object(), "{variable}");
    }
    assert_eq!(one(&objects, "Deployment")["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"], "1234");
    assert!(objects.iter().filter(|object| object["kind"] == "Role").all(|role| role["metadata"]["namespace"].is_string()));
}
