//! What a store says of its objects, in any of its shapes → [`Change`]s.
//!
//! Pure. S3's own notifications come as they are, in an envelope of SNS, or as an event of EventBridge; Ceph and MinIO send the first
//! shape. Keys are form-encoded in notifications of AWS and MinIO, and plain in those of Ceph and EventBridge.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};

/// One object that was created, replaced or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Grows with every change of a key, in hexadecimal digits; Ceph has none that does.
    pub sequencer: Option<String>,
    /// What whoever asked for notifications wants to hear again: Ceph's `OpaqueData`.
    pub token: Option<String>,
}

/// Why a body says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is no JSON, or none of a known shape.
    #[error("want a notification of S3, as it is or from SNS or EventBridge: {0}")]
    Shape(String),
    /// The key of an object is not UTF-8 once it is decoded.
    #[error("key `{0}`: want form-encoded UTF-8")]
    Key(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Notification {
        #[serde(rename = "Records")]
        records: Vec<Record>,
    },
    EventBridge {
        #[serde(rename = "detail-type")]
        detail_type: String,
        detail: serde_json::Value,
    },
    Sns {
        #[serde(rename = "Type")]
        kind: String,
        #[serde(rename = "Message")]
        message: String,
    },
    Test {
        #[serde(rename = "Event")]
        event: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(default)]
    event_source: String,
    s3: Detail,
    #[serde(default)]
    opaque_data: String,
}

#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
    /// Ceph 16 has it here, later ones beside `s3`.
    #[serde(default, rename = "opaqueData")]
    opaque_data: String,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
    #[serde(default)]
    sequencer: String,
}

/// The changes that `body` tells of; none in what SNS and S3 send to see whether anybody listens.
pub fn changes(body: &str) -> Result<Vec<Change>, EventError> {
    match parse(body)? {
        Body::Sns { kind, message } if kind == "Notification" => match parse(&message)? {
            Body::Sns { .. } => Err(EventError::Shape("an envelope of SNS within another".to_owned())),
            body => told(body),
        },
        body => told(body),
    }
}

fn parse<T: DeserializeOwned>(body: &str) -> Result<T, EventError> {
    serde_json::from_str(body).map_err(|error| EventError::Shape(error.to_string()))
}

fn told(body: Body) -> Result<Vec<Change>, EventError> {
    match body {
        Body::Notification { records } => records.into_iter().map(notified).collect(),
        Body::EventBridge { detail_type, detail } if detail_type.starts_with("Object ") => {
            let detail = serde_json::from_value(detail).map_err(|error| EventError::Shape(error.to_string()))?;
            Ok(vec![change(detail, false, String::new())?])
        }
        Body::Test { event } if event != "s3:TestEvent" => Err(EventError::Shape(format!("unknown event {event:?}"))),
        // of the bucket itself, or to see whether anybody listens
        Body::EventBridge { .. } | Body::Sns { .. } | Body::Test { .. } => Ok(Vec::new()),
    }
}

fn notified(record: Record) -> Result<Change, EventError> {
    let is_ceph = record.event_source == "ceph:s3";
    let change = change(record.s3, !is_ceph, record.opaque_data)?;
    // the time with its lowest byte first, which says nothing of the order
    let sequencer = change.sequencer.filter(|_| !is_ceph);
    Ok(Change { sequencer, ..change })
}

fn change(detail: Detail, is_encoded: bool, opaque_data: String) -> Result<Change, EventError> {
    let Detail { bucket, object, opaque_data: inner } = detail;
    let key = if is_encoded { form_decoded(&object.key)? } else { object.key };
    let not_empty = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Change { bucket: bucket.name, key, sequencer: not_empty(object.sequencer), token: not_empty(opaque_data).or(not_empty(inner)) })
}

fn form_decoded(key: &str) -> Result<String, EventError> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| EventError::Key(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn notification(source: &str, key: &str) -> Value {
        json!({"Records": [{
            "eventVersion": "2.1", "eventSource": source, "eventName": "ObjectCreated:Put", "eventTime": "2026-01-02T03:04:05.000Z",
            "s3": {"bucket": {"name": "photos", "arn": "arn:aws:s3:::photos"}, "object": {"key": key, "size": 3, "sequencer": "0A1B"}},
        }]})
    }

    fn keys(body: &Value) -> Result<Vec<String>, EventError> {
        changes(&body.to_string()).map(|changes| changes.into_iter().map(|change| change.key).collect())
    }

    #[test]
    fn keys_are_read_as_each_sender_writes_them() {
        let bridge = json!({"version": "0", "detail-type": "Object Created", "source": "aws.s3",
            "detail": {"bucket": {"name": "photos"}, "object": {"key": "a+b %41.jpg", "sequencer": "1"}}});
        let sns = json!({"Type": "Notification", "MessageId": "1", "Message": notification("aws:s3", "a+b%2B%ED%91%B8.jpg").to_string()});
        for (body, key) in [
            (notification("aws:s3", "a+b%2B%ED%91%B8.jpg"), "a b+푸.jpg"),
            (notification("minio:s3", "a%2Fb+c.jpg"), "a/b c.jpg"),
            (notification("ceph:s3", "a+b%2B푸.jpg"), "a+b%2B푸.jpg"),
            (bridge, "a+b %41.jpg"),
            (sns, "a b+푸.jpg"),
        ] {
            assert_eq!(keys(&body), Ok(vec![key.to_owned()]), "{body}");
        }
        let change = &changes(&notification("aws:s3", "a").to_string()).unwrap()[0];
        assert_eq!((change.bucket.as_str(), change.sequencer.as_deref(), &change.token), ("photos", Some("0A1B"), &None));
        assert_eq!(changes(&notification("ceph:s3", "a").to_string()).unwrap()[0].sequencer, None);
    }

    #[test]
    fn opaque_data_is_found_where_each_version_of_ceph_writes_it() {
        let mut outside = notification("ceph:s3", "a");
        outside["Records"][0]["opaqueData"] = json!("secret");
        let mut inside = notification("ceph:s3", "a");
        inside["Records"][0]["s3"]["opaqueData"] = json!("secret");
        for body in [outside, inside] {
            assert_eq!(changes(&body.to_string()).unwrap()[0].token.as_deref(), Some("secret"));
        }
    }

    #[test]
    fn what_only_tries_whether_anybody_listens_changes_nothing() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-02T03:04:05.678Z", "Bucket": "photos"});
        let in_sns = json!({"Type": "Notification", "Message": test.to_string()});
        let confirmation =
            json!({"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe", "SubscribeURL": "https://x"});
        let other = json!({"detail-type": "Bucket Something", "detail": {"bucket": {"name": "photos"}, "object": {"key": "a"}}});
        for body in [test, in_sns, confirmation, other, json!({"Records": []})] {
            assert_eq!(keys(&body), Ok(vec![]), "{body}");
        }
    }

    #[test]
    fn what_is_no_notification_says_so() {
        for body in ["", "[]", "hello", "{}", r#"{"Records":[{}]}"#, r#"{"Event":"else"}"#] {
            assert!(matches!(changes(body), Err(EventError::Shape(_))), "{body}");
        }
        assert_eq!(keys(&notification("aws:s3", "%FF")), Err(EventError::Key("%FF".into())));
        let nested = json!({"Type": "Notification", "Message": json!({"Type": "Notification", "Message": "{}"}).to_string()});
        assert!(matches!(keys(&nested), Err(EventError::Shape(_))));
    }
}
