//! Dashboards: what is installed, and that Grafana can take each as it is. `tests/alerts/dashboards` asks their queries.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use super::{CHART, objects, render};

/// The dashboards by the names of their files.
fn dashboards() -> Vec<(String, Value)> {
    let folder = Path::new(CHART).join("files/dashboards");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &Path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    files.iter().map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), read(path))).collect()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

/// Every query of every panel.
pub fn queries() -> Vec<String> {
    let dashboards = dashboards();
    let targets =
        dashboards.iter().flat_map(|(_, dashboard)| panels(dashboard)).flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn they_are_installed_on_request_with_the_label_of_the_sidecar() {
    let maps = |objects: Vec<Value>| objects.into_iter().filter(|object| object["kind"] == "ConfigMap").collect::<Vec<_>>();
    let Some(plain) = objects(&[]) else { return };
    assert!(maps(plain).is_empty());
    let installed = maps(objects(&["metrics.dashboards.enabled=true"]).unwrap());
    let files = dashboards();
    assert_eq!(installed.len(), files.len());
    for (map, (file, dashboard)) in installed.iter().zip(&files) {
        let name = file.trim_end_matches(".json");
        assert_eq!(map["metadata"]["name"], format!("photos-dashboard-{name}"));
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        assert_eq!(map["metadata"]["annotations"], Value::Null);
        let text = map["data"][format!("resize-{file}")].as_str().unwrap();
        assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), dashboard);
    }
    let other = maps(
        render(&[
            "metrics.dashboards.enabled=true",
            "metrics.dashboards.labels.dash=yes",
            "metrics.dashboards.annotations.grafana_folder=Pictures",
        ])
        .unwrap()
        .unwrap(),
    );
    assert_eq!(other[0]["metadata"]["labels"]["dash"], "yes");
    assert_eq!(other[0]["metadata"]["annotations"], json!({ "grafana_folder": "Pictures" }));
}

#[test]
fn each_is_known_by_its_uid_and_asks_the_data_source_that_is_chosen() {
    let chosen = json!({ "type": "prometheus", "uid": "${datasource}" });
    let mut uids = BTreeSet::new();
    for (file, dashboard) in dashboards() {
        assert_eq!(dashboard["id"], Value::Null, "{file}");
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{file}");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!((&variables[0]["name"], &variables[0]["type"]), (&json!("datasource"), &json!("datasource")), "{file}");
        let asking = variables[1..].iter().chain(panels(&dashboard).iter().filter(|panel| panel["type"] != "row"));
        for one in asking {
            assert_eq!(one["datasource"], chosen, "{file}: {one}");
            for target in one["targets"].as_array().into_iter().flatten() {
                assert_eq!(target["datasource"], chosen, "{file}: {target}");
            }
        }
    }
    assert_eq!(uids, ["resize-endpoint", "resize-operator"].map(ToOwned::to_owned).into());
}

#[test]
fn numbers_come_first_and_no_panel_lies_on_another() {
    for (file, dashboard) in dashboards() {
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels(&dashboard) {
            let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()) && at("x") + at("w") <= 24, "{file}: {panel}");
            for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
                assert!(taken.insert((x, y)), "{file}: {} lies on another", panel["title"]);
            }
            assert_eq!(panel["type"] == "stat", at("y") == 0, "{file}: {}", panel["title"]);
        }
    }
}
