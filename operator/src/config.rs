//! Command line and environment of the operator.
//!
//! `main` parses it; rooms above take the parts that they need. Below are `allow_list` and `store_id`.

use std::{net::SocketAddr, time::Duration};

use crate::{allow_list::AllowList, names::OPERATOR, store_id::StoreId};

/// Keeps the Deployment, Service, Ingress and bucket routing rules of every ResizeEndpoint true.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "resize-operator", version)]
pub struct Config {
    /// Image of the resizer for endpoints that name none.
    #[arg(long, env = "RESIZER_IMAGE")]
    pub resizer_image: String,

    /// Pull policy of the resizer's image: Always, IfNotPresent or Never.
    #[arg(long, env = "RESIZER_IMAGE_PULL_POLICY", default_value = "IfNotPresent", value_parser = ["Always", "IfNotPresent", "Never"])]
    pub resizer_image_pull_policy: String,

    /// Secrets by which nodes pull the resizer's image, separated by commas, for endpoints that name none. They are in the endpoints' namespaces.
    #[arg(long, env = "RESIZER_IMAGE_PULL_SECRETS", value_delimiter = ',')]
    pub resizer_image_pull_secrets: Vec<String>,

    #[command(flatten)]
    pub s3: S3Defaults,

    #[command(flatten)]
    pub claims: ClaimSettings,

    #[command(flatten)]
    pub outbound: OutboundSettings,

    /// Seconds after which a bucket and its public URL are looked at though nothing changed here, less up to a fifth.
    #[arg(long, env = "RESYNC_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    pub resync_seconds: u64,

    /// Seconds after which a deleted ResizeEndpoint is let go though its rules could not be taken out of the bucket; not set: never.
    #[arg(long, env = "CLEANUP_DEADLINE_SECONDS", value_parser = seconds)]
    pub cleanup_deadline: Option<Duration>,

    /// How many endpoints may replace their pods at a time because the operator changed, and not the endpoint: after an upgrade, for example.
    #[arg(long, env = "ROLLOUT_MAX_CONCURRENT", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rollout_max_concurrent: u16,

    #[command(flatten)]
    pub scope: Scope,

    /// Address of /healthz, /readyz and /metrics. `[::]` is every address, of IPv4 too, also where there is no IPv6.
    #[arg(long, env = "ADMIN_LISTEN", default_value = "[::]:9090")]
    pub admin_listen: SocketAddr,

    /// Form of the log lines.
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,

    /// What is logged, such as `info` or `info,kube_client=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info,kube_runtime=warn")]
    pub log_level: String,
}

/// Which endpoints an operator keeps, and which Lease it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Scope {
    /// Namespaces whose ResizeEndpoints are kept, separated by commas; empty for all. In each of them the operator needs its Role.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// Name of the Lease that one operator holds, in the namespace of its own. Operators that share no namespace may have one each. Default:
    /// resize-operator.
    #[arg(long, env = "LEASE_NAME")]
    pub lease_name: Option<String>,
}

impl Scope {
    /// Name of the Lease.
    pub fn lease_name(&self) -> &str {
        self.lease_name.as_deref().unwrap_or(OPERATOR)
    }

    /// The namespaces, or none for all at once.
    pub fn namespaces(&self) -> Vec<Option<&str>> {
        let each: Vec<_> = self.watch_namespaces.iter().map(|name| Some(name.as_str())).collect();
        if each.is_empty() { vec![None] } else { each }
    }
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

/// What an endpoint gets that does not say how to reach its bucket.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct S3Defaults {
    /// Region of buckets.
    #[arg(long = "s3-region", env = "S3_REGION")]
    pub region: Option<String>,

    /// Base URL of the S3-compatible store; AWS if it is not set.
    #[arg(long = "s3-endpoint", env = "S3_ENDPOINT")]
    pub endpoint: Option<String>,

    /// Address buckets in the path instead of the host name.
    #[arg(long = "s3-force-path-style", env = "S3_FORCE_PATH_STYLE", default_value_t = false, action = clap::ArgAction::Set)]
    pub force_path_style: bool,

    /// Base URLs that `bucket.endpoint` may name, separated by commas, and to which the operator's own identity may go; empty: any, and none.
    #[arg(long = "s3-allowed-endpoints", env = "S3_ALLOWED_ENDPOINTS", value_delimiter = ',')]
    pub allowed_endpoints: Vec<StoreId>,
}

/// Which namespaces may use which buckets.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClaimSettings {
    /// Open: every namespace any bucket. AllowList: as CLAIMS_ALLOW says. BucketTag: as the bucket's tag resize-operator.dev/namespaces says.
    #[arg(id = "claims-policy", long = "claims-policy", env = "CLAIMS_POLICY", value_enum, default_value = "Open")]
    pub policy: ClaimsPolicy,

    /// For AllowList: JSON, such as `{"team-a": ["team-a-*"]}`: namespaces and their buckets; `*` is any text.
    #[arg(id = "claims-allow", long = "claims-allow", env = "CLAIMS_ALLOW", default_value = "{}")]
    pub allow: AllowList,

    /// Whose endpoints the operator's own identity is used for. Listed: where AllowList or BucketTag allow the bucket. Anyone: all that name no Secret.
    #[arg(
        id = "claims-ambient-credentials",
        long = "claims-ambient-credentials",
        env = "CLAIMS_AMBIENT_CREDENTIALS",
        value_enum,
        default_value = "Listed"
    )]
    pub ambient_credentials: AmbientCredentials,

    /// Whether `bucket.publicRead` may be used.
    #[arg(id = "claims-public-read", long = "claims-public-read", env = "CLAIMS_PUBLIC_READ", default_value_t = false, action = clap::ArgAction::Set)]
    pub public_read: bool,
}

/// Where the operator itself connects because an endpoint names it.
#[derive(Clone, Debug, clap::Args)]
pub struct OutboundSettings {
    /// Whether `publicUrl` is asked for a picture that nobody has.
    #[arg(long, env = "VERIFY_PUBLIC_URL", default_value_t = true, action = clap::ArgAction::Set)]
    pub verify_public_url: bool,

    /// Whether `bucket.endpoint` and `publicUrl` may lead to loopback and link-local addresses. For trying things out.
    #[arg(long = "outbound-local-addresses", env = "OUTBOUND_LOCAL_ADDRESSES", default_value_t = false, action = clap::ArgAction::Set)]
    pub local_addresses: bool,
}

/// How it is decided which namespaces may use which buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum ClaimsPolicy {
    /// Every namespace may use any bucket.
    #[default]
    Open,
    /// The settings say.
    AllowList,
    /// A tag of the bucket says.
    BucketTag,
}

/// Whose endpoints the operator's own identity is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum AmbientCredentials {
    /// Those whose bucket a list or the bucket's own tag gives to their namespace.
    #[default]
    Listed,
    /// All.
    Anyone,
}
