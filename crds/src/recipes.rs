//! What differs for some sizes: JSON in the words of the API → a [`Recipe`] for each of them → the same JSON.
//!
//! `settings` and `endpoint` are above; below is `picture`, by whose variables every field is read, so that both have one meaning.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(feature = "kube")]
use kube::KubeSchema;
use serde::Deserialize;
#[cfg(feature = "kube")]
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Recipe, Resolution};

#[cfg(feature = "kube")]
use crate::picture::{Animation, Effort, Fit, Kernel, OutputFormat, Position};

/// A field of a recipe, and the variable that says the same of all sizes.
const FIELDS: [(&str, &str, &str); 11] = [
    ("resize", "fit", "RESIZE_FIT"),
    ("resize", "position", "RESIZE_POSITION"),
    ("resize", "withoutEnlargement", "WITHOUT_ENLARGEMENT"),
    ("resize", "background", "BACKGROUND"),
    ("resize", "kernel", "KERNEL"),
    ("output", "format", "OUTPUT_FORMAT"),
    ("output", "quality", "OUTPUT_QUALITY"),
    ("output", "progressive", "OUTPUT_PROGRESSIVE"),
    ("output", "effort", "EFFORT"),
    ("output", "avifSpeed", "AVIF_SPEED"),
    ("output", "animation", "ANIMATION"),
];

/// The recipes of the sizes that have one of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipes(BTreeMap<Resolution, Recipe>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    resolutions: BTreeSet<String>,
    #[serde(default)]
    resize: Map<String, Value>,
    #[serde(default)]
    output: Map<String, Value>,
}

impl Recipes {
    /// Reads `[{"resolutions": ["1200x1200"], "resize": {"fit": "Inside"}, "output": {"quality": 85}}]`; what is not said of a size is as in
    /// `base`. An error names the field and what would be right.
    pub fn read(json: &str, base: &Recipe) -> Result<Self, String> {
        let written: Vec<Written> = serde_json::from_str(json).map_err(|error| format!("want a JSON list of recipes: {error}"))?;
        let mut recipes = BTreeMap::new();
        for (number, Written { resolutions, resize, output }) in written.into_iter().enumerate() {
            let at = |problem: String| format!("[{number}].{problem}");
            let recipe = change(base, &[("resize", &resize), ("output", &output)]).map_err(at)?;
            if resolutions.is_empty() {
                return Err(at("resolutions: want at least one, such as 1200x1200".to_owned()));
            }
            for text in resolutions {
                let resolution = text.parse().map_err(|error| at(format!("resolutions: {error}")))?;
                if recipes.insert(resolution, recipe).is_some() {
                    return Err(at(format!("resolutions: {text} is in another recipe already")));
                }
            }
        }
        Ok(Self(recipes))
    }

    /// What [`Recipes::read`] reads as these beside the same `base`; nothing if there are none.
    pub fn write(&self, base: &Recipe) -> String {
        let mut written: Vec<(Value, Vec<String>)> = Vec::new();
        for (resolution, recipe) in &self.0 {
            let changes = changes(recipe, base);
            match written.iter_mut().find(|(known, _)| *known == changes) {
                Some((_, resolutions)) => resolutions.push(resolution.to_string()),
                None => written.push((changes, vec![resolution.to_string()])),
            }
        }
        let recipes: Vec<_> = written
            .into_iter()
            .map(|(mut recipe, resolutions)| {
                recipe["resolutions"] = resolutions.into();
                recipe
            })
            .collect();
        if recipes.is_empty() { String::new() } else { Value::Array(recipes).to_string() }
    }

    /// The recipe of this size, if it has one of its own.
    pub fn get(&self, resolution: Resolution) -> Option<&Recipe> {
        self.0.get(&resolution)
    }

    /// The sizes that have one of their own.
    pub fn resolutions(&self) -> impl Iterator<Item = Resolution> {
        self.0.keys().copied()
    }
}

/// `base` with the fields of both groups.
fn change(base: &Recipe, groups: &[(&str, &Map<String, Value>)]) -> Result<Recipe, String> {
    for (group, fields) in groups {
        let known = |field: &&String| FIELDS.iter().any(|(of, name, _)| of == group && name == field);
        if let Some(unknown) = fields.keys().find(|field| !known(field)) {
            let names: Vec<_> = FIELDS.iter().filter(|(of, ..)| of == group).map(|(_, name, _)| *name).collect();
            return Err(format!("{group}.{unknown}: no such field; want one of {}", names.join(", ")));
        }
    }
    let said = |variable: &str| {
        let (group, name, _) = FIELDS.iter().find(|(.., known)| *known == variable)?;
        let (_, fields) = groups.iter().find(|(known, _)| known == group)?;
        match fields.get(*name)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    };
    let variables = base.variables();
    let base = |variable: &str| variables.iter().find(|(known, _)| *known == variable).map(|(_, value)| value.clone());
    Recipe::from_env(|variable| said(variable).or_else(|| base(variable))).map_err(|error| {
        let field = FIELDS.iter().find(|(.., known)| *known == error.name);
        field.map_or_else(|| error.to_string(), |(group, name, _)| format!("{group}.{name}: {}", error.problem))
    })
}

/// What `recipe` says otherwise than `base`, by group and field.
fn changes(recipe: &Recipe, base: &Recipe) -> Value {
    let mut changes = Value::Object(Map::new());
    for ((variable, value), (_, of_base)) in recipe.variables().into_iter().zip(base.variables()) {
        if let Some((group, name, _)) = FIELDS.iter().find(|(.., known)| *known == variable).filter(|_| value != of_base) {
            changes[group][name] = serde_json::from_str(&value).unwrap_or(Value::String(value));
        }
    }
    changes
}

/// What differs for some sizes.
#[cfg(feature = "kube")]
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecipeSpec {
    /// The sizes, of those in `allowedResolutions`. A size stands in one recipe at most.
    #[schemars(length(min = 1, max = 100), inner(length(max = 11)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub resolutions: Vec<String>,

    /// How pictures of these sizes are scaled, where that differs from `resize` of the spec.
    #[serde(default)]
    pub resize: ResizeChange,

    /// How pictures of these sizes are written, where that differs from `output` of the spec.
    #[serde(default)]
    pub output: OutputChange,
}

/// What differs in how pictures are scaled.
#[cfg(feature = "kube")]
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResizeChange {
    /// How a picture fills a size of another ratio, as in `resize.fit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// What `Cover` keeps, and where `Contain` puts the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Leave a picture that is smaller than the size as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_enlargement: Option<bool>,
    /// Colour around the picture, and behind it in a format without transparency, as `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 7))]
    #[x_kube(validation = Rule::new("self.matches('^#[0-9a-fA-F]{6}$')").message("want a colour such as #ffffff"))]
    pub background: Option<String>,
    /// How pixels are mixed, as in `resize.kernel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Kernel>,
}

/// What differs in how pictures are written.
#[cfg(feature = "kube")]
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputChange {
    /// Format of the pictures, as in `output.format`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<OutputFormat>,
    /// Quality of JPEG, WebP and AVIF, from 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub quality: Option<i32>,
    /// Write JPEGs that show coarse first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progressive: Option<bool>,
    /// Time against bytes, as in `output.effort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// Speed of writing AVIF, from 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub avif_speed: Option<i32>,
    /// What becomes of animations, as in `output.animation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub animation: Option<Animation>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Effort, Fit, UpTo};

    fn base() -> Recipe {
        let base = |name: &str| (name == "OUTPUT_QUALITY").then(|| "70".to_owned());
        Recipe::from_env(base).unwrap()
    }

    #[test]
    fn what_a_recipe_does_not_say_is_as_for_all_sizes() {
        let json = r##"[{"resolutions":["1200x1200","640x0"],"resize":{"fit":"Inside","background":"#000000","withoutEnlargement":true}},
            {"resolutions":["300x300"],"output":{"quality":85,"format":"WebP","effort":"Small"}}]"##;
        let recipes = Recipes::read(json, &base()).unwrap();
        let of = |resolution: &str| recipes.get(resolution.parse().unwrap());
        let large = of("640x0").unwrap();
        assert_eq!((large.fit, large.without_enlargement, large.quality.map(UpTo::get)), (Fit::Inside, true, Some(70)));
        assert_eq!(of("1200x1200"), Some(large));
        assert_eq!(of("300x300").map(|recipe| (recipe.fit, recipe.quality.map(UpTo::get))), Some((Fit::Cover, Some(85))));
        assert_eq!(["300x300", "640x0"].map(|size| of(size).map(|recipe| recipe.effort)), [Some(Effort::Small), Some(Effort::Balanced)]);
        assert_eq!(of("10x10"), None);
        assert_eq!(Recipes::read(&recipes.write(&base()), &base()), Ok(recipes));
        assert_eq!(Recipes::default().write(&base()), "");
    }

    #[test]
    fn says_which_field_cannot_be_used() {
        for (json, says) in [
            ("{}", "want a JSON list of recipes"),
            ("[{}]", "missing field `resolutions`"),
            (r#"[{"resolutions":[]}]"#, "[0].resolutions: want at least one"),
            (r#"[{"resolutions":["1x"]}]"#, "[0].resolutions: `1x` is not a resolution"),
            (r#"[{"resolutions":["1x1"]},{"resolutions":["1x1"]}]"#, "[1].resolutions: 1x1 is in another recipe already"),
            (r#"[{"resolutions":["1x1"],"resize":{"fit":"crop"}}]"#, "[0].resize.fit: `crop`: want one of Cover"),
            (r#"[{"resolutions":["1x1"],"output":{"quality":0}}]"#, "[0].output.quality: `0`: want a number from 1 to 100"),
            (r#"[{"resolutions":["1x1"],"output":{"acl":"None"}}]"#, "[0].output.acl: no such field; want one of format"),
            (r#"[{"resolutions":["1x1"],"scale":{}}]"#, "unknown field `scale`"),
        ] {
            let error = Recipes::read(json, &base()).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn every_variable_of_a_recipe_is_a_field() {
        let names: BTreeSet<_> = FIELDS.iter().map(|(.., variable)| *variable).collect();
        assert_eq!(names, Recipe::default().variables().into_iter().map(|(name, _)| name).collect());
    }
}
