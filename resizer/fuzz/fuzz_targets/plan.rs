//! Headers of pictures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use resizer_fuzz::{request, resize::plan};

fuzz_target!(|data: &[u8]| {
    if let Some((request, source)) = request(data) {
        let _ = plan(source, &request);
    }
});
