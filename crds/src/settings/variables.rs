//! Environment → [`Settings`] → environment.
//!
//! The resizer reads its settings here and the operator writes them here, so the two cannot disagree. Region, endpoint and credentials
//! are not among them: the AWS SDK reads those itself (`AWS_REGION`, `AWS_ENDPOINT_URL`, …). Below is `environment`, which parses.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use super::Settings;
use crate::{
    Recipe, Recipes, Resolution, Storage,
    environment::{Env, SettingError},
    resolution::ResolutionError,
    source::PrefixList,
    variant::VariantList,
};

impl Settings {
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
        if let Some(json) = variable("RECIPES").filter(|json| !json.trim().is_empty()) {
            settings.recipes = Recipes::read(&json, &settings.recipe).map_err(|problem| SettingError { name: "RECIPES", problem })?;
        }
        settings.variants = env.optional::<VariantList>("OUTPUT_VARIANTS")?.unwrap_or_default().0;
        settings.delivery.read(&env)?;
        env.read("SOURCE_UNSUPPORTED", &mut settings.source.unsupported)?;
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
        settings.gallery_prefix = env.optional("GALLERY_PREFIX")?;
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
        put("RECIPES", self.recipes.write(&self.recipe), String::new());
        put("OUTPUT_VARIANTS", VariantList(self.variants.clone()).to_string(), String::new());
        for ((name, value), (_, default)) in self.delivery.variables().into_iter().zip(default.delivery.variables()) {
            put(name, value, default);
        }
        put("SOURCE_UNSUPPORTED", self.source.unsupported.to_string(), default.source.unsupported.to_string());
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
        put("GALLERY_PREFIX", self.gallery_prefix.clone().unwrap_or_default(), String::new());
        put("DRAIN_SECONDS", self.drain.as_secs().to_string(), default.drain.as_secs().to_string());
        put("SHUTDOWN_SECONDS", self.shutdown.as_secs().to_string(), default.shutdown.as_secs().to_string());
        env
    }
}

/// `300x300,640x0`, spaces allowed.
struct ResolutionList(BTreeSet<Resolution>);

impl FromStr for ResolutionList {
    type Err = ResolutionError;

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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::{
        Delivery, Limits, Source, Variant,
        delivery::DeliveryMode,
        picture::{Animation, Colour, Effort, Fit, Kernel, OutputFormat, Position, UpTo},
        source::Unsupported,
        stored::Acl,
    };

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
            ("RECIPES", "{}", "want a JSON list of recipes"),
            ("OUTPUT_VARIANTS", "WebP,Gif", "want one of Avif, WebP, Jpeg, Png"),
            ("DELIVERY_MODE", "Proxy", "want one of Redirect, Direct"),
            ("DELIVERY_NEGOTIATE", "true", "needs DELIVERY_MODE=Direct"),
            ("SOURCE_UNSUPPORTED", "Show", "want one of Refuse, ShowOriginal"),
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
        settings.storage.acl = Acl::PublicRead;
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
            effort: Effort::Small,
            avif_speed: Some(UpTo::new(3)),
            animation: Animation::Keep,
        };
        settings.limits = Limits { max_source_bytes: 1, max_source_pixels: 2, max_output_pixels: 3, max_frames: 7 };
        settings.recipes = Recipes::read(r#"[{"resolutions":["0x480"],"output":{"quality":7}}]"#, &settings.recipe).unwrap();
        settings.variants = [Variant::WebP, Variant::Avif].into();
        settings.delivery = Delivery { mode: DeliveryMode::Direct, originals: true, negotiate: true, revalidate: false };
        settings.source = Source {
            include_prefixes: vec!["a, b/".into(), "100%/".into()],
            exclude_prefixes: vec![" ".into()],
            unsupported: Unsupported::ShowOriginal,
        };
        settings.bounds.fetches = NonZeroUsize::MIN;
        settings.bounds.negative = Duration::ZERO;
        settings.memory_budget = Some(4);
        settings.workers = NonZeroUsize::new(5);
        settings.queue_length = NonZeroUsize::MIN;
        settings.queue = Duration::from_secs(6);
        settings.listen = "127.0.0.1:1".parse().unwrap();
        settings.admin_listen = "127.0.0.1:2".parse().unwrap();
        settings.gallery_prefix = Some("photos/".into());
        settings.drain = Duration::from_secs(1);
        settings.shutdown = Duration::from_secs(2);
        let env = settings.to_env();
        let back = Settings::from_env(|name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()));
        assert_eq!(back, Ok(settings));
    }
}
