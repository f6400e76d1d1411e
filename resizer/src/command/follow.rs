//! `resizer follow`: events of the bucket, from a queue of SQS or as HTTP requests, until SIGTERM.
//!
//! `main` starts it. Below is `lifecycle::follow`, which does what they tell.

use std::{future::ready, num::NonZeroU32, sync::Arc};

use axum::Router;
use resize_api::{Resolution, Settings, environment::SettingError};

use crate::{
    guard::capacity::Capacity,
    http::{
        admin::{self, Readiness},
        server::{Grace, Server},
    },
    lifecycle::{
        follow::{Follower, sqs::Queue, webhook},
        metered::Metered,
    },
    service::Service,
    store::{Store, listing::Bucket},
    watch::metrics::Metrics,
};

/// Where events come from. An argument goes before its variable.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// A queue of SQS with the bucket's notifications, as they are, through SNS or through EventBridge.
    #[arg(long, env = "EVENTS_QUEUE_URL", value_name = "URL")]
    pub queue_url: Option<String>,

    /// What senders of `POST /events` on the admin port know: `Authorization: Bearer TOKEN`, or Ceph's OpaqueData.
    #[arg(long, env = "EVENTS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Make these resolutions of every original that is stored, in its own format and in each of OUTPUT_VARIANTS.
    #[arg(long, env = "WARM_RESOLUTIONS", value_name = "WxH,…", value_delimiter = ',')]
    warm: Vec<Resolution>,

    /// Requests a second to the bucket, at most.
    #[arg(long, env = "FOLLOW_RATE", value_name = "N", default_value_t = const { NonZeroU32::new(200).unwrap() })]
    rate: NonZeroU32,
}

impl Arguments {
    /// An error if `settings` do not allow what is asked for.
    pub fn check(&self, settings: &Settings) -> Result<(), SettingError> {
        let bad = |name, problem: String| Err(SettingError { name, problem });
        if self.queue_url.is_none() && self.token.is_none() {
            return bad("EVENTS_QUEUE_URL", "not set, and EVENTS_TOKEN neither; want one of them: there is nothing to follow".to_owned());
        }
        if let Some(url) = self.queue_url.as_deref().filter(|url| !is_url(url)) {
            return bad(
                "EVENTS_QUEUE_URL",
                format!("`{url}`: want a URL such as https://sqs.eu-central-1.amazonaws.com/111122223333/photos"),
            );
        }
        // shorter ones can be guessed, and bytes outside of ASCII stand in no header
        if self.token.as_ref().is_some_and(|token| token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return bad("EVENTS_TOKEN", "want at least 16 letters, digits or signs of ASCII without blanks".to_owned());
        }
        match self.warm.iter().find(|warm| !settings.allow_resolution(**warm)) {
            Some(unlisted) => bad("WARM_RESOLUTIONS", format!("`{unlisted}`: want a resolution that is allowed")),
            None => Ok(()),
        }
    }
}

fn is_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.path().len() > 1)
}

/// Follows the events of `bucket` until `stop`.
pub async fn run<B: Bucket + 'static>(
    arguments: Arguments,
    settings: Settings,
    bucket: Arc<B>,
    queue: Option<Queue>,
    capacity: Capacity,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let server = Server::bind(settings.admin_listen, &settings.bounds)?;
    let grace = Grace { drain: settings.drain, shutdown: settings.shutdown };
    tracing::info!(admin_listen = %server.address()?, bucket = settings.bucket, queue = arguments.queue_url, "following");
    let bucket = Arc::new(Metered::new(bucket, arguments.rate));
    let service = Arc::new(Service::new(settings, Arc::clone(&bucket) as Arc<dyn Store>, capacity, metrics).without_visitors());
    let follower = Arc::new(Follower::new(Arc::clone(&service), bucket, arguments.warm.into_iter().collect()));
    let readiness = Readiness::ready();
    let events = arguments.token.map_or_else(Router::new, |token| webhook::app(Arc::clone(&follower), token));
    let app = admin::app(service, readiness.clone()).merge(events);
    let serving = server.serve_until(stop, app, readiness, grace, ready(()));
    match queue {
        Some(queue) => {
            tokio::select! {
                () = serving => {}
                () = queue.follow(&follower) => {}
            }
        }
        None => serving.await,
    }
    Ok(())
}
