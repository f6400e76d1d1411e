//! Decoding takes no more memory than its plan says.
#![allow(clippy::unwrap_used, reason = "this is a test")]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout as Block, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use scaled_jpeg::{Header, Options, Plan, Region, Scale};
use support::{
    Picture,
    encoder::{Layout, encode},
};

/// The system's allocator, counting.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "only an allocator can count; what it does is the system's own")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(block.size(), Relaxed) + block.size(), Relaxed);
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, block: Block) {
        NOW.fetch_sub(block.size(), Relaxed);
        unsafe { System.dealloc(pointer, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn memory_stays_within_the_plan() {
    let samplings: [&[(usize, usize)]; 4] = [&[(1, 1)], &[(2, 2), (1, 1), (1, 1)], &[(3, 1), (1, 1), (1, 2)], &[(4, 1), (1, 1), (1, 1)]];
    for sampling in samplings {
        let picture = Picture::random(9, 700, 500, sampling, false);
        for (separate, progressive) in [(false, false), (true, false), (false, true)] {
            let file = encode(&picture, &Layout { separate, progressive, ..Layout::default() });
            for scale in Scale::ALL {
                for region in [None, Some(Region { left: 20, top: 15, width: 30, height: 20 })] {
                    let plan = Plan::new(&Header::read(&file).unwrap(), &Options { region, ..Options::new(scale) }).unwrap();
                    let (width, height) = plan.size();
                    let stride = width as usize * plan.channels();
                    let mut pixels = vec![0; stride * height as usize];
                    let before = NOW.load(Relaxed);
                    PEAK.store(before, Relaxed);
                    plan.decode(&file, &mut pixels, stride).unwrap();
                    let taken = (PEAK.load(Relaxed) - before) as u64;
                    assert!(
                        taken <= plan.memory(),
                        "{sampling:?} {separate} {progressive} {scale:?} {region:?}: {taken} of {}",
                        plan.memory()
                    );
                    assert!(taken * 3 + 500_000 > plan.memory(), "far too much: {taken} of {}", plan.memory());
                }
            }
        }
    }
}
