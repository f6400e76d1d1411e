//! NetworkPolicies, enforced: what shall pass passes, what shall not does not.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use serde_json::json;

use crate::lab::{
    self, Lab, Release,
    network::{Network, Reached},
    picture, size,
};

/// The cluster's DNS, where this machine answers for it.
const DNS: (&str, u16) = ("198.19.0.10", 53);
/// The API server, and the S3.
const API: (&str, u16) = ("198.18.255.1", 6443);
const STORE: (&str, u16) = ("198.18.255.1", 7480);
/// Nobody listens there; what comes through is refused.
const CLOSED: u16 = 1;

/// Address of a pod that runs.
fn address(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let ready = status.conditions.iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    (ready && pod.metadata.deletion_timestamp.is_none()).then(|| status.pod_ip.clone()).flatten()
}

/// Somebody in the cluster whom no policy selects.
async fn stranger(lab: &Lab) -> Network {
    let pods: Api<Pod> = Api::namespaced(lab.kube.clone(), &lab.name);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "stranger" },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "pause", "image": "localhost/pause:1", "imagePullPolicy": "Never",
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    }))
    .unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    lab.eventually("the stranger runs", async || address(&pods.get("stranger").await.unwrap()).is_some()).await;
    Network::of(&address(&pods.get("stranger").await.unwrap()).unwrap())
}

/// Waits until from `network` the place is reached like this; what has just been made is known everywhere a little later.
async fn reaches(lab: &Lab, network: &Network, (host, port): (&str, u16), how: Reached) {
    lab.eventually(&format!("{host}:{port} is {how:?}"), async || network.reach(host, port).await == how).await;
}

/// Waits until from `network` nothing comes back from the place, while `open` answers there: a stall of this machine is no judge.
async fn is_kept_from(lab: &Lab, network: &Network, (host, port): (&str, u16), open: (&str, u16)) {
    let mut rounds = 0;
    lab.eventually(&format!("{host}:{port} is dropped"), async || {
        let is_dropped = network.reach(host, port).await == Reached::Dropped && network.reach(open.0, open.1).await == Reached::Open;
        rounds = if is_dropped { rounds + 1 } else { 0 };
        rounds == 2
    })
    .await;
}

async fn the_only_pod(lab: &Lab) -> String {
    lab.eventually("one pod serves", async || lab.pods().await.iter().filter_map(address).count() == 1).await;
    lab.pods().await.iter().find_map(address).unwrap()
}

#[tokio::test]
async fn a_resizer_reaches_its_store_and_dns_and_is_reached_where_it_serves_and_nothing_else() {
    lab::run(async |lab: &Lab| {
        lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
        lab.serve(json!({})).await;
        let stranger = stranger(lab).await;
        let free = the_only_pod(lab).await;
        reaches(lab, &stranger, (&free, CLOSED), Reached::Refused).await;
        reaches(lab, &Network::of(&free), API, Reached::Open).await;

        lab.serve(json!({ "workload": { "networkPolicy": {} } })).await;
        let kept = the_only_pod(lab).await;
        let pod = Network::of(&kept);
        for port in [8080, 9090] {
            reaches(lab, &stranger, (&kept, port), Reached::Open).await;
        }
        is_kept_from(lab, &stranger, (&kept, CLOSED), (&kept, 8080)).await;
        reaches(lab, &pod, STORE, Reached::Open).await;
        lab.eventually("DNS answers", async || pod.asks_dns(DNS.0).await).await;
        is_kept_from(lab, &pod, API, STORE).await;
        is_kept_from(lab, &pod, (&stranger.address, CLOSED), STORE).await;

        // and by the ingress controller, to the store, and back
        let answers = lab.visit("300x300/a.jpg").await;
        assert_eq!(size(&answers.last().unwrap().body), (300, 300), "{answers:?}");

        let egress = json!([{ "ports": [{ "port": API.1, "protocol": "TCP" }] }]);
        lab.serve(json!({ "workload": { "networkPolicy": { "egress": egress } } })).await;
        reaches(lab, &Network::of(&the_only_pod(lab).await), API, Reached::Open).await;
    })
    .await;
}

#[tokio::test]
async fn an_operator_works_behind_its_policy_and_reaches_no_more_than_it_needs() {
    lab::run(async |lab: &Lab| {
        Release::beside(lab, async |release: &Release| {
            let store = format!("s3.endpoint={}", lab::s3::URL);
            release.install(&["--set", "networkPolicy.enabled=true", "--set", &store]).await;
            lab.upload("a.jpg", "image/jpeg", picture(800, 600)).await;
            lab.serve(json!({ "workload": { "networkPolicy": {} } })).await;
            let answers = lab.visit("300x300/a.jpg").await;
            assert_eq!(size(&answers.last().unwrap().body), (300, 300), "{answers:?}");
            lab.wait_for(&lab.name, "PublicUrlVerified", "True").await;

            let pods: Api<Pod> = Api::namespaced(lab.kube.clone(), &lab.name);
            let of_operator = ListParams::default().labels("app.kubernetes.io/name=resize-operator");
            let operator = pods.list(&of_operator).await.unwrap().items.iter().find_map(address).unwrap();
            let network = Network::of(&operator);
            let stranger = stranger(lab).await;
            reaches(lab, &stranger, (&operator, 9090), Reached::Open).await;
            is_kept_from(lab, &stranger, (&operator, CLOSED), (&operator, 9090)).await;
            for place in [API, STORE, (&*the_only_pod(lab).await, 9090)] {
                reaches(lab, &network, place, Reached::Open).await;
            }
            lab.eventually("DNS answers", async || network.asks_dns(DNS.0).await).await;
            // the kubelet, a resizer's other port, any pod
            for place in [("198.18.255.1", 10250), (&*the_only_pod(lab).await, 8080), (&stranger.address, CLOSED)] {
                is_kept_from(lab, &network, place, STORE).await;
            }
        })
        .await;
    })
    .await;
}
