//! Memory that was needed once.

/// Gives the system back what the allocator keeps of freed memory.
///
/// The kernel's types take some 20 MiB while the programs are loaded, and never again: the allocator would keep them for
/// as long as the daemon lives.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes a number, may be called at any time, and touches free memory alone.
    unsafe {
        libc::malloc_trim(0);
    }
}
