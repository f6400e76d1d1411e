//! Valid endpoint → the routing rules that it wants in its bucket.

use std::collections::BTreeSet;

use resize_api::{
    Resolution,
    routing::{KeyIn, Protocol, RoutingRule, RuleCondition, RuleRedirect},
};

/// Where the rules send a request for a missing size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectTarget {
    /// Protocol of the resizer as visitors reach it.
    pub protocol: Protocol,
    /// Its host name, with port if it needs one.
    pub host: String,
    /// Its path, with a slash at the front and none at the end.
    pub path: String,
    /// Where the key goes.
    pub key_in: KeyIn,
}

impl RedirectTarget {
    /// The URL that a key is appended to.
    pub fn url(&self) -> String {
        let protocol = match self.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
        };
        format!("{protocol}://{}/{}", self.host, self.key_prefix())
    }

    /// What stands before a key in the redirect: no slash at the front, as S3 writes it itself.
    fn key_prefix(&self) -> String {
        let path = self.path.trim_start_matches('/');
        match self.key_in {
            KeyIn::Query => format!("{path}?key="),
            KeyIn::Path => format!("{path}/"),
        }
    }

    fn rule(&self, prefix: &str) -> RoutingRule {
        RoutingRule {
            condition: RuleCondition { key_prefix_equals: prefix.to_owned(), http_error_code_returned_equals: "404".to_owned() },
            redirect: RuleRedirect {
                protocol: self.protocol,
                host_name: self.host.clone(),
                replace_key_prefix_with: format!("{}{prefix}", self.key_prefix()),
                // S3's default is 301, which browsers keep
                http_redirect_code: "307".to_owned(),
            },
        }
    }
}

/// The rules of an endpoint, in two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// One rule per resolution; just the catch-all where every resolution is allowed.
    pub rules: Vec<RoutingRule>,
    /// One rule for every missing key, for a bucket without room for `rules`.
    pub catch_all: RoutingRule,
}

impl Wanted {
    /// Whether `rules` are these, in either form.
    pub fn are(&self, rules: &[RoutingRule]) -> bool {
        rules == self.rules || rules == std::slice::from_ref(&self.catch_all)
    }

    /// The rules for `resolutions`, or for every resolution if there are none.
    pub fn new(resolutions: &BTreeSet<Resolution>, target: &RedirectTarget) -> Self {
        let catch_all = target.rule("");
        let rules: Vec<_> = resolutions.iter().map(|resolution| target.rule(&resolution.prefix())).collect();
        Self { rules: if rules.is_empty() { vec![catch_all.clone()] } else { rules }, catch_all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(key_in: KeyIn) -> RedirectTarget {
        RedirectTarget { protocol: Protocol::Https, host: "resize.example.com".into(), path: "/default/resize".into(), key_in }
    }

    #[test]
    fn one_rule_per_resolution() {
        let resolutions = ["300x300", "640x0"].map(|text| text.parse().unwrap()).into();
        let wanted = Wanted::new(&resolutions, &target(KeyIn::Query));
        insta::assert_yaml_snapshot!(wanted.rules, @r#"
        - condition:
            keyPrefixEquals: 300x300/
            httpErrorCodeReturnedEquals: "404"
          redirect:
            protocol: https
            hostName: resize.example.com
            replaceKeyPrefixWith: default/resize?key=300x300/
            httpRedirectCode: "307"
        - condition:
            keyPrefixEquals: 640x0/
            httpErrorCodeReturnedEquals: "404"
          redirect:
            protocol: https
            hostName: resize.example.com
            replaceKeyPrefixWith: default/resize?key=640x0/
            httpRedirectCode: "307"
        "#);
    }

    #[test]
    fn an_empty_list_is_one_catch_all() {
        let wanted = Wanted::new(&BTreeSet::new(), &target(KeyIn::Path));
        assert_eq!(wanted.rules, std::slice::from_ref(&wanted.catch_all));
        assert_eq!(wanted.catch_all.condition.key_prefix_equals, "");
        assert_eq!(wanted.catch_all.redirect.replace_key_prefix_with, "default/resize/");
        assert_eq!(target(KeyIn::Path).url(), "https://resize.example.com/default/resize/");
    }
}
