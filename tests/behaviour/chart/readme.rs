//! The chart's README, whose table of values is made of the comments in `values.yaml`.
//!
//! `UPDATE_README=1 cargo test --test behaviour chart::readme` writes it anew.

use std::{fs, path::Path};

use serde_json::Value;

use super::{CHART, values::defaults};

const HEADING: &str = "\n## Values\n\n";

/// A key of `values.yaml` with the comment above it.
struct Key {
    indent: usize,
    path: Vec<String>,
    meaning: String,
}

/// Every key, in the order of the file.
fn keys(text: &str) -> Vec<Key> {
    let (mut keys, mut above, mut comment) = (Vec::new(), Vec::<(usize, String)>::new(), Vec::new());
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if let Some(text) = content.strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        let meaning = std::mem::take(&mut comment).join(" ");
        let Some((name, _)) = content.split_once(':') else { continue };
        if name.chars().all(char::is_alphanumeric) {
            above.retain(|(outer, _)| *outer < indent);
            above.push((indent, name.to_owned()));
            keys.push(Key { indent, path: above.iter().map(|(_, name)| name.clone()).collect(), meaning });
        }
    }
    keys
}

/// The table: a row for each value, and one for what is said of several. A value whose parts have no comments is one row.
fn table(text: &str, defaults: &Value) -> String {
    let keys = keys(text);
    let mut rows = vec!["| value | default | meaning |\n|---|---|---|\n".to_owned()];
    let mut next = 0;
    while let Some(key) = keys.get(next) {
        let parts = keys[next + 1..].iter().take_while(|part| part.indent > key.indent);
        let (parts, explained) = parts.fold((0, false), |(count, explained), part| (count + 1, explained || !part.meaning.is_empty()));
        let (path, meaning) = (key.path.join("."), key.meaning.replace('|', "\\|"));
        if !explained {
            let default = defaults.pointer(&format!("/{}", key.path.join("/"))).unwrap();
            rows.push(format!("| `{path}` | `{default}` | {meaning} |\n"));
            next += parts;
        } else if !meaning.is_empty() {
            rows.push(format!("| **{path}** | | {meaning} |\n"));
        }
        next += 1;
    }
    rows.concat()
}

#[test]
fn the_readme_has_the_comments_of_the_values() {
    let text = include_str!("../../../charts/resize-operator/values.yaml");
    let table = table(text, &defaults());
    let file = Path::new(CHART).join("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (by_hand, _) = readme.split_once(HEADING).unwrap_or_else(|| panic!("no {HEADING:?} in the README"));
    let fresh = format!("{by_hand}{HEADING}{table}");
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&file, fresh).unwrap();
    } else {
        assert!(readme == fresh, "the README is not of the present values.yaml: UPDATE_README=1 cargo test --test behaviour chart::readme");
    }
}

#[test]
fn every_value_says_what_it_means() {
    let text = include_str!("../../../charts/resize-operator/values.yaml");
    let silent: Vec<_> = table(text, &defaults()).lines().filter(|row| row.ends_with("|  |")).map(ToOwned::to_owned).collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn a_comment_belongs_to_the_key_below_it() {
    let text = "# Of both,\n# really.\na:\n  # One | two.\n  b: \"\"\n  c:\n    d: 1\n    e: [x]\n\n# Alone.\n\nf: {}\n";
    let defaults: Value = serde_yaml_ng::from_str(text).unwrap();
    let rows =
        "| **a** | | Of both, really. |\n| `a.b` | `\"\"` | One \\| two. |\n| `a.c` | `{\"d\":1,\"e\":[\"x\"]}` |  |\n| `f` | `{}` |  |\n";
    assert!(table(text, &defaults).ends_with(rows), "{}", table(text, &defaults));
}
