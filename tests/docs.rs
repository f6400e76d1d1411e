//! What is written holds: links lead somewhere, `make` targets and metrics exist, and examples are ResizeEndpoints. No network is asked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use resize_api::{ResizeEndpoint, Settings};
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every Markdown file of the project with its text, by its path from the top.
fn pages() -> BTreeMap<String, String> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if path.is_dir() && !name.starts_with('.') && !["target", "dist", "node_modules"].contains(&name.as_str()) {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                into.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(Path::new(ROOT), &mut files);
    let name = |path: &Path| path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Text and code of a page: `(what stands outside of code, what stands in it by itself and in blocks)`.
fn split(page: &str) -> (String, Vec<String>) {
    let (mut text, mut code) = (String::new(), Vec::new());
    for (index, block) in page.split("```").enumerate() {
        if index % 2 == 1 {
            code.push(block.to_owned());
            continue;
        }
        for (index, part) in block.split('`').enumerate() {
            if index % 2 == 1 {
                code.push(part.to_owned());
            } else {
                text.push_str(part);
            }
        }
    }
    (text, code)
}

/// The anchors of a page, as GitHub names its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let outside = page.split("```").step_by(2).collect::<String>();
    let headings = outside.lines().filter(|line| line.trim_start_matches('#').starts_with(' ') && line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let kept = |c: &char| c.is_alphanumeric() || ['-', '_', ' '].contains(c);
        heading.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings
        .map(|heading| {
            let name = anchor(heading);
            let count = seen.entry(name.clone()).and_modify(|count| *count += 1).or_insert(0);
            if *count == 0 { name } else { format!("{name}-{count}") }
        })
        .collect()
}

/// Why a link of `page` leads nowhere.
fn fault(page: &str, link: &str, pages: &BTreeMap<String, String>) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let folder = Path::new(page).parent().unwrap();
    let mut to = PathBuf::new();
    for part in folder.join(file).components() {
        if part.as_os_str() != ".." {
            to.push(part);
        } else if !to.pop() {
            return Some(format!("{page}: {link} leads out of the project"));
        }
    }
    let to = if file.is_empty() { page.to_owned() } else { to.to_str().unwrap().to_owned() };
    if !Path::new(ROOT).join(&to).exists() {
        return Some(format!("{page}: {link}: there is no {to}"));
    }
    let anchor = anchor?;
    let is_there = pages.get(&to).is_some_and(|text| anchors(text).contains(anchor));
    (!is_there).then(|| format!("{page}: {link}: {to} has no such heading"))
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let (mut count, mut faults) = (0, Vec::new());
    for (page, text) in &pages {
        let (text, _) = split(text);
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
        for link in links {
            count += 1;
            faults.extend(fault(page, &link, &pages));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(count > 100, "{count}");
}

#[test]
fn the_check_of_links_sees_what_it_looks_for() {
    let pages: BTreeMap<_, _> = [("README.md".to_owned(), "# A `b`, c\n```sh\n# no heading\n```\n## A b c\n".to_owned())].into();
    let of = |page: &str, link: &str| fault(page, link, &pages).is_none();
    assert!(of("README.md", "#a-b-c") && of("docs/api.md", "../README.md#a-b-c-1") && of("docs/api.md", "../LICENSE"));
    for link in ["#no-heading", "no.md", "LICENSE#a", "../README.md", "#a-b-c-2"] {
        assert!(!of("README.md", link), "{link}");
    }
}

#[test]
fn every_target_of_make_exists() {
    let makefile = read("Makefile");
    let targets: BTreeSet<_> = makefile.lines().filter_map(|line| line.split_once(':')).map(|(target, _)| target).collect();
    let mut count = 0;
    for (page, text) in pages() {
        for code in split(&text).1 {
            let words: Vec<_> = code.split_whitespace().collect();
            for target in
                words.windows(2).filter(|words| words[0] == "make").map(|words| words[1].trim_end_matches(|c: char| !c.is_alphanumeric()))
            {
                assert!(targets.contains(target), "{page}: make {target}");
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn every_value_that_is_set_is_one_of_the_chart() {
    let values: Value = serde_yaml_ng::from_str(&read("charts/resize-operator/values.yaml")).unwrap();
    let mut count = 0;
    for (page, text) in pages() {
        let code = split(&text).1.join("\n").replace('\'', "");
        let code = code.replace("--set-json ", "--set ");
        for set in code.split("--set ").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
            let mut at = &values;
            for key in set.split(['=', '"']).next().unwrap().split('.').filter(|key| !key.is_empty()) {
                // what stands below an empty value is the user's
                assert!(!at.is_object() || at.as_object().unwrap().is_empty() || !at[key].is_null(), "{page}: --set {set}");
                at = &at[key];
            }
            count += 1;
        }
    }
    assert!(count >= 6, "{count}");
}

#[test]
fn every_variable_of_the_resizer_has_a_row() {
    let page = read("docs/resizer.md");
    let (_, settings) = page.split_once("## Settings of the resizer").unwrap();
    let rows: String = settings.lines().filter(|line| line.starts_with("| `")).collect();
    let settings = Settings::new("photos".to_owned(), "https://img.example.com".parse().unwrap());
    let silent: Vec<_> = settings.names().filter(|name| !rows.contains(&format!("`{name}`"))).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// The words of `text` that are names of metrics.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        ["resize_operator_", "resizer_", "process_"].iter().any(|prefix| word.len() > prefix.len() && word.starts_with(prefix))
    };
    words.filter(is_metric).map(ToOwned::to_owned).collect()
}

/// What is left of a metric's name without what OpenMetrics adds.
fn family(metric: &str) -> &str {
    let suffixes = ["_total", "_info", "_bucket", "_count", "_sum"];
    suffixes.into_iter().find_map(|suffix| metric.strip_suffix(suffix)).unwrap_or(metric)
}

#[test]
fn metrics_are_those_that_the_programs_have() {
    let named_after = |call: &str, prefix: &'static str, code: &str| -> BTreeSet<String> {
        let names = code.split(call).skip(1).filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
        names.map(|name| format!("{prefix}_{name}")).collect()
    };
    let mut known = named_after(".register(", "resizer", &read("resizer/src/watch/metrics.rs"));
    known.extend(named_after(".register(", "resize_operator", &read("operator/src/admin/metrics.rs")));
    known.extend(named_after("&mut encoder,", "resize_operator_endpoint", &read("operator/src/admin/endpoints.rs")));
    let of_process = read("crds/src/process.rs");
    let words = of_process.split('"').filter(|word| word.starts_with("process_"));
    known.extend(words.map(ToOwned::to_owned));
    let mut texts = pages();
    let of_chart = ["alerts.yaml", "dashboards/operator.json", "dashboards/endpoint.json"];
    let of_chart = of_chart.map(|file| (file.to_owned(), read(&format!("charts/resize-operator/files/{file}"))));
    let asked = metrics(&of_chart.iter().map(|(_, text)| text.as_str()).collect::<String>());
    texts.extend(of_chart);
    let named = texts.iter().flat_map(|(page, text)| metrics(text).into_iter().map(move |metric| (page, metric)));
    let unknown: Vec<_> = named.filter(|(_, metric)| !known.contains(family(metric))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");

    let documented = metrics(&[read("docs/operator.md"), read("docs/resizer.md")].concat());
    assert!(asked.len() > 30, "{asked:?}");
    let families: BTreeSet<_> = documented.iter().map(|metric| family(metric)).collect();
    let silent: Vec<_> = asked.iter().filter(|metric| !families.contains(family(metric))).collect();
    assert!(silent.is_empty(), "not in docs: {silent:?}");
}

/// Paths of all that `value` says, down to its leaves.
fn leaves(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| leaves(value, &format!("{path}.{name}"), into)),
        Value::Array(items) => items.iter().for_each(|value| leaves(value, &format!("{path}[]"), into)),
        leaf => drop(into.insert(format!("{path}: {leaf}"))),
    }
}

#[test]
fn examples_are_resize_endpoints_of_known_fields() {
    let mut count = 0;
    for (page, text) in pages() {
        for block in text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let said: Value = serde_yaml_ng::from_str(block).unwrap_or_else(|error| panic!("{page}: {error} in\n{block}"));
            if said["kind"] != "ResizeEndpoint" {
                continue;
            }
            let read: ResizeEndpoint = serde_json::from_value(said.clone()).unwrap_or_else(|error| panic!("{page}: {error} in\n{block}"));
            let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
            leaves(&said, "", &mut before);
            leaves(&serde_json::to_value(read).unwrap(), "", &mut after);
            assert!(before.is_subset(&after), "{page}: {:?}", before.difference(&after));
            count += 1;
        }
    }
    assert!(count >= 2, "{count}");
}
