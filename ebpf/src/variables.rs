//! The environment of a filed exec that is tried again: without variables of the dynamic loader, unless the rule lets
//! people decide about them.
//!
//! When it was filed, nobody saw its environment, and the try that was approved is another exec. So the daemon, which
//! refuses such variables to what is held (`daemon/src/rules/objection.rs`), cannot do it here.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_user};
use holdpoint_abi::{
    Allowance, CAUSE_UNREADABLE, CAUSE_VARIABLES, MAX_BOUND_BYTES, TaskState, VARIABLES_SHOWN,
};

use crate::kernel::{Known, bprm, text};

/// Bytes that are looked at in one turn.
const BLOCK: usize = 64;
/// Bytes between the beginnings of two blocks. They overlap by the longer of the beginnings below, so that each of these
/// lies in one block as a whole, and no turn needs to know what another has seen. Before Linux 6.7 the verifier would
/// take what lies on the stack for what it was before the loop.
const STRIDE: usize = BLOCK - 16;

/// What a variable of the dynamic loader begins with, after the zero of the string before. `LD_` for all that begin so,
/// as in `holdpoint_core::loader`.
const LD: u32 = u32::from_le_bytes(*b"\0LD_");
const TUNABLES: [u64; 2] = [u64::from_le_bytes(*b"\0GLIBC_T"), u64::from_le_bytes(*b"UNABLES=")];

/// The cause for which the environment is not one with which the retry may run; zero where it is.
///
/// The arguments have been compared: behind their last zero lies the environment, and behind that the path as called.
#[inline(always)]
pub fn why_not(state: &TaskState, answer: &Allowance, bprm: Known) -> u32 {
    if answer.variables == VARIABLES_SHOWN {
        return 0;
    }
    // With the zero that ends the last argument, of which there is always one.
    let at = state.argv_at.wrapping_add(u64::from(state.argv_length)).wrapping_sub(1);
    let length = bprm::path_at(bprm).wrapping_sub(at);
    if length > MAX_BOUND_BYTES {
        return CAUSE_UNREADABLE;
    }
    let mut looking = Looking { at, length, cause: 0 };
    let blocks = length.div_ceil(STRIDE as u64);
    let context = (&raw mut looking).cast();
    // SAFETY: the callback takes an index and this context, which lives until the loop has ended.
    let turns = unsafe { bpf_loop(blocks as u32, look_at_block as *mut c_void, context, 0) };
    // SAFETY: the callback has written it behind the compiler's back.
    let cause = unsafe { core::ptr::read_volatile(&raw const looking.cause) };
    if cause == 0 && turns != blocks as i64 { CAUSE_UNREADABLE } else { cause }
}

struct Looking {
    at: u64,
    length: u64,
    /// Zero as long as nothing was found.
    cause: u32,
}

/// One turn: one block. One ends the loop.
unsafe extern "C" fn look_at_block(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `why_not` passes its own, which outlives the loop.
    let looking = unsafe { &mut *context.cast::<Looking>() };
    let done = index.wrapping_mul(STRIDE as u64);
    let left = looking.length.wrapping_sub(done);
    let size = if left > BLOCK as u64 { BLOCK as u32 } else { left as u32 };
    let mut place = MaybeUninit::uninit();
    let words: &mut [u64; BLOCK / 8] = text::begin(&mut place);
    let from = looking.at.wrapping_add(done) as usize as *const c_void;
    // SAFETY: the block has as many bytes or more, and the helper checks the source.
    if unsafe { bpf_probe_read_user(words.as_mut_ptr().cast(), size, from) } != 0 {
        looking.cause = CAUSE_UNREADABLE;
        return 1;
    }
    // The last sixteen bytes, the newest in the highest place. No zero stands before the block: a name in the middle of a
    // value is none.
    let (mut older, mut newer) = (u64::MAX, u64::MAX);
    let mut word = 0;
    while word < words.len() {
        let mut bit = 0;
        while bit < 64 {
            older = older >> 8 | newer << 56;
            newer = newer >> 8 | words[word] >> bit << 56;
            if (newer >> 32) as u32 == LD || (older == TUNABLES[0] && newer == TUNABLES[1]) {
                looking.cause = CAUSE_VARIABLES;
                return 1;
            }
            bit += 8;
        }
        word += 1;
    }
    0
}
