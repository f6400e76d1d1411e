//! Files with ResizeEndpoints → the objects that would be applied, and the rules that would be in the buckets.
//!
//! `read` takes the files apart with `document`, `schema` checks what needs no API server, `website` looks at a bucket where that is
//! asked for, and `present` makes texts of it.

mod document;
mod present;
mod read;
mod rendered;
mod schema;
mod website;

use std::path::PathBuf;

use kube::ResourceExt as _;
use resize_api::{ResizeEndpoint, condition::Reason, routing::RoutingManagement, text::printable};

use self::{read::NO_UID, rendered::Rendered};
use crate::{
    admin::metrics::Metrics,
    bucket::{
        Mark,
        calls::Calls,
        client::{self, Shared},
    },
    command::form::{Form, Outcome, json},
    config::{ClaimsPolicy, Config},
    endpoint::Endpoint,
    fence::Fence,
    outbound::Outbound,
    reconcile::moving::to_leave,
    report::Verdict,
    store_id::StoreId,
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

    /// Reads the website configuration of each bucket with the AWS credentials of this environment, and shows what would change there. They go
    /// only to the store of --s3-endpoint, else AWS, and to those of --s3-allowed-endpoints. `bucket.caBundle` is not read: an authority of
    /// one's own has to be in SSL_CERT_FILE.
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
        let rendered = match &found.resource {
            Ok(resource) => {
                let (mut rendered, endpoint) = render(resource, &config)?;
                if let (Some(endpoint), Some(s3)) = (endpoint, &s3) {
                    outcome = outcome.max(website::look(resource, &endpoint, &config, s3, &mut rendered).await);
                }
                rendered
            }
            Err(problems) => Rendered::refused(&found.namespace, &found.name, Verdict::no(Reason::InvalidSpec, problems.join("; "))),
        };
        if !rendered.accepted.status {
            outcome = Outcome::Wrong;
            // kubectl overlooks the comments
            if output == Form::Yaml {
                let Rendered { namespace, name, accepted, .. } = &rendered;
                let line = format!("{namespace}/{name}: {}: {}", accepted.reason, accepted.message);
                eprintln!("resize-operator: {}", printable(&line));
            }
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
    // only stores that the settings name are asked, and whoever calls this program makes the settings
    let outbound = Outbound::new(true);
    Shared::new(client::shared_config(config.s3.region.clone()).await, Calls(Metrics::default()), Fence::closed(), outbound)
}

/// What `resource` comes to, and the valid endpoint that it is.
fn render(resource: &ResizeEndpoint, config: &Config) -> anyhow::Result<(Rendered, Option<Endpoint>)> {
    let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
    let as_far = |verdict| Rendered { bucket: resource.spec.bucket.name.clone(), ..Rendered::refused(&namespace, &name, verdict) };
    let (endpoint, left) = match judge(resource, config) {
        Ok(valid) => valid,
        Err(verdict) => return Ok((as_far(verdict), None)),
    };
    let since = settings_since(resource.status.as_ref().and_then(|status| status.derivatives.as_ref()));
    let mut objects = present::objects(&Objects::new(&endpoint, None), &DerivativeObjects::new(&endpoint, &since, None))?;
    if endpoint.owner.uid == NO_UID {
        // beside the real owner of an object that exists it would be a second one
        for metadata in objects.iter_mut().filter_map(|object| object["metadata"].as_object_mut()) {
            metadata.remove("ownerReferences");
        }
    }
    let valid = Verdict::yes(Reason::Valid, "the spec is valid; whether the bucket and the host are free is known in the cluster");
    let routing_rules = if endpoint.is_direct() { Vec::new() } else { endpoint.wanted.rules.clone() };
    let notes = notes(resource, &endpoint, config, left.as_ref());
    Ok((Rendered { objects, routing_rules, notes, ..as_far(valid) }, Some(endpoint)))
}

/// The endpoint that `resource` is, and the store that it leaves; or why it would not be accepted.
fn judge(resource: &ResizeEndpoint, config: &Config) -> Result<(Endpoint, Option<StoreId>), Verdict> {
    let endpoint = Endpoint::new(resource, config).map_err(|invalid| Verdict::no(Reason::InvalidSpec, invalid.to_string()))?;
    policy::may_use(config, &endpoint)?;
    let left = to_leave(resource, &endpoint, &resource.status.clone().unwrap_or_default())?;
    Ok((endpoint, left.filter(|_| !Mark::of(resource).is_none())))
}

fn notes(resource: &ResizeEndpoint, endpoint: &Endpoint, config: &Config, left: Option<&StoreId>) -> Vec<String> {
    let fixed = [
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
    ];
    let fixed = fixed.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note.to_owned());
    fixed.chain(left.map(|left| format!("what status records of the bucket in {left} is taken out of it first"))).collect()
}

#[cfg(test)]
mod tests;
