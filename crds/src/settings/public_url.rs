//! The `URL` of the settings, `publicUrl` of the API: where visitors fetch → the URL of each object. Pure.

use std::{fmt, str::FromStr};

use url::Url;

use crate::{ResizedKey, key::path_of};

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
        format!("{}{}", self.0, path_of(key))
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
