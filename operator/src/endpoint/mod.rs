//! `ResizeEndpoint` as written → [`Endpoint`], which builders take without further questions.
//!
//! Pure. `reconcile`, `workload`, `bucket` and `tenancy` above take an [`Endpoint`]; below are `config`, `names` and `store_id`.

mod address;
pub mod derivatives;
mod environment;
mod invalid;
pub mod quantity;
pub mod rules;

use std::num::NonZeroUsize;

use k8s_openapi::{api::core::v1::EnvVar, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{Resource, ResourceExt};
use resize_api::{
    Delivery, Recipe, Recipes, ResizeEndpoint, Resolution, Settings, Storage,
    endpoint::{DeletionPolicy, Ingress},
    gateway::Gateway,
    inherited::InheritedMetadata,
    recipes::RecipeSpec,
    resolution::ResolutionError,
    routing::{Protocol, RoutingManagement},
    settings::DEFAULT_PATH,
    workload::Workload,
};

pub use self::{
    address::{BucketAddress, port_of},
    environment::{AUTHORITIES_FOLDER, CREDENTIALS, Extra},
    invalid::InvalidField,
};
use self::{derivatives::Derivatives, invalid::invalid};
use crate::{
    config::Config,
    endpoint::rules::{RedirectTarget, Wanted},
    names::resizer_name,
};

/// A valid endpoint: nothing is left to decide.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name of the object.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Generation of its spec.
    pub generation: Option<i64>,
    /// The reference by which children belong to it.
    pub owner: OwnerReference,
    /// How to reach the bucket.
    pub bucket: BucketAddress,
    /// Whether everybody shall read the bucket's objects.
    pub public_read: bool,
    /// What the resizer is told.
    pub settings: Settings,
    /// Image of the resizer.
    pub image: String,
    /// Pull policy of the image.
    pub image_pull_policy: String,
    /// Secrets by which nodes pull the image.
    pub image_pull_secrets: Vec<String>,
    /// What all objects have in common beside what says that they are this endpoint's.
    pub inherited: InheritedMetadata,
    /// The rest of the workload, as written.
    pub workload: Workload,
    /// Ingress, if there shall be one.
    pub ingress: Option<Ingress>,
    /// HTTPRoute, if there shall be one.
    pub gateway: Option<Gateway>,
    /// Who writes the rules.
    pub management: RoutingManagement,
    /// Where the rules lead.
    pub target: RedirectTarget,
    /// The rules.
    pub wanted: Wanted,
    /// How derivatives are kept true, if that is asked for.
    pub derivatives: Option<Derivatives>,
}

impl Endpoint {
    /// Checks `resource` and fills in what it leaves open.
    pub fn new(resource: &ResizeEndpoint, config: &Config) -> Result<Self, InvalidField> {
        let spec = &resource.spec;
        let (name, namespace) = (resource.name_any(), resource.namespace().unwrap_or_default());
        let bucket = BucketAddress::new(resource, &config.s3)?;
        let target = RedirectTarget {
            protocol: spec.routing.protocol.unwrap_or(match &spec.ingress {
                Some(Ingress { tls_secret_name: Some(_), .. }) => Protocol::Https,
                _ => Protocol::Http,
            }),
            host: spec
                .routing
                .host_name
                .clone()
                .or_else(|| spec.ingress.as_ref().map(|ingress| ingress.host.clone()))
                .or_else(|| spec.gateway.as_ref().map(|gateway| gateway.hostname.clone()))
                .unwrap_or_else(|| format!("{}.{namespace}.svc", resizer_name(&name))),
            path: spec.ingress.as_ref().map_or(DEFAULT_PATH, |ingress| &ingress.path).to_owned(),
            key_in: spec.routing.key_in,
        };

        let url = spec.public_url.parse().map_err(|error| invalid("publicUrl", error))?;
        let mut settings = Settings::new(bucket.name.clone(), url);
        settings.allowed_resolutions = spec
            .allowed_resolutions
            .iter()
            .map(|text| text.parse::<Resolution>())
            .collect::<Result<_, _>>()
            .map_err(|error: ResolutionError| invalid("allowedResolutions", error.to_string()))?;
        settings.limits = (&spec.limits).into();
        settings.source.clone_from(&spec.source);
        settings.force_path_style = bucket.force_path_style;
        settings.expected_bucket_owner.clone_from(&bucket.expected_owner);
        settings.requester_pays = spec.bucket.requester_pays;
        settings.storage = Storage::try_from(&spec.output).map_err(|(field, problem)| invalid(&format!("output.{field}"), problem))?;
        settings.path.clone_from(&target.path);
        settings.recipe = Recipe::new(&spec.resize, &spec.output).map_err(|error| invalid("resize.background", error))?;
        settings.recipes = recipes(&spec.recipes, &settings.recipe)?;
        settings.variants = spec.output.variants.iter().copied().collect();
        settings.delivery = spec.delivery;
        if let Some(cache_control) = &spec.output.cache_control {
            settings.cache_control.clone_from(cache_control);
        }
        settings.workers = workers(&spec.workload);
        if let Some(resolution) = settings.allowed_resolutions.iter().find(|resolution| !settings.limits.allow(**resolution)) {
            let most = settings.limits.max_output_pixels;
            return Err(invalid("allowedResolutions", format!("{resolution} is over the limit of {most} pixels")));
        }

        // an API server without CEL lets it through
        if spec.bucket.public_read && spec.delivery.is_direct() {
            return Err(invalid("bucket.publicRead", "needs delivery.mode Redirect; with Direct the bucket need not be public"));
        }
        let Delivery { originals, negotiate, revalidate, .. } = spec.delivery;
        for (field, is_set) in [("originals", originals), ("negotiate", negotiate), ("revalidate", !revalidate)] {
            if is_set && !spec.delivery.is_direct() {
                return Err(invalid(&format!("delivery.{field}"), "needs delivery.mode Direct"));
            }
        }
        if negotiate && settings.variants.is_empty() {
            return Err(invalid("delivery.negotiate", "want output.variants to choose among"));
        }
        if spec.bucket.public_read && spec.routing.management == RoutingManagement::Observe {
            return Err(invalid(
                "bucket.publicRead",
                "needs routing.management Merge: with Observe the operator writes nothing into a bucket",
            ));
        }

        environment::check(&spec.workload.env, &settings, &bucket)?;
        let settings = environment::tuned(&settings, &spec.workload.env)?;
        Ok(Self {
            owner: resource.controller_owner_ref(&()).ok_or_else(|| invalid("metadata", "no uid yet"))?,
            public_read: spec.bucket.public_read,
            generation: resource.metadata.generation,
            wanted: Wanted::new(&settings.allowed_resolutions, &target),
            image: spec.workload.image.clone().unwrap_or_else(|| config.resizer_image.clone()),
            image_pull_policy: spec
                .workload
                .image_pull_policy
                .map_or_else(|| config.resizer_image_pull_policy.clone(), |policy| policy.to_string()),
            image_pull_secrets: match &spec.workload.image_pull_secrets[..] {
                [] => config.resizer_image_pull_secrets.clone(),
                theirs => theirs.iter().map(|secret| secret.name.clone()).collect(),
            },
            inherited: spec.inherited_metadata.clone().unwrap_or_default(),
            workload: spec.workload.clone(),
            ingress: spec.ingress.clone(),
            gateway: spec.gateway.clone(),
            derivatives: Derivatives::new(resource)?,
            management: spec.routing.management,
            name,
            namespace,
            bucket,
            settings,
            target,
        })
    }

    /// Whether the resizer itself answers visitors: then nothing of ours is in the bucket's configuration.
    pub fn is_direct(&self) -> bool {
        self.settings.delivery.is_direct()
    }

    /// The path, and all below it, by which Ingress and HTTPRoute lead to the pods.
    pub fn outside_path(&self) -> &str {
        if self.is_direct() { "/" } else { &self.target.path }
    }

    /// The environment of the resizer's container.
    pub fn environment(&self) -> Vec<EnvVar> {
        environment::container(&self.settings, &self.bucket, self.bucket.secret.as_deref(), &self.workload.env)
    }

    /// The environment of a container that keeps derivatives true, with `extra` variables: as those that serve have it, with
    /// credentials of its own.
    pub fn environment_of(&self, derivatives: &Derivatives, extra: &[Extra<'_>]) -> Vec<EnvVar> {
        let mut env = environment::container(&self.settings, &self.bucket, derivatives.secret.as_deref(), &self.workload.env);
        env.extend(extra.iter().map(environment::extra));
        env
    }
}

/// The recipes of single sizes beside `base`, the one of all others.
fn recipes(written: &[RecipeSpec], base: &Recipe) -> Result<Recipes, InvalidField> {
    let json = serde_json::to_string(written).map_err(|error| invalid("recipes", error.to_string()))?;
    Recipes::read(&json, base).map_err(|problem| invalid("recipes", problem))
}

/// Whole CPUs of the limit, rounded up: a runtime would round a fraction down. Without a limit, and
/// where the user says so, it is the resizer's own choice.
fn workers(workload: &Workload) -> Option<NonZeroUsize> {
    if workload.env.iter().any(|variable| variable.name == "WORKERS") {
        return None;
    }
    let limit = workload.resources.as_ref()?.limits.as_ref()?.get("cpu")?;
    let cpus = (quantity::parse(&limit.0)?.max(0) + 999) / 1000;
    NonZeroUsize::new(usize::try_from(cpus).ok()?.max(1))
}

/// Whether deletion takes the rules out of the bucket.
pub fn removes_rules(resource: &ResizeEndpoint) -> bool {
    gives_back(resource) && resource.spec.routing.management == RoutingManagement::Merge
}

/// Whether deletion gives the bucket back as it was.
pub fn gives_back(resource: &ResizeEndpoint) -> bool {
    resource.spec.deletion_policy == DeletionPolicy::Delete
}

#[cfg(test)]
mod tests {
    use resize_api::{delivery::DeliveryMode, picture::Fit};

    use super::*;
    use crate::testing::fixtures::{config, resource};

    #[test]
    fn fills_in_what_is_left_open() {
        let endpoint = Endpoint::new(&resource(), &config()).unwrap();
        assert_eq!(endpoint.target.url(), "http://resize.example.com/default/resize?key=");
        assert_eq!(endpoint.bucket.region, "eu-central-1");
        assert_eq!(endpoint.image, "localhost/resizer:dev");

        let mut without_ingress = resource();
        without_ingress.spec.ingress = None;
        assert_eq!(Endpoint::new(&without_ingress, &config()).unwrap().target.host, "photos-resizer.demo.svc");

        let mut with_tls = resource();
        with_tls.spec.ingress.as_mut().unwrap().tls_secret_name = Some("tls".into());
        assert_eq!(Endpoint::new(&with_tls, &config()).unwrap().target.protocol, Protocol::Https);
    }

    #[test]
    fn workers_are_the_limit_in_whole_cpus() {
        for (cpu, workers) in [("100m", 1), ("1", 1), ("1001m", 2), ("1.5", 2), ("4", 4)] {
            let mut resource = resource();
            resource.spec.workload = serde_json::from_value(serde_json::json!({ "resources": { "limits": { "cpu": cpu } } })).unwrap();
            let workers_of =
                |resource: &ResizeEndpoint| Endpoint::new(resource, &config()).unwrap().settings.workers.map(NonZeroUsize::get);
            assert_eq!(workers_of(&resource), Some(workers), "{cpu}");
            resource.spec.workload.env = vec![EnvVar { name: "WORKERS".into(), value: Some("7".into()), ..EnvVar::default() }];
            assert_eq!(workers_of(&resource), Some(7), "the user's own number");
        }
        assert_eq!(Endpoint::new(&resource(), &config()).unwrap().settings.workers, None);
    }

    #[test]
    fn names_the_field_that_cannot_be_used() {
        let refusal = |edit: fn(&mut ResizeEndpoint)| {
            let mut resource = resource();
            edit(&mut resource);
            Endpoint::new(&resource, &config()).unwrap_err().to_string()
        };
        assert!(refusal(|r| r.spec.bucket.region = None).starts_with("spec.bucket.region: not set"));
        assert!(
            refusal(|r| {
                r.spec.bucket.public_read = true;
                r.spec.routing.management = RoutingManagement::Observe;
            })
            .starts_with("spec.bucket.publicRead: needs routing.management Merge")
        );
        assert!(
            refusal(|r| {
                r.spec.bucket.public_read = true;
                r.spec.delivery.mode = DeliveryMode::Direct;
            })
            .starts_with("spec.bucket.publicRead: needs delivery.mode Redirect")
        );
        assert!(
            refusal(|r| {
                r.spec.delivery.mode = DeliveryMode::Direct;
                r.spec.delivery.negotiate = true;
            })
            .starts_with("spec.delivery.negotiate: want output.variants")
        );
        assert!(refusal(|r| r.spec.delivery.originals = true).contains("needs delivery.mode Direct"));
        assert!(refusal(|r| r.spec.public_url = "photos".into()).starts_with("spec.publicUrl: "));
        assert!(refusal(|r| r.spec.allowed_resolutions = vec!["1x".into()]).starts_with("spec.allowedResolutions: `1x`"));
        assert!(refusal(|r| r.spec.resize.background = "white".into()).starts_with("spec.resize.background: want a colour"));
        assert!(refusal(|r| r.spec.allowed_resolutions = vec!["9000x9000".into()]).contains("25000000 pixels"));
        assert!(refusal(|r| r.spec.limits.max_output_pixels = Some(89_999)).contains("300x300 is over the limit of 89999 pixels"));
        assert!(
            refusal(|r| r.spec.workload.env = vec![EnvVar { name: "BUCKET".into(), ..EnvVar::default() }])
                .contains("BUCKET is set by the operator")
        );
    }

    #[test]
    fn the_resizer_reads_what_is_written_for_it() {
        let mut resource = resource();
        resource.spec.source.include_prefixes = vec!["photos, old/".into()];
        resource.spec.source.exclude_prefixes = vec!["photos, old/drafts/".into()];
        resource.spec.limits.max_source_bytes = Some(1 << 20);
        resource.spec.resize.fit = Fit::Inside;
        resource.spec.output.quality = Some(70);
        resource.spec.output.cache_control = Some("no-cache".into());
        let endpoint = Endpoint::new(&resource, &config()).unwrap();
        assert_eq!((endpoint.settings.recipe.fit, endpoint.settings.cache_control.as_str()), (Fit::Inside, "no-cache"));
        assert_eq!((&endpoint.settings.source, endpoint.settings.limits.max_source_bytes), (&resource.spec.source, 1 << 20));
        let env = endpoint.environment();
        let read = Settings::from_env(|name| env.iter().find(|variable| variable.name == name)?.value.clone());
        assert_eq!(read, Ok(endpoint.settings));
    }
}
