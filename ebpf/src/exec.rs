//! The first check of an exec: is it listed, is there an answer, hold it.

use core::mem::MaybeUninit;

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_send_signal},
    programs::LsmContext,
};
use holdpoint_abi::{
    Allowance, CAUSE_CONTENT, CAUSE_CORRUPT, CAUSE_EXPIRED, CAUSE_INTERPRETER, CAUSE_VERDICT, Counter,
    Doorbell, FileKey, Hold, LISTED_MANY_NAMES, LISTED_REFUSE, MARK_BELOW, MARK_MANY_NAMES, MARK_UNREADABLE,
    MATCHED_CALLED, MATCHED_FILE, MATCHED_NAME, Name, PHASE_GONE, PHASE_HELD, PHASE_REFUSED, RING_HELD,
    TaskState, VERDICT_ALLOW, VERDICT_DENY,
};

use crate::{
    agents::{self, Becomes},
    bound, count,
    guard::{self, Attempt, below, trace},
    holds,
    kernel::{
        Known, bprm, file,
        signal::SIGSTOP,
        text::{self, Text},
    },
    lists,
    maps::DOORBELLS,
    retry, standing,
    tag::{self, Tag},
};

const EPERM: i32 = -1;

/// `-ERESTARTNOINTR`: the kernel runs the same system call again, once the task goes on
/// (<https://github.com/torvalds/linux/blob/v6.1/include/linux/errno.h>). Only ever returned with a stop signal
/// pending; without one the number itself would reach the program.
const RESTART: i32 = -513;

/// What of an exec is listed.
pub struct Match<'a> {
    pub matched: u32,
    pub file: FileKey,
    pub name: &'a Name,
    /// `super_block.s_magic`.
    pub fs_magic: u64,
    /// How it waits: `LISTED_HOLD` or `LISTED_REFUSE`.
    wait: u32,
}

/// `bprm_check_security(struct linux_binprm *bprm)`
#[inline(always)]
pub fn check(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(1);
    if so_far != 0 {
        return so_far;
    }
    let bprm = Known::new(ctx.arg(0));
    let mut name = MaybeUninit::uninit();
    let state = match tag::of_current() {
        Tag::Agent(state) => state,
        // A process that is no agent's, and may become one.
        other => match agents::at_check(other, bprm) {
            Becomes::Nothing => return 0,
            Becomes::Agent(state) => state,
            Becomes::Impossible => return refuse(Counter::RefusedUntagged),
        },
    };
    agent_executes(state, bprm, Text::begin(&mut name))
}

#[inline(always)]
fn agent_executes(state: &mut TaskState, bprm: Known, name: &mut Text) -> i32 {
    let interpreter = bprm::is_interpreter(bprm);
    if !interpreter {
        // A failed execve before this one must leave nothing behind.
        state.passing = 0;
        state.marks = 0;
        if state.hold != 0 {
            // An interpreter, should it be what is held, comes with other arguments before these.
            bound::remember(state, bprm);
        }
    } else {
        // What the script stands on is nothing that its interpreter does.
        state.marks &= MARK_MANY_NAMES;
    }
    // A hold ends by its answer, whatever the lists say by then: a reload may have taken the program out of them.
    if state.passing == 0
        && let Some(hold) = holds::get(state.hold)
        && hold.phase == PHASE_HELD
    {
        let Some(file) = bprm::file(bprm) else {
            return refuse(Counter::RefusedUnreadable);
        };
        let (Some(key), Some(version)) = (file::key(file), file::version(file)) else {
            return refuse(Counter::RefusedUnreadable);
        };
        if hold.file == key {
            if !trace::may_execute(state, bprm) {
                return EPERM;
            }
            return match holds::answer(state.hold) {
                Some(answer) => answered(state, hold, &answer, version),
                None => hold_again(hold),
            };
        }
    }
    let found = match find(state, bprm, name) {
        Ok(None) => return 0,
        Ok(Some(found)) => found,
        Err(NoAnswer::Unreadable) => return refuse(Counter::RefusedUnreadable),
        Err(NoAnswer::Below(file)) => return refuse_below(state.agent, &file, name),
    };
    if !trace::may_execute(state, bprm) {
        return EPERM;
    }
    if state.passing != 0 {
        return covered_interpreter(state, &found);
    }
    // Another program in the same thread: a signal handler ran, or the first one's path was changed.
    if let Some(hold) = holds::get(state.hold)
        && hold.phase == PHASE_HELD
    {
        holds::take_answer(state.hold);
        holds::enter(state.hold, hold, PHASE_GONE, 0);
    }
    // The interpreter of a script is held, whatever its rule says: the arguments do not tell which script it is, and so
    // do not tell one retry from another.
    if found.wait == LISTED_REFUSE && !interpreter {
        return retry::attempt(state, &found, bprm);
    }
    begin(state, &found)
}

/// A function of its own, since the check has no room left on its stack for what is told.
#[inline(never)]
fn refuse_below(agent: u32, file: &FileKey, name: &Text) -> i32 {
    let attempt = Attempt { agent, target: 0, file: *file, name: *name.as_name() };
    guard::refuse(Counter::RefusedBelow, &attempt)
}

/// The script had an allowance, and its interpreter is listed as well.
#[inline(always)]
fn covered_interpreter(state: &mut TaskState, found: &Match<'_>) -> i32 {
    let covered = holds::answer(state.passing).is_some_and(|answer| answer.interpreter == found.file);
    if covered {
        return 0;
    }
    if let Some(hold) = holds::get(state.passing) {
        end_refused(state, state.passing, hold, CAUSE_INTERPRETER);
    }
    refuse(Counter::RefusedOther)
}

#[inline(always)]
fn answered(state: &mut TaskState, hold: &mut Hold, answer: &Allowance, version: (u64, u64)) -> i32 {
    let unchanged = version == (answer.file_size, answer.file_changed_at);
    let passes = answer.verdict == VERDICT_ALLOW && holds::now() < answer.expires_at && unchanged;
    let moved = if passes { standing::why_not(hold) } else { 0 };
    if passes && moved == 0 {
        state.passing = state.hold;
        return 0;
    }
    let (cause, counter) = match answer.verdict {
        VERDICT_ALLOW if moved != 0 => (moved, Counter::RefusedOther),
        VERDICT_ALLOW if !unchanged => (CAUSE_CONTENT, Counter::RefusedOther),
        VERDICT_DENY => (CAUSE_VERDICT, Counter::RefusedByVerdict),
        VERDICT_ALLOW => (CAUSE_EXPIRED, Counter::RefusedOther),
        _ => (CAUSE_CORRUPT, Counter::RefusedOther),
    };
    end_refused(state, state.hold, hold, cause);
    count::add_for(state.agent, counter);
    EPERM
}

#[inline(always)]
fn end_refused(state: &mut TaskState, id: u64, hold: &mut Hold, cause: u32) {
    state.hold = 0;
    state.passing = 0;
    holds::take_answer(id);
    holds::enter(id, hold, PHASE_REFUSED, cause);
}

/// Somebody continued the task before there was an answer. No second request: the hold is the same.
#[inline(always)]
fn hold_again(hold: &mut Hold) -> i32 {
    if !stop() {
        return refuse(Counter::RefusedNoSignal);
    }
    hold.reheld = hold.reheld.wrapping_add(1);
    count::add(Counter::HeldAgain);
    RESTART
}

/// A new hold. The record is reserved before the task is stopped, and submitted after: a full buffer refuses
/// instead of leaving a stopped task that nobody knows of, and a SIGCONT that answers the record comes after
/// the SIGSTOP, so that it cannot be lost.
#[inline(always)]
fn begin(state: &mut TaskState, found: &Match<'_>) -> i32 {
    let Some(mut record) = DOORBELLS.reserve(0) else {
        return refuse(Counter::RefusedRingFull);
    };
    let id = holds::new_id();
    let ids = bpf_get_current_pid_tgid();
    if let Err(counter) = holds::make(id, PHASE_HELD, state, found, standing::note) {
        record.discard(0);
        return refuse(counter);
    }
    if !stop() {
        record.discard(0);
        holds::remove(id);
        return refuse(Counter::RefusedNoSignal);
    }
    state.hold = id;
    trace::waits();
    record.write(Doorbell { hold: id, kind: RING_HELD, tgid: (ids >> 32) as u32 });
    record.submit(0);
    count::add_for(state.agent, Counter::Held);
    RESTART
}

#[inline(always)]
fn stop() -> bool {
    // SAFETY: the helper has no preconditions; it fails for a task that cannot be sent a signal.
    unsafe { bpf_send_signal(SIGSTOP) == 0 }
}

#[inline(always)]
pub fn refuse(counter: Counter) -> i32 {
    count::add(counter);
    EPERM
}

/// Why it cannot be said whether an exec is listed.
enum NoAnswer {
    /// The file's identity or name could not be read. Doubt refuses.
    Unreadable,
    /// An overlay shows a listed file under names of which none is listed.
    Below(FileKey),
}

const UNREADABLE: NoAnswer = NoAnswer::Unreadable;

/// Looks for the exec in the lists: by inode, by the file's own name, and by the name it was called by. The name is a
/// place for the one that is listed.
///
/// A program of many names is not listed by its inode. Where no name of this exec is listed either, its arguments are looked
/// at when it is committed.
#[inline(always)]
fn find<'a>(state: &mut TaskState, bprm: Known, name: &'a mut Text) -> Result<Option<Match<'a>>, NoAnswer> {
    let executed = bprm::file(bprm).ok_or(UNREADABLE)?;
    let key = file::key(executed).ok_or(UNREADABLE)?;
    if below::can_be(key.dev) {
        state.marks = state.marks & MARK_MANY_NAMES | below::marks(executed);
    }
    let by_inode = lists::file(key).filter(|listed| listed.wait != LISTED_MANY_NAMES || is_noted(state));
    let (matched, listed) = if let Some(listed) = by_inode {
        name.clear();
        (MATCHED_FILE, listed)
    } else {
        let length = file::name(executed, name).ok_or(UNREADABLE)?;
        if let Some(listed) = lists::name(name) {
            (MATCHED_NAME, listed)
        } else {
            let mut tail = MaybeUninit::uninit();
            let tail = text::begin(&mut tail);
            // The path as called names the first file, not the interpreters that come after it.
            if bprm::is_interpreter(bprm) || bprm::is_called(bprm, name, length, tail).ok_or(UNREADABLE)? {
                return by_what_is_below(state, key);
            }
            bprm::called_name(bprm, name, tail).ok_or(UNREADABLE)?;
            let Some(listed) = lists::name(name) else {
                return by_what_is_below(state, key);
            };
            (MATCHED_CALLED, listed)
        }
    };
    // What stands on a listed file is none that only has the name of one.
    let matched = if marks(state) & MARK_BELOW != 0 { MATCHED_FILE } else { matched };
    let fs_magic = file::fs_magic(executed).ok_or(UNREADABLE)?;
    Ok(Some(Match { matched, file: key, name: name.as_name(), fs_magic, wait: listed.wait }))
}

/// Notes for the commit that the file is a program of many names. It is not listed itself.
#[inline(always)]
fn is_noted(state: &mut TaskState) -> bool {
    state.marks |= MARK_MANY_NAMES;
    false
}

/// The marks, as they are in the map. Of a value there the verifier knows nothing, and does not follow each way to it.
#[inline(always)]
fn marks(state: &TaskState) -> u32 {
    // SAFETY: the field of a reference.
    unsafe { core::ptr::read_volatile(&raw const state.marks) }
}

/// Neither the file nor one of its names is listed.
#[inline(always)]
fn by_what_is_below<'a>(state: &TaskState, file: FileKey) -> Result<Option<Match<'a>>, NoAnswer> {
    let marks = marks(state);
    if marks & (MARK_BELOW | MARK_UNREADABLE) == 0 {
        Ok(None)
    } else if marks & MARK_UNREADABLE != 0 {
        Err(NoAnswer::Unreadable)
    } else {
        Err(NoAnswer::Below(file))
    }
}
