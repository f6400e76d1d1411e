//! For tests: an S3 that remembers what it is told, and fails as the test says.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use resize_api::{delivery::NOT_FOUND, self_check};
use serde_json::Value;

/// What `publicUrl` answers.
#[derive(Clone, Copy, Default)]
pub enum Site {
    /// As S3 would: by the rules of the website configuration.
    #[default]
    Website,
    /// As the resizer does in `Direct`.
    Resizer,
    /// This status, Location and header.
    Wrong(u16, &'static str, Option<(&'static str, &'static str)>),
}

/// The S3, one bucket, by the name of the configuration: website, policy, publicAccessBlock, tagging.
#[derive(Default)]
pub struct Store {
    pub configs: BTreeMap<String, Vec<u8>>,
    /// Every API call: method, configuration, expected owner.
    pub calls: Vec<(Method, String, Option<String>)>,
    /// Calls to the configurations of this name (empty: all) get this answer.
    pub fault: Option<(&'static str, u16, &'static str)>,
    /// Writes are accepted and forgotten.
    pub forgets: bool,
    pub site: Site,
    /// Answers come too late.
    pub hangs: bool,
    /// No S3 at all: it answers this status, type and body to everything.
    pub other: Option<(u16, &'static str, &'static [u8])>,
    /// What the pods say of their access to it.
    pub self_check: Value,
    /// With `other`: the body goes on for ever.
    pub endless: bool,
    /// The next write of the configuration of this name fails with 503, right after somebody else has written this one.
    pub meanwhile: Option<(&'static str, String)>,
}

pub async fn answer(State(store): State<Arc<Mutex<Store>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let hangs = store.lock().unwrap().hangs;
    if hangs {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let mut store = store.lock().unwrap();
    if let Some(other) = store.other {
        store.calls.push((method, "other".to_owned(), None));
        return store.answer_as_other(other);
    }
    if uri.path() == self_check::PATH {
        return store.self_check.to_string().into_response();
    }
    if let Some(key) = uri.path().strip_prefix("/site/") {
        return store.visit(key);
    }
    let name = uri.query().unwrap_or_default().split(['&', '=']).next().unwrap_or_default().to_owned();
    let owner = headers.get("x-amz-expected-bucket-owner").map(|owner| owner.to_str().unwrap().to_owned());
    store.calls.push((method.clone(), name.clone(), owner));
    if let Some((part, status, code)) = store.fault
        && name.contains(part)
    {
        return (StatusCode::from_u16(status).unwrap(), format!("<Error><Code>{code}</Code><Message>told to</Message></Error>"))
            .into_response();
    }
    let missing = match name.as_str() {
        "website" => "NoSuchWebsiteConfiguration",
        "policy" => "NoSuchBucketPolicy",
        "tagging" => "NoSuchTagSet",
        _ => "NoSuchPublicAccessBlockConfiguration",
    };
    match method {
        Method::GET => match store.configs.get(&name) {
            Some(config) => config.clone().into_response(),
            None => (StatusCode::NOT_FOUND, format!("<Error><Code>{missing}</Code></Error>")).into_response(),
        },
        Method::PUT if store.meanwhile.as_ref().is_some_and(|(of, _)| *of == name) => {
            let (_, theirs) = store.meanwhile.take().unwrap_or_default();
            store.configs.insert(name, theirs.into_bytes());
            (StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>ServiceUnavailable</Code></Error>").into_response()
        }
        Method::PUT if store.forgets => StatusCode::OK.into_response(),
        Method::PUT => {
            store.configs.insert(name, body.to_vec());
            StatusCode::OK.into_response()
        }
        _ => {
            store.configs.remove(&name);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

impl Store {
    fn answer_as_other(&self, (status, kind, body): (u16, &'static str, &'static [u8])) -> Response {
        let body = if self.endless {
            axum::body::Body::from_stream(futures::stream::repeat(Ok::<_, Infallible>(Bytes::from_static(body))))
        } else {
            axum::body::Body::from(body)
        };
        Response::builder().status(status).header("content-type", kind).body(body).unwrap()
    }

    /// A visit of the bucket's website; only keys that do not exist are asked for here.
    fn visit(&self, key: &str) -> Response {
        match self.site {
            Site::Wrong(status, location, header) => {
                let mut answer = StatusCode::from_u16(status).unwrap().into_response();
                if !location.is_empty() {
                    answer.headers_mut().insert("location", location.parse().unwrap());
                }
                if let Some((name, value)) = header {
                    answer.headers_mut().insert(name, value.parse().unwrap());
                }
                answer
            }
            Site::Resizer => (StatusCode::NOT_FOUND, format!(r#"{{"message":"{NOT_FOUND}"}}"#)).into_response(),
            Site::Website => {
                let website = self.configs.get("website").map(|config| String::from_utf8_lossy(config)).unwrap_or_default();
                if website.contains("resize.example.com") {
                    let to = format!("http://resize.example.com/default/resize?key={key}");
                    (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response()
                } else {
                    StatusCode::NOT_FOUND.into_response()
                }
            }
        }
    }
}
