//! What visitors of the site get.

use serde_json::json;

use crate::lab::{self, Lab, picture, size};

fn statuses(answers: &[lab::Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

#[tokio::test]
async fn first_request_stores_and_redirects_second_is_served_by_the_bucket_alone() {
    lab::run(async |lab: &Lab| {
        lab.upload("blue marble.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({})).await;

        let first = lab.visit("300x300/blue marble.jpg").await;
        assert_eq!(statuses(&first), [307, 307, 200], "{first:?}");
        assert!(first[1].url.starts_with(&lab.resizer()), "{first:?}");
        assert_eq!(first[1].location, Some(format!("{}/300x300/blue%20marble.jpg", lab.site())));
        assert_eq!(first[2].content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(size(&first[2].body), (300, 300));

        let made = lab.requests().await;
        assert!(made >= 1);
        let second = lab.visit("300x300/blue marble.jpg").await;
        assert_eq!(statuses(&second), [200]);
        assert_eq!(second[0].body, first[2].body);
        assert_eq!(lab.requests().await, made, "the second request reached the resizer");

        let stored = lab.s3.head_object().bucket(&lab.name).key("300x300/blue marble.jpg").send().await.unwrap();
        assert_eq!(stored.cache_control(), Some("public, max-age=3600, stale-while-revalidate=86400"));
        let original = lab.s3.head_object().bucket(&lab.name).key("blue marble.jpg").send().await.unwrap();
        let metadata = stored.metadata().unwrap();
        let tag = original.e_tag().unwrap().trim_matches('"');
        assert!(metadata.values().any(|value| value.contains(tag)), "{metadata:?} does not name the original's {tag}");
    })
    .await;
}

#[tokio::test]
async fn a_head_request_makes_the_picture_too() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({})).await;
        let answer = lab.request(reqwest::Method::HEAD, &format!("{}?key=640x0/a.jpg", lab.resizer())).await;
        assert_eq!((answer.status, answer.body.len()), (307, 0));
        assert_eq!(size(&lab.get(&answer.location.unwrap()).await.body), (640, 480));
    })
    .await;
}

#[tokio::test]
async fn an_unlisted_size_never_reaches_the_resizer() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({})).await;
        let made = lab.requests().await;
        let answers = lab.visit("301x301/a.jpg").await;
        assert_eq!(statuses(&answers), [404]);
        assert_eq!(lab.requests().await, made);
        let direct = lab.get(&format!("{}?key=301x301/a.jpg", lab.resizer())).await;
        assert_eq!(direct.status, 403);
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&direct.body).unwrap(),
            json!({ "message": "Forbidden: Resolution not allowed" })
        );
    })
    .await;
}

#[tokio::test]
async fn a_missing_original_is_404_and_nothing_is_stored() {
    lab::run(async |lab: &Lab| {
        lab.serve(json!({})).await;
        let answers = lab.visit("300x300/none.jpg").await;
        assert_eq!(statuses(&answers), [307, 404]);
        let body: serde_json::Value = serde_json::from_slice(&answers[1].body).unwrap();
        assert_eq!(body, json!({ "message": "Not Found: Original image not found" }));
        let listed = lab.s3.list_objects_v2().bucket(&lab.name).send().await.unwrap();
        assert!(listed.contents().is_empty());
    })
    .await;
}

async fn every_key_goes_round(lab: &Lab, key_in: &str, keys: &[(&str, &str)]) {
    for (key, _) in keys {
        lab.upload(key, "image/jpeg", picture(400, 400)).await;
    }
    lab.serve(json!({ "routing": { "keyIn": key_in } })).await;
    for (key, path) in keys {
        let answers = lab.visit(&format!("300x300/{path}")).await;
        assert_eq!(statuses(&answers), [307, 307, 200], "{key}: {answers:?}");
        lab.s3.head_object().bucket(&lab.name).key(format!("300x300/{key}")).send().await.expect(key);
        assert_eq!(statuses(&lab.visit(&format!("300x300/{path}")).await), [200], "{key}");
    }
}

/// Keys, and how a visitor writes them.
const KEYS: [(&str, &str); 5] = [
    ("dir/with space.jpg", "dir/with%20space.jpg"),
    ("a+b.jpg", "a%2Bb.jpg"),
    ("a&b=c.jpg", "a%26b%3Dc.jpg"),
    ("푸른 마블.jpg", "%ED%91%B8%EB%A5%B8%20%EB%A7%88%EB%B8%94.jpg"),
    ("🌍.jpg", "%F0%9F%8C%8D.jpg"),
];

#[tokio::test]
async fn keys_of_every_kind_go_round_in_the_query() {
    lab::run(async |lab: &Lab| every_key_goes_round(lab, "Query", &KEYS).await).await;
}

#[tokio::test]
async fn keys_of_every_kind_go_round_in_the_path() {
    lab::run(async |lab: &Lab| every_key_goes_round(lab, "Path", &KEYS).await).await;
}

/// What a visitor of `300x300/KEY` gets in the end. `curl` writes a blank of a `Location` as `+` where it is in the query.
async fn in_the_end(lab: &Lab, key: &str, curl: bool) -> u16 {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let path: String = key.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
    let mut answer = lab.get(&format!("{}/300x300/{path}", lab.site())).await;
    for _ in 0..6 {
        let Some(location) = answer.location else { break };
        let (place, query) = location.split_once('?').unwrap_or((&location, ""));
        let next = if curl && !query.is_empty() { format!("{place}?{}", query.replace(' ', "+")) } else { location };
        answer = lab.get(&next).await;
    }
    answer.status
}

#[tokio::test]
async fn keys_survive_as_documented() {
    let page = include_str!("../../docs/resizer.md");
    let table = page.split("## Which keys survive").nth(1).unwrap().split("##").next().unwrap();
    let rows: Vec<(String, bool, [u16; 2])> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let (key, with) = cells[0].trim_start_matches('`').split_once('`').unwrap();
            (key.to_owned(), with.contains("curl"), [cells[1].parse().unwrap(), cells[2].parse().unwrap()])
        })
        .collect();
    assert!(rows.len() >= 10, "{rows:?}");
    lab::run(async |lab: &Lab| {
        for (key, ..) in &rows {
            lab.upload(key, "image/jpeg", picture(400, 400)).await;
        }
        for (column, key_in) in ["Query", "Path"].into_iter().enumerate() {
            lab.serve(json!({ "routing": { "keyIn": key_in } })).await;
            let mut found = Vec::new();
            for (key, curl, said) in &rows {
                // what an earlier row made would be served without the resizer
                lab.s3.delete_object().bucket(&lab.name).key(format!("300x300/{key}")).send().await.unwrap();
                let status = in_the_end(lab, key, *curl).await;
                found.extend((status != said[column]).then(|| format!("{key} ({}): {status}", if *curl { "curl" } else { "browser" })));
            }
            assert!(found.is_empty(), "keyIn {key_in}, otherwise than documented: {found:?}");
        }
    })
    .await;
}

/// Ceph's website decodes a path twice and so never finds a key with `%`, an original neither:
/// what it cannot serve, the resizer shows itself where the spec says that it is public, and the visitor is not sent round for ever.
#[tokio::test]
async fn a_key_with_percent_is_stored_and_shown_though_this_website_cannot_serve_it() {
    lab::run(async |lab: &Lab| {
        lab.upload("100%.jpg", "image/jpeg", picture(400, 400)).await;
        lab.serve(json!({ "source": { "includePrefixes": ["100"] } })).await;
        assert_eq!(lab.get(&format!("{}/100%25.jpg", lab.site())).await.status, 404, "the website finds it after all");
        let answers = lab.visit("300x300/100%25.jpg").await;
        // at once where the pods reach the site and see it refused, else when the visitor comes back
        assert!(matches!(statuses(&answers)[..], [307, 200] | [307, 307, 307, 200]), "{answers:?}");
        assert_eq!(size(&answers.last().unwrap().body), (300, 300));
        lab.s3.head_object().bucket(&lab.name).key("300x300/100%.jpg").send().await.unwrap();
    })
    .await;
}

/// The policy keeps an original from everybody; the pods' identity may read it.
#[tokio::test]
async fn an_original_that_visitors_may_not_read_is_never_shown() {
    lab::run(async |lab: &Lab| {
        lab.upload("private/a.jpg", "image/jpeg", picture(400, 400)).await;
        lab.upload("public/a.jpg", "image/jpeg", picture(400, 400)).await;
        lab.serve(json!({})).await;
        let everything = format!("arn:aws:s3:::{}", lab.name);
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": [&everything, format!("{everything}/public/*")],
        }]});
        lab.s3.put_bucket_policy().bucket(&lab.name).policy(policy.to_string()).send().await.unwrap();
        assert_eq!(lab.get(&format!("{}/private/a.jpg", lab.site())).await.status, 403);
        let url = format!("{}?key=300x300/private/a.jpg", lab.resizer());
        for _ in 0..5 {
            let answer = lab.get(&url).await;
            assert!(matches!(answer.status, 307 | 404), "{answer:?}");
        }
        // beside it, one that they may read is shown, though the policy keeps its derivative from them
        let url = format!("{}?key=300x300/public/a.jpg", lab.resizer());
        let mut last = lab.get(&url).await;
        for _ in 0..3 {
            last = lab.get(&url).await;
        }
        assert_eq!((last.status, size(&last.body)), (200, (300, 300)));
    })
    .await;
}
