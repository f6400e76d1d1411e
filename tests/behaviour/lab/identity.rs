//! Endpoints without a Secret: values of a release whose operator has an identity of its own, and what such an endpoint says.

use serde_json::{Value, json};

/// Values by which a release uses its own identity for all endpoints, in the real S3.
pub const AMBIENT: [&str; 8] = [
    "--set",
    "s3.endpoint=http://198.18.255.1:7480",
    "--set",
    "s3.forcePathStyle=true",
    "--set",
    "s3.region=us-east-1",
    "--set",
    "claims.ambientCredentials=Anyone",
];

/// The value that gives the operator the keys of the S3's user.
pub const KEYS: &str =
    r#"env=[{"name":"AWS_ACCESS_KEY_ID","value":"demo-access-key"},{"name":"AWS_SECRET_ACCESS_KEY","value":"demo-secret-key"}]"#;

/// Keys of the same user.
pub const OWN: [&str; 2] = ["demo-access-key", "demo-secret-key"];
/// What a spec says that names no Secret and gives the pods these keys.
pub fn without_secret([id, secret]: [&str; 2]) -> Value {
    let env = json!([{ "name": "AWS_ACCESS_KEY_ID", "value": id }, { "name": "AWS_SECRET_ACCESS_KEY", "value": secret }]);
    json!({ "bucket": { "endpoint": null, "forcePathStyle": null, "credentialsSecretRef": null }, "workload": { "env": env } })
}
