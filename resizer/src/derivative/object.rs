//! Key, original and finished picture → [`Derivative`]: the object that is stored, with the metadata by which it is known again.
//!
//! Pure. `make` builds it, `state` reads its metadata again; below is `store`, for the types.

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use resize_api::{ResizedKey, key::path_of};

use picture::{Format, Picture, Request};

use crate::store::{Metadata, Object};

/// Metadata that every derivative has: what shaped it.
pub(super) const SETTINGS: &str = "resize-settings";
/// Metadata: version of the original.
pub(super) const SOURCE_ETAG: &str = "resize-source-etag";

/// Metadata: key of the original, percent-encoded.
pub(super) const SOURCE: &str = "resize-source";

/// S3 takes 2 KiB of metadata in all; what names the source must leave room for the rest.
const MAX_SOURCE_NAME: usize = 1536;

/// A picture as it goes into the store; its metadata says where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivative {
    /// Object key.
    pub key: String,
    /// The encoded picture, with all that the store is told of it.
    pub object: Object,
}

/// What is known about an original beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Media type, as the object carries it.
    pub content_type: Option<String>,
    /// Version of the object.
    pub etag: Option<String>,
}

impl Derivative {
    /// The object for `key`, made from an original of this `provenance`.
    pub fn new(key: &ResizedKey, picture: Picture, request: &Request, provenance: &Provenance, cache_control: &str) -> Self {
        let object = Object {
            content_type: content_type(provenance.content_type.as_deref(), picture.format).to_owned(),
            bytes: picture.bytes.into(),
            cache_control: cache_control.to_owned(),
            metadata: metadata(key, fingerprint(request), provenance),
            redirect: None,
        };
        Self { key: key.to_string(), object }
    }

    /// An object without a body for `key`, from which the bucket's website sends visitors to an original that is not read here.
    pub fn of_unread(key: &ResizedKey, request: &Request, provenance: &Provenance, cache_control: &str) -> Self {
        let object = Object {
            content_type: provenance.content_type.clone().unwrap_or_default(),
            bytes: Bytes::new(),
            cache_control: cache_control.to_owned(),
            metadata: metadata(key, fingerprint_of_unread(request), provenance),
            redirect: Some(path_of(&key.original)),
        };
        Self { key: key.to_string(), object }
    }

    /// Its metadata, as the store will give it back.
    pub fn metadata(&self) -> Metadata {
        self.object.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }
}

fn metadata(key: &ResizedKey, settings: String, provenance: &Provenance) -> Vec<(&'static str, String)> {
    let source = encoded(&key.original);
    let mut metadata = vec![(SETTINGS, settings)];
    // the derivative's key names the source too, so a long one can be left out
    if source.len() <= MAX_SOURCE_NAME {
        metadata.push((SOURCE, source));
    }
    if let Some(etag) = provenance.etag.as_ref().filter(|etag| etag.is_ascii()) {
        metadata.push((SOURCE_ETAG, etag.clone()));
    }
    metadata
}

/// Whether an object with this metadata stands where visitors are sent to an original that is not read here.
pub(super) fn stands_for_unread(metadata: &Metadata, request: &Request) -> bool {
    metadata.get(SETTINGS).is_some_and(|found| *found == fingerprint_of_unread(request))
}

/// Whether an object with this metadata is a derivative, wherever it lies.
pub fn made_by_a_resizer(metadata: &Metadata) -> bool {
    metadata.contains_key(SETTINGS)
}

/// Whether an object with this metadata was made from the original `key`. Who does not say so was not.
pub(super) fn is_made_from(metadata: &Metadata, key: &str) -> bool {
    metadata.get(SOURCE).is_some_and(|source| *source == encoded(key))
}

fn encoded(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
}

/// The original's own media type where it means the picture's format, else the format's.
fn content_type(original: Option<&str>, format: Format) -> &str {
    original.filter(|text| means(text, format)).unwrap_or(format.content_type())
}

/// A media type without its parameters, in lower case.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether `content_type` is one that pictures are stored with here.
pub fn is_picture(content_type: &str) -> bool {
    Format::ALL.into_iter().any(|format| means(content_type, format))
}

fn means(content_type: &str, format: Format) -> bool {
    let aliases: &[&str] = match format {
        Format::Jpeg => &["image/jpg", "image/pjpeg"],
        Format::Png => &["image/x-png"],
        _ => &[],
    };
    let name = content_type.split(';').next().unwrap_or_default().trim();
    std::iter::once(&format.content_type()).chain(aliases).any(|known| known.eq_ignore_ascii_case(name))
}

/// Names what shapes a picture beside its source: equal for equal settings, of every release.
/// Limits are not among them: they only say whether there is a picture, not which.
pub(super) fn fingerprint(request: &Request) -> String {
    hash(&lines(request))
}

/// The same of what is stored where visitors are sent to an original that is not read here. A release that reads more formats gives
/// another one, so that such an object is replaced by a picture.
pub(super) fn fingerprint_of_unread(request: &Request) -> String {
    hash(&(lines(request) + "SOURCE_UNSUPPORTED=ShowOriginal\n"))
}

fn lines(request: &Request) -> String {
    let resolution = ("RESOLUTION", request.resolution.to_string());
    let variables = std::iter::once(resolution).chain(request.recipe.differences());
    let lines: Vec<String> = variables.map(|(name, value)| format!("{name}={value}\n")).collect();
    lines.concat()
}

/// FNV-1a, 64 bits.
pub(super) fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use resize_api::{Limits, Recipe};

    use super::*;

    fn derivative(encoded_key: &str, provenance: &Provenance) -> Derivative {
        let key = ResizedKey::from_encoded(encoded_key).unwrap();
        let picture = Picture { bytes: vec![1, 2, 3], format: Format::Jpeg, width: 300, height: 300 };
        let request = Request::new(key.resolution, Limits::default());
        Derivative::new(&key, picture, &request, provenance, "no-cache")
    }

    #[test]
    fn keeps_the_type_that_means_the_format() {
        for (original, stored) in [
            (Some("image/jpeg"), "image/jpeg"),
            (Some("image/jpg"), "image/jpg"),
            (Some("IMAGE/JPEG; charset=binary"), "IMAGE/JPEG; charset=binary"),
            (Some("image/png"), "image/jpeg"),
            (Some("image/svg+xml"), "image/jpeg"),
            (Some("text/html"), "image/jpeg"),
            (Some("binary/octet-stream"), "image/jpeg"),
            (None, "image/jpeg"),
        ] {
            let provenance = Provenance { content_type: original.map(Into::into), etag: None };
            assert_eq!(derivative("300x300/a.jpg", &provenance).object.content_type, stored);
        }
    }

    #[test]
    fn metadata_is_ascii_and_fits() {
        let provenance = Provenance { content_type: None, etag: Some("\"abc\"".into()) };
        let short = derivative("300x300/푸른 마블.jpg", &provenance);
        let names: Vec<_> = short.object.metadata.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["resize-settings", "resize-source", "resize-source-etag"]);
        let long = derivative(&format!("300x300/{}", "푸".repeat(330)), &provenance);
        for derivative in [&short, &long] {
            let total: usize = derivative.object.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
            assert!(total < 2048 && derivative.object.metadata.iter().all(|(_, value)| value.is_ascii()));
        }
    }

    #[test]
    fn the_fingerprint_follows_the_settings() {
        let of = |key| derivative(key, &Provenance::default()).object.metadata[0].clone();
        assert_eq!(of("300x300/a.jpg"), of("300x300/b.jpg"));
        assert_ne!(of("300x300/a.jpg"), of("300x301/a.jpg"));
        let resolution = "300x300".parse().unwrap();
        let by = |recipe| fingerprint(&Request { resolution, limits: Limits::default(), recipe });
        let other = |name: &str, value: &str| Recipe::from_env(|wanted| (wanted == name).then(|| value.to_owned())).unwrap();
        let mut all = vec![by(Recipe::default())];
        for (name, value) in [
            ("RESIZE_FIT", "Fill"),
            ("RESIZE_POSITION", "Top"),
            ("WITHOUT_ENLARGEMENT", "true"),
            ("BACKGROUND", "#000000"),
            ("KERNEL", "Cubic"),
            ("OUTPUT_FORMAT", "Png"),
            ("OUTPUT_QUALITY", "70"),
            ("OUTPUT_PROGRESSIVE", "true"),
            ("EFFORT", "Small"),
            ("AVIF_SPEED", "5"),
            ("ANIMATION", "Keep"),
        ] {
            all.push(by(other(name, value)));
        }
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    /// Stored in buckets: a release that changes one of these makes every picture anew.
    #[test]
    fn fingerprints_stay_as_they_are_stored() {
        for (resolution, variables, stored) in [
            ("300x300", &[][..], "451a4f11a22cf530"),
            ("640x0", &[("OUTPUT_QUALITY", "70")], "a2c63bf594a3fcb7"),
            (
                "300x300",
                &[("KERNEL", "mks2021"), ("ANIMATION", "Keep"), ("RESIZE_FIT", "Cover"), ("BACKGROUND", "#FF8000")],
                "c5c25d8bae2ca8f4",
            ),
        ] {
            let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let recipe = Recipe::from_env(value).unwrap();
            let request = Request { resolution: resolution.parse().unwrap(), limits: Limits::default(), recipe };
            assert_eq!(fingerprint(&request), stored, "{resolution} {variables:?}");
            let limits = Limits { max_source_bytes: 1, ..Limits::default() };
            assert_eq!(fingerprint(&Request { limits, ..request }), stored);
        }
    }
}
