//! Agents that are declared: by user and by unit at any exec, by executable when it is executed.
//!
//! Decided here and not in the daemon, so that there is no moment in which such a process could run a listed program
//! unseen: it becomes an agent's before its exec is looked for in the lists.

use aya_ebpf::helpers::{
    bpf_get_current_pid_tgid, bpf_get_current_uid_gid, generated::bpf_get_current_cgroup_id,
};
use holdpoint_abi::{Counter, Declared, Doorbell, NAME_LENGTH, Place, RING_AGENT, TaskState};

use crate::{
    count, holds,
    kernel::{
        Pointer, bprm, file,
        task::{self, Task},
    },
    maps::{AGENT_CGROUPS, AGENT_FILES, AGENT_PLACES, AGENT_USERS, META},
    tag::{self, Tag},
};

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
pub fn at_check(tag: Tag, bprm: Pointer) -> Becomes {
    if let Tag::Becoming(state) = tag {
        // An interpreter is a part of the exec that was looked at before.
        if bprm::is_interpreter(bprm) == Some(true) {
            return Becomes::Nothing;
        }
        // What it was to become in an exec that failed.
        state.becoming = 0;
    }
    // Most hosts declare nothing, and pay for this look alone.
    if META.get(0).is_none_or(|meta| meta.declared == 0) {
        return Becomes::Nothing;
    }
    if let Some(agent) = by_user().or_else(by_unit) {
        let Some(state) = tag::create(task::current()) else {
            return Becomes::Impossible;
        };
        tagged(state, agent);
        return Becomes::Agent(state);
    }
    let Some(agent) = by_executable(bprm) else {
        return Becomes::Nothing;
    };
    // The exec may still fail, and then nothing has become of the process.
    match tag::create(task::current()) {
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
        // SAFETY: as above.
        agent(unsafe { AGENT_CGROUPS.get(task::cgroup(task)?) })
    };
    of_user().or_else(of_unit)
}

#[inline(always)]
fn tagged(state: &mut TaskState, agent: u32) {
    state.becoming = 0;
    state.agent = agent;
    count::add(Counter::AgentsDeclared);
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    holds::ring(Doorbell { hold: u64::from(agent), kind: RING_AGENT, tgid });
}

#[inline(always)]
fn by_user() -> Option<u32> {
    let user = bpf_get_current_uid_gid() as u32;
    // SAFETY: the daemon writes whole entries.
    agent(unsafe { AGENT_USERS.get(user) })
}

#[inline(always)]
fn by_unit() -> Option<u32> {
    // SAFETY: the helper has no preconditions.
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    // SAFETY: as above.
    agent(unsafe { AGENT_CGROUPS.get(cgroup) })
}

/// By the file itself, and by its name in its directory, which an upgrade gives to another file.
#[inline(always)]
fn by_executable(bprm: Pointer) -> Option<u32> {
    let executed = bprm::file(bprm)?;
    let key = file::key(executed)?;
    // SAFETY: the daemon writes whole entries.
    if let Some(agent) = agent(unsafe { AGENT_FILES.get(key) }) {
        return Some(agent);
    }
    let mut place = Place { directory: file::directory(executed)?, name: [0; NAME_LENGTH] };
    file::name(executed, &mut place.name)?;
    // SAFETY: as above.
    agent(unsafe { AGENT_PLACES.get(place) })
}

#[inline(always)]
fn agent(declared: Option<&Declared>) -> Option<u32> {
    declared.map(|declared| declared.agent).filter(|agent| *agent != 0)
}
