//! Lets a held task go on: the agent's parents that stopped because of it first, then the task.

use holdpoint_abi::{Hold, PHASE_HELD};
use holdpoint_core::{id::HoldId, time::BootTime};
use tracing::debug;

use super::Engine;
use crate::{
    kernel::Tags,
    observe::process,
    sys::process::{Process, Signal},
};

/// Parents that are looked at. sudo in sudo in sudo has three.
const MAX_PARENTS: usize = 64;

impl Engine {
    /// Tries once, and sets the alarm for the next try.
    pub(super) fn try_release(&mut self, hold: HoldId, now: BootTime) {
        let Some(entry) = self.entries.get_mut(&hold) else { return };
        let Some(release) = entry.release else { return };
        if release.next > now {
            return;
        }
        if let Ok(Some(kernel)) = self.gate.hold(hold.0.get()) {
            entry.kernel = kernel;
        }
        if entry.kernel.phase != PHASE_HELD {
            entry.release = None;
            return;
        }
        go_on(&entry.kernel, self.gate.tags());
        let release = release.tried(now);
        entry.release = Some(release);
        self.alarms.push(std::cmp::Reverse((release.next, hold)));
    }
}

/// Continues the stopped parents inside the agent that were stopped after the hold began, the outermost first,
/// and then the held process. sudo, su and runuser stop themselves when their child stops.
pub(crate) fn go_on(hold: &Hold, tags: &Tags) {
    // A SIGCONT to one that runs would do nothing but call its handler.
    let Some(held) = process::held(hold).filter(|stat| is_stopped(stat.state)) else { return };
    let mut parents = Vec::new();
    let mut pid = held.parent;
    while pid > 1 && parents.len() < MAX_PARENTS {
        let Ok(process) = Process::open(pid) else { break };
        let Some(stat) = process::stat(pid) else { break };
        let Ok(state) = tags.get(&process) else { break };
        if state.agent != hold.agent {
            break;
        }
        if is_stopped(stat.state) && state.stop_sent_at >= hold.held_at {
            parents.push(process);
        }
        pid = stat.parent;
    }
    let Ok(task) = Process::open(hold.tgid) else { return };
    if !process::is_the_one(hold) {
        return;
    }
    for process in parents.iter().rev().chain([&task]) {
        if let Err(cause) = process.send(Signal::Continue) {
            debug!(pid = hold.tgid, %cause, "cannot continue a process; it has ended");
        }
    }
}

/// Continues a held process whose handler for a pending signal could not run.
pub(super) fn let_handler_run(hold: &Hold) {
    let stopped = process::held(hold).is_some_and(|stat| is_stopped(stat.state));
    let Ok(task) = Process::open(hold.tgid) else { return };
    if stopped && process::is_the_one(hold) && task.send(Signal::Continue).is_err() {
        debug!(pid = hold.tgid, "cannot continue a process; it has ended");
    }
}

fn is_stopped(state: char) -> bool {
    matches!(state, 'T' | 't')
}
