//! A bucket's public access block without what is in the way of a public policy, and with it again. Pure.

use aws_sdk_s3::types::PublicAccessBlockConfiguration;
use resize_api::status::PublicRead;

/// The block with both parts lifted that forbid public policies; nothing where they are not on.
pub fn lift(live: Option<&PublicAccessBlockConfiguration>) -> Option<PublicAccessBlockConfiguration> {
    let live = live?;
    (on(live.block_public_policy) || on(live.restrict_public_buckets)).then(|| {
        let mut lifted = live.clone();
        lifted.block_public_policy = Some(false);
        lifted.restrict_public_buckets = Some(false);
        lifted
    })
}

/// What [`lift`] will have lifted of `live`, beside what was lifted before.
pub fn note(live: Option<&PublicAccessBlockConfiguration>, before: Option<&PublicRead>) -> PublicRead {
    let before = before.cloned().unwrap_or_default();
    PublicRead {
        block_public_policy_lifted: before.block_public_policy_lifted || live.is_some_and(|live| on(live.block_public_policy)),
        restrict_public_buckets_lifted: before.restrict_public_buckets_lifted || live.is_some_and(|live| on(live.restrict_public_buckets)),
    }
}

/// The block with those parts on again that were lifted; nothing where they are.
pub fn restore(live: Option<&PublicAccessBlockConfiguration>, lifted: &PublicRead) -> Option<PublicAccessBlockConfiguration> {
    let mut restored = live.cloned().unwrap_or_else(|| PublicAccessBlockConfiguration::builder().build());
    if lifted.block_public_policy_lifted {
        restored.block_public_policy = Some(true);
    }
    if lifted.restrict_public_buckets_lifted {
        restored.restrict_public_buckets = Some(true);
    }
    (lifted != &PublicRead::default() && live != Some(&restored)).then_some(restored)
}

fn on(part: Option<bool>) -> bool {
    part == Some(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(policy: bool, restrict: bool, acls: bool) -> PublicAccessBlockConfiguration {
        PublicAccessBlockConfiguration::builder()
            .block_public_acls(acls)
            .ignore_public_acls(acls)
            .block_public_policy(policy)
            .restrict_public_buckets(restrict)
            .build()
    }

    #[test]
    fn lifts_only_what_forbids_public_policies() {
        assert_eq!(lift(Some(&block(true, true, true))), Some(block(false, false, true)));
        assert_eq!(lift(Some(&block(true, false, false))), Some(block(false, false, false)));
        assert_eq!(lift(Some(&block(false, false, true))), None);
        assert_eq!(lift(None), None);
    }

    #[test]
    fn a_part_that_somebody_else_lifted_is_not_put_back() {
        assert_eq!(restore(Some(&block(false, false, true)), &note(Some(&block(false, true, true)), None)), Some(block(false, true, true)));
        assert_eq!(restore(None, &PublicRead::default()), None);
    }

    proptest! {
        #[test]
        fn lifting_then_restoring_gives_back_the_start(policy: bool, restrict: bool, acls: bool, twice: bool) {
            let start = block(policy, restrict, acls);
            let mut noted = note(Some(&start), None);
            let live = lift(Some(&start)).unwrap_or_else(|| start.clone());
            if twice {
                // on a second look those parts are off already
                noted = note(Some(&live), Some(&noted));
            }
            prop_assert_eq!(lift(Some(&live)), None);
            prop_assert_eq!(restore(Some(&live), &noted).unwrap_or(live), start);
        }
    }
}
