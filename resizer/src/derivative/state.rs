//! A stored object, its original and the settings → the [`State`] of a derivative.
//!
//! Pure: the one place that says what is fresh. `derivative` asks it before it makes a picture and when it keeps one, `lifecycle`
//! before it deletes one; below is `object`, whose metadata it reads.

use picture::Request;
use resize_api::{ResizedKey, Settings};

use super::object::{SETTINGS, SOURCE_ETAG, fingerprint, made_by_a_resizer};
use crate::store::Metadata;

/// What a stored object is to the original that its key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Made from the original as it is now, by the settings as they are now.
    Fresh,
    /// The original has another ETag.
    Stale,
    /// There is no original.
    Orphaned,
    /// Made by other settings.
    Outdated,
    /// Its resolution is no longer listed, or its original is no longer among those that are published.
    Retired,
    /// No resizer made it.
    Foreign,
}

impl State {
    /// Whether it goes.
    pub fn goes(self) -> bool {
        !matches!(self, Self::Fresh | Self::Foreign)
    }
}

/// The ETag of an original, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// It is there; a store without ETags gives none.
    There(Option<&'a str>),
    /// It is gone.
    Gone,
}

/// What the object at `key` with the metadata `found` is.
pub fn judge(settings: &Settings, key: &ResizedKey, found: &Metadata, source: Source) -> State {
    if !made_by_a_resizer(found) {
        return State::Foreign;
    }
    let Source::There(etag) = source else { return State::Orphaned };
    if !settings.allow(key) || !settings.source.publishes(&key.original) {
        return State::Retired;
    }
    let holds = |name: &str, wanted: Option<&str>| found.get(name).map(String::as_str) == wanted;
    if !holds(SOURCE_ETAG, etag.filter(|etag| etag.is_ascii())) {
        State::Stale
    } else if !holds(SETTINGS, Some(&fingerprint(&request(settings, key)))) {
        State::Outdated
    } else {
        State::Fresh
    }
}

/// What is asked of the pipeline for `key`.
pub fn request(settings: &Settings, key: &ResizedKey) -> Request {
    Request { resolution: key.resolution, limits: settings.limits, recipe: settings.recipe_of(key) }
}

#[cfg(test)]
mod tests {
    use picture::{Format, Picture};
    use resize_api::Recipe;

    use super::*;
    use crate::derivative::object::{Derivative, Provenance};

    #[test]
    fn a_derivative_is_fresh_for_its_original_and_settings_alone() {
        let mut settings = Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
        settings.allowed_resolutions = ["300x300", "640x0"].map(|text| text.parse().unwrap()).into();
        let key = ResizedKey::from_encoded("300x300/a.jpg").unwrap();
        let stored = |etag: Option<&str>| {
            let picture = Picture { bytes: vec![1], format: Format::Jpeg, width: 300, height: 300 };
            let provenance = Provenance { content_type: None, etag: etag.map(Into::into) };
            let made = Derivative::new(&key, picture, &request(&settings, &key), &provenance, "no-cache");
            made.metadata()
        };
        let other_recipe = Settings { recipe: Recipe { progressive: true, ..settings.recipe }, ..settings.clone() };
        let shorter_list = Settings { allowed_resolutions: ["640x0".parse().unwrap()].into(), ..settings.clone() };
        let private =
            Settings { source: resize_api::Source { exclude_prefixes: vec!["a".into()], ..settings.source.clone() }, ..settings.clone() };
        let any_size = Settings { allowed_resolutions: [].into(), ..settings.clone() };
        let there = |etag| Source::There(Some(etag));
        for (settings, found, source, state) in [
            (&settings, stored(Some("\"1\"")), there("\"1\""), State::Fresh),
            (&any_size, stored(Some("\"1\"")), there("\"1\""), State::Fresh),
            (&settings, stored(None), Source::There(None), State::Fresh),
            (&settings, stored(Some("\"1\"")), there("\"2\""), State::Stale),
            (&settings, stored(None), there("\"2\""), State::Stale),
            (&settings, stored(Some("\"1\"")), Source::There(None), State::Stale),
            (&settings, stored(Some("\"1\"")), Source::Gone, State::Orphaned),
            (&other_recipe, stored(Some("\"1\"")), there("\"1\""), State::Outdated),
            (&other_recipe, stored(Some("\"1\"")), there("\"2\""), State::Stale),
            (&shorter_list, stored(Some("\"1\"")), there("\"1\""), State::Retired),
            (&private, stored(Some("\"1\"")), there("\"1\""), State::Retired),
            (&private, Metadata::new(), there("\"1\""), State::Foreign),
            (&shorter_list, stored(Some("\"1\"")), Source::Gone, State::Orphaned),
            (&settings, Metadata::new(), there("\"1\""), State::Foreign),
            (&shorter_list, Metadata::new(), Source::Gone, State::Foreign),
            (&settings, Metadata::from([("author".to_owned(), "me".to_owned())]), Source::Gone, State::Foreign),
        ] {
            assert_eq!(judge(settings, &key, &found, source), state, "{found:?} {source:?}");
        }
    }
}
