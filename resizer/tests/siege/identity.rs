//! Pods whose ServiceAccount has a role (IRSA): a token in a file, for which an STS gives credentials.

use crate::{
    lab::{Lab, picture},
    moto::Moto,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_web_identity_token_is_changed_for_credentials() {
    let Some(moto) = Moto::start().await else { return };
    let lab = Lab::on(moto.s3()).await;
    lab.upload("cat.jpg", "image/jpeg", picture(64, 48, 1)).await;
    let token = std::env::temp_dir().join(format!("{}-token", lab.bucket));
    std::fs::write(&token, "header.claims.signature").unwrap();
    let path = token.display().to_string();
    let role = "arn:aws:iam::123456789012:role/photos";
    let none = [("AWS_ENDPOINT_URL", moto.url.as_str()), ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let identity = [("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str()), ("AWS_ROLE_ARN", role), ("AWS_ROLE_SESSION_NAME", "tests")];

    let without = lab.resizer(&none);
    assert_eq!(without.get("30x30/cat.jpg").await.unwrap().status, 502, "there are no credentials");
    let with = lab.resizer(&[none, identity].concat());
    assert_eq!(with.get("30x30/cat.jpg").await.unwrap().status, 307);
    assert!(lab.object("30x30/cat.jpg").await.is_some());
    std::fs::remove_file(token).unwrap();
}
