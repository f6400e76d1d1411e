//! The status of every endpoint → what does not hold, and what to do. It touches the network.

use kube::{Client, ResourceExt as _, api::ListParams};
use resize_api::{
    ResizeEndpoint,
    condition::{ConditionType, Reason},
    status::ResizeEndpointStatus,
};

use super::finding::Finding;
use crate::{
    heard::Heard,
    kubernetes::explain,
    report::{Verdict, said},
    watch::scope::api,
};

/// Looks at those of `namespace`, or at all.
pub async fn look(client: &Client, namespace: Option<&str>) -> Vec<Finding> {
    let place = namespace.map(|name| format!(" of namespace {name}")).unwrap_or_default();
    let listed = match api::<Heard>(client, namespace).list(&ListParams::default()).await {
        Ok(listed) => listed.items,
        // that the definition is missing is told already
        Err(kube::Error::Api(status)) if status.code == 404 => return Vec::new(),
        Err(error) => return vec![Finding::unknown(format!("endpoints{place}"), format!("they cannot be listed: {}", explain(&error)))],
    };
    if listed.is_empty() {
        return vec![Finding::ok(format!("endpoints{place}"), "there are none")];
    }
    listed.iter().flat_map(|heard| judge(&heard.0)).collect()
}

/// What is seen of one endpoint: the conditions that do not hold, or that it serves.
fn judge(resource: &ResizeEndpoint) -> Vec<Finding> {
    let subject = format!("endpoint {}/{}", resource.namespace().unwrap_or_default(), resource.name_any());
    let unseen = ResizeEndpointStatus::default();
    let status = resource.status.as_ref().unwrap_or(&unseen);
    let mut found = Vec::new();
    if status.observed_generation != resource.metadata.generation && resource.metadata.deletion_timestamp.is_none() {
        let advice = "see whether an operator leads, and read its log";
        found.push(Finding::wrong(&*subject, "its spec, as it is now, was not looked at yet", advice));
    }
    let ready = said(status, ConditionType::Ready);
    let is_kept = |verdict: &Verdict| verdict.holds == Some(true) || verdict.reason == Reason::Suspended;
    let is_ready = ready.as_ref().is_some_and(is_kept);
    let own = ConditionType::ALL.iter().filter(|type_| **type_ != ConditionType::Ready);
    let failing: Vec<_> = own
        .filter_map(|type_| Some((*type_, said(status, *type_)?)))
        .filter(|(type_, verdict)| holds_up(*type_, verdict, is_ready))
        .collect();
    found.extend(failing.iter().map(|(type_, verdict)| wrong(&subject, *type_, verdict)));
    match ready {
        Some(ready) if is_ready => {
            found.push(Finding::ok(&*subject, format!("{}: {}", ready.reason, ready.message)).with_advice(ready.reason.advice()));
        }
        Some(ready) if failing.is_empty() => found.push(wrong(&subject, ConditionType::Ready, &ready)),
        _ => {}
    }
    found
}

/// Whether a condition is to be told of: one that is false, or not known and the cause that the endpoint is not ready.
fn holds_up(type_: ConditionType, verdict: &Verdict, is_ready: bool) -> bool {
    match verdict.holds {
        Some(holds) => !holds && (!is_ready || type_ == ConditionType::DerivativesCurrent),
        None => !is_ready && verdict.reason != Reason::NotAttempted && type_ != ConditionType::DerivativesCurrent,
    }
}

fn wrong(subject: &str, type_: ConditionType, verdict: &Verdict) -> Finding {
    let status = if verdict.holds == Some(false) { "False" } else { "Unknown" };
    let advice = verdict.reason.advice().unwrap_or("wait: it is on its way");
    Finding::wrong(subject, format!("{type_}={status} {}: {}", verdict.reason, verdict.message), advice)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::finding::State, *};
    use crate::testing::fixtures::resource;

    fn told(conditions: &[(&str, &str, &str)], generation: i64) -> Vec<(State, String, Option<String>)> {
        let condition = |(type_, status, reason): &(&str, &str, &str)| -> Value {
            json!({ "type": type_, "status": status, "reason": reason, "message": "so it is", "lastTransitionTime": "2026-01-02T03:04:05Z" })
        };
        let conditions: Vec<_> = conditions.iter().map(condition).collect();
        let mut resource = resource();
        resource.status = serde_json::from_value(json!({ "observedGeneration": generation, "conditions": conditions })).unwrap();
        judge(&resource).into_iter().map(|finding| (finding.state, finding.message, finding.advice)).collect()
    }

    #[test]
    fn the_conditions_that_do_not_hold_are_told_with_what_to_do() {
        let serving = told(&[("Accepted", "True", "Valid"), ("Ready", "True", "Serving")], 3);
        assert_eq!(serving, [(State::Ok, "Serving: so it is".to_owned(), None)]);
        let open = told(&[("Ready", "True", "ServingEverySize")], 3);
        assert!(open[0].0 == State::Ok && open[0].2.as_ref().unwrap().starts_with("list the sizes"), "{open:?}");

        let denied = told(
            &[
                ("Accepted", "True", "Valid"),
                ("RoutingRuleApplied", "False", "AccessDenied"),
                ("PublicUrlVerified", "Unknown", "NotAttempted"),
                ("Ready", "False", "AccessDenied"),
            ],
            3,
        );
        assert_eq!(denied.len(), 1, "Ready repeats, and what was not tried is no news: {denied:?}");
        assert_eq!((denied[0].0, denied[0].1.as_str()), (State::Wrong, "RoutingRuleApplied=False AccessDenied: so it is"));
        assert!(denied[0].2.as_ref().unwrap().starts_with("allow the call"), "{denied:?}");

        let waits = told(&[("PublicUrlVerified", "Unknown", "Verifying"), ("Ready", "Unknown", "Verifying")], 3);
        assert_eq!(waits[0].2.as_deref(), Some("wait: it is on its way"));
        let swept = told(&[("DerivativesCurrent", "False", "SweepRefused"), ("Ready", "True", "Serving")], 3);
        assert_eq!(swept.iter().map(|found| found.0).collect::<Vec<_>>(), [State::Wrong, State::Ok]);
        let suspended = told(&[("Accepted", "False", "InvalidSpec"), ("Ready", "False", "Suspended")], 3);
        assert_eq!(suspended.iter().map(|found| found.0).collect::<Vec<_>>(), [State::Ok]);
        let behind = told(&[("Ready", "True", "Serving")], 2);
        assert_eq!(behind.iter().map(|found| found.0).collect::<Vec<_>>(), [State::Wrong, State::Ok]);
        assert_eq!(told(&[], 3).len(), 0);
        assert_eq!(told(&[("Ready", "Unknown", "NotAttempted")], 3)[0].0, State::Wrong);
    }
}
