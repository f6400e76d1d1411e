//! A reason → what to do about it, in one line. `resize-operator check` says it, and the runbook has more.

use super::Reason;

impl Reason {
    /// What to do, in the imperative; none where all is well or time alone helps.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Valid
            | Self::PodsAvailable
            | Self::RollingOut
            | Self::RulesApplied
            | Self::NotNeeded
            | Self::PublicUrlServes
            | Self::PodsCanRead
            | Self::SweepComplete
            | Self::EventsFollowed
            | Self::Serving
            | Self::Verifying
            | Self::NotSweptYet
            | Self::Purging
            | Self::WaitingForRollouts
            | Self::WaitingForWorkload => return None,
            Self::InvalidSpec => "correct the field that the message names",
            Self::BucketClaimed => "delete the other ResizeEndpoint of the bucket, or use another bucket",
            Self::HostClaimed => "use another host or ingress.path, or delete the other ResizeEndpoint that has them",
            Self::BucketNotAllowed => {
                "ask those who run the operator: claims of its chart, or the bucket's tag, decide which namespace gets which bucket"
            }
            Self::StoreChanged => "set bucket.endpoint to the old store or to the new one",
            Self::NameTaken => "delete the object of that name, or choose another name for the ResizeEndpoint",
            Self::GatewayApiMissing => "install the Gateway API, or use spec.ingress",
            Self::Undecodable => "apply the object again, as this version of the API wants it",
            Self::Progressing => "wait a minute; then `kubectl describe pod` says why no pod is ready",
            Self::PodsFailing => "look at the pods: `kubectl describe pod`, `kubectl logs`",
            Self::NoAddress => "look at the Ingress' class and its controller, or at the Gateway that has to accept the HTTPRoute",
            Self::Forbidden => "raise the quota, change the webhook's rule, or give the operator's role back what its chart has",
            Self::ScaledToZero => "set workload.replicas to 1 or more",
            Self::WaitingForExternalWriter => "write the rules of status.routingRules into the bucket, or set routing.management to Merge",
            Self::RedirectsAllRequests => "remove RedirectAllRequestsTo from the bucket's website configuration, or use another bucket",
            Self::NoRoomForRules => "remove a routing rule from the bucket: S3 takes 50",
            Self::ConflictingRule => "remove the rule that the message names, or set routing.management to Observe",
            Self::BucketNotFound => "create the bucket, or correct bucket.name, bucket.endpoint or bucket.region",
            Self::AccessDenied => "allow the call that the message names in the identity's policy or the bucket's",
            Self::InvalidCredentials => "correct the keys in the Secret, or the identity of the operator or of the pods",
            Self::SecretInvalid => {
                "create the Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what bucket.caBundle names, in the endpoint's namespace"
            }
            Self::WrongRegion => "correct bucket.region",
            Self::S3Unreachable => "look at bucket.endpoint, at network policies, and at the store itself",
            Self::S3Throttled => "nothing but fewer calls: raise resyncSeconds of the chart if it stays",
            Self::NotSupported => "use a store that knows website configurations, or delivery.mode Direct, which needs none",
            Self::S3Error => "look at the store: the message has its code",
            Self::ConcurrentWrite => "if it stays, find out who else writes the bucket's website configuration",
            Self::ExternallyOverwritten => {
                "stop whoever removes the rules (Terraform, ACK, Crossplane?), or set routing.management to Observe"
            }
            Self::WrongRedirect => "look for another routing rule before ours, or correct publicUrl",
            Self::NoRedirect => "set publicUrl to the bucket's website endpoint, or to a CDN before it",
            Self::PublicAccessDenied => "let everybody s3:GetObject, and look at the public access block of bucket and account",
            Self::NotTheWebsite => "set publicUrl to the bucket's website endpoint, not to its REST endpoint",
            Self::NotTheResizer => "lead publicUrl to the Ingress or Gateway of the endpoint, or to a CDN before it",
            Self::CdnInTheWay => "let the CDN pass redirects on and cache no errors, and look at its origin",
            Self::TlsError => "renew the certificate, or give the operator the authority: bucket.caBundle, or caBundle of the chart",
            Self::PublicUrlUnreachable | Self::ServingUnverified => "open publicUrl from where visitors are: the operator cannot reach it",
            Self::PodsCannotStore => "allow the pods s3:PutObject: until then each visit makes its picture anew",
            Self::AccessUnclear => "allow the pods s3:ListBucket, so that they can tell a missing key from denied access",
            Self::PodsUnreachable => "let the operator reach the admin port of the pods (network policies)",
            Self::SweepDryRun => "read the report, then set derivatives.sweep.dryRun to false",
            Self::SweepRefused => "see whether the originals are there; if so, raise derivatives.sweep.maxDeletions until the next sweep",
            Self::SweepFailed => "read the log of the Job's pod",
            Self::Overdue => "look at CronJob and Jobs: suspended, failing, or too slow",
            Self::FollowUnavailable => "look at the pod of the Deployment NAME-follow: `kubectl describe`, `kubectl logs`",
            Self::PurgeFailed => "do what the message says, or set derivatives.onDelete to Keep",
            Self::PurgeGivenUp => "delete the derivatives by hand: they are still in the bucket",
            Self::CleanupGivenUp => "take the routing rules out by hand: the operator's log holds them",
            Self::KubernetesError => "look at the API server, and at the log of the operator",
            Self::Suspended => "set suspend to false when it is to be kept again",
            Self::NotAttempted => "see the condition that does not hold before it",
            Self::ServingEverySize => "list the sizes in allowedResolutions, lest anybody fill the bucket with others",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_that_asks_for_something_says_what_in_one_line() {
        for reason in Reason::ALL {
            let advice = reason.advice();
            assert!(!reason.is_passing() || advice.is_some(), "{reason} is a failure without a word of what to do");
            let Some(advice) = advice else { continue };
            assert!((15..=130).contains(&advice.len()) && !advice.contains('\n'), "{reason}: {advice}");
            assert!(advice.starts_with(|first: char| first.is_ascii_lowercase()) && !advice.ends_with('.'), "{reason}: {advice}");
        }
    }
}
