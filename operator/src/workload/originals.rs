//! Pods that serve → what they say of their own access to the bucket → condition OriginalsReadable.
//!
//! The operator's identity is not that of the pods, so only they can tell. Each is asked on its admin port.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use resize_api::{
    condition::Reason,
    self_check::{self, Access, SelfCheck},
    text::short,
};

use super::pods::Listed;
use crate::{endpoint::Endpoint, kubernetes::explain, outbound::Outbound, report::Verdict};

/// How many pods are asked: all have the same identity.
const ASKED: usize = 3;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes of an answer.
const LONGEST: usize = 4096;

/// Asks pods for their self-check.
#[derive(Debug)]
pub struct PodClient {
    http: reqwest::Client,
    outbound: Outbound,
}

impl PodClient {
    /// One that goes where `outbound` lets it.
    pub fn new(outbound: Outbound) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // pods are not behind the cluster's proxy
            .no_proxy()
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { http, outbound })
    }

    /// Whether the pods of `endpoint` can read the originals, as they say. They are listed, if they were not yet.
    pub async fn originals(&self, client: &Client, endpoint: &Endpoint, listed: Option<Listed>) -> Verdict {
        let listed = match listed {
            Some(listed) => Ok(listed),
            None => Listed::of(client, endpoint).await,
        };
        let pods = match listed {
            Ok(listed) => listed.pods,
            Err(error) => return Verdict::unknown(Reason::KubernetesError, explain(&error)),
        };
        let port = endpoint.settings.admin_listen.port();
        let addresses: Vec<_> = pods.iter().filter_map(address).take(ASKED).map(|address| SocketAddr::new(address, port)).collect();
        judge(&self.ask_all(&addresses).await, port)
    }

    /// The answers of all. If there is none they are asked again: what got lost would be told until the next look, minutes later.
    async fn ask_all(&self, addresses: &[SocketAddr]) -> Vec<SelfCheck> {
        for _ in 0..2 {
            let answers: Vec<_> = join_all(addresses.iter().map(|address| self.ask(*address))).await.into_iter().flatten().collect();
            if !answers.is_empty() {
                return answers;
            }
        }
        vec![]
    }

    async fn ask(&self, address: SocketAddr) -> Option<SelfCheck> {
        let url = format!("http://{address}{}", self_check::PATH);
        self.outbound.check(&url).ok()?;
        let mut answer = self.http.get(url).send().await.ok()?.error_for_status().ok()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST {
                return None;
            }
        }
        serde_json::from_slice(&body).ok()
    }
}

/// Where a pod that serves can be asked. One in the host's network has the address of the node, where others listen too.
fn address(pod: &Pod) -> Option<IpAddr> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let is_ready = conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let is_on_host = pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or(false);
    let is_leaving = pod.metadata.deletion_timestamp.is_some();
    status.pod_ip.as_ref().filter(|_| is_ready && !is_on_host && !is_leaving)?.parse().ok()
}

/// The pods' answers → what is told of them: the worst counts.
fn judge(answers: &[SelfCheck], port: u16) -> Verdict {
    let rank = |check: &&SelfCheck| match check.originals {
        Access::Allowed => 0,
        Access::Unknown => 1,
        Access::Unreachable => 2,
        Access::BucketMissing => 3,
        Access::Denied => 4,
        Access::CredentialsInvalid => 5,
    };
    let Some(worst) = answers.iter().max_by_key(rank) else {
        let message = format!("no pod tells the operator whether it can read the originals: is port {port} of the pods open to it?");
        return Verdict::unknown(Reason::PodsUnreachable, message);
    };
    let said = short(&worst.message);
    match worst.originals {
        Access::Allowed => stores(answers),
        Access::Unknown if said.is_empty() => Verdict::unknown(Reason::Verifying, "the pods have not looked at the bucket yet"),
        Access::Unknown => {
            Verdict::unknown(Reason::AccessUnclear, format!("the pods cannot tell whether they may read the originals: {said}"))
        }
        Access::Unreachable => Verdict::no(Reason::S3Unreachable, format!("S3 does not answer the pods: {said}")),
        Access::BucketMissing => Verdict::no(Reason::BucketNotFound, "the pods find no such bucket: look at bucket.endpoint and region"),
        Access::Denied => Verdict::no(Reason::AccessDenied, format!("S3 denies the pods the originals: {said}")),
        Access::CredentialsInvalid => Verdict::no(
            Reason::InvalidCredentials,
            format!("the pods have no credentials that S3 accepts (those of the Secret, else of workload.serviceAccountName): {said}"),
        ),
    }
}

/// Originals can be read. Derivatives that cannot be stored are shown all the same, and made at each visit.
fn stores(answers: &[SelfCheck]) -> Verdict {
    let is_refused = |check: &SelfCheck| !matches!(check.derivatives, Access::Allowed | Access::Unknown);
    if answers.iter().any(is_refused) {
        let message = "the pods can read originals, but S3 refuses what they store, so each visit makes it anew: allow them s3:PutObject";
        return Verdict::yes(Reason::PodsCannotStore, message);
    }
    Verdict::yes(Reason::PodsCanRead, "the pods can read originals")
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;

    fn check(originals: Access, derivatives: Access, message: &str) -> SelfCheck {
        SelfCheck { originals, derivatives, message: message.to_owned() }
    }

    #[test]
    fn the_worst_answer_counts_and_silence_is_no_answer() {
        use Access::{Allowed, BucketMissing, CredentialsInvalid, Denied, Unknown, Unreachable};
        let well = || check(Allowed, Allowed, "");
        for (answers, holds, reason) in [
            (vec![], None, Reason::PodsUnreachable),
            (vec![well(), check(Allowed, Unknown, "")], Some(true), Reason::PodsCanRead),
            (vec![check(Allowed, Denied, ""), well()], Some(true), Reason::PodsCannotStore),
            (vec![well(), check(Unknown, Unknown, "")], None, Reason::Verifying),
            (vec![check(Unknown, Unknown, "denied")], None, Reason::AccessUnclear),
            (vec![well(), check(Denied, Denied, "")], Some(false), Reason::AccessDenied),
            (vec![check(Denied, Unknown, ""), check(CredentialsInvalid, Unknown, "")], Some(false), Reason::InvalidCredentials),
            (vec![check(BucketMissing, Unknown, "")], Some(false), Reason::BucketNotFound),
            (vec![check(Unreachable, Unknown, ""), well()], Some(false), Reason::S3Unreachable),
        ] {
            let verdict = judge(&answers, 9090);
            assert_eq!((verdict.holds, verdict.reason), (holds, reason), "{answers:?}");
        }
        let long = judge(&[check(Denied, Unknown, &"a\n".repeat(5000))], 9090);
        assert!(long.message.len() < 300 && !long.message.contains('\n'), "{}", long.message);
    }

    /// A pod of a tenant may answer whatever it likes.
    #[tokio::test]
    async fn an_answer_without_end_or_from_this_machine_is_no_answer() {
        let endless = || async {
            let spaces = futures::stream::repeat(Ok::<_, std::convert::Infallible>(axum::body::Bytes::from_static(&[b' '; 1024])));
            axum::body::Body::from_stream(spaces)
        };
        let well = || async { r#"{"originals":"Allowed"}"# };
        for (answer, local, told) in
            [(axum::routing::get(endless), true, false), (axum::routing::get(well), true, true), (axum::routing::get(well), false, false)]
        {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let router = axum::Router::new().route(self_check::PATH, answer);
            tokio::spawn(async move { axum::serve(listener, router).await });
            let pods = PodClient::new(Outbound::new(local)).unwrap();
            assert_eq!(pods.ask(address).await.is_some(), told, "loopback allowed: {local}");
        }
    }

    #[tokio::test]
    async fn a_pod_whose_answer_got_lost_is_asked_once_more() {
        for (lost, told) in [(1, 1), (2, 0)] {
            let calls = Arc::new(AtomicUsize::new(0));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let counted = calls.clone();
            let answer = move || async move {
                let is_lost = counted.fetch_add(1, Ordering::Relaxed) < lost;
                if is_lost { Err(StatusCode::BAD_GATEWAY) } else { Ok(r#"{"originals":"Allowed"}"#) }
            };
            let router = axum::Router::new().route(self_check::PATH, axum::routing::get(answer));
            tokio::spawn(async move { axum::serve(listener, router).await });
            let pods = PodClient::new(Outbound::new(true)).unwrap();
            assert_eq!((pods.ask_all(&[address]).await.len(), calls.load(Ordering::Relaxed)), (told, 2), "{lost} lost");
        }
    }

    #[test]
    fn only_a_pod_that_serves_in_a_network_of_its_own_is_asked() {
        let pod = |ready: &str, on_host: bool, leaving: bool| -> Pod {
            let mut metadata = json!({ "name": "p" });
            if leaving {
                metadata["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
            }
            let status = json!({ "podIP": "10.0.0.1", "conditions": [{ "type": "Ready", "status": ready }] });
            serde_json::from_value(json!({ "metadata": metadata, "spec": { "hostNetwork": on_host, "containers": [] }, "status": status }))
                .unwrap()
        };
        assert_eq!(address(&pod("True", false, false)), Some([10, 0, 0, 1].into()));
        for other in [pod("False", false, false), pod("True", true, false), pod("True", false, true), Pod::default()] {
            assert_eq!(address(&other), None);
        }
    }
}
