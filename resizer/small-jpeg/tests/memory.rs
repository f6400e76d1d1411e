//! Encoding takes no more memory than it says.
#![allow(clippy::unwrap_used, reason = "this is a test")]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use small_jpeg::{encode, memory};
use support::{CODINGS, EFFORTS, SAMPLINGS, channels, drawing, noise, options};

/// The system's allocator, counting.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "only an allocator can count; what it does is the system's own")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(block.size(), Relaxed) + block.size(), Relaxed);
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, block: Layout) {
        NOW.fetch_sub(block.size(), Relaxed);
        unsafe { System.dealloc(pointer, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn memory_stays_within_what_is_said() {
    for (sampling, (width, height)) in
        SAMPLINGS.into_iter().flat_map(|sampling| [(700, 500), (1, 1), (9, 2000), (2000, 9)].map(|size| (sampling, size)))
    {
        for pixels in [drawing(width, height, channels(sampling)), noise((width * height) as usize * channels(sampling))] {
            for (coding, effort) in CODINGS.into_iter().flat_map(|coding| EFFORTS.map(|effort| (coding, effort))) {
                let before = NOW.load(Relaxed);
                PEAK.store(before, Relaxed);
                let file = encode(&pixels, width, height, &options(90, sampling, coding, effort)).unwrap();
                let taken = PEAK.load(Relaxed) - before - file.capacity();
                let said = memory(width, height, sampling);
                assert!(taken <= said, "{width} by {height} {sampling:?} {coding:?} {effort:?}: {taken} of {said}");
                assert!(taken * 8 + 300_000 > said, "far too much: {taken} of {said}, with a file of {}", file.len());
            }
        }
    }
}
