//! The cluster of the current kubeconfig → what is well and what is not, with what to do. It reads, and asks what may be done.
//!
//! `definition`, `leader`, `rights` and `endpoints` look, each at one thing, and `finding` tells what they saw.

mod definition;
mod endpoints;
mod finding;
mod leader;
mod rights;

use kube::Client;

use self::{finding::Finding, leader::Leader};
use crate::{
    command::form::{Form, Outcome, json},
    kubernetes::explain,
};

/// What is to be looked at, and how it is told.
#[derive(clap::Args)]
pub struct Arguments {
    /// Form of what is printed.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Form,

    /// Namespaces that the operator keeps, separated by commas; empty for all. Permissions and endpoints are looked at in these.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',')]
    watch_namespaces: Vec<String>,

    /// Name of the operator's Lease.
    #[arg(long, env = "LEASE_NAME", default_value = "resize-operator")]
    lease_name: String,

    /// Namespace of the operator. Default: where its Lease is found.
    #[arg(long)]
    operator_namespace: Option<String>,

    /// ServiceAccount whose permissions are looked at, as NAMESPACE/NAME. Default: that of the pod that leads, else whose kubeconfig this is.
    #[arg(long, value_parser = account)]
    service_account: Option<String>,
}

/// The name of a user of Kubernetes.
fn account(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(format!("system:serviceaccount:{namespace}:{name}")),
        _ => Err("want NAMESPACE/NAME".to_owned()),
    }
}

/// Looks at everything.
pub async fn run(arguments: Arguments) -> anyhow::Result<(String, Outcome)> {
    let config = kube::Config::infer().await.map_err(|error| anyhow::anyhow!("no access to Kubernetes: {error}"))?;
    let found = look(&Client::try_from(config)?, &arguments).await;
    let text = match arguments.output {
        Form::Yaml => serde_yaml_ng::to_string(&found)?,
        Form::Json => json(&found)?,
        Form::Text => finding::text(&found),
    };
    Ok((text, finding::outcome(&found)))
}

async fn look(client: &Client, arguments: &Arguments) -> Vec<Finding> {
    if let Err(error) = client.apiserver_version().await {
        return vec![Finding::unknown("cluster", format!("the API server does not answer: {}", explain(&error)))];
    }
    let namespaces: Vec<_> = if arguments.watch_namespaces.is_empty() {
        vec![None]
    } else {
        arguments.watch_namespaces.iter().map(|name| Some(name.as_str())).collect()
    };
    let mut found = vec![definition::look(client).await];
    let (mut leaders, leader) = leader::look(client, arguments.operator_namespace.as_deref(), &arguments.lease_name).await;
    found.append(&mut leaders);
    let Leader { namespace, account } = leader.unwrap_or_default();
    let account = arguments.service_account.clone().or(account);
    let lease = namespace.map(|namespace| (namespace, arguments.lease_name.clone()));
    found.push(rights::look(client, account.as_deref(), &namespaces, lease).await);
    for namespace in namespaces {
        found.append(&mut endpoints::look(client, namespace).await);
    }
    found
}
