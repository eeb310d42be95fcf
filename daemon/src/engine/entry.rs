//! What the engine keeps in memory of a hold. The rest of a request lies in the store.

use std::time::Duration;

use holdpoint_abi::Hold;
use holdpoint_core::{id::AgentId, request::Request, time::BootTime};

use super::joined::Own;
use crate::bound::Bound;

/// A hold that is not over.
pub(super) struct Entry {
    /// What the kernel said when it was last looked at.
    pub(super) kernel: Hold,
    /// How far we are with it.
    pub(super) stage: Stage,
    /// What an approval is bound to, once that was read.
    pub(super) bound: Option<Bound>,
    /// Letting the task go on, while the kernel has not said that it did.
    pub(super) release: Option<Release>,
    /// Sweeps in a row that found the task outside of its exec, or no record of what was filed.
    pub(super) astray: u8,
    /// Whether a reader is looking whether it is.
    pub(super) looking: bool,
}

/// How far we are with a hold.
pub(super) enum Stage {
    /// It was filed, and the record that says what it is has not come yet.
    Awaiting,
    /// A reader is looking at it.
    Observing,
    /// No rule is about it; it goes on, and nobody is asked.
    Passing,
    /// It waits with the request about the identical action.
    Joined(Box<Own>),
    /// It is a request.
    Request(Box<Tracked>),
}

/// A request that is not over.
pub(super) struct Tracked {
    pub(super) request: Request,
    pub(super) agent: AgentId,
    pub(super) agent_name: String,
}

/// The tries to let a task go on: one SIGCONT may be undone by the hold of a sibling thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    pub(super) next: BootTime,
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Entry {
    pub(super) fn new(kernel: Hold, stage: Stage) -> Self {
        Self { kernel, stage, bound: None, release: None, astray: 0, looking: false }
    }

    pub(super) fn tracked(&self) -> Option<&Tracked> {
        match &self.stage {
            Stage::Request(tracked) => Some(tracked),
            Stage::Awaiting | Stage::Observing | Stage::Passing | Stage::Joined(_) => None,
        }
    }

    pub(super) fn tracked_mut(&mut self) -> Option<&mut Tracked> {
        match &mut self.stage {
            Stage::Request(tracked) => Some(tracked),
            Stage::Awaiting | Stage::Observing | Stage::Passing | Stage::Joined(_) => None,
        }
    }
}

impl Release {
    pub(super) fn begin(now: BootTime) -> Self {
        Self { next: now, pause: FIRST_PAUSE }
    }

    /// The same after a try, with the next one put off twice as long.
    pub(super) fn tried(self, now: BootTime) -> Self {
        Self { next: now.after(self.pause), pause: (self.pause * 2).min(LONGEST_PAUSE) }
    }
}
