//! The holds and allowances: small steps on the two maps that the other modules share.

use aya_ebpf::helpers::{bpf_ktime_get_boot_ns, generated::bpf_get_prandom_u32};
use holdpoint_abi::{Allowance, Counter, Doorbell, Hold, RING_PHASE};

use crate::{
    count,
    maps::{ALLOWANCES, DOORBELLS, HOLDS},
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
