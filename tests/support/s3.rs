//! The real S3 that `tests/s3/up` starts. Taken into tests by `#[path]`.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{Event, NotificationConfiguration, TopicConfiguration},
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

/// What it says where its memory is full.
pub fn fullness() -> String {
    let said = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/s3/fullness")).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default()
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

/// Has the store push the events of `bucket` to `endpoint`, with `token`.
pub async fn push(client: &Client, bucket: &str, endpoint: &str, token: &str) {
    // topics speak a protocol of their own
    let user = format!("{KEY_ID}:{KEY}");
    let mut curl = Command::new("curl");
    curl.args([
        "-fsS",
        "--aws-sigv4",
        "aws:amz:us-east-1:sns",
        "--user",
        &user,
        URL,
        "-d",
        "Action=CreateTopic",
        "-d",
        &format!("Name={bucket}"),
    ]);
    for (number, key, value) in [(1, "push-endpoint", endpoint), (2, "OpaqueData", token)] {
        curl.args(["-d", &format!("Attributes.entry.{number}.key={key}")]);
        curl.args(["--data-urlencode", &format!("Attributes.entry.{number}.value={value}")]);
    }
    assert!(curl.stdout(Stdio::null()).status().unwrap().success(), "CreateTopic");
    let events = [Event::S3ObjectCreated, Event::S3ObjectRemoved];
    let topic = TopicConfiguration::builder().topic_arn(format!("arn:aws:sns:default::{bucket}")).set_events(Some(events.to_vec())).id("t");
    let configuration = NotificationConfiguration::builder().topic_configurations(topic.build().unwrap()).build();
    client.put_bucket_notification_configuration().bucket(bucket).notification_configuration(configuration).send().await.unwrap();
}
