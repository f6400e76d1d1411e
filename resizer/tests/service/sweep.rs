//! Sweeps of a bucket in memory: what goes, what stays, and when nothing goes.

mod variants;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{FutureExt, pending};
use resize_api::{
    Settings,
    sweep::{SweepOutcome, SweepReport},
};
use resizer::{
    command::sweep::run,
    guard::capacity::Capacity,
    lifecycle::{brake::MaxDeletions, metered::Metered, order::Order, suspicion::Suspicion, sweep::Sweep},
    store::{Metadata, StoreError, listing::Moment},
    watch::metrics::Metrics,
};

use crate::{
    bucket::{BEGIN, Bucket, Faults},
    memory::{png, settings},
};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn order() -> Order {
    Order {
        dry_run: false,
        force: false,
        purge: false,
        max_deletions: MaxDeletions::default(),
        warm: [].into(),
        prefix: String::new(),
        suspicion: Suspicion { now: Moment(BEGIN), settings_since: None },
        rate: const { NonZeroU32::new(1_000_000).unwrap() },
    }
}

async fn sweep_until(
    bucket: &Arc<Bucket>,
    settings: &Settings,
    order: Order,
    stop: impl Future<Output = ()> + Send + 'static,
) -> SweepReport {
    let capacity = Capacity { memory: 64 << 20, workers: 2 };
    run(order, settings.clone(), Arc::clone(bucket), capacity, Arc::new(Metrics::new()), stop).await
}

async fn sweep(bucket: &Arc<Bucket>, settings: &Settings, order: Order) -> SweepReport {
    sweep_until(bucket, settings, order, pending()).await
}

/// A derivative of each state, and things that are none of ours.
fn one_of_each(page: usize) -> (Arc<Bucket>, Settings) {
    let (bucket, settings) = (Bucket::new(page), settings());
    let mut other = settings.clone();
    other.recipe.progressive = true;
    let mut old = settings.clone();
    old.allowed_resolutions = ["30x30", "640x0", "300x300"].map(|text| text.parse().unwrap()).into();
    for key in ["a.png", "dir/b.png", "30x30.png", "1920x1080/sea.png", "300x3000", "30x300/wide.png", "한/é+ %.png", "\u{1f600}"] {
        bucket.original(key, "now", 10 * DAY);
    }
    // fresh
    for key in ["30x30/a.png", "640x0/1920x1080/sea.png", "30x30/한/é+ %.png", "30x30/30x300/wide.png", "640x0/\u{1f600}"] {
        bucket.derivative(&settings, key, "now", DAY);
    }
    bucket.derivative(&settings, "30x30/dir/b.png", "earlier", 20 * DAY);
    bucket.derivative(&settings, "30x30/gone.png", "now", DAY);
    bucket.derivative(&other, "640x0/a.png", "now", 6 * DAY);
    bucket.derivative(&old, "300x300/a.png", "now", DAY);
    bucket.derivative(&old, "300x300/gone.png", "now", DAY);
    // foreign, with a name that has an original, and with one that has none
    bucket.store("640x0/dir/b.png", "mine", Metadata::new(), 20 * DAY);
    bucket.store("30x30/banner.png", "mine", Metadata::new(), DAY);
    bucket.store("0300x300/a.png", "mine", Metadata::new(), DAY);
    (Arc::new(bucket), settings)
}

const GOES: [&str; 5] = ["30x30/dir/b.png", "30x30/gone.png", "640x0/a.png", "300x300/a.png", "300x300/gone.png"];

fn numbers(report: &SweepReport) -> [u64; 8] {
    let SweepReport { fresh, stale, orphaned, outdated, retired, foreign, deleted, failed, .. } = *report;
    [fresh, stale, orphaned, outdated, retired, foreign, deleted, failed]
}

#[tokio::test(start_paused = true)]
async fn each_state_ends_as_the_table_says() {
    for page in [1, 2, 3, 1000] {
        for settings_since in [None, Some(Moment(BEGIN - 5 * DAY))] {
            let (bucket, settings) = one_of_each(page);
            let before = bucket.keys();
            let suspicion = Suspicion { settings_since, ..order().suspicion };
            let report = sweep(&bucket, &settings, Order { suspicion, ..order() }).await;
            assert_eq!(report.outcome, SweepOutcome::Complete, "{report:?}");
            let stays: Vec<_> = before.iter().filter(|key| !GOES.contains(&key.as_str())).cloned().collect();
            assert_eq!(bucket.keys(), stays, "pages of {page}");
            assert_eq!(numbers(&report), [5, 1, 2, 1, 1, 4, 5, 0]);
            let again = sweep(&bucket, &settings, order()).await;
            assert_eq!((again.outcome, again.deleted), (SweepOutcome::Complete, 0), "{again:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_suspects_are_asked_for() {
    let (bucket, settings) = (Bucket::new(100), settings());
    for number in 0..300 {
        bucket.original(&format!("{number}.png"), "now", 10 * DAY);
        bucket.derivative(&settings, &format!("30x30/{number}.png"), "now", DAY);
    }
    let bucket = Arc::new(bucket);
    let suspicion = Suspicion { settings_since: Some(Moment(BEGIN - 2 * DAY)), ..order().suspicion };
    let report = sweep(&bucket, &settings, Order { suspicion, ..order() }).await;
    assert_eq!((report.originals, report.fresh, report.deleted), (300, 300, 0));
    assert!(report.head_calls < 30, "those whose turn it is: {}", report.head_calls);
    // folders by ten digits, three pages of each of two listings, the derivatives that are jumped over, and 640x0/
    assert!(report.list_calls <= 10 + 3 + 3 + 2, "{}", report.list_calls);
    assert_eq!(bucket.called("list:"), usize::try_from(report.list_calls).unwrap());
    let all = sweep(&bucket, &settings, order()).await;
    assert_eq!((all.fresh, all.head_calls), (300, 300), "where it is not known since when the settings hold");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_a_prefix_and_a_purge() {
    let (bucket, settings) = one_of_each(3);
    let before = bucket.keys();
    let report = sweep(&bucket, &settings, Order { dry_run: true, ..order() }).await;
    assert_eq!((report.outcome, numbers(&report)), (SweepOutcome::DryRun, [5, 1, 2, 1, 1, 4, 0, 0]));
    assert_eq!((report.message.as_str(), bucket.keys()), ("would delete 5 derivatives and make 0", before.clone()));

    let report = sweep(&bucket, &settings, Order { prefix: "dir/".into(), ..order() }).await;
    assert_eq!((report.originals, report.deleted, report.stale), (1, 1, 1));
    assert!(!bucket.keys().contains(&GOES[0].to_owned()) && bucket.keys().len() == before.len() - 1);

    let report = sweep(&bucket, &settings, Order { purge: true, dry_run: true, ..order() }).await;
    assert_eq!((report.outcome, report.retired, report.deleted), (SweepOutcome::DryRun, 9, 0), "{report:?}");
    let report = sweep(&bucket, &settings, Order { purge: true, ..order() }).await;
    assert_eq!((report.outcome, report.retired, report.foreign, report.deleted), (SweepOutcome::Complete, 9, 4, 9), "{report:?}");
    let left = bucket.keys();
    assert!(left.len() == 11 && left.iter().all(|key| bucket.object(key).unwrap().metadata.is_empty()), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_list_every_resolution_is_one_of_derivatives() {
    let (bucket, mut settings) = (Bucket::new(2), settings());
    settings.allowed_resolutions.clear();
    bucket.original("a.png", "now", 10 * DAY);
    for width in 1..200 {
        bucket.derivative(&settings, &format!("{width}x0/a.png"), "now", DAY);
        bucket.derivative(&settings, &format!("{width}x0/gone.png"), "now", DAY);
    }
    // over the limits
    bucket.derivative(&settings, "9000x9000/a.png", "now", DAY);
    let bucket = Arc::new(bucket);
    let report = sweep(&bucket, &settings, Order { max_deletions: MaxDeletions::Number(200), ..order() }).await;
    assert_eq!((report.outcome, numbers(&report)), (SweepOutcome::Complete, [199, 0, 199, 0, 1, 0, 200, 0]), "{report:?}");
    assert_eq!((report.originals, bucket.keys().len()), (1, 200));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_to_remember_is_found_by_a_second_pass() {
    for (kept, deleted) in [(250, 100), (251, 98)] {
        let (bucket, settings) = many(|number| number < kept);
        let metered = Arc::new(Metered::new(Arc::clone(&bucket) as Arc<dyn resizer::store::listing::Bucket>, order().rate));
        let stop = pending().boxed().shared();
        let sweep =
            Sweep { bucket: metered, settings: Arc::new(settings), order: order(), warm: None, memory: 1000, tally: Arc::default(), stop };
        let report = sweep.run().await;
        assert_eq!((report.outcome, report.deleted, report.orphaned), (SweepOutcome::Complete, deleted, deleted), "{report:?}");
        assert_eq!((report.originals, report.fresh, bucket.keys().len()), (u64::from(kept), 2 * u64::from(kept), 3 * kept as usize));
        // once for each pass, and once more before the deletion
        assert_eq!(report.head_calls, 2 * (600 + deleted));
    }
}

/// 300 originals and their derivatives; then what is not `kept` of the originals goes.
fn many(kept: impl Fn(u32) -> bool) -> (Arc<Bucket>, Settings) {
    let (bucket, settings) = (Bucket::new(50), settings());
    for number in 0..300 {
        if kept(number) {
            bucket.original(&format!("{number:03}.png"), "now", 10 * DAY);
        }
        bucket.derivative(&settings, &format!("30x30/{number:03}.png"), "now", DAY);
        bucket.derivative(&settings, &format!("640x0/{number:03}.png"), "now", DAY);
    }
    (Arc::new(bucket), settings)
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_lost_its_originals_is_left_alone() {
    for (kept, says) in [(0, "no original at all"), (150, "300 of 600 derivatives would go"), (249, "102 of 600")] {
        let (bucket, settings) = many(|number| number < kept);
        let before = bucket.keys();
        let report = sweep(&bucket, &settings, order()).await;
        assert_eq!((report.outcome, report.deleted, bucket.keys() == before), (SweepOutcome::Refused, 0, true), "{report:?}");
        assert!(report.message.contains(says), "{}", report.message);
        let dry = sweep(&bucket, &settings, Order { dry_run: true, ..order() }).await;
        assert!(dry.outcome == SweepOutcome::DryRun && dry.message.starts_with("would refuse: "), "{}", dry.message);
        assert_eq!((bucket.called("delete"), dry.orphaned), (0, 600 - 2 * u64::from(kept)));
        let forced = sweep(&bucket, &settings, Order { force: true, ..order() }).await;
        assert_eq!((forced.outcome, forced.deleted), (SweepOutcome::Complete, 600 - 2 * u64::from(kept)));
    }
    let (bucket, settings) = many(|number| number < 250);
    assert_eq!(sweep(&bucket, &settings, order()).await.deleted, 100, "a hundred may always go");
    // nothing at all is nothing to refuse
    let empty = Arc::new(Bucket::new(3));
    assert_eq!(sweep(&empty, &settings, order()).await.outcome, SweepOutcome::Complete);
}

#[tokio::test(start_paused = true)]
async fn new_settings_are_no_loss_if_their_time_is_told() {
    let (bucket, mut settings) = many(|_| true);
    settings.recipe.progressive = true;
    let report = sweep(&bucket, &settings, order()).await;
    assert_eq!((report.outcome, report.outdated), (SweepOutcome::Refused, 600), "it may be the environment that is wrong");
    let suspicion = Suspicion { settings_since: Some(Moment(BEGIN)), ..order().suspicion };
    let report = sweep(&bucket, &settings, Order { suspicion, ..order() }).await;
    assert_eq!((report.outcome, report.outdated, report.deleted), (SweepOutcome::Complete, 600, 600), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_listed_or_looked_at_is_not_deleted() {
    let broken = |prefix: &str, from, error: StoreError| Faults { list: Some((prefix.to_owned(), from, error)), ..Faults::default() };
    for (faults, says) in [
        (broken("", 1, StoreError::Forbidden), "cannot list `` (want s3:ListBucket): access to the object is denied"),
        (broken("", 16, StoreError::Forbidden), "cannot list ``"),
        (broken("30x30/", 4, StoreError::Forbidden), "cannot list `30x30/`"),
        (broken("", 16, StoreError::TimedOut), "timed out"),
        (broken("640x0/", 1, StoreError::Interrupted("cut".into())), "broke off: cut"),
        (broken("", 16, StoreError::Failed("500 InternalError".into())), "500 InternalError"),
        (Faults { disorder: true, ..Faults::default() }, "not in the byte order"),
        (Faults { head: Some((1, StoreError::Forbidden)), ..Faults::default() }, "600 failed, the first: "),
        (Faults { head: Some((40, StoreError::Credentials("403 ExpiredToken".into()))), ..Faults::default() }, "ExpiredToken"),
        (Faults { delete: Some(StoreError::Forbidden), ..Faults::default() }, "access to the object is denied"),
    ] {
        let (bucket, settings) = many(|number| number % 20 != 0);
        let before = bucket.keys();
        *bucket.faults.lock().unwrap() = faults.clone();
        let report = sweep(&bucket, &settings, order()).await;
        assert_eq!((report.outcome, report.deleted, bucket.keys() == before), (SweepOutcome::Failed, 0, true), "{faults:?} {report:?}");
        assert!(report.message.contains(says), "{faults:?}: {}", report.message);
    }
    // what passes is tried again
    let (bucket, settings) = many(|number| number % 20 != 0);
    *bucket.faults.lock().unwrap() = broken("30x30/", 3, StoreError::SlowDown);
    let healing = Arc::clone(&bucket);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        *healing.faults.lock().unwrap() = Faults::default();
    });
    let report = sweep(&bucket, &settings, order()).await;
    assert_eq!((report.outcome, report.deleted), (SweepOutcome::Complete, 30), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_it_is_told_and_says_how_far_it_came() {
    let mut said = std::collections::BTreeSet::new();
    for after in (1..4000).step_by(97) {
        let (bucket, settings) = many(|number| number % 7 != 0);
        let mut bucket = Arc::into_inner(bucket).unwrap();
        bucket.latency = 20;
        let bucket = Arc::new(bucket);
        let stop = tokio::time::sleep(Duration::from_millis(after));
        let report = sweep_until(&bucket, &settings, order(), stop).await;
        let left = u64::try_from(bucket.keys().len()).unwrap();
        assert_eq!(left + report.deleted, 257 + 600, "{report:?}");
        match report.outcome {
            SweepOutcome::Complete => assert_eq!(report.deleted, 86),
            _ => assert_eq!(report.outcome, SweepOutcome::Interrupted),
        }
        said.insert(report.message.split_whitespace().take(4).collect::<Vec<_>>().join(" "));
        let again = sweep(&bucket, &settings, order()).await;
        assert_eq!((again.outcome, again.deleted), (SweepOutcome::Complete, 86 - report.deleted));
    }
    assert_eq!(said.into_iter().collect::<Vec<_>>(), ["", "stopped while derivatives were", "stopped while the bucket"]);
}

#[tokio::test]
async fn what_is_warm_is_made_and_made_anew() {
    let picture = String::from_utf8_lossy(b"").into_owned();
    let (bucket, mut settings) = (Bucket::new(3), settings());
    settings.source.exclude_prefixes = vec!["private/".into()];
    for (key, bytes) in [("a.png", png()), ("b.png", png()), ("note.txt", Bytes::from_static(b"no picture")), ("private/c.png", png())] {
        bucket.original(key, &picture, 10 * DAY);
        bucket.objects.lock().unwrap().get_mut(key).unwrap().bytes = bytes;
    }
    bucket.original("folder/", "", DAY);
    bucket.derivative(&settings, "30x30/a.png", "earlier", 20 * DAY);
    bucket.derivative(&settings, "640x0/a.png", "earlier", 20 * DAY);
    bucket.derivative(&settings, "30x30/note.txt", "earlier", 20 * DAY);
    let bucket = Arc::new(bucket);
    let warm = || Order { warm: ["30x30".parse().unwrap()].into(), ..order() };
    let dry = sweep(&bucket, &settings, Order { dry_run: true, ..warm() }).await;
    assert_eq!(dry.message, "would delete 3 derivatives and make 1");
    let report = sweep(&bucket, &settings, warm()).await;
    assert_eq!((report.outcome, report.stale, report.made, report.deleted), (SweepOutcome::Complete, 3, 2, 2), "{report:?}");
    let derivatives: Vec<_> = bucket.keys().into_iter().filter(|key| key.contains('x')).filter(|key| !key.ends_with("txt")).collect();
    assert_eq!(derivatives, ["30x30/a.png", "30x30/b.png"]);
    let again = sweep(&bucket, &settings, warm()).await;
    assert_eq!((again.fresh, again.made, again.deleted), (2, 0, 0), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn an_original_whose_name_is_too_long_for_a_derivative_is_no_failure() {
    let (bucket, settings) = (Bucket::new(10), settings());
    bucket.original(&"a".repeat(1020), "now", DAY);
    bucket.original("b.png", "now", DAY);
    let warm = Order { dry_run: true, warm: ["30x30".parse().unwrap()].into(), ..order() };
    let report = sweep(&Arc::new(bucket), &settings, warm).await;
    assert_eq!((report.outcome, report.originals), (SweepOutcome::DryRun, 2));
    assert!(report.message.contains("and make 1"), "{report:?}");
}
