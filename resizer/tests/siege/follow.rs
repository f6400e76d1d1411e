//! Events of real stores: pushed by Ceph into the webhook, and through a queue that speaks the protocol of SQS.

use std::time::Duration;

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{Event, NotificationConfiguration, QueueConfiguration},
};
use serde_json::json;

use crate::{
    lab::{self, Lab, picture, s3, until},
    moto::Moto,
};

const TOKEN: &str = "a-token-that-nobody-guesses";
const EVERYTHING: [Event; 2] = [Event::S3ObjectCreated, Event::S3ObjectRemoved];

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    format!("p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100])
}

#[tokio::test(flavor = "multi_thread")]
async fn ceph_pushes_and_derivatives_go_within_seconds() {
    lab::run(async |lab: &Lab| {
        let resizer = lab.resizer(&[("ALLOWED_RESOLUTIONS", "30x30,60x60")]);
        let follower = lab.follower(&[("ALLOWED_RESOLUTIONS", "30x30,60x60"), ("EVENTS_TOKEN", TOKEN)]);
        s3::push(&lab.s3, &lab.bucket, &format!("{}/events", follower.admin()), TOKEN).await;

        // every kind of name, replaced and deleted
        let mut took = Vec::new();
        for round in 0..20 {
            for name in ["cat.jpg", "a b+%41푸.jpg", "dir/x&y=z.jpg"] {
                let key = format!("{round}/{name}");
                let size = format!("30x30/{key}");
                let path = percent_encoding::utf8_percent_encode(&size, percent_encoding::NON_ALPHANUMERIC).to_string();
                lab.upload(&key, "image/jpeg", picture(64, 48, round)).await;
                assert_eq!(resizer.get(&path).await.unwrap().status, 307, "{key}");
                assert!(lab.object(&size).await.is_some(), "{key}");
                lab.upload(&key, "image/jpeg", picture(64, 48, round + 100)).await;
                took.push(until("replaced", async || lab.object(&size).await.is_none()).await);
                assert_eq!(resizer.get(&path).await.unwrap().status, 307, "{key}");
                lab.s3.delete_object().bucket(&lab.bucket).key(&key).send().await.unwrap();
                took.push(until("deleted", async || lab.object(&size).await.is_none()).await);
            }
        }
        println!("pushed by Ceph: {} events to deletion, {}", took.len(), percentiles(took));

        // a foreign object under a prefix stays, and a stranger is not heard
        lab.upload("30x30/banner.jpg", "image/jpeg", picture(8, 8, 1)).await;
        lab.upload("banner.jpg", "image/jpeg", picture(8, 8, 2)).await;
        lab.s3.delete_object().bucket(&lab.bucket).key("banner.jpg").send().await.unwrap();
        assert!(lab.object("30x30/banner.jpg").await.is_some());
        let url = format!("{}/events", follower.admin());
        assert_eq!(lab.http.post(&url).body("{\"Records\":[]}").send().await.unwrap().status(), 401);
        let metrics = follower.metrics().await;
        assert!(metrics["resizer_events_total{event=\"Acted\"}"] >= 120.0, "{metrics:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ceph_pushes_and_warm_resolutions_are_there_before_anybody_asks() {
    lab::run(async |lab: &Lab| {
        let follower = lab.follower(&[("ALLOWED_RESOLUTIONS", "30x30,60x60"), ("EVENTS_TOKEN", TOKEN), ("WARM_RESOLUTIONS", "30x30")]);
        s3::push(&lab.s3, &lab.bucket, &format!("{}/events", follower.admin()), TOKEN).await;
        let mut versions = Vec::new();
        for seed in [1, 2] {
            lab.upload("cat.jpg", "image/jpeg", picture(64, 48, seed)).await;
            until("made", async || {
                let found = lab.object("30x30/cat.jpg").await;
                found.is_some_and(|bytes| !versions.contains(&bytes))
            })
            .await;
            versions.extend(lab.object("30x30/cat.jpg").await);
        }
        assert!(lab.object("60x60/cat.jpg").await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_queue_are_handled_in_every_shape_and_a_bad_one_blocks_nothing() {
    let Some(moto) = Moto::start().await else { return };
    let lab = Lab::on(moto.s3()).await;
    let bucket = &lab.bucket;
    let queue = moto.sqs("CreateQueue", json!({"QueueName": "events"})).await["QueueUrl"].as_str().unwrap().to_owned();
    let queue = format!("{}/{}", moto.url, queue.splitn(4, '/').nth(3).unwrap());
    let here = [
        ("AWS_ENDPOINT_URL", moto.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("ALLOWED_RESOLUTIONS", "30x30"),
        ("EVENTS_QUEUE_URL", queue.as_str()),
    ];
    let resizer = lab.resizer(&here);
    let follower = lab.follower(&here);
    let send = async |body: String| moto.sqs("SendMessage", json!({"QueueUrl": queue, "MessageBody": body})).await;
    let gone = async |size: &str| until(size, async || lab.object(size).await.is_none()).await;
    let make = async |key: &str, seed: u32| {
        lab.s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type("image/jpeg")
            .body(ByteStream::from(picture(64, 48, seed)))
            .send()
            .await
            .unwrap();
        let path = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string();
        assert_eq!(resizer.get(&format!("30x30/{path}")).await.unwrap().status, 307, "{key}");
        format!("30x30/{key}")
    };

    // through an envelope of SNS and one of EventBridge, behind a message that is none
    send("this is no event".to_owned()).await;
    let size = make("a b+푸.jpg", 1).await;
    lab.s3.delete_object().bucket(bucket).key("a b+푸.jpg").send().await.unwrap();
    let record =
        json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": "a+b%2B%ED%91%B8.jpg"}}}]});
    send(json!({"Type": "Notification", "Message": record.to_string()}).to_string()).await;
    gone(&size).await;
    let size = make("c+d.jpg", 2).await;
    lab.s3.delete_object().bucket(bucket).key("c+d.jpg").send().await.unwrap();
    let detail = json!({"bucket": {"name": bucket}, "object": {"key": "c+d.jpg", "sequencer": "01"}});
    send(json!({"detail-type": "Object Deleted", "source": "aws.s3", "detail": detail}).to_string()).await;
    gone(&size).await;

    // the store's own, which begin with a test event
    let queue_arn = "arn:aws:sqs:us-east-1:123456789012:events";
    let to = QueueConfiguration::builder().queue_arn(queue_arn).set_events(Some(EVERYTHING.to_vec())).build().unwrap();
    let configuration = NotificationConfiguration::builder().queue_configurations(to).build();
    lab.s3.put_bucket_notification_configuration().bucket(bucket).notification_configuration(configuration).send().await.unwrap();
    let mut took = Vec::new();
    for round in 0..20 {
        let key = format!("{round}/é & ü.jpg");
        let size = make(&key, round).await;
        lab.s3
            .put_object()
            .bucket(bucket)
            .key(&key)
            .content_type("image/jpeg")
            .body(ByteStream::from(picture(64, 48, round + 100)))
            .send()
            .await
            .unwrap();
        took.push(gone(&size).await);
    }
    println!("through SQS: {} events to deletion, {}", took.len(), percentiles(took));
    let metrics = follower.metrics().await;
    assert!(metrics["resizer_events_total{event=\"Failed\"}"] >= 1.0, "{metrics:?}");
    assert!(metrics.contains_key("resizer_event_age_seconds"), "{metrics:?}");
    let left =
        || async { moto.sqs("GetQueueAttributes", json!({"QueueUrl": queue, "AttributeNames": ["All"]})).await["Attributes"].clone() };
    until("all but the bad message are deleted", async || {
        let left = left().await;
        left["ApproximateNumberOfMessages"] == "0" && left["ApproximateNumberOfMessagesNotVisible"] == "1"
    })
    .await;
}
