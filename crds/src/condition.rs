//! Names of conditions and their reasons: the same word in condition, Event, log and metric.

use std::fmt;

/// Type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionType {
    /// The spec is valid and no other endpoint has the bucket.
    Accepted,
    /// Pods of the current spec serve.
    WorkloadAvailable,
    /// The bucket's website configuration holds the rules of the current spec.
    RoutingRuleApplied,
    /// All of the above: a visitor gets pictures.
    Ready,
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a condition has its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Accepted: the spec is valid, the bucket is free.
    Valid,
    /// Accepted: a field cannot be used; the message names it.
    InvalidSpec,
    /// Accepted: another `ResizeEndpoint` has the bucket.
    BucketClaimed,
    /// Accepted: an object of the name that is needed belongs to somebody else.
    NameTaken,
    /// WorkloadAvailable: pods of the current spec serve.
    PodsAvailable,
    /// WorkloadAvailable: pods serve, and those of the current spec are on their way.
    RollingOut,
    /// WorkloadAvailable: no pod serves yet.
    Progressing,
    /// WorkloadAvailable: pods cannot start or keep failing; the message says why.
    PodsFailing,
    /// WorkloadAvailable: `workload.replicas` is 0.
    ScaledToZero,
    /// RoutingRuleApplied: the rules are in the bucket.
    RulesApplied,
    /// RoutingRuleApplied: the rules wait until pods serve.
    WaitingForWorkload,
    /// RoutingRuleApplied: with `Observe`, the rules are not in the bucket yet.
    WaitingForExternalWriter,
    /// RoutingRuleApplied: the bucket redirects all its requests elsewhere.
    RedirectsAllRequests,
    /// RoutingRuleApplied: the bucket has no room for the rules.
    NoRoomForRules,
    /// RoutingRuleApplied: somebody else's rule is for the same requests.
    ConflictingRule,
    /// RoutingRuleApplied: the bucket does not exist.
    BucketNotFound,
    /// RoutingRuleApplied: S3 refuses the operator's call.
    AccessDenied,
    /// RoutingRuleApplied: S3 does not know the credentials, or they are expired.
    InvalidCredentials,
    /// RoutingRuleApplied: the Secret is missing, or lacks a key.
    SecretInvalid,
    /// RoutingRuleApplied: the bucket is in another region.
    WrongRegion,
    /// RoutingRuleApplied: S3 cannot be reached, or does not answer in time.
    S3Unreachable,
    /// RoutingRuleApplied: S3 fails otherwise; the message has its code.
    S3Error,
    /// RoutingRuleApplied: the rules were not there any more right after they had been written.
    ConcurrentWrite,
    /// The Kubernetes API refuses a call, or fails.
    KubernetesError,
    /// Not looked at, for `suspend` is true.
    Suspended,
    /// Not looked at, for an earlier condition is false.
    NotAttempted,
    /// Ready: all conditions are true.
    Serving,
    /// Ready: all conditions are true, and every size is allowed.
    ServingEverySize,
}

impl Reason {
    /// Whether trying again alone may help, without a change of the spec.
    pub fn is_passing(self) -> bool {
        use Reason::{
            AccessDenied, BucketNotFound, ConcurrentWrite, InvalidCredentials, KubernetesError, NameTaken, S3Error, S3Unreachable,
            SecretInvalid, WrongRegion,
        };
        matches!(
            self,
            AccessDenied
                | BucketNotFound
                | ConcurrentWrite
                | InvalidCredentials
                | KubernetesError
                | NameTaken
                | S3Error
                | S3Unreachable
                | SecretInvalid
                | WrongRegion
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
