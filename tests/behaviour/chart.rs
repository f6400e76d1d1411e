//! What Helm renders.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::lab;

mod admission;
mod alerts;
pub mod dashboards;
mod names;
mod parent;
mod pod;
mod readme;
mod values;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/resize-operator");

/// The rendered objects, or nothing where there is no Helm. Both streams on failure.
fn render(values: &[&str]) -> Option<Result<Vec<Value>, String>> {
    render_in("system", values)
}

fn render_in(namespace: &str, values: &[&str]) -> Option<Result<Vec<Value>, String>> {
    template(Path::new(CHART), "photos", namespace, values)
}

/// As [`render`], of the chart in a folder, for a release; a value that begins with `{` is JSON of many.
fn template(chart: &Path, release: &str, namespace: &str, values: &[&str]) -> Option<Result<Vec<Value>, String>> {
    let helm = lab::helm()?;
    let mut command = Command::new(helm);
    command.args(["helm", "template", release]).arg(chart).args(["--namespace", namespace]);
    for value in values {
        command.args([if value.starts_with('{') { "--set-json" } else { "--set" }, value]);
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        return Some(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let documents =
        serde_yaml_ng::Deserializer::from_slice(&output.stdout).map(|document| serde::Deserialize::deserialize(document).unwrap());
    Some(Ok(documents.filter(|object: &Value| !object.is_null()).collect()))
}

fn objects(values: &[&str]) -> Option<Vec<Value>> {
    Some(render(values)?.unwrap())
}

fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "several {kind}");
    first
}

fn environment(objects: &[Value]) -> Vec<(String, String)> {
    let container = &one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    container["env"].as_array().unwrap().iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
}

/// What the Deployment's pods are.
fn pod(objects: &[Value]) -> &Value {
    &one(objects, "Deployment")["spec"]["template"]["spec"]
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.next().unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn the_role_has_no_wildcard_and_reads_secrets_one_by_one() {
    let Some(objects) = objects(&[]) else { return };
    let rules = named(&objects, "ClusterRole", "resize-operator:system:photos")["rules"].as_array().unwrap();
    assert!(!serde_json::to_string(rules).unwrap().contains('*'));
    for rule in rules {
        let has = |field: &str, value: &str| rule[field].as_array().unwrap().iter().any(|found| found == value);
        if has("resources", "secrets") {
            assert_eq!(rule["verbs"], serde_json::json!(["get"]));
        }
        assert!(!has("verbs", "escalate") && !has("verbs", "bind") && !has("verbs", "impersonate"));
    }
}

#[test]
fn named_namespaces_get_roles_and_there_is_no_cluster_role() {
    let Some(all) = objects(&["rbac.aggregate=false"]) else { return };
    let limited = render(&["watchNamespaces={a,b}", "rbac.aggregate=false"]).unwrap().unwrap();
    let kinds = |objects: &[Value], kind: &str| objects.iter().filter(|object| object["kind"] == kind).count();
    assert_eq!((kinds(&limited, "ClusterRole"), kinds(&limited, "ClusterRoleBinding")), (0, 0));
    for namespace in ["a", "b"] {
        let there = |object: &&Value| object["metadata"]["namespace"] == namespace;
        let role = limited.iter().filter(there).find(|object| object["kind"] == "Role").unwrap();
        assert_eq!(role["rules"], named(&all, "ClusterRole", "resize-operator:system:photos")["rules"]);
        assert!(limited.iter().filter(there).any(|object| object["kind"] == "RoleBinding"));
    }
    assert!(environment(&limited).contains(&("WATCH_NAMESPACES".to_owned(), "a,b".to_owned())));
    assert!(!environment(&all).iter().any(|(name, _)| name == "WATCH_NAMESPACES"));
}

#[test]
fn a_release_of_the_same_name_in_another_namespace_shares_no_object_but_the_crd() {
    for values in [&["crds.install=false"][..], &["crds.install=false", "watchNamespaces={a}"]] {
        let Some(here) = render(values) else { return };
        let there = render_in("elsewhere", values).unwrap().unwrap();
        let identity =
            |object: &Value| (object["kind"].to_string(), object["metadata"]["namespace"].clone(), object["metadata"]["name"].clone());
        let here: Vec<_> = here.unwrap().iter().map(identity).collect();
        let there: Vec<_> = there.iter().map(identity).collect();
        assert!(!here.is_empty() && here.iter().all(|object| !there.contains(object)), "{here:?} {there:?}");
    }
}

#[test]
fn labels_of_the_user_never_repeat_a_key_nor_replace_the_selector() {
    let values = [
        "podLabels.app\\.kubernetes\\.io/name=mine",
        "podLabels.team=web",
        "metrics.serviceMonitor.enabled=true",
        "metrics.podMonitor.enabled=true",
        "metrics.serviceMonitor.labels.app\\.kubernetes\\.io/instance=mine",
        "metrics.podMonitor.labels.helm\\.sh/chart=mine",
    ];
    // a key that is there twice is an error of the parser
    let Some(objects) = objects(&values) else { return };
    let pods = &one(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"];
    assert_eq!((&pods["app.kubernetes.io/name"], &pods["team"]), (&"resize-operator".into(), &"web".into()));
    assert_eq!(one(&objects, "ServiceMonitor")["metadata"]["labels"]["app.kubernetes.io/instance"], "photos");
}

#[test]
fn users_may_do_with_endpoints_what_they_may_do_with_the_rest() {
    let Some(objects) = objects(&[]) else { return };
    let (view, edit) = (
        named(&objects, "ClusterRole", "resize-operator:system:photos:view"),
        named(&objects, "ClusterRole", "resize-operator:system:photos:edit"),
    );
    assert_eq!(view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"], "true");
    assert_eq!(view["rules"][0]["verbs"], serde_json::json!(["get", "list", "watch"]));
    for role in ["edit", "admin"] {
        assert_eq!(edit["metadata"]["labels"][format!("rbac.authorization.k8s.io/aggregate-to-{role}")], "true");
    }
    let resources = edit["rules"][0]["resources"].as_array().unwrap();
    assert!(!resources.iter().any(|resource| resource == "resizeendpoints/status"), "only the operator writes that");
}

#[test]
fn a_deadline_for_deletion_is_set_only_where_it_is_asked_for() {
    let (Some(none), Some(some)) = (objects(&[]), objects(&["cleanup.deadline=600"])) else { return };
    assert!(!environment(&none).iter().any(|(name, _)| name == "CLEANUP_DEADLINE_SECONDS"));
    assert!(environment(&some).contains(&("CLEANUP_DEADLINE_SECONDS".to_owned(), "600".to_owned())));
}

#[test]
fn two_replicas_share_one_lease() {
    let Some(objects) = objects(&[]) else { return };
    assert_eq!(one(&objects, "Deployment")["spec"]["replicas"], 2);
    assert_eq!(one(&objects, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    assert!(environment(&objects).contains(&("LEASE_NAME".to_owned(), "photos".to_owned())));
    let lease = named(&objects, "Role", "photos-lease");
    assert_eq!(lease["metadata"]["namespace"], "system");
    assert_eq!(lease["rules"][1]["resourceNames"], serde_json::json!(["photos"]));
    let single = render(&["replicas=1"]).unwrap().unwrap();
    assert!(!single.iter().any(|object| object["kind"] == "PodDisruptionBudget"));
}

#[test]
fn monitors_are_made_on_request() {
    let Some(plain) = objects(&[]) else { return };
    assert!(!plain.iter().any(|object| object["apiVersion"] == "monitoring.coreos.com/v1"));
    assert_eq!(named(&plain, "Service", "photos-metrics")["spec"]["ports"][0]["port"], 9090);
    let values = ["metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.labels.team=web", "metrics.podMonitor.enabled=true"];
    let monitored = render(&values).unwrap().unwrap();
    assert_eq!(one(&monitored, "ServiceMonitor")["metadata"]["labels"]["team"], "web");
    assert_eq!(one(&monitored, "PodMonitor")["spec"]["namespaceSelector"]["any"], true);
}

#[test]
fn values_arrive() {
    let values = [
        "image.repository=r.example.com/operator",
        "image.tag=v1",
        "resizer.image.repository=r.example.com/resizer",
        "resizer.image.tag=v2",
        "resizer.image.pullPolicy=Always",
        "resizer.imagePullSecrets[0].name=registry",
        "resizer.imagePullSecrets[1].name=mirror",
        "s3.region=eu-central-1",
        "s3.endpoint=https://s3.example.com",
        "s3.forcePathStyle=true",
        "serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=arn:aws:iam::111122223333:role/r",
        "claims.policy=AllowList",
        "claims.allow.team-a[0]=team-a-*",
        "claims.ambientCredentials=Anyone",
        "claims.publicRead=true",
        "s3.allowedEndpoints={https://a.example.com,http://b.example.com:7480}",
        "outbound.verifyPublicUrl=false",
        "outbound.localAddresses=true",
        "resyncSeconds=60",
        "rollout.maxConcurrent=7",
        "env[0].name=AWS_PROFILE",
        "env[0].value=p",
        "resources.limits.memory=1Gi",
    ];
    let Some(objects) = objects(&values) else { return };
    let container = &one(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "r.example.com/operator:v1");
    assert_eq!(container["resources"]["limits"]["memory"], "1Gi");
    let environment = environment(&objects);
    for (name, value) in [
        ("RESIZER_IMAGE", "r.example.com/resizer:v2"),
        ("RESIZER_IMAGE_PULL_POLICY", "Always"),
        ("RESIZER_IMAGE_PULL_SECRETS", "registry,mirror"),
        ("S3_REGION", "eu-central-1"),
        ("S3_ENDPOINT", "https://s3.example.com"),
        ("S3_FORCE_PATH_STYLE", "true"),
        ("CLAIMS_POLICY", "AllowList"),
        ("CLAIMS_ALLOW", r#"{"team-a":["team-a-*"]}"#),
        ("CLAIMS_AMBIENT_CREDENTIALS", "Anyone"),
        ("CLAIMS_PUBLIC_READ", "true"),
        ("S3_ALLOWED_ENDPOINTS", "https://a.example.com,http://b.example.com:7480"),
        ("VERIFY_PUBLIC_URL", "false"),
        ("OUTBOUND_LOCAL_ADDRESSES", "true"),
        ("RESYNC_SECONDS", "60"),
        ("ROLLOUT_MAX_CONCURRENT", "7"),
        ("AWS_PROFILE", "p"),
    ] {
        assert!(environment.contains(&(name.to_owned(), value.to_owned())), "{name}: {environment:?}");
    }
    assert_eq!(
        one(&objects, "ServiceAccount")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        "arn:aws:iam::111122223333:role/r"
    );
}

#[test]
fn the_defaults_are_the_closed_ones() {
    let Some(objects) = objects(&[]) else { return };
    let environment = environment(&objects);
    for (name, value) in [
        ("CLAIMS_AMBIENT_CREDENTIALS", "Listed"),
        ("CLAIMS_PUBLIC_READ", "false"),
        ("VERIFY_PUBLIC_URL", "true"),
        ("OUTBOUND_LOCAL_ADDRESSES", "false"),
    ] {
        assert!(environment.contains(&(name.to_owned(), value.to_owned())), "{name}: {environment:?}");
    }
}

#[test]
fn the_crd_is_the_generated_one_and_is_kept() {
    let Some(objects) = objects(&[]) else { return };
    let crd = one(&objects, "CustomResourceDefinition");
    assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    let generated: Value = serde_yaml_ng::from_str(include_str!("../../crds/resizeendpoints.yaml")).unwrap();
    assert!(*crd == generated, "the chart renders another CRD than crds/resizeendpoints.yaml");
    let without = render(&["crds.install=false"]).unwrap().unwrap();
    assert!(!without.iter().any(|object| object["kind"] == "CustomResourceDefinition"));
}
