//! Environment → [`Settings`] → environment.
//!
//! The resizer reads its settings here and the operator writes them here, so the
//! two cannot disagree. Region, endpoint and credentials are not among them: the
//! AWS SDK reads those itself (`AWS_REGION`, `AWS_ENDPOINT_URL`, …).

use std::{
    collections::BTreeSet,
    fmt,
    net::{Ipv6Addr, SocketAddr},
    num::NonZeroUsize,
    str::FromStr,
    time::Duration,
};

use percent_encoding::utf8_percent_encode;
use url::Url;

use crate::{
    Bounds, Limits, Recipe, ResizedKey, Resolution, Source, Storage,
    environment::{Env, SettingError},
    key::{PATH, resolution_prefix},
    source::PrefixList,
};

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
    /// `MAX_SOURCE_BYTES`, `MAX_SOURCE_PIXELS`, `MAX_OUTPUT_PIXELS`, `MAX_FRAMES`.
    pub limits: Limits,
    /// `INCLUDE_PREFIXES`, `EXCLUDE_PREFIXES`: originals that may be published.
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
const DEFAULT_QUEUE_LENGTH: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// The variables that no field of a `ResizeEndpoint` sets: how the program runs, not what it does. A user may give them in `workload.env`.
pub const WITHOUT_FIELD: [&str; 18] = [
    "MAX_FRAMES",
    "FETCHES",
    "STORES",
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
            limits: Limits::default(),
            source: Source::default(),
            memory_budget: None,
            workers: None,
            queue_length: DEFAULT_QUEUE_LENGTH,
            queue: Duration::from_secs(10),
            bounds: Bounds::default(),
            listen: (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into(),
            admin_listen: (Ipv6Addr::UNSPECIFIED, DEFAULT_ADMIN_PORT).into(),
            drain: Duration::from_secs(5),
            shutdown: Duration::from_secs(20),
        }
    }

    /// Reads settings from `variable`, which gives the value of an environment variable if it is set.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let env = Env(&variable);
        let mut settings = Self::new(env.required("BUCKET", "the name of the bucket")?, env.required("URL", "the bucket's public URL")?);
        if let Some(list) = env.optional::<ResolutionList>("ALLOWED_RESOLUTIONS")? {
            settings.allowed_resolutions = list.0;
        }
        settings.expected_bucket_owner = env.optional("EXPECTED_BUCKET_OWNER")?;
        env.read("S3_FORCE_PATH_STYLE", &mut settings.force_path_style)?;
        env.read("REQUESTER_PAYS", &mut settings.requester_pays)?;
        settings.storage = Storage::from_env(&env)?;
        env.read("CACHE_CONTROL", &mut settings.cache_control)?;
        settings.recipe = Recipe::from_env(&variable)?;
        env.read("MAX_SOURCE_BYTES", &mut settings.limits.max_source_bytes)?;
        env.read("MAX_SOURCE_PIXELS", &mut settings.limits.max_source_pixels)?;
        env.read("MAX_OUTPUT_PIXELS", &mut settings.limits.max_output_pixels)?;
        env.read("MAX_FRAMES", &mut settings.limits.max_frames)?;
        for (name, prefixes) in
            [("INCLUDE_PREFIXES", &mut settings.source.include_prefixes), ("EXCLUDE_PREFIXES", &mut settings.source.exclude_prefixes)]
        {
            *prefixes = env.optional::<PrefixList>(name)?.unwrap_or_default().0;
        }
        settings.bounds.read(&env)?;
        settings.memory_budget = env.optional("MEMORY_BUDGET_BYTES")?;
        settings.workers = env.optional("WORKERS")?;
        env.read("QUEUE_LENGTH", &mut settings.queue_length)?;
        if let Some(seconds) = env.optional("QUEUE_SECONDS")? {
            settings.queue = Duration::from_secs(seconds);
        }
        env.read("LISTEN", &mut settings.listen)?;
        env.read("ADMIN_LISTEN", &mut settings.admin_listen)?;
        if let Some(path) = env.optional::<RequestPath>("RESIZE_PATH")? {
            settings.path = path.0;
        }
        if let Some(seconds) = env.optional("DRAIN_SECONDS")? {
            settings.drain = Duration::from_secs(seconds);
        }
        if let Some(seconds) = env.optional("SHUTDOWN_SECONDS")? {
            settings.shutdown = Duration::from_secs(seconds);
        }
        Ok(settings)
    }

    /// The environment that [`Settings::from_env`] reads back as these settings:
    /// what differs from the default, and always the first three.
    pub fn to_env(&self) -> Vec<(&'static str, String)> {
        let differs = |(index, (_, value, default)): &(usize, (_, String, String))| *index < 3 || value != default;
        self.variables().into_iter().enumerate().filter(differs).map(|(_, (name, value, _))| (name, value)).collect()
    }

    /// The names of all variables that [`Settings::from_env`] reads.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.variables().into_iter().map(|(name, ..)| name)
    }

    /// Every variable: its name, its value, and the default.
    fn variables(&self) -> Vec<(&'static str, String, String)> {
        let default = Self::new(self.bucket.clone(), self.url.clone());
        let mut env = Vec::new();
        let mut put = |name, value: String, default: String| env.push((name, value, default));
        put("BUCKET", self.bucket.clone(), default.bucket);
        put("URL", self.url.to_string(), default.url.to_string());
        put("ALLOWED_RESOLUTIONS", ResolutionList(self.allowed_resolutions.clone()).to_string(), String::new());
        put("S3_FORCE_PATH_STYLE", self.force_path_style.to_string(), default.force_path_style.to_string());
        put("EXPECTED_BUCKET_OWNER", self.expected_bucket_owner.clone().unwrap_or_default(), String::new());
        put("REQUESTER_PAYS", self.requester_pays.to_string(), default.requester_pays.to_string());
        for ((name, value), (_, default)) in self.storage.variables().into_iter().zip(default.storage.variables()) {
            put(name, value, default);
        }
        put("RESIZE_PATH", self.path.clone(), default.path);
        put("CACHE_CONTROL", self.cache_control.clone(), default.cache_control);
        for ((name, value), (_, default)) in self.recipe.variables().into_iter().zip(default.recipe.variables()) {
            put(name, value, default);
        }
        put("MAX_SOURCE_BYTES", self.limits.max_source_bytes.to_string(), default.limits.max_source_bytes.to_string());
        put("MAX_SOURCE_PIXELS", self.limits.max_source_pixels.to_string(), default.limits.max_source_pixels.to_string());
        put("MAX_OUTPUT_PIXELS", self.limits.max_output_pixels.to_string(), default.limits.max_output_pixels.to_string());
        put("MAX_FRAMES", self.limits.max_frames.to_string(), default.limits.max_frames.to_string());
        put("INCLUDE_PREFIXES", PrefixList(self.source.include_prefixes.clone()).to_string(), String::new());
        put("EXCLUDE_PREFIXES", PrefixList(self.source.exclude_prefixes.clone()).to_string(), String::new());
        self.bounds.write(&mut put);
        put("MEMORY_BUDGET_BYTES", self.memory_budget.map(|bytes| bytes.to_string()).unwrap_or_default(), String::new());
        put("WORKERS", self.workers.map(|workers| workers.to_string()).unwrap_or_default(), String::new());
        put("QUEUE_LENGTH", self.queue_length.to_string(), default.queue_length.to_string());
        put("QUEUE_SECONDS", self.queue.as_secs().to_string(), default.queue.as_secs().to_string());
        put("LISTEN", self.listen.to_string(), default.listen.to_string());
        put("ADMIN_LISTEN", self.admin_listen.to_string(), default.admin_listen.to_string());
        put("DRAIN_SECONDS", self.drain.as_secs().to_string(), default.drain.as_secs().to_string());
        put("SHUTDOWN_SECONDS", self.shutdown.as_secs().to_string(), default.shutdown.as_secs().to_string());
        env
    }

    /// Whether `key` may be made: its resolution is within the limits and, as it is
    /// written, in the list (an empty list allows all).
    pub fn allow(&self, key: &ResizedKey) -> bool {
        let listed = || key.resolution.to_string() == key.written && self.allowed_resolutions.contains(&key.resolution);
        self.limits.allow(key.resolution) && (self.allowed_resolutions.is_empty() || listed())
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

/// `300x300,640x0`, spaces allowed.
struct ResolutionList(BTreeSet<Resolution>);

impl FromStr for ResolutionList {
    type Err = crate::resolution::ResolutionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|item| item.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for ResolutionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&items.join(","))
    }
}

struct RequestPath(String);

impl FromStr for RequestPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
        if text.starts_with('/') && !text.ends_with('/') && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err("want a path such as /default/resize: letters, digits, -._~/, no slash at the end")
        }
    }
}

/// An absolute http or https URL without query or fragment; no slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The absolute URL of a derivative.
    pub fn location(&self, key: &ResizedKey) -> String {
        self.object(&key.to_string())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        Url::parse(&self.0).ok().and_then(|url| url.port_or_known_default()).unwrap_or(443)
    }

    /// The absolute URL of any object.
    pub fn object(&self, key: &str) -> String {
        format!("{}/{}", self.0, utf8_percent_encode(key, PATH))
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|error| format!("{error}; want an absolute URL such as https://images.example.com"))?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        match url.scheme() {
            "http" | "https" if plain => Ok(Self(url.as_str().trim_end_matches('/').to_owned())),
            "http" | "https" => Err("want a URL without user, query and fragment".to_owned()),
            scheme => Err(format!("want http or https, not {scheme}")),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Animation, Colour, Fit, Kernel, OutputFormat, Position, UpTo};

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingError> {
        Settings::from_env(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn reads_the_three_of_the_original() {
        let settings =
            read(&[("BUCKET", "photos"), ("URL", "http://photos.example.com/"), ("ALLOWED_RESOLUTIONS", "300x300, 640x0")]).unwrap();
        assert_eq!((settings.url.to_string(), settings.url.port()), ("http://photos.example.com".to_owned(), 80));
        assert_eq!(settings.allowed_resolutions.len(), 2);
        assert_eq!(settings.listen.to_string(), "[::]:8080");
    }

    #[test]
    fn names_the_bad_variable() {
        let good = [("BUCKET", "photos"), ("URL", "http://photos.example.com")];
        for (name, value, says) in [
            ("BUCKET", "", "not set"),
            ("URL", " ", "not set"),
            ("URL", "photos.example.com", "absolute URL"),
            ("URL", "ftp://photos.example.com", "not ftp"),
            ("URL", "https://photos.example.com/?a=b", "without user, query"),
            ("ALLOWED_RESOLUTIONS", "300x300;10x10", "WIDTHxHEIGHT"),
            ("ALLOWED_RESOLUTIONS", "0x0", "not both"),
            ("S3_FORCE_PATH_STYLE", "yes", "true"),
            ("LISTEN", "8080", "socket address"),
            ("MAX_SOURCE_BYTES", "64Mi", "invalid digit"),
            ("RESIZE_PATH", "default/resize", "want a path"),
            ("WORKERS", "0", "non-zero"),
            ("QUEUE_LENGTH", "0", "non-zero"),
            ("DRAIN_SECONDS", "-1", "invalid digit"),
            ("INCLUDE_PREFIXES", "photos/,", "want prefixes"),
            ("FETCHES", "0", "non-zero"),
            ("RESIZE_SECONDS", "0", "at least 1"),
        ] {
            let mut variables = vec![(name, value)];
            variables.extend(good);
            let error = read(&variables).unwrap_err();
            assert_eq!(error.name, name, "{value}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let mut settings = Settings::new("photos".into(), "https://images.example.com/shop".parse().unwrap());
        settings.allowed_resolutions = ["300x300", "0x480"].map(|text| text.parse().unwrap()).into();
        let minimal = settings.to_env();
        assert_eq!(minimal.len(), 3, "{minimal:?}");
        settings.force_path_style = true;
        settings.expected_bucket_owner = Some("111122223333".into());
        settings.requester_pays = true;
        settings.storage.acl = crate::stored::Acl::PublicRead;
        settings.storage.class = Some("STANDARD_IA".parse().unwrap());
        settings.path = "/img".into();
        settings.cache_control = "no-cache".into();
        settings.recipe = Recipe {
            fit: Fit::Contain,
            position: Position::LeftBottom,
            without_enlargement: true,
            background: Colour([1, 2, 254]),
            kernel: Kernel::Mks2021,
            format: OutputFormat::Avif,
            quality: Some(UpTo::new(45)),
            progressive: true,
            avif_speed: UpTo::new(3),
            animation: Animation::Keep,
        };
        settings.limits = Limits { max_source_bytes: 1, max_source_pixels: 2, max_output_pixels: 3, max_frames: 7 };
        settings.source = Source { include_prefixes: vec!["a, b/".into(), "100%/".into()], exclude_prefixes: vec![" ".into()] };
        settings.bounds.fetches = NonZeroUsize::MIN;
        settings.bounds.negative = Duration::ZERO;
        settings.memory_budget = Some(4);
        settings.workers = NonZeroUsize::new(5);
        settings.queue_length = NonZeroUsize::MIN;
        settings.queue = Duration::from_secs(6);
        settings.listen = "127.0.0.1:1".parse().unwrap();
        settings.admin_listen = "127.0.0.1:2".parse().unwrap();
        settings.drain = Duration::from_secs(1);
        settings.shutdown = Duration::from_secs(2);
        let env = settings.to_env();
        let back = Settings::from_env(|name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()));
        assert_eq!(back, Ok(settings));
    }

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
