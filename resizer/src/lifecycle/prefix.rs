//! The key of an object → the prefix of derivatives under which it lies. Pure; below are only the types of keys.

use resize_api::{Resolution, Settings};

/// The resolution under whose prefix `key` lies, if derivatives are stored under it as it is written.
pub fn resolution(key: &str) -> Option<Resolution> {
    key.split_once('/')?.0.parse().ok()
}

/// The prefix to jump over behind `key` in a listing of originals: that of the derivatives among which it lies.
pub fn reserved_prefix<'a>(settings: &Settings, key: &'a str) -> Option<&'a str> {
    settings.reserves(key).then(|| &key[..=key.find('/').unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_lie_only_under_canonical_prefixes() {
        for (key, is_place) in [
            ("300x300/a.jpg", true),
            ("0x300/a/b.jpg", true),
            ("0300x300/a.jpg", false),
            ("99999999999x1/a.jpg", false),
            ("16384x1/a.jpg", false),
            ("300x300", false),
            ("photos/300x300/a.jpg", false),
        ] {
            assert_eq!(resolution(key).is_some(), is_place, "{key}");
        }
    }

    #[test]
    fn only_derivatives_are_jumped_over() {
        let mut settings = Settings::new("photos".into(), "http://p.example.com".parse().unwrap());
        assert_eq!(reserved_prefix(&settings, "1920x1080/sea/1.jpg"), Some("1920x1080/"));
        settings.allowed_resolutions = ["300x300".parse().unwrap()].into();
        assert_eq!(reserved_prefix(&settings, "300x300/a.jpg"), Some("300x300/"));
        for key in ["1920x1080/sea.jpg", "300x300", "a/300x300/b"] {
            assert_eq!(reserved_prefix(&settings, key), None);
        }
    }
}
