//! A made-up AWS from PyPI: its S3 sends events into its SQS, its STS gives credentials for a web identity token.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use aws_sdk_s3::{
    Client as S3,
    config::{BehaviorVersion, Credentials, Region},
};
use serde_json::Value;

use crate::{
    lab::{s3, until},
    port,
};

/// A made-up AWS with S3 and SQS, which sends real events of its own buckets.
pub struct Moto {
    child: Child,
    pub url: String,
    http: reqwest::Client,
}

impl Moto {
    /// Starts it, if `tests/sqs/install` was run.
    pub async fn start() -> Option<Self> {
        let cache = s3::state().parent()?.parent()?.to_owned();
        let program = std::env::var_os("MOTO_SERVER").map_or_else(|| cache.join("tools/moto-5.2.5/bin/moto_server"), PathBuf::from);
        if !program.exists() {
            assert!(!std::env::var("RESIZE_CLUSTER").is_ok_and(|value| value == "required"), "no {}", program.display());
            eprintln!("skipped: no {}; tests/sqs/install gets it", program.display());
            return None;
        }
        let port = port::reserve(std::net::Ipv4Addr::LOCALHOST);
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Self { child: command.spawn().unwrap(), url: format!("http://127.0.0.1:{port}"), http: reqwest::Client::new() };
        until("moto", async || moto.http.get(&moto.url).send().await.is_ok()).await;
        Some(moto)
    }

    pub async fn sqs(&self, action: &str, body: Value) -> Value {
        let request = self.http.post(&self.url).header("content-type", "application/x-amz-json-1.0");
        let request = request.header("x-amz-target", format!("AmazonSQS.{action}"));
        // it wants to know the service, and believes the rest
        let scope = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0";
        let answer = request.header("authorization", scope).body(body.to_string()).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default()
    }

    pub fn s3(&self) -> S3 {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("key", "secret", None, None, "tests"))
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .force_path_style(true);
        S3::from_conf(config.build())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
