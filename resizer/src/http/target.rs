//! Method and target of a request → what it is for. Pure.
//!
//! `http` asks first. Where the resizer itself answers visitors, pictures have the paths of their keys too.

use http::{Method, Uri};
use resize_api::{ResizedKey, key::original_key};

use crate::{error::Error, service::Service};

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To know whether a site may send it.
    Preflight,
    /// The picture at this key.
    Derivative(ResizedKey),
    /// The original at this key.
    Original(String),
}

impl Service {
    /// What a request with this method and target is for.
    pub(super) fn target(&self, method: &Method, uri: &Uri) -> Result<Target, Error> {
        if method == Method::OPTIONS {
            return Ok(Target::Preflight);
        }
        let named = self.below_the_path(uri);
        if named.is_none() && !self.is_direct {
            return Err(Error::UnknownPath);
        }
        if method != Method::GET && method != Method::HEAD {
            return Err(Error::Method);
        }
        match named {
            Some("" | "/") => Ok(Target::Derivative(ResizedKey::from_query(uri.query().unwrap_or_default())?)),
            Some(encoded) => Ok(Target::Derivative(ResizedKey::from_encoded(&encoded[1..])?)),
            None => self.at_the_root(uri.path()),
        }
    }

    /// What stands behind the service's own path; it is empty, or begins with a slash.
    fn below_the_path<'a>(&self, uri: &'a Uri) -> Option<&'a str> {
        uri.path().strip_prefix(&self.settings.path).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The picture whose key is the `path`.
    fn at_the_root(&self, path: &str) -> Result<Target, Error> {
        let encoded = path.strip_prefix('/').filter(|encoded| !encoded.is_empty()).ok_or(Error::UnknownPath)?;
        let original = original_key(encoded)?;
        if self.settings.delivery.originals && !self.settings.reserves(&original) {
            return Ok(Target::Original(original));
        }
        // a key begins with its size here: what is found further back is the name of a folder
        let key = ResizedKey::from_encoded(encoded).ok().filter(|key| original.starts_with(&format!("{}/", key.written)));
        key.map(Target::Derivative).ok_or(Error::UnknownPath)
    }
}
