//! Raw request text → [`ResizedKey`] → canonical object key and URL path.
//!
//! A bucket's website appends the visitor's path to `key=` without encoding it again, each server in its own way. So the key is the
//! whole raw text, decoded once: `+` stays `+`, and `&` belongs to the key. The resizer reads requests with it; below is `resolution`.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{
    resolution::{Resolution, saturating},
    variant::Variant,
};

/// Longest object key that S3 takes, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// Everything but RFC 3986's unreserved characters and `/`.
pub(crate) const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The key of a derivative: a resolution, the key of the original, and the variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResizedKey {
    /// The size asked for. A side that does not fit into 32 bits is [`u32::MAX`].
    pub resolution: Resolution,
    /// The resolution as it was written, `0300x300` for example. An allow-list is
    /// compared with this text, so that it holds for exactly what it lists.
    pub written: String,
    /// Key of the original in the same bucket: never empty, no control characters,
    /// no `.` or `..` segment. Whether it is itself the key of a derivative, [`Settings::reserves`](crate::Settings::reserves) says.
    pub original: String,
    /// The format that the key's suffix names. Text is read as if there were no variants: what a key means beside that,
    /// [`Settings::readings`](crate::Settings::readings) says.
    pub variant: Option<Variant>,
}

/// Why a request names no derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The query has no `key` parameter, or it is empty.
    #[error("missing key query parameter")]
    Missing,
    /// The key is not `WIDTHxHEIGHT/ORIGINAL`.
    #[error("invalid key format")]
    Invalid,
}

impl ResizedKey {
    /// The derivative of `original`; none if it could be neither asked for nor stored: its key would be too long, for example.
    pub fn of(resolution: Resolution, original: &str, variant: Option<Variant>) -> Option<Self> {
        Some(Self { resolution, written: resolution.to_string(), original: original.to_owned(), variant }).filter(Self::is_valid)
    }

    /// The same key, where its suffix names a variant.
    pub fn as_variant(&self) -> Option<Self> {
        let name = self.name();
        let (original, variant) = Variant::split(&name)?;
        Some(Self { original: original.to_owned(), variant: Some(variant), ..self.clone() }).filter(Self::is_valid)
    }

    /// The same key, where its suffix has no meaning: the original of that very name.
    #[must_use]
    pub fn as_written(&self) -> Self {
        Self { original: self.name(), variant: None, ..self.clone() }
    }

    /// What stands behind the resolution.
    fn name(&self) -> String {
        format!("{}{}", self.original, self.variant.map_or("", Variant::suffix))
    }

    /// Reads the raw query of the form `key=300x300/photo.jpg`.
    pub fn from_query(query: &str) -> Result<Self, KeyError> {
        let key = query
            .match_indices("key=")
            .find(|&(at, _)| at == 0 || query.as_bytes()[at - 1] == b'&')
            .map(|(at, name)| &query[at + name.len()..])
            .filter(|key| !key.is_empty())
            .ok_or(KeyError::Missing)?;
        Self::from_encoded(key)
    }

    /// Reads percent-encoded text, decoded once: the path behind the service's own, for example.
    pub fn from_encoded(text: &str) -> Result<Self, KeyError> {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| KeyError::Invalid)?;
        let (written, resolution, original) = split(&text).ok_or(KeyError::Invalid)?;
        let key = Self { resolution, written: written.to_owned(), original: original.to_owned(), variant: None };
        if key.is_valid() { Ok(key) } else { Err(KeyError::Invalid) }
    }

    fn is_valid(&self) -> bool {
        !self.resolution.is_empty() && is_original(&self.original) && self.to_string().len() <= MAX_KEY_BYTES
    }

    /// The path of the derivative below the public URL, `/300x300/a%20b.jpg` for example.
    pub fn location_path(&self) -> String {
        path_of(&self.to_string())
    }
}

/// The path of the object `key` below the public URL.
pub fn path_of(key: &str) -> String {
    format!("/{}", utf8_percent_encode(key, PATH))
}

/// Reads the key of an original from percent-encoded text, decoded once.
pub fn original_key(text: &str) -> Result<String, KeyError> {
    let key = percent_decode_str(text).decode_utf8().map_err(|_| KeyError::Invalid)?;
    if is_original(&key) && key.len() <= MAX_KEY_BYTES { Ok(key.into_owned()) } else { Err(KeyError::Invalid) }
}

fn is_original(key: &str) -> bool {
    !key.is_empty()
        && !key.chars().any(char::is_control)
        // browsers and servers remove `.` and `..` segments: such a key could be stored, but never be requested
        && !key.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// The canonical object key of the derivative, `{width}x{height}/{original}` and the suffix of its variant.
impl fmt::Display for ResizedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.resolution, self.original, self.variant.map_or("", Variant::suffix))
    }
}

/// The first segment of `key`, if it is `WIDTHxHEIGHT` and more follows: what derivatives lie under.
pub(crate) fn resolution_prefix(key: &str) -> Option<&str> {
    let (first, _) = key.split_once('/')?;
    let (width, height) = first.split_once('x')?;
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    (is_number(width) && is_number(height)).then_some(first)
}

/// Finds the first `(\d+)x(\d+)/(.*)` in `text`: the resolution as written and as read, and the original's key.
fn split(text: &str) -> Option<(&str, Resolution, &str)> {
    text.match_indices('/').find_map(|(slash, _)| {
        let (before, original) = (&text[..slash], &text[slash + 1..]);
        let (left, height) = before.rsplit_once('x')?;
        let width_at = left.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + left[at..].chars().next().map_or(0, char::len_utf8));
        let width = &left[width_at..];
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        (is_number(width) && is_number(height)).then(|| {
            let resolution = Resolution { width: saturating(width), height: saturating(height) };
            (&before[width_at..], resolution, original)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::Settings;

    #[derive(Deserialize)]
    struct Case {
        query: String,
        allowed: Vec<String>,
        #[serde(default)]
        variants: Vec<String>,
        expect: Expect,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Expect {
        status: u16,
        width: Option<u32>,
        height: Option<u32>,
        original: Option<String>,
        canonical: Option<String>,
        location_path: Option<String>,
        /// What the key means where there is no original of its very name.
        variant: Option<Named>,
    }

    #[derive(Deserialize)]
    struct Named {
        original: String,
        format: String,
    }

    #[test]
    fn gives_what_the_table_says() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../tests/keys.json")).unwrap();
        assert!(cases.len() >= 77);
        let mut settings = Settings::new("photos".into(), "http://photos.example.com".parse().unwrap());
        for Case { query, allowed, variants, expect } in cases {
            let parsed = ResizedKey::from_query(&query);
            settings.allowed_resolutions = allowed.iter().map(|text| text.parse().unwrap()).collect();
            settings.variants = variants.iter().map(|text| text.parse().unwrap()).collect();
            let status = match &parsed {
                Err(_) => 400,
                Ok(key) if settings.reserves(&key.original) => 400,
                Ok(key) if !settings.allow(key) => 403,
                Ok(_) => 307,
            };
            assert_eq!(status, expect.status, "{query}");
            if let (307, Ok(key)) = (status, parsed) {
                assert_eq!(Some(key.resolution.width), expect.width, "{query}");
                assert_eq!(Some(key.resolution.height), expect.height, "{query}");
                assert_eq!(Some(&key.original), expect.original.as_ref(), "{query}");
                assert_eq!(Some(key.to_string()), expect.canonical, "{query}");
                assert_eq!(Some(key.location_path()), expect.location_path, "{query}");
                let readings = settings.readings(&key);
                assert!(readings.len() <= 2 && readings[0] == key && readings.iter().all(|read| read.to_string() == key.to_string()));
                let variant = readings.get(1).map(|read| (read.original.clone(), read.variant.unwrap().to_string()));
                assert_eq!(variant, expect.variant.map(|named| (named.original, named.format)), "{query}");
            }
        }
    }

    #[test]
    fn only_what_can_be_asked_for_is_a_derivative() {
        let resolution = Resolution { width: 300, height: 300 };
        let longest = "a".repeat(MAX_KEY_BYTES - "300x300/".len());
        for (original, is_one) in [("a b+%.jpg", true), (longest.as_str(), true), ("", false), ("a\n", false), ("a/../b", false)] {
            let key = ResizedKey::of(resolution, original, None);
            assert_eq!(key.is_some(), is_one, "{original}");
            assert!(key.is_none_or(|key| ResizedKey::from_encoded(&key.location_path()[1..]).as_ref() == Ok(&key)), "{original}");
        }
        assert_eq!(ResizedKey::of(resolution, &longest, Some(Variant::WebP)), None);
        assert_eq!(ResizedKey::of(resolution, &(longest + "a"), None), None);
    }

    #[test]
    fn a_key_is_read_both_ways_and_written_one_way() {
        let written = ResizedKey::from_encoded("300x300/a.jpg.webp").unwrap();
        let variant = written.as_variant().unwrap();
        assert_eq!((variant.original.as_str(), variant.variant), ("a.jpg", Some(Variant::WebP)));
        assert_eq!((variant.to_string(), variant.location_path()), (written.to_string(), written.location_path()));
        assert_eq!((variant.as_written(), variant.as_variant()), (written, Some(variant)));
        for none in ["300x300/.webp", "300x300/a.WEBP", "300x300/a.jpeg", "300x300/webp", "300x300/a.gif"] {
            assert_eq!(ResizedKey::from_encoded(none).unwrap().as_variant(), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_valid(query in ".*") {
            if let Ok(key) = ResizedKey::from_query(&query) {
                prop_assert!(key.is_valid());
            }
        }

        /// What we redirect to, asked for again through a rule, is the same derivative: no loop.
        #[test]
        fn canonical_form_is_stable(text in "[0-9]{1,5}x[1-9][0-9]{0,4}/[a-z/%+&#? é한]{1,40}") {
            if let Ok(key) = ResizedKey::from_encoded(&text) {
                let again = ResizedKey::from_encoded(&key.location_path()[1..]);
                prop_assert_eq!(again.as_ref().map(ToString::to_string), Ok(key.to_string()));
                prop_assert_eq!(again.map(|key| key.original), Ok(key.original));
            }
        }
    }
}
