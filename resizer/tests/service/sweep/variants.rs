//! Sweeps of a bucket in which pictures are in several formats, and names mean one original or another.

use std::sync::Arc;

use resize_api::{Settings, Variant, delivery::DeliveryMode, sweep::SweepOutcome};
use resizer::{
    lifecycle::{order::Order, suspicion::Suspicion},
    store::{Metadata, listing::Moment},
};

use super::{DAY, many, numbers, order, sweep};
use crate::{
    bucket::{BEGIN, Bucket},
    memory::{png, settings},
};

/// Variants of each state: WebP is listed, AVIF was.
fn variants_of_each(page: usize) -> (Arc<Bucket>, Settings) {
    let (bucket, mut settings) = (Bucket::new(page), settings());
    settings.variants = [Variant::WebP].into();
    for key in ["a.png", "a.png-b", "b.png", "c.png"] {
        bucket.original(key, key, 10 * DAY);
    }
    // fresh, beside a picture of its own format and alone
    bucket.derivative(&settings, "30x30/a.png", "a.png", DAY);
    bucket.variant(&settings, "30x30/a.png.webp", "a.png", DAY);
    bucket.variant(&settings, "640x0/a.png-b.webp", "a.png-b", DAY);
    bucket.variant(&settings, "30x30/c.png.webp", "earlier", 20 * DAY);
    bucket.variant(&settings, "30x30/gone.png.webp", "gone", DAY);
    bucket.variant(&settings, "640x0/a.png.avif", "a.png", 6 * DAY);
    bucket.store("640x0/a.png.webp", "mine", Metadata::new(), 20 * DAY);
    // an original of the name of a variant came: what was made before goes, what was made of it stays
    bucket.variant(&settings, "30x30/b.png.webp", "b.png", 4 * DAY);
    bucket.original("b.png.webp", "b.png.webp", 3 * DAY);
    bucket.derivative(&settings, "640x0/b.png.webp", "b.png.webp", DAY);
    bucket.variant(&settings, "640x0/b.png.webp.webp", "b.png.webp", DAY);
    (Arc::new(bucket), settings)
}

const VARIANTS_THAT_GO: [&str; 4] = ["30x30/c.png.webp", "30x30/gone.png.webp", "640x0/a.png.avif", "30x30/b.png.webp"];

#[tokio::test(start_paused = true)]
async fn variants_belong_to_the_original_that_their_keys_mean() {
    for page in [1, 2, 1000] {
        for settings_since in [None, Some(Moment(BEGIN - 5 * DAY))] {
            let (bucket, settings) = variants_of_each(page);
            let stays: Vec<_> = bucket.keys().into_iter().filter(|key| !VARIANTS_THAT_GO.contains(&key.as_str())).collect();
            let suspicion = Suspicion { settings_since, ..order().suspicion };
            let report = sweep(&bucket, &settings, Order { suspicion, ..order() }).await;
            assert_eq!((report.outcome, report.originals), (SweepOutcome::Complete, 5), "{report:?}");
            assert_eq!(bucket.keys(), stays, "pages of {page}");
            assert_eq!(numbers(&report), [5, 2, 1, 0, 1, 1, 4, 0], "{report:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_variant_that_means_the_shorter_original_again_is_noticed_in_its_turn() {
    let (bucket, settings) = variants_of_each(3);
    bucket.objects.lock().unwrap().remove("b.png.webp");
    let since = Some(Moment(BEGIN - 15 * DAY));
    let mut deleted = Vec::new();
    for day in 0..30 {
        let suspicion = Suspicion { now: Moment(BEGIN + day * DAY), settings_since: since };
        deleted.push(sweep(&bucket, &settings, Order { suspicion, ..order() }).await.deleted);
    }
    assert_eq!((deleted[0], deleted.iter().sum()), (4, 5));
    let keys = bucket.keys();
    assert!(keys.len() == 4 + 5 && !keys.contains(&"640x0/b.png.webp".to_owned()), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn a_variant_that_is_no_longer_listed_is_no_loss_if_the_time_is_told() {
    let (bucket, mut settings) = many(|_| true);
    settings.variants = [Variant::WebP].into();
    for number in 0..300 {
        bucket.variant(&settings, &format!("30x30/{number:03}.png.webp"), "now", DAY);
    }
    let report = sweep(&bucket, &settings, order()).await;
    assert_eq!((report.outcome, report.fresh, report.deleted), (SweepOutcome::Complete, 900, 0), "{report:?}");
    settings.variants.clear();
    let report = sweep(&bucket, &settings, order()).await;
    assert_eq!((report.outcome, report.retired), (SweepOutcome::Refused, 300), "{report:?}");
    let suspicion = Suspicion { settings_since: Some(Moment(BEGIN)), ..order().suspicion };
    let report = sweep(&bucket, &settings, Order { suspicion, ..order() }).await;
    assert_eq!((report.outcome, report.retired, report.deleted), (SweepOutcome::Complete, 300, 300), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_purge_takes_variants_and_what_was_made_of_originals_with_such_names() {
    let (bucket, settings) = variants_of_each(3);
    let dry = sweep(&bucket, &settings, Order { purge: true, dry_run: true, ..order() }).await;
    assert_eq!((dry.retired, dry.foreign, dry.deleted), (9, 1, 0), "{dry:?}");
    let report = sweep(&bucket, &settings, Order { purge: true, ..order() }).await;
    assert_eq!((report.outcome, report.retired, report.deleted), (SweepOutcome::Complete, 9, 9), "{report:?}");
    assert_eq!(bucket.keys(), ["640x0/a.png.webp", "a.png", "a.png-b", "b.png", "b.png.webp", "c.png"]);
}

/// Whoever answers visitors: what a sweep made is stored when it ends.
#[tokio::test]
async fn warm_sizes_are_made_in_every_listed_format() {
    for mode in [DeliveryMode::Redirect, DeliveryMode::Direct] {
        warm_sizes_are_made(mode).await;
    }
}

async fn warm_sizes_are_made(mode: DeliveryMode) {
    let (bucket, mut settings) = (Bucket::new(2), settings());
    settings.delivery.mode = mode;
    settings.variants = [Variant::Jpeg, Variant::WebP].into();
    for key in ["a.png", "a.png.webp", "b.png"] {
        bucket.original(key, key, 10 * DAY);
        bucket.objects.lock().unwrap().get_mut(key).unwrap().bytes = png();
    }
    bucket.store("30x30/b.png.jpg", "mine", Metadata::new(), DAY);
    bucket.variant(&settings, "30x30/b.png.webp", "earlier", 20 * DAY);
    let bucket = Arc::new(bucket);
    let warm = || Order { warm: ["30x30".parse().unwrap()].into(), ..order() };
    let dry = sweep(&bucket, &settings, Order { dry_run: true, ..warm() }).await;
    assert_eq!(dry.message, "would delete 1 derivatives and make 6");
    let report = sweep(&bucket, &settings, warm()).await;
    assert_eq!((report.outcome, report.stale, report.made, report.deleted), (SweepOutcome::Complete, 1, 7, 0), "{report:?}");
    let sources: Vec<_> = bucket
        .keys()
        .into_iter()
        .filter_map(|key| Some((key.strip_prefix("30x30/")?.to_owned(), bucket.object(&key)?.metadata.remove("resize-source"))))
        .map(|(key, source)| format!("{key} {}", source.unwrap_or_default()))
        .collect();
    assert_eq!(
        sources,
        [
            "a.png a%2Epng",
            "a.png.jpg a%2Epng",
            "a.png.webp a%2Epng%2Ewebp",
            "a.png.webp.jpg a%2Epng%2Ewebp",
            "a.png.webp.webp a%2Epng%2Ewebp",
            "b.png b%2Epng",
            "b.png.jpg ",
            "b.png.webp b%2Epng",
        ]
    );
    let again = sweep(&bucket, &settings, warm()).await;
    assert_eq!((again.fresh, again.made, again.deleted), (7, 0, 0), "{again:?}");
}
