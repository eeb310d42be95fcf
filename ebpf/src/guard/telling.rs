//! Tells the daemon of refusals, of each kind to each agent once in a while: whoever tries in a loop must not fill a
//! record that people read.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_comm};
use holdpoint_abi::{Counter, Refusal, TOLD_NANOSECONDS, Telling, Told};

use super::Attempt;
use crate::{
    holds,
    maps::{REFUSALS, TOLD},
};

/// Writes a record, unless one of the kind was written just now; then the next one says so.
#[inline(always)]
pub fn tell(protection: Counter, attempt: &Attempt) {
    let telling = Telling { agent: attempt.agent, what: protection as u32 };
    let now = holds::now();
    let mut more = 0;
    if let Some(told) = TOLD.get_ptr_mut(telling) {
        // SAFETY: the slot of a preallocated map is memory for ever. Where two tasks write at once, or the slot becomes
        // another entry's, one record more or less is all.
        let told = unsafe { &mut *told };
        if now.wrapping_sub(told.at) < TOLD_NANOSECONDS {
            told.more = told.more.wrapping_add(1);
            return;
        }
        more = told.more;
        told.at = now;
        told.more = 0;
    } else {
        // An error costs a record more, or less.
        let _ = TOLD.insert(telling, Told { at: now, more: 0 }, 0);
    }
    let Some(mut record) = REFUSALS.reserve(0) else { return };
    let mut comm = [0_u8; 16];
    // SAFETY: the buffer is as long as it says.
    unsafe { bpf_get_current_comm(comm.as_mut_ptr().cast(), 16) };
    record.write(Refusal {
        agent: attempt.agent,
        what: protection as u32,
        tgid: (bpf_get_current_pid_tgid() >> 32) as u32,
        target: attempt.target,
        more,
        file: attempt.file,
        comm,
        name: attempt.name,
    });
    record.submit(0);
}
