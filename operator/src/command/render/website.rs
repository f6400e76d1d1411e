//! A bucket's website configuration as it is → what would change in it, line by line. It touches the network, and only reads.

use aws_sdk_s3::types::WebsiteConfiguration;
use resize_api::{
    ResizeEndpoint,
    condition::Reason,
    routing::{RoutingManagement, RoutingRule},
    status::Record,
};

use super::rendered::{Difference, Rendered};
use crate::{
    bucket::{
        client::{Bucket, Shared},
        website::{
            Website as _,
            merge::{self, Plan, Refusal, describe},
        },
    },
    command::form::Outcome,
    config::Config,
    endpoint::{Endpoint, removes_rules},
    store_id::StoreId,
    tenancy::policy::is_named,
};

/// Looks at the bucket of `endpoint`, which is that of `resource`, and says in `rendered` what the operator would do there.
pub async fn look(resource: &ResizeEndpoint, endpoint: &Endpoint, config: &Config, s3: &Shared, rendered: &mut Rendered) -> Outcome {
    let status = resource.status.clone().unwrap_or_default();
    let is_here = status.store.as_ref().is_none_or(|store| StoreId::from(store) == endpoint.bucket.store());
    let record = if is_here { Record::from(&status) } else { Record::default() };
    let takes_out = removes_rules(resource) && (record.created || !record.rules.is_empty());
    if resource.spec.suspend || endpoint.is_direct() && !takes_out {
        return Outcome::Well;
    }
    let mut unseen = |problem: String| {
        rendered.website = Some(Difference { changes: false, lines: Vec::new(), problem: Some(problem) });
        Outcome::Unseen
    };
    if !is_named(&config.s3, &endpoint.bucket) {
        let store = endpoint.bucket.store();
        return unseen(format!(
            "{store} is not asked: the credentials of this environment go only to the store of --s3-endpoint, else AWS, and to \
             --s3-allowed-endpoints"
        ));
    }
    let live = match Bucket::new(s3, &endpoint.bucket, None, None).get().await {
        Ok(live) => live,
        Err(error) => return unseen(format!("{}: {}", error.reason, error.message)),
    };
    let (difference, outcome) = match plan(endpoint, &record, live.as_ref()) {
        Ok((difference, rules)) => {
            rendered.routing_rules = rules;
            (difference, Outcome::Well)
        }
        Err(refusal) => {
            let lines = live.as_ref().map(lines).unwrap_or_default();
            let problem = Some(format!("{}: {refusal}", refusal.reason()));
            (Difference { changes: false, lines: compare(&lines, &lines), problem }, Outcome::Wrong)
        }
    };
    rendered.website = Some(difference);
    outcome
}

/// What the operator would make of the configuration `live`, and the rules that it then holds for the endpoint.
fn plan(endpoint: &Endpoint, record: &Record, live: Option<&WebsiteConfiguration>) -> Result<(Difference, Vec<RoutingRule>), Refusal> {
    let (plan, rules) = if endpoint.is_direct() {
        (merge::remove(live, &record.rules, record.created), Vec::new())
    } else {
        let recorded: Vec<_> = record.rules.iter().chain(&record.left).cloned().collect();
        merge::apply(live, &recorded, &endpoint.wanted)?
    };
    let is_observed = !endpoint.is_direct() && endpoint.management == RoutingManagement::Observe;
    let waits = is_observed && !merge::holds(live, &rules);
    let before = live.map(lines).unwrap_or_default();
    let after = match &plan {
        Plan::Put(next) if !is_observed || waits => lines(next),
        Plan::Delete => Vec::new(),
        _ => before.clone(),
    };
    let problem = waits.then(|| format!("{}: others have to write what is marked with +", Reason::WaitingForExternalWriter));
    Ok((Difference { changes: plan != Plan::Keep && !is_observed, lines: compare(&before, &after), problem }, rules))
}

/// A configuration, a line for each of its parts.
fn lines(config: &WebsiteConfiguration) -> Vec<String> {
    let index = config.index_document().map(|index| format!("index document {}", index.suffix()));
    let error = config.error_document().map(|error| format!("error document {}", error.key()));
    let all = config.redirect_all_requests_to().map(|all| format!("all requests go to {}", all.host_name()));
    [index, error, all].into_iter().flatten().chain(config.routing_rules().iter().map(describe)).collect()
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
