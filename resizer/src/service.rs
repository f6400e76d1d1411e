//! All that requests share: settings, the store, the guards, metrics. `http` and `derivative` above work on it; it is made by `main`.

use std::{sync::Arc, time::Duration};

use resize_api::{
    ResizedKey, Settings,
    self_check::{Access, SelfCheck},
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use crate::{
    error::Error,
    guard::{
        admission::Admission,
        capacity::Capacity,
        loop_guard::LoopGuard,
        negative::{Blame, Negative},
        singleflight::Singleflight,
        visible::Visible,
    },
    outcome::Outcome,
    self_check::Checks,
    store::{
        Store, StoreError,
        website::{Unreachable, Website},
    },
    watch::{metrics::Metrics, record::Report, traces::Traces},
};

/// A key that is asked for to see whether the bucket can be read, and that nobody stores.
const IMPOSSIBLE: &str = "resize-operator.dev/self-check/no-such-object";
/// Time between two self-checks, and between them as long as something is wrong.
const PERIOD: Duration = Duration::from_mins(5);
const SHORT_PERIOD: Duration = Duration::from_secs(30);

/// How soon one looks again whether something has ended.
const SOON: Duration = Duration::from_millis(50);

/// How a flight ended, as every request for its key gets it.
pub(crate) type Finished = (Result<Outcome, Error>, Report);

/// All that requests share.
pub struct Service {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) visible: Visible,
    pub(crate) admission: Admission,
    pub(crate) flights: Singleflight<Finished>,
    pub(crate) negative: Negative<Error>,
    pub(crate) loop_guard: LoopGuard,
    /// Visitors get their pictures from here: there are no redirects, and nothing is kept before it is shown.
    pub(crate) is_direct: bool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) checks: Checks,
    pub(crate) traces: Option<Arc<Traces>>,
}

impl Service {
    /// A service on `store`, with `capacity` to give away. Nothing is known of the public URL, so no picture is shown
    /// that is not declared public: see [`Service::with_website`].
    pub fn new(settings: Settings, store: Arc<dyn Store>, capacity: Capacity, metrics: Arc<Metrics>) -> Self {
        Self {
            admission: Admission::new(capacity, &settings),
            negative: Negative::new(settings.bounds.negative),
            visible: Visible::new(Arc::new(Unreachable)),
            checks: Checks::new(Arc::clone(&metrics)),
            is_direct: settings.delivery.is_direct(),
            settings,
            store,
            flights: Singleflight::new(),
            loop_guard: LoopGuard::default(),
            metrics,
            traces: None,
        }
    }

    /// The same service, which asks `website` what visitors can read.
    #[must_use]
    pub fn with_website(self, website: Arc<dyn Website>) -> Self {
        Self { visible: Visible::new(website), ..self }
    }

    /// The same service for work that no visitor waits for: one that is asked for the same key again makes it as at the first time.
    #[must_use]
    pub fn without_visitors(self) -> Self {
        Self { loop_guard: LoopGuard::off(), is_direct: false, ..self }
    }

    /// The same service, which hands over spans to `traces`.
    #[must_use]
    pub fn with_traces(self, traces: Option<Arc<Traces>>) -> Self {
        Self { traces, ..self }
    }

    /// What `key` came to a moment ago, whichever way it is read.
    pub(crate) fn recall_error(&self, key: &ResizedKey) -> Option<Error> {
        let mut missing = None;
        for reading in self.settings.readings(key) {
            let error = self.negative.look_up(&reading, Instant::now())?;
            if error.blame() != Blame::Missing {
                return Some(error);
            }
            missing = Some(error);
        }
        missing
    }

    /// Remembers that `key` came to `error`, where it was read as `meant`, and that it had no original where it is read in another way.
    pub(crate) fn remember(&self, key: &ResizedKey, meant: &ResizedKey, error: &Error) {
        if error.blame() == Blame::Passing {
            return;
        }
        let now = Instant::now();
        for other in self.settings.readings(key).iter().take_while(|reading| *reading != meant) {
            self.negative.note(other, Blame::Missing, &StoreError::Missing.into(), now);
        }
        self.negative.note(meant, error.blame(), error, now);
    }

    /// Looks at the bucket now, says so, and then looks every few minutes, for ever.
    pub async fn check_itself(&self, looked: oneshot::Sender<()>) {
        self.look().await;
        let _ = looked.send(());
        loop {
            sleep(if self.checks.now().originals == Access::Allowed { PERIOD } else { SHORT_PERIOD }).await;
            self.look().await;
        }
    }

    /// Looks whether the bucket can be read.
    pub async fn look(&self) {
        let found = timeout(self.settings.bounds.fetch, self.store.get(IMPOSSIBLE)).await.unwrap_or(Err(StoreError::TimedOut));
        let lists = matches!(found, Err(StoreError::Forbidden)) && self.store.may_list().await.is_ok();
        self.checks.probed(found.as_ref().map(drop), lists);
    }

    /// What `/selfcheck` says.
    pub fn self_check(&self) -> String {
        let SelfCheck { originals, derivatives, message } = self.checks.now();
        let (originals, derivatives) = (originals.to_string(), derivatives.to_string());
        serde_json::json!({ "originals": originals, "derivatives": derivatives, "message": message }).to_string()
    }

    /// Waits until no picture is in the making: some have been shown already, and are still to be kept.
    pub async fn until_kept(&self) {
        while self.admission.usage().flights > 0 {
            sleep(SOON).await;
        }
    }

    /// The text for Prometheus.
    pub fn render_metrics(&self) -> String {
        self.metrics.render(self.admission.usage())
    }
}
