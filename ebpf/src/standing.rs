//! Who the task is, and where, at the hold, when it goes on, and at commit.
//!
//! A held task can change all of this by itself: in a handler of the SIGCONT that lets it go on. A thread beside it can
//! change what they share, until the exec has ended it.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel};
use holdpoint_abi::{
    BOUND_BLOCK, CAUSE_CREDENTIALS, CAUSE_DIRECTORY, CAUSE_NAMESPACES, CAUSE_ROOT, Counter, Hold,
    MOUNTS_GIVEN, MOUNTS_OWN, Shown, SipHash, Standing, standing,
};

use crate::{
    count,
    guard::is_left_out,
    kernel::{
        Pointer,
        standing::{self as of_the_task, Directory, Groups},
        task::{self, Task},
        text,
    },
    maps::META,
};

const WORDS: usize = BOUND_BLOCK / 8;

/// Notes how the current task stands now. None where something cannot be read: doubt.
#[inline(always)]
pub fn take(into: &mut Standing) -> Option<()> {
    into.credentials = credentials()?;
    into.namespaces = namespaces()?;
    into.directory = directory(of_the_task::directory())?;
    into.root = directory(of_the_task::root())?;
    Some(())
}

/// The same for a new hold.
#[inline(always)]
pub fn note(hold: &mut Hold) -> Option<()> {
    take(&mut hold.standing)
}

/// The number by which a task that becomes an agent's remembers its mount namespace: see `TaskState::home`.
#[inline(always)]
pub fn home(task: Task) -> u32 {
    of_the_task::mounts(task).map_or(0, |number| if number >> 32 == 0 { number as u32 } else { 0 })
}

/// Notes what of it a request shows. `home` is that of the task.
#[inline(always)]
pub fn show(hold: &mut Hold, home: u32) -> Option<()> {
    let number = of_the_task::mounts(task::current())?;
    let is_home = home != 0 && number == u64::from(home);
    let is_given = is_home || of_the_task::mounts_are_the_hosts()?;
    let mounts = if is_given { MOUNTS_GIVEN } else { MOUNTS_OWN };
    let directory = of_the_task::directory()?;
    let (uid, euid) = of_the_task::users()?;
    let login_uid = task::login_uid(task::current()).unwrap_or(u32::MAX);
    hold.shown = Shown {
        directory_ino: directory.ino,
        directory_mount: directory.mount,
        uid,
        euid,
        login_uid,
        mounts,
        pad: 0,
    };
    Some(())
}

/// The cause for which a held task does not go on: it is not who and where it was. Zero where it is. What cannot be read
/// now differs from what was held.
#[inline(always)]
pub fn why_not(hold: &Hold) -> u32 {
    if credentials() != Some(hold.standing.credentials) {
        return judged(CAUSE_CREDENTIALS);
    }
    if namespaces() != Some(hold.standing.namespaces) {
        return judged(CAUSE_NAMESPACES);
    }
    why_not_at_commit(hold)
}

/// The same at commit, about what a thread could change since then: the directories. It was ended before this, and the
/// credentials are the new program's, which a set-user-id file has changed by right.
#[inline(always)]
pub fn why_not_at_commit(hold: &Hold) -> u32 {
    if directory(of_the_task::directory()) != Some(hold.standing.directory) {
        return judged(CAUSE_DIRECTORY);
    }
    if directory(of_the_task::root()) != Some(hold.standing.root) {
        return judged(CAUSE_ROOT);
    }
    0
}

/// Counts, unless a test has taken the protection away.
#[inline(always)]
fn judged(cause: u32) -> u32 {
    if is_left_out(Counter::RefusedMoved) {
        return 0;
    }
    count::add(Counter::RefusedMoved);
    cause
}

#[inline(always)]
fn credentials() -> Option<u64> {
    let mut hash = SipHash::new(META.get(0)?.hash_key);
    let mut words = 0;
    let groups = of_the_task::credentials(&mut |word| {
        hash.word(word);
        words += 1;
    })?;
    if groups.count == 0 {
        return Some(standing(hash, words));
    }
    let (hash, blocks) = with_groups(hash, &groups)?;
    Some(standing(hash, words + blocks * WORDS as u64))
}

#[inline(always)]
fn namespaces() -> Option<u64> {
    let mut hash = SipHash::new(META.get(0)?.hash_key);
    let mut words = 0;
    of_the_task::namespaces(&mut |word| {
        hash.word(word);
        words += 1;
    })?;
    Some(standing(hash, words))
}

#[inline(always)]
fn directory(place: Option<Directory>) -> Option<u64> {
    let place = place?;
    let mut hash = SipHash::new(META.get(0)?.hash_key);
    hash.word(place.ino);
    hash.word(u64::from(place.generation) | u64::from(place.dev) << 32);
    hash.word(u64::from(place.mount));
    hash.word(place.unique_mount);
    Some(standing(hash, 4))
}

struct Hashing {
    hash: SipHash,
    list: Pointer,
    bytes: u64,
    unreadable: u32,
}

/// Takes the groups in, and says in how many blocks.
#[inline(always)]
fn with_groups(hash: SipHash, groups: &Groups) -> Option<(SipHash, u64)> {
    let bytes = u64::from(groups.count) * 4;
    let mut hashing = Hashing { hash, list: groups.list, bytes, unreadable: 0 };
    let blocks = bytes.div_ceil(BOUND_BLOCK as u64);
    let context = (&raw mut hashing).cast();
    // SAFETY: the callback takes an index and this context, which lives until the loop has ended.
    let turns = unsafe { bpf_loop(blocks as u32, hash_block as *mut c_void, context, 0) };
    // SAFETY: the callback has written it behind the compiler's back.
    let unreadable = unsafe { core::ptr::read_volatile(&raw const hashing.unreadable) };
    // SAFETY: as above.
    let hash = unsafe { core::ptr::read_volatile(&raw const hashing.hash) };
    (turns == blocks as i64 && unreadable == 0).then_some((hash, blocks))
}

/// One turn: one block. One ends the loop.
unsafe extern "C" fn hash_block(index: u64, context: *mut c_void) -> i64 {
    // SAFETY: `with_groups` passes its own, which outlives the loop.
    let hashing = unsafe { &mut *context.cast::<Hashing>() };
    let done = index.wrapping_mul(BOUND_BLOCK as u64);
    let left = hashing.bytes.wrapping_sub(done);
    let size = if left > BOUND_BLOCK as u64 { BOUND_BLOCK as u32 } else { left as u32 };
    let mut place = MaybeUninit::uninit();
    let words: &mut [u64; WORDS] = text::begin(&mut place);
    let from = hashing.list.cast::<u8>().wrapping_add(done as usize);
    // SAFETY: the block has as many bytes or more, and the helper checks the source.
    if unsafe { bpf_probe_read_kernel(words.as_mut_ptr().cast(), size, from.cast()) } != 0 {
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
