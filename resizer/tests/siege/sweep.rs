//! `resizer sweep` as a process on the real S3: what goes and what stays, by sweeps alone.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;

use crate::lab::{self, Lab, environment, picture, program};

/// A sweep: its exit status, and its report.
fn sweep(lab: &Lab, with: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(program());
    command.arg("sweep").args(arguments).env_clear().envs(environment(lab)).envs(with.iter().copied());
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

fn numbers<const N: usize>(report: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| report[name].as_u64().unwrap())
}

impl Lab {
    async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut pages = self.s3.list_objects_v2().bucket(&self.bucket).into_paginator().send();
        while let Some(page) = pages.next().await {
            keys.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
        }
        keys
    }

    async fn delete(&self, key: &str) {
        self.s3.delete_object().bucket(&self.bucket).key(key).send().await.unwrap();
    }

    async fn rename(&self, from: &str, to: &str) {
        let bytes = self.object(from).await.unwrap();
        self.upload(to, "image/jpeg", bytes).await;
        self.delete(from).await;
    }
}

const LIST: [(&str, &str); 1] = [("ALLOWED_RESOLUTIONS", "300x300,30x30,300x0")];
const NAMES: [&str; 6] = ["keep.jpg", "replace.jpg", "delete.jpg", "rename.jpg", "1920x1080/sea.jpg", "한/é+ %&.jpg"];

#[tokio::test(flavor = "multi_thread")]
async fn each_state_ends_as_the_table_says_by_sweeps_alone() {
    lab::run(async |lab: &Lab| {
        for (seed, name) in (0..).zip(NAMES) {
            lab.upload(name, "image/jpeg", picture(64, 48, seed)).await;
        }
        let resizer = lab.resizer(&LIST);
        for resolution in ["300x300", "30x30"] {
            for name in NAMES {
                let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
                assert_eq!(resizer.get(&format!("{resolution}/{encoded}")).await.unwrap().status, 307, "{name}");
            }
        }
        drop(resizer);
        lab.upload("300x300/banner.jpg", "image/jpeg", picture(8, 8, 1)).await;
        let whole = lab.keys().await;
        assert_eq!(whole.len(), 6 + 12 + 1);
        let (status, report) = sweep(lab, &LIST, &[]);
        assert_eq!((status, report["outcome"].as_str()), (Some(0), Some("Complete")), "{report}");
        assert_eq!(numbers(&report, ["originals", "fresh", "foreign", "deleted"]), [6, 12, 2, 0], "{report}");

        // originals are replaced, deleted, renamed
        lab.upload("replace.jpg", "image/jpeg", picture(64, 48, 100)).await;
        lab.delete("delete.jpg").await;
        lab.rename("rename.jpg", "renamed.jpg").await;
        let since = [LIST[0], ("SETTINGS_SINCE", "2020-01-01T00:00:00Z")];
        let (status, report) = sweep(lab, &[&since[..], &[("SWEEP_DRY_RUN", "true")]].concat(), &[]);
        assert_eq!((status, report["outcome"].as_str()), (Some(0), Some("DryRun")), "{report}");
        assert_eq!((lab.keys().await.len(), numbers(&report, ["stale", "orphaned", "deleted"])), (18, [2, 4, 0]), "{report}");
        let (status, report) = sweep(lab, &[&since[..], &[("SWEEP_DRY_RUN", "false")]].concat(), &[]);
        assert_eq!((status, numbers(&report, ["stale", "orphaned", "deleted", "failed"])), (Some(0), [2, 4, 6, 0]));
        let gone = ["replace.jpg", "delete.jpg", "rename.jpg"];
        assert!(lab.keys().await.iter().all(|key| !gone.iter().any(|name| key.ends_with(&format!("/{name}")))));

        // another quality, and a size less
        let other = [("ALLOWED_RESOLUTIONS", "300x300"), ("OUTPUT_QUALITY", "50")];
        let file = std::env::temp_dir().join(format!("{}.json", lab.bucket));
        let (status, report) = sweep(lab, &other, &["--report", file.to_str().unwrap()]);
        assert_eq!((status, numbers(&report, ["outdated", "retired", "deleted"])), (Some(0), [3, 3, 6]), "{report}");
        assert_eq!(serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()).unwrap(), report, "the same report");
        std::fs::remove_file(file).unwrap();
        let left = ["1920x1080/sea.jpg", "300x300/banner.jpg", "keep.jpg", "renamed.jpg", "replace.jpg", "한/é+ %&.jpg"];
        assert_eq!(lab.keys().await, left);

        // what is warm is made, by two sweeps at once
        let warm = |_| sweep(lab, &LIST, &["--warm", "30x30,300x0"]);
        let both: Vec<_> = std::thread::scope(|scope| {
            let begun: Vec<_> = (0..2).map(|number| scope.spawn(move || warm(number))).collect();
            begun.into_iter().map(|sweep| sweep.join().unwrap()).collect()
        });
        assert!(both.iter().all(|(status, report)| *status == Some(0) && report["failed"] == 0), "{both:?}");
        assert_eq!(lab.keys().await.len(), 6 + 2 * 5);
        let (status, report) = sweep(lab, &LIST, &["--purge"]);
        assert_eq!((status, numbers(&report, ["deleted", "foreign"])), (Some(0), [10, 2]), "{report}");
        assert_eq!(lab.keys().await, left);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_page_and_a_bucket_that_lost_its_originals() {
    lab::run(async |lab: &Lab| {
        let names: Vec<_> = (0..1100).map(|number| format!("{number:04}.jpg")).collect();
        let bytes = picture(8, 8, 1);
        let upload = async |key: String| {
            lab.s3.put_object().bucket(&lab.bucket).key(key).body(ByteStream::from(bytes.clone())).send().await.unwrap();
        };
        for some in names.chunks(50) {
            futures::future::join_all(some.iter().map(|name| upload(name.clone()))).await;
        }
        // one true derivative, copied to where the others would be: its metadata says that it is of another version
        let resizer = lab.resizer(&LIST);
        assert_eq!(resizer.get("30x30/0000.jpg").await.unwrap().status, 307);
        drop(resizer);
        let copy = async |name: String| {
            let from = format!("{}/30x30/0000.jpg", lab.bucket);
            lab.s3.copy_object().bucket(&lab.bucket).copy_source(from).key(format!("30x30/{name}")).send().await.unwrap();
        };
        for some in names[1..].chunks(50) {
            futures::future::join_all(some.iter().map(|name| copy(name.clone()))).await;
        }
        let (status, report) = sweep(lab, &LIST, &[]);
        assert_eq!(
            (status, numbers(&report, ["originals", "fresh"])),
            (Some(0), [1100, 1100]),
            "equal originals have equal ETags: {report}"
        );
        for some in names[..1099].chunks(50) {
            futures::future::join_all(some.iter().map(|name| lab.delete(name))).await;
        }
        for arguments in [&[][..], &["--max-deletions", "99%"]] {
            let (status, report) = sweep(lab, &LIST, arguments);
            assert_eq!((status, report["outcome"].as_str(), report["deleted"].as_u64()), (Some(3), Some("Refused"), Some(0)), "{report}");
        }
        lab.delete(&names[1099]).await;
        let (status, report) = sweep(lab, &LIST, &["--max-deletions", "100%"]);
        assert!(status == Some(3) && report["message"].as_str().unwrap().contains("no original at all"), "{report}");
        assert_eq!(lab.keys().await.len(), 1100);

        // stopped, it says how far it came
        let mut command = Command::new(program());
        command.args(["sweep", "--force", "--rate", "300"]).env_clear().envs(environment(lab)).envs(LIST).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), report["outcome"].as_str()), (Some(1), Some("Interrupted")), "{report}");
        println!("{report}");
        let deleted = report["deleted"].as_u64().unwrap();
        assert_eq!(lab.keys().await.len() as u64, 1100 - deleted);

        let (status, report) = sweep(lab, &LIST, &["--force", "--rate", "2000"]);
        assert_eq!((status, report["deleted"].as_u64()), (Some(0), Some(1100 - deleted)), "{report}");
        println!("{report}");
        assert_eq!(lab.keys().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_versioned_bucket_a_delete_marker_hides_what_went() {
    lab::run(async |lab: &Lab| {
        let versioning = aws_sdk_s3::types::VersioningConfiguration::builder();
        let versioning = versioning.status(aws_sdk_s3::types::BucketVersioningStatus::Enabled).build();
        lab.s3.put_bucket_versioning().bucket(&lab.bucket).versioning_configuration(versioning).send().await.unwrap();
        lab.upload("a.jpg", "image/jpeg", picture(64, 48, 1)).await;
        let resizer = lab.resizer(&LIST);
        assert_eq!(resizer.get("30x30/a.jpg").await.unwrap().status, 307);
        drop(resizer);
        lab.upload("a.jpg", "image/jpeg", picture(64, 48, 2)).await;
        let (status, report) = sweep(lab, &LIST, &[]);
        assert_eq!((status, numbers(&report, ["stale", "deleted"])), (Some(0), [1, 1]), "{report}");
        assert_eq!(lab.keys().await, ["a.jpg"]);
        let versions = lab.s3.list_object_versions().bucket(&lab.bucket).prefix("30x30/").send().await.unwrap();
        assert_eq!((versions.versions().len(), versions.delete_markers().len()), (1, 1));
        // so that the bucket can go
        let all = lab.s3.list_object_versions().bucket(&lab.bucket).send().await.unwrap();
        let versions = all.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = all.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        for (key, version) in versions.chain(markers) {
            lab.s3.delete_object().bucket(&lab.bucket).key(key.unwrap()).version_id(version.unwrap()).send().await.unwrap();
        }
    })
    .await;
}
