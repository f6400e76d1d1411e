//! Where the pods' identity comes from: a web identity token (IRSA), an agent on the node (Pod Identity), the environment; and that it
//! is renewed before it expires.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    ops::Range,
    path::PathBuf,
    process::Child,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use serde_json::Value;

use crate::{
    identity_source::{pod_identity, web_identity},
    memory::jpeg,
    process::{GOOD, ask, ready, resizer},
};

/// A made-up S3 that has a picture under every key, and the ids of the keys that its requests were signed with.
async fn store() -> (String, Arc<Mutex<BTreeSet<String>>>) {
    let ids = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&ids);
    let app = Router::new().fallback(async move |request: Request| {
        let headers = request.headers();
        let signed = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let id = signed.split_once("Credential=").and_then(|(_, rest)| rest.split_once('/')).map_or("nobody", |(id, _)| id);
        let session = headers.get("x-amz-security-token").map_or("none", |value| value.to_str().unwrap());
        seen.lock().unwrap().insert(format!("{id} {session}"));
        Response::new(if request.method() == "GET" { Body::from(jpeg()) } else { Body::empty() })
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, ids)
}

/// A running resizer; it ends with this value.
struct Running {
    child: Child,
    ready: Value,
    sizes: Range<u32>,
}

impl Running {
    /// Starts one with this `identity` on the store at `url`.
    fn start(url: &str, identity: Vec<(&'static str, String)>) -> Self {
        let mut command = resizer(&GOOD);
        command.envs([("AWS_ENDPOINT_URL_S3", url), ("S3_FORCE_PATH_STYLE", "true"), ("DRAIN_SECONDS", "0")]).envs(identity);
        let mut child = command.spawn().unwrap();
        let ready = ready(&mut BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap));
        Self { child, ready, sizes: 10..1000 }
    }

    /// Asks for sizes that were not asked for before, until an answer has this status and `holds`.
    async fn asked_until(&mut self, status: u16, holds: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_mins(2);
        for side in &mut self.sizes {
            let answer = ask(self.ready["listen"].as_str().unwrap(), &format!("/default/resize/{side}x{side}/cat.jpg"), "");
            if answer.starts_with(&format!("HTTP/1.1 {status}")) && holds() {
                return;
            }
            assert!(Instant::now() < until, "not {status}: {answer}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The ids and sessions of the keys that a store sees of a resizer with this `identity`, until there are `count` of them.
async fn seen_by_the_store(identity: Vec<(&'static str, String)>, count: usize) -> Vec<String> {
    let (url, ids) = store().await;
    Running::start(&url, identity).asked_until(307, || ids.lock().unwrap().len() >= count).await;
    let ids = ids.lock().unwrap();
    ids.iter().cloned().collect()
}

/// A file of this process for a token.
fn token(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("resizer-token-{name}-{}", std::process::id()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_identity_token_is_exchanged_and_the_credentials_renewed() {
    let token = token("irsa");
    let identity = web_identity(&token).await;
    assert_eq!(seen_by_the_store(identity, 2).await, ["STS0 session", "STS1 session"]);
    std::fs::remove_file(token).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_of_pod_identity_is_asked_and_the_credentials_renewed() {
    let token = token("agent");
    let identity = pod_identity(&token).await;
    assert_eq!(seen_by_the_store(identity, 2).await, ["AGENT0 session", "AGENT1 session"]);
    std::fs::remove_file(token).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_environment_come_first() {
    let token = token("environment");
    let mut identity = web_identity(&token).await;
    identity.extend([("AWS_ACCESS_KEY_ID", "OWN"), ("AWS_SECRET_ACCESS_KEY", "key")].map(|(name, value)| (name, value.to_owned())));
    assert_eq!(seen_by_the_store(identity.clone(), 1).await, ["OWN none"]);
    identity.push(("AWS_SESSION_TOKEN", "own-session".to_owned()));
    assert_eq!(seen_by_the_store(identity, 1).await, ["OWN own-session"]);
    std::fs::remove_file(token).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_expires_and_is_not_renewed_is_reported_until_it_is() {
    let token = token("expired");
    let identity = pod_identity(&token).await;
    let (url, _) = store().await;
    let mut resizer = Running::start(&url, identity);
    resizer.asked_until(307, || true).await;
    let right = std::fs::read(&token).unwrap();
    std::fs::write(&token, "another").unwrap();
    resizer.asked_until(502, || true).await;
    let check = ask(resizer.ready["admin_listen"].as_str().unwrap(), "/selfcheck", "");
    assert!(check.contains("\"originals\":\"CredentialsInvalid\""), "{check}");
    std::fs::write(&token, right).unwrap();
    resizer.asked_until(307, || true).await;
    std::fs::remove_file(token).unwrap();
}
