//! Desired objects → the Kubernetes API → what it returned. The rest of what we made before is pruned.
//!
//! What is as it should be costs no call: objects are compared with what the watches know of them.

use std::time::Duration;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::CronJob,
        core::v1::Service,
        networking::v1::{Ingress, NetworkPolicy},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};

use crate::{
    endpoint::Endpoint,
    http_route::HTTPRoute,
    names::{OPERATOR, derivatives_name, follow_name, resizer_name, sweep_name},
    watch::children::Child,
    workload::{
        apply_error::ApplyError,
        cluster::Cluster,
        desired::{CREDENTIALS_ANNOTATION, DerivativeObjects, Objects},
        drift::{Drift, LEFT},
        stamp::{is_edited, is_of_stamp, json_of, stamp_generation, stamped},
    },
};

/// Field manager that keeps the number of pods as it is from when we leave it to the autoscaler until that changes it.
const HANDOVER: &str = "resize-operator-handover";
/// A version that no object has. An apply that names it makes the object, or conflicts where there is one.
const OF_NONE: &str = "1";
/// How long to wait for the list of a kind.
const PATIENCE: Duration = Duration::from_secs(30);

/// What there is now.
#[derive(Debug)]
pub struct Applied {
    /// The Deployment.
    pub deployment: Deployment,
    /// Whether it waits for its turn to be written.
    pub waits: bool,
    /// What others keep otherwise than we want it, each with what to do.
    pub notes: Vec<String>,
}

/// Applies all `objects` of `endpoint`, and removes what it no longer wants.
pub async fn apply(cluster: Cluster<'_>, endpoint: &Endpoint, objects: &Objects) -> Result<Applied, ApplyError> {
    let mut writer = Writer::new(cluster, endpoint, resizer_name(&endpoint.name));
    writer.keep(&objects.service).await?;
    if objects.autoscaler.is_none() {
        // an autoscaler that is not wanted goes before the Deployment gets its replicas: otherwise both would set them
        writer.prune::<HorizontalPodAutoscaler>().await?;
    }
    writer.keep_or_prune::<NetworkPolicy>(objects.network_policy.as_ref()).await?;
    let deployment = writer.keep_deployment(&objects.deployment).await?;
    writer.keep_or_prune(objects.autoscaler.as_ref()).await?;
    writer.keep_or_prune::<PodDisruptionBudget>(objects.budget.as_ref()).await?;
    writer.keep_or_prune::<Ingress>(objects.ingress.as_ref()).await?;
    match (&objects.route, cluster.children.has_gateway_api(objects.route.is_some()).await) {
        (Some(_), false) => return Err(ApplyError::GatewayApiMissing),
        (None, false) => {}
        (route, true) => writer.keep_or_prune::<HTTPRoute>(route.as_ref()).await?,
    }
    Ok(Applied { deployment, waits: writer.waits, notes: writer.notes })
}

/// What keeps derivatives true, as it is now.
#[derive(Debug, Default)]
pub struct Kept {
    /// Who sweeps.
    pub sweep: Option<CronJob>,
    /// Who follows events.
    pub follow: Option<Deployment>,
    /// Whether it waits for its turn to be written.
    pub waits: bool,
    /// What others keep otherwise than we want it, each with what to do.
    pub notes: Vec<String>,
}

/// Applies what keeps the derivatives of `endpoint` true, and removes what it no longer wants.
pub async fn apply_derivatives(cluster: Cluster<'_>, endpoint: &Endpoint, objects: &DerivativeObjects) -> Result<Kept, ApplyError> {
    let mut kept = Kept::default();
    let named = |name: fn(&str) -> String| Writer::new(cluster, endpoint, name(&endpoint.name));
    let mut writer = named(derivatives_name);
    writer.keep_or_prune::<NetworkPolicy>(objects.network_policy.as_ref()).await?;
    kept.notes.append(&mut writer.notes);
    let mut writer = named(sweep_name);
    if let Some(sweep) = &objects.sweep {
        kept.sweep = Some(writer.keep(sweep).await?);
    } else if cluster.children.knows::<CronJob>() {
        // an operator that may not list CronJobs goes on with those who want none
        writer.prune::<CronJob>().await?;
    }
    kept.notes.append(&mut writer.notes);
    let mut writer = named(follow_name);
    writer.keep_or_prune::<Service>(objects.service.as_ref()).await?;
    match &objects.follow {
        Some(follow) => kept.follow = Some(writer.roll_out(stamped(follow)?, None).await?),
        None => writer.prune::<Deployment>().await?,
    }
    kept.waits = writer.waits;
    kept.notes.append(&mut writer.notes);
    Ok(kept)
}

/// Removes all that belongs to `endpoint`, but for `kept`.
pub async fn prune(cluster: Cluster<'_>, endpoint: &Endpoint, kept: &DerivativeObjects) -> Result<(), ApplyError> {
    apply_derivatives(cluster, endpoint, kept).await?;
    let writer = Writer::new(cluster, endpoint, resizer_name(&endpoint.name));
    writer.prune::<Ingress>().await?;
    if cluster.children.has_gateway_api(false).await {
        writer.prune::<HTTPRoute>().await?;
    }
    writer.prune::<HorizontalPodAutoscaler>().await?;
    writer.prune::<PodDisruptionBudget>().await?;
    writer.prune::<Deployment>().await?;
    writer.prune::<Service>().await?;
    writer.prune::<NetworkPolicy>().await
}

/// Writes the objects of one endpoint that have one name.
struct Writer<'a> {
    cluster: Cluster<'a>,
    endpoint: &'a Endpoint,
    name: String,
    waits: bool,
    notes: Vec<String>,
}

impl<'a> Writer<'a> {
    fn new(cluster: Cluster<'a>, endpoint: &'a Endpoint, name: String) -> Self {
        Self { cluster, endpoint, name, waits: false, notes: Vec::new() }
    }

    fn api<K: Child>(&self) -> Api<K> {
        Api::namespaced(self.cluster.client.clone(), &self.endpoint.namespace)
    }

    async fn known<K: Child>(&self) -> Result<Option<Box<K>>, ApplyError> {
        let found = self.cluster.children.get(&self.endpoint.namespace, &self.name);
        tokio::time::timeout(PATIENCE, found).await.map_err(|_| ApplyError::NotListed(K::kind(&()).into_owned()))
    }

    async fn keep_or_prune<K: Child>(&mut self, desired: Option<&K>) -> Result<(), ApplyError> {
        match desired {
            Some(desired) => self.keep(desired).await.map(drop),
            None => self.prune::<K>().await,
        }
    }

    async fn keep<K: Child>(&mut self, desired: &K) -> Result<K, ApplyError> {
        // boxed: objects are large, and held several times
        Box::pin(self.keep_stamped(&stamped(desired)?)).await
    }

    async fn keep_stamped<K: Child>(&mut self, desired: &Value) -> Result<K, ApplyError> {
        match self.known::<K>().await? {
            Some(live) => {
                self.check_owner::<K>(live.meta())?;
                let now = json_of(&live)?;
                let drift = Drift::between(desired, &now);
                if live.meta().deletion_timestamp.is_none() && (drift.is_none() || self.is_left::<K>(&drift, &now)) {
                    return Ok(*live);
                }
            }
            None => {
                if let Some(made) = self.make(desired).await? {
                    return self.settle(desired, made).await;
                }
            }
        }
        let applied = self.api::<K>().patch(&self.name, &PatchParams::apply(OPERATOR).force(), &Patch::Apply(desired)).await?;
        self.settle(desired, applied).await
    }

    /// Makes the object, unless there is one and it is ours. The watch's store does not tell: it has none without our label, and is late.
    async fn make<K: Child>(&self, desired: &Value) -> Result<Option<K>, ApplyError> {
        let mut new = desired.clone();
        new["metadata"]["resourceVersion"] = json!(OF_NONE);
        match self.api::<K>().patch(&self.name, &PatchParams::apply(OPERATOR).force(), &Patch::Apply(new)).await {
            Ok(made) => Ok(Some(made)),
            Err(kube::Error::Api(status)) if status.code == 409 => match self.api::<K>().get_metadata_opt(&self.name).await? {
                Some(live) => self.check_owner::<K>(&live.metadata).map(|()| None),
                None => Err(kube::Error::Api(status).into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Removes from the `applied` object what others added. What differs even then is set again by something at every write: it is
    /// left as it is, and an annotation holds the fingerprint of the difference.
    async fn settle<K: Child>(&mut self, desired: &Value, applied: K) -> Result<K, ApplyError> {
        let (api, by_us) = (self.api::<K>(), PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() });
        let now = json_of(&applied)?;
        let drift = Drift::between(desired, &now);
        let Some(removal) = drift.removal(&now) else { return self.leave(&drift, &now, applied).await };
        let removal = serde_json::from_value(removal).map_err(kube::Error::SerdeError)?;
        match api.patch(&self.name, &by_us, &Patch::Json::<()>(removal)).await {
            Ok(without) => {
                let now = json_of(&without)?;
                self.leave(&Drift::between(desired, &now), &now, without).await
            }
            // it changed meanwhile; that change triggers the next reconcile
            Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => Ok(applied),
            Err(error) => Err(error.into()),
        }
    }

    async fn leave<K: Child>(&mut self, drift: &Drift, now: &Value, live: K) -> Result<K, ApplyError> {
        if drift.is_none() || self.is_left::<K>(drift, now) {
            return Ok(live);
        }
        let by_us = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
        let mark = json!({ "metadata": { "annotations": { LEFT: drift.fingerprint(now) } } });
        let marked = self.api::<K>().patch(&self.name, &by_us, &Patch::Merge(mark)).await?;
        self.is_left::<K>(drift, &json_of(&marked)?);
        Ok(marked)
    }

    /// Whether the annotation of `now` names this difference already; it is reported then.
    fn is_left<K: Child>(&mut self, drift: &Drift, now: &Value) -> bool {
        let is_left = now["metadata"]["annotations"][LEFT] == drift.fingerprint(now).as_str();
        if is_left {
            let paths: Vec<_> = drift.paths().take(3).map(String::as_str).collect();
            let (kind, name) = (K::kind(&()), &self.name);
            self.notes.push(format!("something in the cluster undoes what is written to {kind} {name}, at {}", paths.join(", ")));
        }
        is_left
    }

    /// The Deployment, whose number of pods is an autoscaler's if `desired` has none.
    async fn keep_deployment(&mut self, desired: &Deployment) -> Result<Deployment, ApplyError> {
        let replicas = |deployment: &Deployment| deployment.spec.as_ref().and_then(|spec| spec.replicas);
        if let Some(wanted) = replicas(desired) {
            let mut desired = stamped(desired)?;
            let live = self.known::<Deployment>().await?.and_then(|live| replicas(&live)).filter(|live| *live != wanted);
            if let (Some(live), Some(name)) = (live, self.foreign_autoscaler(live.is_some()).await?) {
                desired["spec"]["replicas"] = json!(live);
                let to_do = "delete it, or set workload.autoscaling instead";
                self.notes.push(format!("HorizontalPodAutoscaler {name} sets the number of pods, not workload.replicas: {to_do}"));
            }
            return self.roll_out(desired, None).await;
        }
        self.roll_out(stamped(desired)?, Some(desired)).await
    }

    /// A Deployment, which is left as it is until it may replace its pods, if the operator changed and not what the user says.
    /// `scaled`: it, if an autoscaler says how many pods it has.
    async fn roll_out(&mut self, mut desired: Value, scaled: Option<&Deployment>) -> Result<Deployment, ApplyError> {
        stamp_generation(&mut desired, self.endpoint);
        let live = self.known::<Deployment>().await?;
        let paced = live.as_ref().zip(self.cluster.pace).filter(|(live, _)| self.is_operators_change(&desired, live));
        let mut turn = None;
        if let Some((live, pace)) = paced {
            turn = pace.take(self.endpoint, live);
            if turn.is_none() {
                let name = &self.name;
                self.waits = true;
                self.notes.push(format!(
                    "what the operator changed of Deployment {name} waits until others have rolled out (rollout.maxConcurrent of its chart)"
                ));
                return Ok(Deployment::clone(live));
            }
        }
        if let Some(scaled) = scaled.filter(|_| !live.is_some_and(|live| is_of_stamp(&live, &desired))) {
            Box::pin(self.hand_over(scaled)).await?;
        }
        let written = Box::pin(self.keep_stamped(&desired)).await?;
        if let Some(turn) = turn {
            turn.wrote(&written);
        }
        Ok(written)
    }

    /// Whether `desired` differs from what was written last, though neither the spec nor the user's Secrets do.
    fn is_operators_change(&self, desired: &Value, live: &Deployment) -> bool {
        let template = live.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
        let credentials = template.and_then(|template| template.annotations.as_ref()?.get(CREDENTIALS_ANNOTATION));
        let wanted = desired["spec"]["template"]["metadata"]["annotations"][CREDENTIALS_ANNOTATION].as_str();
        let is_ours = self.check_owner::<Deployment>(&live.metadata).is_ok() && live.metadata.deletion_timestamp.is_none();
        is_ours && !is_edited(live, self.endpoint) && !is_of_stamp(live, desired) && credentials.map(String::as_str) == wanted
    }

    /// Name of an autoscaler of somebody else for our Deployment. It is looked for only where the number of pods `differs`.
    async fn foreign_autoscaler(&self, differs: bool) -> Result<Option<String>, ApplyError> {
        if !differs {
            return Ok(None);
        }
        let is_for_ours = |autoscaler: &HorizontalPodAutoscaler| {
            let target = &autoscaler.spec.scale_target_ref;
            target.kind == "Deployment"
                && target.name == self.name
                && self.check_owner::<HorizontalPodAutoscaler>(&autoscaler.metadata).is_err()
        };
        let all = self.api::<HorizontalPodAutoscaler>().list(&ListParams::default()).await?;
        Ok(all.items.into_iter().find(is_for_ours).map(|autoscaler| autoscaler.name_any()))
    }

    /// Leaves the number of pods as it is, but no longer ours: when we just stopped sending it, it would become 1.
    async fn hand_over(&mut self, desired: &Deployment) -> Result<(), ApplyError> {
        let fewest = self.endpoint.workload.fewest();
        let live = if let Some(live) = self.api::<Deployment>().get_opt(&self.name).await? {
            live
        } else {
            let mut first = desired.clone();
            first.spec.get_or_insert_default().replicas = Some(fewest);
            self.keep(&first).await?
        };
        self.check_owner::<Deployment>(&live.metadata)?;
        if owns_replicas(&live.metadata) {
            // an autoscaler ignores a Deployment with 0 replicas
            let replicas = live.spec.and_then(|spec| spec.replicas).unwrap_or(0).max(fewest);
            let handover = json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": self.name }, "spec": { "replicas": replicas },
            });
            self.api::<Deployment>().patch(&self.name, &PatchParams::apply(HANDOVER).force(), &Patch::Apply(handover)).await?;
        }
        Ok(())
    }

    async fn prune<K: Child>(&self) -> Result<(), ApplyError> {
        let Some(live) = self.known::<K>().await? else { return Ok(()) };
        if self.check_owner::<K>(live.meta()).is_ok() && live.meta().deletion_timestamp.is_none() {
            let exactly = Preconditions { uid: live.uid(), resource_version: None };
            match self.api::<K>().delete(&self.name, &DeleteParams::default().preconditions(exactly)).await {
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    fn check_owner<K: Child>(&self, metadata: &ObjectMeta) -> Result<(), ApplyError> {
        let mut owners = metadata.owner_references.iter().flatten();
        if owners.any(|owner| owner.controller == Some(true) && owner.uid == self.endpoint.owner.uid) {
            return Ok(());
        }
        Err(ApplyError::NameTaken { kind: K::kind(&()).into_owned(), name: self.name.clone() })
    }
}

/// Whether the number of pods is what we sent.
fn owns_replicas(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.iter().flatten().any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        entry.manager.as_deref() == Some(OPERATOR)
            && entry.operation.as_deref() == Some("Apply")
            && fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
    })
}

#[cfg(test)]
mod tests {
    use kube::{Client, client::Body};

    use super::*;
    use crate::{
        config::Config,
        testing::fixtures::{config, named},
        watch::children::Children,
    };

    #[tokio::test]
    async fn only_what_the_operator_alone_changed_waits() {
        let service = tower::service_fn(async |_: http::Request<Body>| {
            Ok::<http::Response<Body>, std::convert::Infallible>(http::Response::new(Body::empty()))
        });
        let (client, children) = (Client::new(service, "demo"), Children::none());
        let cluster = Cluster { client: &client, children: &children, pace: None };
        let newer = || Config { resizer_image: "localhost/resizer:newer".into(), ..config() };
        let endpoint = |name: &str, config: &Config| Endpoint::new(&named(name, "2026-01-02T03:04:05Z"), config).unwrap();
        let deployment = |name: &str, config: &Config, credentials| {
            stamped(&Objects::new(&endpoint(name, config), Some(credentials)).deployment).unwrap()
        };
        let live: Deployment = serde_json::from_value(deployment("photos", &config(), "old")).unwrap();
        for (name, config, credentials, waits) in [
            ("photos", config(), "old", false),
            ("photos", newer(), "old", true),
            ("photos", newer(), "new", false),
            // not its own: that is told, not waited for
            ("other", newer(), "old", false),
        ] {
            let endpoint = endpoint(name, &config);
            let writer = Writer::new(cluster, &endpoint, "photos-resizer".into());
            let desired = deployment(name, &config, credentials);
            assert_eq!(writer.is_operators_change(&desired, &live), waits, "{name} {} {credentials}", config.resizer_image);
        }
    }
}
