//! `publicUrl` → what it answers for a picture that cannot exist → condition PublicUrlVerified.
//!
//! `bucket` above asks for it after the rules are written; below are `outbound`, for the connection, and `report`. It touches the
//! network.

mod grace;
mod judge;

use std::{error::Error, sync::Arc, time::Duration};

use rand::RngExt;
use reqwest::{
    Certificate, Client, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, LOCATION},
    redirect::Policy,
};
use resize_api::{ResizedKey, delivery::NOT_FOUND};
use serde_json::{Value, json};

pub use grace::settle;
pub use judge::{Expected, judge};

use crate::outbound::Outbound;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of a body that may be the resizer's.
const LONGEST: usize = 1024;
/// Headers by which a cache before the bucket shows itself.
const CACHES: [&str; 7] = ["cf-ray", "x-amz-cf-id", "x-served-by", "x-varnish", "x-cache", "via", "age"];

/// What a request to `publicUrl` came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An answer.
    Answer(Answer),
    /// A certificate that a visitor would not trust either.
    Untrusted(String),
    /// No answer.
    Nothing(String),
}

/// As much of an answer as is looked at, and may be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Where it redirects to.
    pub location: Option<String>,
    /// The header by which a cache shows itself.
    pub cache: Option<&'static str>,
    /// Whether the body is XML, as the errors of S3's own API are; a website's are HTML.
    pub xml: bool,
    /// Whether it is the resizer's word for an original that is missing.
    pub ours: bool,
}

/// Asks public URLs.
#[derive(Debug)]
pub struct Visitor {
    client: Client,
    outbound: Outbound,
    asks: bool,
}

impl Visitor {
    /// A visitor that follows nothing and goes where `outbound` lets it, or nowhere unless it `asks`.
    pub fn new(outbound: Outbound, asks: bool) -> Result<Self, reqwest::Error> {
        Ok(Self { client: client(outbound, Vec::new())?, outbound, asks })
    }

    /// Asks for `url`, which is http or https, by the client that trusts its authorities, if there is one. Of a body only as much is read as
    /// tells whether it is the resizer's.
    pub async fn ask(&self, url: &str, trusting: Option<&Client>) -> Seen {
        if !self.asks {
            return Seen::Nothing("those who run it do not let it ask: outbound.verifyPublicUrl of its chart".to_owned());
        }
        if let Err(refused) = self.outbound.check(url) {
            return Seen::Nothing(refused.to_string());
        }
        match trusting.unwrap_or(&self.client).get(url).header(CACHE_CONTROL, "no-cache").send().await {
            Ok(answer) => Seen::Answer(read(answer).await),
            Err(error) => explain(&error),
        }
    }
}

/// A client that trusts `authorities` beside the public ones.
pub fn client(outbound: Outbound, authorities: Vec<Certificate>) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("resize-operator/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .timeout(PATIENCE)
        // one request in ten minutes is not worth a connection
        .pool_max_idle_per_host(0)
        .dns_resolver(Arc::new(outbound))
        .tls_certs_merge(authorities)
        .build()
}

/// The key of a picture that nobody has, in a size for which there is a rule. `prefix` is that rule's, or empty.
pub fn impossible_key(prefix: &str) -> Option<ResizedKey> {
    let prefix = if prefix.is_empty() { "1x1/" } else { prefix };
    let name: u64 = rand::rng().random();
    ResizedKey::from_encoded(&format!("{prefix}.resize-operator/{name:016x}")).ok()
}

async fn read(answer: Response) -> Answer {
    let (status, headers) = (answer.status(), answer.headers());
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let location = text(LOCATION);
    let cache = CACHES.into_iter().find(|name| HeaderMap::contains_key(headers, *name));
    let xml = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/xml") || kind.starts_with("text/xml"));
    let ours = status == StatusCode::NOT_FOUND && is_ours(answer).await;
    Answer { status: status.as_u16(), location, cache, xml, ours }
}

/// Whether the body is what the resizer says of an original that is missing. A CDN may take headers away, not the body.
async fn is_ours(mut answer: Response) -> bool {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return false;
        }
    }
    serde_json::from_slice::<Value>(&body).is_ok_and(|said| said == json!({ "message": NOT_FOUND }))
}

fn explain(error: &reqwest::Error) -> Seen {
    // the outermost error only repeats the URL; its source says what failed
    let mut cause = error.source();
    let mut why = if error.is_timeout() { "no answer in time".to_owned() } else { "no answer".to_owned() };
    while let Some(error) = cause {
        why = error.to_string();
        if why.contains("certificate") {
            return Seen::Untrusted(why);
        }
        cause = error.source();
    }
    Seen::Nothing(why)
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, response::Redirect, routing::get};

    use super::*;

    #[tokio::test]
    async fn follows_nothing_and_tells_answers_from_silence() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = format!("http://{}", listener.local_addr().unwrap());
        let xml = async || (StatusCode::FORBIDDEN, [("content-type", "application/xml"), ("age", "7")], "<Error/>");
        let missing = |body: &'static str| async move || (StatusCode::NOT_FOUND, body);
        let endless = async || {
            let chunks = futures::stream::repeat(Ok::<_, std::convert::Infallible>("{"));
            (StatusCode::NOT_FOUND, Body::from_stream(chunks))
        };
        let router = Router::new()
            .route("/moved", get(async || Redirect::temporary("/xml")))
            .route("/xml", get(xml))
            .route("/missing", get(missing(r#"{"message": "Not Found: Original image not found"}"#)))
            .route("/other", get(missing(r#"{"message": "Not Found"}"#)))
            .route("/endless", get(endless));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let visitor = Visitor::new(Outbound::new(true), true).unwrap();
        let moved = Answer { status: 307, location: Some("/xml".into()), ..Answer::default() };
        assert_eq!(visitor.ask(&format!("{site}/moved"), None).await, Seen::Answer(moved));
        let xml = Answer { status: 403, cache: Some("age"), xml: true, ..Answer::default() };
        assert_eq!(visitor.ask(&format!("{site}/xml"), None).await, Seen::Answer(xml));
        for (path, ours) in [("/missing", true), ("/other", false), ("/endless", false)] {
            let missing = Answer { status: 404, ours, ..Answer::default() };
            assert_eq!(visitor.ask(&format!("{site}{path}"), None).await, Seen::Answer(missing), "{path}");
        }
        assert!(matches!(visitor.ask("http://127.0.0.1:1/", None).await, Seen::Nothing(_)));
        assert!(matches!(visitor.ask("http://no-such-name.invalid/", None).await, Seen::Nothing(_)));
        // neither the address nor a name that resolves to it
        let port = site.rsplit(':').next().unwrap();
        let careful = Visitor::new(Outbound::new(false), true).unwrap();
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
            let seen = careful.ask(&format!("http://{host}:{port}/moved"), None).await;
            assert!(matches!(&seen, Seen::Nothing(why) if why.contains("link-local")), "{host}: {seen:?}");
        }
        let silent = Visitor::new(Outbound::new(true), false).unwrap();
        assert!(matches!(silent.ask(&format!("{site}/moved"), None).await, Seen::Nothing(why) if why.contains("verifyPublicUrl")));
    }

    #[test]
    fn the_key_is_one_that_the_rule_is_for() {
        let key = impossible_key("640x0/").unwrap().to_string();
        assert!(key.starts_with("640x0/.resize-operator/"), "{key}");
        assert!(impossible_key("").unwrap().to_string().starts_with("1x1/"));
        assert_ne!(impossible_key(""), impossible_key(""), "a cache could answer");
    }
}
