//! `resizer serve FOLDER`: the service on a local folder, and a page with its pictures, until SIGTERM or Ctrl-C.
//!
//! `main` starts it. What differs from a pod is here: the settings that a folder has no use for, and what is right for somebody who looks
//! at pictures while changing them. Below are `http` and `store::folder`.

use std::{io::Write, net::SocketAddr, path::PathBuf, sync::Arc};

use resize_api::{ResizedKey, Resolution, Settings, Variant, environment::SettingError};

use crate::{
    guard::capacity::Capacity,
    http::{
        self,
        admin::Readiness,
        gallery::{Gallery, is_called_a_picture},
        server::{Grace, Server},
    },
    service::Service,
    store::{
        folder::{Folder, FolderError},
        listing::{Depth, Inventory, Mark},
    },
    watch::metrics::Metrics,
};

/// What is served. An argument goes before its variable.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The folder with the pictures, and all folders in it. Files and folders whose names begin with a dot are not served.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// Where to listen. Only this machine by default: everybody who reaches it sees every file of the folder.
    #[arg(long, env = "LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Sizes that may be asked for; 0 in one place keeps the ratio.
    #[arg(long, env = "ALLOWED_RESOLUTIONS", value_name = "WxH,…", value_delimiter = ',', default_value = "300x300,640x0,1200x800")]
    sizes: Vec<Resolution>,

    /// Formats beside a picture's own: Avif, WebP, Jpeg, Png.
    #[arg(long, env = "OUTPUT_VARIANTS", value_name = "FORMAT,…", value_delimiter = ',', default_value = "WebP,Avif")]
    variants: Vec<Variant>,

    /// Where what is made is kept. Default: `.resized` in FOLDER.
    #[arg(long, env = "CACHE_FOLDER", value_name = "FOLDER")]
    cache: Option<PathBuf>,
}

impl Arguments {
    /// What a setting or the log is told: the arguments, what is right for a folder, or else what `variable` gives.
    pub fn variable(&self, variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
        let given = || variable(name).filter(|text| !text.is_empty());
        let default = |text: &str| Some(given().unwrap_or_else(|| text.to_owned()));
        match name {
            "BUCKET" => Some(self.folder.file_name().unwrap_or(self.folder.as_os_str()).to_string_lossy().into_owned()),
            "URL" => Some(format!("http://{}", self.listen)),
            "LISTEN" => Some(self.listen.to_string()),
            "ALLOWED_RESOLUTIONS" => Some(words(&self.sizes)),
            "OUTPUT_VARIANTS" => Some(words(&self.variants)),
            "DELIVERY_MODE" => Some("Direct".to_owned()),
            "DELIVERY_ORIGINALS" | "DELIVERY_NEGOTIATE" => default("true"),
            // who replaces a picture wants to see the new one
            "CACHE_CONTROL" => default("no-cache"),
            "NEGATIVE_SECONDS" | "DRAIN_SECONDS" => default("0"),
            "LOG_FORMAT" => default("text"),
            _ => given(),
        }
    }

    /// The settings of the service.
    pub fn settings(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingError> {
        Settings::from_env(|name| self.variable(&variable, name))
    }

    /// The folder, by these settings.
    pub fn open(&self, settings: &Settings) -> Result<Folder, FolderError> {
        Folder::open(&self.folder, self.cache.as_deref(), settings.clone())
    }
}

fn words(list: &[impl ToString]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Serves `folder` until `stop`; prints what to open once it can be opened.
pub async fn run(mut settings: Settings, folder: Folder, capacity: Capacity, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let server = Server::bind(settings.listen, &settings.bounds)?;
    // where the port was 0 it has a number now
    settings.url = format!("http://{}", server.address()?).parse().map_err(anyhow::Error::msg)?;
    let (originals, derivatives) = folder.places();
    tracing::info!(originals = %originals.display(), derivatives = %derivatives.display(), "serving a folder");
    let welcome = welcome(&settings, &folder).await;
    let folder = Arc::new(folder);
    let gallery = Gallery::here(settings.clone(), folder.clone()).route("/");
    let grace = Grace { drain: settings.drain, shutdown: settings.shutdown };
    let service = Arc::new(Service::new(settings, folder, capacity, Arc::new(Metrics::new())));
    // who pipes this into something that ended wants to be served all the same
    drop(std::io::stdout().write_all(welcome.as_bytes()));
    let app = http::app(Arc::clone(&service)).merge(gallery);
    server.serve_until(stop, app, Readiness::ready(), grace, service.until_kept()).await;
    tracing::info!("stopped");
    Ok(())
}

/// What to open.
async fn welcome(settings: &Settings, folder: &impl Inventory) -> String {
    let url = &settings.url;
    let listed = folder.page("", &Mark::Start, Depth::Objects).await.unwrap_or_default().objects;
    let first = listed.into_iter().find(|object| is_called_a_picture(&object.key));
    let size = settings.allowed_resolutions.iter().next();
    let example = size.zip(first).and_then(|(size, first)| ResizedKey::of(*size, &first.key, None)).map(|key| url.location(&key));
    let suffixes: Vec<_> = settings.variants.iter().map(|variant| variant.suffix()).collect();
    let also = if suffixes.is_empty() { String::new() } else { format!("  (and with {} behind it)", suffixes.join(" or ")) };
    let line = |url: String| format!("one of them:    {url}{also}\n");
    format!("all pictures:   {url}/\n{}", example.map(line).unwrap_or_default())
}
