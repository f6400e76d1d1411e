//! What a resizer reports of its own access to the bucket: written by the resizer, read by the operator.
//!
//! `GET /selfcheck` on its admin port always answers 200 with JSON, and has no influence on readiness:
//!
//! ```json
//! {"originals": "Allowed", "derivatives": "Unknown", "message": ""}
//! ```
//!
//! `originals` says whether the pod may read, `derivatives` whether it may write, each one word of
//! [`Access`]. The pod looks by itself when it starts and every five minutes, by a GET of a key that
//! cannot exist, and learns from what it does for visitors in between. The metrics
//! `resizer_self_check{access="originals",is="Allowed"}` say the same: 1 for the word that holds.

use strum::{Display, EnumString, VariantArray};

use crate::words::want_one_of;

/// Path on the admin port.
pub const PATH: &str = "/selfcheck";

/// What is known of an access to the bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Access {
    /// Nothing yet, or nothing that can be told apart: without `s3:ListBucket`, S3 denies access to a
    /// missing key also where a present one could be read. For `derivatives`: nothing was stored yet.
    #[default]
    Unknown,
    /// It works.
    Allowed,
    /// Access was denied where it is needed: to an original that a visitor asked for, or to a derivative.
    Denied,
    /// S3 does not accept the credentials, or there are none.
    CredentialsInvalid,
    /// There is no such bucket.
    BucketMissing,
    /// S3 does not answer, or fails.
    Unreachable,
}

impl Access {
    /// Every word.
    pub const ALL: &[Self] = Self::VARIANTS;
}

/// The answer, as the operator reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize), serde(default, rename_all = "camelCase"))]
pub struct SelfCheck {
    /// Reading originals.
    pub originals: Access,
    /// Storing derivatives.
    pub derivatives: Access,
    /// What S3 said, if it is not well: at the most 200 characters, for people.
    pub message: String,
}

#[cfg(all(test, feature = "kube"))]
mod tests {
    use super::*;

    #[test]
    fn the_operator_reads_what_the_resizer_writes() {
        // the resizer's test of `/selfcheck` has the same text
        let text = r#"{"originals":"CredentialsInvalid","derivatives":"Unknown","message":"403 InvalidAccessKeyId"}"#;
        let check: SelfCheck = serde_json::from_str(text).unwrap();
        assert_eq!(check.originals, Access::CredentialsInvalid);
        assert_eq!(serde_json::to_string(&check).unwrap(), text);
    }
}
