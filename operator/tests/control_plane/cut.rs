//! A proxy before the Kubernetes API and one before the S3: they count the operator's calls, and kill it at the n-th.

use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use kube::Client;

use crate::{s3, store};

/// When the operator is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The call is not made.
    Before,
    /// The call is made, and its answer is not heard.
    After,
}

#[derive(Debug, Default)]
struct Counter {
    calls: Vec<String>,
    /// The call at which the process of this id is killed.
    cut: Option<(usize, Moment, u32)>,
    killed: bool,
}

/// What a request comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Forward,
    KillBefore,
    KillAfter,
}

/// Both proxies.
#[derive(Clone)]
pub struct Cut {
    /// Where the Kubernetes API is, seen through the proxy.
    pub api: String,
    /// Where the S3 is.
    pub s3: String,
    counter: Arc<Mutex<Counter>>,
}

impl Cut {
    /// Starts both, in front of the API of `client` and of the S3.
    pub async fn start(client: Client) -> Self {
        let counter = Arc::<Mutex<Counter>>::default();
        let api = serve(Router::new().fallback(api).with_state((client, counter.clone()))).await;
        let s3 = serve(
            Router::new()
                .fallback(s3)
                .with_state((reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(), counter.clone())),
        )
        .await;
        Self { api, s3, counter }
    }

    /// Counts from zero, and kills the process `victim` at call number `at`, from 1.
    pub fn arm(&self, at: usize, moment: Moment, victim: u32) {
        *self.counter.lock().unwrap() = Counter { cut: Some((at, moment, victim)), ..Counter::default() };
    }

    /// Kills nobody from now on. Returns whether it has killed.
    pub fn disarm(&self) -> bool {
        let mut counter = self.counter.lock().unwrap();
        counter.cut = None;
        counter.killed
    }

    /// Counts from zero, and forwards every call.
    pub fn reset(&self) {
        *self.counter.lock().unwrap() = Counter::default();
    }

    /// Whether it has killed.
    pub fn has_killed(&self) -> bool {
        self.counter.lock().unwrap().killed
    }

    /// The calls since the last of [`Self::arm`] and [`Self::reset`].
    pub fn calls(&self) -> Vec<String> {
        self.counter.lock().unwrap().calls.clone()
    }
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    store::allow(&url);
    url
}

fn fate(counter: &Mutex<Counter>, call: String) -> Fate {
    let mut counter = counter.lock().unwrap();
    if counter.killed {
        return Fate::KillBefore;
    }
    counter.calls.push(call);
    match counter.cut {
        Some((at, Moment::Before, _)) if counter.calls.len() == at => Fate::KillBefore,
        Some((at, Moment::After, _)) if counter.calls.len() == at => Fate::KillAfter,
        _ => Fate::Forward,
    }
}

fn kill(counter: &Mutex<Counter>) -> Response {
    let mut counter = counter.lock().unwrap();
    if let (false, Some((_, _, victim))) = (counter.killed, counter.cut) {
        assert!(Command::new("kill").args(["-KILL", &victim.to_string()]).status().unwrap().success());
        counter.killed = true;
    }
    StatusCode::BAD_GATEWAY.into_response()
}

async fn api(State((client, counter)): State<(Client, Arc<Mutex<Counter>>)>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().unwrap().to_string();
    // standing connections, and the election of a leader, are no steps of the work
    let is_step = !target.contains("watch=") && !target.contains("/leases");
    let fate = if is_step { fate(&counter, format!("{} {target}", parts.method)) } else { Fate::Forward };
    if fate == Fate::KillBefore {
        return kill(&counter);
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    parts.uri = target.parse().unwrap();
    for name in ["host", "authorization", "accept-encoding", "connection", "content-length"] {
        parts.headers.remove(name);
    }
    let answer = client.send(Request::from_parts(parts, kube::client::Body::from(body.to_vec()))).await;
    if fate == Fate::KillAfter {
        return kill(&counter);
    }
    match answer {
        Ok(answer) => answer.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

async fn s3(
    State((client, counter)): State<(reqwest::Client, Arc<Mutex<Counter>>)>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut target = uri.path_and_query().unwrap().to_string();
    let fate = fate(&counter, format!("S3 {method} {target}"));
    if fate == Fate::KillBefore {
        return kill(&counter);
    }
    // /site/BUCKET/KEY is the bucket's website
    if let Some((bucket, key)) = target.strip_prefix("/site/").and_then(|rest| rest.split_once('/')) {
        headers.insert("host", format!("{bucket}.s3-website.localhost:7480").parse().unwrap());
        target = format!("/{key}");
    }
    headers.remove("connection");
    let request = client.request(method, format!("{}{target}", s3::URL)).headers(headers).body(body);
    let answer = request.send().await;
    if fate == Fate::KillAfter {
        return kill(&counter);
    }
    let Ok(answer) = answer else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from(answer.bytes().await.unwrap_or_default()));
    *response.status_mut() = status;
    let kept = |name: &HeaderName| !matches!(name.as_str(), "transfer-encoding" | "connection" | "content-length");
    response.headers_mut().extend(headers.into_iter().filter(|(name, _)| name.as_ref().is_none_or(kept)));
    response
}
