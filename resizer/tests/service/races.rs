//! Random buckets × random interleavings of writers, pods, events and sweeps: in the end every derivative is true or gone.
//!
//! Time is virtual: each request takes a random time, and everything runs beside everything else. Pods take the steps of the real
//! flow, with the real `judge`, `keep` and `settle`; some die in between.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt, join_all, pending};
use proptest::prelude::*;
use resize_api::{ResizedKey, Settings, Variant, sweep::SweepOutcome};
use resizer::{
    command::sweep::run,
    derivative::{
        Kept, Place, keep,
        resolve::resolve,
        settle::{look, settle},
        state::{Source, State, judge},
    },
    guard::capacity::Capacity,
    lifecycle::{brake::MaxDeletions, order::Order, suspicion::Suspicion},
    store::{Metadata, Store, listing::Moment},
    watch::metrics::Metrics,
};
use tokio::time::sleep;

use crate::{
    bucket::{BEGIN, Bucket, Verdict, Witness, derivative, written},
    memory::settings,
};

/// The last one has a name that also means the first one in another format.
const ORIGINALS: [&str; 5] = ["a.png", "b/c.png", "300x300/wide.png", "é.png", "a.png.webp"];
const SHADOW: &str = "a.png.webp";
const RESOLUTIONS: [&str; 2] = ["30x30", "640x0"];
const FOREIGN: [&str; 3] = ["30x30/banner.png", "640x0/b/c.png", "30x30/300x300/wide.png"];
/// Of what visitors ask for, in milliseconds: a second each of the bucket's clock.
const DAY_OF_VISITS: u64 = 2000;

struct World {
    bucket: Arc<Bucket>,
    settings: Settings,
    verdict: Arc<Verdict>,
    /// One of so many pods dies in each of its steps.
    deaths: u64,
}

impl World {
    async fn idle(&self) {
        sleep(Duration::from_millis(self.bucket.random(DAY_OF_VISITS))).await;
    }

    fn original(&self) -> &'static str {
        ORIGINALS[usize::try_from(self.bucket.random(5)).unwrap()]
    }

    /// What a visitor asks for: a size, of an original as it is or in another format.
    fn key(&self) -> ResizedKey {
        let resolution = RESOLUTIONS[usize::try_from(self.bucket.random(2)).unwrap()];
        let suffix = ["", ".webp"][usize::try_from(self.bucket.random(2)).unwrap()];
        written(&format!("{resolution}/{}{suffix}", self.original()))
    }

    /// Somebody replaces or deletes an original. There are few contents, so that some come back.
    async fn write(&self) {
        self.idle().await;
        let key = self.original();
        match self.bucket.random(4) {
            0 => drop(self.bucket.delete(key, None).await),
            content => self.bucket.original(key, &format!("{key} {content}"), 0),
        }
    }

    /// A pod makes a derivative, unless it dies.
    async fn visit(&self) {
        self.idle().await;
        let (asked, store) = (self.key(), Witness::new(&self.bucket, &self.settings, &self.verdict));
        let name = asked.to_string();
        for _ in 0..3 {
            let (found, resolved) = futures::join!(store.head(&name), resolve(&*store, &self.settings, &asked));
            let Ok(Some((key, original))) = resolved else { return };
            let etag = original.etag.unwrap();
            let place =
                Place::of(found.ok().map(|found| (judge(&self.settings, &key, &found.metadata, Source::There(Some(&etag))), found)));
            sleep(Duration::from_millis(self.bucket.random(60))).await;
            let made = derivative(&self.settings, &key, &etag);
            match keep(&*store, &made.key, &made.object, &place).await {
                Ok(Kept::Stored) => {}
                Ok(Kept::Overtaken) => continue,
                _ => return,
            }
            if self.bucket.random(self.deaths) == 0 {
                return;
            }
            match resolve(&*store, &self.settings, &asked).await {
                Ok(Some((now, original))) if now == key && original.etag.as_deref() == Some(&etag) => return,
                Ok(Some(_)) => {}
                _ => break,
            }
        }
        drop(settle(&*store, &self.settings, &asked).await);
    }

    /// An event, which may be of long ago.
    async fn event(&self) {
        self.idle().await;
        let store = Witness::new(&self.bucket, &self.settings, &self.verdict);
        drop(settle(&*store, &self.settings, &self.key()).await);
    }

    async fn sweep(&self) {
        self.idle().await;
        self.sweep_in(0).await;
    }

    /// A sweep, some days from now.
    async fn sweep_in(&self, days: i64) {
        let order = Order {
            dry_run: false,
            force: true,
            purge: false,
            max_deletions: MaxDeletions::default(),
            warm: [].into(),
            prefix: String::new(),
            // the settings are older than everything: only the times of objects make them suspect
            suspicion: Suspicion { now: Moment(self.bucket.now() + days * 86_400), settings_since: Some(Moment(0)) },
            rate: const { NonZeroU32::new(1000).unwrap() },
        };
        let store = Witness::new(&self.bucket, &self.settings, &self.verdict);
        let capacity = Capacity { memory: 64 << 20, workers: 1 };
        let report = run(order, self.settings.clone(), store, capacity, Arc::new(Metrics::new()), pending()).await;
        assert_eq!(report.outcome, SweepOutcome::Complete, "{report:?}");
    }

    /// What is neither true nor somebody else's.
    async fn untrue(&self) -> Vec<String> {
        let mut untrue = Vec::new();
        for key in self.bucket.keys() {
            if !key.split_once('/').is_some_and(|(prefix, _)| RESOLUTIONS.contains(&prefix)) {
                continue;
            }
            let found = look(&*self.bucket, &self.settings, &written(&key)).await.unwrap();
            if !matches!(found, Some((State::Fresh | State::Foreign, _))) {
                untrue.push(format!("{key} {found:?}"));
            }
        }
        untrue
    }
}

/// How much of each happens.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    page: usize,
    latency: u64,
    knows_conditions: bool,
    writes: usize,
    visits: usize,
    events: usize,
    sweeps: usize,
    deaths: u64,
}

fn plan() -> impl Strategy<Value = Plan> {
    let numbers = (0..30_usize, 0..60_usize, 0..10_usize, 0..4_usize, 1..6_u64);
    (any::<u64>(), 1..4_usize, 1..80_u64, any::<bool>(), numbers).prop_map(
        |(seed, page, latency, knows_conditions, (writes, visits, events, sweeps, deaths))| Plan {
            seed,
            page,
            latency,
            knows_conditions,
            writes,
            visits,
            events,
            sweeps,
            deaths,
        },
    )
}

/// Plays a plan; gives deletions, and deletions of what was fresh.
async fn play(plan: &Plan) -> (u64, u64) {
    let mut bucket = Bucket::new(plan.page).seeded(plan.seed);
    bucket.latency = plan.latency;
    bucket.knows_conditions = plan.knows_conditions;
    let mut settings = settings();
    settings.source.exclude_prefixes = Vec::new();
    settings.variants = [Variant::WebP].into();
    for original in ORIGINALS.into_iter().filter(|original| *original != SHADOW) {
        bucket.original(original, &format!("{original} 1"), 86_400 * 10);
    }
    for foreign in FOREIGN {
        bucket.store(foreign, "mine", Metadata::new(), 86_400);
    }
    let world = World { bucket: Arc::new(bucket), settings, verdict: Arc::default(), deaths: plan.deaths };
    let mut actors: Vec<BoxFuture<()>> = Vec::new();
    actors.extend((0..plan.writes).map(|_| world.write().boxed()));
    actors.extend((0..plan.visits).map(|_| world.visit().boxed()));
    actors.extend((0..plan.events).map(|_| world.event().boxed()));
    actors.extend((0..plan.sweeps).map(|_| world.sweep().boxed()));
    join_all(actors).await;
    sleep(Duration::from_millis(DAY_OF_VISITS)).await;
    assert!(world.bucket.now() > BEGIN);
    world.sweep_in(0).await;
    let mut untrue = world.untrue().await;
    // a name that means another original again, because the one of that very name went: times do not show it, so its turn comes
    assert!(untrue.iter().all(|key| key.contains(SHADOW)), "{plan:?} {untrue:?}");
    for day in 1..31 {
        if untrue.is_empty() {
            break;
        }
        world.sweep_in(day).await;
        untrue = world.untrue().await;
    }
    assert_eq!(untrue, Vec::<String>::new(), "{plan:?}");
    for foreign in FOREIGN {
        assert_eq!(world.bucket.object(foreign).unwrap().bytes, "mine");
    }
    let verdict = &world.verdict;
    assert_eq!(*verdict.never.lock().unwrap(), Vec::<String>::new(), "deleted as it was looked at, though fresh: {plan:?}");
    let wrongly = *verdict.wrongly.lock().unwrap();
    if plan.knows_conditions {
        assert_eq!(wrongly, 0, "{plan:?}");
    }
    (*verdict.deletions.lock().unwrap(), wrongly)
}

#[test]
fn in_the_end_every_derivative_is_true_or_gone() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let counted = Mutex::new([[0_u64; 3]; 2]);
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let result = runner.run(&plan(), |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (deletions, wrongly) = runtime.block_on(play(&plan));
        let counts = &mut counted.lock().unwrap()[usize::from(plan.knows_conditions)];
        for (count, number) in counts.iter_mut().zip([1, deletions, wrongly]) {
            *count += number;
        }
        Ok(())
    });
    let [without, with] = *counted.lock().unwrap();
    println!("[cases, deletions, fresh ones deleted whose original stood unchanged]: {with:?} with conditions, {without:?} without");
    result.unwrap();
    assert!(with[1] > 0 && without[1] > 0, "the cases do delete something");
    // without conditions only what is stored between a look and its deletion can be hit, and the next visitor makes it again
    assert!(without[2] * 10 <= without[1], "{without:?}");
}
