//! The types of the API → `docs/api.md`: every field with its type and bounds, its default, and what it means.
//!
//! The schema that is read here names the types of Kubernetes; the `CustomResourceDefinition` has all of their fields in their place.

use std::fmt::Write;

use kube::CustomResourceExt;
use resize_api::{ResizeEndpoint, endpoint::ResizeEndpointSpec, status::ResizeEndpointStatus};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

const HEAD: &str = "# API

<!-- Generated from crds/src by `make crds`. -->

`resize-operator.dev/v1alpha1`, kind `ResizeEndpoint`, namespaced, short name `rsz`, with the subresources `status` and `scale` (`kubectl scale resizeendpoint NAME --replicas 3`).
`kubectl explain resizeendpoint.spec` says the same in a cluster. Types such as `Affinity` are those of Kubernetes, as in a pod.
";

/// Pages that say more about a field of the spec.
const MORE: [(&str, &str); 8] = [
    (
        "bucket",
        "[Permissions](operator.md#permissions-in-s3), [who may use which bucket](operator.md#which-namespaces-may-use-which-buckets), [a bucket that everybody may read](operator.md#a-bucket-that-everybody-may-read).",
    ),
    ("delivery", "[Both ways side by side, and CDNs](delivery.md)."),
    ("derivatives", "[Originals that change](resizer.md#originals-that-change)."),
    (
        "output",
        "[What is read and written](resizer.md#pictures), [what a picture may take](resizer.md#what-a-picture-may-take), [variants](delivery.md#variants-recipes-pictures-that-are-not-read).",
    ),
    ("recipes", "[An example](delivery.md#variants-recipes-pictures-that-are-not-read)."),
    (
        "routing",
        "[Which keys survive](resizer.md#which-keys-survive) each `keyIn`, and [who else writes into the bucket](operator.md#beside-terraform-ack-and-crossplane).",
    ),
    ("source", "[What is shown](resizer.md#what-is-shown-with-redirect)."),
    (
        "workload",
        "[Variables for `env`](resizer.md#settings-of-the-resizer), [what is kept and what is left](operator.md#what-it-keeps-and-what-it-leaves) of the objects.",
    ),
];

/// The whole page.
pub fn page() -> String {
    let (spec, status) = (Schema::of::<ResizeEndpointSpec>(true), Schema::of::<ResizeEndpointStatus>(false));
    let is_part = |field: &&Field| !fields(inner(field.schema), "").is_empty();
    let all = fields(&spec.root, "");
    let mut page = format!("{HEAD}\n## Spec\n\n{}", spec.table());
    for field in all.iter().filter(|field| !is_part(field)) {
        row(&spec, field, &mut page);
    }
    for field in all.iter().filter(is_part) {
        let required = if field.is_required { " It is required." } else { "" };
        let more = MORE.iter().find(|(name, _)| *name == field.path).map_or(String::new(), |(_, more)| format!(" {more}"));
        let _ = write!(page, "\n### {}\n\n{}{required}{more}\n\n{}", field.path, description(field.schema).trim(), spec.table());
        let part = inner(field.schema);
        rows(&spec, part, "", &mut page);
        list(&messages(part), &mut page);
    }
    page.push_str("\n### What must fit together\n");
    let definition = serde_json::to_value(ResizeEndpoint::crd()).unwrap_or_default();
    list(&messages(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]), &mut page);
    let _ = write!(
        page,
        "\n## Status\n\n{} See [conditions and reasons](runbook.md#conditions).\n\n{}",
        description(&status.root),
        status.table()
    );
    rows(&status, &status.root, "", &mut page);
    page
}

/// A schema whose enumerations, and types of Kubernetes, stand apart.
struct Schema {
    root: Value,
    apart: Map<String, Value>,
    /// Whether users write it: then defaults are told.
    is_written: bool,
}

impl Schema {
    fn of<T: JsonSchema>(is_written: bool) -> Self {
        let mut root = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
        let apart = root["$defs"].as_object_mut().map(std::mem::take).unwrap_or_default();
        Self { root, apart, is_written }
    }

    fn table(&self) -> &'static str {
        if self.is_written {
            "| field | type | default | meaning |\n|---|---|---|---|\n"
        } else {
            "| field | type | meaning |\n|---|---|---|\n"
        }
    }

    /// The name of what stands apart.
    fn name(schema: &Value) -> Option<&str> {
        let reference = schema["$ref"].as_str().or_else(|| schema["anyOf"][0]["$ref"].as_str());
        reference?.strip_prefix("#/$defs/")
    }

    /// A schema's type, in words.
    fn type_of(&self, schema: &Value) -> String {
        if let Some(name) = Self::name(schema) {
            let words: Vec<_> =
                self.apart[name]["oneOf"].as_array().into_iter().flatten().filter_map(|word| word["const"].as_str()).collect();
            let listed = self.apart[name]["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let words: Vec<_> = words.into_iter().chain(listed).map(|word| format!("`{word}`")).collect();
            return if words.is_empty() { format!("`{}`", name.rsplit('.').next().unwrap_or(name)) } else { words.join(", ") };
        }
        if is(schema, "array") {
            return format!("list of {}", self.type_of(&schema["items"]));
        }
        let named = ["string", "boolean", "integer", "object"].into_iter().find(|name| is(schema, name)).unwrap_or("any");
        match (named, &schema["additionalProperties"]) {
            ("object", values @ Value::Object(_)) => format!("map of {}", self.type_of(values)),
            ("string", _) if schema["format"] == "date-time" => "time".to_owned(),
            _ => named.to_owned(),
        }
    }
}

/// What a list holds; anything else is itself.
fn inner(schema: &Value) -> &Value {
    if is(schema, "array") { inner(&schema["items"]) } else { schema }
}

/// Whether the schema is of this type, or null.
fn is(schema: &Value, name: &str) -> bool {
    schema["type"] == name || schema["type"].as_array().is_some_and(|types| types.iter().any(|of| of == name))
}

fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// What the rules of a schema say that is wanted.
fn messages(schema: &Value) -> Vec<&str> {
    schema["x-kubernetes-validations"].as_array().into_iter().flatten().filter_map(|rule| rule["message"].as_str()).collect()
}

fn list(messages: &[&str], page: &mut String) {
    for (index, message) in messages.iter().enumerate() {
        let _ = writeln!(page, "{}- {message}", if index == 0 { "\n" } else { "" });
    }
}

struct Field<'a> {
    path: String,
    schema: &'a Value,
    is_required: bool,
}

/// The fields of an object, those that are required first.
fn fields<'a>(schema: &'a Value, above: &str) -> Vec<Field<'a>> {
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<_> =
        properties.map(|(name, schema)| Field { path: format!("{above}{name}"), schema, is_required: required(name) }).collect();
    fields.sort_by_key(|field| !field.is_required);
    fields
}

/// A row for each field of `schema`, and for each field below it.
fn rows(all: &Schema, schema: &Value, above: &str, page: &mut String) {
    for field in fields(schema, above) {
        row(all, &field, page);
        let below = if is(field.schema, "array") { format!("{}[].", field.path) } else { format!("{}.", field.path) };
        rows(all, inner(field.schema), &below, page);
    }
}

fn row(all: &Schema, field: &Field<'_>, page: &mut String) {
    let schema = field.schema;
    let (meaning, said) = without_default(description(schema));
    let default = match &schema["default"] {
        _ if field.is_required => "required".to_owned(),
        // a boolean that may be null has no default
        Value::Null if said.is_none() && schema["type"] == "boolean" => "`false`".to_owned(),
        Value::Null | Value::Object(_) => said.unwrap_or_default(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    };
    let wanted = bounds(schema).into_iter().chain(messages(schema).into_iter().map(ToOwned::to_owned));
    let kind: Vec<_> = [all.type_of(schema)].into_iter().chain(wanted).collect();
    let cells = [Some(kind.join("; ")), all.is_written.then_some(default), Some(meaning)];
    let cells: Vec<_> = cells.into_iter().flatten().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(page, "| `{}` | {} |", field.path, cells.join(" | "));
}

/// A description and what it says after `Default:`, apart.
fn without_default(text: &str) -> (String, Option<String>) {
    let Some((before, after)) = text.split_once("Default: ") else { return (text.to_owned(), None) };
    let (default, after) = after.split_once(". ").unwrap_or((after.trim_end_matches('.'), ""));
    ([before.trim(), after.trim()].join(" ").trim().to_owned(), Some(default.to_owned()))
}

/// Bounds of numbers, lengths and lists.
fn bounds(schema: &Value) -> Vec<String> {
    let between = |least: &str, most: &str, what: &str| match (schema[least].as_u64(), schema[most].as_u64()) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{what}")),
        (None, Some(most)) => Some(format!("at most {most}{what}")),
        (Some(least), None) if least > 0 => Some(format!("at least {least}{what}")),
        _ => None,
    };
    [between("minimum", "maximum", ""), between("minLength", "maxLength", " characters"), between("minItems", "maxItems", " items")]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");
        assert!(std::fs::read_to_string(file).is_ok_and(|text| text == page()), "docs/api.md is stale: run `make crds`");
    }

    #[test]
    fn every_field_of_ours_has_a_row_and_those_of_kubernetes_have_not() {
        let page = page();
        for row in [
            "| `publicUrl` | string; at most 2048 characters; want an absolute http or https URL",
            "| `parentRefs[].port` | integer; 1 to 65535 | all of them | Port of a listener. |",
            "| `mode` | `Redirect`, `Direct` | `Redirect` | Who answers visitors.",
            "| `tolerations` | list of `Toleration` |",
            "| `nodeSelector` | map of string |",
            "| `name` | string; at most 63 characters; want the name of an S3 bucket",
            "| `requesterPays` | boolean | `false` |",
            "| `derivatives.lastSweep.deleted` | integer | Derivatives that were deleted. |",
            "| `conditions` | list of `Condition` | Accepted,",
        ] {
            assert!(page.contains(row), "{row}");
        }
        assert!(!page.contains("nodeAffinity") && !page.contains("| any"));
    }

    #[test]
    fn a_default_that_is_told_has_a_column_of_its_own() {
        let of = without_default;
        assert_eq!(of("A. Default: `a.b`. C."), ("A. C.".to_owned(), Some("`a.b`".to_owned())));
        assert_eq!(of("A. Default: 9."), ("A.".to_owned(), Some("9".to_owned())));
        assert_eq!(of("A."), ("A.".to_owned(), None));
    }
}
