//! Tagging what runs already: an iterator over all tasks, and forks that were in flight when it came by.

use aya_ebpf::programs::BtfTracePointContext;
use holdpoint_abi::{Attaching, MAX_CGROUP_DEPTH, SELECT_CGROUP, SELECT_DECLARED, SELECT_PROCESS, TaskState};

use crate::{
    agents,
    kernel::{
        cgroup,
        task::{self, Task},
    },
    maps::ATTACHING,
    tag::{self, Tag},
};

/// One task of a pass of the iterator.
///
/// Tags it if it is selected, or if its process or its parent has the tag already. The daemon makes passes until one tags
/// nothing.
#[inline(always)]
pub fn visit(task: Task) {
    let Some(attaching) = ATTACHING.get_ptr_mut(0) else { return };
    // SAFETY: the slot of an array map is memory for ever. The daemon makes one pass at a time, and reads between them.
    let attaching = unsafe { &mut *attaching };
    if attaching.select == 0 {
        return;
    }
    let selected = selected(attaching, task);
    match tag::of(task) {
        Tag::Agent(state) => {
            if selected != NONE && selected != state.agent {
                attaching.others += 1;
            }
        }
        Tag::None | Tag::Becoming(_) => {
            let mut agent = selected;
            if agent == NONE {
                agent = inherited(attaching, task::group_leader(task));
            }
            if agent == NONE {
                agent = inherited(attaching, task::real_parent(task));
            }
            if agent == NONE {
                return;
            }
            let place = tag::place(task);
            match place.get_or_create() {
                Some(state) => {
                    state.tid = task::tid(task);
                    state.agent = agent;
                    place.know();
                    attaching.tagged += 1;
                }
                None => attaching.failed += 1,
            }
        }
    }
}

/// `sched_process_fork(struct task_struct *parent, struct task_struct *child)`: the child has its number now. The parent,
/// which is the current task, may have been tagged after the child was allocated.
#[inline(always)]
pub fn forked(ctx: &BtfTracePointContext) {
    if !tag::can_be_current() {
        return;
    }
    let child: Task = ctx.arg(1);
    let place = tag::place(child);
    let state = match place.get() {
        Some(state) => state,
        None => {
            let Tag::Agent(parent) = tag::of_current() else { return };
            let Some(state) = place.create() else { return };
            inherit(parent, state);
            place.know();
            state
        }
    };
    state.tid = task::tid(child);
}

/// What a child has of its parent.
#[inline(always)]
pub fn inherit(parent: &TaskState, child: &mut TaskState) {
    child.agent = parent.agent;
}

/// No agent. A number and not an `Option`: of one without a value the compiler reads what was never written, which the
/// verifier refuses.
const NONE: u32 = 0;

/// Nanoseconds of a tick of `/proc/PID/stat`.
const TICK: u64 = 10_000_000;

/// The agent that the task is to belong to.
#[inline(always)]
fn selected(attaching: &Attaching, task: Task) -> u32 {
    let is_it = match attaching.select {
        SELECT_PROCESS => is_process(attaching, task),
        SELECT_CGROUP => is_in_cgroup(attaching, task),
        SELECT_DECLARED => return agents::declared(task).unwrap_or(NONE),
        _ => false,
    };
    if is_it { attaching.agent } else { NONE }
}

#[inline(always)]
fn is_process(attaching: &Attaching, task: Task) -> bool {
    u64::from(task::tgid(task)) == attaching.value
        && task::process_started_at(task) / TICK == attaching.started_at
}

#[inline(always)]
fn is_in_cgroup(attaching: &Attaching, task: Task) -> bool {
    let mut group = task::cgroup(task);
    let mut depth = 0;
    while depth < MAX_CGROUP_DEPTH {
        let Some(this) = group else { return false };
        if cgroup::id(this) == Some(attaching.value) {
            return true;
        }
        group = cgroup::parent(this);
        depth += 1;
    }
    false
}

/// The agent of the task's process or parent, where it is the one that is attached.
#[inline(always)]
fn inherited(attaching: &Attaching, from: Task) -> u32 {
    match tag::of(from) {
        Tag::Agent(state) if attaching.agent == NONE || state.agent == attaching.agent => state.agent,
        _ => NONE,
    }
}
