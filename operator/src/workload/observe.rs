//! Deployment and pods as they are → whether they serve, and if not, why.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ContainerState, ContainerStatus, Pod},
};
use kube::{Client, ResourceExt};
use resize_api::condition::Reason;

use super::pods::Listed;
use crate::{endpoint::Endpoint, report::Verdict};

/// What the pods do.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Condition WorkloadAvailable.
    pub verdict: Verdict,
    /// Whether all pods run the current spec, and at least one serves.
    pub rolled_out: bool,
    /// The pods, if they were looked at.
    pub listed: Option<Listed>,
}

/// Looks at the pods too: the Deployment does not tell why they fail, nor of those that are on their way out.
/// Neither matters where all pods of the Deployment serve and nothing waits for the old ones to go.
pub async fn observe(client: &Client, endpoint: &Endpoint, deployment: &Deployment, is_settled: bool) -> Result<Observed, kube::Error> {
    // nor of one that was made just now
    let is_new = deployment.status.as_ref().is_none_or(|status| status.observed_generation.is_none());
    if is_new || is_settled && rolled_out(deployment, &[]) {
        return Ok(judge(deployment, &[]));
    }
    let listed = Listed::of(client, endpoint).await?;
    let mut observed = judge(deployment, &listed.pods);
    if let Some(note) = listed.note() {
        observed.verdict.message = format!("{}; {note}", observed.verdict.message);
    }
    Ok(Observed { listed: Some(listed), ..observed })
}

fn wanted(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn available(deployment: &Deployment) -> i32 {
    deployment.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

/// Pods that are being deleted still answer for a while, and may know other sizes.
fn rolled_out(deployment: &Deployment, pods: &[Pod]) -> bool {
    let Some(status) = &deployment.status else { return false };
    let updated = status.updated_replicas.unwrap_or(0);
    status.observed_generation >= deployment.metadata.generation
        && updated >= wanted(deployment)
        && status.replicas.unwrap_or(0) == updated
        && available(deployment) > 0
        && pods.iter().all(|pod| pod.metadata.deletion_timestamp.is_none())
}

fn judge(deployment: &Deployment, pods: &[Pod]) -> Observed {
    let (wanted, available) = (wanted(deployment), available(deployment));
    let serving = format!("{available} of {wanted} pods serve");
    let rolled_out = rolled_out(deployment, pods);
    let verdict = if wanted == 0 {
        Verdict::no(Reason::ScaledToZero, "workload.replicas is 0: no pod serves")
    } else if rolled_out {
        Verdict::yes(Reason::PodsAvailable, serving)
    } else if let Some(problem) =
        pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).find_map(problem).or_else(|| refusal(deployment))
    {
        // the rollout keeps old pods until new ones are ready, and a node may still be added
        if available > 0 && !is_overdue(deployment) {
            Verdict::yes(Reason::RollingOut, format!("{serving}, but no new one yet: {problem}"))
        } else {
            Verdict::no(Reason::PodsFailing, format!("{serving}; {problem}"))
        }
    } else if available > 0 {
        Verdict::yes(Reason::RollingOut, format!("{serving}, and pods of the current spec replace them"))
    } else {
        Verdict::no(Reason::Progressing, format!("{serving}; waiting for pods of the current spec"))
    };
    Observed { verdict, rolled_out, listed: None }
}

/// Whether pods are being replaced. A rollout that is overdue is over, and so is one that is complete, whatever happens to its pods.
pub fn is_rolling(deployment: &Deployment) -> bool {
    if deployment.spec.as_ref().is_some_and(|spec| spec.paused == Some(true)) {
        return false;
    }
    // asked of all Deployments for each one that waits: nothing is copied
    let Some(status) = deployment.status.as_ref().filter(|status| status.observed_generation >= deployment.metadata.generation) else {
        return true;
    };
    let (replicas, updated) = (wanted(deployment), status.updated_replicas.unwrap_or(0));
    let has_old = status.replicas.unwrap_or(0) != updated;
    let mut conditions = status.conditions.iter().flatten();
    let is_complete = !has_old && conditions.any(|condition| condition.reason.as_deref() == Some("NewReplicaSetAvailable"));
    !is_complete && !is_overdue(deployment) && (has_old || updated < replicas || available(deployment) < replicas)
}

/// Whether the rollout has made no progress for longer than the Deployment allows (`progressDeadlineSeconds`).
fn is_overdue(deployment: &Deployment) -> bool {
    let mut conditions = deployment.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == "Progressing" && condition.status == "False")
}

/// Why no pods can be made, a quota for example.
fn refusal(deployment: &Deployment) -> Option<String> {
    let mut conditions = deployment.status.as_ref()?.conditions.iter().flatten();
    let refused = conditions.find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
    Some(format!("pods cannot be made: {}", refused.message.as_deref().unwrap_or_default()))
}

/// What keeps a pod from serving, if waiting alone will not help.
fn problem(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let name = pod.name_any();
    let containers = status.container_statuses.iter().flatten();
    let waiting = containers.clone().find_map(waiting_problem);
    let unschedulable = || {
        let mut conditions = status.conditions.iter().flatten();
        let condition = conditions.find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
        Some(format!("cannot be scheduled: {}", condition.message.as_deref().unwrap_or_default()))
    };
    waiting.or_else(unschedulable).map(|problem| format!("pod {name} {problem}"))
}

fn waiting_problem(container: &ContainerStatus) -> Option<String> {
    let ContainerState { waiting: Some(waiting), .. } = container.state.as_ref()? else { return None };
    let reason = waiting.reason.as_deref().filter(|reason| !matches!(*reason, "ContainerCreating" | "PodInitializing"))?;
    // the termination message says more than CrashLoopBackOff
    let ended = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let message = match ended {
        Some(ended) => format!(
            "exit status {}{}",
            ended.exit_code,
            ended.message.as_ref().map(|text| format!(", {}", text.trim())).unwrap_or_default()
        ),
        None => waiting.message.clone().unwrap_or_default(),
    };
    Some(format!("{reason}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn deployment(replicas: i32, status: Value) -> Deployment {
        serde_json::from_value(
            json!({ "metadata": { "generation": 2 }, "spec": { "replicas": replicas, "selector": {}, "template": {} }, "status": status }),
        )
        .unwrap()
    }

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": "p" }, "status": status })).unwrap()
    }

    #[test]
    fn tells_serving_from_not_serving() {
        let full = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        let behind = json!({ "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        let rolling = json!({ "observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2 });
        let leaving = json!({ "observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2 });
        let one = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1 });
        let none = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2 });
        for (replicas, status, reason) in [
            (2, full, Reason::PodsAvailable),
            (2, behind, Reason::RollingOut),
            (2, rolling, Reason::RollingOut),
            (2, leaving, Reason::RollingOut),
            (2, one, Reason::PodsAvailable),
            (2, none, Reason::Progressing),
            (2, json!({}), Reason::Progressing),
            (0, json!({ "observedGeneration": 2 }), Reason::ScaledToZero),
        ] {
            let workload = judge(&deployment(replicas, status.clone()), &[]);
            assert_eq!(workload.verdict.reason, reason, "{status}");
            assert_eq!(workload.rolled_out, reason == Reason::PodsAvailable, "{status}");
        }
    }

    #[test]
    fn a_rollout_ends_when_it_is_complete_or_overdue() {
        let status = |observed: i64, replicas: i32, updated: i32, available: i32, progressing: Option<(&str, &str)>| {
            let condition = |(status, reason)| json!([{ "type": "Progressing", "status": status, "reason": reason }]);
            json!({
                "observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available,
                "conditions": progressing.map(condition),
            })
        };
        let (complete, overdue) = (Some(("True", "NewReplicaSetAvailable")), Some(("False", "ProgressDeadlineExceeded")));
        for (status, rolls) in [
            (status(1, 2, 2, 2, complete), true),
            (status(2, 2, 2, 2, None), false),
            (status(2, 3, 1, 2, Some(("True", "ReplicaSetUpdated"))), true),
            (status(2, 2, 1, 2, None), true),
            (status(2, 2, 2, 1, Some(("True", "ReplicaSetUpdated"))), true),
            (status(2, 3, 1, 2, overdue), false),
            // a node was lost, or a pod of one more is on its way
            (status(2, 2, 2, 1, complete), false),
            (status(2, 1, 1, 1, complete), false),
            (status(2, 3, 1, 2, complete), true),
        ] {
            assert_eq!(is_rolling(&deployment(2, status.clone())), rolls, "{status}");
        }
        let mut paused = deployment(2, status(1, 2, 2, 2, None));
        paused.spec.as_mut().unwrap().paused = Some(true);
        assert!(!is_rolling(&paused), "nobody knows when it goes on");
    }

    #[test]
    fn a_pod_on_its_way_out_still_counts() {
        let full = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        let mut leaving = pod(json!({}));
        leaving.metadata.deletion_timestamp = Some(crate::testing::fixtures::time("2026-01-02T03:04:05Z"));
        let workload = judge(&deployment(2, full), &[leaving]);
        assert_eq!((workload.verdict.reason, workload.rolled_out), (Reason::RollingOut, false));
    }

    #[test]
    fn a_new_pod_that_waits_beside_old_ones_that_serve_is_a_rollout_until_it_lasts() {
        let pending = pod(json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes" }] }));
        let rolling = |overdue: bool| {
            let progressing = json!([{ "type": "Progressing", "status": if overdue { "False" } else { "True" } }]);
            json!({ "observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2, "conditions": progressing })
        };
        let verdict = |overdue| judge(&deployment(2, rolling(overdue)), std::slice::from_ref(&pending)).verdict;
        assert_eq!((verdict(false).holds, verdict(false).reason), (Some(true), Reason::RollingOut));
        assert!(verdict(false).message.contains("0/1 nodes"), "{}", verdict(false).message);
        assert_eq!((verdict(true).holds, verdict(true).reason), (Some(false), Reason::PodsFailing));
    }

    #[test]
    fn says_what_keeps_pods_from_serving() {
        let waiting = |reason: &str| json!({ "containerStatuses": [{ "name": "resizer", "ready": false, "restartCount": 0, "image": "", "imageID": "", "state": { "waiting": { "reason": reason, "message": "no such image" } } }] });
        let mut crashing = waiting("CrashLoopBackOff");
        crashing["containerStatuses"][0]["lastState"] = json!({ "terminated": { "exitCode": 64, "message": "URL: not set\n" } });
        let pending = json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available" }] });
        for (status, says) in [
            (waiting("ErrImagePull"), "pod p ErrImagePull: no such image"),
            (crashing, "pod p CrashLoopBackOff: exit status 64, URL: not set"),
            (pending, "pod p cannot be scheduled: 0/1 nodes"),
        ] {
            let verdict = judge(&deployment(2, json!({})), &[pod(status)]).verdict;
            assert_eq!(verdict.reason, Reason::PodsFailing);
            assert!(verdict.message.contains(says), "{}", verdict.message);
        }
        assert_eq!(judge(&deployment(2, json!({})), &[pod(waiting("ContainerCreating"))]).verdict.reason, Reason::Progressing);
        let quota = json!({ "conditions": [{ "type": "ReplicaFailure", "status": "True", "message": "exceeded quota" }] });
        assert!(judge(&deployment(2, quota), &[]).verdict.message.contains("exceeded quota"));
    }
}
