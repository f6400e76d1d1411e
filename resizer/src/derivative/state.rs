//! A stored object, its original and the settings → the [`State`] of a derivative.
//!
//! Pure: the one place that says what is fresh. `derivative` asks it before it makes a picture and when it keeps one, `lifecycle`
//! before it deletes one; below is `object`, whose metadata it reads.

use picture::Request;
use resize_api::{ResizedKey, Settings, source::Unsupported};

use super::object::{SETTINGS, SOURCE_ETAG, fingerprint, fingerprint_of_unread, is_made_from, made_by_a_resizer};
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
    /// Its resolution or its variant is no longer listed, or its original is no longer among those that are published.
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

/// What the object at `key` with the metadata `found` is. The key is read as its original says, see [`resolve`](super::resolve::resolve);
/// without an original it may be read either way.
pub fn judge(settings: &Settings, key: &ResizedKey, found: &Metadata, source: Source) -> State {
    if !made_by_a_resizer(found) {
        return State::Foreign;
    }
    let Source::There(etag) = source else {
        return if was_a_variant(settings, key, found) { State::Retired } else { State::Orphaned };
    };
    if !settings.allow(key) || !settings.source.publishes(&key.original) || key.variant.is_some_and(|it| !settings.variants.contains(&it)) {
        return State::Retired;
    }
    let holds = |name: &str, wanted: Option<&str>| found.get(name).map(String::as_str) == wanted;
    if !holds(SOURCE_ETAG, etag.filter(|etag| etag.is_ascii())) {
        return State::Stale;
    }
    let request = request(settings, key);
    let shows_unread = settings.source.unsupported == Unsupported::ShowOriginal;
    let is_as_set =
        holds(SETTINGS, Some(&fingerprint(&request))) || shows_unread && holds(SETTINGS, Some(&fingerprint_of_unread(&request)));
    if is_as_set { State::Fresh } else { State::Outdated }
}

/// Whether it was made in a format that is no longer listed. It goes because of the settings then, not because its original went.
fn was_a_variant(settings: &Settings, key: &ResizedKey, found: &Metadata) -> bool {
    let unlisted = |key: &ResizedKey| key.variant.is_some_and(|variant| !settings.variants.contains(&variant));
    key.as_variant().is_some_and(|key| unlisted(&key) && is_made_from(found, &key.original))
}

/// What is asked of the pipeline for `key`.
pub fn request(settings: &Settings, key: &ResizedKey) -> Request {
    Request { resolution: key.resolution, limits: settings.limits, recipe: settings.recipe_of(key) }
}

#[cfg(test)]
mod tests {
    use picture::{Format, Picture};
    use resize_api::{Recipe, Recipes, Source as Published, Variant};

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
        let private = Settings { source: Published { exclude_prefixes: vec!["a".into()], ..settings.source.clone() }, ..settings.clone() };
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

    fn allowing(resolutions: [&str; 2], variants: &[Variant]) -> Settings {
        let mut settings = Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
        settings.allowed_resolutions = resolutions.map(|text| text.parse().unwrap()).into();
        settings.variants = variants.iter().copied().collect();
        settings
    }

    /// What a resizer of these settings stores for `key`, from an original with the ETag `"1"`.
    fn stored(settings: &Settings, key: &ResizedKey) -> Metadata {
        let picture = Picture { bytes: vec![1], format: Format::Jpeg, width: 300, height: 300 };
        let provenance = Provenance { content_type: None, etag: Some("\"1\"".into()) };
        Derivative::new(key, picture, &request(settings, key), &provenance, "no-cache").metadata()
    }

    #[test]
    fn a_variant_is_judged_by_the_original_that_its_key_means_now() {
        let listed = allowing(["300x300", "640x0"], &[Variant::WebP]);
        let unlisted = allowing(["300x300", "640x0"], &[Variant::Avif]);
        let private = |prefix: &str| Settings {
            source: Published { exclude_prefixes: vec![prefix.into()], ..Published::default() },
            ..listed.clone()
        };
        let literal = ResizedKey::from_encoded("300x300/a.jpg.webp").unwrap();
        let variant = literal.as_variant().unwrap();
        let (of_literal, of_variant) = (stored(&listed, &literal), stored(&listed, &variant));
        let of_nobody = |found: &Metadata| {
            let mut found = found.clone();
            found.remove("resize-source");
            found
        };
        let there = |etag| Source::There(Some(etag));
        for (why, settings, key, found, source, state) in [
            ("as it was made", &listed, &variant, &of_variant, there("\"1\""), State::Fresh),
            ("its original was replaced", &listed, &variant, &of_variant, there("\"2\""), State::Stale),
            ("its original is gone", &listed, &variant, &of_variant, Source::Gone, State::Orphaned),
            ("the same, read as written", &listed, &literal, &of_variant, Source::Gone, State::Orphaned),
            ("an object of its very name came", &listed, &literal, &of_variant, there("\"2\""), State::Stale),
            ("the same, a copy of its original", &listed, &literal, &of_variant, there("\"1\""), State::Outdated),
            ("the object of its very name went", &listed, &variant, &of_literal, there("\"2\""), State::Stale),
            ("the same, a copy of the other", &listed, &variant, &of_literal, there("\"1\""), State::Outdated),
            ("made from the object of its very name", &unlisted, &literal, &of_literal, there("\"1\""), State::Fresh),
            ("the same, and that is gone", &unlisted, &literal, &of_literal, Source::Gone, State::Orphaned),
            ("the variant is no longer listed", &unlisted, &literal, &of_variant, Source::Gone, State::Retired),
            ("the same, read as a variant", &unlisted, &variant, &of_variant, there("\"1\""), State::Retired),
            ("the same, and its original is gone", &unlisted, &variant, &of_variant, Source::Gone, State::Retired),
            ("not known of what it was made", &unlisted, &literal, &of_nobody(&of_variant), Source::Gone, State::Orphaned),
            ("its original is not published", &private("a.jpg"), &variant, &of_variant, there("\"1\""), State::Retired),
            ("what is not published is another", &private("a.jpg.w"), &variant, &of_variant, there("\"1\""), State::Fresh),
            ("somebody else's", &unlisted, &variant, &Metadata::new(), Source::Gone, State::Foreign),
        ] {
            assert_eq!(judge(settings, key, found, source), state, "{why}");
        }
    }

    #[test]
    fn a_recipe_of_one_size_makes_only_that_size_outdated() {
        let settings = allowing(["300x300", "640x0"], &[Variant::WebP]);
        let json = r#"[{"resolutions": ["300x300"], "output": {"quality": 85}}]"#;
        let changed = Settings { recipes: Recipes::read(json, &settings.recipe).unwrap(), ..settings.clone() };
        for (key, state) in [
            ("300x300/a.jpg", State::Outdated),
            ("300x300/a.jpg.webp", State::Outdated),
            ("640x0/a.jpg", State::Fresh),
            ("640x0/a.jpg.webp", State::Fresh),
        ] {
            let literal = ResizedKey::from_encoded(key).unwrap();
            let key = literal.as_variant().filter(|key| key.variant == Some(Variant::WebP)).unwrap_or(literal);
            assert_eq!(judge(&changed, &key, &stored(&settings, &key), Source::There(Some("\"1\""))), state, "{key}");
            assert_eq!(judge(&changed, &key, &stored(&changed, &key), Source::There(Some("\"1\""))), State::Fresh, "{key}");
        }
    }

    #[test]
    fn what_shows_an_original_that_is_not_read_is_fresh_as_long_as_that_is_asked_for() {
        let refusing = allowing(["300x300", "640x0"], &[]);
        let showing = Settings { source: Published { unsupported: Unsupported::ShowOriginal, ..Published::default() }, ..refusing.clone() };
        let key = ResizedKey::from_encoded("300x300/logo.svg").unwrap();
        let picture = stored(&refusing, &key);
        let mut redirect = picture.clone();
        redirect.insert(SETTINGS.into(), fingerprint_of_unread(&request(&showing, &key)));
        for (settings, found, etag, state) in [
            (&showing, &redirect, "\"1\"", State::Fresh),
            (&showing, &redirect, "\"2\"", State::Stale),
            (&refusing, &redirect, "\"1\"", State::Outdated),
            // pictures are the same either way
            (&showing, &picture, "\"1\"", State::Fresh),
            (&refusing, &picture, "\"1\"", State::Fresh),
        ] {
            assert_eq!(judge(settings, &key, found, Source::There(Some(etag))), state);
        }
        assert_eq!(judge(&showing, &key, &redirect, Source::Gone), State::Orphaned);
    }
}
