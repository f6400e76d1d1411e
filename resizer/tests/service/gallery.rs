//! The page of a bucket's pictures, on the admin port of a pod.

use std::{
    io::{BufRead, BufReader},
    sync::Arc,
};

use axum::{body::Body, extract::Request};
use http::StatusCode;
use resize_api::{Settings, settings::GALLERY_PATH};
use resizer::{http::gallery::Gallery, store::StoreError};
use tower::ServiceExt;

use crate::{
    bucket::{Bucket, Faults},
    process::{GOOD, Running, ask, ready, resizer},
};

fn settings() -> Settings {
    let mut settings = Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
    settings.allowed_resolutions = ["300x300", "640x0"].map(|text| text.parse().unwrap()).into();
    settings.variants = ["WebP".parse().unwrap()].into();
    settings.source.exclude_prefixes = vec!["private/".into()];
    settings
}

async fn page(bucket: &Arc<Bucket>, prefix: &str, query: &str) -> (StatusCode, String) {
    let app = Gallery::of_bucket(settings(), bucket.clone(), prefix).route(GALLERY_PATH);
    let answer = app.oneshot(Request::get(format!("{GALLERY_PATH}{query}")).body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn shown(html: &str) -> Vec<String> {
    let names = html.split("<h2><a href=\"http://p.example.com/").skip(1);
    names.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn all_pictures_of_the_prefix_are_shown_page_by_page() {
    let bucket = Arc::new(Bucket::new(7));
    let names: Vec<_> = (0..30).map(|number| format!("photos/{number:02}.jpg")).collect();
    let others = ["photos/readme.txt", "private/a.jpg", "zoo.jpg"].map(ToOwned::to_owned);
    for name in names.iter().chain(&others) {
        bucket.original(name, "x", 0);
    }
    let (mut query, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let (status, html) = page(&bucket, "photos/", &query).await;
        assert_eq!(status, StatusCode::OK);
        let page = shown(&html);
        assert!(page.len() <= 12 && html.matches("<img ").count() == page.len() * 4, "{html}");
        seen.extend(page);
        pages += 1;
        let Some((_, next)) = html.split_once("<a href=\"?after=") else { break };
        query = format!("?after={}", next.split('"').next().unwrap());
    }
    assert_eq!((seen, pages), (names, 3));
}

#[tokio::test]
async fn derivatives_are_jumped_over_and_what_is_private_is_not_shown() {
    let bucket = Arc::new(Bucket::new(5));
    let derivatives = (0..500).map(|number| format!("300x300/{number}.jpg"));
    for name in derivatives.chain(["a.jpg", "b.JPEG", "private/a.jpg", "zoo.png"].map(ToOwned::to_owned)) {
        bucket.original(&name, "x", 0);
    }
    let (_, html) = page(&bucket, "/", "").await;
    assert_eq!(shown(&html), ["a.jpg", "b.JPEG", "zoo.png"]);
    assert!(bucket.called("list") < 5, "{:?}", bucket.calls.lock().unwrap());
}

#[tokio::test]
async fn a_pod_that_may_not_list_says_so() {
    let bucket = Arc::new(Bucket::new(5));
    for (error, status, says) in [
        (StoreError::Forbidden, StatusCode::FORBIDDEN, "allow the pods s3:ListBucket"),
        (StoreError::NoBucket, StatusCode::BAD_GATEWAY, "no such bucket"),
        (StoreError::Failed("secret".into()), StatusCode::BAD_GATEWAY, "see the log"),
    ] {
        *bucket.faults.lock().unwrap() = Faults { list: Some(("photos/".into(), 0, error)), ..Faults::default() };
        let (found, html) = page(&bucket, "photos/", "").await;
        assert!(found == status && html.contains(says) && !html.contains("secret"), "{found} {html}");
    }
}

#[test]
fn it_is_on_the_admin_port_alone_and_only_where_it_is_asked_for() {
    for (prefix, admin_status) in [("", "404"), ("photos/", "502")] {
        let mut child = Running::start(resizer(&GOOD).envs([("GALLERY_PREFIX", prefix), ("DRAIN_SECONDS", "0")]));
        let ready = ready(&mut BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap));
        let [public, admin] = ["listen", "admin_listen"].map(|name| ask(ready[name].as_str().unwrap(), GALLERY_PATH, ""));
        // there are no credentials here
        assert!(public.starts_with("HTTP/1.1 404") && admin.starts_with(&format!("HTTP/1.1 {admin_status}")), "{public} {admin}");
    }
}
