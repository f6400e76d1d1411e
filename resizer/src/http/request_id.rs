//! `x-request-id` of a request, or a new one: what a log line and an answer have in common.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over.
const MAX_LENGTH: usize = 64;

/// Names one request: 1 to 64 letters, digits and `-._`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The id in `headers` if it is a sane one, else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let sane = |id: &&str| {
            (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(sane);
        given.map_or_else(|| Self(format!("{:016x}{:016x}", random(), random())), |id| Self(id.to_owned()))
    }
}

/// Good enough to tell requests apart; not a secret.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RequestId> for HeaderValue {
    fn from(id: RequestId) -> Self {
        Self::try_from(id.0).unwrap_or(Self::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_over_what_is_sane_and_makes_the_rest() {
        let of = |id: &[u8]| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(id).unwrap())]);
            RequestId::of(&headers).to_string()
        };
        for id in ["7", "3f2b-11.a_B", &"a".repeat(64)] {
            assert_eq!(of(id.as_bytes()), id);
        }
        for id in [&b""[..], b"a b", b"a\"b", b"\xFF", "é".as_bytes(), "a".repeat(65).as_bytes()] {
            let made = of(id);
            assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
        }
        let made = || RequestId::of(&HeaderMap::new());
        assert_ne!(made(), made());
    }
}
