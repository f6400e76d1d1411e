//! Derivatives are what their originals are: sweeps by a CronJob, also by hand, and the purge before an endpoint goes.

use serde_json::json;

use crate::lab::{self, Lab, kubectl, picture, run, size};

impl Lab {
    pub async fn exists(&self, key: &str) -> bool {
        self.s3.head_object().bucket(&self.name).key(key).send().await.is_ok()
    }

    pub async fn remove(&self, key: &str) {
        self.s3.delete_object().bucket(&self.name).key(key).send().await.unwrap();
    }

    /// Asks for each key as a visitor, who gets a picture.
    async fn make(&self, keys: &[&str]) {
        for key in keys {
            let answers = self.visit(key).await;
            assert_eq!(answers.last().unwrap().status, 200, "{answers:?}");
            self.eventually("it is stored", async || self.exists(key).await).await;
        }
    }

    /// Sweeps now, and waits until the status tells of it.
    pub async fn sweep(&self, job: &str) -> resize_api::derivatives::LastSweep {
        let sweep = format!("--from=cronjob/{}-sweep", self.name);
        self.eventually("there is a CronJob", async || {
            kubectl(&["get", "cronjob", &format!("{}-sweep", self.name), "-n", &self.name]).is_ok()
        })
        .await;
        kubectl(&["create", "job", job, &sweep, "-n", &self.name]).unwrap();
        let last = async || {
            let status = self.endpoints().get(&self.name).await.unwrap().status.unwrap_or_default();
            status.derivatives.and_then(|derivatives| derivatives.last_sweep).filter(|last| last.job == job)
        };
        self.eventually("the status tells of the sweep", async || last().await.is_some()).await;
        last().await.unwrap()
    }
}

#[tokio::test]
async fn a_sweep_settles_what_was_replaced_deleted_or_is_no_longer_wanted() {
    run(async |lab: &Lab| {
        lab.serve(json!({ "derivatives": { "sweep": { "schedule": "17 3 * * *" } } })).await;
        lab.wait_for_reason(&lab.name, "DerivativesCurrent", "NotSweptYet").await;
        for key in ["a.jpg", "b.jpg", "c.jpg"] {
            lab.upload(key, "image/jpeg", picture(800, 600)).await;
        }
        lab.make(&["300x300/a.jpg", "640x0/a.jpg", "300x300/b.jpg", "300x300/c.jpg", "640x0/c.jpg"]).await;
        lab.upload("300x300/notes.txt", "text/plain", b"somebody's".to_vec()).await;

        lab.upload("a.jpg", "image/jpeg", picture(900, 300)).await;
        lab.remove("b.jpg").await;
        let last = lab.sweep("first").await;
        let report = &last.report;
        assert_eq!((report.stale, report.orphaned, report.foreign, report.deleted, report.failed), (2, 1, 1, 3, 0), "{last:?}");
        assert_eq!((report.originals, report.fresh), (2, 2), "{last:?}");
        let told = lab.wait_for_reason(&lab.name, "DerivativesCurrent", "SweepComplete").await;
        assert_eq!(told.status, "True");
        for (key, stays) in [
            ("300x300/a.jpg", false),
            ("640x0/a.jpg", false),
            ("300x300/b.jpg", false),
            ("300x300/c.jpg", true),
            ("300x300/notes.txt", true),
        ] {
            assert_eq!(lab.exists(key).await, stays, "{key}");
        }
        let status = lab.endpoints().get(&lab.name).await.unwrap().status.unwrap().derivatives.unwrap();
        assert!(
            status.stale_after_seconds >= Some(24 * 3600) && status.next_sweep.is_some() && status.last_complete.is_some(),
            "{status:?}"
        );
        // the next visitor gets the new picture
        let answers = lab.visit("640x0/a.jpg").await;
        assert_eq!(size(&answers.last().unwrap().body), (640, 213));

        // a size that is no longer listed
        lab.serve(json!({ "allowedResolutions": ["300x300"], "derivatives": { "sweep": { "schedule": "17 3 * * *" } } })).await;
        let last = lab.sweep("second").await;
        assert_eq!((last.report.retired, last.report.deleted), (2, 2), "{last:?}");
        assert!(!lab.exists("640x0/a.jpg").await && !lab.exists("640x0/c.jpg").await && lab.exists("300x300/c.jpg").await);
    })
    .await;
}

#[tokio::test]
async fn a_warm_size_is_there_before_anybody_asks() {
    run(async |lab: &Lab| {
        lab.serve(json!({ "derivatives": { "sweep": { "schedule": "@daily" }, "warm": ["300x300"] } })).await;
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        let last = lab.sweep("now").await;
        assert_eq!((last.report.made, last.report.failed), (1, 0), "{last:?}");
        assert!(lab.exists("300x300/a.jpg").await && !lab.exists("640x0/a.jpg").await);
    })
    .await;
}

#[tokio::test]
async fn a_bucket_without_originals_is_not_emptied_and_it_is_told() {
    run(async |lab: &Lab| {
        lab.serve(json!({ "derivatives": { "sweep": { "schedule": "@daily" } } })).await;
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.make(&["300x300/a.jpg"]).await;
        lab.remove("a.jpg").await;
        lab.sweep("now").await;
        let refused = lab.wait_for_reason(&lab.name, "DerivativesCurrent", "SweepRefused").await;
        assert_eq!(refused.status, "False", "{refused:?}");
        assert!(lab.exists("300x300/a.jpg").await);
        lab.wait_for(&lab.name, "Ready", "True").await;
    })
    .await;
}

#[tokio::test]
async fn derivatives_go_with_the_endpoint_that_wants_it_so() {
    run(async |lab: &Lab| {
        lab.serve(json!({ "derivatives": { "sweep": { "schedule": "@daily" }, "onDelete": "Delete" } })).await;
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.make(&["300x300/a.jpg", "640x0/a.jpg"]).await;
        lab.upload("300x300/notes.txt", "text/plain", b"somebody's".to_vec()).await;
        lab.delete(&lab.name).await;
        for (key, stays) in [("300x300/a.jpg", false), ("640x0/a.jpg", false), ("300x300/notes.txt", true), ("a.jpg", true)] {
            assert_eq!(lab.exists(key).await, stays, "{key}");
        }
        assert!(kubectl(&["get", "job", &format!("{}-purge", lab.name), "-n", &lab.name]).is_err(), "its Job stays");
    })
    .await;
}

#[tokio::test]
async fn what_keeps_derivatives_true_comes_and_goes_with_the_spec() {
    run(async |lab: &Lab| {
        lab.serve(json!({ "derivatives": { "sweep": { "schedule": "@daily" } } })).await;
        let sweep = format!("{}-sweep", lab.name);
        lab.eventually("there is a CronJob", async || kubectl(&["get", "cronjob", &sweep, "-n", &lab.name]).is_ok()).await;
        lab.serve(json!({})).await;
        lab.eventually("it is gone", async || kubectl(&["get", "cronjob", &sweep, "-n", &lab.name]).is_err()).await;
        let status = lab.endpoints().get(&lab.name).await.unwrap().status.unwrap();
        assert!(status.derivatives.is_none() && status.conditions.iter().all(|condition| condition.type_ != "DerivativesCurrent"));
    })
    .await;
}

#[tokio::test]
async fn the_store_tells_the_pod_that_follows_and_old_sizes_go_within_seconds() {
    run(async |lab: &Lab| {
        let token = "a-token-that-nobody-guesses";
        kubectl(&["create", "secret", "generic", "events", &format!("--from-literal=token={token}"), "-n", &lab.name]).unwrap();
        lab.serve(json!({ "derivatives": { "events": { "webhook": { "tokenSecretRef": { "name": "events" } } } } })).await;
        lab.wait_for_reason(&lab.name, "DerivativesCurrent", "EventsFollowed").await;
        // the store runs outside of the cluster, where names of Services mean nothing
        let service = format!("{}-follow", lab.name);
        let address = kubectl(&["get", "service", &service, "-n", &lab.name, "-o", "jsonpath={.spec.clusterIP}"]).unwrap();
        let events = format!("http://{address}/events");
        // the pod is ready a moment before kube-proxy knows it
        lab.eventually("the Service answers", async || lab.answers(&events).await).await;
        lab::s3::push(&lab.s3, &lab.name, &events, token).await;

        for key in ["a.jpg", "b.jpg"] {
            lab.upload(key, "image/jpeg", picture(800, 600)).await;
        }
        lab.make(&["300x300/a.jpg", "640x0/a.jpg", "300x300/b.jpg"]).await;
        lab.upload("a.jpg", "image/jpeg", picture(900, 300)).await;
        lab.remove("b.jpg").await;
        for key in ["300x300/a.jpg", "640x0/a.jpg", "300x300/b.jpg"] {
            lab.eventually(&format!("{key} goes"), async || !lab.exists(key).await).await;
        }
        let answers = lab.visit("640x0/a.jpg").await;
        assert_eq!(size(&answers.last().unwrap().body), (640, 213));
    })
    .await;
}
