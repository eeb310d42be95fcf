//! What an approval is bound to: arguments, environment and path as called, compared at commit with what the daemon has
//! shown.
//!
//! The daemon reads them from the held task, whose memory others may write to, and hashes what it shows. Here the same
//! hash is taken over the new program's own memory, in which at this point nobody else is.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_user};
use holdpoint_abi::{
    Allowance, BOUND_BLOCK, CAUSE_ARGUMENTS, CAUSE_UNREADABLE, MAX_BOUND_BYTES, SipHash, TaskState,
    bound_header,
};

use crate::{
    kernel::{Known, bprm, text},
    maps::META,
};

const WORDS: usize = BOUND_BLOCK / 8;

/// Notes where the arguments lie, and how many there are, in the first round of an exec.
#[inline(always)]
pub fn remember(state: &mut TaskState, bprm: Known) {
    state.argv_at = bprm::strings_at(bprm);
    state.argc = bprm::argc(bprm);
    state.envc = bprm::envc(bprm);
}

/// The cause for which what was committed is not what was approved; zero where it is.
///
/// A script has lost its first argument, and got others before the rest, which has not been moved: its interpreter, what
/// its first line gives that, and its own path.
#[inline(always)]
pub fn why_not(state: &TaskState, answer: &Allowance, bprm: Known) -> u32 {
    let (at, argc) = (bprm::strings_at(bprm), bprm::argc(bprm));
    let whole = at == state.argv_at;
    let right_number = if whole { argc == state.argc } else { argc > state.argc };
    if answer.first_length == 0 || !right_number || bprm::envc(bprm) != state.envc {
        return CAUSE_ARGUMENTS;
    }
    let (from, approved) = if whole {
        (at, answer.arguments)
    } else {
        (state.argv_at.wrapping_add(u64::from(answer.first_length)), answer.rest)
    };
    let length = bprm::strings_end(bprm).wrapping_sub(from);
    if length > MAX_BOUND_BYTES {
        return CAUSE_ARGUMENTS;
    }
    match hash(state, from, length) {
        Some(hash) if hash == approved => 0,
        Some(_) => CAUSE_ARGUMENTS,
        None => CAUSE_UNREADABLE,
    }
}

struct Hashing {
    hash: SipHash,
    at: u64,
    length: u64,
    unreadable: u32,
}

#[inline(always)]
fn hash(state: &TaskState, at: u64, length: u64) -> Option<[u64; 2]> {
    let mut hash = SipHash::new(META.get(0)?.hash_key);
    let [first, second] = bound_header(state.argc, state.envc, length);
    hash.word(first);
    hash.word(second);
    let mut hashing = Hashing { hash, at, length, unreadable: 0 };
    let blocks = length.div_ceil(BOUND_BLOCK as u64);
    let context = (&raw mut hashing).cast();
    // SAFETY: the callback takes an index and this context, which lives until the loop has ended.
    let turns = unsafe { bpf_loop(blocks as u32, hash_block as *mut c_void, context, 0) };
    // SAFETY: the callback has written it behind the compiler's back.
    let unreadable = unsafe { core::ptr::read_volatile(&raw const hashing.unreadable) };
    // SAFETY: as above.
    let hash = unsafe { core::ptr::read_volatile(&raw const hashing.hash) };
    (turns == blocks as i64 && unreadable == 0).then(|| hash.finish(blocks * WORDS as u64 + 2))
}

/// One turn: one block. One ends the loop.
///
/// The read never waits for a page. The kernel has just written these, so that they are in memory as a rule; where one is
/// not, the program is killed.
unsafe extern "C" fn hash_block(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `hash` passes its own, which outlives the loop.
    let hashing = unsafe { &mut *context.cast::<Hashing>() };
    let done = index.wrapping_mul(BOUND_BLOCK as u64);
    let left = hashing.length.wrapping_sub(done);
    let size = if left > BOUND_BLOCK as u64 { BOUND_BLOCK as u32 } else { left as u32 };
    let mut place = MaybeUninit::uninit();
    let words: &mut [u64; WORDS] = text::begin(&mut place);
    let from = hashing.at.wrapping_add(done) as usize as *const c_void;
    // SAFETY: the block has as many bytes or more, and the helper checks the source.
    if unsafe { bpf_probe_read_user(words.as_mut_ptr().cast(), size, from) } != 0 {
        hashing.unreadable = 1;
        return 1;
    }
    let mut word = 0;
    while word < WORDS {
        hashing.hash.word(words[word]);
        word += 1;
    }
    0
}
