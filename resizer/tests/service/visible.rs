//! Which originals visitors may see, and what is sent when the public URL does not show a derivative.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{StatusCode, header::AUTHORIZATION};
use resizer::store::{
    StoreError,
    website::{HttpWebsite, Sight, Website},
};

use crate::memory::{Faults, Fixture, Memory, Site, URL, body, header, png};

const TARGET: &str = "/default/resize?key=30x30/private/cat.png";
const DENIED: Sight = Sight::Refused(StatusCode::FORBIDDEN);

fn store() -> Arc<Memory> {
    Memory::with(&[("private/cat.png", "image/png", png())])
}

#[tokio::test]
async fn an_original_that_visitors_may_not_read_is_not_shown_to_them_in_a_loop() {
    for (originals, asked_again) in [(DENIED, 1), (Sight::Unknown, 1), (Sight::Refused(StatusCode::TEMPORARY_REDIRECT), 1)] {
        let site = Site::showing(originals, Sight::Unknown);
        let fixture = Fixture::on(store(), site.clone(), |_| {});
        assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
        for _ in 0..10 {
            let response = fixture.get(TARGET).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{originals:?}");
            assert_eq!(body(response).await, r#"{"message":"Not Found: Original image not found"}"#);
        }
        assert_eq!(fixture.outcomes("not_public"), 10);
        let asked = site.asked().into_iter().filter(|url| *url == format!("{URL}/private/cat.png")).count();
        assert_eq!(asked, asked_again, "once is enough");
    }
}

#[tokio::test]
async fn nor_where_it_could_not_be_stored() {
    let store = store();
    store.fail(Faults { put: Some(StoreError::Forbidden), ..Faults::default() });
    let fixture = Fixture::on(store, Site::showing(DENIED, Sight::Unknown), |_| {});
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::NOT_FOUND);
    assert!(fixture.counts("resizer_store_failures_total 1"));
}

#[tokio::test]
async fn what_the_settings_declare_to_be_published_is_shown_without_asking() {
    let site = Site::showing(DENIED, Sight::Unknown);
    let fixture = Fixture::on(store(), site.clone(), |settings| settings.source.include_prefixes = vec!["private/".into()]);
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::OK);
    assert_eq!(site.asked(), [format!("{URL}/30x30/private/cat.png")], "the derivative alone");
}

#[tokio::test]
async fn a_picture_that_the_public_url_does_not_show_is_shown_and_counted() {
    let site = Site::showing(Sight::Shown, DENIED);
    let fixture = Fixture::on(store(), site, |_| {});
    let response = fixture.get(TARGET).await;
    assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "image/png"));
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert!(fixture.counts("resizer_public_url_failures_total 1") && fixture.outcomes("shown_refused") == 1);
    // the original may not be shown either: the redirect and the site's own error must do
    let fixture = Fixture::on(store(), Site::showing(DENIED, DENIED), |_| {});
    assert_eq!(fixture.get(TARGET).await.status(), StatusCode::TEMPORARY_REDIRECT);
    assert!(fixture.counts("resizer_public_url_failures_total 1"));
}

#[tokio::test]
async fn the_public_url_is_looked_at_until_it_has_shown_a_picture() {
    let store = Memory::with(&[("a.png", "image/png", png()), ("b.png", "image/png", png())]);
    let site = Site::showing(Sight::Shown, Sight::Shown);
    let fixture = Fixture::on(store, site.clone(), |_| {});
    for key in ["a.png", "b.png"] {
        let response = fixture.get(&format!("/default/resize?key=30x30/{key}")).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    }
    assert_eq!(site.asked(), [format!("{URL}/30x30/a.png")]);
}

#[tokio::test]
async fn the_site_is_asked_as_anybody_would_and_no_redirect_is_followed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let app = Router::new().fallback(async move |request: Request| {
        assert!(!request.headers().contains_key(AUTHORIZATION));
        log.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        let status = request.uri().path().rsplit('/').next().unwrap().parse::<u16>().unwrap();
        Response::builder().status(status).header("location", "/200").body(Body::empty()).unwrap()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let site = HttpWebsite::new().unwrap();
    for (path, expect) in [
        ("/a%20b/200", Sight::Shown),
        ("/403", DENIED),
        ("/307", Sight::Refused(StatusCode::TEMPORARY_REDIRECT)),
        ("/405", Sight::Unknown),
        ("/503", Sight::Unknown),
    ] {
        assert_eq!(site.look(&format!("http://{address}{path}")).await, expect, "{path}");
    }
    assert_eq!(*seen.lock().unwrap(), ["HEAD /a%20b/200", "HEAD /403", "HEAD /307", "HEAD /405", "HEAD /503"]);
    assert_eq!(site.look("http://127.0.0.1:1/").await, Sight::Unknown);
    assert_eq!(site.look("no url").await, Sight::Unknown);
}
