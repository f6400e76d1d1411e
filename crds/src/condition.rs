//! Names of conditions and their reasons: the same word in condition, Event, log and metric; and what to do about each.
//!
//! The operator reports them in `status`; nothing is below.

mod advice;

use strum::{Display, VariantArray};

/// Type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Display, VariantArray)]
pub enum ConditionType {
    /// The spec is valid and no other endpoint has the bucket.
    Accepted,
    /// Pods of the current spec serve.
    WorkloadAvailable,
    /// The bucket's website configuration holds the rules of the current spec, or none are needed.
    RoutingRuleApplied,
    /// `publicUrl` answers a missing size with the redirect to the resizer, or with `Direct` leads to it.
    PublicUrlVerified,
    /// The pods' own identity may read the originals, as they say.
    OriginalsReadable,
    /// Derivatives are what their originals are, within the bound that the status tells. Only where `derivatives` asks for it.
    DerivativesCurrent,
    /// All of the above but the last: a visitor gets pictures.
    Ready,
}

/// Why a condition has its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Display, VariantArray)]
pub enum Reason {
    /// Accepted: the spec is valid, the bucket is free.
    Valid,
    /// Accepted: a field cannot be used; the message names it.
    InvalidSpec,
    /// Accepted: another `ResizeEndpoint` has the bucket.
    BucketClaimed,
    /// Accepted: another `ResizeEndpoint` has the host and path.
    HostClaimed,
    /// Accepted: the operator's owner, or the bucket's, does not let this namespace use it.
    BucketNotAllowed,
    /// Accepted: the operator's own store is another one than that in which the rules are.
    StoreChanged,
    /// Accepted: an object of the name that is needed belongs to somebody else.
    NameTaken,
    /// Accepted: `gateway` is set, and the cluster has no Gateway API.
    GatewayApiMissing,
    /// WorkloadAvailable: pods of the current spec serve.
    PodsAvailable,
    /// WorkloadAvailable: pods serve, and those of the current spec are on their way.
    RollingOut,
    /// WorkloadAvailable, DerivativesCurrent: pods go on, and what a newer operator changed of them waits until other endpoints have rolled out.
    WaitingForRollouts,
    /// WorkloadAvailable: no pod serves yet.
    Progressing,
    /// WorkloadAvailable: pods cannot start or keep failing; the message says why.
    PodsFailing,
    /// WorkloadAvailable: pods serve, but no controller has given the Ingress an address, or no Gateway has accepted the HTTPRoute.
    NoAddress,
    /// WorkloadAvailable: a quota, a webhook or the operator's role forbids an object; the message is theirs.
    Forbidden,
    /// WorkloadAvailable: `workload.replicas` is 0.
    ScaledToZero,
    /// RoutingRuleApplied: the rules are in the bucket.
    RulesApplied,
    /// RoutingRuleApplied: with `delivery.mode: Direct` there are none, and S3 is not called.
    NotNeeded,
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
    /// RoutingRuleApplied, OriginalsReadable: the bucket does not exist.
    BucketNotFound,
    /// RoutingRuleApplied, OriginalsReadable: S3 refuses the operator's call, or the pods'.
    AccessDenied,
    /// RoutingRuleApplied, OriginalsReadable: S3 does not know the credentials, or they are expired.
    InvalidCredentials,
    /// RoutingRuleApplied: the Secret, or what `bucket.caBundle` names, is missing, lacks a key, or holds what cannot be used.
    SecretInvalid,
    /// RoutingRuleApplied: the bucket is in another region.
    WrongRegion,
    /// RoutingRuleApplied, OriginalsReadable: S3 cannot be reached, or does not answer in time.
    S3Unreachable,
    /// RoutingRuleApplied: S3 asks for fewer calls.
    S3Throttled,
    /// RoutingRuleApplied, PublicUrlVerified: the store does not implement the call.
    NotSupported,
    /// RoutingRuleApplied: S3 fails otherwise; the message has its code.
    S3Error,
    /// RoutingRuleApplied: the rules were not there any more right after they had been written.
    ConcurrentWrite,
    /// RoutingRuleApplied: somebody else removed the rules three times in an hour.
    ExternallyOverwritten,
    /// PublicUrlVerified: a missing size is redirected to the resizer; with `Direct`, the resizer answers.
    PublicUrlServes,
    /// PublicUrlVerified, OriginalsReadable: not known yet, and a moment may help.
    Verifying,
    /// PublicUrlVerified: the redirect leads elsewhere, or is one that browsers keep.
    WrongRedirect,
    /// PublicUrlVerified: 404 and no redirect.
    NoRedirect,
    /// PublicUrlVerified: 403, so visitors may not read the bucket.
    PublicAccessDenied,
    /// PublicUrlVerified: something other than the bucket's website answers.
    NotTheWebsite,
    /// PublicUrlVerified: with `Direct`, something other than the resizer answers.
    NotTheResizer,
    /// PublicUrlVerified: a CDN gives the wrong answer.
    CdnInTheWay,
    /// PublicUrlVerified: the certificate cannot be trusted.
    TlsError,
    /// PublicUrlVerified: it cannot be reached from the operator.
    PublicUrlUnreachable,
    /// OriginalsReadable: pods can read.
    PodsCanRead,
    /// OriginalsReadable: pods can read, but S3 refuses what they store.
    PodsCannotStore,
    /// OriginalsReadable: without the right to list the bucket, pods cannot tell a missing key from denied access.
    AccessUnclear,
    /// OriginalsReadable: no pod tells the operator.
    PodsUnreachable,
    /// DerivativesCurrent: no sweep has ended yet.
    NotSweptYet,
    /// DerivativesCurrent: the last sweep compared the whole bucket, and what had to go is gone.
    SweepComplete,
    /// DerivativesCurrent: the last sweep only said what would go.
    SweepDryRun,
    /// DerivativesCurrent: the last sweep would have deleted more than it may, or saw no original at all, and deleted nothing.
    SweepRefused,
    /// DerivativesCurrent: the last sweep failed.
    SweepFailed,
    /// DerivativesCurrent: no sweep was complete for longer than two of its intervals and an hour.
    Overdue,
    /// DerivativesCurrent: events are followed, and no sweep is asked for.
    EventsFollowed,
    /// DerivativesCurrent: the pod that follows events does not run.
    FollowUnavailable,
    /// DerivativesCurrent: the object is being deleted, and its derivatives before it.
    Purging,
    /// DerivativesCurrent: they cannot be deleted; the message says why.
    PurgeFailed,
    /// Only an Event: the object was let go though its derivatives stay in the bucket.
    PurgeGivenUp,
    /// Accepted: the object was written for another version of the API, and cannot be read whole.
    Undecodable,
    /// Only an Event: the object was let go though its rules could not be taken out of the bucket.
    CleanupGivenUp,
    /// The Kubernetes API fails.
    KubernetesError,
    /// Ready: `suspend` is true, everything is kept as it is.
    Suspended,
    /// Not looked at, for an earlier condition is false.
    NotAttempted,
    /// Ready: all conditions are true.
    Serving,
    /// Ready: all conditions are true, but nobody could look whether visitors reach `publicUrl`.
    ServingUnverified,
    /// Ready: all conditions are true, and every size is allowed.
    ServingEverySize,
}

impl ConditionType {
    /// Every one of them.
    pub const ALL: &[Self] = Self::VARIANTS;
}

impl Reason {
    /// Every one of them.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Whether trying again alone may help, without a change of the spec.
    pub fn is_passing(self) -> bool {
        use Reason::{
            AccessDenied, BucketNotFound, CdnInTheWay, ConcurrentWrite, Forbidden, GatewayApiMissing, InvalidCredentials, KubernetesError,
            NameTaken, NoRedirect, NotTheResizer, NotTheWebsite, PublicAccessDenied, S3Error, S3Throttled, S3Unreachable, SecretInvalid,
            TlsError, WrongRedirect, WrongRegion,
        };
        matches!(
            self,
            AccessDenied
                | BucketNotFound
                | CdnInTheWay
                | ConcurrentWrite
                | Forbidden
                | GatewayApiMissing
                | InvalidCredentials
                | KubernetesError
                | NameTaken
                | NoRedirect
                | NotTheResizer
                | NotTheWebsite
                | PublicAccessDenied
                | S3Error
                | S3Throttled
                | S3Unreachable
                | SecretInvalid
                | TlsError
                | WrongRedirect
                | WrongRegion
        )
    }
}
