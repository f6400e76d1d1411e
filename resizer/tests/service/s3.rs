//! A made-up S3 on loopback: what its answers come to, and what the requests to it carry.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, StatusCode};
use resize_api::{
    Limits, ResizedKey, Settings,
    stored::{Acl, Encryption},
};
use resizer::{
    derivative::{
        Kept, Place, keep,
        object::{Derivative, Provenance},
    },
    store::{
        Overwrite, Store, StoreError,
        listing::{Depth, Inventory, Listed, Mark, Page},
        s3::S3,
    },
    watch::metrics::{Metrics, Usage},
};

use crate::{
    memory::{jpeg, settings},
    port,
};

/// Answers every request with `status` and `text`; remembers them.
struct Fake {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
}

impl Fake {
    async fn start(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Self {
        Self::answering(move |_| answer()).await
    }

    async fn answering(answer: impl Fn(&Request) -> Response + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let app = Router::new().fallback(async move |request: Request| {
            let response = answer(&request);
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            log.lock().unwrap().push((format!("{} {}", head.method, head.uri), head.headers, body));
            response
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, seen }
    }
}

fn s3(address: SocketAddr, metrics: &Arc<Metrics>) -> S3 {
    s3_with(address, metrics, |_| {})
}

fn s3_with(address: SocketAddr, metrics: &Arc<Metrics>, change: impl FnOnce(&mut Settings)) -> S3 {
    let credentials = Credentials::new("key", "secret", None, None, "test");
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build();
    let mut settings = settings();
    settings.force_path_style = true;
    settings.bounds.fetch = Duration::from_secs(2);
    settings.expected_bucket_owner = Some("111122223333".into());
    change(&mut settings);
    S3::new(&shared, &settings, Arc::clone(metrics))
}

fn failure(status: u16, code: &'static str) -> Response {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
    let body = if code.is_empty() { String::new() } else { body };
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

fn derivative() -> Derivative {
    let key = ResizedKey::from_encoded("30x30/dir/푸른 a+b.jpg").unwrap();
    let picture = picture::Picture { bytes: vec![7; 1000], format: picture::Format::Jpeg, width: 30, height: 30 };
    let provenance = Provenance { content_type: Some("image/jpg".into()), etag: Some("\"e\"".into()) };
    Derivative::new(&key, picture, &picture::Request::new(key.resolution, Limits::default()), &provenance, "max-age=60")
}

#[tokio::test]
async fn each_failure_has_its_meaning() {
    for (status, code, expect) in [
        (404, "NoSuchKey", StoreError::Missing),
        (404, "", StoreError::Missing),
        (403, "AccessDenied", StoreError::Forbidden),
        (403, "", StoreError::Forbidden),
        (403, "InvalidObjectState", StoreError::Archived),
        (404, "NoSuchBucket", StoreError::NoBucket),
        (403, "InvalidAccessKeyId", StoreError::Credentials("403 InvalidAccessKeyId".into())),
        (403, "SignatureDoesNotMatch", StoreError::Credentials("403 SignatureDoesNotMatch".into())),
        (403, "RequestTimeTooSkewed", StoreError::Credentials("403 RequestTimeTooSkewed".into())),
        (400, "ExpiredToken", StoreError::Credentials("400 ExpiredToken".into())),
        (429, "TooManyRequests", StoreError::SlowDown),
        (429, "", StoreError::SlowDown),
        (500, "InternalError", StoreError::Failed("500 InternalError".into())),
        (503, "SlowDown", StoreError::SlowDown),
        (503, "", StoreError::SlowDown),
        (501, "NotImplemented", StoreError::NotImplemented),
    ] {
        let fake = Fake::start(move || failure(status, code)).await;
        let metrics = Arc::new(Metrics::new());
        assert_eq!(s3(fake.address, &metrics).get("cat.jpg").await.err(), Some(expect), "{status} {code}");
        let line = format!("resizer_s3_requests_total{{operation=\"get\",code=\"{status}\"}} 1");
        assert!(metrics.render(Usage::default()).contains(&line), "{line}");
    }
}

#[tokio::test]
async fn who_may_list_the_bucket_is_denied_only_what_exists() {
    for (status, may_list) in [(200, Ok(())), (403, Err(StoreError::Forbidden))] {
        let answer = move |request: &Request| match *request.method() {
            http::Method::HEAD => Response::builder().status(status).body(Body::empty()).unwrap(),
            _ => failure(403, "AccessDenied"),
        };
        let fake = Fake::answering(answer).await;
        assert_eq!(s3(fake.address, &Arc::new(Metrics::new())).may_list().await, may_list);
        let (request, headers, _) = fake.seen.lock().unwrap()[0].clone();
        assert_eq!((request.as_str(), headers["x-amz-expected-bucket-owner"].as_bytes()), ("HEAD /photos/", &b"111122223333"[..]));
    }
}

#[tokio::test]
async fn no_answer_and_no_server() {
    let port = port::reserve(Ipv4Addr::LOCALHOST);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Arc::new(Metrics::new());
    assert_eq!(s3(address, &metrics).get("cat.jpg").await.err(), Some(StoreError::TimedOut));
    drop(listener);
    let refused = s3(address, &metrics).get("cat.jpg").await.err();
    // the cause alone: it stands in a condition of the endpoint
    assert!(matches!(&refused, Some(StoreError::Failed(text)) if text.contains("Connection refused") && text.len() < 60), "{refused:?}");
}

#[tokio::test]
async fn a_body_cut_off_is_an_error() {
    let fake = Fake::start(|| {
        let cut = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Err(std::io::Error::other("cut"))
        };
        let chunks = futures::stream::iter([Ok(jpeg())]).chain(futures::stream::once(cut));
        Response::builder().header("content-length", "100000").body(Body::from_stream(chunks)).unwrap()
    })
    .await;
    let original = s3(fake.address, &Arc::new(Metrics::new())).get("cat.jpg").await.unwrap();
    assert_eq!(original.head.length, Some(100_000));
    let read = original.read(1 << 20, Duration::from_secs(5)).await;
    assert!(matches!(read, Err(StoreError::Interrupted(_) | StoreError::Short { .. })), "{read:?}");
}

#[tokio::test]
async fn gets_what_the_object_carries() {
    let fake =
        Fake::start(|| Response::builder().header("content-type", "image/jpg").header("etag", "\"e\"").body(Body::from(jpeg())).unwrap())
            .await;
    let original = s3(fake.address, &Arc::new(Metrics::new())).get("/dir//푸른 a+b.jpg").await.unwrap();
    assert_eq!((original.head.content_type.as_deref(), original.head.etag.as_deref()), (Some("image/jpg"), Some("\"e\"")));
    assert_eq!(original.head.length, Some(jpeg().len() as u64));
    assert_eq!(original.read(1 << 20, Duration::from_secs(5)).await, Ok(jpeg()));
    let (line, headers, _) = fake.seen.lock().unwrap()[0].clone();
    assert_eq!(line.split('?').next().unwrap(), "GET /photos//dir//%ED%91%B8%EB%A5%B8%20a%2Bb.jpg");
    assert_eq!(headers["x-amz-expected-bucket-owner"], "111122223333");
}

#[tokio::test]
async fn puts_a_body_of_known_length_with_all_that_belongs_to_it() {
    let fake = Fake::start(|| Response::builder().status(StatusCode::OK).body(Body::empty()).unwrap()).await;
    assert_eq!(s3(fake.address, &Arc::new(Metrics::new())).put(&derivative().key, &derivative().object, Overwrite::Always).await, Ok(()));
    let (line, headers, body) = fake.seen.lock().unwrap()[0].clone();
    assert_eq!(line.split('?').next().unwrap(), "PUT /photos/30x30/dir/%ED%91%B8%EB%A5%B8%20a%2Bb.jpg");
    assert_eq!(body, vec![7; 1000]);
    for (name, value) in [
        ("content-length", "1000"),
        ("content-type", "image/jpg"),
        ("cache-control", "max-age=60"),
        ("x-amz-expected-bucket-owner", "111122223333"),
        ("x-amz-meta-resize-source", "dir%2F%ED%91%B8%EB%A5%B8%20a%2Bb%2Ejpg"),
        ("x-amz-meta-resize-source-etag", "\"e\""),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    assert!(!headers.contains_key("x-amz-website-redirect-location"));
    assert!(headers.contains_key("x-amz-checksum-crc32") && headers.contains_key("x-amz-meta-resize-settings"));
    assert!(!headers.contains_key("x-amz-trailer") && !headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn puts_an_object_that_sends_visitors_elsewhere() {
    let fake = Fake::start(|| Response::builder().status(StatusCode::OK).body(Body::empty()).unwrap()).await;
    let key = ResizedKey::from_encoded("30x30/dir/푸른 a+b.svg").unwrap();
    let provenance = Provenance { content_type: Some("image/svg+xml".into()), etag: Some("\"e\"".into()) };
    let sign = Derivative::of_unread(&key, &picture::Request::new(key.resolution, Limits::default()), &provenance, "max-age=60");
    assert_eq!(s3(fake.address, &Arc::new(Metrics::new())).put(&sign.key, &sign.object, Overwrite::Never).await, Ok(()));
    let (line, headers, body) = fake.seen.lock().unwrap()[0].clone();
    assert_eq!(line.split('?').next().unwrap(), "PUT /photos/30x30/dir/%ED%91%B8%EB%A5%B8%20a%2Bb.svg");
    assert!(body.is_empty() && headers.contains_key("x-amz-meta-resize-settings"));
    for (name, value) in [
        ("x-amz-website-redirect-location", "/dir/%ED%91%B8%EB%A5%B8%20a%2Bb.svg"),
        ("content-type", "image/svg+xml"),
        ("cache-control", "max-age=60"),
        ("if-none-match", "*"),
        ("x-amz-meta-resize-source-etag", "\"e\""),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
}

#[tokio::test]
async fn says_who_pays_and_how_to_store() {
    let fake = Fake::start(|| Response::builder().status(StatusCode::OK).body(Body::empty()).unwrap()).await;
    let plain = s3(fake.address, &Arc::new(Metrics::new()));
    let told = s3_with(fake.address, &Arc::new(Metrics::new()), |settings| {
        settings.requester_pays = true;
        settings.storage.acl = Acl::PublicRead;
        settings.storage.encryption = Encryption::Kms;
        settings.storage.kms_key = Some("alias/photos".parse().unwrap());
        settings.storage.class = Some("INTELLIGENT_TIERING".parse().unwrap());
    });
    let storing = [
        ("x-amz-acl", "public-read"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "alias/photos"),
        ("x-amz-storage-class", "INTELLIGENT_TIERING"),
    ];
    for (store, is_told) in [(&plain, false), (&told, true)] {
        fake.seen.lock().unwrap().clear();
        store.put(&derivative().key, &derivative().object, Overwrite::Always).await.unwrap();
        drop(store.get("cat.jpg").await.unwrap());
        store.head("cat.jpg").await.unwrap();
        let seen = fake.seen.lock().unwrap();
        for (line, headers, _) in seen.iter() {
            assert_eq!(headers.get("x-amz-request-payer").is_some_and(|payer| payer == "requester"), is_told, "{line}");
            for (name, value) in storing {
                let expect = Some(value).filter(|_| is_told && line.starts_with("PUT"));
                assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), expect, "{line} {name}");
            }
        }
    }
}

#[tokio::test]
async fn tells_of_an_encoding_that_is_one() {
    for (sent, expect) in
        [("gzip", Some("gzip")), ("aws-chunked", None), ("identity", None), ("aws-chunked,gzip", Some("aws-chunked,gzip"))]
    {
        let fake = Fake::start(move || Response::builder().header("content-encoding", sent).body(Body::from(jpeg())).unwrap()).await;
        let original = s3(fake.address, &Arc::new(Metrics::new())).get("cat.jpg").await.unwrap();
        assert_eq!(original.head.content_encoding.as_deref(), expect);
    }
}

/// What a store answers to a PUT that has, or has not, the condition; `unconditional` calls do without.
#[tokio::test]
async fn a_conditional_put_leaves_what_is_there() {
    let old = || Place::Old(Some("\"e\"".into()));
    for (place, conditional, unconditional, expect, calls) in [
        (Place::Empty, (200, ""), (200, ""), Ok(Kept::Stored), vec!["PUT if-none-match: *"]),
        (Place::Empty, (412, "PreconditionFailed"), (200, ""), Ok(Kept::Overtaken), vec!["PUT if-none-match: *"]),
        (Place::Empty, (409, "ConditionalRequestConflict"), (200, ""), Ok(Kept::Overtaken), vec!["PUT if-none-match: *"]),
        (Place::Empty, (501, "NotImplemented"), (200, ""), Ok(Kept::Stored), vec!["PUT if-none-match: *", "PUT"]),
        (
            Place::Empty,
            (501, "NotImplemented"),
            (501, "NotImplemented"),
            Err(StoreError::NotImplemented),
            vec!["PUT if-none-match: *", "PUT"],
        ),
        (Place::Empty, (403, "AccessDenied"), (200, ""), Err(StoreError::Forbidden), vec!["PUT if-none-match: *"]),
        (old(), (200, ""), (200, ""), Ok(Kept::Stored), vec!["PUT if-match: e"]),
        (old(), (412, "PreconditionFailed"), (200, ""), Ok(Kept::Overtaken), vec!["PUT if-match: e"]),
        (old(), (404, "NoSuchKey"), (200, ""), Ok(Kept::Overtaken), vec!["PUT if-match: e"]),
        (old(), (501, "NotImplemented"), (200, ""), Ok(Kept::Stored), vec!["PUT if-match: e", "PUT"]),
        (Place::Old(None), (412, "PreconditionFailed"), (200, ""), Ok(Kept::Stored), vec!["PUT"]),
        (Place::Taken, (200, ""), (200, ""), Ok(Kept::Found), vec![]),
    ] {
        let (fake, log) = conditional_store(conditional, unconditional).await;
        let store = s3(fake.address, &Arc::new(Metrics::new()));
        let Derivative { key, object } = derivative();
        assert_eq!(keep(&store, &key, &object, &place).await, expect, "{conditional:?} {place:?}");
        assert_eq!(*log.lock().unwrap(), calls, "{conditional:?} {place:?}");
        if conditional.0 == 501 {
            log.lock().unwrap().clear();
            drop(keep(&store, &key, &object, &place).await);
            assert_eq!(*log.lock().unwrap(), ["PUT"], "it is not asked again for what it cannot do");
        }
    }
}

#[tokio::test]
async fn a_conditional_delete_leaves_what_is_another_object() {
    for (conditional, expect, calls) in [
        ((204, ""), Ok(()), vec!["DELETE if-match: e"]),
        ((412, "PreconditionFailed"), Err(StoreError::Exists), vec!["DELETE if-match: e"]),
        ((404, "NoSuchKey"), Ok(()), vec!["DELETE if-match: e"]),
        ((501, "NotImplemented"), Ok(()), vec!["DELETE if-match: e", "DELETE"]),
        ((403, "AccessDenied"), Err(StoreError::Forbidden), vec!["DELETE if-match: e"]),
    ] {
        let (fake, log) = conditional_store(conditional, (204, "")).await;
        let store = s3(fake.address, &Arc::new(Metrics::new()));
        assert_eq!(store.delete("300x300/cat.jpg", Some("\"e\"")).await, expect, "{conditional:?}");
        assert_eq!(*log.lock().unwrap(), calls, "{conditional:?}");
    }
}

/// A store that answers so to requests with and without a condition, and what it was asked.
async fn conditional_store(conditional: (u16, &'static str), unconditional: (u16, &'static str)) -> (Fake, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    let fake = Fake::answering(move |request: &Request| {
        let conditions =
            ["if-match", "if-none-match"].map(|name| Some(format!(" {name}: {}", request.headers().get(name)?.to_str().ok()?)));
        let condition: String = conditions.into_iter().flatten().collect();
        let (status, code) = if condition.is_empty() { unconditional } else { conditional };
        seen.lock().unwrap().push(format!("{}{condition}", request.method()));
        if status < 300 { Response::builder().status(status).body(Body::empty()).unwrap() } else { failure(status, code) }
    })
    .await;
    (fake, log)
}

#[tokio::test]
async fn lists_in_pages_whose_keys_are_decoded() {
    let xml = |truncated: bool, contents: &str| {
        let page = format!(
            "<ListBucketResult><Name>photos</Name><IsTruncated>{truncated}</IsTruncated><NextContinuationToken>t</NextContinuationToken>{contents}</ListBucketResult>"
        );
        Response::builder().header("content-type", "application/xml").body(Body::from(page)).unwrap()
    };
    let fake = Fake::answering(move |request: &Request| match request.uri().query().unwrap_or_default() {
        query if query.contains("delimiter") => xml(true, "<CommonPrefixes><Prefix>30x30/</Prefix></CommonPrefixes>"),
        query if query.contains("continuation-token") => xml(false, ""),
        query if query.contains("start-after") => xml(true, ""),
        _ => xml(
            true,
            "<Contents><Key>dir/a+b%2B%ED%91%B8</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>",
        ),
    })
    .await;
    let store = s3(fake.address, &Arc::new(Metrics::new()));
    let page = store.page("dir/", &Mark::Start, Depth::Objects).await.unwrap();
    let listed =
        Listed { key: "dir/a b+푸".into(), etag: Some("\"e\"".into()), modified: "2026-01-02T03:04:05Z".parse().unwrap(), size: 7 };
    assert_eq!(page, Page { next: Some(Mark::After(listed.key.clone())), objects: vec![listed], folders: vec![] });
    let page = store.page("dir/", &page.next.unwrap(), Depth::Objects).await.unwrap();
    assert_eq!(page, Page { next: Some(Mark::Token("t".into())), ..Page::default() });
    assert_eq!(store.page("dir/", &page.next.unwrap(), Depth::Objects).await, Ok(Page::default()));
    let page = store.page("3", &Mark::Start, Depth::Folders).await.unwrap();
    assert_eq!((page.folders, page.next), (vec!["30x30/".to_owned()], Some(Mark::behind("30x30/"))));
    let (line, headers, _) = fake.seen.lock().unwrap()[1].clone();
    assert!(
        line.contains("start-after=dir%2Fa%20b%2B%ED%91%B8") && line.contains("encoding-type=url") && line.contains("prefix=dir%2F"),
        "{line}"
    );
    assert_eq!(headers["x-amz-expected-bucket-owner"], "111122223333");
}
