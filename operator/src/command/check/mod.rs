//! The cluster of the current kubeconfig → what is well and what is not, with what to do. It reads, and asks what may be done.
//!
//! `definition`, `leader`, `rights` and `endpoints` look, each at one thing, and `finding` tells what they saw.

mod definition;
mod endpoints;
mod finding;
mod leader;
mod rights;

use kube::Client;

use self::finding::Finding;
use crate::{
    command::form::{Form, Outcome, json},
    config::Scope,
    kubernetes::explain,
};

/// What is to be looked at, and how it is told.
#[derive(clap::Args)]
pub struct Arguments {
    /// Form of what is printed.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Form,

    // as the operator has them; where it runs as a pod, that tells them
    #[command(flatten)]
    scope: Scope,

    /// Namespace of the operator. Default: where its pods are.
    #[arg(long)]
    operator_namespace: Option<String>,

    /// ServiceAccount whose permissions are looked at, as NAMESPACE/NAME. Default: that of the operator's pods, else whose kubeconfig this is.
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
    let mut found = vec![definition::look(client).await];
    let (leader, installed) = leader::look(client, arguments.operator_namespace.as_deref(), &arguments.scope).await;
    found.push(leader);
    let told = installed.as_ref().map(|installed| &installed.scope).filter(|_| arguments.scope.watch_namespaces.is_empty());
    let namespaces = told.unwrap_or(&arguments.scope).namespaces();
    let account = arguments.service_account.as_ref().or(installed.as_ref().and_then(|installed| installed.account.as_ref()));
    let lease = installed.as_ref().map(|installed| (installed.namespace.clone(), installed.scope.lease_name().to_owned()));
    found.push(rights::look(client, account.map(String::as_str), &namespaces, lease).await);
    for namespace in namespaces {
        found.append(&mut endpoints::look(client, namespace).await);
    }
    found
}
