//! What may reach the pods, and what they may reach.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use resize_api::workload;

use super::metadata::{metadata, named};
use crate::{
    endpoint::{Endpoint, derivatives::Derivatives, port_of},
    names::{DERIVATIVES, derivatives_name, labels, selector_labels},
};

/// Where pods get the credentials of EKS Pod Identity.
const POD_IDENTITY: [&str; 2] = ["169.254.170.23/32", "fd00:ec2::23/128"];

pub(super) fn build(endpoint: &Endpoint, wanted: &workload::NetworkPolicy) -> NetworkPolicy {
    let settings = &endpoint.settings;
    let mut sites = vec![("TCP", endpoint.bucket.port())];
    if !endpoint.is_direct() {
        // the public URL, where pods look what visitors see
        sites.push(("TCP", settings.url.port()));
    }
    let ingress = vec![("TCP", settings.listen.port()), ("TCP", settings.admin_listen.port())];
    let pods = selector_labels(&endpoint.name);
    policy(metadata(endpoint), pods, sites, endpoint.bucket.secret.is_none(), &ingress, wanted)
}

/// The same for the pods that keep derivatives true: they reach the queue too, and are reached by notifications.
pub(super) fn of_derivatives(endpoint: &Endpoint, derivatives: &Derivatives, wanted: &workload::NetworkPolicy) -> NetworkPolicy {
    let settings = &endpoint.settings;
    let mut sites = vec![("TCP", endpoint.bucket.port()), ("TCP", settings.url.port())];
    let queue = derivatives.events.as_ref().and_then(|events| events.sqs.as_ref()).map(|sqs| port_of(&sqs.queue_url));
    sites.extend(queue.map(|port| ("TCP", port)));
    let pods = labels([(DERIVATIVES, &endpoint.name)]);
    let metadata = named(endpoint, derivatives_name(&endpoint.name), "derivatives");
    policy(metadata, pods, sites, derivatives.secret.is_none(), &[("TCP", settings.admin_listen.port())], wanted)
}

fn policy(
    metadata: ObjectMeta,
    pods: BTreeMap<String, String>,
    mut sites: Vec<(&str, u16)>,
    is_ambient: bool,
    ingress: &[(&str, u16)],
    wanted: &workload::NetworkPolicy,
) -> NetworkPolicy {
    let mut seen = BTreeSet::new();
    sites.retain(|site| seen.insert(*site));
    let mut egress = vec![to_anywhere(&[("UDP", 53), ("TCP", 53)]), to_anywhere(&sites)];
    if is_ambient {
        // AWS' token service, whatever the store is, and the agent on the node
        egress.push(to_anywhere(&[("TCP", 443)]));
        let blocks = POD_IDENTITY.map(|cidr| NetworkPolicyPeer {
            ip_block: Some(IPBlock { cidr: cidr.to_owned(), except: None }),
            ..NetworkPolicyPeer::default()
        });
        egress.push(NetworkPolicyEgressRule { to: Some(blocks.into()), ports: Some(ports(&[("TCP", 80)])) });
    }
    egress.extend(wanted.egress.iter().cloned());
    NetworkPolicy {
        metadata,
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(pods), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule { from: None, ports: Some(ports(ingress)) }]),
            egress: Some(egress),
        }),
    }
}

fn to_anywhere(to: &[(&str, u16)]) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: None, ports: Some(ports(to)) }
}

fn ports(ports: &[(&str, u16)]) -> Vec<NetworkPolicyPort> {
    let port = |(protocol, port): &(&str, u16)| NetworkPolicyPort {
        protocol: Some((*protocol).to_owned()),
        port: Some(IntOrString::Int(i32::from(*port))),
        end_port: None,
    };
    ports.iter().map(port).collect()
}
