//! What an endpoint names → which store that is: many spellings, one store. Pure.
//!
//! `endpoint` makes it; claims, locks and the record in the status compare it. Nothing is below.

use std::{fmt, str::FromStr};

use axum::http::{Uri, uri::Scheme};

use resize_api::status::Store;

/// Stores other than AWS want some region in the signature and do not care which.
pub const ANY_REGION: &str = "us-east-1";

/// A store: a partition of AWS, in which a bucket's name is unique whatever the region, or the base URL of another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(String);

/// A text that names no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want an http or https URL without user and path, such as https://minio.example.com")]
pub struct NoStore;

impl StoreId {
    /// The store behind the base URL `endpoint`, or else AWS in `region`.
    pub fn new(endpoint: Option<&str>, region: &str) -> Self {
        let Some(endpoint) = endpoint else { return Self(partition(region).to_owned()) };
        // a text that is no URL counts as a store of its own; every call to it fails
        Self::of(endpoint, region).unwrap_or_else(|| Self(endpoint.to_owned()))
    }

    fn of(endpoint: &str, region: &str) -> Option<Self> {
        let uri: Uri = endpoint.parse().ok()?;
        let scheme = uri.scheme()?;
        let default_port = if *scheme == Scheme::HTTP {
            80
        } else if *scheme == Scheme::HTTPS {
            443
        } else {
            return None;
        };
        if uri.authority()?.as_str().contains('@') || !uri.path().trim_matches('/').is_empty() || uri.query().is_some() {
            return None;
        }
        let host = uri.host()?.trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return None;
        }
        if let Some(region) = aws(&host, region) {
            return Some(Self(partition(region).to_owned()));
        }
        let port = uri.port_u16().filter(|port| *port != default_port);
        Some(Self(format!("{scheme}://{host}{}", port.map(|port| format!(":{port}")).unwrap_or_default())))
    }
}

impl From<&Store> for StoreId {
    fn from(store: &Store) -> Self {
        Self::new(store.endpoint.as_deref(), &store.region)
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A base URL, as the operator's settings have it.
impl FromStr for StoreId {
    type Err = NoStore;

    fn from_str(text: &str) -> Result<Self, NoStore> {
        Self::of(text, ANY_REGION).ok_or(NoStore)
    }
}

/// The partition of AWS that a region is in, as ARNs name it.
pub fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// The region that `host` names, or else `region`, if it is an address of AWS S3 itself. Only whole forms: in others a name is anybody's.
fn aws<'a>(host: &'a str, region: &'a str) -> Option<&'a str> {
    let labels: Vec<_> = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com")?.split('.').collect();
    match labels[..] {
        ["s3" | "s3-external-1" | "s3-accelerate"] | ["s3-accelerate", "dualstack"] => Some(region),
        ["s3" | "s3-fips", name] | ["s3" | "s3-fips", "dualstack", name] if is_region(name) => Some(name),
        ["bucket", link, "s3", name, "vpce"] if link.starts_with("vpce-") && is_region(name) => Some(name),
        [name] => name.strip_prefix("s3-fips-").or_else(|| name.strip_prefix("s3-")).filter(|name| is_region(name)),
        _ => None,
    }
}

/// Whether this looks as `eu-central-1` does.
fn is_region(name: &str) -> bool {
    let parts: Vec<_> = name.split('-').collect();
    parts.len() >= 3 && parts[0].len() == 2 && parts[parts.len() - 1].bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_store_is_one_and_different_stores_are_not() {
        let of = |endpoint: &str| StoreId::new(Some(endpoint).filter(|text| !text.is_empty()), "us-east-1").to_string();
        for (store, spellings) in [
            ("http://minio.example.com", &["http://minio.example.com", "http://MinIO.example.com:80/", "http://minio.example.com."][..]),
            ("https://minio.example.com:9000", &["https://minio.example.com:9000", "HTTPS://MINIO.EXAMPLE.COM:9000/"]),
            ("http://minio.example.com:443", &["http://minio.example.com:443"]),
            (
                "aws",
                &[
                    "",
                    "https://s3.amazonaws.com",
                    "https://s3.us-east-1.amazonaws.com",
                    "http://s3.us-east-1.amazonaws.com:80",
                    "https://s3-us-west-2.amazonaws.com",
                    "https://S3.dualstack.eu-central-1.amazonaws.com/",
                    "https://s3-fips.us-east-1.amazonaws.com",
                    "https://bucket.vpce-1a2b-5678.s3.us-east-1.vpce.amazonaws.com",
                ],
            ),
            ("aws-cn", &["https://s3.cn-north-1.amazonaws.com.cn"]),
            ("aws-us-gov", &["https://s3.us-gov-west-1.amazonaws.com"]),
        ] {
            for spelling in spellings {
                assert_eq!(of(spelling), store, "{spelling}");
            }
        }
    }

    #[test]
    fn hosts_of_others_at_aws_are_not_aws_s3() {
        for host in [
            "ec2-198-51-100-7.compute-1.amazonaws.com",
            "abc123.execute-api.us-east-1.amazonaws.com",
            "s3-website-us-east-1.amazonaws.com",
            "s3.evil.amazonaws.com",
            "evil.s3.amazonaws.com",
            "s3.us-east-1.amazonaws.com.evil.example",
        ] {
            assert_eq!(StoreId::new(Some(&format!("https://{host}")), "us-east-1").to_string(), format!("https://{host}"));
        }
        for text in ["minio", "ftp://minio.example.com", "http://", "http://u:p@minio.example.com", "http://minio.example.com/path"] {
            assert_eq!(text.parse::<StoreId>(), Err(NoStore), "{text}");
        }
    }
}
