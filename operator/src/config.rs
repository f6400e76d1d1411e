//! Command line and environment of the operator.

use std::net::SocketAddr;

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

    #[command(flatten)]
    pub s3: S3Defaults,

    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, env = "ADMIN_LISTEN", default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,

    /// Form of the log lines.
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,

    /// What is logged, such as `info` or `info,kube_client=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info,kube_runtime=warn")]
    pub log_level: String,
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
}
