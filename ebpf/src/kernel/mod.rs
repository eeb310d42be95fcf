//! Reads kernel structures. The one place that follows kernel pointers; each read may fail and says so.

pub mod bprm;
pub mod call;
pub mod cgroup;
pub mod file;
pub mod signal;
pub mod task;
pub mod typed;

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_probe_read_kernel;

/// The address of some kernel structure.
pub type Pointer = *const c_void;

/// Reads a value at an offset from a kernel structure.
#[inline(always)]
pub fn read<T: Copy>(base: Pointer, offset: u32) -> Option<T> {
    let address = base.cast::<u8>().wrapping_add(offset as usize).cast::<T>();
    // SAFETY: the helper checks the address and fails where nothing is mapped.
    unsafe { bpf_probe_read_kernel(address) }.ok()
}
