//! Reads kernel structures. The one place that follows kernel pointers.
//!
//! Two ways. Where the verifier knows what a pointer points to, a plain load will do ([`Known`]): a few instructions.
//! Elsewhere a helper reads, says whether it could, and takes some 70 ([`read`]).

pub mod bprm;
pub mod call;
pub mod cgroup;
pub mod file;
pub mod signal;
pub mod standing;
pub mod task;
pub mod text;

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_probe_read_kernel;

/// The address of some kernel structure.
pub type Pointer = *const c_void;

/// A kernel structure whose type the verifier knows: an argument of a hook, the current task, or what one of them
/// points to.
///
/// For fields that are never null, such as the inode of an open file. Others are for [`read`], a look at null or not: of
/// some (`d_inode` of a directory entry that is an argument) the verifier of 6.12 takes for granted that they are not,
/// drops the look, and makes a load of it that brings the kernel down where they are. A load that faults gives zero, which
/// is no address of anything, wherever the verifier does not take that for granted: hence [`Known::follow`] looks.
#[derive(Clone, Copy)]
pub struct Known(Pointer);

impl Known {
    /// An argument of a hook, or the current task. With any other pointer the verifier refuses the program.
    #[inline(always)]
    pub fn new(pointer: Pointer) -> Self {
        Self(pointer)
    }

    /// A field that is no pointer to a structure. The offset is one of [`crate::maps::OFFSETS`], which is a constant to
    /// the verifier, since that map is frozen.
    #[inline(always)]
    pub fn value<T: Copy>(self, offset: u32) -> T {
        load(self.0, offset)
    }

    /// Where it lies.
    #[inline(always)]
    pub fn address(self) -> Pointer {
        self.0
    }

    /// What a field points to. None where it is null.
    #[inline(always)]
    pub fn follow(self, offset: u32) -> Option<Self> {
        let to: Pointer = self.value(offset);
        if to.is_null() { None } else { Some(Self(to)) }
    }
}

/// Loads a field of a structure that the verifier knows, without asking whether the pointer to it is null, which it must
/// not be: see [`Known`].
///
/// With any pointer that the verifier does not know to be one of its kind it refuses the program
/// (<https://github.com/torvalds/linux/blob/v6.1/kernel/bpf/verifier.c>, `PTR_TO_BTF_ID`).
#[inline(always)]
pub fn load<T: Copy>(base: Pointer, offset: u32) -> T {
    let field = base.cast::<u8>().wrapping_add(offset as usize).cast::<T>();
    // SAFETY: the verifier checks that such a field lies there; a load that faults gives zero.
    unsafe { field.read_volatile() }
}

/// Reads a value at an offset from a kernel structure that the verifier does not know.
#[inline(always)]
pub fn read<T: Copy>(base: Pointer, offset: u32) -> Option<T> {
    let address = base.cast::<u8>().wrapping_add(offset as usize).cast::<T>();
    // SAFETY: the helper checks the address and fails where nothing is mapped.
    unsafe { bpf_probe_read_kernel(address) }.ok()
}
