//! Tables and properties of the merge.

use aws_sdk_s3::types::{Condition, ErrorDocument, Redirect, RedirectAllRequestsTo, RoutingRule as LiveRule};
use proptest::{collection::vec, option, prelude::*, sample::select};
use resize_api::{Resolution, routing::KeyIn};

use super::*;
use crate::endpoint::rules::RedirectTarget;

fn wanted(resolutions: &[&str]) -> Wanted {
    wanted_at("resize.example.com", resolutions)
}

fn wanted_at(host: &str, resolutions: &[&str]) -> Wanted {
    let target = RedirectTarget { protocol: Protocol::Http, host: host.into(), path: "/default/resize".into(), key_in: KeyIn::Query };
    Wanted::new(&resolutions.iter().map(|text| text.parse::<Resolution>().unwrap()).collect(), &target)
}

fn foreign(prefix: Option<&str>, code: Option<&str>) -> LiveRule {
    LiveRule::builder()
        .condition(
            Condition::builder()
                .set_key_prefix_equals(prefix.map(Into::into))
                .set_http_error_code_returned_equals(code.map(Into::into))
                .build(),
        )
        .redirect(Redirect::builder().host_name("other.example.com").replace_key_with("error.html").build())
        .build()
}

fn website(rules: Vec<LiveRule>) -> WebsiteConfiguration {
    let mut config = created();
    config.error_document = Some(ErrorDocument::builder().key("error.html").build().unwrap());
    config.routing_rules = Some(rules).filter(|rules| !rules.is_empty());
    config
}

fn put(plan: Plan) -> WebsiteConfiguration {
    match plan {
        Plan::Put(config) => config,
        other => panic!("want Put, got {other:?}"),
    }
}

#[test]
fn creates_a_website_where_there_is_none_and_removes_it() {
    let (plan, ours) = apply(None, &[], &wanted(&["300x300"])).unwrap();
    let live = put(plan);
    assert_eq!(live.index_document().unwrap().suffix(), "index.html");
    assert_eq!(live.routing_rules().len(), 1);
    assert_eq!(remove(Some(&live), &ours, true), Plan::Delete);
}

#[test]
fn leaves_a_website_that_others_began_to_use() {
    let (plan, ours) = apply(None, &[], &wanted(&["300x300"])).unwrap();
    let mut live = put(plan);
    live.error_document = Some(ErrorDocument::builder().key("error.html").build().unwrap());
    assert_eq!(remove(Some(&live), &ours, true), Plan::Put(website(vec![])));
}

#[test]
fn stands_before_a_broader_rule_and_behind_the_others() {
    let rules = vec![foreign(Some("docs/"), None), foreign(Some(""), Some("404")), foreign(None, Some("500"))];
    let (plan, _) = apply(Some(&website(rules)), &[], &wanted(&["300x300", "640x0"])).unwrap();
    let order: Vec<_> = put(plan).routing_rules().iter().map(|rule| prefix(rule).to_owned()).collect();
    assert_eq!(order, ["docs/", "300x300/", "640x0/", "", ""]);
}

#[test]
fn an_empty_prefix_and_an_absent_one_are_the_same() {
    let wanted = wanted(&[]);
    let mut live = website(vec![to_s3(&wanted.catch_all)]);
    live.routing_rules.as_mut().unwrap()[0].condition.as_mut().unwrap().key_prefix_equals = None;
    assert_eq!(apply(Some(&live), &[], &wanted).unwrap().0, Plan::Keep);
}

#[test]
fn replaces_what_it_wrote_before() {
    let before = wanted_at("old.example.com", &["300x300", "640x0"]);
    let live = put(apply(Some(&website(vec![foreign(Some("docs/"), Some("404"))])), &[], &before).unwrap().0);
    let (plan, ours) = apply(Some(&live), &before.rules, &wanted(&["300x300"])).unwrap();
    assert_eq!(put(plan), website(vec![foreign(Some("docs/"), Some("404")), to_s3(&ours[0])]));
}

#[test]
fn falls_back_to_one_rule_where_there_is_no_room_for_all() {
    let full = |count: usize| website((0..count).map(|n| foreign(Some(&format!("p{n}/")), Some("404"))).collect());
    let two = wanted(&["300x300", "640x0"]);
    assert_eq!(apply(Some(&full(48)), &[], &two).unwrap().1, two.rules);
    assert_eq!(apply(Some(&full(49)), &[], &two).unwrap().1, std::slice::from_ref(&two.catch_all));
    assert_eq!(apply(Some(&full(50)), &[], &two), Err(Refusal::NoRoom(50)));
}

#[test]
fn refuses_what_cannot_work() {
    let mut redirects = created();
    redirects.index_document = None;
    redirects.redirect_all_requests_to = Some(RedirectAllRequestsTo::builder().host_name("www.example.com").build().unwrap());
    assert_eq!(apply(Some(&redirects), &[], &wanted(&["300x300"])), Err(Refusal::RedirectsAllRequests("www.example.com".into())));

    for (rule, resolutions) in [
        (foreign(Some("300x300/"), Some("404")), &["300x300"][..]),
        (foreign(Some(""), Some("404")), &[]),
        (foreign(None, Some("404")), &[]),
        (foreign(Some("300"), None), &["300x300"]),
        (foreign(None, None), &["300x300"]),
    ] {
        let refusal = apply(Some(&website(vec![rule.clone()])), &[], &wanted(resolutions)).unwrap_err();
        assert_eq!(refusal.reason(), Reason::ConflictingRule, "{rule:?}");
        assert!(refusal.to_string().contains(&describe(&rule)), "{refusal}");
    }
}

#[test]
fn removes_nothing_where_nothing_is_left_to_remove() {
    let ours = wanted(&["300x300"]).rules;
    assert_eq!(remove(None, &ours, true), Plan::Keep);
    assert_eq!(remove(Some(&website(vec![foreign(None, Some("404"))])), &ours, false), Plan::Keep);
}

fn any_website() -> impl Strategy<Value = Option<WebsiteConfiguration>> {
    let prefixes = select(vec![None, Some(""), Some("3"), Some("docs/"), Some("300x300/logos/"), Some("640x0/"), Some("z/")]);
    let codes = select(vec![None, Some("403"), Some("404"), Some("500")]);
    let rule = (prefixes, codes, 0..1000u32).prop_map(|(prefix, code, n)| {
        let mut rule = foreign(prefix, code);
        rule.redirect.as_mut().unwrap().replace_key_with = Some(format!("{n}.html"));
        rule
    });
    let config = (vec(rule, 0..6), any::<bool>()).prop_map(|(rules, error_document)| {
        let mut config = website(rules);
        config.error_document = config.error_document.filter(|_| error_document);
        config
    });
    option::of(config)
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let resolutions = proptest::sample::subsequence(vec!["300x300", "640x0", "0x480", "1200x800"], 0..=4);
    (select(vec!["a.example.com", "b.example.com"]), resolutions).prop_map(|(host, resolutions)| wanted_at(host, &resolutions))
}

/// What `plan` makes of `live`.
fn done(live: Option<WebsiteConfiguration>, plan: Plan) -> Option<WebsiteConfiguration> {
    match plan {
        Plan::Keep => live,
        Plan::Put(config) => Some(config),
        Plan::Delete => None,
    }
}

fn without(config: Option<&WebsiteConfiguration>, ours: &[RoutingRule]) -> Vec<LiveRule> {
    let rules = config.map_or(&[][..], WebsiteConfiguration::routing_rules);
    rules.iter().filter(|rule| !ours.iter().any(|ours| same(rule, ours))).cloned().collect()
}

proptest! {
    #[test]
    fn apply_is_idempotent_and_foreign_parts_survive(start in any_website(), first in any_wanted(), second in any_wanted()) {
        let foreign = without(start.as_ref(), &[]);
        let mut live = start.clone();
        let mut recorded = Vec::new();
        for wanted in [&first, &second] {
            let Ok((plan, ours)) = apply(live.as_ref(), &recorded, wanted) else { continue };
            live = done(live, plan);
            prop_assert_eq!(without(live.as_ref(), &ours), foreign.clone());
            prop_assert!(holds(live.as_ref(), &ours));
            prop_assert_eq!(apply(live.as_ref(), &ours, wanted), Ok((Plan::Keep, ours.clone())));
            if let Some(start) = &start {
                let mut rest = live.clone().unwrap();
                rest.routing_rules.clone_from(&start.routing_rules);
                prop_assert_eq!(&rest, start);
            }
            recorded = ours;
        }
    }

    #[test]
    fn apply_then_remove_gives_back_the_start(start in any_website(), first in any_wanted(), second in any_wanted()) {
        let mut live = start.clone();
        let mut recorded = Vec::new();
        for wanted in [first, second] {
            if let Ok((plan, ours)) = apply(live.as_ref(), &recorded, &wanted) {
                live = done(live, plan);
                recorded = ours;
            }
        }
        let plan = remove(live.as_ref(), &recorded, start.is_none());
        prop_assert_eq!(done(live, plan), start);
    }

    /// Killed between recording and writing, or between writing and recording: nothing of ours is left behind.
    #[test]
    fn a_record_written_ahead_forgets_no_rule(start in any_website(), first in any_wanted(), second in any_wanted(), wrote in any::<bool>()) {
        let Ok((plan, before)) = apply(start.as_ref(), &[], &first) else { return Ok(()) };
        let mut live = done(start.clone(), plan);
        let mut recorded = before.clone();
        if let Ok((plan, ours)) = apply(live.as_ref(), &recorded, &second) {
            recorded.extend(ours);
            if wrote {
                live = done(live, plan);
            }
        }
        let plan = remove(live.as_ref(), &recorded, start.is_none());
        prop_assert_eq!(done(live, plan), start);
    }
}
