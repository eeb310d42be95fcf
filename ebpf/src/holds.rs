//! The holds and allowances: small steps on the two maps that the other modules share.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_boot_ns, generated::bpf_get_prandom_u32},
};
use holdpoint_abi::{
    Allowance, Counter, Doorbell, FileKey, Hold, NAME_LENGTH, RING_PHASE, Shown, Standing, TaskState,
};

use crate::{
    count,
    exec::Match,
    kernel::task,
    maps::{ALLOWANCES, DOORBELLS, HOLDS},
    standing,
};

/// A hold that the map has.
#[inline(always)]
pub fn get(id: u64) -> Option<&'static mut Hold> {
    if id == 0 {
        return None;
    }
    let hold = HOLDS.get_ptr_mut(id)?;
    // SAFETY: the slot of a preallocated map is memory for ever. It is written by the task that the hold
    // belongs to, and taken away by the daemon only in a phase in which the task does not write it any more.
    unsafe { hold.as_mut() }
}

/// What a new hold begins as. Not put together on the stack, which has no room for it.
static EMPTY: Hold = Hold {
    phase: 0,
    cause: 0,
    agent: 0,
    tgid: 0,
    tid: 0,
    exit_status: 0,
    reheld: 0,
    matched: 0,
    file: FileKey { ino: 0, dev: 0, pad: 0 },
    started_at: 0,
    held_at: 0,
    changed_at: 0,
    name: [0; NAME_LENGTH],
    arguments: [0; 2],
    retried_at: 0,
    fs_magic: 0,
    path: 0,
    standing: Standing { credentials: 0, namespaces: 0, directory: 0, root: 0 },
    shown: Shown { directory_ino: 0, directory_mount: 0, uid: 0, euid: 0, login_uid: 0, mounts: 0, pad: 0 },
};

/// Puts a new hold of the current task into the map: first without a phase, which says nothing to the daemon, then the
/// phase. `fill` adds what differs from one kind to the other, or finds that it cannot be read.
#[inline(always)]
pub fn make(
    id: u64,
    phase: u32,
    state: &TaskState,
    found: &Match<'_>,
    fill: impl FnOnce(&mut Hold) -> Option<()>,
) -> Result<(), Counter> {
    HOLDS.insert(id, &EMPTY, u64::from(BPF_NOEXIST)).map_err(|_| Counter::RefusedHoldsFull)?;
    let hold = get(id).ok_or(Counter::RefusedHoldsFull)?;
    let ids = bpf_get_current_pid_tgid();
    hold.agent = state.agent;
    hold.tgid = (ids >> 32) as u32;
    hold.tid = ids as u32;
    hold.matched = found.matched;
    hold.file = found.file;
    hold.started_at = task::process_started_at(task::current());
    hold.name = *found.name;
    hold.fs_magic = found.fs_magic;
    if standing::show(hold, state.home).is_none() || fill(hold).is_none() {
        remove(id);
        return Err(Counter::RefusedUnreadable);
    }
    hold.held_at = now();
    hold.changed_at = hold.held_at;
    // The compiler does not move what comes before beyond this, and x86-64 keeps the order of stores.
    core::hint::black_box(hold).phase = phase;
    Ok(())
}

/// Takes a hold out that nobody was told of.
#[inline(always)]
pub fn remove(id: u64) {
    let _gone = HOLDS.remove(id);
}

/// The daemon's answer to a hold, where there is one.
#[inline(always)]
pub fn answer(id: u64) -> Option<Allowance> {
    // SAFETY: copied out at once; ids are random, so that a slot that is used again has another id's entry only
    // for a reader that is interrupted in this very copy by the end of its own hold.
    unsafe { ALLOWANCES.get(id) }.copied()
}

/// Takes the answer away. True for one caller only: an allowance is used once.
#[inline(always)]
pub fn take_answer(id: u64) -> bool {
    ALLOWANCES.remove(id).is_ok()
}

/// Brings a hold into a phase and rings.
#[inline(always)]
pub fn enter(id: u64, hold: &mut Hold, phase: u32, cause: u32) {
    hold.cause = cause;
    hold.changed_at = now();
    hold.phase = phase;
    ring(Doorbell { hold: id, kind: RING_PHASE, tgid: hold.tgid });
}

/// Tells the daemon to look. It may be deaf: it also looks by itself every second.
#[inline(always)]
pub fn ring(doorbell: Doorbell) {
    if DOORBELLS.output(doorbell, 0).is_err() {
        count::add(Counter::DoorbellDropped);
    }
}

/// A number that no hold has had.
///
/// 64 random bits: among the billion holds of a busy year the odds that two are alike are 1 in 37; that both
/// live at the same time, and the insert is refused, is out of reach.
#[inline(always)]
pub fn new_id() -> u64 {
    // SAFETY: the helper has no preconditions.
    let high = u64::from(unsafe { bpf_get_prandom_u32() });
    // SAFETY: as above.
    let low = u64::from(unsafe { bpf_get_prandom_u32() });
    let id = high << 32 | low;
    if id == 0 { 1 } else { id }
}

/// Nanoseconds of the boot clock.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}
