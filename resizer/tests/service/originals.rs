//! The resizer itself answers visitors: originals under their own keys, and the format that a visitor names.

use bytes::Bytes;
use http::{Method, StatusCode};
use resize_api::Variant;

use crate::{
    direct::{KEY, TARGET, ask, cat, fixture, fixture as fixture_of, stored},
    memory::{Memory, body, header, jpeg, png},
};

#[tokio::test]
async fn an_original_that_is_a_derivative_is_none() {
    let store = stored().await;
    let (copy, metadata) = (store.object(KEY).unwrap(), store.metadata.lock().unwrap()[KEY].clone());
    store.objects.lock().unwrap().insert("copy.png".into(), copy);
    store.metadata.lock().unwrap().insert("copy.png".into(), metadata);
    let fixture = fixture(&store, |settings| settings.delivery.originals = true);
    assert_eq!(fixture.get("/30x30/copy.png").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(fixture.get("/copy.png").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn originals_are_shown_if_they_are_pictures_that_are_published() {
    let svg = Bytes::from_static(b"<svg xmlns='http://www.w3.org/2000/svg'/>");
    let store = Memory::with(&[
        ("cat.png", "image/png", png()),
        ("dir/a b.jpg", "IMAGE/JPEG; x=y", jpeg()),
        ("logo.svg", "image/svg+xml", svg.clone()),
        ("untyped.png", "binary/octet-stream", png()),
        ("untyped.svg", "application/octet-stream", svg),
        ("page.html", "text/html", Bytes::from_static(b"<script>")),
        ("keys.json", "application/json", Bytes::from_static(b"{}")),
        ("private/cat.png", "image/png", png()),
        ("1920x1080/sea.png", "image/png", png()),
    ]);
    let fixture = fixture(&store, |settings| {
        settings.delivery.originals = true;
        settings.source.exclude_prefixes = vec!["private/".into()];
    });
    for (target, content_type, bytes) in [
        ("/cat.png", "image/png", png()),
        ("/dir/a%20b.jpg?x", "IMAGE/JPEG; x=y", jpeg()),
        ("/untyped.png", "image/png", png()),
        ("/1920x1080/sea.png", "image/png", png()),
    ] {
        let response = fixture.get(target).await;
        assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, content_type), "{target}");
        assert_eq!(header(&response, "content-security-policy"), "", "{target}");
        assert_eq!(header(&response, "last-modified"), "Tue, 14 Nov 2023 22:13:20 GMT");
        let etag = header(&response, "etag").to_owned();
        assert!(etag.starts_with('"'), "the store's own: {etag}");
        assert_eq!(body(response).await, bytes, "{target}");
        let same = ask(&fixture, Method::GET, target, "if-none-match", &etag).await;
        assert_eq!((same.status(), header(&same, "etag")), (StatusCode::NOT_MODIFIED, etag.as_str()), "{target}");
        let head = fixture.send(Method::HEAD, target).await;
        assert_eq!((head.status(), header(&head, "content-length")), (StatusCode::OK, bytes.len().to_string().as_str()), "{target}");
    }
    let response = fixture.get("/logo.svg").await;
    assert_eq!((response.status(), header(&response, "content-type")), (StatusCode::OK, "image/svg+xml"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
    assert_eq!((header(&response, "content-security-policy"), header(&response, "x-content-type-options")), (policy, "nosniff"));
    drop(response);
    for target in ["/untyped.svg", "/page.html", "/keys.json", "/private/cat.png", "/none.png", "/dir", "/dir/"] {
        assert_eq!(fixture.get(target).await.status(), StatusCode::NOT_FOUND, "{target}");
    }
    assert!(!store.calls().iter().any(|call| call.contains("private/")));
    let without = fixture_of(&store, |_| {});
    assert_eq!(without.get("/cat.png").await.status(), StatusCode::NOT_FOUND);
    fixture.settles().await;
    assert!(fixture.counts("resizer_streams 0"));
}

#[tokio::test]
async fn the_format_is_what_the_visitor_names() {
    let store = Memory::with(&[("cat.jpg", "image/jpeg", jpeg()), ("dog.webp.jpg", "image/jpeg", jpeg())]);
    let fixture = fixture(&store, |settings| {
        settings.delivery.negotiate = true;
        settings.variants = [Variant::WebP, Variant::Jpeg].into();
    });
    for (target, accept, content_type, vary) in [
        ("/30x30/cat.jpg", "image/avif,image/webp,*/*;q=0.8", "image/webp", "accept"),
        ("/30x30/cat.jpg", "image/avif,image/webp;q=0", "image/jpeg", "accept"),
        ("/30x30/cat.jpg", "*/*", "image/jpeg", "accept"),
        ("/default/resize?key=30x30/cat.jpg", "image/webp", "image/webp", "accept"),
        ("/30x30/cat.jpg.webp", "image/jpeg", "image/webp", ""),
        // the suffix of a listed variant, and an original of that very name
        ("/30x30/dog.webp.jpg", "image/webp", "image/webp", "accept"),
        // it is the variant of cat.jpg, and there is no other one of that
        ("/30x30/cat.jpg.jpg", "image/webp", "image/jpeg", "accept"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let response = ask(&fixture, method, target, "accept", accept).await;
            let (status, seen) = (response.status(), header(&response, "content-type"));
            assert_eq!((status, seen, header(&response, "vary")), (StatusCode::OK, content_type, vary), "{target} {accept}");
            drop(response);
            fixture.settles().await;
        }
    }
    assert!(store.object("30x30/cat.jpg.webp").is_some() && store.object("30x30/cat.jpg").is_some());
    for (target, name, value, status) in [
        ("/30x30/none.jpg", "accept", "image/webp", 404),
        ("/31x31/cat.jpg", "accept", "image/webp", 403),
        ("/30x30/cat.jpg", "if-none-match", "*", 304),
    ] {
        let response = ask(&fixture, Method::GET, target, name, value).await;
        assert_eq!((response.status().as_u16(), header(&response, "vary")), (status, "accept"), "{target}");
    }
    let plain = fixture_of(&store, |settings| settings.variants = [Variant::WebP].into());
    let response = ask(&plain, Method::GET, "/30x30/cat.jpg", "accept", "image/webp").await;
    assert_eq!((header(&response, "content-type"), header(&response, "vary")), ("image/jpeg", ""));
}

#[tokio::test]
async fn an_animation_is_not_given_in_a_format_that_has_none() {
    let store = cat();
    let fixture = fixture(&store, |settings| {
        settings.delivery.negotiate = true;
        settings.variants = [Variant::WebP, Variant::Avif].into();
        settings.recipe.animation = resize_api::picture::Animation::Keep;
    });
    let response = ask(&fixture, Method::GET, TARGET, "accept", "image/avif,image/webp").await;
    assert_eq!(header(&response, "content-type"), "image/webp");
}
