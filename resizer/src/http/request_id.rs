//! `x-request-id` of a request if it is usable, else a new one: what a log line, a span and the response have in common.
//!
//! The layers of tower-http carry it; here is which id a client may give, and how a new one is made.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use axum::extract::Request;
use http::{HeaderName, HeaderValue};
use tower_http::request_id::{MakeRequestId, RequestId};

/// The header that carries it, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over.
const MAX_LENGTH: usize = 64;

/// Takes the id out of `request` unless it is one of 1 to 64 letters, digits and `-._`.
pub async fn drop_unusable(mut request: Request) -> Request {
    let usable = |id: &HeaderValue| {
        (1..=MAX_LENGTH).contains(&id.len()) && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
    };
    if !request.headers().get(REQUEST_ID).is_some_and(usable) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// Makes ids of 32 hexadecimal digits.
#[derive(Clone, Copy)]
pub struct NewId;

impl MakeRequestId for NewId {
    fn make_request_id<B>(&mut self, _: &http::Request<B>) -> Option<RequestId> {
        HeaderValue::try_from(format!("{:016x}{:016x}", random(), random())).ok().map(RequestId::new)
    }
}

/// Good enough to tell requests apart; not a secret.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn takes_over_what_is_usable_and_makes_the_rest() {
        let kept = async |id: &[u8]| {
            let request = Request::builder().header(REQUEST_ID, HeaderValue::from_bytes(id).unwrap()).body(Body::empty()).unwrap();
            drop_unusable(request).await.headers().get(REQUEST_ID).cloned()
        };
        for id in ["7", "3f2b-11.a_B", &"a".repeat(64)] {
            assert_eq!(kept(id.as_bytes()).await.unwrap(), id);
        }
        for id in [&b""[..], b"a b", b"a\"b", b"\xFF", "é".as_bytes(), "a".repeat(65).as_bytes()] {
            assert_eq!(kept(id).await, None);
        }
        let made = || NewId.make_request_id(&Request::new(Body::empty())).unwrap().into_header_value();
        assert!(made().len() == 32 && made().as_bytes().iter().all(u8::is_ascii_hexdigit));
        assert_ne!(made(), made());
    }
}
