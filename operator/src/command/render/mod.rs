//! Files with ResizeEndpoints → the objects that would be applied, and the rules that would be in the buckets.
//!
//! `read` takes the files apart, `schema` checks what needs no API server, `website` looks at a bucket where that is asked for, and
//! `present` makes texts of it.

mod document;
mod present;
mod read;
mod rendered;
mod schema;
mod website;

use std::path::PathBuf;

use resize_api::{ResizeEndpoint, condition::Reason, routing::RoutingManagement, status::Record};

use self::rendered::Rendered;
use crate::{
    admin::metrics::Metrics,
    bucket::{
        calls::Calls,
        client::{self, Shared},
    },
    command::form::{Form, Outcome, json},
    config::{ClaimsPolicy, Config},
    endpoint::Endpoint,
    fence::Fence,
    outbound::Outbound,
    report::Verdict,
    tenancy::policy,
    workload::{
        derivatives::settings_since,
        desired::{DerivativeObjects, Objects},
    },
};

/// What is to be rendered, and how.
#[derive(clap::Args)]
pub struct Arguments {
    /// A file with ResizeEndpoints, in YAML or JSON; `-` for standard input. May be given several times; objects of other kinds are passed over.
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Namespace of endpoints that name none.
    #[arg(short, long, default_value = "default")]
    namespace: String,

    /// Form of what is printed. yaml: the objects, as `kubectl diff -f -` takes them, with the rules in comments. json: all of it.
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Form,

    /// Reads the website configuration of each bucket with the AWS credentials of this environment, and shows what would change there.
    #[arg(long)]
    live: bool,

    #[command(flatten)]
    pub(super) config: Config,
}

/// Renders what `arguments` name.
pub async fn run(arguments: Arguments) -> anyhow::Result<(String, Outcome)> {
    let Arguments { files, namespace, output, live, config } = arguments;
    let s3 = if live { Some(reader(&config).await) } else { None };
    let (mut all, mut outcome) = (Vec::new(), Outcome::Well);
    for found in read::endpoints(&files, &namespace)? {
        let (mut rendered, endpoint) = match &found.resource {
            Ok(resource) => render(resource, &config),
            Err(problems) => (refused(&found, problems), None),
        };
        if !rendered.accepted.status {
            outcome = Outcome::Wrong;
            // kubectl overlooks the comments
            if output == Form::Yaml {
                let Rendered { namespace, name, accepted, .. } = &rendered;
                eprintln!("resize-operator: {namespace}/{name}: {}: {}", accepted.reason, accepted.message);
            }
        }
        if let (Some(endpoint), Some(s3), Ok(resource)) = (endpoint.filter(|endpoint| !endpoint.is_direct()), &s3, &found.resource) {
            let record = resource.status.as_ref().map(Record::from).unwrap_or_default();
            let (difference, looked) = website::look(&endpoint, &record, s3).await;
            outcome = outcome.max(looked);
            rendered.website = Some(difference);
        }
        all.push(rendered);
    }
    let text = match output {
        Form::Yaml => present::yaml(&all)?,
        Form::Json => json(&all)?,
        Form::Text => present::text(&all),
    };
    Ok((text, outcome))
}

/// What buckets are read with: nothing can be written, for the fence is never opened.
async fn reader(config: &Config) -> Shared {
    // who calls this program is who names the addresses
    let outbound = Outbound::new(true);
    Shared::new(client::shared_config(config.s3.region.clone()).await, Calls(Metrics::default()), Fence::closed(), outbound)
}

/// What `resource` comes to, and the valid endpoint that it is.
fn render(resource: &ResizeEndpoint, config: &Config) -> (Rendered, Option<Endpoint>) {
    let not = |verdict: Verdict| Rendered {
        namespace: resource.metadata.namespace.clone().unwrap_or_default(),
        name: resource.metadata.name.clone().unwrap_or_default(),
        accepted: verdict.into(),
        objects: Vec::new(),
        bucket: resource.spec.bucket.name.clone(),
        routing_rules: Vec::new(),
        notes: Vec::new(),
        website: None,
    };
    let endpoint = match Endpoint::new(resource, config) {
        Ok(endpoint) => endpoint,
        Err(invalid) => return (not(Verdict::no(Reason::InvalidSpec, invalid.to_string())), None),
    };
    if let Err(verdict) = policy::may_use(config, &endpoint) {
        return (not(verdict), None);
    }
    let since = settings_since(resource.status.as_ref().and_then(|status| status.derivatives.as_ref()));
    let objects = present::objects(&Objects::new(&endpoint, None), &DerivativeObjects::new(&endpoint, &since, None));
    let valid = Verdict::yes(Reason::Valid, "the spec is valid; whether the bucket and the host are free is known in the cluster");
    let routing_rules = if endpoint.is_direct() { Vec::new() } else { endpoint.wanted.rules.clone() };
    (Rendered { objects, routing_rules, notes: notes(resource, &endpoint, config), ..not(valid) }, Some(endpoint))
}

fn notes(resource: &ResizeEndpoint, endpoint: &Endpoint, config: &Config) -> Vec<String> {
    [
        (resource.spec.suspend, "suspend is true: the operator leaves everything as it is"),
        (endpoint.is_direct(), "delivery.mode is Direct: the bucket needs no rules"),
        (
            !endpoint.is_direct() && endpoint.management == RoutingManagement::Observe,
            "routing.management is Observe: somebody else writes the rules into the bucket",
        ),
        (endpoint.public_read, "bucket.publicRead is true: the bucket's policy gets a statement that lets everybody read objects"),
        (
            config.claims.policy == ClaimsPolicy::BucketTag,
            "claims.policy is BucketTag: in the cluster the bucket's tag decides whether the namespace may use it",
        ),
    ]
    .into_iter()
    .filter(|(is_so, _)| *is_so)
    .map(|(_, note)| note.to_owned())
    .collect()
}

/// An object that cannot be read as an endpoint.
fn refused(found: &read::Found, problems: &[String]) -> Rendered {
    Rendered {
        namespace: found.namespace.clone(),
        name: found.name.clone(),
        accepted: Verdict::no(Reason::InvalidSpec, problems.join("; ")).into(),
        objects: Vec::new(),
        bucket: String::new(),
        routing_rules: Vec::new(),
        notes: Vec::new(),
        website: None,
    }
}

#[cfg(test)]
mod tests;
