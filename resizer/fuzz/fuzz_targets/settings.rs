//! The environment as lines of NAME=VALUE: settings that are read are written so that they are read again.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use resize_api::Settings;

fuzz_target!(|text: &str| {
    let variables: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    if let Ok(settings) = Settings::from_env(|name| variables.get(name).map(|value| (*value).to_owned())) {
        let written: HashMap<_, _> = settings.to_env().into_iter().collect();
        assert_eq!(Settings::from_env(|name| written.get(name).cloned()), Ok(settings));
    }
});
