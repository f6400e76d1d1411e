//! Every allocation of a thread, in Rust and in C → the most that it held at once.
//!
//! The C library's own functions are replaced for the whole test program, which they allow: see "Replacing malloc" in its manual.
#![allow(unsafe_code, reason = "only an allocator can count; what it does is the C library's own")]

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
};

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(block: *mut c_void);
    fn malloc_usable_size(block: *mut c_void) -> usize;
}

/// What `work` gives, and by how many bytes it grew what its thread holds. Work that begins threads is not counted in them.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, u64::try_from(PEAK.get() - before).unwrap())
}

fn size(block: *mut c_void) -> i64 {
    // SAFETY: null, or a block of the C library's.
    i64::try_from(unsafe { malloc_usable_size(block) }).unwrap_or(i64::MAX)
}

fn count(change: i64) {
    let held = HELD.get() + change;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

fn counted(block: *mut c_void) -> *mut c_void {
    count(size(block));
    block
}

#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: the caller's promises are those of the function that is called.
    counted(unsafe { __libc_malloc(size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(number: usize, size: usize) -> *mut c_void {
    // SAFETY: as above.
    counted(unsafe { __libc_calloc(number, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(block: *mut c_void, wanted: usize) -> *mut c_void {
    let before = size(block);
    // SAFETY: as above.
    let after = unsafe { __libc_realloc(block, wanted) };
    if !after.is_null() {
        // both are there while the one is copied to the other
        count(size(after));
        count(-before);
    }
    after
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    // SAFETY: as above.
    counted(unsafe { __libc_memalign(alignment, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    // SAFETY: as above.
    counted(unsafe { __libc_memalign(alignment, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(into: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    const ENOMEM: c_int = 12;
    // SAFETY: as above; `into` is the caller's place for the result.
    unsafe {
        *into = counted(__libc_memalign(alignment, size));
        if (*into).is_null() { ENOMEM } else { 0 }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(block: *mut c_void) {
    count(-size(block));
    // SAFETY: as above.
    unsafe { __libc_free(block) }
}

#[test]
fn counts_in_rust_and_in_c() {
    let ((), rust) = peak(|| drop(std::hint::black_box(vec![1_u8; 1_000_000])));
    assert!((1_000_000..1_010_000).contains(&rust), "{rust}");
    // libjpeg-turbo alone holds the coefficients of a progressive picture
    let picture = super::drawing::noisy(640, 640, crate::channels::Channels::Gray);
    let (_, c) = peak(|| super::drawing::jpeg(&picture, |compressor| compressor.set_progressive(true).unwrap()));
    assert!(c > 640 * 640 * 2, "{c}");
}
