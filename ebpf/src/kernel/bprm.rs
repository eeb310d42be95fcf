//! The program that is about to be executed (`struct linux_binprm`).

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use holdpoint_abi::{NAME_LENGTH, Name};

use super::{Pointer, file, read};
use crate::maps::offset;

/// The file of this round: the one called, or in a later round an interpreter.
#[inline(always)]
pub fn file(bprm: Pointer) -> Option<Pointer> {
    read(bprm, offset!(bprm_file))
}

/// Whether this round is about an interpreter and not about the file that was called.
///
/// `bprm_change_interp` makes `interp` another string than `filename`
/// (<https://github.com/torvalds/linux/blob/v6.1/fs/exec.c>).
#[inline(always)]
pub fn is_interpreter(bprm: Pointer) -> Option<bool> {
    let called: Pointer = read(bprm, offset!(bprm_filename))?;
    let now: Pointer = read(bprm, offset!(bprm_interp))?;
    Some(called != now)
}

/// How many arguments the new program has so far.
#[inline(always)]
pub fn argc(bprm: Pointer) -> Option<u32> {
    read(bprm, offset!(bprm_argc))
}

/// Where the arguments begin in the new program's memory. Behind the last argument lies the environment.
#[inline(always)]
pub fn strings_at(bprm: Pointer) -> Option<u64> {
    read(bprm, offset!(bprm_p))
}

/// The path as called, with its zero; a longer one is cut. The number of bytes.
#[inline(always)]
pub fn called_path(bprm: Pointer, into: *mut c_void, size: u32) -> Option<u32> {
    let path: Pointer = read(bprm, offset!(bprm_filename))?;
    // SAFETY: the caller gives a buffer of this size, and the helper checks the source address.
    let length = unsafe { bpf_probe_read_kernel_str(into, size, path) };
    (length > 0).then_some(length as u32)
}

/// The last component of the path as called, padded with zeros. `Some(false)` where it is longer than any
/// listed name.
///
/// A path can have 4,095 bytes, the stack of a BPF program 512, and a scratch buffer per CPU could be written
/// by another task on kernels with full preemption. So the length of the path is taken from where the kernel
/// has copied it: to the top of the new stack, which ends one pointer below a page boundary
/// (`bprm->exec`, <https://github.com/torvalds/linux/blob/v6.1/fs/exec.c>). That the string does end there is
/// checked; otherwise the name counts as unreadable.
#[inline(always)]
pub fn called_name(bprm: Pointer, into: &mut Name) -> Option<bool> {
    let path: Pointer = read(bprm, offset!(bprm_filename))?;
    let copy: u64 = read(bprm, offset!(bprm_exec))?;
    let length = copy.wrapping_add(8).wrapping_neg().wrapping_sub(1) & 4095;
    let start = length.saturating_sub(TAIL - 2);
    let tail = path.cast::<u8>().wrapping_add(start as usize);
    let mut words = [0_u64; (TAIL / 8) as usize];
    // SAFETY: the buffer has `TAIL` bytes, and the helper checks the source address.
    let copied = unsafe { bpf_probe_read_kernel_str(words.as_mut_ptr().cast(), TAIL as u32, tail.cast()) };
    let whole = length - start + 1;
    if copied < 0 || copied as u64 != whole {
        return None;
    }
    let component = after_last_slash(&words);
    if (component == 0 && start > 0) || whole - component > NAME_LENGTH as u64 {
        return Some(false);
    }
    file::string(tail.wrapping_add(component as usize).cast(), into)?;
    Some(true)
}

/// Bytes of a path's end that are searched for the last slash: a slash, a name, the closing zero, and one more,
/// so that a string that goes on is seen to.
const TAIL: u64 = 72;

const _: () = assert!(TAIL as usize > NAME_LENGTH + 2 && TAIL.is_multiple_of(8));

/// The place after the last slash; zero where there is none.
///
/// Eight bytes at a time, since the verifier follows both sides of every branch: one per byte are 2^72 ways.
#[inline(always)]
fn after_last_slash(words: &[u64; (TAIL / 8) as usize]) -> u64 {
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
