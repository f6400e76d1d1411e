//! Every allocation of a thread, in Rust and in C, as the address sanitizer sees them → the most that it held at once.

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    sync::Once,
};

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

unsafe extern "C" {
    fn __sanitizer_install_malloc_and_free_hooks(
        allocated: extern "C" fn(*const c_void, usize),
        freed: extern "C" fn(*const c_void),
    ) -> c_int;
    fn __sanitizer_get_allocated_size(block: *const c_void) -> usize;
}

extern "C" fn allocated(_: *const c_void, size: usize) {
    let held = HELD.get() + size as i64;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

extern "C" fn freed(block: *const c_void) {
    if !block.is_null() {
        // SAFETY: the sanitizer asks before it frees a block of its own.
        HELD.set(HELD.get() - unsafe { __sanitizer_get_allocated_size(block) } as i64);
    }
}

/// What `work` gives, and by how many bytes it grew what its thread holds.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    static HOOKS: Once = Once::new();
    // SAFETY: the hooks allocate nothing and live as long as the program.
    HOOKS.call_once(|| assert!(unsafe { __sanitizer_install_malloc_and_free_hooks(allocated, freed) } > 0));
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before) as u64)
}
