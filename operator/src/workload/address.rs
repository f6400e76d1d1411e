//! The Ingress as it is → whether a controller has taken it. Pure.

use k8s_openapi::{
    api::networking::v1::Ingress,
    jiff::{SignedDuration, Timestamp},
};
use kube::ResourceExt;

/// How long a controller may take until it gives an Ingress its address.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);

/// Whether visitors may find the way to the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// As far as can be seen.
    Given,
    /// A controller may give it any moment.
    Expected,
    /// Nobody gives it; the text says of what, and what to do.
    Missing(String),
}

/// Looks whether the `ingress`, if there is one, has an address.
pub fn of(ingress: Option<&Ingress>, now: Timestamp) -> Address {
    let Some(ingress) = ingress else { return Address::Given };
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    if balancer.and_then(|balancer| balancer.ingress.as_ref()).is_some_and(|addresses| !addresses.is_empty()) {
        return Address::Given;
    }
    let created = ingress.creation_timestamp().map_or(now, |created| created.0);
    if now.duration_since(created) < PATIENCE {
        return Address::Expected;
    }
    let class = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
    let class = class.map_or_else(|| "the cluster's default IngressClass".to_owned(), |class| format!("IngressClass {class}"));
    Address::Missing(format!(
        "Ingress {} has no address after a minute: look whether {class} exists and its controller runs; one that tells no addresses may \
         serve all the same",
        ingress.name_any()
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_ingress_without_an_address_is_told_after_a_minute() {
        let ingress = |spec: serde_json::Value, status: serde_json::Value| {
            let metadata = json!({ "name": "photos-resizer", "creationTimestamp": "1970-01-01T00:00:00Z" });
            serde_json::from_value::<Ingress>(json!({ "metadata": metadata, "spec": spec, "status": status })).unwrap()
        };
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let none = ingress(json!({ "ingressClassName": "none" }), json!({ "loadBalancer": {} }));
        assert_eq!(of(Some(&none), at(59)), Address::Expected);
        let Address::Missing(text) = of(Some(&none), at(60)) else { panic!("an address was seen") };
        assert!(text.contains("photos-resizer") && text.contains("IngressClass none"), "{text}");
        let given = ingress(json!({}), json!({ "loadBalancer": { "ingress": [{ "ip": "198.18.0.1" }] } }));
        assert_eq!((of(Some(&given), at(60)), of(None, at(60))), (Address::Given, Address::Given));
    }
}
