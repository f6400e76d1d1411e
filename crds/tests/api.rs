//! The API as the API server sees it: the generated YAML, its defaults, and every rule that refuses.

#![allow(clippy::unwrap_used)]

mod refusals;

use kube::{
    CustomResourceExt,
    core::cel::{validate_cel, validate_cel_update},
};
use refusals::{refusals, refused_changes, refused_names, rules};
use resize_api::ResizeEndpoint;
use serde_json::{Value, json};

/// The smallest useful object, with `patch` merged into its spec.
fn endpoint(patch: Value) -> ResizeEndpoint {
    let mut object = json!({
        "apiVersion": "resize-operator.dev/v1alpha1",
        "kind": "ResizeEndpoint",
        "metadata": { "name": "photos" },
        "spec": {
            "bucket": { "name": "photos" },
            "publicUrl": "http://photos.s3-website.eu-central-1.amazonaws.com",
            "allowedResolutions": ["300x300", "640x0"],
        },
    });
    json_patch::merge(&mut object["spec"], &patch);
    serde_json::from_value(object).unwrap()
}

#[test]
fn generated_yaml_is_current() {
    let generated = serde_json::to_value(ResizeEndpoint::crd()).unwrap();
    assert_eq!(resize_api::endpoint::definition(), generated, "crds/resizeendpoints.yaml is stale: run `make crds`");
}

#[test]
fn every_field_has_a_description() {
    fn undescribed(schema: &Value, path: &str, into: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            // the API server describes these itself
            if property["description"].as_str().is_none_or(str::is_empty) && !matches!(path.as_str(), ".metadata") {
                into.push(path.clone());
            }
            undescribed(property, &path, into);
            undescribed(&property["items"], &path, into);
        }
    }
    let crd = serde_json::to_value(ResizeEndpoint::crd()).unwrap();
    let mut missing = Vec::new();
    undescribed(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut missing);
    assert!(missing.is_empty(), "no description: {missing:?}");
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let spec = serde_json::to_value(endpoint(json!({ "ingress": { "host": "resize.example.com" } })).spec).unwrap();
    assert_eq!(spec["ingress"]["path"], "/default/resize");
    assert_eq!(spec["routing"], json!({ "management": "Merge", "keyIn": "Query" }));
    assert_eq!(spec["workload"], json!({ "replicas": 2 }));
    assert_eq!((&spec["source"], &spec["limits"]), (&json!({ "unsupported": "Refuse" }), &json!({})));
    assert_eq!(spec["delivery"], json!({ "mode": "Redirect", "originals": false, "negotiate": false, "revalidate": true }));
    let resize =
        json!({ "fit": "Cover", "position": "Center", "withoutEnlargement": false, "background": "#ffffff", "kernel": "Lanczos3" });
    assert_eq!(spec["resize"], resize);
    assert_eq!(
        spec["output"],
        json!({ "format": "Source", "progressive": false, "effort": "Balanced", "animation": "First", "acl": "None" })
    );
    assert_eq!(spec["deletionPolicy"], "Delete");
    assert_eq!(spec["suspend"], false);
}

#[test]
fn accepts_what_is_right() {
    for patch in [
        json!({}),
        json!({ "allowedResolutions": [] }),
        json!({ "allowedResolutions": ["16383x1", "0x16383"] }),
        json!({ "publicUrl": "https://cdn.example.com/shop" }),
        json!({ "bucket": { "region": "eu-central-1", "endpoint": "http://198.18.255.1:7480", "expectedOwner": "111122223333" } }),
        json!({ "ingress": { "host": "resize.example.com", "path": "/img" } }),
        json!({ "routing": { "hostName": "resize.localhost:18080", "protocol": "https", "keyIn": "Path" } }),
        json!({ "workload": { "replicas": 0 } }),
        json!({ "source": { "includePrefixes": ["photos/", "푸른, 100%/"], "excludePrefixes": ["photos/drafts/"] } }),
        json!({ "output": { "acl": "PublicRead", "storageClass": "STANDARD_IA", "encryption": { "mode": "Kms", "keyId": "alias/photos" } } }),
        json!({ "bucket": { "requesterPays": true }, "output": { "encryption": { "mode": "Aes256" } } }),
        json!({ "limits": { "maxSourceBytes": 1, "maxSourcePixels": 1, "maxOutputPixels": 1 } }),
        json!({ "workload": { "autoscaling": { "maxReplicas": 2 }, "networkPolicy": {} } }),
        json!({ "workload": { "autoscaling": { "maxReplicas": 2 }, "resources": { "limits": { "cpu": "1" } } } }),
        json!({ "workload": { "autoscaling": { "maxReplicas": 2, "targetMemoryUtilizationPercentage": 80, "behavior": { "scaleDown": { "stabilizationWindowSeconds": 60 } } } } }),
        json!({ "workload": { "disruptionBudget": { "minAvailable": "50%" } } }),
        json!({ "workload": { "disruptionBudget": { "maxUnavailable": 0 } } }),
        json!({ "workload": { "disruptionBudget": { "enabled": false } } }),
        json!({ "bucket": { "caBundle": { "configMap": "authorities" } } }),
        json!({ "bucket": { "caBundle": { "secret": "authorities", "key": "tls.crt" } } }),
        json!({ "workload": { "disruptionBudget": {}, "serviceAnnotations": { "external-dns.alpha.kubernetes.io/hostname": "a" } } }),
        json!({ "inheritedMetadata": { "labels": { "team": "web", "example.com/kubernetes.io": "" }, "annotations": { "prometheus.io/scrape": "true, really" } } }),
        json!({ "bucket": { "endpoint": "http://[fd00::1]:7480" }, "ingress": { "host": "1.2.3.4.example.com", "path": "/a.b/..c" } }),
        json!({ "gateway": { "parentRefs": [{ "name": "public", "sectionName": "https" }], "hostname": "resize.example.com" } }),
        json!({ "delivery": { "mode": "Direct", "originals": true, "negotiate": true }, "output": { "variants": ["WebP", "Avif"] } }),
        json!({ "recipes": [{ "resolutions": ["300x300"], "resize": { "fit": "Inside" }, "output": { "quality": 85 } }] }),
        json!({ "allowedResolutions": [], "recipes": [{ "resolutions": ["5x5"] }] }),
        json!({ "derivatives": {} }),
        json!({ "derivatives": { "sweep": { "schedule": "*/5 0-6 1,15 JAN-DEC MON" }, "warm": ["300x300"], "onDelete": "Delete" } }),
        json!({ "derivatives": { "sweep": { "schedule": "@weekly", "timeZone": "America/Argentina/Buenos_Aires", "maxDeletions": "500" } } }),
        json!({ "derivatives": { "events": { "sqs": { "queueUrl": "http://127.0.0.1:5000/123456789012/photos" } } } }),
        json!({ "derivatives": { "events": { "webhook": { "tokenSecretRef": { "name": "events" } } } } }),
        json!({ "allowedResolutions": [], "derivatives": { "warm": ["300x300"] } }),
    ] {
        assert!(validate_cel(&endpoint(patch.clone())).is_ok(), "{patch}: {:?}", validate_cel(&endpoint(patch.clone())));
    }
}

#[test]
fn refuses_with_a_message_that_says_what_would_be_right() {
    for (patch, message) in refusals() {
        let errors = validate_cel(&endpoint(patch.clone())).expect_err(&patch.to_string()).to_string();
        assert!(errors.contains(message), "{patch}: {errors}");
    }
    for (patch, message) in refused_changes() {
        let errors = validate_cel_update(&endpoint(patch.clone()), &endpoint(json!({}))).expect_err(&patch.to_string()).to_string();
        assert!(errors.contains(message), "{patch}: {errors}");
    }
    for (name, patch, message) in refused_names() {
        let mut named = endpoint(patch);
        named.metadata.name = Some(name);
        let errors = validate_cel(&named).unwrap_err().to_string();
        assert!(errors.contains(message), "{errors}");
    }
}

#[test]
fn every_rule_has_a_line_among_the_refusals() {
    let mut said: Vec<_> = refusals().into_iter().chain(refused_changes()).map(|(_, says)| says).collect();
    said.extend(refused_names().into_iter().map(|(.., says)| says));
    let rules = rules(&serde_json::to_value(ResizeEndpoint::crd()).unwrap());
    assert!(rules.len() >= 12, "{rules:?}");
    for (field, message) in rules {
        assert!(said.iter().any(|says| message.contains(says)), "{field} \"{message}\": no line in crds/tests/refusals.rs");
    }
}
