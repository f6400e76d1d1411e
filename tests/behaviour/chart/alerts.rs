//! Alerts: what is installed, what is written about each, and that they, and dashboards, ask for words that the programs say.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use super::{CHART, dashboards::queries, objects, one, render};

fn top(file: &str) -> String {
    fs::read_to_string(Path::new(CHART).join("../..").join(file)).unwrap()
}

fn rules() -> Vec<Value> {
    let file: Value = serde_yaml_ng::from_str(&top("charts/resize-operator/files/alerts.yaml")).unwrap();
    file["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn they_are_installed_on_request_with_a_link_where_there_is_one() {
    let Some(plain) = objects(&[]) else { return };
    assert!(!plain.iter().any(|object| object["kind"] == "PrometheusRule"));
    let installed = render(&["metrics.prometheusRule.enabled=true", "metrics.prometheusRule.labels.team=web"]).unwrap().unwrap();
    let object = one(&installed, "PrometheusRule");
    assert_eq!(object["metadata"]["labels"]["team"], "web");
    let of = |object: &Value| -> Vec<Value> {
        object["spec"]["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    };
    assert_eq!(of(object), rules());
    let linked = render(&["metrics.prometheusRule.enabled=true", "metrics.prometheusRule.runbookUrl=https://docs.example.com/runbook"]);
    let linked = of(one(&linked.unwrap().unwrap(), "PrometheusRule"));
    assert_eq!(linked[0]["annotations"]["runbook_url"], json!("https://docs.example.com/runbook#resizeoperatornoleader"));
}

#[test]
fn each_has_a_section_that_says_what_to_do() {
    let runbook = top("docs/runbook.md");
    let (_, sections) = runbook.split_once("\n# Alerts\n").unwrap();
    let (sections, _) = sections.split_once("\n# ").unwrap();
    let sections: BTreeSet<_> = sections.lines().filter_map(|line| line.strip_prefix("## ").map(ToOwned::to_owned)).collect();
    let alerts: BTreeSet<_> = rules().iter().map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sections, alerts);
}

#[test]
fn each_asks_for_words_that_the_programs_say() {
    let said = ["resizer/src/error.rs", "resizer/src/store/mod.rs", "crds/src/self_check.rs", "crds/src/condition.rs"].map(top).concat();
    let said = said + r#""True" "False" "Unknown""#; // Kubernetes says these of a condition
    let mut words = 0;
    let rules: Vec<_> = rules().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect();
    for expression in rules.iter().chain(&queries()) {
        for (label, named) in expression.split(['{', ',']).filter_map(|part| part.trim().split_once('"')) {
            if !["outcome", "is", "reason", "condition", "status"].contains(&label.trim_end_matches(['=', '~', '!'])) {
                continue;
            }
            for word in named.split('"').next().unwrap().split('|').filter(|word| *word != "done") {
                let word = word.trim_end_matches(".*");
                let is_said = said.contains(&format!("\"{word}\""))
                    || word.ends_with('_') && said.contains(&format!("\"{word}"))
                    || said.contains(&format!("    {word},"));
                assert!(is_said, "{expression}: nobody says {word}");
                words += 1;
            }
        }
    }
    assert!(words >= 20, "{words}");
}
