//! Actions that wait with another's request, since they are the identical action of the same agent.

use super::Verdict;
use crate::{facts::ExecFacts, id::HoldId, policy::Decision};

/// The holds that wait with one request beside its own, in the order in which they came.
///
/// A vote is about what its voter was shown. So an approval by somebody who was shown three processes lets the request's
/// own go on and the first two of these, each by an allowance of its own. Nothing else lets any of them go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined(Vec<HoldId>);

/// What becomes of the holds that waited with a request and that no vote was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// They are refused: people said no, or nothing in time.
    Refuse,
    /// People are asked anew.
    AskAnew,
}

impl Joined {
    /// One more waits.
    pub fn join(&mut self, hold: HoldId) {
        self.leave(hold);
        self.0.push(hold);
    }

    /// One waits no more. False where it did not.
    pub fn leave(&mut self, hold: HoldId) -> bool {
        let before = self.0.len();
        self.0.retain(|known| *known != hold);
        self.0.len() < before
    }

    /// Those that wait.
    #[must_use]
    pub fn holds(&self) -> &[HoldId] {
        &self.0
    }

    /// Takes out those that an approval is about, whose voter was shown so many processes, the request's own included.
    #[must_use]
    pub fn approved(&mut self, shown: u64) -> Vec<HoldId> {
        let others = usize::try_from(shown.saturating_sub(1)).unwrap_or(usize::MAX);
        self.0.drain(..others.min(self.0.len())).collect()
    }
}

/// What becomes of what is left when a request ends so.
#[must_use]
pub const fn fate(verdict: Verdict) -> Fate {
    match verdict {
        Verdict::Denied | Verdict::Expired => Fate::Refuse,
        // The approval was about others, or the request's own process has gone.
        Verdict::Approved | Verdict::Cancelled => Fate::AskAnew,
    }
}

/// Whether one action may wait with the request of another: a person sees no difference but the processes.
///
/// Whether the whole environment is the same is not in the facts; the daemon compares what an approval is bound to.
#[must_use]
pub fn is_identical(one: (&ExecFacts, &Decision), other: (&ExecFacts, &Decision)) -> bool {
    let as_one = |facts: &ExecFacts| ExecFacts {
        pid: one.0.pid,
        tid: one.0.tid,
        parents: one.0.parents.clone(),
        ..facts.clone()
    };
    one.1 == other.1 && *one.0 == as_one(other.0)
}
