//! What the API refuses, with which message: a line for every rule of the definition, used here and on a real API server.

use serde_json::{Value, json};

/// Changes of the spec of a right object, and a part of the message that each is refused with.
pub fn refusals() -> Vec<(Value, &'static str)> {
    vec![
        (json!({ "bucket": { "name": "Photos" } }), "want the name of an S3 bucket"),
        (json!({ "bucket": { "name": "a..b" } }), "want the name of an S3 bucket"),
        (json!({ "bucket": { "name": "192.168.1.1" } }), "not an IP address"),
        (json!({ "bucket": { "endpoint": "http://s3.example.com:70000" } }), "want an http or https URL without user, path"),
        (json!({ "bucket": { "endpoint": "http://s3.example.com:port" } }), "want an http or https URL without user, path"),
        (json!({ "bucket": { "endpoint": "s3.example.com" } }), "want an http or https URL without user, path"),
        (json!({ "bucket": { "endpoint": "https://s3.example.com/path" } }), "want an http or https URL without user, path"),
        (json!({ "bucket": { "caBundle": {} } }), "want a configMap or a secret"),
        (json!({ "bucket": { "caBundle": { "configMap": "a", "secret": "b" } } }), "want a configMap or a secret"),
        (json!({ "bucket": { "expectedOwner": "1234" } }), "12 digits"),
        (json!({ "publicUrl": "photos.example.com" }), "want an absolute http or https URL"),
        (json!({ "publicUrl": "http://photos.example.com/?a=b" }), "want an absolute http or https URL"),
        (json!({ "publicUrl": "http://photos.example.com/#top" }), "want an absolute http or https URL"),
        (json!({ "publicUrl": "http://photos.example.com:65536/" }), "want an absolute http or https URL"),
        (json!({ "publicUrl": "http://[photos/" }), "want an absolute http or https URL"),
        (json!({ "allowedResolutions": ["300"] }), "want WIDTHxHEIGHT"),
        (json!({ "allowedResolutions": ["0300x300"] }), "want WIDTHxHEIGHT"),
        (json!({ "allowedResolutions": ["0x0"] }), "0x0 is no size"),
        (json!({ "allowedResolutions": ["16384x1"] }), "at most 16383 pixels"),
        (json!({ "ingress": { "host": "Resize.example.com" } }), "want a lower-case host name"),
        (json!({ "ingress": { "host": "resize.example.com", "path": "default" } }), "want a path"),
        (json!({ "ingress": { "host": "resize.example.com", "path": "/a?b" } }), "want a path"),
        (json!({ "ingress": { "host": "resize.example.com", "path": "/a/../b" } }), "want a path"),
        (json!({ "ingress": { "host": "resize.example.com", "path": "/a/." } }), "want a path"),
        (json!({ "ingress": { "host": "198.18.255.1" } }), "not an IP address"),
        (json!({ "resize": { "background": "white" } }), "want a colour such as #ffffff"),
        (json!({ "resize": { "background": "#fffff" } }), "want a colour such as #ffffff"),
        (json!({ "output": { "cacheControl": "max-age=60\r\nSet-Cookie: a=b" } }), "want the value of a Cache-Control header"),
        (json!({ "output": { "storageClass": "DEEP_ARCHIVE" } }), "can be read at once"),
        (json!({ "output": { "storageClass": "standard" } }), "can be read at once"),
        (json!({ "output": { "encryption": { "keyId": "alias/photos" } } }), "want mode: Kms beside it"),
        (json!({ "output": { "encryption": { "mode": "Kms", "keyId": "a key" } } }), "the ARN of a KMS key"),
        (json!({ "source": { "includePrefixes": ["a/", ""] } }), "want the beginning of a key"),
        (json!({ "source": { "excludePrefixes": ["a\tb"] } }), "want the beginning of a key"),
        (json!({ "routing": { "hostName": "http://resize.example.com" } }), "want a host name, with port"),
        (json!({ "routing": { "hostName": "resize.example.com:65536" } }), "want a host name, with port"),
        (json!({ "gateway": { "parentRefs": [{ "name": "public" }], "hostname": "Resize" } }), "want a lower-case host name"),
        (json!({ "gateway": { "parentRefs": [{ "name": "public" }], "hostname": "10.0.0.1" } }), "not an IP address"),
        (json!({ "workload": { "autoscaling": { "maxReplicas": 1 } } }), "want minReplicas that are not over maxReplicas"),
        (
            json!({ "workload": { "autoscaling": { "maxReplicas": 3 }, "resources": { "requests": { "memory": "1Gi" } } } }),
            "with autoscaling want a request of cpu",
        ),
        (
            json!({ "workload": { "autoscaling": { "maxReplicas": 3, "targetMemoryUtilizationPercentage": 80 }, "resources": { "requests": { "cpu": "1" } } } }),
            "with autoscaling by memory want a request of memory",
        ),
        (json!({ "workload": { "disruptionBudget": { "minAvailable": 1, "maxUnavailable": 1 } } }), "want minAvailable or maxUnavailable"),
        (json!({ "workload": { "disruptionBudget": { "enabled": false, "minAvailable": 1 } } }), "with enabled: false want neither"),
        (json!({ "workload": { "disruptionBudget": { "minAvailable": -1 } } }), "want a number of pods from 0 to 1000"),
        (json!({ "workload": { "disruptionBudget": { "minAvailable": "half" } } }), "or a percentage from 0% to 100%"),
        (json!({ "workload": { "disruptionBudget": { "maxUnavailable": "101%" } } }), "or a percentage from 0% to 100%"),
        (json!({ "workload": { "serviceAnnotations": { "resize-operator.dev/applied": "1" } } }), "are the operator's own: want others"),
        (json!({ "inheritedMetadata": { "labels": { "resize-operator.dev/endpoint": "other" } } }), "say what an object is"),
        (json!({ "inheritedMetadata": { "labels": { "app.kubernetes.io/name": "other" } } }), "say what an object is"),
        (json!({ "inheritedMetadata": { "annotations": { "kubernetes.io/tls-acme": "true" } } }), "are for single objects"),
        (json!({ "inheritedMetadata": { "annotations": { "alpha.node.k8s.io/ttl": "0" } } }), "are for single objects"),
        (json!({ "delivery": { "originals": true } }), "originals: needs mode Direct"),
        (json!({ "delivery": { "negotiate": true }, "output": { "variants": ["WebP"] } }), "negotiate: needs mode Direct"),
        (json!({ "delivery": { "revalidate": false } }), "revalidate: needs mode Direct"),
        (json!({ "delivery": { "mode": "Direct", "negotiate": true } }), "want output.variants to choose among"),
        (json!({ "delivery": { "mode": "Direct" }, "bucket": { "publicRead": true } }), "needs delivery.mode Redirect"),
        (json!({ "recipes": [{ "resolutions": ["301x301"] }] }), "spec.recipes: want resolutions that are in allowedResolutions"),
        (
            json!({ "recipes": [{ "resolutions": ["300x300"] }, { "resolutions": ["300x300"] }] }),
            "spec.recipes: a resolution stands in one recipe at most",
        ),
        (json!({ "recipes": [{ "resolutions": ["300x300"], "resize": { "background": "white" } }] }), "want a colour such as #ffffff"),
        (json!({ "derivatives": { "sweep": { "schedule": "17 3 * *" } } }), "want five fields of cron"),
        (json!({ "derivatives": { "sweep": { "schedule": "@every 1h" } } }), "want five fields of cron"),
        (json!({ "derivatives": { "sweep": { "schedule": "TZ=UTC 17 3 * * *" } } }), "want five fields of cron"),
        (json!({ "derivatives": { "sweep": { "schedule": "@daily", "timeZone": "Local" } } }), "want the name of a time zone"),
        (json!({ "derivatives": { "sweep": { "schedule": "@daily", "timeZone": "+02:00" } } }), "want the name of a time zone"),
        (json!({ "derivatives": { "sweep": { "schedule": "@daily", "maxDeletions": "101%" } } }), "want a number, or a percentage"),
        (json!({ "derivatives": { "sweep": { "schedule": "@daily", "maxDeletions": "many" } } }), "want a number, or a percentage"),
        (json!({ "derivatives": { "warm": ["300"] } }), "want a resolution such as 300x300"),
        (json!({ "derivatives": { "warm": ["301x301"] } }), "want resolutions that are in allowedResolutions"),
        (json!({ "derivatives": { "events": {} } }), "want sqs or webhook"),
        (json!({ "derivatives": { "events": { "sqs": { "queueUrl": "photos" } } } }), "want the URL of a queue"),
    ]
}

/// The same for an object that is there already.
pub fn refused_changes() -> Vec<(Value, &'static str)> {
    vec![(json!({ "bucket": { "name": "paintings" } }), "cannot be changed; create another ResizeEndpoint")]
}

/// Names that are refused, each with a change of the spec.
pub fn refused_names() -> Vec<(String, Value, &'static str)> {
    let sweeps = json!({ "derivatives": { "sweep": { "schedule": "@daily" } } });
    vec![
        ("a".repeat(51), json!({}), "at most 50 lower-case letters"),
        ("1a".to_owned(), json!({}), "a letter first"),
        ("a".repeat(47), sweeps, "with derivatives.sweep want at most 46 characters"),
    ]
}

/// The messages of all rules of a definition, with the fields that have them.
pub fn rules(definition: &Value) -> Vec<(String, String)> {
    fn collect(schema: &Value, path: &str, into: &mut Vec<(String, String)>) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            into.push((path.to_owned(), rule["message"].as_str().unwrap_or_default().to_owned()));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            collect(property, &format!("{path}.{name}"), into);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                collect(&schema[inner], path, into);
            }
        }
    }
    let mut all = Vec::new();
    collect(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut all);
    all
}
