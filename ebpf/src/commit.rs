//! The check after the point of no return: what is about to begin is what was approved, and only once.

use aya_ebpf::{helpers::generated::bpf_send_signal, programs::LsmContext};
use holdpoint_abi::{
    CANARY_AGENT, CAUSE_ARGUMENTS, CAUSE_CORRUPT, CAUSE_EXPIRED, CAUSE_USED, Counter, Hold, MARK_MANY_NAMES,
    PHASE_GONE, PHASE_HELD, PHASE_KILLED, PHASE_REPLACED, PHASE_RUNNING, TaskState, VERDICT_ALLOW,
};

use crate::{
    agents, arguments, bound, count,
    guard::is_left_out,
    holds,
    kernel::{Known, signal::SIGKILL, task},
    named, retry, standing,
    tag::{self, Tag},
    variables,
};

/// `bprm_committed_creds(struct linux_binprm *bprm)`
#[inline(always)]
pub fn check(ctx: &LsmContext) {
    let bprm = Known::new(ctx.arg(0));
    match tag::of_current() {
        Tag::Agent(state) => committed(state, bprm),
        Tag::Becoming(state) => agents::at_commit(state),
        Tag::None => {}
    }
}

#[inline(always)]
fn committed(state: &mut TaskState, bprm: Known) {
    let passing = state.passing;
    let waiting = state.hold;
    state.passing = 0;
    state.hold = 0;
    // It is the only thread now, with memory of its own, and the number of the first one.
    state.tid = task::tid(task::current());
    state.waited_at = 0;
    if passing == 0 {
        // A program that is not listed took the place of the held one.
        if let Some(hold) = holds::get(waiting)
            && hold.phase == PHASE_HELD
        {
            holds::take_answer(waiting);
            holds::enter(waiting, hold, PHASE_GONE, 0);
        }
        if state.marks & MARK_MANY_NAMES != 0 && named::is_refused(state, bprm) {
            send_kill();
        }
        return;
    }
    let Some(hold) = holds::get(passing) else {
        kill();
        return;
    };
    let filed = hold.arguments != [0; 2];
    let cause = why_not(state, passing, hold, bprm);
    if filed && cause == CAUSE_USED {
        // Another retry was faster, and the hold is about that one; or the daemon has withdrawn the allowance, and says
        // itself what became of the request.
        kill();
        return;
    }
    if filed {
        retry::used(hold);
        retry::claim(hold);
    }
    if cause != 0 && !is_let_live(state) {
        holds::enter(passing, hold, PHASE_KILLED, cause);
        kill();
        return;
    }
    if let Some(before) = holds::get(state.run)
        && before.phase == PHASE_RUNNING
    {
        holds::enter(state.run, before, PHASE_REPLACED, 0);
    }
    state.run = passing;
    // An exec by a thread that is not the leader makes it the leader.
    hold.tid = hold.tgid;
    holds::enter(passing, hold, PHASE_RUNNING, 0);
    count::add_for(state.agent, Counter::Allowed);
}

/// The cause for which what was committed may not run; zero where it may. Uses the allowance up.
#[inline(always)]
fn why_not(state: &TaskState, id: u64, hold: &Hold, bprm: Known) -> u32 {
    let Some(answer) = holds::answer(id) else {
        return CAUSE_USED;
    };
    if !holds::take_answer(id) {
        return CAUSE_USED;
    }
    if answer.verdict != VERDICT_ALLOW {
        return CAUSE_CORRUPT;
    }
    if holds::now() >= answer.expires_at {
        return CAUSE_EXPIRED;
    }
    let moved = standing::why_not_at_commit(hold);
    if moved != 0 {
        return moved;
    }
    if hold.arguments == [0; 2] {
        return bound::why_not(state, &answer, bprm);
    }
    // A retry is another exec, and known by its arguments alone. Its environment is not a part of them.
    if !arguments::are_committed(state, hold.arguments, bprm) {
        return CAUSE_ARGUMENTS;
    }
    variables::why_not(state, &answer, bprm)
}

/// Whether a test has taken this last check away, to see an attack succeed. Not from the canary, without whose death there
/// is no daemon to test.
#[inline(always)]
fn is_let_live(state: &TaskState) -> bool {
    state.agent != CANARY_AGENT && is_left_out(Counter::Killed)
}

#[inline(always)]
fn kill() {
    count::add(Counter::Killed);
    send_kill();
}

#[inline(always)]
fn send_kill() {
    // SAFETY: the helper has no preconditions. It runs for the current task, with interrupts on: the signal
    // is pending before the new program's first instruction.
    let _sent = unsafe { bpf_send_signal(SIGKILL) };
}
