//! Reads from structures whose type the verifier knows: arguments of hooks, and what they point to.
//!
//! A plain load, without a helper's call: the verifier looks up in BTF what lies at the offset, and refuses to load the
//! program where that is not what is read. The offset is a constant to the verifier, since the map of the offsets is
//! frozen.
//!
//! **What may be null must not be read so.** From 6.2 the verifier takes some pointers for trusted, such as `d_inode` of
//! a hook's own dentry. A load through one of these is not made safe, and a comparison of it with null is taken out as
//! dead code. That of a name which is just being created is null all the same, and the load ends in a panic (seen on
//! 6.12; `BTF_TYPE_SAFE_TRUSTED` in <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/verifier.c>). Such a field
//! is for [`super::read`].

use super::Pointer;

/// Reads a number, or an address that is never null.
///
/// `base` has to be an argument of a hook, or an address that this function has read. What the verifier does not know
/// to be one makes it refuse the program, so that a mistake is seen at the first load and never later.
#[inline(always)]
pub fn load<T: Copy>(base: Pointer, offset: u32) -> T {
    let field = base.cast::<u8>().wrapping_add(offset as usize).cast::<T>();
    // SAFETY: the verifier proves that the base is a structure of the kernel with such a field at the offset. Whoever
    // calls this passes one that is there.
    unsafe { field.read_volatile() }
}
