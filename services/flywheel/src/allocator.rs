//! The process's allocator, and when it gives memory back.
#![expect(unsafe_code, reason = "options of a C library are set by calling it")]

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// librdkafka allocates for each record on one thread and frees on another: with glibc's allocator that was a fifth of ingest's
/// time. The feature `override` gives librdkafka this one too; without `no_thp` it asks for huge pages, which cost more to
/// clear than they save.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Freed memory is kept for so long, in case it is wanted again. The allocator's own second kept 70 MiB more when ingest drains at
/// full speed, which was not faster; 100 ms were slower.
const PURGE_DELAY_MS: std::ffi::c_long = 300;

/// `mi_option_purge_delay` of `mimalloc.h`, which the bindings leave out: between `mi_option_eager_commit_delay`, 14, and
/// `mi_option_use_numa_nodes`, 16.
const PURGE_DELAY: mi_option_t = 15;

/// The variable by which the allocator itself lets this be chosen.
const PURGE_DELAY_VARIABLE: &str = "MIMALLOC_PURGE_DELAY";

/// Gives freed memory back to the system after [`PURGE_DELAY_MS`], unless whoever started the process chose another time.
pub(crate) fn give_back_soon() {
    if std::env::var_os(PURGE_DELAY_VARIABLE).is_none() {
        // SAFETY: the function writes an integer into the allocator's own table of options, where 15 is within bounds. It may be
        // called at any time; no other thread runs yet.
        unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
    }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    #[test]
    fn the_option_set_is_the_one_whose_default_is_a_second() {
        // SAFETY: it reads an integer from the allocator's table of options.
        let before = unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(before, 1_000, "the table of options has changed: look up mi_option_purge_delay");
        give_back_soon();
        // SAFETY: as above.
        let after = unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(after, PURGE_DELAY_MS);
    }
}
