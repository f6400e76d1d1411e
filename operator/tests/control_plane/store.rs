//! An S3 of the test's own: the website configurations of any number of buckets, in memory, and a note of every call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};

/// Where all stores of this process are.
static ALL: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The URLs of all stores that were started so far.
pub fn all() -> Vec<String> {
    ALL.lock().unwrap().clone()
}

/// Lets operators that are started from now on go to `url`.
pub fn allow(url: &str) {
    ALL.lock().unwrap().push(url.to_owned());
}

/// One call: what, on which bucket, and by whose key.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub bucket: String,
    pub key_id: String,
}

#[derive(Default)]
struct Inner {
    websites: HashMap<String, Bytes>,
    calls: Vec<Call>,
    visits: usize,
    refused: Vec<String>,
}

/// The store.
pub struct Store {
    /// Where it is.
    pub url: String,
    inner: Arc<Mutex<Inner>>,
}

impl Store {
    /// Starts one. Every bucket that is named exists.
    pub async fn start() -> Self {
        let inner = Arc::<Mutex<Inner>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        allow(&url);
        let router = Router::new().fallback(answer).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.lock().unwrap().calls.clone()
    }

    /// The calls so far that changed something.
    pub fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method != Method::GET).collect()
    }

    /// How often a public URL was asked.
    pub fn visits(&self) -> usize {
        self.inner.lock().unwrap().visits
    }

    /// Refuses every call of this key, or on the bucket of this name.
    pub fn refuse(&self, name: &str) {
        self.inner.lock().unwrap().refused.push(name.to_owned());
    }

    /// Forgets a bucket's website, as if somebody else had removed it.
    pub fn forget(&self, bucket: &str) {
        self.inner.lock().unwrap().websites.remove(bucket);
    }

    /// Gives a bucket a website configuration, as XML.
    pub fn put(&self, bucket: &str, xml: &str) {
        self.inner.lock().unwrap().websites.insert(bucket.to_owned(), Bytes::copy_from_slice(xml.as_bytes()));
    }

    /// The website configuration of a bucket, as XML.
    pub fn website(&self, bucket: &str) -> Option<String> {
        self.inner.lock().unwrap().websites.get(bucket).map(|xml| String::from_utf8_lossy(xml).into_owned())
    }
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let bucket = uri.path().trim_matches('/').to_owned();
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key_id = authorization.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
    let mut inner = inner.lock().unwrap();
    if let Some(key) = uri.path().strip_prefix("/site/") {
        return inner.visit(key);
    }
    let is_refused = [&key_id, &bucket].into_iter().any(|name| inner.refused.contains(name));
    inner.calls.push(Call { method: method.clone(), bucket: bucket.clone(), key_id });
    if is_refused {
        return (StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code></Error>").into_response();
    }
    if !uri.query().is_some_and(|query| query.contains("website")) {
        return (StatusCode::NOT_IMPLEMENTED, "<Error><Code>NotImplemented</Code></Error>").into_response();
    }
    if method == Method::PUT {
        inner.websites.insert(bucket, body);
    } else if method == Method::DELETE {
        inner.websites.remove(&bucket);
    } else {
        return match inner.websites.get(&bucket) {
            Some(xml) => xml.clone().into_response(),
            None => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchWebsiteConfiguration</Code></Error>").into_response(),
        };
    }
    StatusCode::OK.into_response()
}

impl Inner {
    /// What the website of `BUCKET/SIZE/KEY` answers where there are no pictures.
    fn visit(&mut self, path: &str) -> Response {
        self.visits += 1;
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let xml = self.websites.get(bucket).map(|xml| String::from_utf8_lossy(xml).into_owned()).unwrap_or_default();
        for rule in xml.split("<RoutingRule>").skip(1) {
            let value = |name: &str| rule.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
            if let Some(rest) = key.strip_prefix(value("KeyPrefixEquals")) {
                let to = format!("{}://{}/{}{rest}", value("Protocol"), value("HostName"), value("ReplaceKeyPrefixWith"));
                return (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response();
            }
        }
        StatusCode::NOT_FOUND.into_response()
    }
}
