//! The operator's pods: images, security, volumes, trust, where they run, what they reach; and the pod of `helm test`.

use serde_json::{Value, json};

use super::{environment, named, objects, one, pod, render};

#[test]
fn the_pods_are_restricted() {
    let Some(objects) = objects(&[]) else { return };
    for pod in [pod(&objects), &one(&objects, "Pod")["spec"]] {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let containers = [pod["containers"].as_array(), pod["initContainers"].as_array()];
        for container in containers.into_iter().flatten().flatten() {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
        }
    }
}

#[test]
fn security_contexts_can_be_unset_wholly_or_in_part() {
    let Some(part) = objects(&["podSecurityContext.runAsUser=null", "podSecurityContext.runAsGroup=null"]) else { return };
    assert_eq!(pod(&part)["securityContext"], json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } }));
    let none = render(&["podSecurityContext=null", "securityContext=null"]).unwrap().unwrap();
    assert!(pod(&none)["securityContext"].is_null());
    assert!(pod(&none)["containers"][0]["securityContext"].is_null());
}

#[test]
fn images_have_a_digest_and_a_registry_of_all_charts() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let with = |repository: &str, tag: &str, digest: &str, registry: &str| {
        let image = json!({ "repository": repository, "tag": tag, "digest": digest });
        json!({ "image": image, "resizer": { "image": image }, "global": { "imageRegistry": registry } }).to_string()
    };
    for (values, expected) in [
        (with("a/operator", "", "", ""), concat!("a/operator:", env!("CARGO_PKG_VERSION")).to_owned()),
        (with("a/operator", "v1", &digest, ""), format!("a/operator:v1@{digest}")),
        (with("a/operator", "", &digest, ""), format!("a/operator@{digest}")),
        (with("a/operator", "v1", "", "r.example.com"), "r.example.com/a/operator:v1".to_owned()),
        (with("ghcr.io/a/operator", "v1", "", "r.example.com/mirror/"), "r.example.com/mirror/a/operator:v1".to_owned()),
        (with("localhost:5000/operator", "v1", &digest, "r.example.com"), format!("r.example.com/operator:v1@{digest}")),
        (with("localhost/operator", "v1", "", "r.example.com"), "r.example.com/operator:v1".to_owned()),
    ] {
        let Some(objects) = objects(&[&values]) else { return };
        assert_eq!(pod(&objects)["containers"][0]["image"], expected, "{values}");
        assert!(environment(&objects).contains(&("RESIZER_IMAGE".to_owned(), expected.clone())), "{values}");
        assert_eq!(one(&objects, "Pod")["spec"]["containers"][0]["image"], expected, "{values}");
    }
    assert!(render(&["image.digest=latest"]).unwrap().unwrap_err().contains("digest"));
}

#[test]
fn what_is_needed_is_asked_for() {
    for (values, message) in [
        (&["image.repository=null"][..], "image.repository: want the image's name"),
        (&["resizer.image.repository=null"], "resizer.image.repository: want the image's name"),
        (&["serviceAccount.create=false"], "serviceAccount.name: want the name of the ServiceAccount"),
        (&["caBundle.secret=a", "caBundle.configMap=b"], "caBundle: want a configMap or a secret"),
        (&["enabled=false"], "condition: resize-operator.enabled"),
    ] {
        let Some(refused) = render(values) else { return };
        let refused = refused.unwrap_err();
        assert!(refused.contains(message), "{values:?}: {refused}");
    }
}

#[test]
fn an_account_that_is_there_is_used_and_none_is_made() {
    let Some(objects) = objects(&["serviceAccount.create=false", "serviceAccount.name=mine"]) else { return };
    assert!(!objects.iter().any(|object| object["kind"] == "ServiceAccount"));
    assert_eq!(pod(&objects)["serviceAccountName"], "mine");
    for kind in ["RoleBinding", "ClusterRoleBinding"] {
        assert_eq!(one(&objects, kind)["subjects"][0]["name"], "mine");
    }
}

#[test]
fn volumes_of_the_user_and_an_authority_are_mounted() {
    let values = r#"{
        "extraVolumes": [{ "name": "aws", "secret": { "secretName": "aws" } }],
        "extraVolumeMounts": [{ "name": "aws", "mountPath": "/aws" }],
        "caBundle": { "configMap": "authorities", "key": "ours.pem" }
    }"#;
    let Some(mounted) = objects(&[values]) else { return };
    let (pod, container) = (pod(&mounted), &pod(&mounted)["containers"][0]);
    assert_eq!(pod["volumes"][0]["configMap"], json!({ "name": "authorities", "items": [{ "key": "ours.pem", "path": "ca.crt" }] }));
    assert_eq!(pod["volumes"][1]["secret"]["secretName"], "aws");
    let mounts: Vec<_> = container["volumeMounts"].as_array().unwrap().iter().map(|mount| &mount["mountPath"]).collect();
    assert_eq!(mounts, ["/etc/resize-operator/ca", "/aws"]);
    // both are read, so that the public authorities stay trusted
    let environment = environment(&mounted);
    for (name, value) in [("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), ("SSL_CERT_DIR", "/etc/resize-operator/ca")] {
        assert!(environment.contains(&(name.to_owned(), value.to_owned())), "{environment:?}");
    }
    let secret = render(&["caBundle.secret=authorities"]).unwrap().unwrap();
    let volume = &super::pod(&secret)["volumes"][0];
    assert_eq!(volume["secret"], json!({ "secretName": "authorities", "items": [{ "key": "ca.crt", "path": "ca.crt" }] }));
    let none = render(&[]).unwrap().unwrap();
    assert!(super::pod(&none)["volumes"].is_null() && super::pod(&none)["containers"][0]["volumeMounts"].is_null());
}

#[test]
fn pods_spread_by_default_and_as_the_user_says() {
    let Some(plain) = objects(&[]) else { return };
    let own = &one(&plain, "Deployment")["spec"]["selector"];
    let default = pod(&plain)["topologySpreadConstraints"].as_array().unwrap();
    assert_eq!(
        default.iter().map(|one| &one["topologyKey"]).collect::<Vec<_>>(),
        ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    );
    assert!(default.iter().all(|one| one["labelSelector"] == *own && one["whenUnsatisfiable"] == "ScheduleAnyway"));
    let values = r#"{ "topologySpreadConstraints": [
        { "maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule" },
        { "maxSkew": 1, "topologyKey": "row", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": { "matchLabels": { "a": "b" } } }
    ] }"#;
    let others = render(&[values]).unwrap().unwrap();
    let others = pod(&others)["topologySpreadConstraints"].as_array().unwrap();
    assert_eq!((&others[0]["topologyKey"], &others[0]["labelSelector"]), (&json!("rack"), own));
    assert_eq!(others[1]["labelSelector"], json!({ "matchLabels": { "a": "b" } }));
    let none = render(&[r#"{ "topologySpreadConstraints": [] }"#]).unwrap().unwrap();
    assert!(pod(&none)["topologySpreadConstraints"].is_null());
}

#[test]
fn a_network_policy_lets_through_what_the_operator_needs() {
    let Some(plain) = objects(&[]) else { return };
    assert!(!plain.iter().any(|object| object["kind"] == "NetworkPolicy"));
    let values = [
        "networkPolicy.enabled=true",
        "s3.endpoint=http://s3.example.com:7480",
        "s3.allowedEndpoints={https://a.example.com,https://[2001:db8::1]:9000/}",
        "networkPolicy.egress[0].ports[0].port=8443",
    ];
    let objects = render(&values).unwrap().unwrap();
    let spec = &one(&objects, "NetworkPolicy")["spec"];
    assert_eq!(spec["podSelector"], one(&objects, "Deployment")["spec"]["selector"]);
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(spec["ingress"], json!([{ "ports": [{ "port": "admin", "protocol": "TCP" }] }]));
    let ports =
        |rule: usize| -> Vec<&Value> { spec["egress"][rule]["ports"].as_array().unwrap().iter().map(|port| &port["port"]).collect() };
    assert_eq!(ports(0), [53, 53]);
    assert_eq!(ports(1), [80, 443, 6443, 7480, 9000]);
    assert_eq!(ports(2), [9090]);
    assert_eq!(spec["egress"][2]["to"][0]["podSelector"]["matchExpressions"][0]["key"], "resize-operator.dev/endpoint");
    assert_eq!(ports(3), [8443]);
}

#[test]
fn objects_of_the_user_are_rendered() {
    let values = r#"{ "extraObjects": [
        { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "{{ .Release.Name }}-a" } },
        { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "b" } }
    ] }"#;
    let Some(objects) = objects(&[values]) else { return };
    named(&objects, "ConfigMap", "photos-a");
    named(&objects, "ConfigMap", "b");
}

/// Another operator with the account, the settings and the Lease of the release, which no Service, budget or policy takes for one of it.
#[test]
fn helm_test_starts_another_operator_that_is_none_of_the_releases() {
    let Some(objects) = objects(&["networkPolicy.enabled=true", "imagePullSecrets[0].name=registry"]) else { return };
    let (test, deployment) = (one(&objects, "Pod"), one(&objects, "Deployment"));
    assert_eq!(test["metadata"]["annotations"]["helm.sh/hook"], "test");
    assert_ne!(
        test["metadata"]["labels"]["app.kubernetes.io/name"],
        deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
    );
    let (spec, pod) = (&test["spec"], pod(&objects));
    for field in ["serviceAccountName", "securityContext", "imagePullSecrets"] {
        assert_eq!(spec[field], pod[field], "{field}");
    }
    let sidecar = &spec["initContainers"][0];
    for field in ["image", "env", "securityContext", "resources"] {
        assert_eq!(sidecar[field], pod["containers"][0][field], "{field}");
    }
    // it goes on running while the container below waits for its probe
    assert_eq!((&sidecar["restartPolicy"], &sidecar["startupProbe"]["httpGet"]["path"]), (&json!("Always"), &json!("/readyz")));
    assert_eq!(spec["containers"][0]["args"], json!(["--version"]));
    assert_eq!(spec["restartPolicy"], "Never");
}
