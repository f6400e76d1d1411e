//! What a picture is made of → its entity tag.
//!
//! Pure. It is the same on every replica, for a picture from memory and for the stored one, and known as soon as the original was looked
//! at. Weak: another release may write other bytes. Below are `object` and `state`.

use resize_api::{ResizedKey, Settings};

use super::{
    object::{fingerprint, hash},
    state::request,
};
use crate::store::Head;

/// The tag of the picture at `key` of an original with this ETag; none if that has none.
pub(crate) fn tag(settings: &Settings, key: &ResizedKey, source: Option<&str>) -> Option<String> {
    let source = source.filter(|etag| etag.is_ascii())?;
    Some(weak(&format!("{key}\n{source}\n{}", fingerprint(&request(settings, key)))))
}

/// The tag of an object that no resizer made; none if it has no ETag.
pub(super) fn tag_of_foreign(head: &Head) -> Option<String> {
    Some(weak(head.etag.as_deref()?))
}

fn weak(text: &str) -> String {
    format!("W/\"{}\"", hash(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_follows_original_settings_and_key() {
        let settings = Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
        let other = Settings { variants: ["WebP".parse().unwrap()].into(), ..settings.clone() };
        let key = |text| ResizedKey::from_encoded(text).unwrap();
        let of = |settings, text, source| tag(settings, &key(text), source);
        let one = of(&settings, "3x3/a.jpg", Some("\"1\"")).unwrap();
        assert!(one.starts_with("W/\"") && one.ends_with('"') && one.len() == 20, "{one}");
        assert_eq!(of(&other, "3x3/a.jpg", Some("\"1\"")), Some(one.clone()), "settings that do not concern it");
        let changed = Settings { recipe: resize_api::Recipe { progressive: true, ..settings.recipe }, ..settings.clone() };
        let others = [
            of(&settings, "3x3/a.jpg", Some("\"2\"")),
            of(&settings, "3x3/b.jpg", Some("\"1\"")),
            of(&settings, "4x3/a.jpg", Some("\"1\"")),
            of(&changed, "3x3/a.jpg", Some("\"1\"")),
            tag(&other, &key("3x3/a.jpg.webp").as_variant().unwrap(), Some("\"1\"")),
        ];
        let all: std::collections::BTreeSet<_> = others.into_iter().chain([Some(one)]).collect();
        assert_eq!(all.len(), 6);
        assert_eq!(of(&settings, "3x3/a.jpg", None), None);
    }
}
