//! Headers of pictures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resizer_fuzz::{planned, request};

fuzz_target!(|data: &[u8]| {
    if let Some((request, source)) = request(data) {
        let _ = planned(source, &request);
    }
});
