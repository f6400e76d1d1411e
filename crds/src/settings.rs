//! [`Settings`]: everything that the resizer is told, with its defaults, and what that means for a key.
//!
//! The operator fills it from a `ResizeEndpoint`, the resizer from its environment; `variables` reads and writes the latter. Below are
//! the parts: `bounds`, `delivery`, `picture`, `recipes`, `source`, `stored`, `key`, `variant`, `resolution`.

mod public_url;
mod variables;

use std::{
    collections::BTreeSet,
    net::{Ipv6Addr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

pub use self::public_url::PublicUrl;
use crate::{Bounds, Delivery, Limits, Recipe, Recipes, ResizedKey, Resolution, Source, Storage, Variant, key::resolution_prefix};

/// Everything the resizer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `BUCKET`: where originals are and derivatives go.
    pub bucket: String,
    /// `URL`: where visitors fetch; redirects lead there.
    pub url: PublicUrl,
    /// `ALLOWED_RESOLUTIONS`, comma-separated; empty allows all within the limits.
    pub allowed_resolutions: BTreeSet<Resolution>,
    /// `S3_FORCE_PATH_STYLE`: address the bucket in the path, not in the host name.
    pub force_path_style: bool,
    /// `EXPECTED_BUCKET_OWNER`: AWS account id that must own the bucket.
    pub expected_bucket_owner: Option<String>,
    /// `REQUESTER_PAYS`: the caller pays for its requests to the bucket.
    pub requester_pays: bool,
    /// `RESIZE_PATH`: path under which requests arrive.
    pub path: String,
    /// `CACHE_CONTROL` of stored derivatives.
    pub cache_control: String,
    /// How pictures are stored: `OUTPUT_ACL`, `OUTPUT_ENCRYPTION`, `OUTPUT_KMS_KEY_ID`, `OUTPUT_STORAGE_CLASS`.
    pub storage: Storage,
    /// How pictures are made: ten variables, see [`Recipe`].
    pub recipe: Recipe,
    /// `RECIPES`: what differs for some sizes, as JSON.
    pub recipes: Recipes,
    /// `OUTPUT_VARIANTS`, comma-separated: formats in which pictures are served beside their own.
    pub variants: BTreeSet<Variant>,
    /// How visitors get pictures: `DELIVERY_MODE`, `DELIVERY_ORIGINALS`, `DELIVERY_NEGOTIATE`, `DELIVERY_REVALIDATE`.
    pub delivery: Delivery,
    /// `MAX_SOURCE_BYTES`, `MAX_SOURCE_PIXELS`, `MAX_OUTPUT_PIXELS`, `MAX_FRAMES`.
    pub limits: Limits,
    /// `INCLUDE_PREFIXES`, `EXCLUDE_PREFIXES`, `SOURCE_UNSUPPORTED`: originals that may be published.
    pub source: Source,
    /// `MEMORY_BUDGET_BYTES`: what all sources and resizes at once may take; else a share of the container's limit.
    pub memory_budget: Option<u64>,
    /// `WORKERS`: resizes at once; else the container's CPU quota.
    pub workers: Option<NonZeroUsize>,
    /// `QUEUE_LENGTH`: derivatives in the making at once, whether they wait, fetch, resize or store.
    pub queue_length: NonZeroUsize,
    /// `QUEUE_SECONDS`: how long one waits for memory and a worker before it is refused.
    pub queue: Duration,
    /// Deadlines, and numbers of what may be at once.
    pub bounds: Bounds,
    /// `LISTEN`: address of the public port. `[::]` is every address, of IPv4 too, and `0.0.0.0` where there is no IPv6.
    pub listen: SocketAddr,
    /// `ADMIN_LISTEN`: address of `/healthz`, `/readyz`, `/selfcheck` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// `GALLERY_PREFIX`: the admin port shows the originals whose keys begin with it, at [`GALLERY_PATH`]; `/` is the whole bucket.
    pub gallery_prefix: Option<String>,
    /// `DRAIN_SECONDS`: how long requests are still accepted after the stop signal,
    /// while readiness is already false and the load balancer takes notice.
    pub drain: Duration,
    /// `SHUTDOWN_SECONDS`: bound on finishing what runs after that.
    pub shutdown: Duration,
}

/// Path under which requests arrive unless told otherwise.
pub const DEFAULT_PATH: &str = "/default/resize";
/// Port of the public address unless told otherwise.
pub const DEFAULT_PORT: u16 = 8080;
/// Port of health and metrics unless told otherwise.
pub const DEFAULT_ADMIN_PORT: u16 = 9090;
/// Where the admin port shows pictures, if it shows any.
pub const GALLERY_PATH: &str = "/gallery";
const DEFAULT_QUEUE_LENGTH: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// The variables that no field of a `ResizeEndpoint` sets: how the program runs, not what it does. A user may give them in `workload.env`.
pub const WITHOUT_FIELD: [&str; 20] = [
    "MAX_FRAMES",
    "FETCHES",
    "STORES",
    "STREAMS",
    "CONNECTIONS",
    "FETCH_SECONDS",
    "RESIZE_SECONDS",
    "STORE_SECONDS",
    "REQUEST_SECONDS",
    "CLIENT_SECONDS",
    "NEGATIVE_SECONDS",
    "MEMORY_BUDGET_BYTES",
    "WORKERS",
    "QUEUE_LENGTH",
    "QUEUE_SECONDS",
    "LISTEN",
    "ADMIN_LISTEN",
    "GALLERY_PREFIX",
    "DRAIN_SECONDS",
    "SHUTDOWN_SECONDS",
];
const DEFAULT_CACHE_CONTROL: &str = "public, max-age=3600, stale-while-revalidate=86400";

impl Settings {
    /// Settings for a bucket and its public URL, all else at its default.
    pub fn new(bucket: String, url: PublicUrl) -> Self {
        Self {
            bucket,
            url,
            allowed_resolutions: BTreeSet::new(),
            force_path_style: false,
            expected_bucket_owner: None,
            requester_pays: false,
            path: DEFAULT_PATH.to_owned(),
            cache_control: DEFAULT_CACHE_CONTROL.to_owned(),
            storage: Storage::default(),
            recipe: Recipe::default(),
            recipes: Recipes::default(),
            variants: BTreeSet::new(),
            delivery: Delivery::default(),
            limits: Limits::default(),
            source: Source::default(),
            memory_budget: None,
            workers: None,
            queue_length: DEFAULT_QUEUE_LENGTH,
            queue: Duration::from_secs(10),
            bounds: Bounds::default(),
            listen: (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into(),
            admin_listen: (Ipv6Addr::UNSPECIFIED, DEFAULT_ADMIN_PORT).into(),
            gallery_prefix: None,
            drain: Duration::from_secs(5),
            shutdown: Duration::from_secs(20),
        }
    }

    /// Whether `key` may be made: its resolution is within the limits and, as it is
    /// written, in the list (an empty list allows all).
    pub fn allow(&self, key: &ResizedKey) -> bool {
        let is_canonical = || key.resolution.to_string() == key.written;
        self.allow_resolution(key.resolution) && (self.allowed_resolutions.is_empty() || is_canonical())
    }

    /// Whether derivatives of this resolution may be made: it is within the limits and in the list.
    pub fn allow_resolution(&self, resolution: Resolution) -> bool {
        self.limits.allow(resolution) && (self.allowed_resolutions.is_empty() || self.allowed_resolutions.contains(&resolution))
    }

    /// What `key` may mean: the original of its very name, and behind it, where its suffix is that of a listed variant, the variant of a
    /// shorter one. The first one whose original is there counts.
    pub fn readings(&self, key: &ResizedKey) -> Vec<ResizedKey> {
        let variant = key.as_variant().filter(|key| key.variant.is_some_and(|variant| self.variants.contains(&variant)));
        std::iter::once(key.as_written()).chain(variant).collect()
    }

    /// How the picture at `key` is made: by the recipe of its size, in the format of its variant.
    pub fn recipe_of(&self, key: &ResizedKey) -> Recipe {
        let recipe = *self.recipes.get(key.resolution).unwrap_or(&self.recipe);
        Recipe { format: key.variant.map_or(recipe.format, Into::into), ..recipe }
    }

    /// Whether `key` lies where derivatives do, and so is no original: under a listed resolution,
    /// or under any where none is listed.
    pub fn reserves(&self, key: &str) -> bool {
        resolution_prefix(key).is_some_and(|prefix| {
            let listed = || prefix.parse().is_ok_and(|resolution| self.allowed_resolutions.contains(&resolution));
            self.allowed_resolutions.is_empty() || listed()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_holds_for_what_it_lists() {
        let mut settings = Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
        let key = |text| ResizedKey::from_encoded(text).unwrap();
        assert!(settings.allow(&key("301x301/a.jpg")));
        assert!(!settings.allow(&key("5001x5000/a.jpg")));
        settings.allowed_resolutions.insert("300x300".parse().unwrap());
        assert!(settings.allow(&key("300x300/a.jpg")));
        assert!(!settings.allow(&key("301x301/a.jpg")));
        assert!(!settings.allow(&key("0300x300/a.jpg")));
    }

    #[test]
    fn only_listed_resolutions_are_reserved() {
        let mut settings = Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
        let wallpapers = ["1920x1080/sea.jpg", "01920x1080/sea.jpg", "99999999999x1/a.jpg"];
        for key in wallpapers {
            assert!(settings.reserves(key), "{key}: without a list any resolution may be one of ours");
        }
        settings.allowed_resolutions = ["300x300", "640x0"].map(|text| text.parse().unwrap()).into();
        for key in wallpapers.into_iter().chain(["photos/300x300/a.jpg", "300x300", "300x300.jpg", "0300x300/a.jpg", "axb/c", "x/a"]) {
            assert!(!settings.reserves(key), "{key}");
        }
        for key in ["300x300/a.jpg", "640x0/a/b.jpg", "300x300/"] {
            assert!(settings.reserves(key), "{key}");
        }
    }
}
