//! The Ingress or HTTPRoute as it is → whether a controller has taken it. Pure.

use k8s_openapi::{
    api::networking::v1::Ingress,
    jiff::{SignedDuration, Timestamp},
};
use kube::ResourceExt;

use crate::http_route::HTTPRoute;

/// How long a controller may take until it says that it has taken one.
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

impl Address {
    /// Both: the worse counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Missing(_), _) | (_, Self::Given) => self,
            _ => other,
        }
    }
}

/// Looks whether the `ingress`, if there is one, has an address.
pub fn of_ingress(ingress: Option<&Ingress>, now: Timestamp) -> Address {
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

/// Looks whether a Gateway has accepted the `route`, if there is one.
pub fn of_route(route: Option<&HTTPRoute>, now: Timestamp) -> Address {
    let Some(route) = route else { return Address::Given };
    let mut said = route.status.iter().flat_map(|status| &status.parents).flat_map(|parent| &parent.conditions);
    if said.clone().any(|condition| condition.type_ == "Accepted" && condition.status == "True") {
        return Address::Given;
    }
    let created = route.creation_timestamp().map_or(now, |created| created.0);
    if now.duration_since(created) < PATIENCE {
        return Address::Expected;
    }
    let why = said.find(|condition| condition.type_ == "Accepted").map(|condition| format!("{}: {}", condition.reason, condition.message));
    let why = why.unwrap_or_else(|| "look whether the Gateways of gateway.parentRefs exist and their controller runs".to_owned());
    Address::Missing(format!("no Gateway has accepted HTTPRoute {} after a minute: {why}", route.name_any()))
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
        assert_eq!(of_ingress(Some(&none), at(59)), Address::Expected);
        let Address::Missing(text) = of_ingress(Some(&none), at(60)) else { panic!("an address was seen") };
        assert!(text.contains("photos-resizer") && text.contains("IngressClass none"), "{text}");
        let given = ingress(json!({}), json!({ "loadBalancer": { "ingress": [{ "ip": "198.18.0.1" }] } }));
        assert_eq!((of_ingress(Some(&given), at(60)), of_ingress(None, at(60))), (Address::Given, Address::Given));
    }

    #[test]
    fn a_route_that_no_gateway_accepts_is_told_after_a_minute() {
        let route = |parents: serde_json::Value| {
            let metadata = json!({ "name": "photos-resizer", "creationTimestamp": "1970-01-01T00:00:00Z" });
            serde_json::from_value::<HTTPRoute>(json!({ "metadata": metadata, "spec": {}, "status": { "parents": parents } })).unwrap()
        };
        let said = |status: &str| {
            let condition = json!({
                "type": "Accepted", "status": status, "reason": "NotAllowedByListeners", "message": "no", "lastTransitionTime": "1970-01-01T00:00:00Z",
            });
            json!({ "conditions": [condition] })
        };
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let (silent, refused) = (route(json!([])), route(json!([said("False")])));
        assert_eq!((of_route(Some(&silent), at(59)), of_route(Some(&refused), at(59))), (Address::Expected, Address::Expected));
        for (route, says) in [(silent, "gateway.parentRefs"), (refused, "NotAllowedByListeners: no")] {
            let Address::Missing(text) = of_route(Some(&route), at(60)) else { panic!("it was accepted") };
            assert!(text.contains(says), "{text}");
        }
        assert_eq!(of_route(Some(&route(json!([said("False"), said("True")]))), at(60)), Address::Given, "one of several is enough");
    }

    #[test]
    fn of_two_ways_the_worse_counts() {
        let missing = || Address::Missing(String::new());
        for (one, other, worse) in [
            (Address::Given, Address::Expected, Address::Expected),
            (Address::Expected, Address::Given, Address::Expected),
            (Address::Expected, missing(), missing()),
            (missing(), Address::Expected, missing()),
            (Address::Given, Address::Given, Address::Given),
        ] {
            assert_eq!(one.and(other), worse);
        }
    }
}
