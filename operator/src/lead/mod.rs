//! The API's definition and the lease are there → work, until told to stop, or until the lease is lost.
//!
//! The top room: `main` gives it the work to do. Below are `watch`, for the definition, `admin`, and `fence`, which it opens.

pub mod lease;

use std::{convert::Infallible, sync::Arc, time::Duration};

use kube::{Api, Client, api::ListParams};
use resize_api::ResizeEndpoint;
use tokio::sync::Notify;

use crate::{
    admin::health::{Health, Phase},
    config::Scope,
    lead::lease::{Candidate, Lost},
    watch::scope::api,
};

/// How often to look whether what is missing is there.
const RETRY: Duration = Duration::from_secs(3);

/// Where ResizeEndpoints are watched.
pub struct Watched {
    /// The Kubernetes API.
    pub client: Client,
    /// In these namespaces.
    pub scope: Scope,
    /// Notified whenever a watch fails: it is looked then whether the definition is still there.
    pub failed: Arc<Notify>,
}

/// Does `work` while the lease is held. Returns when `stop` is done, which ends `work` too. After an error nothing may be written any
/// more: the process has to end.
pub async fn run(
    watched: Watched,
    health: Health,
    mut candidate: Candidate,
    stop: impl Future<Output = ()>,
    work: impl Future<Output = ()>,
) -> Result<(), Lost> {
    let lease = async {
        wait_for_definition(&watched, &health).await;
        health.set(Phase::Standby);
        candidate
            .acquire(|heard| match heard {
                Ok(()) => health.set(Phase::Standby),
                Err(error) => health.set(Phase::Waiting(format!("the lease cannot be read or written: {error}"))),
            })
            .await;
    };
    tokio::select! {
        () = lease => {}
        () = stop => return Ok(()),
    }
    health.set(Phase::Leading);
    tokio::select! {
        () = work => {}
        never = follow(&watched, &health) => match never {},
        lost = candidate.keep() => {
            tracing::error!(%lost, "ending");
            return Err(lost);
        }
    }
    if let Err(error) = candidate.release().await {
        tracing::warn!(%error, "cannot give the lease back: the next one waits until it has run out");
    }
    Ok(())
}

/// Tells whenever the definition is found gone, until it is there again.
async fn follow(watched: &Watched, health: &Health) -> Infallible {
    loop {
        watched.failed.notified().await;
        wait_for_definition(watched, health).await;
        health.set(Phase::Leading);
    }
}

/// Waits until ResizeEndpoints can be listed wherever they are watched.
async fn wait_for_definition(watched: &Watched, health: &Health) {
    let Watched { client, scope, .. } = watched;
    for namespace in scope.namespaces() {
        let endpoints: Api<ResizeEndpoint> = api(client, namespace);
        while let Err(error) = endpoints.list_metadata(&ListParams::default().limit(1)).await {
            let what = match &error {
                // plain text, without a reason
                kube::Error::Api(status) if status.code == 404 => {
                    "the CustomResourceDefinition resizeendpoints.resize-operator.dev is not installed".to_owned()
                }
                kube::Error::Api(status) => format!("ResizeEndpoints cannot be listed: {}", status.message),
                error => format!("ResizeEndpoints cannot be listed: {error}"),
            };
            health.set(Phase::Waiting(what));
            tokio::time::sleep(RETRY).await;
        }
    }
}
