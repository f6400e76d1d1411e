//! Which namespaces may use which buckets, where the operator's owner restricts it. Pure.

use resize_api::{Delivery, condition::Reason};

use crate::{
    config::{AmbientCredentials, ClaimSettings, ClaimsPolicy, Config, S3Defaults},
    endpoint::{BucketAddress, Endpoint},
    report::Verdict,
};

/// Tag of a bucket with the namespaces that may use it.
pub const TAG: &str = "resize-operator.dev/namespaces";

impl ClaimSettings {
    /// Whether the settings alone let endpoints of `namespace` use `bucket`; a tag is looked at later.
    pub fn allow(&self, namespace: &str, bucket: &str) -> bool {
        self.policy != ClaimsPolicy::AllowList || self.allow.holds(namespace, bucket)
    }
}

/// Whether the settings let `endpoint` use its bucket as it wants to; a tag is looked at later.
pub fn may_use(config: &Config, endpoint: &Endpoint) -> Result<(), Verdict> {
    may_reach(&config.claims, &config.s3, &endpoint.namespace, &endpoint.bucket, endpoint.settings.delivery)
        .map_err(|why| not_allowed(endpoint, &why))?;
    if endpoint.public_read && !config.claims.public_read {
        return Err(not_allowed(
            endpoint,
            "bucket.publicRead is not used here unless those who run the operator set claims.publicRead of its chart; let everybody read by \
             a policy of your own, or ask them",
        ));
    }
    Ok(())
}

/// What is said of a bucket that `endpoint` may not use, and `why`.
pub fn not_allowed(endpoint: &Endpoint, why: &str) -> Verdict {
    let message = format!("bucket {} is not for namespace {}: {why}", endpoint.bucket.name, endpoint.namespace);
    Verdict::no(Reason::BucketNotAllowed, message)
}

/// Whether the settings let endpoints of `namespace` reach the bucket at `address` in the way it says; if not, why, and what would help.
/// The operator's own identity goes to no store that its owner did not name; with `Direct` that goes nowhere, unless a tag
/// is to be read.
pub fn may_reach(
    claims: &ClaimSettings,
    s3: &S3Defaults,
    namespace: &str,
    address: &BucketAddress,
    delivery: Delivery,
) -> Result<(), String> {
    if !claims.allow(namespace, &address.name) {
        return Err("ask those who run the operator to add it to claims.allow of its chart".to_owned());
    }
    let (store, is_named) = (address.store(), is_named(s3, address));
    if !is_named && !s3.allowed_endpoints.is_empty() {
        return Err(format!("its store {store} is not among s3.allowedEndpoints of the operator's chart"));
    }
    if address.secret.is_some() || delivery.is_direct() && claims.policy != ClaimsPolicy::BucketTag {
        return Ok(());
    }
    if !is_named {
        return Err(format!(
            "the operator's own identity goes only to the store of its settings and to s3.allowedEndpoints of its chart, and {store} is \
             neither: set bucket.credentialsSecretRef"
        ));
    }
    if claims.ambient_credentials == AmbientCredentials::Listed && claims.policy == ClaimsPolicy::Open {
        return Err(
            "set bucket.credentialsSecretRef; the operator's own identity is used only for buckets that claims.policy AllowList or BucketTag \
             of its chart gives to a namespace, or for all with claims.ambientCredentials: Anyone"
                .to_owned(),
        );
    }
    Ok(())
}

/// Whether the settings name the store of `address`, as the default or in the list.
pub fn is_named(s3: &S3Defaults, address: &BucketAddress) -> bool {
    let store = address.store();
    BucketAddress { endpoint: s3.endpoint.clone(), ..address.clone() }.store() == store || s3.allowed_endpoints.contains(&store)
}

/// Whether the value of a bucket's tag names `namespace`. Names stand between spaces or slashes: AWS lets no comma in.
pub fn tag_names(value: &str, namespace: &str) -> bool {
    value.split([' ', '/', ',']).any(|name| name == namespace)
}

#[cfg(test)]
mod tests {
    use resize_api::delivery::DeliveryMode;

    use super::*;

    #[test]
    fn an_allow_list_names_namespaces_and_buckets() {
        let allow = r#"{ "team-a": ["team-a-*", "shared"], "admin-*": ["*"] }"#.parse().unwrap();
        let claims = ClaimSettings { policy: ClaimsPolicy::AllowList, allow, ..ClaimSettings::default() };
        for (namespace, bucket, allowed) in [
            ("team-a", "team-a-photos", true),
            ("team-a", "shared", true),
            ("team-a", "team-b-photos", false),
            ("team-b", "shared", false),
            ("admin-1", "anything", true),
        ] {
            assert_eq!(claims.allow(namespace, bucket), allowed, "{namespace} {bucket}");
        }
        assert!(ClaimSettings::default().allow("team-b", "shared"), "open is open");
    }

    #[test]
    fn the_operators_own_identity_is_for_buckets_that_its_owner_gave_and_goes_to_no_other_store() {
        let address = |endpoint: Option<&str>, secret: Option<&str>| BucketAddress {
            name: "photos".into(),
            region: "eu-central-1".into(),
            endpoint: endpoint.map(Into::into),
            force_path_style: false,
            expected_owner: None,
            secret: secret.map(Into::into),
            ca_bundle: None,
        };
        let open = ClaimSettings::default();
        let anyone = ClaimSettings { ambient_credentials: AmbientCredentials::Anyone, ..ClaimSettings::default() };
        let tag = ClaimSettings { policy: ClaimsPolicy::BucketTag, ..ClaimSettings::default() };
        let list = ClaimSettings {
            policy: ClaimsPolicy::AllowList,
            allow: r#"{ "demo": ["photos"] }"#.parse().unwrap(),
            ..ClaimSettings::default()
        };
        let none = S3Defaults::default();
        let minio = S3Defaults { endpoint: Some("http://minio.example.com".into()), ..S3Defaults::default() };
        let listed = S3Defaults { allowed_endpoints: vec!["http://minio.example.com".parse().unwrap()], ..S3Defaults::default() };
        let (there, elsewhere, aws) =
            (Some("http://MinIO.example.com:80"), Some("http://evil.example.com"), Some("https://s3.us-west-2.amazonaws.com"));
        for (claims, s3, endpoint, secret, allowed) in [
            (&open, &none, None, None, false),
            (&open, &none, None, Some("keys"), true),
            (&open, &none, elsewhere, Some("keys"), true),
            (&anyone, &none, None, None, true),
            (&anyone, &none, aws, None, true),
            (&anyone, &none, elsewhere, None, false),
            (&anyone, &minio, there, None, true),
            (&anyone, &minio, aws, None, false),
            (&anyone, &listed, there, None, true),
            (&tag, &none, None, None, true),
            (&tag, &none, elsewhere, None, false),
            (&list, &none, None, None, true),
            (&open, &listed, there, Some("keys"), true),
            (&open, &listed, None, Some("keys"), true),
            (&open, &listed, elsewhere, Some("keys"), false),
        ] {
            let address = address(endpoint, secret);
            let result = may_reach(claims, s3, "demo", &address, Delivery::default());
            assert_eq!(result.is_ok(), allowed, "{claims:?} {s3:?} {endpoint:?} {secret:?}: {result:?}");
            // an identity that is not used needs no leave; the bounds on stores stay
            let direct = Delivery { mode: DeliveryMode::Direct, ..Delivery::default() };
            let is_bound = !s3.allowed_endpoints.is_empty() && endpoint == elsewhere;
            let is_used = claims.policy == ClaimsPolicy::BucketTag;
            let expected = if is_used { allowed } else { !is_bound };
            assert_eq!(may_reach(claims, s3, "demo", &address, direct).is_ok(), expected, "{claims:?} {s3:?} {endpoint:?}");
        }
    }

    #[test]
    fn a_tag_names_namespaces_exactly() {
        for (value, namespace, named) in
            [("demo", "demo", true), ("a demo", "demo", true), ("a/demo/b", "demo", true), ("demos", "demo", false), ("", "demo", false)]
        {
            assert_eq!(tag_names(value, namespace), named, "{value}");
        }
    }
}
