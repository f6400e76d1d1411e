//! The settings that the spec makes, and what a user adds in `workload.env` → what the resizer is told.
//!
//! A variable that has a field cannot be overridden; one that has none is parsed here as the resizer parses it, so that ports, probes
//! and the grace period of the pod follow it.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};
use resize_api::{Settings, derivatives::SecretKeyRef, settings::WITHOUT_FIELD};

use super::{
    address::BucketAddress,
    invalid::{InvalidField, invalid},
};

/// The variables that carry credentials from the Secret into the pods.
pub const CREDENTIALS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// What the AWS SDK would read instead of the bucket's address, beside `AWS_ENDPOINT_URL` and those that begin like it.
const ADDRESS: [&str; 3] = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"];
/// Where the pods find the authorities of `bucket.caBundle`.
pub const AUTHORITIES_FOLDER: &str = "/etc/resizer/ca";
/// What pods trust: the image's own authorities stay trusted.
const AUTHORITIES: [(&str, &str); 2] = [("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), ("SSL_CERT_DIR", AUTHORITIES_FOLDER)];
/// What the AWS SDK takes credentials from, or the file that tells where to: with `bucket.caBundle` pods have a file of the user's choice, which
/// would be sent to whoever such a variable names.
const CREDENTIAL_FILES: [&str; 4] = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_"];
/// What the pod is made by, so that it cannot come from a Secret or a ConfigMap.
const FOLLOWED: [&str; 4] = ["LISTEN", "ADMIN_LISTEN", "DRAIN_SECONDS", "SHUTDOWN_SECONDS"];
/// What the operator tells those who sweep and follow. What else they understand (`SWEEP_RATE`, for example) a user may give.
const DERIVATIVES: [&str; 8] = [
    "SWEEP_DRY_RUN",
    "SWEEP_MAX_DELETIONS",
    "SWEEP_PURGE",
    "SWEEP_REPORT",
    "SETTINGS_SINCE",
    "WARM_RESOLUTIONS",
    "EVENTS_QUEUE_URL",
    "EVENTS_TOKEN",
];
/// Longest time for a pod to end.
const LONGEST_END: Duration = Duration::from_hours(1);

/// Refuses variables that the operator sets itself or that are there twice.
pub(super) fn check(theirs: &[EnvVar], settings: &Settings, bucket: &BucketAddress) -> Result<(), InvalidField> {
    let mut seen = BTreeSet::new();
    for EnvVar { name, value_from, .. } in theirs {
        let refused = |problem: &str| Err(invalid("workload.env", format!("{name} {problem}")));
        if !seen.insert(name) {
            return refused("is there twice; remove one of them");
        }
        if is_ours(name, settings, bucket) {
            return refused("is set by the operator; remove it, and use the field that it comes from");
        }
        if bucket.ca_bundle.is_some() && CREDENTIAL_FILES.iter().any(|known| name.starts_with(known)) {
            return refused(
                "could have the file of bucket.caBundle taken for credentials; remove it, and use bucket.credentialsSecretRef or \
                 workload.serviceAccountName",
            );
        }
        if value_from.is_some() && FOLLOWED.contains(&name.as_str()) {
            return refused("decides how the pod is made: give it a plain value");
        }
    }
    Ok(())
}

fn is_ours(name: &str, settings: &Settings, bucket: &BucketAddress) -> bool {
    let has_field = settings.names().any(|known| known == name) && !WITHOUT_FIELD.contains(&name);
    has_field
        || ADDRESS.contains(&name)
        || DERIVATIVES.contains(&name)
        || name.starts_with("AWS_ENDPOINT_URL")
        || bucket.secret.is_some() && CREDENTIALS.contains(&name)
        || bucket.ca_bundle.is_some() && AUTHORITIES.iter().any(|(known, _)| *known == name)
}

/// `settings` with what `theirs` says in plain values, read as the resizer reads it.
pub(super) fn tuned(settings: &Settings, theirs: &[EnvVar]) -> Result<Settings, InvalidField> {
    let ours = settings.to_env();
    let variable = |name: &str| {
        let theirs = theirs.iter().find(|variable| variable.name == name && WITHOUT_FIELD.contains(&name));
        let ours = || ours.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        theirs.and_then(|variable| variable.value.clone()).or_else(ours)
    };
    let tuned = Settings::from_env(variable).map_err(|error| invalid("workload.env", error.to_string()))?;
    for (name, address) in [("LISTEN", tuned.listen), ("ADMIN_LISTEN", tuned.admin_listen)] {
        if address.port() == 0 || !address.ip().is_unspecified() {
            let problem = format!("{name}: `{address}`: want a port on all addresses, such as 0.0.0.0:8080");
            return Err(invalid("workload.env", problem));
        }
    }
    if tuned.listen.port() == tuned.admin_listen.port() {
        return Err(invalid("workload.env", "LISTEN and ADMIN_LISTEN: want two ports"));
    }
    if tuned.drain.checked_add(tuned.shutdown).is_none_or(|end| end > LONGEST_END) {
        let problem = format!("DRAIN_SECONDS and SHUTDOWN_SECONDS: want at most {} together", LONGEST_END.as_secs());
        return Err(invalid("workload.env", problem));
    }
    Ok(tuned)
}

/// The environment of the container: `settings`, the `bucket` with the keys of `secret`, and what of `theirs` is left.
pub(super) fn container(settings: &Settings, bucket: &BucketAddress, secret: Option<&str>, theirs: &[EnvVar]) -> Vec<EnvVar> {
    let mut env: Vec<_> = settings.to_env().iter().map(|(name, value)| plain(name, value)).collect();
    env.push(plain("AWS_REGION", &bucket.region));
    if bucket.ca_bundle.is_some() {
        env.extend(AUTHORITIES.map(|(name, value)| plain(name, value)));
    }
    env.extend(bucket.endpoint.as_deref().map(|url| plain("AWS_ENDPOINT_URL", url)));
    env.extend(secret.into_iter().flat_map(|secret| CREDENTIALS.map(|key| from_secret(secret, key))));
    let further: Vec<_> = theirs.iter().filter(|theirs| env.iter().all(|ours| ours.name != theirs.name)).cloned().collect();
    env.extend(further);
    env
}

fn plain(name: &str, value: &str) -> EnvVar {
    // Kubernetes reads `$(NAME)` as a reference, and `$$` as `$`
    EnvVar { name: name.to_owned(), value: Some(value.replace('$', "$$")), ..EnvVar::default() }
}

fn from_secret(secret: &str, key: &str) -> EnvVar {
    of_secret(key, secret, key, (key == "AWS_SESSION_TOKEN").then_some(true))
}

fn of_secret(name: &str, secret: &str, key: &str, optional: Option<bool>) -> EnvVar {
    let secret_key_ref = SecretKeySelector { name: secret.to_owned(), key: key.to_owned(), optional };
    let value_from = Some(EnvVarSource { secret_key_ref: Some(secret_key_ref), ..EnvVarSource::default() });
    EnvVar { name: name.to_owned(), value_from, ..EnvVar::default() }
}

/// A variable beside the settings.
#[derive(Debug)]
pub enum Extra<'a> {
    /// Its name and value.
    Plain(&'static str, String),
    /// Its name, and the key of a Secret that holds the value.
    Secret(&'static str, &'a SecretKeyRef),
}

pub(super) fn extra(variable: &Extra<'_>) -> EnvVar {
    match variable {
        Extra::Plain(name, value) => plain(name, value),
        Extra::Secret(name, secret) => of_secret(name, &secret.name, &secret.key, None),
    }
}

#[cfg(test)]
mod tests {
    use resize_api::ResizeEndpoint;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        endpoint::Endpoint,
        testing::fixtures::{config, resource},
    };

    fn with(env: &Value, edit: fn(&mut ResizeEndpoint)) -> Result<Endpoint, String> {
        let mut resource = resource();
        resource.spec.workload.env = serde_json::from_value(env.clone()).unwrap();
        edit(&mut resource);
        Endpoint::new(&resource, &config()).map_err(|error| error.to_string())
    }

    /// A spec that uses every field that becomes a setting.
    fn everything(resource: &mut ResizeEndpoint) {
        let mut spec = serde_json::to_value(&resource.spec).unwrap();
        let patch = json!({
            "bucket": { "endpoint": "http://s3.example.com", "forcePathStyle": true, "expectedOwner": "111122223333", "requesterPays": true, "credentialsSecretRef": { "name": "s3" }, "caBundle": { "configMap": "a" } },
            "source": { "includePrefixes": ["a"], "excludePrefixes": ["b"], "unsupported": "ShowOriginal" },
            "recipes": [{ "resolutions": ["300x300"], "output": { "quality": 85 } }],
            "delivery": { "mode": "Direct", "originals": true, "negotiate": true, "revalidate": false },
            "limits": { "maxSourceBytes": 1, "maxSourcePixels": 2, "maxOutputPixels": 2_000_000 },
            "ingress": { "host": "resize.example.com", "path": "/img" },
            "resize": { "fit": "Contain", "position": "Top", "withoutEnlargement": true, "background": "#000000", "kernel": "Cubic" },
            "output": { "format": "Avif", "variants": ["WebP"], "quality": 5, "progressive": true, "effort": "Fast", "avifSpeed": 1, "animation": "Keep", "cacheControl": "no-cache",
                "acl": "PublicRead", "storageClass": "STANDARD_IA", "encryption": { "mode": "Kms", "keyId": "alias/a" },
            },
        });
        json_patch::merge(&mut spec, &patch);
        resource.spec = serde_json::from_value(spec).unwrap();
    }

    #[test]
    fn every_setting_has_a_field_or_is_for_users_to_give() {
        let endpoint = with(&json!([]), everything).unwrap();
        let set: BTreeSet<_> = endpoint.environment().into_iter().map(|variable| variable.name).collect();
        for name in endpoint.settings.names() {
            assert_ne!(set.contains(name), WITHOUT_FIELD.contains(&name), "{name}: set from a field, or in WITHOUT_FIELD");
        }
        for name in WITHOUT_FIELD {
            assert!(endpoint.settings.names().any(|known| known == name), "{name} is no setting");
        }
    }

    #[test]
    fn a_variable_that_has_a_field_cannot_be_given_also_where_the_field_is_not_used() {
        let plain = with(&json!([]), |_| ()).unwrap();
        let fields = plain.settings.names().filter(|name| !WITHOUT_FIELD.contains(name));
        for name in fields.chain(ADDRESS).chain(DERIVATIVES).chain(["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS"]) {
            let refusal = with(&json!([{ "name": name, "value": "1" }]), |_| ()).unwrap_err();
            assert!(refusal.starts_with(&format!("spec.workload.env: {name} is set by the operator")), "{refusal}");
        }
        for name in CREDENTIALS.into_iter().chain(["SSL_CERT_FILE", "SSL_CERT_DIR"]) {
            assert!(with(&json!([{ "name": name, "value": "1" }]), everything).is_err(), "{name}");
        }
    }

    #[test]
    fn no_variable_leads_the_sdk_to_the_file_of_authorities() {
        for name in [
            "AWS_CONFIG_FILE",
            "AWS_SHARED_CREDENTIALS_FILE",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        ] {
            let env = json!([{ "name": name, "value": "/etc/resizer/ca/ca.crt" }]);
            let refusal = with(&env, everything).unwrap_err();
            assert!(refusal.starts_with(&format!("spec.workload.env: {name} could have the file of bucket.caBundle")), "{refusal}");
            assert!(with(&env, |_| ()).is_ok(), "{name}: without authorities there is no such file");
        }
    }

    #[test]
    fn a_variable_that_is_there_twice_is_refused() {
        let refusal = with(&json!([{ "name": "RUST_LOG", "value": "a" }, { "name": "RUST_LOG", "value": "b" }]), |_| ()).unwrap_err();
        assert!(refusal.contains("RUST_LOG is there twice"), "{refusal}");
    }

    #[test]
    fn settings_without_a_field_are_read_and_said_once() {
        let env = json!([
            { "name": "LISTEN", "value": "[::]:8000" }, { "name": "DRAIN_SECONDS", "value": "60" }, { "name": "WORKERS", "value": "7" },
            { "name": "FETCHES", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } }, { "name": "RUST_LOG", "value": "debug" },
        ]);
        let endpoint = with(&env, |_| ()).unwrap();
        assert_eq!((endpoint.settings.listen.port(), endpoint.settings.drain.as_secs()), (8000, 60));
        let names: Vec<_> = endpoint.environment().into_iter().map(|variable| variable.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(["LISTEN", "DRAIN_SECONDS", "WORKERS", "FETCHES", "RUST_LOG"].iter().all(|name| names.iter().any(|n| n == name)));
    }

    #[test]
    fn a_value_that_the_resizer_would_refuse_or_that_no_pod_could_have_is_refused() {
        for (name, value, says) in [
            ("FETCHES", json!({ "value": "0" }), "FETCHES: `0`"),
            ("DRAIN_SECONDS", json!({ "value": "soon" }), "DRAIN_SECONDS: `soon`"),
            ("DRAIN_SECONDS", json!({ "value": "18446744073709551615" }), "at most 3600 together"),
            ("LISTEN", json!({ "value": "127.0.0.1:8080" }), "want a port on all addresses"),
            ("ADMIN_LISTEN", json!({ "value": "0.0.0.0:8080" }), "want two ports"),
            ("LISTEN", json!({ "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } }), "give it a plain value"),
        ] {
            let mut variable = value;
            variable["name"] = json!(name);
            let refusal = with(&json!([variable]), |_| ()).unwrap_err();
            assert!(refusal.contains(says), "{refusal}");
        }
    }

    #[test]
    fn a_dollar_is_no_reference() {
        let endpoint = with(&json!([]), |resource| resource.spec.source.include_prefixes = vec!["$(BUCKET)".into()]).unwrap();
        let env = endpoint.environment();
        let prefixes = env.iter().find(|variable| variable.name == "INCLUDE_PREFIXES").unwrap();
        assert_eq!(prefixes.value.as_deref(), Some("$$(BUCKET)"));
    }
}
