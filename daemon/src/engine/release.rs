//! Lets a held task go on: the agent's parents that stopped because of it first, then the task.

use holdpoint_abi::{Hold, PHASE_HELD};
use holdpoint_core::{id::HoldId, time::BootTime};
use tracing::debug;

use super::{Engine, entry::Entry};
use crate::{
    failpoint::{self, Point},
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

/// Sweeps in which a process is looked at after one of its held threads has gone.
const SURVIVOR_SWEEPS: u8 = 3;

impl Engine {
    /// A held thread has gone. Where a sibling's exec ended it, the stop that was meant for it may hit the new
    /// program of the process, which nobody holds and nobody would continue.
    pub(super) fn thread_has_gone(&mut self, hold: Hold) {
        if self.continue_survivor(&hold) {
            self.survivors.push((hold, SURVIVOR_SWEEPS));
        }
    }

    /// Looks again at the processes whose stop may still have been on its way.
    pub(super) fn continue_survivors(&mut self) {
        for (hold, sweeps) in std::mem::take(&mut self.survivors) {
            if self.continue_survivor(&hold) && sweeps > 1 {
                self.survivors.push((hold, sweeps - 1));
            }
        }
    }

    /// Continues the process if it is stopped and none of its threads is held. False where it has ended.
    fn continue_survivor(&self, hold: &Hold) -> bool {
        let Some(stat) = process::of_the_same(hold) else { return false };
        let mut entries = self.entries.values();
        let held = |entry: &Entry| entry.kernel.tgid == hold.tgid && entry.kernel.phase == PHASE_HELD;
        if is_stopped(stat.state)
            && !entries.any(held)
            && let Ok(process) = Process::open(hold.tgid)
            && process::of_the_same(hold).is_some()
            && process.send(Signal::Continue).is_err()
        {
            debug!(pid = hold.tgid, "cannot continue a process; it has ended");
        }
        true
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
        // Looking a tag up is the dearest of this, and most parents run.
        if is_stopped(stat.state)
            && let Ok(state) = tags.get(&process)
            && state.agent == hold.agent
            && state.stop_sent_at >= hold.held_at
        {
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
    failpoint::reach(Point::Resumed);
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
