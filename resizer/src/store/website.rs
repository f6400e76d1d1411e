//! A URL of the public site → what an anonymous visitor sees there. It touches the network; `guard::visible` above remembers.

use std::time::Duration;

use axum::body::Body;
use futures::future::{BoxFuture, FutureExt};
use http::{Method, Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;

/// How long the site may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a visitor sees at a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The object.
    Shown,
    /// Something else: a refusal, a redirect.
    Refused(StatusCode),
    /// Nothing can be said: no answer, or a failure of the site.
    Unknown,
}

/// The bucket as visitors see it.
pub trait Website: Send + Sync {
    /// Asks for `url` as anybody would, by HEAD. No redirect is followed.
    fn look<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Sight>;
}

/// A site of which nothing is known.
pub struct Unreachable;

impl Website for Unreachable {
    fn look<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Sight> {
        async { Sight::Unknown }.boxed()
    }
}

/// A site on the network.
pub struct HttpWebsite {
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

impl HttpWebsite {
    /// Asks with the certificate authorities of the environment.
    pub fn new() -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
    }
}

impl Website for HttpWebsite {
    fn look<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Sight> {
        async move {
            let request = Request::builder().method(Method::HEAD).uri(url).header(header::USER_AGENT, "resizer").body(Body::empty());
            let Ok(request) = request else { return Sight::Unknown };
            match timeout(PATIENCE, self.client.request(request)).await {
                Ok(Ok(response)) if response.status().is_success() => Sight::Shown,
                Ok(Ok(response)) => match response.status() {
                    // says something of the request, nothing of the object
                    StatusCode::METHOD_NOT_ALLOWED | StatusCode::TOO_MANY_REQUESTS => Sight::Unknown,
                    status if status.is_server_error() => Sight::Unknown,
                    status => Sight::Refused(status),
                },
                Ok(Err(error)) => {
                    tracing::debug!(url, %error, "the public URL does not answer");
                    Sight::Unknown
                }
                Err(_) => Sight::Unknown,
            }
        }
        .boxed()
    }
}
