//! Stand-ins for what gives a pod its identity: STS, where a web identity token is exchanged (IRSA), and the agent of EKS Pod Identity.
//! Taken into tests by `#[path]`.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};

/// What the stand-ins want to be shown.
const TOKEN: &str = "the-token-of-the-pod";
/// How long their credentials hold: the SDK asks for others ten seconds before they expire.
const HOLDS: Duration = Duration::from_secs(12);

/// The environment of a pod with a role of IAM, whose token is written to the file `token`. The ids of its keys begin with `STS`.
pub async fn web_identity(token: &Path) -> Vec<(&'static str, String)> {
    fs::write(token, TOKEN).unwrap();
    vec![
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap().to_owned()),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/resize".to_owned()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ENDPOINT_URL_STS", stand_in(true).await),
    ]
}

/// The environment of a pod with a Pod Identity association, whose token is written to the file `token`. The ids of its keys begin with `AGENT`.
pub async fn pod_identity(token: &Path) -> Vec<(&'static str, String)> {
    fs::write(token, TOKEN).unwrap();
    vec![
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", stand_in(false).await)),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap().to_owned()),
    ]
}

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
        let expires = DateTime::from(SystemTime::now() + HOLDS).fmt(DateTimeFormat::DateTime).unwrap();
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
