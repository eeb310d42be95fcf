//! Agents that are declared: by user and by unit at any exec, by executable when it is executed.
//!
//! Decided here and not in the daemon, so that there is no moment in which such a process could run a listed program
//! unseen: it becomes an agent's before its exec is looked for in the lists.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_get_current_uid_gid, generated::bpf_get_current_ancestor_cgroup_id,
};
use holdpoint_abi::{
    Counter, DECLARED_UNITS, Declared, Doorbell, MAX_CGROUP_DEPTH, Place, RING_AGENT, TaskState,
};

use crate::{
    count, holds,
    kernel::{
        Known, bprm, cgroup, file,
        task::{self, Task},
        text::Text,
    },
    maps::{AGENT_CGROUPS, AGENT_FILES, AGENT_PLACES, AGENT_USERS, META},
    standing,
    tag::{self, Tag},
};

/// Nanoseconds between two doorbells about declared agents: whoever executes one in a loop must not fill the ring, which
/// new holds need.
const AGENT_PAUSE: u64 = 20_000_000;

/// What an exec of a process that is no agent's makes of it.
pub enum Becomes {
    /// Nothing.
    Nothing,
    /// An agent's, now.
    Agent(&'static mut TaskState),
    /// It is declared, and cannot be tagged: no memory.
    Impossible,
}

/// A process that is no agent's executes a file.
#[inline(always)]
pub fn at_check(tag: Tag, bprm: Known) -> Becomes {
    if let Tag::Becoming(state) = tag {
        // An interpreter is a part of the exec that was looked at before.
        if bprm::is_interpreter(bprm) {
            return Becomes::Nothing;
        }
        // What it was to become in an exec that failed.
        state.becoming = 0;
    }
    // Most hosts declare nothing, and pay for this look alone.
    let declared = META.get(0).map_or(0, |meta| meta.declared);
    if declared == 0 {
        return Becomes::Nothing;
    }
    let of_unit = || if declared & DECLARED_UNITS != 0 { by_unit() } else { None };
    if let Some(agent) = by_user().or_else(of_unit) {
        let Some(state) = tag::create_current() else {
            return Becomes::Impossible;
        };
        tagged(state, agent);
        return Becomes::Agent(state);
    }
    let Some(agent) = by_executable(bprm) else {
        return Becomes::Nothing;
    };
    // The exec may still fail, and then nothing has become of the process.
    match tag::create_current() {
        Some(state) => {
            state.becoming = agent;
            Becomes::Nothing
        }
        None => Becomes::Impossible,
    }
}

/// The exec of a declared executable is past its point of no return.
#[inline(always)]
pub fn at_commit(state: &mut TaskState) {
    let agent = state.becoming;
    state.tid = task::tid(task::current());
    tagged(state, agent);
}

/// The agent that a task belongs to by its user or unit.
#[inline(always)]
pub fn declared(task: Task) -> Option<u32> {
    let of_user = || {
        // SAFETY: the daemon writes whole entries.
        agent(unsafe { AGENT_USERS.get(task::user(task)?) })
    };
    let of_unit = || {
        let mut group = task::cgroup(task)?;
        let mut depth = 0;
        while depth < MAX_CGROUP_DEPTH {
            // SAFETY: as above.
            if let Some(agent) = agent(unsafe { AGENT_CGROUPS.get(cgroup::id(group)?) }) {
                return Some(agent);
            }
            group = cgroup::parent(group)?;
            depth += 1;
        }
        None
    };
    of_user().or_else(of_unit)
}

#[inline(always)]
fn tagged(state: &mut TaskState, agent: u32) {
    state.becoming = 0;
    state.home = standing::home(task::current());
    state.agent = agent;
    tag::know_current();
    count::add(Counter::AgentsDeclared);
    let Some(meta) = META.get_ptr_mut(0) else { return };
    let now = holds::now();
    // SAFETY: the slot of an array map is memory for ever. Where two tasks write at once, one ring more or less is all.
    let rang_at = unsafe { &mut (*meta).agent_rang_at };
    if now.wrapping_sub(*rang_at) < AGENT_PAUSE {
        return;
    }
    *rang_at = now;
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    holds::ring(Doorbell { hold: u64::from(agent), kind: RING_AGENT, tgid });
}

#[inline(always)]
fn by_user() -> Option<u32> {
    let user = bpf_get_current_uid_gid() as u32;
    // SAFETY: the daemon writes whole entries.
    agent(unsafe { AGENT_USERS.get(user) })
}

/// By the cgroup, or one above it: what has been delegated to a unit is the unit's.
#[inline(always)]
fn by_unit() -> Option<u32> {
    let mut level = 1;
    while level <= MAX_CGROUP_DEPTH {
        // SAFETY: the helper has no preconditions; it gives zero below the task's own cgroup.
        let cgroup = unsafe { bpf_get_current_ancestor_cgroup_id(level as i32) };
        if cgroup == 0 {
            return None;
        }
        // SAFETY: the daemon writes whole entries.
        if let Some(agent) = agent(unsafe { AGENT_CGROUPS.get(cgroup) }) {
            return Some(agent);
        }
        level += 1;
    }
    None
}

/// By the file itself, and by its name in its directory, which an upgrade gives to another file.
#[inline(always)]
fn by_executable(bprm: Known) -> Option<u32> {
    let executed = bprm::file(bprm)?;
    let key = file::key(executed)?;
    // SAFETY: the daemon writes whole entries.
    if let Some(agent) = agent(unsafe { AGENT_FILES.get(key) }) {
        return Some(agent);
    }
    let mut name = MaybeUninit::uninit();
    let name = Text::begin(&mut name);
    file::name(executed, name)?;
    let place = Place { directory: file::directory(executed)?, name: *name.as_name() };
    // SAFETY: as above.
    agent(unsafe { AGENT_PLACES.get(place) })
}

#[inline(always)]
fn agent(declared: Option<&Declared>) -> Option<u32> {
    declared.map(|declared| declared.agent).filter(|agent| *agent != 0)
}
