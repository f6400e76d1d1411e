//! Headers of pictures.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picture::plan;
use resizer_fuzz::request;

fuzz_target!(|data: &[u8]| {
    if let Some((request, source)) = request(data) {
        let _ = plan(source, &request);
    }
});
