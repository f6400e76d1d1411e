//! What endpoints would come to → text: a stream of objects with comments, or lines for people. Pure.

use resize_api::text::printable;
use serde::Serialize;
use serde_json::{Error, Value};

use super::rendered::Rendered;
use crate::{
    bucket::website::merge::{describe, to_s3},
    workload::desired::{DerivativeObjects, Objects},
};

/// All objects, in the order in which the operator applies them.
pub fn objects(objects: &Objects, derivatives: &DerivativeObjects) -> Result<Vec<Value>, Error> {
    let Objects { deployment, service, ingress, route, autoscaler, budget, network_policy } = objects;
    let ours = [
        value(Some(service)),
        value(network_policy.as_ref()),
        value(Some(deployment)),
        value(autoscaler.as_ref()),
        value(budget.as_ref()),
        value(ingress.as_ref()),
        value(route.as_ref()),
    ];
    let DerivativeObjects { sweep, follow, service, network_policy } = derivatives;
    let theirs = [value(network_policy.as_ref()), value(sweep.as_ref()), value(service.as_ref()), value(follow.as_ref())];
    ours.into_iter().chain(theirs).flatten().collect()
}

fn value(object: Option<&impl Serialize>) -> Option<Result<Value, Error>> {
    object.map(serde_json::to_value)
}

/// The objects as documents. What is no object of Kubernetes stands in comments.
pub fn yaml(all: &[Rendered]) -> Result<String, serde_yaml_ng::Error> {
    let mut text = String::new();
    for rendered in all {
        text.extend(summary(rendered, &[]).iter().map(|line| format!("# {line}\n")));
        for object in &rendered.objects {
            text.push_str("---\n");
            text.push_str(&serde_yaml_ng::to_string(object)?);
        }
    }
    Ok(text)
}

/// Lines for people.
pub fn text(all: &[Rendered]) -> String {
    let of = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = |object: &Value| format!("{} {}", of(object, "/kind"), of(object, "/metadata/name"));
    let each = all.iter().map(|rendered| summary(rendered, &rendered.objects.iter().map(named).collect::<Vec<_>>()).join("\n") + "\n");
    each.collect::<Vec<_>>().join("\n")
}

/// Endpoint, verdict, `objects`, rules, and what would change in the bucket: a line for each, whatever is in it.
fn summary(rendered: &Rendered, objects: &[String]) -> Vec<String> {
    let Rendered { namespace, name, accepted, bucket, routing_rules, notes, website, .. } = rendered;
    let holds = if accepted.status { "True" } else { "False" };
    let mut lines = vec![format!("ResizeEndpoint {namespace}/{name}: Accepted={holds} {}: {}", accepted.reason, accepted.message)];
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    lines.extend(objects.iter().map(|object| format!("  {object}")));
    if !routing_rules.is_empty() {
        lines.push(format!("routing rules in bucket {bucket}:"));
        lines.extend(routing_rules.iter().map(|rule| format!("  {}", describe(&to_s3(rule)))));
    }
    if let Some(website) = website {
        let changes = if website.changes { "would change" } else { "stays as it is" };
        lines.push(match &website.problem {
            Some(problem) => format!("the website configuration of bucket {bucket}: {problem}"),
            None => format!("the website configuration of bucket {bucket} {changes}:"),
        });
        lines.extend(website.lines.iter().map(|line| format!("  {line}")));
    }
    lines.iter().map(|line| printable(line)).collect()
}
