//! The key grammar: whatever is read is written the same, and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resize_api::ResizedKey;

fuzz_target!(|text: &str| {
    let _ = ResizedKey::from_query(text);
    if let Ok(key) = ResizedKey::from_encoded(text) {
        let path = key.location_path();
        assert!(path.is_ascii());
        let again = ResizedKey::from_encoded(path.trim_start_matches('/'));
        assert_eq!(again.as_ref().map(ToString::to_string), Ok(key.to_string()));
    }
});
