//! Our calls interleaved with those of a foreign writer, and killed between any two: no foreign rule is lost by a stale read of
//! ours, our rules converge, and deletion leaves nothing of ours.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Mutex,
};

use aws_sdk_s3::types::{Condition, ErrorDocument, IndexDocument, Redirect, RoutingRule as LiveRule};
use k8s_openapi::jiff::SignedDuration;
use proptest::{collection::vec, prelude::*, sample::select};
use resize_api::routing::{KeyIn, Protocol};

use super::*;
use crate::endpoint::rules::RedirectTarget;

/// What happens right before one of our calls.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Nothing.
    Quiet,
    /// A polite writer adds a rule of its own.
    ForeignAdds,
    /// A polite writer takes a rule of its own out.
    ForeignDrops,
    /// A writer that owns the whole configuration replaces it with its own rules.
    ForeignReplaces,
    /// We are killed; the call is not made.
    Killed,
    /// The call is made, and then we are killed before we hear of it.
    KilledAfter,
}

/// A website, what the foreign writer believes is in it, and the events to come.
#[derive(Default)]
struct World {
    live: Option<WebsiteConfiguration>,
    theirs: Vec<LiveRule>,
    count: u32,
    script: VecDeque<Step>,
    /// What our side read last.
    read: Option<WebsiteConfiguration>,
    dead: bool,
    calls: usize,
}

struct Site(Mutex<World>);

fn dead() -> S3Error {
    S3Error { reason: Reason::S3Unreachable, message: "killed".into() }
}

fn is_foreign(rule: &LiveRule) -> bool {
    rule.redirect().and_then(Redirect::host_name) == Some("foreign.example.com")
}

fn foreign_part(config: Option<&WebsiteConfiguration>) -> Vec<LiveRule> {
    config.map_or(&[][..], WebsiteConfiguration::routing_rules).iter().filter(|rule| is_foreign(rule)).cloned().collect()
}

impl World {
    fn foreign_rule(&mut self) -> LiveRule {
        self.count += 1;
        let condition = Condition::builder().key_prefix_equals(format!("f{}/", self.count)).http_error_code_returned_equals("404").build();
        let redirect = Redirect::builder().host_name("foreign.example.com").replace_key_with("x.html").build();
        LiveRule::builder().condition(condition).redirect(redirect).build()
    }

    fn theirs_alone(&self) -> WebsiteConfiguration {
        WebsiteConfiguration::builder()
            .index_document(IndexDocument::builder().suffix("home.html").build().unwrap())
            .error_document(ErrorDocument::builder().key("sorry.html").build().unwrap())
            .set_routing_rules(Some(self.theirs.clone()).filter(|rules| !rules.is_empty()))
            .build()
    }

    /// Puts the foreign writer's rules in, the others left as they are: what a polite writer does, again and again.
    fn foreign_applies(&mut self) {
        let mut config = self.live.clone().unwrap_or_else(|| self.theirs_alone());
        let others = config.routing_rules().iter().filter(|rule| !is_foreign(rule)).cloned();
        config.routing_rules = Some(self.theirs.iter().cloned().chain(others).collect::<Vec<_>>()).filter(|rules| !rules.is_empty());
        self.live = Some(config);
    }

    /// What happens before a call of ours: whether it is made, and whether its answer is received.
    fn step(&mut self) -> (bool, bool) {
        self.calls += 1;
        match self.script.pop_front().unwrap_or(Step::Quiet) {
            Step::Quiet => {}
            Step::ForeignAdds => {
                let rule = self.foreign_rule();
                self.theirs.push(rule);
                self.foreign_applies();
            }
            Step::ForeignDrops => {
                self.theirs.pop();
                self.foreign_applies();
            }
            Step::ForeignReplaces => self.live = Some(self.theirs_alone()),
            Step::Killed => self.dead = true,
            Step::KilledAfter => {
                self.dead = true;
                return (true, false);
            }
        }
        (!self.dead, !self.dead)
    }
}

impl Site {
    fn write(&self, config: Option<WebsiteConfiguration>) -> Result<(), S3Error> {
        let mut world = self.0.lock().unwrap();
        if world.dead {
            return Err(dead());
        }
        let (made, heard) = world.step();
        if made {
            let kept = foreign_part(config.as_ref());
            assert_eq!(kept, foreign_part(world.read.as_ref()), "a write of ours loses foreign rules that it had read");
            world.live = config;
        }
        if heard { Ok(()) } else { Err(dead()) }
    }
}

impl Website for Site {
    async fn get(&self) -> Result<Option<WebsiteConfiguration>, S3Error> {
        let mut world = self.0.lock().unwrap();
        if world.dead {
            return Err(dead());
        }
        let (_, heard) = world.step();
        world.read = world.live.clone();
        if heard { Ok(world.live.clone()) } else { Err(dead()) }
    }

    async fn put(&self, config: WebsiteConfiguration) -> Result<(), S3Error> {
        self.write(Some(config))
    }

    async fn delete(&self) -> Result<(), S3Error> {
        self.write(None)
    }
}

fn wanted(host: &str, sizes: &[&str]) -> Wanted {
    let target = RedirectTarget { protocol: Protocol::Http, host: host.into(), path: "/default/resize".into(), key_in: KeyIn::Query };
    Wanted::new(&sizes.iter().map(|size| size.parse().unwrap()).collect::<BTreeSet<_>>(), &target)
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let sizes = proptest::sample::subsequence(vec!["300x300", "640x0", "0x480", "1200x800"], 0..=4);
    (select(vec!["a.example.com", "b.example.com"]), sizes).prop_map(|(host, sizes)| wanted(host, &sizes))
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Quiet),
        3 => Just(Step::ForeignAdds),
        1 => Just(Step::ForeignDrops),
        2 => Just(Step::ForeignReplaces),
        1 => Just(Step::Killed),
        1 => Just(Step::KilledAfter),
    ]
}

/// One life of the operator: it reads its record, acts, and stores it again unless it is killed.
async fn live(site: &Site, stored: &Mutex<Record>, wanted: &Wanted, now: Timestamp) -> bool {
    site.0.lock().unwrap().dead = false;
    let recorded = stored.lock().unwrap().clone();
    let write_ahead = async |ahead: &Record| {
        *stored.lock().unwrap() = ahead.clone();
        Ok(())
    };
    let (record, result) = apply(site, &recorded, wanted, now, write_ahead).await;
    if !site.0.lock().unwrap().dead {
        *stored.lock().unwrap() = record;
    }
    result.is_ok()
}

fn ours(config: Option<&WebsiteConfiguration>) -> usize {
    config.map_or(&[][..], WebsiteConfiguration::routing_rules).iter().filter(|rule| !is_foreign(rule)).count()
}

async fn run(start: usize, exists: bool, specs: Vec<Wanted>, script: Vec<Step>) {
    let mut world = World::default();
    for _ in 0..start {
        let rule = world.foreign_rule();
        world.theirs.push(rule);
    }
    if exists {
        world.live = Some(world.theirs_alone());
    }
    world.script = script.into();
    let (site, stored) = (Site(Mutex::new(world)), Mutex::new(Record::default()));
    let mut now = Timestamp::UNIX_EPOCH;
    for spec in &specs {
        live(&site, &stored, spec, now).await;
        now += SignedDuration::from_mins(10);
    }

    // no more faults: the foreign writer reconciles once more, and so does the operator
    let spec = specs.last().unwrap();
    {
        let mut world = site.0.lock().unwrap();
        world.script.clear();
        if exists || world.count > 0 {
            world.foreign_applies();
        }
    }
    now += SignedDuration::from_hours(2);
    assert!(live(&site, &stored, spec, now).await, "does not converge");
    let record = stored.lock().unwrap().clone();
    {
        let world = site.0.lock().unwrap();
        assert_eq!(foreign_part(world.live.as_ref()), world.theirs);
        assert!(merge::holds(world.live.as_ref(), &spec.rules));
        assert_eq!(ours(world.live.as_ref()), spec.rules.len(), "rules of an older spec are left");
        assert_eq!((&record.rules, record.pending), (&spec.rules, false));
    }
    remove(&site, &record).await.unwrap();
    let world = site.0.lock().unwrap();
    assert_eq!((ours(world.live.as_ref()), foreign_part(world.live.as_ref())), (0, world.theirs.clone()));
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn foreign_rules_are_never_lost_and_ours_converge(
        start in 0usize..5, exists in any::<bool>(), specs in vec(any_wanted(), 1..5), script in vec(any_step(), 0..24),
    ) {
        // without a configuration there is nothing foreign yet
        block_on(run(if exists { start } else { 0 }, exists, specs, script));
    }
}

/// One spec, then another, then deletion; killed at every call, before it and after it.
#[test]
fn killed_at_any_call_the_next_life_comes_to_the_same_end() {
    let specs = || vec![wanted("a.example.com", &["300x300"]), wanted("b.example.com", &["640x0"])];
    for exists in [false, true] {
        for kill in [Step::Killed, Step::KilledAfter] {
            for at in 0..9 {
                let mut script = vec![Step::Quiet; at];
                script.push(kill);
                block_on(run(if exists { 2 } else { 0 }, exists, specs(), script));
            }
        }
    }
}

#[test]
fn a_writer_between_reading_and_writing_is_found_by_the_verifying_read() {
    block_on(async {
        let script = vec![Step::Quiet, Step::Quiet, Step::Quiet, Step::ForeignReplaces];
        let site = Site(Mutex::new(World { script: script.into(), ..World::default() }));
        let nothing = async |_: &Record| Ok(());
        let (record, result) = apply(&site, &Record::default(), &wanted("a.example.com", &[]), Timestamp::UNIX_EPOCH, nothing).await;
        assert!(matches!(result, Err(BucketError::ConcurrentWrite)), "{result:?}");
        assert!(record.pending);
        assert_eq!((record.removed.len(), site.0.lock().unwrap().calls), (1, 4));
    });
}

#[test]
fn removed_three_times_in_an_hour_the_bucket_is_left_alone_for_an_hour() {
    block_on(async {
        let (site, stored) = (Site(Mutex::default()), Mutex::default());
        let spec = wanted("a.example.com", &["300x300"]);
        let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        assert!(live(&site, &stored, &spec, at(0)).await);
        for (minute, comes_back) in [(10, true), (20, true), (30, false), (40, false), (89, false), (90, true)] {
            let theirs = site.0.lock().unwrap().theirs_alone();
            site.0.lock().unwrap().live = Some(theirs);
            assert_eq!(live(&site, &stored, &spec, at(minute)).await, comes_back, "minute {minute}");
            assert_eq!(ours(site.0.lock().unwrap().live.as_ref()), usize::from(comes_back), "minute {minute}");
        }
    });
}
