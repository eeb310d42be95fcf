//! The life of an agent's tasks: fork, signals, exit.

use aya_ebpf::programs::{BtfTracePointContext, LsmContext};
use holdpoint_abi::{Counter, Doorbell, PHASE_EXITED, PHASE_GONE, PHASE_HELD, PHASE_RUNNING, RING_SIGNAL};

use crate::{
    attach, count,
    guard::trace::{self, CLONE_THREAD},
    holds,
    kernel::{
        signal,
        task::{self, Task},
    },
    tag::{self, Tag},
};

const EAGAIN: i32 = -11;
/// Nanoseconds between two doorbells about signals to one process: an agent that signals itself in a loop must not
/// fill the ring. The daemon's sweep finds what was not rung for.
const SIGNAL_PAUSE: u64 = 100_000_000;

/// `task_alloc(struct task_struct *task, unsigned long clone_flags)`: the child gets the parent's tag.
#[inline(always)]
pub fn inherit(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(2);
    if so_far != 0 {
        return so_far;
    }
    let child: Task = ctx.arg(0);
    let place = tag::place(child);
    place.begin();
    let Tag::Agent(parent) = tag::of_current() else { return 0 };
    let clone_flags: u64 = ctx.arg(1);
    let Some(state) = place.create() else {
        count::add(Counter::ForkRefused);
        return EAGAIN;
    };
    attach::inherit(parent, state);
    place.know();
    // A thread lives in the same program as its parent; a process is another one.
    trace::begins(parent, state, clone_flags);
    state.run = if clone_flags & CLONE_THREAD != 0 { parent.run } else { 0 };
    0
}

/// `signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)`
#[inline(always)]
pub fn signalled(ctx: &BtfTracePointContext) {
    let number: i32 = ctx.arg(0);
    // Most signals tell a parent of a child, and are of no interest: not worth a look-up.
    if !signal::stops(number) && !signal::ends(number) {
        return;
    }
    let receiver: Task = ctx.arg(2);
    let Tag::Agent(state) = tag::of(receiver) else {
        return;
    };
    if signal::stops(number) {
        state.stop_sent_at = holds::now();
    } else if task::is_stopped(receiver) {
        let now = holds::now();
        if now.wrapping_sub(state.rang_at) < SIGNAL_PAUSE {
            return;
        }
        state.rang_at = now;
        let tgid = task::tgid(receiver);
        holds::ring(Doorbell { hold: 0, kind: RING_SIGNAL, tgid });
    }
}

/// `sched_process_exit(struct task_struct *p)`
#[inline(always)]
pub fn exited(ctx: &BtfTracePointContext) {
    let task: Task = ctx.arg(0);
    let Tag::Agent(state) = tag::of(task) else {
        return;
    };
    state.ended = 1;
    if let Some(hold) = holds::get(state.hold)
        && hold.phase == PHASE_HELD
    {
        holds::take_answer(state.hold);
        holds::enter(state.hold, hold, PHASE_GONE, 0);
    }
    state.hold = 0;
    if !task::is_last_thread(task) {
        return;
    }
    if let Some(hold) = holds::get(state.run)
        && hold.phase == PHASE_RUNNING
    {
        hold.exit_status = task::exit_status(task).unwrap_or(0);
        holds::enter(state.run, hold, PHASE_EXITED, 0);
    }
    state.run = 0;
}

/// `task_free(struct task_struct *task)`: nobody has the task any more. Also where a fork has failed.
#[inline(always)]
pub fn freed(ctx: &LsmContext) {
    tag::place(ctx.arg(0)).end();
}
