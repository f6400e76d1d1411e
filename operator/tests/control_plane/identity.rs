//! Where the operator's own identity comes from: a web identity token (IRSA), an agent on the node (Pod Identity), its environment;
//! and that it is renewed before it expires.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use k8s_openapi::jiff::Timestamp;

use crate::{
    control_plane::ControlPlane,
    endpoints::{endpoint, run_deployments, touch, wait_until_all_are},
    process::{Operator, patiently},
    store::Store,
};

/// What the stand-ins want to be shown.
const TOKEN: &str = "the-token-of-the-pod";
/// How long their credentials hold: the SDK asks for others ten seconds before they expire.
const HOLDS: Duration = Duration::from_secs(12);

/// Gives credentials with an id of their own each time, in the form of STS or of the agent, to whoever shows the token.
async fn stand_in(is_sts: bool) -> String {
    let given = Arc::new(AtomicUsize::new(0));
    let answer = async move |headers: HeaderMap, body: String| -> Response {
        let shown = if is_sts {
            body.clone()
        } else {
            headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        if !shown.contains(TOKEN) {
            return StatusCode::FORBIDDEN.into_response();
        }
        let number = given.fetch_add(1, Ordering::Relaxed);
        let expires = Timestamp::try_from(SystemTime::now() + HOLDS).unwrap();
        let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ");
        if is_sts {
            assert!(body.contains("Action=AssumeRoleWithWebIdentity"), "{body}");
            let credentials = format!(
                "<AccessKeyId>STS{number}</AccessKeyId><SecretAccessKey>key</SecretAccessKey><SessionToken>session</SessionToken>\
                 <Expiration>{expires}</Expiration>"
            );
            let user = "<Arn>arn:aws:sts::111122223333:assumed-role/resize/s</Arn><AssumedRoleId>R:s</AssumedRoleId>";
            return format!(
                "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
                 <AssumedRoleUser>{user}</AssumedRoleUser><Credentials>{credentials}</Credentials></AssumeRoleWithWebIdentityResult>\
                 <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
            )
            .into_response();
        }
        format!(r#"{{"AccessKeyId":"AGENT{number}","SecretAccessKey":"key","Token":"session","Expiration":"{expires}"}}"#).into_response()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

/// Serves one endpoint with this identity, and waits until the store has seen two keys of it.
async fn serves_and_renews(plane: &ControlPlane, name: &str, identity: &[(&str, &str)], prefix: &str) {
    let store = Store::start().await;
    let operator = Operator::start_as(plane, name, &plane.kubeconfig, &[], identity);
    plane.apply(&[endpoint(&store, name)]).await;
    patiently(Duration::from_mins(2), &format!("{name}: the identity is renewed"), async || {
        touch(plane, &[name.to_owned()]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let keys: BTreeSet<_> = store.calls().into_iter().map(|call| call.key_id).collect();
        assert!(keys.iter().all(|key| key.starts_with(prefix)), "{keys:?}; the log is\n{}", operator.log());
        keys.len() >= 2
    })
    .await;
    wait_until_all_are(plane, 1, "Serving").await;
    assert!(store.website(name).is_some());
}

#[tokio::test]
async fn a_web_identity_token_is_exchanged_and_the_credentials_renewed() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let token = plane.folder.join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let identity = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/resize"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL_STS", &stand_in(true).await),
    ];
    serves_and_renews(&plane, "irsa", &identity, "STS").await;
}

#[tokio::test]
async fn the_agent_of_pod_identity_is_asked_and_the_credentials_renewed() {
    let Some(plane) = ControlPlane::start().await else { return };
    plane.install(&[]).await;
    run_deployments(plane.client.clone());
    let token = plane.folder.join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let url = format!("{}/v1/credentials", stand_in(false).await);
    let identity =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap())];
    serves_and_renews(&plane, "agent", &identity, "AGENT").await;
}
