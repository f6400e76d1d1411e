//! What may reach the pods, and what they may reach.

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use resize_api::workload;

use super::metadata::metadata;
use crate::endpoint::Endpoint;
use crate::names::selector_labels;

/// Where pods get the credentials of EKS Pod Identity.
const POD_IDENTITY: [&str; 2] = ["169.254.170.23/32", "fd00:ec2::23/128"];

pub(super) fn build(endpoint: &Endpoint, wanted: &workload::NetworkPolicy) -> NetworkPolicy {
    let settings = &endpoint.settings;
    // the store, and the public URL, where pods look what visitors see
    let mut sites = vec![("TCP", endpoint.bucket.port()), ("TCP", settings.url.port())];
    sites.dedup();
    let mut egress = vec![to_anywhere(&[("UDP", 53), ("TCP", 53)]), to_anywhere(&sites)];
    if endpoint.bucket.secret.is_none() {
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
        metadata: metadata(endpoint),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(selector_labels(&endpoint.name)), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: None,
                ports: Some(ports(&[("TCP", settings.listen.port()), ("TCP", settings.admin_listen.port())])),
            }]),
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
