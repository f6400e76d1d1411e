//! Where the pods' identity comes from: a web identity token (IRSA), an agent on the node (Pod Identity), the environment; and that it
//! is renewed before it expires.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use serde_json::Value;

use crate::{
    identity_source::{pod_identity, web_identity},
    memory::jpeg,
    process::{GOOD, ask, resizer},
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

/// Asks a resizer with this `identity` for one size after the other until the store has seen `count` keys; gives their ids and sessions.
async fn seen_by_the_store(identity: Vec<(&'static str, String)>, count: usize) -> Vec<String> {
    let (url, ids) = store().await;
    let mut command = resizer(&GOOD);
    command.envs([("AWS_ENDPOINT_URL_S3", url.as_str()), ("S3_FORCE_PATH_STYLE", "true"), ("DRAIN_SECONDS", "0")]).envs(identity);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ready: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    let until = Instant::now() + Duration::from_mins(2);
    for side in 10.. {
        let answer = ask(ready["listen"].as_str().unwrap(), &format!("/default/resize/{side}x{side}/cat.jpg"), "");
        assert!(answer.starts_with("HTTP/1.1 307"), "{answer}");
        if ids.lock().unwrap().len() >= count {
            break;
        }
        assert!(Instant::now() < until, "the identity is not renewed: {:?}", ids.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
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
