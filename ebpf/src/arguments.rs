//! Arguments: copied from the caller at the first check, hashed, and compared with what was committed.
//!
//! The copy is taken with reads that never wait for a page: one that a FUSE file or a userfaultfd backs fails. The
//! kernel has just copied the same strings for the new program, so that they are in memory as a rule. What is copied
//! can differ from what the kernel has copied before, where another thread writes; hence the check at commit, which
//! reads the new program's own memory.
//!
//! What changes from turn to turn of a loop lies in memory whose content the verifier does not know (the record, or
//! a map's value): before Linux 6.7 it follows the body of a `bpf_loop` once, with what it knew before the loop
//! (<https://github.com/torvalds/linux/commit/ab5cfac139ab8576fb54630d4cca23c3e690ee90>).

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_user, bpf_probe_read_user_str};
use holdpoint_abi::{FILED_ARGUMENTS, FILED_BYTES, Filing, SipHash, TaskState, header};

use crate::{
    kernel::{
        Known, bprm,
        call::{self, Argv},
    },
    maps::META,
};

/// The hash of all arguments, and of those after the first.
pub struct Hashes {
    pub all: [u64; 2],
    pub rest: u64,
    pub first_length: u32,
}

struct Taking {
    filing: *mut Filing,
    argv: Argv,
}

/// Copies the arguments of the current system call into a record. None where they do not fit, or cannot be read.
#[inline(always)]
pub fn take(filing: *mut Filing) -> Option<()> {
    let mut taking = Taking { filing, argv: call::argv()? };
    // SAFETY: the record is reserved, of its type's size, and nobody else's until it is submitted.
    unsafe {
        (*filing).length = 0;
        (*filing).argc = 0;
        (*filing).complete = 0;
        (*filing).first_length = 0;
    }
    let context = (&raw mut taking).cast();
    // SAFETY: the callback takes an index and this context, which lives until the loop has ended.
    let turns = unsafe { bpf_loop(FILED_ARGUMENTS as u32 + 1, take_one as *mut c_void, context, 0) };
    // SAFETY: as above.
    let complete = unsafe { core::ptr::read_volatile(&raw const (*filing).complete) };
    (turns > 0 && complete == 1).then_some(())
}

/// One turn: one argument. One ends the loop.
unsafe extern "C" fn take_one(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `take` passes its own, which outlives the loop.
    let taking = unsafe { &*context.cast::<Taking>() };
    let filing = taking.filing;
    let Some(pointer) = call::pointer(taking.argv, index) else {
        return 1;
    };
    // SAFETY: the record is reserved, and nobody else's.
    let at = unsafe { core::ptr::read_volatile(&raw const (*filing).length) };
    if pointer == 0 {
        // SAFETY: as above.
        unsafe {
            (*filing).argc = index as u32;
            (*filing).complete = 1;
        }
        return 1;
    }
    // One argument more than there may be, or no place for it.
    if index >= FILED_ARGUMENTS as u64 || at >= FILED_BYTES as u32 {
        return 1;
    }
    let place = strings(filing).wrapping_add(in_first_half(at));
    // SAFETY: the buffer has twice `FILED_BYTES`, the place lies in its first half, and the helper checks the source.
    let copied = unsafe {
        bpf_probe_read_user_str(place.cast(), FILED_BYTES as u32, pointer as usize as *const c_void)
    };
    // Of an empty string the helper does not count the zero, nor does it promise to write it
    // (`strncpy_from_user_nofault`, <https://github.com/torvalds/linux/blob/v6.1/mm/maccess.c>).
    let copied = if copied == 0 {
        // SAFETY: as above.
        unsafe { place.write(0) };
        1
    } else {
        copied
    };
    // A string that fills all of the room may have been cut.
    if copied < 0 || copied >= FILED_BYTES as i64 || u64::from(at) + copied as u64 >= FILED_BYTES as u64 {
        return 1;
    }
    // SAFETY: as above.
    unsafe {
        (*filing).length = at + copied as u32;
        if index == 0 {
            (*filing).first_length = copied as u32;
        }
    }
    0
}

#[inline(always)]
fn strings(filing: *mut Filing) -> *mut u8 {
    filing.cast::<u8>().wrapping_add(core::mem::offset_of!(Filing, strings))
}

/// A place in the first half of the strings, so that the verifier sees it: the compiler would leave out a mask that
/// changes nothing.
#[inline(always)]
fn in_first_half(at: u32) -> usize {
    core::hint::black_box(at) as usize & (FILED_BYTES - 1)
}

struct Hashing {
    filing: *mut Filing,
    start: u32,
}

/// Hashes what [`take`] has copied. None where there is no argument at all, or no key.
#[inline(always)]
pub fn hash(filing: *mut Filing) -> Option<Hashes> {
    // SAFETY: the record is reserved, and nobody else's.
    let (argc, length) = unsafe { ((*filing).argc, core::ptr::read_volatile(&raw const (*filing).length)) };
    if argc == 0 || length == 0 || length >= FILED_BYTES as u32 {
        return None;
    }
    let end = strings(filing).wrapping_add(in_first_half(length)).cast::<u64>();
    // SAFETY: the buffer has twice `FILED_BYTES`, and the place lies in its first half.
    unsafe { end.write_unaligned(0) };
    // SAFETY: as above.
    let first_length = unsafe { core::ptr::read_volatile(&raw const (*filing).first_length) };
    if first_length == 0 || first_length > length {
        return None;
    }
    let all = hash_from(filing, 0, argc, length)?;
    let rest = hash_from(filing, first_length, argc, length - first_length)?;
    Some(Hashes { all, rest: rest[0], first_length })
}

#[inline(always)]
fn hash_from(filing: *mut Filing, start: u32, argc: u32, length: u32) -> Option<[u64; 2]> {
    let key = META.get(0)?.hash_key;
    let mut hash = SipHash::new(key);
    hash.word(header(argc, length));
    // SAFETY: the record is reserved, and nobody else's.
    unsafe { (*filing).hash = hash.state };
    let mut hashing = Hashing { filing, start };
    let words = length.div_ceil(8);
    let context = (&raw mut hashing).cast();
    // SAFETY: the callback takes an index and this context, which lives until the loop has ended.
    let turns = unsafe { bpf_loop(words, hash_one as *mut c_void, context, 0) };
    if turns != i64::from(words) {
        return None;
    }
    // SAFETY: as above.
    let state = unsafe { core::ptr::read_volatile(&raw const (*filing).hash) };
    Some(SipHash { state }.finish(u64::from(words) + 1))
}

unsafe extern "C" fn hash_one(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `hash_from` passes its own, which outlives the loop.
    let hashing = unsafe { &*context.cast::<Hashing>() };
    let filing = hashing.filing;
    let at = u64::from(hashing.start).wrapping_add(index.wrapping_mul(8));
    if at >= FILED_BYTES as u64 {
        return 1;
    }
    let word = strings(filing).wrapping_add(in_first_half(at as u32)).cast::<u64>();
    // SAFETY: the word lies in the buffer, which has twice `FILED_BYTES`.
    let word = unsafe { word.read_unaligned() };
    // SAFETY: the record is reserved, and nobody else's.
    let mut hash = SipHash { state: unsafe { (*filing).hash } };
    hash.word(word);
    // SAFETY: as above.
    unsafe { (*filing).hash = hash.state };
    0
}

struct Comparing {
    hash: SipHash,
    at: u64,
    length: u32,
    unreadable: u32,
}

/// Whether the new program's arguments are those with which the retry passed the first check.
///
/// At this point its memory is the current one, with no other thread in it, and the strings lie where the kernel has
/// put them. A script has lost its first argument, and got others before the rest, which has not been moved.
#[inline(always)]
pub fn are_committed(state: &TaskState, approved: [u64; 2], bprm: Known) -> bool {
    let (at, argc) = (bprm::strings_at(bprm), bprm::argc(bprm));
    if at == state.argv_at {
        return argc == state.argc && hash_committed(state.argc, at, state.argv_length) == Some(approved);
    }
    if argc <= state.argc {
        return false;
    }
    let rest_at = state.argv_at.wrapping_add(u64::from(state.argv_first));
    let rest_length = state.argv_length.wrapping_sub(state.argv_first);
    hash_committed(state.argc, rest_at, rest_length).is_some_and(|rest| rest[0] == state.argv_rest)
}

#[inline(always)]
fn hash_committed(argc: u32, at: u64, length: u32) -> Option<[u64; 2]> {
    if length > FILED_BYTES as u32 {
        return None;
    }
    let mut hash = SipHash::new(META.get(0)?.hash_key);
    hash.word(header(argc, length));
    let mut comparing = Comparing { hash, at, length, unreadable: 0 };
    let words = length.div_ceil(8);
    let context = (&raw mut comparing).cast();
    // SAFETY: the callback takes an index and this context, which lives until the loop has ended.
    let turns = unsafe { bpf_loop(words, compare_one as *mut c_void, context, 0) };
    // SAFETY: the callback has written it behind the compiler's back.
    let unreadable = unsafe { core::ptr::read_volatile(&raw const comparing.unreadable) };
    // SAFETY: as above.
    let hash = unsafe { core::ptr::read_volatile(&raw const comparing.hash) };
    (turns == i64::from(words) && unreadable == 0).then(|| hash.finish(u64::from(words) + 1))
}

unsafe extern "C" fn compare_one(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `hash_committed` passes its own, which outlives the loop.
    let comparing = unsafe { &mut *context.cast::<Comparing>() };
    let done = index.wrapping_mul(8);
    let left = u64::from(comparing.length).wrapping_sub(done);
    let size = if left > 8 { 8 } else { left as u32 };
    let mut word = 0_u64;
    let from = comparing.at.wrapping_add(done) as usize as *const c_void;
    // SAFETY: the word has eight bytes, of which at most so many are written, and the helper checks the source.
    if unsafe { bpf_probe_read_user((&raw mut word).cast(), size, from) } != 0 {
        comparing.unreadable = 1;
        return 1;
    }
    comparing.hash.word(word);
    0
}
