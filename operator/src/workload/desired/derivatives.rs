//! What keeps derivatives true: the CronJob that sweeps, the pod that follows events, and the Job that deletes all on deletion.
//!
//! They run with an identity of their own, since they may delete. No selector of the pods that serve finds theirs.

use std::time::Duration;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy},
        batch::v1::{
            CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
            PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule,
        },
        core::v1::{Container, PodSpec, PodTemplateSpec, Service, ServicePort, ServiceSpec},
        networking::v1::NetworkPolicy,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use resize_api::{
    derivatives::Webhook,
    sweep::{REFUSED_STATUS, REPORT_FILE},
};

use super::{
    metadata::{derivatives_labels, named},
    network_policy, pod, service,
};
use crate::{
    endpoint::{
        Endpoint, Extra,
        derivatives::{Derivatives, Sweep},
    },
    names::{OWNER, follow_name, labels, purge_name, sweep_name},
};

/// Exit status of a program that cannot use its settings.
const USAGE_STATUS: i32 = 64;
/// How often a Job tries again.
const RETRIES: i32 = 2;
/// The longest that a purge may take.
const LONGEST_PURGE: Duration = Duration::from_hours(24);
/// How long a Job that has ended is kept if nobody removes it before.
const KEPT: Duration = Duration::from_hours(1);

/// Everything in Kubernetes that keeps the derivatives of an endpoint true.
#[derive(Clone, Debug, Default)]
pub struct DerivativeObjects {
    /// Who sweeps.
    pub sweep: Option<CronJob>,
    /// Who follows events.
    pub follow: Option<Deployment>,
    /// Where notifications by HTTP are sent.
    pub service: Option<Service>,
    /// What may talk to them, and they to it, if that is wanted of all pods.
    pub network_policy: Option<NetworkPolicy>,
}

impl DerivativeObjects {
    /// The objects of `endpoint`. Pods of other settings than its own may have stored until `settings_since`; pods that stay use
    /// credentials with this fingerprint.
    pub fn new(endpoint: &Endpoint, settings_since: &str, credentials: Option<&str>) -> Self {
        let Some(derivatives) = &endpoint.derivatives else { return Self::default() };
        let (sweep, events) = (derivatives.sweep.as_ref(), derivatives.events.as_ref());
        let has_pods = sweep.is_some() || events.is_some();
        Self {
            sweep: sweep.map(|sweep| cron_job(endpoint, derivatives, sweep, settings_since)),
            follow: events.map(|_| follow(endpoint, derivatives, credentials)),
            service: events.and_then(|events| events.webhook.as_ref()).map(|_| follow_service(endpoint)),
            network_policy: policy(endpoint, derivatives).filter(|_| has_pods),
        }
    }

    /// What is left of them while a Job deletes all derivatives.
    pub fn while_purged(endpoint: &Endpoint, derivatives: &Derivatives) -> Self {
        Self { network_policy: policy(endpoint, derivatives), ..Self::default() }
    }
}

fn policy(endpoint: &Endpoint, derivatives: &Derivatives) -> Option<NetworkPolicy> {
    let wanted = endpoint.workload.network_policy.as_ref();
    wanted.map(|wanted| network_policy::of_derivatives(endpoint, derivatives, wanted))
}

fn cron_job(endpoint: &Endpoint, derivatives: &Derivatives, sweep: &Sweep, settings_since: &str) -> CronJob {
    let metadata = named(endpoint, sweep_name(&endpoint.name), "sweep");
    let args = ["sweep", "--report", REPORT_FILE];
    let mut extra =
        vec![Extra::Plain("SWEEP_MAX_DELETIONS", sweep.max_deletions.clone()), Extra::Plain("SETTINGS_SINCE", settings_since.to_owned())];
    extra.extend(warm(derivatives));
    extra.extend(sweep.dry_run.then(|| Extra::Plain("SWEEP_DRY_RUN", true.to_string())));
    CronJob {
        spec: CronJobSpec {
            schedule: sweep.schedule.clone(),
            time_zone: sweep.time_zone.clone(),
            suspend: Some(sweep.suspend),
            concurrency_policy: Some("Forbid".to_owned()),
            // the one of each that the status tells of
            successful_jobs_history_limit: Some(1),
            failed_jobs_history_limit: Some(1),
            // missed while the cluster was down: still worth it until the next one is due
            starting_deadline_seconds: Some(seconds(sweep.interval).max(60)),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: metadata.labels.clone(),
                    annotations: metadata.annotations.clone(),
                    ..ObjectMeta::default()
                }),
                spec: Some(job(endpoint, derivatives, "sweep", &args, &extra)),
            },
        },
        metadata,
        status: None,
    }
}

/// The Job that deletes every derivative. It has no owner: whoever deletes the endpoint in the foreground has Kubernetes delete first
/// what it owns. The operator removes it, or its time is over.
pub fn purge(endpoint: &Endpoint, derivatives: &Derivatives) -> Job {
    let mut metadata = named(endpoint, purge_name(&endpoint.name), "purge");
    metadata.annotations.get_or_insert_default().extend(labels([(OWNER, &endpoint.owner.uid)]));
    let args = ["sweep", "--purge", "--report", REPORT_FILE];
    let spec = JobSpec {
        active_deadline_seconds: Some(seconds(LONGEST_PURGE)),
        ttl_seconds_after_finished: i32::try_from(KEPT.as_secs()).ok(),
        ..job(endpoint, derivatives, "purge", &args, &[])
    };
    Job { metadata: ObjectMeta { owner_references: None, ..metadata }, spec: Some(spec), status: None }
}

fn job(endpoint: &Endpoint, derivatives: &Derivatives, component: &str, args: &[&str], extra: &[Extra<'_>]) -> JobSpec {
    let container = Container {
        args: Some(args.iter().map(ToString::to_string).collect()),
        ..pod::container(endpoint, component, endpoint.environment_of(derivatives, extra))
    };
    JobSpec {
        backoff_limit: Some(RETRIES),
        pod_failure_policy: Some(PodFailurePolicy {
            rules: vec![
                // what was refused, or cannot be understood, would be so again
                PodFailurePolicyRule {
                    action: "FailJob".to_owned(),
                    on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
                        container_name: Some(component.to_owned()),
                        operator: "In".to_owned(),
                        values: vec![i32::from(REFUSED_STATUS), USAGE_STATUS],
                    }),
                    on_pod_conditions: None,
                },
                // a node that is drained is no failure
                PodFailurePolicyRule {
                    action: "Ignore".to_owned(),
                    on_exit_codes: None,
                    on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                        status: Some("True".to_owned()),
                        type_: "DisruptionTarget".to_owned(),
                    }]),
                },
            ],
        }),
        template: PodTemplateSpec {
            metadata: Some(pod::metadata(endpoint, derivatives_labels(endpoint, component), None)),
            spec: Some(PodSpec {
                restart_policy: Some("Never".to_owned()),
                ..pod::spec(endpoint, derivatives.service_account.clone(), container)
            }),
        },
        ..JobSpec::default()
    }
}

fn follow(endpoint: &Endpoint, derivatives: &Derivatives, credentials: Option<&str>) -> Deployment {
    let extra: Vec<_> = warm(derivatives).into_iter().chain(sources(derivatives)).collect();
    let container = Container {
        args: Some(vec!["follow".to_owned()]),
        ports: Some(vec![pod::port("admin", endpoint.settings.admin_listen.port())]),
        readiness_probe: Some(pod::probe("/readyz", 5)),
        liveness_probe: Some(pod::probe("/healthz", 10)),
        ..pod::container(endpoint, "follow", endpoint.environment_of(derivatives, &extra))
    };
    let labels = derivatives_labels(endpoint, "follow");
    Deployment {
        metadata: named(endpoint, follow_name(&endpoint.name), "follow"),
        spec: Some(DeploymentSpec {
            // a second one would do the same work again
            replicas: Some(1),
            strategy: Some(DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }),
            selector: LabelSelector { match_labels: Some(follow_labels(endpoint)), ..LabelSelector::default() },
            template: PodTemplateSpec {
                metadata: Some(pod::metadata(endpoint, labels, credentials)),
                spec: Some(pod::spec(endpoint, derivatives.service_account.clone(), container)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn follow_service(endpoint: &Endpoint) -> Service {
    Service {
        metadata: named(endpoint, follow_name(&endpoint.name), "follow"),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(follow_labels(endpoint)),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: service::PORT,
                target_port: Some(IntOrString::String("admin".to_owned())),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ip_family_policy: service::ip_family_policy(endpoint),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// By what the pod that follows is found. A Deployment's selector cannot change.
fn follow_labels(endpoint: &Endpoint) -> std::collections::BTreeMap<String, String> {
    let mut labels = derivatives_labels(endpoint, "follow");
    labels.retain(|name, _| name == crate::names::DERIVATIVES || name == "app.kubernetes.io/component");
    labels
}

fn warm(derivatives: &Derivatives) -> Option<Extra<'_>> {
    let list: Vec<_> = derivatives.warm.iter().map(ToString::to_string).collect();
    (!list.is_empty()).then(|| Extra::Plain("WARM_RESOLUTIONS", list.join(",")))
}

fn sources(derivatives: &Derivatives) -> impl Iterator<Item = Extra<'_>> {
    let events = derivatives.events.as_ref();
    let queue = events.and_then(|events| events.sqs.as_ref()).map(|sqs| Extra::Plain("EVENTS_QUEUE_URL", sqs.queue_url.clone()));
    let webhook = events.and_then(|events| events.webhook.as_ref());
    let token = webhook.map(|Webhook { token_secret_ref }| Extra::Secret("EVENTS_TOKEN", token_secret_ref));
    queue.into_iter().chain(token)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        names::{ENDPOINT, selector_labels},
        testing::fixtures::{config, resource},
    };

    fn endpoint(spec: serde_json::Value) -> Endpoint {
        let mut resource = resource();
        let mut object = serde_json::to_value(&resource.spec).unwrap();
        json_patch::merge(&mut object, &spec);
        resource.spec = serde_json::from_value(object).unwrap();
        Endpoint::new(&resource, &config()).unwrap()
    }

    fn everything() -> Endpoint {
        endpoint(json!({
            "bucket": { "credentialsSecretRef": { "name": "s3" }, "caBundle": { "secret": "authorities" } },
            "workload": {
                "networkPolicy": {}, "nodeSelector": { "disk": "fast" }, "serviceAccountName": "photos", "env": [{ "name": "SWEEP_RATE", "value": "9" }],
                "podLabels": { "team": "web", ENDPOINT: "photos", "app.kubernetes.io/component": "mine" },
            },
            "derivatives": {
                "sweep": { "schedule": "17 3 * * *", "timeZone": "Asia/Seoul", "maxDeletions": "500", "dryRun": true, "suspend": true },
                "warm": ["300x300", "1200x800"],
                "events": {
                    "sqs": { "queueUrl": "http://sqs.example.com:9324/queue/photos" },
                    "webhook": { "tokenSecretRef": { "name": "events", "key": "key" } },
                },
                "serviceAccountName": "sweeper", "credentialsSecretRef": { "name": "s3-delete" }, "onDelete": "Delete",
            },
        }))
    }

    #[test]
    fn a_sweep_alone() {
        let objects = DerivativeObjects::new(&endpoint(json!({ "derivatives": { "sweep": { "schedule": "@daily" } } })), "1970", None);
        insta::assert_yaml_snapshot!("sweep", objects.sweep.unwrap());
        assert!(objects.follow.is_none() && objects.service.is_none() && objects.network_policy.is_none());
    }

    #[test]
    fn all_of_it() {
        let endpoint = everything();
        let objects = DerivativeObjects::new(&endpoint, "2026-01-02T03:04:05Z", Some("c0ffee"));
        insta::assert_yaml_snapshot!("sweep_with_everything", objects.sweep.unwrap());
        insta::assert_yaml_snapshot!("follow", objects.follow.unwrap());
        insta::assert_yaml_snapshot!("follow_service", objects.service.unwrap());
        insta::assert_yaml_snapshot!("derivatives_network_policy", objects.network_policy.unwrap());
        insta::assert_yaml_snapshot!("purge", purge(&endpoint, endpoint.derivatives.as_ref().unwrap()));
    }

    #[test]
    fn nothing_that_finds_the_pods_which_serve_finds_these() {
        let endpoint = everything();
        let objects = DerivativeObjects::new(&endpoint, "1970", None);
        let job = objects.sweep.unwrap().spec.job_template.spec.unwrap();
        let purge = purge(&endpoint, endpoint.derivatives.as_ref().unwrap()).spec.unwrap();
        let follow = objects.follow.unwrap().spec.unwrap();
        for template in [&job.template, &purge.template, &follow.template] {
            let labels = template.metadata.as_ref().unwrap().labels.as_ref().unwrap();
            assert!(selector_labels("photos").iter().all(|(name, value)| labels.get(name) != Some(value)), "{labels:?}");
            assert_eq!(labels["team"], "web");
        }
        let followed = follow.selector.match_labels.unwrap();
        let matches = |template: &PodTemplateSpec| {
            let labels = template.metadata.as_ref().unwrap().labels.as_ref().unwrap();
            followed.iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        assert!(matches(&follow.template) && !matches(&job.template) && !matches(&purge.template));
    }

    #[test]
    fn nothing_is_made_where_nothing_is_asked() {
        let objects = DerivativeObjects::new(&endpoint(json!({ "workload": { "networkPolicy": {} } })), "1970", None);
        assert!(objects.sweep.is_none() && objects.follow.is_none() && objects.service.is_none() && objects.network_policy.is_none());
    }
}
