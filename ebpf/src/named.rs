//! Programs of many names, such as `xtables-nft-multi`: what one of them does is decided by its arguments.
//!
//! Whoever calls it by a link of a listed name is held like others. Here it is seen to that nobody gives it such a name by
//! its first argument alone (`exec -a iptables xtables-nft-multi`), or by the second, at which most of them look where they do
//! not know the first. Read at commit, from the new program's own memory: nobody else can write there.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_user, bpf_probe_read_user_str};
use holdpoint_abi::{Counter, FileKey, LISTED_OBSERVE, NAME_LENGTH, TaskState};

use crate::{
    guard::{self, Attempt},
    kernel::{
        Known,
        bprm::{self, TAIL, Tail},
        file,
        text::{self, Text},
    },
    lists,
};

/// So many arguments can name what a program is.
const ARGUMENTS: u32 = 2;
/// Bytes of a string that are searched at a time, the closing zero among them.
const CHUNK: u64 = 64;
/// So many chunks are searched: as many as the longest argument has that the kernel takes (`MAX_ARG_STRLEN`, 128 KiB). Of a
/// longer one the name would count as unreadable.
const MAX_CHUNKS: u32 = (128 * 1024 / (CHUNK - 1)) as u32 + 1;

/// What an argument was found to be.
const LISTED: u32 = 1;
const UNREADABLE: u32 = 2;

/// Whether what was committed has to be killed: its arguments name a listed program, or cannot be read.
#[inline(always)]
pub fn is_refused(state: &TaskState, bprm: Known) -> bool {
    let mut place = MaybeUninit::uninit();
    let name = Text::begin(&mut place);
    let argc = u64::from(bprm::argc(bprm));
    let mut looking = Looking { at: bprm::strings_at(bprm), argc, name, found: 0 };
    let context = (&raw mut looking).cast();
    // SAFETY: the callback takes an index and this context, which lives until the loop has ended.
    let turns = unsafe { bpf_loop(ARGUMENTS, look_at_one as *mut c_void, context, 0) };
    // SAFETY: the callback has written it behind the compiler's back.
    let found = unsafe { core::ptr::read_volatile(&raw const looking.found) };
    if turns > 0 && found == 0 {
        return false;
    }
    let file = bprm::file(bprm).and_then(file::key).unwrap_or(FileKey { ino: 0, dev: 0, pad: 0 });
    let attempt = Attempt { agent: state.agent, target: 0, file, name: *looking.name.as_name() };
    guard::refuse(Counter::KilledNamed, &attempt) != guard::PASS
}

struct Looking<'a> {
    at: u64,
    argc: u64,
    name: &'a mut Text,
    found: u32,
}

/// One turn: one argument. One ends the loop. A loop, though of two turns: the verifier of 6.1 would follow all ways through
/// the first on each of those through the second.
unsafe extern "C" fn look_at_one(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `is_refused` passes its own, which outlives the loop.
    let looking = unsafe { &mut *context.cast::<Looking<'_>>() };
    // Of no argument at all the kernel makes an empty one.
    if index >= looking.argc {
        return 1;
    }
    let at = looking.at;
    let Some(next) = last_component(at, looking.name) else {
        looking.found = UNREADABLE;
        return 1;
    };
    if lists::name(looking.name).is_some_and(|listed| listed.wait != LISTED_OBSERVE) {
        looking.found = LISTED;
        return 1;
    }
    // Some programs take the name before a slash at the end (`basename(3)`). Nobody is called so by who means no harm.
    if index == 0 && looking.name.first_word() == 0 && next != at.wrapping_add(1) {
        looking.found = UNREADABLE;
        return 1;
    }
    looking.at = next;
    0
}

/// The last component of the string at this address, without the hyphen of a login shell's; none where it is longer than any
/// listed name. Says where the next string begins.
#[inline(always)]
fn last_component(at: u64, name: &mut Text) -> Option<u64> {
    let end = end_of(at)?;
    let length = end.wrapping_sub(at);
    let start = length.saturating_sub(TAIL - 2);
    let whole = length - start + 1;
    let from = at.wrapping_add(start);
    let mut place = MaybeUninit::uninit();
    let tail: &mut Tail = text::begin(&mut place);
    let size = at_most(whole, TAIL)?;
    // SAFETY: the buffer has `TAIL` bytes, and the helper checks the source address.
    if unsafe { bpf_probe_read_user(tail.as_mut_ptr().cast(), size, from as usize as *const c_void) } != 0 {
        return None;
    }
    let component = bprm::after_last_slash(tail);
    let mut name_length = whole.wrapping_sub(component);
    if component == 0 && start > 0 {
        name.clear();
        return Some(end.wrapping_add(1));
    }
    let mut name_at = from.wrapping_add(component);
    let mut first = 0_u8;
    // SAFETY: the variable has one byte, and the helper checks the source address.
    if unsafe { bpf_probe_read_user((&raw mut first).cast(), 1, name_at as usize as *const c_void) } != 0 {
        return None;
    }
    if first == b'-' {
        name_at = name_at.wrapping_add(1);
        name_length = name_length.wrapping_sub(1);
    }
    match at_most(name_length, NAME_LENGTH as u64) {
        Some(length) => name.copy_from_user(name_at, length)?,
        None => name.clear(),
    }
    Some(end.wrapping_add(1))
}

/// The number, where it is none that is larger. Taken out of the compiler's sight first: what it knows of a number it does not
/// check again, and the verifier does not know it.
#[inline(always)]
fn at_most(number: u64, most: u64) -> Option<u32> {
    let number = core::hint::black_box(number);
    if number > most { None } else { Some(number as u32) }
}

struct Searching {
    at: u64,
    end: u64,
}

/// Where the zero is that ends the string at this address. None where it cannot be read.
#[inline(always)]
fn end_of(at: u64) -> Option<u64> {
    let mut searching = Searching { at, end: 0 };
    let context = (&raw mut searching).cast();
    // SAFETY: the callback takes an index and this context, which lives until the loop has ended.
    let turns = unsafe { bpf_loop(MAX_CHUNKS, search_chunk as *mut c_void, context, 0) };
    // SAFETY: the callback has written it behind the compiler's back.
    let end = unsafe { core::ptr::read_volatile(&raw const searching.end) };
    (turns > 0 && end != 0).then_some(end)
}

/// One turn: one chunk. One ends the loop.
unsafe extern "C" fn search_chunk(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `end_of` passes its own, which outlives the loop.
    let searching = unsafe { &mut *context.cast::<Searching>() };
    // Each chunk but the last gives one byte less than it has room for.
    let from = searching.at.wrapping_add(index.wrapping_mul(CHUNK - 1));
    let mut place = MaybeUninit::uninit();
    let chunk: &mut [u64; (CHUNK / 8) as usize] = text::begin(&mut place);
    // SAFETY: the buffer has so many bytes, and the helper checks the source address.
    let copied = unsafe {
        bpf_probe_read_user_str(chunk.as_mut_ptr().cast(), CHUNK as u32, from as usize as *const c_void)
    };
    if copied < 0 {
        return 1;
    }
    if (copied as u64) < CHUNK {
        // The zero is counted, but for an empty string's.
        let before_zero = if copied == 0 { 0 } else { copied as u64 - 1 };
        searching.end = from.wrapping_add(before_zero);
        return 1;
    }
    0
}
