//! What we wrote last, what is live, what is wanted → what to do. Pure.
//!
//! A website configuration has many writers. Only our own rules are touched: foreign rules, their order, and all other fields stay
//! as they are.

use std::mem;

use aws_sdk_s3::types::{self, IndexDocument, WebsiteConfiguration};
use resize_api::{
    condition::Reason,
    routing::{Protocol, RoutingRule},
};

use crate::endpoint::rules::Wanted;

/// Most rules that S3 takes.
const MAX_RULES: usize = 50;
/// Index document of a configuration that we create: S3 wants one.
const INDEX: &str = "index.html";

/// What to do with a bucket's website configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// It is as it should be.
    Keep,
    /// Write this one.
    Put(WebsiteConfiguration),
    /// Remove it.
    Delete,
}

/// Why our rules cannot go into a bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// RedirectAllRequestsTo excludes rules.
    #[error(
        "the bucket redirects all its requests to {0}: remove RedirectAllRequestsTo from its website configuration, or use another bucket"
    )]
    RedirectsAllRequests(String),
    /// The bucket is full of other rules.
    #[error("the bucket has {0} other routing rules of at most {MAX_RULES}: remove one")]
    NoRoom(usize),
    /// A foreign rule is for the same requests.
    #[error("another routing rule is for the same requests ({0}): remove it, or set routing.management to Observe")]
    Conflict(String),
}

impl Refusal {
    /// The reason to report.
    pub fn reason(&self) -> Reason {
        match self {
            Self::RedirectsAllRequests(_) => Reason::RedirectsAllRequests,
            Self::NoRoom(_) => Reason::NoRoomForRules,
            Self::Conflict(_) => Reason::ConflictingRule,
        }
    }
}

/// Brings the wanted rules into `live`. `recorded` are the rules that we may have written before.
///
/// Returns the plan and the rules that the bucket then holds for us.
pub fn apply(live: Option<&WebsiteConfiguration>, recorded: &[RoutingRule], wanted: &Wanted) -> Result<(Plan, Vec<RoutingRule>), Refusal> {
    if let Some(to) = live.and_then(WebsiteConfiguration::redirect_all_requests_to) {
        return Err(Refusal::RedirectsAllRequests(to.host_name().to_owned()));
    }
    let rules = live.map_or(&[][..], WebsiteConfiguration::routing_rules);
    // a foreign rule that equals a wanted one counts as ours from now on
    let is_ours = |rule: &types::RoutingRule| recorded.iter().chain(&wanted.rules).chain([&wanted.catch_all]).any(|ours| same(rule, ours));
    let foreign: Vec<_> = rules.iter().filter(|rule| !is_ours(rule)).cloned().collect();

    let ours = if foreign.len() + wanted.rules.len() <= MAX_RULES { wanted.rules.clone() } else { vec![wanted.catch_all.clone()] };
    if foreign.len() + ours.len() > MAX_RULES {
        return Err(Refusal::NoRoom(foreign.len()));
    }
    if let Some(rule) = foreign.iter().find(|rule| ours.iter().any(|ours| takes_over(rule, ours))) {
        return Err(Refusal::Conflict(describe(rule)));
    }

    // our rules keep their place, but go before a broader rule, which would match their requests first
    let standing = rules.iter().position(is_ours).unwrap_or(foreign.len());
    let broader = foreign.iter().position(|rule| on_missing(rule) && ours.iter().any(|ours| covers(rule, ours)));
    let at = standing.min(broader.unwrap_or(foreign.len()));
    let mut merged = foreign;
    merged.splice(at..at, ours.iter().map(to_s3));

    let keep =
        live.is_some() && merged.len() == rules.len() && merged.iter().zip(rules).all(|(merged, live)| normal(merged) == normal(live));
    let plan = if keep {
        Plan::Keep
    } else {
        let mut config = live.cloned().unwrap_or_else(created);
        config.routing_rules = Some(merged);
        Plan::Put(config)
    };
    Ok((plan, ours))
}

/// Takes the `recorded` rules out of `live`; the whole configuration, if we `created` it and nothing foreign is left.
pub fn remove(live: Option<&WebsiteConfiguration>, recorded: &[RoutingRule], was_created: bool) -> Plan {
    let Some(live) = live else { return Plan::Keep };
    let mut rest = live.clone();
    let mut rules = mem::take(&mut rest.routing_rules).unwrap_or_default();
    rules.retain(|rule| !recorded.iter().any(|ours| same(rule, ours)));
    if was_created && rules.is_empty() && rest == created() {
        return Plan::Delete;
    }
    if rules.len() == live.routing_rules().len() {
        return Plan::Keep;
    }
    // S3 refuses an empty list of rules
    rest.routing_rules = Some(rules).filter(|rules| !rules.is_empty());
    Plan::Put(rest)
}

/// Whether `live` holds all of `rules`.
pub fn holds(live: Option<&WebsiteConfiguration>, rules: &[RoutingRule]) -> bool {
    let live = live.map_or(&[][..], WebsiteConfiguration::routing_rules);
    rules.iter().all(|ours| live.iter().any(|rule| same(rule, ours)))
}

/// The configuration that a bucket without one gets.
#[expect(clippy::expect_used, reason = "the suffix, all that the builder wants, is given")]
fn created() -> WebsiteConfiguration {
    let index = IndexDocument::builder().suffix(INDEX).build().expect("suffix is set");
    WebsiteConfiguration::builder().index_document(index).build()
}

/// A rule of ours as S3 has it.
pub fn to_s3(rule: &RoutingRule) -> types::RoutingRule {
    let RoutingRule { condition, redirect } = rule;
    types::RoutingRule::builder()
        .condition(
            types::Condition::builder()
                .key_prefix_equals(&condition.key_prefix_equals)
                .http_error_code_returned_equals(&condition.http_error_code_returned_equals)
                .build(),
        )
        .redirect(
            types::Redirect::builder()
                .protocol(match redirect.protocol {
                    Protocol::Http => types::Protocol::Http,
                    Protocol::Https => types::Protocol::Https,
                })
                .host_name(&redirect.host_name)
                .replace_key_prefix_with(&redirect.replace_key_prefix_with)
                .http_redirect_code(&redirect.http_redirect_code)
                .build(),
        )
        .build()
}

/// Servers drop empty texts, or return absent ones as empty: both mean the same.
fn normal(rule: &types::RoutingRule) -> types::RoutingRule {
    let mut rule = rule.clone();
    let drop_empty = |text: &mut Option<String>| *text = text.take().filter(|text| !text.is_empty());
    if let Some(condition) = &mut rule.condition {
        drop_empty(&mut condition.key_prefix_equals);
        drop_empty(&mut condition.http_error_code_returned_equals);
    }
    if let Some(redirect) = &mut rule.redirect {
        drop_empty(&mut redirect.host_name);
        drop_empty(&mut redirect.http_redirect_code);
        drop_empty(&mut redirect.replace_key_prefix_with);
        drop_empty(&mut redirect.replace_key_with);
    }
    rule
}

fn same(rule: &types::RoutingRule, ours: &RoutingRule) -> bool {
    normal(rule) == normal(&to_s3(ours))
}

fn prefix(rule: &types::RoutingRule) -> &str {
    rule.condition().and_then(types::Condition::key_prefix_equals).unwrap_or_default()
}

fn code(rule: &types::RoutingRule) -> Option<&str> {
    rule.condition().and_then(types::Condition::http_error_code_returned_equals).filter(|code| !code.is_empty())
}

fn on_missing(rule: &types::RoutingRule) -> bool {
    code(rule) == Some("404")
}

/// Whether every request of `ours` is one of `rule`'s prefix.
fn covers(rule: &types::RoutingRule, ours: &RoutingRule) -> bool {
    ours.condition.key_prefix_equals.starts_with(prefix(rule))
}

/// Whether the foreign `rule` and `ours` cannot both work: it is for exactly the same
/// requests, or it redirects all of them before S3 looks whether the object is there.
fn takes_over(rule: &types::RoutingRule, ours: &RoutingRule) -> bool {
    match code(rule) {
        Some("404") => prefix(rule) == ours.condition.key_prefix_equals,
        Some(_) => false,
        None => covers(rule, ours),
    }
}

/// A rule in one line: which requests, and where they go. `*` is the rest of the key.
pub fn describe(rule: &types::RoutingRule) -> String {
    let (prefix, status) = (prefix(rule), code(rule).unwrap_or("any"));
    let Some(redirect) = rule.redirect() else { return format!("{status} {prefix}*") };
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(ToOwned::to_owned);
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

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
