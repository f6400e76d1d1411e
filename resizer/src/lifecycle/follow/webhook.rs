//! `POST /events` → the changes of its body, handled before the answer: a sender that gets an error sends them again.
//!
//! Ceph and MinIO push so. The token is in the header `Authorization: Bearer …`, as MinIO writes it, or in Ceph's `OpaqueData`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode, header};

use super::{
    Follower,
    event::{Change, changes},
};

/// Longest body in bytes: a thousand records.
const MAX_BODY: usize = 1 << 20;

/// A route for `follower`, for senders that know `token`.
pub fn app(follower: Arc<Follower>, token: String) -> Router {
    Router::new()
        .route("/events", post(handle))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Webhook { follower, token: token.into() })
}

#[derive(Clone)]
struct Webhook {
    follower: Arc<Follower>,
    token: Arc<str>,
}

async fn handle(State(webhook): State<Webhook>, headers: HeaderMap, body: String) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let has_token = bearer.is_some_and(|bearer| is_same(bearer, &webhook.token));
    if bearer.is_some() && !has_token {
        return refused();
    }
    let changes = match changes(&body) {
        // who has not shown a token is told nothing of what is wrong
        Err(_) if !has_token => return refused(),
        Err(error) => {
            webhook.follower.bad(&error);
            return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response();
        }
        Ok(changes) => changes,
    };
    let knows = |change: &Change| change.token.as_deref().is_some_and(|token| is_same(token, &webhook.token));
    if !has_token && (changes.is_empty() || !changes.iter().all(knows)) {
        return refused();
    }
    match webhook.follower.handle(&changes).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not all could be handled: send it again\n").into_response(),
    }
}

fn refused() -> Response {
    (StatusCode::UNAUTHORIZED, "want the token: Authorization: Bearer TOKEN, or OpaqueData\n").into_response()
}

/// Compares in a time that does not tell how much is right.
fn is_same(given: &str, token: &str) -> bool {
    let (given, token) = (given.as_bytes(), token.as_bytes());
    given.len() == token.len() && given.iter().zip(token).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
