//! Objects for tests.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resize_api::ResizeEndpoint;
use serde_json::json;

use crate::config::{AmbientCredentials, ClaimSettings, Config, OutboundSettings, S3Defaults, Scope};

pub fn resource() -> ResizeEndpoint {
    serde_json::from_value(json!({
        "apiVersion": "resize-operator.dev/v1alpha1",
        "kind": "ResizeEndpoint",
        "metadata": { "name": "photos", "namespace": "demo", "uid": "c0ffee", "generation": 3, "creationTimestamp": "2026-01-02T03:04:05Z" },
        "spec": {
            "bucket": { "name": "photos", "region": "eu-central-1" },
            "publicUrl": "http://photos.s3-website.eu-central-1.amazonaws.com",
            "allowedResolutions": ["300x300", "1200x800"],
            "ingress": { "host": "resize.example.com" },
        },
    }))
    .unwrap()
}

/// The same under another name and uid, of another time.
pub fn named(name: &str, created: &str) -> ResizeEndpoint {
    let mut resource = resource();
    resource.metadata.name = Some(name.into());
    resource.metadata.uid = Some(name.into());
    resource.metadata.creation_timestamp = Some(time(created));
    resource
}

pub fn config() -> Config {
    Config {
        resizer_image: "localhost/resizer:dev".into(),
        resizer_image_pull_policy: "IfNotPresent".into(),
        resizer_image_pull_secrets: Vec::new(),
        s3: S3Defaults::default(),
        claims: claims(),
        outbound: OutboundSettings { verify_public_url: true, local_addresses: true },
        resync_seconds: 600,
        cleanup_deadline: None,
        rollout_max_concurrent: 5,
        scope: Scope::default(),
        admin_listen: ([127, 0, 0, 1], 0).into(),
        log_format: "text".into(),
        log_level: "info".into(),
    }
}

/// Most tests allow every bucket to every namespace.
pub fn claims() -> ClaimSettings {
    ClaimSettings { ambient_credentials: AmbientCredentials::Anyone, public_read: true, ..ClaimSettings::default() }
}

/// A certificate of an authority that nobody knows (`openssl req -x509 -newkey ec`), whose key was thrown away.
pub const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBdDCCARugAwIBAgIUTilbCtf+shlxTREjKhcalXp4sx8wCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjcwODIwMDBaGA8yMTI2MTEwMzA4MjAw\n\
MFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPTz\n\
3AfQKoWtttaQ/m+FBZ77kcv0kyqlERKx9vZqvWCgfxnTl9U+PvfMbTM2sD+PxwIw\n\
Er0ISjl3xIK0mfwWU0CjUzBRMB0GA1UdDgQWBBQUhh49PQJwUOP/wBaNvIaHvydh\n\
eTAfBgNVHSMEGDAWgBQUhh49PQJwUOP/wBaNvIaHvydheTAPBgNVHRMBAf8EBTAD\n\
AQH/MAoGCCqGSM49BAMCA0cAMEQCIBCtPXnRl4/Wq6TiuUdT1oDKDRe4BN636D7u\n\
REA35k8hAiBM1hKE5mNVA+9b6qu56WSUqzNHhCgNIad33N7+7kbvTw==\n\
-----END CERTIFICATE-----\n";

pub fn time(text: &str) -> Time {
    Time(text.parse().unwrap())
}
