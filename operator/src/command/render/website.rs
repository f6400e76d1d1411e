//! A bucket's website configuration as it is → what would change in it, line by line. It touches the network, and only reads.

use aws_sdk_s3::types::{self, WebsiteConfiguration};
use resize_api::status::Record;
use serde::Serialize;

use crate::{
    bucket::{
        client::{Bucket, Shared},
        website::{
            Website as _,
            merge::{self, Plan},
        },
    },
    command::form::Outcome,
    endpoint::Endpoint,
    report::Verdict,
};

/// What would change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Whether the operator would write.
    pub changes: bool,
    /// The configuration; each line begins with a space, with `+` or with `-`.
    pub lines: Vec<String>,
    /// Why it cannot be said, or why nothing can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Looks at the bucket of `endpoint`, whose status holds `record`.
pub async fn look(endpoint: &Endpoint, record: &Record, s3: &Shared) -> (Difference, Outcome) {
    let not = |verdict: &Verdict, lines, outcome| {
        let problem = Some(format!("{}: {}", verdict.reason, verdict.message));
        (Difference { changes: false, lines, problem }, outcome)
    };
    let live = match Bucket::new(s3, &endpoint.bucket, None, None).get().await {
        Ok(live) => live,
        Err(error) => return not(&Verdict::no(error.reason, error.message), Vec::new(), Outcome::Unseen),
    };
    let before = live.as_ref().map(lines).unwrap_or_default();
    let recorded: Vec<_> = record.rules.iter().chain(&record.left).cloned().collect();
    match merge::apply(live.as_ref(), &recorded, &endpoint.wanted) {
        Ok((Plan::Put(next), _)) => (Difference { changes: true, lines: compare(&before, &lines(&next)), problem: None }, Outcome::Well),
        Ok(_) => (Difference { changes: false, lines: compare(&before, &before), problem: None }, Outcome::Well),
        Err(refusal) => {
            let verdict = Verdict::no(refusal.reason(), refusal.to_string());
            not(&verdict, compare(&before, &before), Outcome::Wrong)
        }
    }
}

/// A configuration, a line for each of its parts.
fn lines(config: &WebsiteConfiguration) -> Vec<String> {
    let index = config.index_document().map(|index| format!("index document {}", index.suffix()));
    let error = config.error_document().map(|error| format!("error document {}", error.key()));
    let all = config.redirect_all_requests_to().map(|all| format!("all requests go to {}", all.host_name()));
    [index, error, all].into_iter().flatten().chain(config.routing_rules().iter().map(rule)).collect()
}

/// A routing rule in one line: which requests, and where they go. `*` is the rest of the key.
pub fn rule(rule: &types::RoutingRule) -> String {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let condition = rule.condition();
    let status = text(condition.and_then(types::Condition::http_error_code_returned_equals)).unwrap_or_else(|| "any".to_owned());
    let prefix = text(condition.and_then(types::Condition::key_prefix_equals)).unwrap_or_default();
    let Some(redirect) = rule.redirect() else { return format!("{status} {prefix}*") };
    let code = text(redirect.http_redirect_code()).unwrap_or_else(|| "301".to_owned());
    let protocol = redirect.protocol().map(|protocol| format!("{protocol}:")).unwrap_or_default();
    let host = text(redirect.host_name()).map_or_else(String::new, |host| format!("{protocol}//{host}"));
    let key = match (text(redirect.replace_key_with()), redirect.replace_key_prefix_with()) {
        (Some(key), _) => key,
        (None, Some(new)) => format!("{new}*"),
        (None, None) => format!("{prefix}*"),
    };
    format!("{status} {prefix}* -> {code} {host}/{key}")
}

/// What became of each line.
fn compare(before: &[String], after: &[String]) -> Vec<String> {
    let mut rest = before;
    let mut compared = Vec::new();
    for line in after {
        match rest.iter().position(|known| known == line) {
            Some(at) => {
                compared.extend(rest[..at].iter().map(|gone| format!("-{gone}")));
                compared.push(format!(" {line}"));
                rest = &rest[at + 1..];
            }
            None => compared.push(format!("+{line}")),
        }
    }
    compared.extend(rest.iter().map(|gone| format!("-{gone}")));
    compared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_stay_go_and_come() {
        let lines = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        for (before, after, expect) in
            [("a b c", "a b c", " a  b  c"), ("a b c", "a x c", " a +x -b  c"), ("a b", "b a", "-a  b +a"), ("a b", "x a b", "+x  a  b")]
        {
            assert_eq!(compare(&lines(before), &lines(after)).join(" "), expect);
        }
        assert_eq!(compare(&[], &lines("a")), ["+a"]);
        assert_eq!(compare(&lines("a"), &[]), ["-a"]);
    }
}
