//! The real S3 that `tests/s3/up` starts. Taken into tests by `#[path]`.

use std::{path::PathBuf, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

/// Where this machine and pods reach it.
pub const ADDRESS: &str = "198.18.255.1:7480";
/// The same as a URL.
pub const URL: &str = "http://198.18.255.1:7480";
/// Its user, who may do everything.
pub const KEY_ID: &str = "demo-access-key";
/// That user's secret key.
pub const KEY: &str = "demo-secret-key";

/// Where it keeps its state; see the Makefile.
pub fn state() -> PathBuf {
    let cache = std::env::var_os("CACHE").map(PathBuf::from);
    cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/resize-operator")).join("state/s3")
}

/// A client of its user.
pub fn client() -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(KEY_ID, KEY, None, None, "tests"))
        .region(Region::new("us-east-1"))
        .endpoint_url(URL)
        .force_path_style(true);
    Client::from_conf(config.build())
}

/// [`client`], if it runs. Else it is said that the test was skipped, or a failure if `RESIZE_CLUSTER=required`.
pub async fn running() -> Option<Client> {
    let connected = timeout(Duration::from_secs(3), TcpStream::connect(ADDRESS)).await;
    if state().join("ceph.conf").exists() && connected.is_ok_and(|stream| stream.is_ok()) {
        return Some(client());
    }
    assert!(!std::env::var("RESIZE_CLUSTER").is_ok_and(|value| value == "required"), "no S3 at {ADDRESS}");
    eprintln!("skipped: no S3 runs at {ADDRESS}; tests/s3/up starts one");
    None
}

/// The Secret `s3` with the keys of its user.
pub fn secret(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s3", "namespace": namespace },
        "stringData": { "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": KEY },
    })
}
