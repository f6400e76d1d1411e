//! Waits for the API's definition and for the lease, then reconciles until told to stop, or until the lease is lost.

pub mod lease;

use std::{convert::Infallible, sync::Arc, time::Duration};

use kube::{Api, api::ListParams, runtime::Controller};
use resize_api::ResizeEndpoint;
use tokio::sync::Notify;

use crate::{
    admin::health::{Health, Phase},
    controller,
    lead::lease::{Candidate, Lost},
    reconcile::context::Context,
    watch::scope::api,
};

/// How often to look whether what is missing is there.
const RETRY: Duration = Duration::from_secs(3);

/// Whenever `failed` is notified it is looked whether the definition is still there. Returns when `stop` is done and what ran is finished. After an error nothing may be written any more: the process has to end.
pub async fn run(
    controllers: Vec<Controller<ResizeEndpoint>>,
    context: Arc<Context>,
    health: Health,
    mut candidate: Candidate,
    failed: &Notify,
    stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) -> Result<(), Lost> {
    let lease = async {
        wait_for_definition(&context, &health).await;
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
        () = stop.clone() => return Ok(()),
    }
    health.set(Phase::Leading);
    tokio::select! {
        () = controller::run(controllers, context.clone(), stop) => {}
        never = follow(failed, &context, &health) => match never {},
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
async fn follow(failed: &Notify, context: &Context, health: &Health) -> Infallible {
    loop {
        failed.notified().await;
        wait_for_definition(context, health).await;
        health.set(Phase::Leading);
    }
}

/// Waits until ResizeEndpoints can be listed wherever they are watched.
async fn wait_for_definition(context: &Context, health: &Health) {
    let namespaces = &context.config.watch_namespaces;
    let scopes = if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(|name| Some(name.as_str())).collect() };
    for namespace in scopes {
        let endpoints: Api<ResizeEndpoint> = api(&context.client, namespace);
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
