//! How derivatives are stored: words of the API and of the environment → [`Storage`].
//!
//! A part of `settings` and `endpoint` above; `environment` below parses it.

use std::str::FromStr;

#[cfg(feature = "kube")]
use kube::KubeSchema;
#[cfg(feature = "kube")]
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};

use crate::{
    environment::{Env, SettingError},
    words::want_one_of,
};

/// Canned ACL of what is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Acl {
    /// None is sent: the bucket's policy says who may read.
    #[default]
    None,
    /// `public-read`: for buckets that are public by the ACLs of their objects.
    PublicRead,
}

/// How what is stored is encrypted at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Encryption {
    /// As the bucket says.
    #[default]
    Bucket,
    /// `AES256`: with keys of S3.
    Aes256,
    /// `aws:kms`: with a key of KMS.
    Kms,
}

/// How derivatives are stored, beside their content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// `OUTPUT_ACL`.
    pub acl: Acl,
    /// `OUTPUT_ENCRYPTION`.
    pub encryption: Encryption,
    /// `OUTPUT_KMS_KEY_ID`: id or ARN of the key for [`Encryption::Kms`]; else the account's own for S3.
    pub kms_key: Option<KmsKey>,
    /// `OUTPUT_STORAGE_CLASS`; else the bucket's.
    pub class: Option<StorageClass>,
}

impl Storage {
    pub(crate) fn from_env<F: Fn(&str) -> Option<String>>(env: &Env<'_, F>) -> Result<Self, SettingError> {
        let mut storage = Self::default();
        env.read("OUTPUT_ACL", &mut storage.acl)?;
        env.read("OUTPUT_ENCRYPTION", &mut storage.encryption)?;
        storage.kms_key = env.optional("OUTPUT_KMS_KEY_ID")?;
        storage.class = env.optional("OUTPUT_STORAGE_CLASS")?;
        if storage.kms_key.is_some() && storage.encryption != Encryption::Kms {
            return Err(SettingError { name: "OUTPUT_KMS_KEY_ID", problem: "want OUTPUT_ENCRYPTION=Kms beside it".to_owned() });
        }
        Ok(storage)
    }

    /// Every variable that is read, with the value that says this; an empty one counts as not set.
    pub(crate) fn variables(&self) -> [(&'static str, String); 4] {
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        [
            ("OUTPUT_ACL", self.acl.to_string()),
            ("OUTPUT_ENCRYPTION", self.encryption.to_string()),
            ("OUTPUT_KMS_KEY_ID", text(self.kms_key.as_ref().map(|key| &key.0))),
            ("OUTPUT_STORAGE_CLASS", text(self.class.as_ref().map(|class| &class.0))),
        ]
    }
}

/// Id, alias or ARN of a key of KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKey(String);

impl KmsKey {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KmsKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = (1..=2048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":/_-".contains(&b));
        if plain { Ok(Self(text.to_owned())) } else { Err("want the id, the alias or the ARN of a KMS key") }
    }
}

/// A storage class whose objects can be read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass(String);

impl StorageClass {
    /// The text, `STANDARD_IA` for example.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StorageClass {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain =
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_-".contains(&b));
        match text {
            "GLACIER" | "DEEP_ARCHIVE" => Err("want a storage class whose objects can be read at once, such as STANDARD_IA"),
            _ if plain => Ok(Self(text.to_owned())),
            _ => Err("want a storage class such as STANDARD_IA or INTELLIGENT_TIERING"),
        }
    }
}

/// How derivatives are encrypted, as a user writes it.
#[cfg(feature = "kube")]
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.keyId) || self.mode == 'Kms'").message("keyId: want mode: Kms beside it"))]
pub struct EncryptionSpec {
    /// `Bucket`: as the bucket says. `Aes256`: with keys of S3. `Kms`: with a key of KMS; then only a CDN that signs its requests can read them, not a website endpoint.
    #[serde(default)]
    pub mode: Encryption,

    /// Id, alias or ARN of the KMS key. Default: the account's own key for S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9:/_-]+$')").message("want the id, the alias or the ARN of a KMS key"))]
    pub key_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Storage, SettingError> {
        Storage::from_env(&Env(&|name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())))
    }

    #[test]
    fn reads_what_it_writes() {
        let key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab";
        let variables = [
            ("OUTPUT_ACL", "publicread"),
            ("OUTPUT_ENCRYPTION", "Kms"),
            ("OUTPUT_KMS_KEY_ID", key),
            ("OUTPUT_STORAGE_CLASS", "INTELLIGENT_TIERING"),
        ];
        let storage = read(&variables).unwrap();
        assert_eq!((storage.acl, storage.encryption), (Acl::PublicRead, Encryption::Kms));
        let written = storage.variables();
        let again: Vec<_> = written.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(read(&again), Ok(storage));
        assert_eq!(read(&[]), Ok(Storage::default()));
    }

    #[test]
    fn names_the_bad_variable() {
        for (variables, name, says) in [
            (&[("OUTPUT_ACL", "private")][..], "OUTPUT_ACL", "None, PublicRead"),
            (&[("OUTPUT_ENCRYPTION", "aws:kms")], "OUTPUT_ENCRYPTION", "Bucket, Aes256, Kms"),
            (&[("OUTPUT_KMS_KEY_ID", "abc")], "OUTPUT_KMS_KEY_ID", "OUTPUT_ENCRYPTION=Kms"),
            (&[("OUTPUT_KMS_KEY_ID", "a b"), ("OUTPUT_ENCRYPTION", "Kms")], "OUTPUT_KMS_KEY_ID", "ARN"),
            (&[("OUTPUT_STORAGE_CLASS", "DEEP_ARCHIVE")], "OUTPUT_STORAGE_CLASS", "read at once"),
            (&[("OUTPUT_STORAGE_CLASS", "standard")], "OUTPUT_STORAGE_CLASS", "STANDARD_IA"),
        ] {
            let error = read(variables).unwrap_err();
            assert!(error.name == name && error.to_string().contains(says), "{error}");
        }
    }
}
