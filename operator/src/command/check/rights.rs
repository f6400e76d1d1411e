//! What the operator has to be allowed → what of it is missing. It asks the API server, and needs no reading of roles.

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{
        ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview, SubjectAccessReviewSpec,
    },
};
use kube::{Api, Client, api::PostParams};

use super::finding::{Finding, some};
use crate::kubernetes::explain;

const SUBJECT: &str = "permissions";
const ALL: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];
/// Group, resource and verbs, as the chart's role has them.
pub const NEEDED: [(&str, &str, &[&str]); 17] = [
    ("resize-operator.dev", "resizeendpoints", &["get", "list", "watch", "patch"]),
    ("resize-operator.dev", "resizeendpoints/status", &["patch"]),
    ("apps", "deployments", ALL),
    ("", "services", ALL),
    ("networking.k8s.io", "ingresses", ALL),
    ("networking.k8s.io", "networkpolicies", ALL),
    ("autoscaling", "horizontalpodautoscalers", ALL),
    ("policy", "poddisruptionbudgets", ALL),
    ("gateway.networking.k8s.io", "httproutes", ALL),
    ("batch", "cronjobs", ALL),
    ("batch", "jobs", ALL),
    ("", "pods", &["list", "watch"]),
    ("", "namespaces", &["get"]),
    ("", "secrets", &["get"]),
    ("", "configmaps", &["get"]),
    ("events.k8s.io", "events", &["create", "patch"]),
    ("coordination.k8s.io", "leases", &["create", "get", "update"]),
];
/// How many questions are asked at a time.
const AT_A_TIME: usize = 8;

/// Looks at what `account` may do in these namespaces and with its `lease`; without an account, what the user of the kubeconfig may.
pub async fn look(client: &Client, account: Option<&str>, namespaces: &[Option<&str>], lease: Option<(String, String)>) -> Finding {
    let questions = questions(namespaces, lease);
    // everybody may ask about himself
    let other = if is_me(client, account).await { None } else { account };
    let answers = futures::stream::iter(&questions).map(|question| may(client, other, question)).buffered(AT_A_TIME);
    let answers: Vec<bool> = match answers.try_collect().await {
        Ok(answers) => answers,
        Err(error) => return Finding::unknown(SUBJECT, format!("whether they are there cannot be asked: {}", explain(&error))),
    };
    let who = account.unwrap_or("the user of this kubeconfig");
    let missing: Vec<_> = questions.iter().zip(&answers).filter(|(_, may)| !**may).map(|(question, _)| told(question)).collect();
    if missing.is_empty() {
        return Finding::ok(SUBJECT, format!("{who} may do all that the operator has to"));
    }
    let message = format!("{who} may not {}", some(&missing));
    Finding::wrong(SUBJECT, message, "give the operator the roles of its chart again: `helm upgrade` of the same version")
}

/// Whether the kubeconfig is that of `account`.
async fn is_me(client: &Client, account: Option<&str>) -> bool {
    let review = Api::<SelfSubjectReview>::all(client.clone()).create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let me = review.ok().and_then(|review| review.status?.user_info?.username);
    me.as_deref() == account
}

/// Everything to ask.
fn questions(namespaces: &[Option<&str>], lease: Option<(String, String)>) -> Vec<ResourceAttributes> {
    let mut all = Vec::new();
    for (group, resource, verbs) in NEEDED {
        let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(resource, sub)| (resource, Some(sub)));
        let question = |verb: &&str| ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: subresource.map(ToOwned::to_owned),
            verb: Some((*verb).to_owned()),
            ..ResourceAttributes::default()
        };
        if resource == "leases" {
            // a Lease can be made under any name, for the API server does not know it yet
            let named = |asked: &ResourceAttributes, name: &String| Some(name.clone()).filter(|_| asked.verb.as_deref() != Some("create"));
            all.extend(lease.iter().flat_map(|(namespace, name)| {
                verbs.iter().map(question).map(|asked| ResourceAttributes {
                    name: named(&asked, name),
                    namespace: Some(namespace.clone()),
                    ..asked
                })
            }));
            continue;
        }
        let within =
            |namespace: Option<&str>| verbs.iter().map(question).map(|asked| (namespace.map(ToOwned::to_owned), asked)).collect::<Vec<_>>();
        let each = namespaces.iter().copied().flat_map(within);
        all.extend(each.map(|(namespace, asked)| ResourceAttributes { namespace, ..asked }));
    }
    all
}

async fn may(client: &Client, account: Option<&str>, asked: &ResourceAttributes) -> Result<bool, kube::Error> {
    let with = PostParams::default();
    let asked = Some(asked.clone());
    let status = if let Some(account) = account {
        let spec = SubjectAccessReviewSpec {
            user: Some(account.to_owned()),
            groups: Some(groups(account)),
            resource_attributes: asked,
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        Api::all(client.clone()).create(&with, &review).await?.status
    } else {
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: asked, ..SelfSubjectAccessReviewSpec::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        Api::all(client.clone()).create(&with, &review).await?.status
    };
    Ok(status.is_some_and(|status| status.allowed))
}

/// The groups that a ServiceAccount is in.
fn groups(account: &str) -> Vec<String> {
    let namespace = account.split(':').nth(2).unwrap_or_default();
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}"), "system:authenticated".to_owned()]
}

fn told(asked: &ResourceAttributes) -> String {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let resource = [text(&asked.resource), text(&asked.subresource)].into_iter().flatten().collect::<Vec<_>>().join("/");
    let group = text(&asked.group).map(|group| format!(".{group}")).unwrap_or_default();
    let namespace = text(&asked.namespace).map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    format!("{} {resource}{group}{namespace}", asked.verb.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The chart's template, in which the rules themselves are plain YAML.
    #[test]
    fn what_is_needed_is_what_the_chart_gives() {
        let template = include_str!("../../../../charts/resize-operator/templates/rbac.yaml");
        let list = |line: &str| -> Vec<String> {
            let inner = line.split_once('[').and_then(|(_, rest)| rest.rsplit_once(']')).map(|(inner, _)| inner).unwrap_or_default();
            inner.split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
        };
        // up to the roles of those who view and edit endpoints
        let rules = template.split("rbac.aggregate").next().unwrap();
        let (mut given, mut groups, mut resources) = (BTreeSet::new(), Vec::new(), Vec::new());
        for line in rules.lines().map(|line| line.trim().trim_start_matches("- ")) {
            match line.split(':').next() {
                Some("apiGroups") => groups = list(line),
                Some("resources") => resources = list(line),
                Some("verbs") => {
                    for (resource, verb) in resources.iter().flat_map(|resource| list(line).into_iter().map(move |verb| (resource, verb))) {
                        given.insert((groups[0].clone(), resource.clone(), verb));
                    }
                }
                _ => {}
            }
        }
        let needed = NEEDED.iter().flat_map(|(group, resource, verbs)| {
            verbs.iter().map(|verb| ((*group).to_owned(), (*resource).to_owned(), (*verb).to_owned()))
        });
        assert_eq!(needed.collect::<BTreeSet<_>>(), given);
    }

    #[test]
    fn permissions_are_told_as_kubectl_names_them() {
        let all = questions(&[Some("a"), Some("b")], Some(("system".into(), "resize-operator".into())));
        let told: Vec<_> = all.iter().map(told).collect();
        for expect in
            ["patch resizeendpoints/status.resize-operator.dev in a", "list pods in b", "update leases.coordination.k8s.io in system"]
        {
            assert!(told.contains(&expect.to_owned()), "{expect}: {told:?}");
        }
        let of_leases: Vec<_> =
            all.iter().filter(|asked| asked.resource.as_deref() == Some("leases")).map(|asked| asked.name.clone()).collect();
        assert_eq!(of_leases, [None, Some("resize-operator".into()), Some("resize-operator".into())]);
        assert!(questions(&[None], None).iter().all(|asked| asked.namespace.is_none() && asked.resource.as_deref() != Some("leases")));
    }
}
