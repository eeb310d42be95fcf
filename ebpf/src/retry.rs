//! `wait = "refuse"`: the exec fails with EPERM at once and is filed, and the identical one passes once when it is tried
//! again after approval.
//!
//! No task is stopped, so nothing here depends on one: a filing outlives the process that made it, and any process of
//! the agent may be the one that tries again.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_comm},
};
use holdpoint_abi::{
    Allowance, Counter, FILED_PATH, Filing, Hold, PHASE_FILED, Retry, SipHash, Standing, TaskState,
    VERDICT_ALLOW, VERDICT_DENY,
};

use crate::{
    arguments::{self, Hashes},
    exec::{Match, refuse},
    holds,
    kernel::{Known, bprm, file, task, text},
    maps::{FILINGS, META, RETRIES},
    standing,
};

/// For so long after a retry passed the first check, another process's is refused: the allowance is for one, and the
/// one that comes second to the commit would be killed there. A retry whose exec fails later gives it back so.
const CLAIM_NANOSECONDS: u64 = 1_000_000_000;

/// A listed exec that is not to stop the task: filed, refused again, or let pass.
#[inline(always)]
pub fn attempt(state: &mut TaskState, found: &Match<'_>, bprm: Known) -> i32 {
    let mut standing = Standing::default();
    if standing::take(&mut standing).is_none() {
        return refuse(Counter::RefusedUnreadable);
    }
    // The record is the place into which the arguments are copied: a buffer per CPU could be written by another task
    // on kernels with full preemption, and the stack has no room.
    let Some(mut record) = FILINGS.reserve(0) else {
        return refuse(Counter::RefusedRingFull);
    };
    let filing: *mut Filing = record.as_mut_ptr();
    let Some(hashes) = hashes(filing, bprm) else {
        record.discard(0);
        return refuse(Counter::RefusedArguments);
    };
    let Some(path) = path(filing, bprm) else {
        record.discard(0);
        return refuse(Counter::RefusedUnreadable);
    };
    let retry = Retry { agent: state.agent, pad: 0, file: found.file, arguments: hashes.all, path, standing };
    // SAFETY: copied out at once; an entry that is taken away meanwhile names a hold that is looked up next.
    if let Some(id) = unsafe { RETRIES.get(&retry) }.copied() {
        state.argv_at = bprm::strings_at(bprm);
        state.argv_rest = hashes.rest;
        state.argv_first = hashes.first_length;
        // SAFETY: the record is reserved, and nobody else's.
        unsafe {
            state.argc = (*filing).argc;
            state.argv_length = (*filing).length;
        }
        record.discard(0);
        return again(state, id, bprm);
    }
    let id = holds::new_id();
    describe(filing, id);
    match enter(state, found, id, &retry) {
        Ok(()) => {
            record.submit(0);
            refuse(Counter::Filed)
        }
        Err(counter) => {
            record.discard(0);
            refuse(counter)
        }
    }
}

/// Takes a filed action out of those that may be tried again: it is used up.
#[inline(always)]
pub fn used(hold: &Hold) {
    let retry = Retry {
        agent: hold.agent,
        pad: 0,
        file: hold.file,
        arguments: hold.arguments,
        path: hold.path,
        standing: hold.standing,
    };
    let _gone = RETRIES.remove(retry);
}

#[inline(always)]
fn hashes(filing: *mut Filing, bprm: Known) -> Option<Hashes> {
    arguments::take(filing)?;
    // SAFETY: the record is reserved, and nobody else's.
    let argc = unsafe { (*filing).argc };
    // The kernel has counted, too: where it came to another number, another thread writes the array.
    if bprm::argc(bprm) != argc {
        return None;
    }
    arguments::hash(filing)
}

/// Copies the path as called into the record, and hashes it. The string is the kernel's own, which nobody changes.
#[inline(always)]
fn path(filing: *mut Filing, bprm: Known) -> Option<u64> {
    let mut hash = SipHash::new(META.get(0)?.hash_key);
    // SAFETY: the record is reserved, and nobody else's.
    let words = unsafe { &mut *(&raw mut (*filing).path).cast::<[u64; FILED_PATH / 8]>() };
    // What lies behind the string is hashed with it.
    text::clear(words);
    let length = bprm::called_path(bprm, words.as_mut_ptr().cast(), FILED_PATH as u32)?;
    // SAFETY: as above.
    unsafe { (*filing).path_length = length };
    let mut word = 0;
    while word < FILED_PATH / 8 {
        hash.word(words[word]);
        word += 1;
    }
    let [low, _] = hash.finish((FILED_PATH / 8) as u64);
    Some(low)
}

/// The action was filed before.
#[inline(always)]
fn again(state: &mut TaskState, id: u64, bprm: Known) -> i32 {
    let Some(hold) = holds::get(id) else {
        return refuse(Counter::RefusedPending);
    };
    if hold.phase != PHASE_FILED || state.argc == 0 {
        return refuse(Counter::RefusedPending);
    }
    let Some(answer) = holds::answer(id) else {
        return refuse(Counter::RefusedPending);
    };
    let now = holds::now();
    if let Some(counter) = why_not(&answer, now, bprm) {
        return refuse(counter);
    }
    let ids = bpf_get_current_pid_tgid();
    let (tgid, tid) = ((ids >> 32) as u32, ids as u32);
    let own = hold.tgid == tgid && hold.tid == tid;
    if !own && hold.retried_at != 0 && now < hold.retried_at.wrapping_add(CLAIM_NANOSECONDS) {
        return refuse(Counter::RefusedPending);
    }
    hold.retried_at = now;
    claim(hold);
    state.passing = id;
    0
}

#[inline(always)]
fn why_not(answer: &Allowance, now: u64, bprm: Known) -> Option<Counter> {
    let approved = Some((answer.file_size, answer.file_changed_at));
    let unchanged = bprm::file(bprm).and_then(file::version) == approved;
    match answer.verdict {
        VERDICT_ALLOW if now < answer.expires_at && unchanged => None,
        VERDICT_DENY => Some(Counter::RefusedByVerdict),
        _ => Some(Counter::RefusedOther),
    }
}

/// From now on the hold is about the current process.
#[inline(always)]
pub fn claim(hold: &mut Hold) {
    let ids = bpf_get_current_pid_tgid();
    hold.tgid = (ids >> 32) as u32;
    hold.tid = ids as u32;
    hold.started_at = task::process_started_at(task::current());
}

/// Puts a new filing into the maps.
#[inline(always)]
fn enter(state: &TaskState, found: &Match<'_>, id: u64, retry: &Retry) -> Result<(), Counter> {
    holds::make(id, PHASE_FILED, state, found, |hold| {
        hold.arguments = retry.arguments;
        hold.path = retry.path;
        hold.standing = retry.standing;
        Some(())
    })?;
    if RETRIES.insert(retry, id, u64::from(BPF_NOEXIST)).is_err() {
        holds::remove(id);
        // SAFETY: only whether there is an entry counts; the value is not read.
        let raced = unsafe { RETRIES.get(retry) }.is_some();
        return Err(if raced { Counter::RefusedPending } else { Counter::RefusedHoldsFull });
    }
    Ok(())
}

/// What the daemon may not find out any more when it looks: the process lives on, or has ended.
#[inline(always)]
fn describe(filing: *mut Filing, id: u64) {
    let ids = bpf_get_current_pid_tgid();
    // SAFETY: the record is reserved, of its type's size, and nobody else's until it is submitted.
    let filing = unsafe { &mut *filing };
    filing.hold = id;
    filing.hash = [0; 4];
    filing.tgid = (ids >> 32) as u32;
    filing.tid = ids as u32;
    filing.parent = task::parent(task::current());
    // SAFETY: the buffer is as long as it says.
    unsafe { bpf_get_current_comm(filing.comm.as_mut_ptr().cast(), 16) };
}
