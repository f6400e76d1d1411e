//! `resizer sweep`: arguments and environment → an order → a report, for people or as JSON.
//!
//! `main` calls it. Below is `lifecycle`, which sweeps.

use std::{
    io::{IsTerminal, Write},
    num::NonZeroU32,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use clap::builder::FalseyValueParser;
use futures::future::FutureExt;
use resize_api::{
    Resolution, Settings,
    environment::SettingError,
    sweep::{REFUSED_STATUS, SweepOutcome, SweepReport},
};
use tokio::{sync::Semaphore, time::interval};

use crate::{
    guard::capacity::Capacity,
    lifecycle::{brake::MaxDeletions, metered::Metered, order::Order, suspicion::Suspicion, sweep::Sweep, tally::Tally},
    service::Service,
    store::{
        Store,
        listing::{Bucket, Moment},
    },
    watch::metrics::Metrics,
};

/// How often people see how far it is, and how often a log does.
const GLANCE: Duration = Duration::from_millis(500);
const LOG: Duration = Duration::from_secs(10);

/// Memory for what is to go, in bytes: for some 80,000 keys.
const MEMORY: usize = 16 << 20;

/// What to do. An argument goes before its variable.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Only say what would be deleted and made.
    #[arg(long, env = "SWEEP_DRY_RUN", value_parser = FalseyValueParser::new())]
    dry_run: bool,

    /// Delete also where there is no original at all, or where more would go than may.
    #[arg(long, env = "SWEEP_FORCE", value_parser = FalseyValueParser::new())]
    force: bool,

    /// Delete every derivative, for a bucket that is no longer resized.
    #[arg(long, env = "SWEEP_PURGE", value_parser = FalseyValueParser::new())]
    purge: bool,

    /// How many derivatives may go: a number, or a share of those seen, which is never less than 100. What was made before
    /// --settings-since and differs from the settings does not count.
    #[arg(long, env = "SWEEP_MAX_DELETIONS", value_name = "N|P%", default_value_t)]
    max_deletions: MaxDeletions,

    /// Make what is missing of these resolutions, in each original's own format and in each of OUTPUT_VARIANTS.
    #[arg(long, env = "WARM_RESOLUTIONS", value_name = "WxH,…", value_delimiter = ',')]
    warm: Vec<Resolution>,

    /// Only originals whose keys begin so, and their derivatives.
    #[arg(long, env = "SWEEP_PREFIX", value_name = "KEY", default_value_t, hide_default_value = true)]
    prefix: String,

    /// Since when the settings are what they are: what was made well after that has them. Without it, every derivative is looked at.
    #[arg(long, env = "SETTINGS_SINCE", value_name = "RFC3339")]
    settings_since: Option<Moment>,

    /// Requests a second, at most.
    #[arg(long, env = "SWEEP_RATE", value_name = "N", default_value_t = const { NonZeroU32::new(200).unwrap() })]
    rate: NonZeroU32,

    /// Write the report into this file too, as JSON.
    #[arg(long, env = "SWEEP_REPORT", value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl Arguments {
    /// The order, if `settings` allow it.
    pub fn order(&self, settings: &Settings) -> Result<Order, SettingError> {
        let bad = |name, problem: String| Err(SettingError { name, problem });
        if let Some(unlisted) = self.warm.iter().find(|warm| !settings.allow_resolution(**warm)) {
            return bad("WARM_RESOLUTIONS", format!("`{unlisted}`: want a resolution that is allowed"));
        }
        if settings.reserves(&self.prefix) {
            return bad("SWEEP_PREFIX", format!("`{}`: want the beginning of originals' keys", self.prefix));
        }
        Ok(Order {
            dry_run: self.dry_run,
            force: self.force,
            purge: self.purge,
            max_deletions: self.max_deletions,
            warm: self.warm.iter().copied().filter(|_| !self.purge).collect(),
            prefix: self.prefix.clone(),
            suspicion: Suspicion { now: Moment::now(), settings_since: self.settings_since },
            rate: self.rate,
        })
    }
}

/// Sweeps `bucket`, and tells meanwhile how far it is.
pub async fn run<B: Bucket + 'static>(
    order: Order,
    settings: Settings,
    bucket: Arc<B>,
    capacity: Capacity,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> SweepReport {
    let bucket = Arc::new(Metered::new(bucket, order.rate));
    let warm = (!order.warm.is_empty()).then(|| {
        let service = Service::new(settings.clone(), Arc::clone(&bucket) as Arc<dyn Store>, capacity, metrics).without_visitors();
        // one fetches while another is resized
        (Arc::new(service), Semaphore::new(capacity.workers.saturating_mul(2)))
    });
    let tally = Arc::new(Tally::default());
    let sweep =
        Sweep { bucket, settings: Arc::new(settings), order, warm, memory: MEMORY, tally: Arc::clone(&tally), stop: stop.boxed().shared() };
    tokio::select! {
        report = sweep.run() => {
            if std::io::stderr().is_terminal() {
                eprint!("\r\x1b[K");
            }
            report
        }
        () = tell(&tally) => unreachable!("it never ends"),
    }
}

/// Shows how far it is, for ever.
async fn tell(tally: &Tally) {
    let is_terminal = std::io::stderr().is_terminal();
    let mut ticks = interval(if is_terminal { GLANCE } else { LOG });
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let number = |number: &std::sync::atomic::AtomicU64| number.load(Relaxed);
        let (originals, derivatives, looked_at) = (number(&tally.originals), number(&tally.derivatives), number(&tally.looked_at));
        let (doomed, deleted, made) = (number(&tally.doomed), number(&tally.deleted), number(&tally.made));
        let at = tally.at().unwrap_or_default();
        if is_terminal {
            let line = format!(
                "{originals} originals, {derivatives} derivatives, {looked_at} looked at, {doomed} to go, {deleted} deleted, {made} made"
            );
            eprint!("\r\x1b[K{line}  {at:.60}");
            drop(std::io::stderr().flush());
        } else {
            tracing::info!(originals, derivatives, looked_at, doomed, deleted, made, at, "sweeping");
        }
    }
}

/// The report of a sweep that could not begin.
pub fn unbegun(message: &str) -> SweepReport {
    SweepReport {
        outcome: SweepOutcome::Failed,
        message: message.chars().take(500).collect(),
        started: Moment::now().to_string(),
        ..SweepReport::default()
    }
}

/// The exit status that says how it ended.
pub fn status(outcome: SweepOutcome) -> u8 {
    match outcome {
        SweepOutcome::Complete | SweepOutcome::DryRun => 0,
        SweepOutcome::Refused => REFUSED_STATUS,
        SweepOutcome::Interrupted | SweepOutcome::Failed => 1,
    }
}

/// The report as one line.
pub fn json(report: &SweepReport) -> String {
    serde_json::to_string(report).unwrap_or_default()
}

/// The report for whoever reads the output: people at a terminal, or a program.
pub fn present(report: &SweepReport) -> String {
    if std::io::stdout().is_terminal() { text(report) } else { json(report) }
}

fn text(report: &SweepReport) -> String {
    let SweepReport { originals, fresh, stale, orphaned, outdated, retired, foreign, deleted, made, failed, .. } = report;
    let SweepReport { outcome, message, seconds, list_calls, head_calls, delete_calls, .. } = report;
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    format!(
        "{outcome}{message}\n\
         {originals} originals; derivatives: {fresh} fresh, {stale} stale, {orphaned} orphaned, {outdated} outdated, {retired} retired; {foreign} foreign objects\n\
         {deleted} deleted, {made} made, {failed} failed\n\
         {list_calls} LIST, {head_calls} HEAD, {delete_calls} DELETE requests in {seconds} s"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn order(line: &[&str]) -> Result<Order, String> {
        let mut settings = Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
        settings.allowed_resolutions = ["300x300", "640x0"].map(|text| text.parse().unwrap()).into();
        let line = Line::try_parse_from([&["sweep"], line].concat()).map_err(|error| error.to_string())?;
        line.arguments.order(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_is_typed() {
        let order = order(&["--dry-run", "--max-deletions", "50%", "--warm", "300x300,640x0", "--prefix", "a/", "--rate", "5"]).unwrap();
        assert!(order.dry_run && !order.force && !order.purge);
        assert_eq!((order.max_deletions, order.warm.len()), (MaxDeletions::Percent(50), 2));
        assert_eq!((order.prefix.as_str(), order.rate.get()), ("a/", 5));
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, says) in [
            (&["--warm", "301x300"][..], "WARM_RESOLUTIONS: `301x300`: want a resolution that is allowed"),
            (&["--warm", "300"], "want WIDTHxHEIGHT"),
            (&["--prefix", "300x300/a"], "SWEEP_PREFIX"),
            (&["--max-deletions", "all"], "want a number"),
            (&["--settings-since", "yesterday"], "want a time"),
            (&["--rate", "0"], "--rate"),
            (&["now"], "unexpected argument"),
        ] {
            let error = order(line).unwrap_err();
            assert!(error.contains(says), "{line:?}: {error}");
        }
    }

    #[test]
    fn the_status_says_how_it_ended() {
        let outcomes =
            [SweepOutcome::Complete, SweepOutcome::DryRun, SweepOutcome::Refused, SweepOutcome::Interrupted, SweepOutcome::Failed];
        assert_eq!(outcomes.map(status), [0, 0, 3, 1, 1]);
        let report = SweepReport { message: "so it is".into(), deleted: 7, ..SweepReport::default() };
        assert!(text(&report).contains("Failed: so it is\n") && text(&report).contains("7 deleted"));
        assert_eq!(serde_json::from_str::<SweepReport>(&json(&report)).unwrap(), report);
        assert_eq!(unbegun(&"x".repeat(600)).message.len(), 500);
    }
}
