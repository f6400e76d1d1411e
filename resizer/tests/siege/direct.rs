//! `Direct` on two kinds of S3: Ceph, and a made-up AWS.

use crate::{
    lab::{self, Lab, Resizer, picture, until},
    moto::Moto,
};

struct Seen {
    status: u16,
    etag: String,
    kind: String,
    body: Vec<u8>,
}

async fn get(lab: &Lab, resizer: &Resizer, key: &str, has: &str) -> Seen {
    let answer = lab.http.get(format!("http://{}/{key}", resizer.address())).header("if-none-match", has).send().await.unwrap();
    let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (status, etag, kind) = (answer.status().as_u16(), header("etag"), header("content-type"));
    Seen { status, etag, kind, body: answer.bytes().await.unwrap().to_vec() }
}

/// What visitors of two replicas see while the original comes, is replaced and goes.
async fn story(lab: &Lab, here: &[(&str, &str)]) {
    const KEY: &str = "300x300/a b.jpg";
    let mut variables = vec![("DELIVERY_MODE", "Direct"), ("OUTPUT_VARIANTS", "WebP"), ("NEGATIVE_SECONDS", "0")];
    variables.extend(here);
    let (one, other) = (lab.resizer(&variables), lab.resizer(&variables));
    assert_eq!(get(lab, &one, KEY, "").await.status, 404);

    lab.upload("a b.jpg", "image/jpeg", picture(800, 600, 1)).await;
    let first = get(lab, &one, KEY, "").await;
    assert_eq!((first.status, first.kind.as_str()), (200, "image/jpeg"));
    until("it is stored", async || lab.object(KEY).await.as_ref() == Some(&first.body)).await;
    let made = other.metrics().await;
    let second = get(lab, &other, KEY, "").await;
    assert_eq!((second.status, &second.etag, &second.body), (200, &first.etag, &first.body), "another replica");
    assert!(other.moved(&made).await.iter().any(|moved| moved.contains("streamed")), "{:?}", other.moved(&made).await);
    let known = get(lab, &one, KEY, &first.etag).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let variant = get(lab, &one, "300x300/a b.jpg.webp", "").await;
    assert_eq!((variant.status, variant.kind.as_str()), (200, "image/webp"));

    lab.upload("a b.jpg", "image/jpeg", picture(800, 600, 99)).await;
    let third = get(lab, &other, KEY, &first.etag).await;
    assert_eq!(third.status, 200);
    assert!(third.etag != first.etag && third.body != first.body, "the picture of the earlier original");
    until("the new one is stored", async || lab.object(KEY).await.as_ref() == Some(&third.body)).await;

    lab.s3.delete_object().bucket(&lab.bucket).key("a b.jpg").send().await.unwrap();
    assert_eq!(get(lab, &one, KEY, "").await.status, 404, "whatever is stored of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_shows_what_is_true_on_ceph() {
    lab::run(async |lab: &Lab| story(lab, &[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_shows_what_is_true_on_another_s3() {
    let Some(moto) = Moto::start().await else { return };
    let lab = Lab::on(moto.s3()).await;
    let here = [("AWS_ENDPOINT_URL", moto.url.as_str()), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    story(&lab, &here).await;
}
