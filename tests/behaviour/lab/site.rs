//! The lab's bucket, its website and its resizer over HTTP, as visitors ask them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_sdk_s3::{primitives::ByteStream, types::WebsiteConfiguration};
use futures::{FutureExt, future::join_all};
use reqwest::{
    Method,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderMap,
    redirect::Policy,
};

use super::Lab;

/// Port of the website endpoint.
const WEBSITE_PORT: u16 = 7480;
/// Port of the ingress controller.
pub const INGRESS_PORT: u16 = 18080;
/// Its port for listeners that have a certificate.
pub const GATEWAY_TLS_PORT: u16 = 18443;

/// An answer, redirects not followed.
#[derive(Clone)]
pub struct Answer {
    pub url: String,
    pub status: u16,
    pub location: Option<String>,
    pub content_type: Option<String>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Without the body, which may be a picture.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}, {:?}, {} bytes, to {:?}", self.status, self.url, self.content_type, self.body.len(), self.location)
    }
}

/// Names below `localhost` are this machine, as browsers and curl have it.
struct Localhost;

impl Resolve for Localhost {
    fn resolve(&self, name: Name) -> Resolving {
        let local = name.as_str().ends_with(".localhost");
        Box::pin(async move {
            if !local {
                return Err(format!("{} is not below localhost", name.as_str()).into());
            }
            Ok(Box::new(std::iter::once(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))) as Addrs)
        })
    }
}

/// Follows no redirect by itself; trusts that authority alone, if one is given.
pub fn client(authority: Option<&[u8]>) -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(Policy::none()).dns_resolver(Arc::new(Localhost)).timeout(Duration::from_secs(30));
    let trusted = authority.map(|pem| reqwest::Certificate::from_pem(pem).unwrap());
    if trusted.is_some() { client.tls_certs_only(trusted) } else { client }.build().unwrap()
}

impl Lab {
    /// The same for visitors who trust this authority, in PEM, alone.
    pub fn trusting(&self, authority: &[u8]) -> Self {
        Self { kube: self.kube.clone(), s3: self.s3.clone(), http: client(Some(authority)), name: self.name.clone() }
    }

    /// The bucket's website.
    pub fn site(&self) -> String {
        format!("http://{}.s3-website.localhost:{WEBSITE_PORT}", self.name)
    }

    /// The Ingress.
    pub fn host(&self) -> String {
        format!("http://{}.localhost:{INGRESS_PORT}", self.name)
    }

    /// The resizer, as visitors reach it.
    pub fn resizer(&self) -> String {
        format!("{}/default/resize", self.host())
    }

    pub async fn upload(&self, key: &str, content_type: &str, body: Vec<u8>) {
        self.s3.put_object().bucket(&self.name).key(key).content_type(content_type).body(ByteStream::from(body)).send().await.unwrap();
    }

    pub async fn website(&self) -> Option<WebsiteConfiguration> {
        let got = self.s3.get_bucket_website().bucket(&self.name).send().await.ok()?;
        Some(
            WebsiteConfiguration::builder()
                .set_redirect_all_requests_to(got.redirect_all_requests_to)
                .set_index_document(got.index_document)
                .set_error_document(got.error_document)
                .set_routing_rules(got.routing_rules)
                .build(),
        )
    }

    /// The bucket's policy as it is written.
    pub async fn policy(&self) -> Option<String> {
        self.s3.get_bucket_policy().bucket(&self.name).send().await.ok()?.policy
    }

    /// The bucket's public access block as XML: the SDK does not read what Ceph answers.
    pub async fn access_block(&self) -> String {
        let answer = self.s3.get_public_access_block().bucket(&self.name).send().await.unwrap_err();
        String::from_utf8(answer.raw_response().unwrap().body().bytes().unwrap().to_vec()).unwrap()
    }

    pub async fn put_website(&self, config: WebsiteConfiguration) {
        self.s3.put_bucket_website().bucket(&self.name).website_configuration(config).send().await.unwrap();
    }

    pub async fn get(&self, url: &str) -> Answer {
        self.request(Method::GET, url).await
    }

    /// Whether anybody answers at `url`, whatever it says.
    pub async fn answers(&self, url: &str) -> bool {
        self.http.get(url).send().await.is_ok()
    }

    /// While `meanwhile` runs, some visitors ask the resizer for one size of `original` after the other, each of which has to be made:
    /// how often each status came, or what came instead of one. The endpoint must allow all sizes.
    pub async fn under_load(&self, original: &str, meanwhile: impl Future<Output = ()>) -> BTreeMap<String, u32> {
        let (next, done) = (AtomicU32::new(0), AtomicBool::new(false));
        let visitor = async || {
            let mut seen = BTreeMap::<String, u32>::new();
            while !done.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let url = format!("{}?key={}x{}/{original}", self.resizer(), 20 + number % 200, 20 + number / 200);
                let answer = self.http.get(&url).send().await;
                let outcome = answer.map_or_else(|error| format!("{error:?}"), |answer| answer.status().as_u16().to_string());
                *seen.entry(outcome).or_default() += 1;
            }
            seen
        };
        let meanwhile = meanwhile.map(|()| done.store(true, Ordering::Relaxed));
        let (seen, ()) = futures::join!(join_all((0..6).map(|_| visitor())), meanwhile);
        seen.into_iter().flatten().fold(BTreeMap::new(), |mut all, (outcome, count)| {
            *all.entry(outcome).or_default() += count;
            all
        })
    }

    pub async fn request(&self, method: Method, url: &str) -> Answer {
        self.ask(method, url, &[]).await
    }

    /// The same with headers.
    pub async fn ask(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> Answer {
        let request = headers.iter().fold(self.http.request(method, url), |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        Answer {
            url: url.to_owned(),
            status: answer.status().as_u16(),
            location: answer.headers().get("location").map(|value| String::from_utf8(value.as_bytes().to_vec()).unwrap()),
            content_type: header("content-type"),
            headers: answer.headers().clone(),
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    /// Follows redirects like a browser, and returns every answer.
    pub async fn visit(&self, path: &str) -> Vec<Answer> {
        let mut answers = vec![self.get(&format!("{}/{path}", self.site())).await];
        while let Some(location) = answers.last().unwrap().location.clone() {
            assert!(answers.len() < 6, "a loop: {answers:?}");
            // a website redirects within itself by the path alone
            let next = if location.starts_with('/') { format!("{}{location}", self.site()) } else { location };
            answers.push(self.get(&next).await);
        }
        answers
    }
}

/// A small JPEG with something on it.
pub fn picture(width: u32, height: u32) -> Vec<u8> {
    let level = |at: u32| at.to_le_bytes()[0];
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([level(x), level(y), 128]));
    let mut bytes = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg).unwrap();
    bytes
}

/// Width and height of a picture file.
pub fn size(bytes: &[u8]) -> (u32, u32) {
    let picture = image::load_from_memory(bytes).unwrap();
    (picture.width(), picture.height())
}
