//! Tracing: an agent's debugger works on the agent's own, and on nothing that waits or was approved.

use aya_ebpf::programs::LsmContext;
use holdpoint_abi::{Counter, PHASE_RUNNING, TaskState};

use super::{Attempt, PASS, current_agent, refuse};
use crate::{
    holds,
    kernel::{
        Known,
        task::{self, Task},
    },
    maps::offset,
    tag::{self, Tag},
};

/// `PTRACE_MODE_ATTACH`: to trace, to read and write memory, to take descriptors. Without it something is only looked at
/// (<https://github.com/torvalds/linux/blob/v6.1/include/linux/ptrace.h>).
const ATTACH: u32 = 0x2;
/// `LSM_UNSAFE_SHARE` and `LSM_UNSAFE_PTRACE` (<https://github.com/torvalds/linux/blob/v6.1/include/linux/security.h>).
const SHARED: u32 = 1;
const TRACED: u32 = 2;

/// Flags of clone(2).
const CLONE_VM: u64 = 0x100;
pub const CLONE_THREAD: u64 = 0x1_0000;

/// `ptrace_access_check(struct task_struct *child, unsigned int mode)`
#[inline(always)]
pub fn accessed(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(2);
    if so_far != 0 {
        return so_far;
    }
    let Some(agent) = current_agent() else { return PASS };
    let mode: u32 = ctx.arg(1);
    if mode & ATTACH == 0 {
        return PASS;
    }
    let target: Task = ctx.arg(0);
    if may_be_traced(target) { PASS } else { refuse(Counter::TraceRefused, &about(agent, target)) }
}

/// `ptrace_traceme(struct task_struct *parent)`: the current task asks to be traced by its parent.
#[inline(always)]
pub fn offered(ctx: &LsmContext) -> i32 {
    let so_far: i32 = ctx.arg(1);
    if so_far != 0 {
        return so_far;
    }
    let parent: Task = ctx.arg(0);
    // A person's debugger may have it traced, whatever it runs.
    let Tag::Agent(state) = tag::of(parent) else { return PASS };
    let agent = state.agent;
    let current = task::current();
    if may_be_traced(current) { PASS } else { refuse(Counter::TraceRefused, &about(agent, current)) }
}

/// Whether a listed exec may go on: not where an agent traces the process, which could write what the check has read, nor
/// where another process can change its directories.
#[inline(always)]
pub fn may_execute(state: &TaskState, bprm: Known) -> bool {
    let dangers: u32 = bprm.value(offset!(bprm_unsafe));
    // The tracer of a task that has one is its `parent`.
    let traced = dangers & TRACED != 0 && matches!(tag::of(task::tracer(task::current())), Tag::Agent(_));
    if dangers & SHARED == 0 && !traced {
        return true;
    }
    refuse(Counter::RefusedTraced, &Attempt::by(state.agent)) == PASS
}

/// Notes that an exec of the current process is held.
#[inline(always)]
pub fn waits() {
    if let Tag::Agent(first) = tag::of(task::group_leader(task::current())) {
        first.waited_at = holds::now();
    }
}

/// Notes that a new process shares the memory of the current one, as between vfork and exec, where that must not be
/// traced. Threads are found by their process.
#[inline(always)]
pub fn begins(parent: &TaskState, child: &mut TaskState, clone_flags: u64) {
    let shares = clone_flags & CLONE_VM != 0 && clone_flags & CLONE_THREAD == 0;
    if shares && !(may_be_traced_now(parent) && leader_has_not_waited(task::current(), parent)) {
        child.waited_at = holds::now();
    }
}

/// Whether an agent may trace the task: one that is an agent's, and neither waits nor runs what was approved.
#[inline(always)]
fn may_be_traced(target: Task) -> bool {
    let Tag::Agent(state) = tag::of(target) else { return false };
    may_be_traced_now(state) && leader_has_not_waited(target, state)
}

#[inline(always)]
fn may_be_traced_now(state: &TaskState) -> bool {
    state.hold == 0
        && state.passing == 0
        && !holds::get(state.run).is_some_and(|hold| hold.phase == PHASE_RUNNING)
}

/// Whether no exec of the process was held since its program began. The first thread knows.
#[inline(always)]
fn leader_has_not_waited(task: Task, state: &TaskState) -> bool {
    if state.tid == task::tgid(task) {
        return state.waited_at == 0;
    }
    matches!(tag::of(task::group_leader(task)), Tag::Agent(first) if first.waited_at == 0)
}

#[inline(always)]
fn about(agent: u32, target: Task) -> Attempt {
    Attempt { target: task::tgid(target), ..Attempt::by(agent) }
}
