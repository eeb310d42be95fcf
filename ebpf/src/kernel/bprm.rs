//! The program that is about to be executed (`struct linux_binprm`).

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use holdpoint_abi::NAME_LENGTH;

use super::{
    Known, Pointer,
    text::{self, Text},
};
use crate::maps::offset;

/// The end of a path: a slash, a name, the closing zero, and one more byte, so that a string that goes on is seen to.
pub type Tail = [u64; (TAIL / 8) as usize];

pub const TAIL: u64 = 72;

const _: () = assert!(TAIL as usize > NAME_LENGTH + 2 && TAIL.is_multiple_of(8));

/// The file of this round: the one called, or in a later round an interpreter.
#[inline(always)]
pub fn file(bprm: Known) -> Option<Known> {
    bprm.follow(offset!(bprm_file))
}

/// Whether this round is about an interpreter and not about the file that was called.
///
/// `bprm_change_interp` makes `interp` another string than `filename`
/// (<https://github.com/torvalds/linux/blob/v6.1/fs/exec.c>).
#[inline(always)]
pub fn is_interpreter(bprm: Known) -> bool {
    let called: u64 = bprm.value(offset!(bprm_filename));
    let now: u64 = bprm.value(offset!(bprm_interp));
    called != now
}

/// How many arguments the new program has so far.
#[inline(always)]
pub fn argc(bprm: Known) -> u32 {
    bprm.value(offset!(bprm_argc))
}

/// How many variables the new program's environment has.
#[inline(always)]
pub fn envc(bprm: Known) -> u32 {
    bprm.value(offset!(bprm_envc))
}

/// Where in the new program's memory the last string ends, which is the path as called: behind its zero.
#[inline(always)]
pub fn strings_end(bprm: Known) -> u64 {
    path_at(bprm).wrapping_add(path_length(bprm)).wrapping_add(1)
}

/// Where in the new program's memory the path as called lies, and so where the environment ends.
#[inline(always)]
pub fn path_at(bprm: Known) -> u64 {
    bprm.value(offset!(bprm_exec))
}

/// Where the arguments begin in the new program's memory. Behind the last argument lies the environment.
#[inline(always)]
pub fn strings_at(bprm: Known) -> u64 {
    bprm.value(offset!(bprm_p))
}

/// The path as called, with its zero; a longer one is cut. The number of bytes.
#[inline(always)]
pub fn called_path(bprm: Known, into: *mut c_void, size: u32) -> Option<u32> {
    // SAFETY: the caller gives a buffer of this size, and the helper checks the source address.
    let length = unsafe { bpf_probe_read_kernel_str(into, size, path(bprm)) };
    (length > 0).then_some(length as u32)
}

/// Whether the last component of the path as called is this name, which has so many bytes. So it is for most execs,
/// and whoever knows has no need to look further. False also where it could be and is not worth the search: a path
/// without a slash. The tail is a place to work in.
#[inline(always)]
pub fn is_called(bprm: Known, name: &Text, name_length: u32, tail: &mut Tail) -> Option<bool> {
    let length = path_length(bprm);
    let name_length = u64::from(name_length);
    if name_length >= NAME_LENGTH as u64 || length <= name_length {
        return Some(false);
    }
    // The slash becomes the last byte of the first word, so that the name begins with the second.
    text::clear(tail);
    let from = path(bprm).cast::<u8>().wrapping_add((length - name_length - 1) as usize);
    let to = tail.as_mut_ptr().cast::<u8>().wrapping_add(7);
    // SAFETY: from its eighth byte on the buffer has room for a slash and `NAME_LENGTH` bytes, and the helper checks the
    // source address. With the zero, so that a string that goes on is another.
    let failed = unsafe { bpf_probe_read_kernel(to.cast(), name_length as u32 + 2, from.cast()) };
    (failed == 0).then_some(tail[0] >> 56 == u64::from(b'/') && name.is(&tail[1..]))
}

/// The last component of the path as called. Empty where it is longer than any listed name.
///
/// A path can have 4,095 bytes, the stack of a BPF program 512, and a scratch buffer per CPU could be written by another
/// task on kernels with full preemption. That the string does end where [`path_length`] says is checked; otherwise the
/// name counts as unreadable.
#[inline(always)]
pub fn called_name(bprm: Known, into: &mut Text, tail: &mut Tail) -> Option<()> {
    let length = path_length(bprm);
    let start = length.saturating_sub(TAIL - 2);
    let from = path(bprm).cast::<u8>().wrapping_add(start as usize);
    text::clear(tail);
    // SAFETY: the buffer has `TAIL` bytes, and the helper checks the source address.
    let copied = unsafe { bpf_probe_read_kernel_str(tail.as_mut_ptr().cast(), TAIL as u32, from.cast()) };
    let whole = length - start + 1;
    if copied < 0 || copied as u64 != whole {
        return None;
    }
    let component = after_last_slash(tail);
    let name_length = whole - component;
    if (component == 0 && start > 0) || name_length > NAME_LENGTH as u64 {
        into.clear();
        return Some(());
    }
    into.copy(from.wrapping_add(component as usize).cast(), name_length as u32)
}

#[inline(always)]
fn path(bprm: Known) -> Pointer {
    bprm.value(offset!(bprm_filename))
}

/// Bytes of the path as called, without its zero: taken from where the kernel has copied it, to the top of the new
/// stack, which ends one pointer below a page boundary (`bprm->exec`,
/// <https://github.com/torvalds/linux/blob/v6.1/fs/exec.c>).
#[inline(always)]
fn path_length(bprm: Known) -> u64 {
    let copy: u64 = bprm.value(offset!(bprm_exec));
    copy.wrapping_add(8).wrapping_neg().wrapping_sub(1) & 4095
}

/// The place after the last slash; zero where there is none.
///
/// Eight bytes at a time, since the verifier follows both sides of every branch: one per byte are 2^72 ways.
#[inline(always)]
pub fn after_last_slash(words: &Tail) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let mut index = words.len();
    while index > 0 {
        index -= 1;
        let zero_where_slash = words[index] ^ 0x2f2f_2f2f_2f2f_2f2f;
        // The top bit of each byte that is zero, and no other bit.
        let slashes = !(((zero_where_slash & LOW) + LOW) | zero_where_slash | LOW);
        if slashes != 0 {
            return (index as u64 + 1) * 8 - u64::from(slashes.leading_zeros() / 8);
        }
    }
    0
}
