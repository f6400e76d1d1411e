//! How visitors get pictures: by the resizer itself, and in other formats and recipes by the bucket's website.

use aws_sdk_s3::primitives::ByteStream;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::lab::{self, Answer, Lab, picture, s3, size};

const SVG: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>"#;

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

fn format(answer: &Answer) -> Option<ImageFormat> {
    image::guess_format(&answer.body).ok()
}

/// Direct, on a bucket that nobody but its owner may read; `more` of `delivery`. The operator reaches the pods by their Service.
async fn serve_directly(lab: &Lab, more: Value, patch: Value) {
    lab.s3.delete_bucket_policy().bucket(&lab.name).send().await.unwrap();
    let mut spec = json!({
        "publicUrl": format!("http://{}-resizer.{}.svc", lab.name, lab.name),
        "delivery": { "mode": "Direct" },
    });
    json_patch::merge(&mut spec["delivery"], &more);
    json_patch::merge(&mut spec, &patch);
    lab.serve(spec).await;
}

/// What somebody asked of the bucket's configuration, by the gateway's own log.
fn asked_of_the_configuration(lab: &Lab) -> Vec<String> {
    let log = std::fs::read(s3::state().join("log/client.rgw.ceph.log")).unwrap();
    let log = String::from_utf8_lossy(&log);
    let requests = log.lines().filter(|line| line.contains("beast:")).filter_map(|line| line.split('"').nth(1));
    let of_ours = requests.filter(|request| request.contains(&format!("/{}?", lab.name)) || request.contains(&format!("/{}/?", lab.name)));
    let names = ["website", "publicAccessBlock", "tagging"];
    of_ours.filter(|request| names.iter().any(|name| request.contains(name))).map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_private_bucket_without_a_website_serves_every_size_by_the_resizer() {
    lab::run(async |lab: &Lab| {
        lab.upload("a b.jpg", "image/jpeg", picture(800, 600)).await;
        serve_directly(lab, json!({}), json!({})).await;
        assert_eq!(lab.wait_for(&lab.name, "RoutingRuleApplied", "True").await.reason, "NotNeeded");
        assert_eq!(lab.wait_for(&lab.name, "PublicUrlVerified", "True").await.reason, "PublicUrlServes");
        assert_eq!(lab.wait_for(&lab.name, "OriginalsReadable", "True").await.reason, "PodsCanRead");
        assert_eq!(lab.wait_for(&lab.name, "Ready", "True").await.reason, "Serving");

        let url = format!("{}/300x300/a%20b.jpg", lab.host());
        let first = lab.get(&url).await;
        assert_eq!((first.status, first.content_type.as_deref(), size(&first.body)), (200, Some("image/jpeg"), (300, 300)), "{first:?}");
        assert_eq!(first.header("cache-control"), Some("public, max-age=3600, stale-while-revalidate=86400"));
        assert_eq!(first.header("access-control-allow-origin"), Some("*"));
        let tag = first.header("etag").expect("an ETag").to_owned();
        lab.eventually("it is stored", async || lab.s3.head_object().bucket(&lab.name).key("300x300/a b.jpg").send().await.is_ok()).await;

        // from the store now, and the same on every count
        let second = lab.get(&url).await;
        assert_eq!((second.status, second.header("etag"), &second.body), (200, Some(tag.as_str()), &first.body));
        assert_eq!(second.header("content-length"), Some(first.body.len().to_string().as_str()));
        let head = lab.request(reqwest::Method::HEAD, &url).await;
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(tag.as_str())));
        let known = lab.ask(reqwest::Method::GET, &url, &[("if-none-match", &tag)]).await;
        assert_eq!((known.status, known.body.len()), (304, 0));

        // the next visitor of a replaced original sees the new one
        lab.upload("a b.jpg", "image/jpeg", picture(600, 800)).await;
        let third = lab.ask(reqwest::Method::GET, &url, &[("if-none-match", &tag)]).await;
        assert_eq!(third.status, 200, "{third:?}");
        assert!(third.header("etag") != Some(tag.as_str()) && third.body != first.body);
        let missing = lab.get(&format!("{}/300x300/none.jpg", lab.host())).await;
        let said: Value = serde_json::from_slice(&missing.body).unwrap();
        assert_eq!((missing.status, said), (404, json!({ "message": "Not Found: Original image not found" })));
        assert_eq!(lab.get(&format!("{}/301x301/a%20b.jpg", lab.host())).await.status, 403);
        assert_eq!(lab.get(&format!("{}/a%20b.jpg", lab.host())).await.status / 100, 4, "originals are not asked for");

        assert_eq!(asked_of_the_configuration(lab), Vec::<String>::new());
        assert!(lab.website().await.is_none() && lab.policy().await.is_none());
        lab.delete(&lab.name).await;
    })
    .await;
}

#[tokio::test]
async fn direct_serves_variants_by_name_and_by_accept_and_originals() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.upload("logo.svg", "image/svg+xml", SVG.into()).await;
        let patch = json!({ "output": { "variants": ["WebP"] }, "source": { "unsupported": "ShowOriginal" } });
        serve_directly(lab, json!({ "originals": true, "negotiate": true }), patch).await;
        let at = |key: &str| format!("{}/{key}", lab.host());

        let named = lab.get(&at("300x300/a.jpg.webp")).await;
        assert_eq!((named.status, named.content_type.as_deref(), format(&named)), (200, Some("image/webp"), Some(ImageFormat::WebP)));
        for (accept, kind) in [("image/webp,*/*", "image/webp"), ("*/*", "image/jpeg"), ("image/avif,image/jpeg", "image/jpeg")] {
            let chosen = lab.ask(reqwest::Method::GET, &at("300x300/a.jpg"), &[("accept", accept)]).await;
            assert_eq!((chosen.status, chosen.content_type.as_deref()), (200, Some(kind)), "{accept}");
            assert!(chosen.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("accept")), "{accept}");
        }
        let original = lab.get(&at("a.jpg")).await;
        assert_eq!((original.status, original.body), (200, picture(800, 600)));
        let logo = lab.get(&at("300x300/logo.svg")).await;
        assert_eq!((logo.status, logo.content_type.as_deref(), logo.body), (200, Some("image/svg+xml"), SVG.into()));
    })
    .await;
}

/// The pods' work alone, so `Ready` and S3's configuration have no part in it.
#[tokio::test]
async fn derivatives_of_direct_are_swept_and_purged() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.upload("b.jpg", "image/jpeg", picture(800, 600)).await;
        let derivatives = json!({ "sweep": { "schedule": "@daily" }, "warm": ["640x0"], "onDelete": "Delete" });
        serve_directly(lab, json!({}), json!({ "output": { "variants": ["WebP"] }, "derivatives": derivatives })).await;
        for key in ["300x300/a.jpg", "300x300/b.jpg.webp"] {
            assert_eq!(lab.get(&format!("{}/{key}", lab.host())).await.status, 200, "{key}");
            lab.eventually("it is stored", async || lab.exists(key).await).await;
        }
        lab.remove("b.jpg").await;
        let last = lab.sweep("now").await;
        assert_eq!((last.report.orphaned, last.report.deleted, last.report.fresh, last.report.failed), (1, 1, 1, 0), "{last:?}");
        assert!(last.report.made > 0, "{last:?}");
        assert!(lab.exists("300x300/a.jpg").await && lab.exists("640x0/a.jpg").await && !lab.exists("300x300/b.jpg.webp").await);
        assert_eq!(lab.wait_for(&lab.name, "DerivativesCurrent", "True").await.reason, "SweepComplete");

        lab.delete(&lab.name).await;
        assert!(lab.exists("a.jpg").await && !lab.exists("300x300/a.jpg").await && !lab.exists("640x0/a.jpg").await);
        assert_eq!(asked_of_the_configuration(lab), Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn what_redirect_wrote_goes_out_of_the_bucket_when_an_endpoint_becomes_direct_and_comes_back() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({})).await;
        assert!(lab.website().await.is_some());
        serve_directly(lab, json!({}), json!({})).await;
        assert_eq!(lab.wait_for(&lab.name, "RoutingRuleApplied", "True").await.reason, "NotNeeded");
        assert!(lab.website().await.is_none(), "it was the operator's creation");
        lab.eventually("the Ingress has every path", async || lab.get(&format!("{}/300x300/a.jpg", lab.host())).await.status == 200).await;

        lab.create_policy().await;
        lab.serve(json!({})).await;
        assert_eq!(statuses(&lab.visit("640x0/a.jpg").await), [307, 307, 200]);
    })
    .await;
}

#[tokio::test]
async fn a_public_url_that_leads_elsewhere_is_told() {
    lab::run(async |lab: &Lab| {
        lab.apply(json!({ "publicUrl": format!("http://198.18.255.1:7480/{}", lab.name), "delivery": { "mode": "Direct" } })).await;
        let told = lab.wait_for_reason(&lab.name, "PublicUrlVerified", "NotTheResizer").await;
        assert!(told.message.contains("Ingress"), "{told:?}");
        assert_eq!(lab.wait_for(&lab.name, "Ready", "False").await.reason, "NotTheResizer");
    })
    .await;
}

#[tokio::test]
async fn the_website_serves_variants_and_recipes() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        // an object of this very name is an original
        lab.upload("b.jpg.webp", "image/jpeg", picture(400, 400)).await;
        lab.serve(json!({
            "allowedResolutions": ["300x300", "400x400", "500x500"],
            "output": { "variants": ["WebP"] },
            "recipes": [
                { "resolutions": ["400x400"], "resize": { "fit": "Inside" } },
                { "resolutions": ["500x500"], "output": { "quality": 5 } },
            ],
        }))
        .await;
        for (key, kind, made) in [
            ("300x300/a.jpg", "image/jpeg", (300, 300)),
            ("300x300/a.jpg.webp", "image/webp", (300, 300)),
            ("400x400/a.jpg", "image/jpeg", (400, 300)),
            ("400x400/a.jpg.webp", "image/webp", (400, 300)),
            ("500x500/a.jpg", "image/jpeg", (500, 500)),
            ("300x300/b.jpg.webp", "image/jpeg", (300, 300)),
        ] {
            let first = lab.visit(key).await;
            assert_eq!(statuses(&first), [307, 307, 200], "{key}: {first:?}");
            assert_eq!(first[2].url, format!("{}/{key}", lab.site()));
            let made_before = lab.requests().await;
            let second = lab.visit(key).await;
            assert_eq!((statuses(&second), lab.requests().await), (vec![200], made_before), "{key}");
            assert_eq!((second[0].content_type.as_deref(), size(&second[0].body)), (Some(kind), made), "{key}");
        }
        let bytes = async |key: &str| lab.visit(key).await[0].body.len();
        assert!(bytes("500x500/a.jpg").await < bytes("300x300/a.jpg").await, "quality 5 of more pixels");
        assert_eq!(statuses(&lab.visit("300x300/a.jpg.avif").await), [307, 404], "a suffix that is not listed");
    })
    .await;
}

#[tokio::test]
async fn a_picture_that_is_not_read_is_shown_by_a_redirect_that_the_website_gives_itself_afterwards() {
    lab::run(async |lab: &Lab| {
        lab.upload("logos/a b.svg", "image/svg+xml", SVG.into()).await;
        let text =
            lab.s3.put_object().bucket(&lab.name).key("a.txt").content_type("text/plain").body(ByteStream::from_static(b"no picture"));
        text.send().await.unwrap();
        lab.serve(json!({ "source": { "unsupported": "ShowOriginal" } })).await;
        let first = lab.visit("300x300/logos/a%20b.svg").await;
        assert_eq!((statuses(&first), first.last().unwrap().body.as_slice()), (vec![307, 307, 200], SVG.as_bytes()), "{first:?}");
        assert_eq!(first[2].content_type.as_deref(), Some("image/svg+xml"));

        let before = lab.requests().await;
        let second = lab.visit("300x300/logos/a%20b.svg").await;
        assert_eq!((statuses(&second).len(), second[0].status / 100, second[1].status), (2, 3, 200), "{second:?}");
        assert_eq!((second[1].body.as_slice(), lab.requests().await), (SVG.as_bytes(), before), "the resizer was asked again");
        let stored = lab.s3.head_object().bucket(&lab.name).key("300x300/logos/a b.svg").send().await.unwrap();
        assert_eq!((stored.content_length(), stored.website_redirect_location()), (Some(0), Some("/logos/a%20b.svg")));
        assert_eq!(statuses(&lab.visit("300x300/a.txt").await), [307, 415]);
    })
    .await;
}
