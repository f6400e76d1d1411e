//! A service on a store in memory, and pictures to put there.

use std::{
    collections::HashMap,
    io::Cursor,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, response::Response};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http::{Method, Request};
use resize_api::Settings;
use resizer::{
    guard::capacity::Capacity,
    http::app,
    service::Service,
    store::{
        Head, Metadata, Object, Opened, Overwrite, Store, StoreError,
        listing::Moment,
        website::{Sight, Website},
    },
    watch::metrics::Metrics,
};
use tower::ServiceExt;

/// Where the tests' visitors fetch.
pub const URL: &str = "http://photos.example.com";

/// Objects by key, what was asked of it, and what it does wrong.
#[derive(Default)]
pub struct Memory {
    pub objects: Mutex<HashMap<String, (String, Bytes)>>,
    pub metadata: Mutex<HashMap<String, Metadata>>,
    /// Where the website sends who asks for an object.
    pub redirects: Mutex<HashMap<String, String>>,
    pub calls: Mutex<Vec<String>>,
    pub faults: Mutex<Faults>,
}

#[derive(Clone, Default)]
pub struct Faults {
    pub get: Option<StoreError>,
    pub put: Option<StoreError>,
    pub delete: Option<StoreError>,
    pub delay: Duration,
    /// Bytes announced beyond those that come.
    pub missing_bytes: u64,
    /// How many times bytes are missing; then the body is whole.
    pub short_bodies: usize,
    /// Access to this key is denied, though there is none.
    pub denied: Option<&'static str>,
    /// No announced length at all.
    pub unannounced: bool,
    /// A condition on an ETag never holds.
    pub refuses_etags: bool,
    /// Objects are overwritten, whatever the request says.
    pub unconditional: bool,
}

impl Memory {
    pub fn with(objects: &[(&str, &str, Bytes)]) -> Arc<Self> {
        let memory = Self::default();
        for (key, content_type, bytes) in objects {
            memory.objects.lock().unwrap().insert((*key).to_owned(), ((*content_type).to_owned(), bytes.clone()));
        }
        Arc::new(memory)
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub fn fail(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }

    /// The ETag of an object: equal for equal bytes.
    fn etag(&self, key: &str) -> Option<String> {
        let (_, bytes) = self.object(key)?;
        let hash = bytes.iter().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        Some(format!("\"{hash:016x}\""))
    }

    /// What is known of an object. All were stored at the same time.
    fn known(&self, key: &str) -> Option<Head> {
        let (content_type, bytes) = self.object(key)?;
        let metadata = self.metadata.lock().unwrap().get(key).cloned().unwrap_or_default();
        let length = Some(bytes.len() as u64);
        let head = Head { etag: self.etag(key), content_type: Some(content_type), length, metadata, ..Head::default() };
        Some(Head { modified: Some(Moment(1_700_000_000)), ..head })
    }

    pub fn object(&self, key: &str) -> Option<(String, Bytes)> {
        self.objects.lock().unwrap().get(key).cloned()
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        async move {
            self.calls.lock().unwrap().push(format!("get {key}"));
            let faults = self.faults.lock().unwrap().clone();
            tokio::time::sleep(faults.delay).await;
            if let Some(error) = faults.get {
                return Err(error);
            }
            if faults.denied == Some(key) {
                return Err(StoreError::Forbidden);
            }
            let (content_type, bytes) = self.object(key).ok_or(StoreError::Missing)?;
            let mut original = Opened::in_memory(&content_type, bytes);
            let is_short = faults.short_bodies > 0;
            if is_short {
                self.faults.lock().unwrap().short_bodies -= 1;
            }
            let missing = if is_short { faults.missing_bytes } else { 0 };
            original.head.length = original.head.length.map(|length| length + missing).filter(|_| !faults.unannounced);
            original.head = Head { length: original.head.length, ..self.known(key).ok_or(StoreError::Missing)? };
            Ok(original)
        }
        .boxed()
    }

    fn put<'a>(&'a self, key: &'a str, object: &'a Object, overwrite: Overwrite<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.calls.lock().unwrap().push(format!("put {key}"));
            let faults = self.faults.lock().unwrap().clone();
            if let Some(error) = faults.put {
                return Err(error);
            }
            let holds = match overwrite {
                Overwrite::Never => self.object(key).is_none(),
                Overwrite::Version(etag) => self.etag(key).as_deref() == Some(etag) && !faults.refuses_etags,
                Overwrite::Always => true,
            };
            if !holds && !faults.unconditional {
                return Err(StoreError::Exists);
            }
            let stored = (object.content_type.clone(), Bytes::copy_from_slice(&object.bytes));
            self.objects.lock().unwrap().insert(key.to_owned(), stored);
            match object.redirect.clone() {
                Some(path) => self.redirects.lock().unwrap().insert(key.to_owned(), path),
                None => self.redirects.lock().unwrap().remove(key),
            };
            let metadata = object.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            self.metadata.lock().unwrap().insert(key.to_owned(), metadata);
            Ok(())
        }
        .boxed()
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Head, StoreError>> {
        async move {
            self.calls.lock().unwrap().push(format!("head {key}"));
            if self.faults.lock().unwrap().denied == Some(key) {
                return Err(StoreError::Forbidden);
            }
            self.known(key).ok_or(StoreError::Missing)
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str, etag: Option<&'a str>) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            self.calls.lock().unwrap().push(format!("delete {key}"));
            if let Some(error) = self.faults.lock().unwrap().delete.clone() {
                return Err(error);
            }
            if etag.is_some() && self.etag(key).as_deref() != etag {
                return Err(StoreError::Exists);
            }
            self.objects.lock().unwrap().remove(key);
            self.metadata.lock().unwrap().remove(key);
            Ok(())
        }
        .boxed()
    }
}

/// A site that shows every original to everybody and does not answer for derivatives, unless told otherwise.
pub struct Site {
    pub originals: Sight,
    pub derivatives: Sight,
    pub asked: Mutex<Vec<String>>,
}

impl Site {
    pub fn showing(originals: Sight, derivatives: Sight) -> Arc<Self> {
        Arc::new(Self { originals, derivatives, asked: Mutex::default() })
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Website for Site {
    fn look<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Sight> {
        self.asked.lock().unwrap().push(url.to_owned());
        let is_derivative = url.starts_with(&format!("{URL}/30x30/")) || url.starts_with(&format!("{URL}/640x0/"));
        let sight = if is_derivative { self.derivatives } else { self.originals };
        async move { sight }.boxed()
    }
}

/// A service and its public routes.
pub struct Fixture {
    pub service: Arc<Service>,
    pub app: Router,
}

impl Fixture {
    pub fn new(store: Arc<dyn Store>, change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(store, Site::showing(Sight::Shown, Sight::Unknown), change)
    }

    pub fn on(store: Arc<dyn Store>, site: Arc<Site>, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let memory = settings.memory_budget.unwrap_or(1 << 30);
        let workers = settings.workers.map_or(2, std::num::NonZeroUsize::get);
        let service = Service::new(settings, store, Capacity { memory, workers }, Arc::new(Metrics::new()));
        let service = Arc::new(service.with_website(site));
        Self { app: app(Arc::clone(&service)), service }
    }

    /// The same on work that no visitor waits for.
    pub fn without_visitors(self) -> Self {
        let Self { service, app } = self;
        drop(app);
        let service = Arc::new(Arc::into_inner(service).unwrap().without_visitors());
        Self { app: self::app(Arc::clone(&service)), service }
    }

    pub async fn send(&self, method: Method, target: &str) -> Response {
        let request = Request::builder().method(method).uri(target).body(Body::empty()).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, target: &str) -> Response {
        self.send(Method::GET, target).await
    }

    /// Requests that ended with `outcome`, of whatever resolution.
    pub fn outcomes(&self, outcome: &str) -> u64 {
        let start = format!("resizer_requests_total{{outcome=\"{outcome}\",");
        let metrics = self.service.render_metrics();
        metrics.lines().filter(|line| line.starts_with(&start)).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Waits until nothing is held any more.
    pub async fn settles(&self) {
        while !["memory_used_bytes", "workers_busy", "flights", "queue_depth"].iter().all(|name| self.counts(&format!("resizer_{name} 0")))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether the metrics hold `line`.
    pub fn counts(&self, line: &str) -> bool {
        self.service.render_metrics().lines().any(|known| known == line)
    }
}

/// Settings as a small deployment has them.
pub fn settings() -> Settings {
    let mut settings = Settings::new("photos".into(), URL.parse().unwrap());
    settings.allowed_resolutions = ["30x30", "640x0"].map(|text| text.parse().unwrap()).into();
    settings
}

pub fn jpeg() -> Bytes {
    picture(image::ImageFormat::Jpeg)
}

pub fn png() -> Bytes {
    picture(image::ImageFormat::Png)
}

fn picture(format: image::ImageFormat) -> Bytes {
    let gradient = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([u8::try_from(x).unwrap(), u8::try_from(y).unwrap(), 128]));
    let mut bytes = Cursor::new(Vec::new());
    gradient.write_to(&mut bytes, format).unwrap();
    bytes.into_inner().into()
}

pub async fn body(response: Response) -> Bytes {
    // a copy: the answer's own bytes hold their memory of the budget
    Bytes::copy_from_slice(&axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap())
}

pub fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// `text` as a client writes it into a request target: what cannot stand there is encoded.
pub fn as_sent(text: &str) -> String {
    let allowed = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-._~:/?@!$&'()*+,;=%".contains(c);
    text.chars().map(|c| if allowed(c) { c.to_string() } else { format!("%{:02X}", u32::from(c)) }).collect()
}
