//! The states of a request, and the words that they are told in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    id::{HoldId, RequestId},
    policy::Wait,
    time::{BootTime, WallTime},
};

/// One request and all that decides what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What people call it.
    pub id: RequestId,
    /// What the kernel calls it.
    pub hold: HoldId,
    /// How the task waits.
    pub wait: Wait,
    /// When the request was made.
    pub made_at: BootTime,
    /// The first clock: without a verdict by then it is denied.
    pub deadline: BootTime,
    /// The second clock: how long an approval waits for the task to go on.
    pub valid_for: Duration,
    /// Where it stands.
    pub state: State,
}

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// The task waits, and so do we: for a vote.
    Pending,
    /// Approved, and the allowance stands until then. The task has not gone on yet.
    Approved {
        /// When the allowance ends.
        valid_until: BootTime,
    },
    /// Not approved, or not any more; the task has not had its EPERM yet, or the kernel has not said yet that a filed
    /// action was not tried again in time.
    Refusing {
        /// What ended the request.
        verdict: Verdict,
        /// Whether an allowance stood before, so that the kernel may already have used it.
        had_allowance: bool,
    },
    /// The kernel let the program start.
    Running,
    /// Nothing can happen any more.
    Ended {
        /// What was decided.
        verdict: Verdict,
        /// What came of it.
        outcome: Outcome,
    },
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// People, or a rule, said yes.
    Approved,
    /// People, or a rule, said no.
    Denied,
    /// A clock ran out: nobody answered, or the task did not go on.
    Expired,
    /// The task went away, was signalled, or could not be looked at.
    Cancelled,
}

/// What came of a held action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// The program ran to its end. `status` is the wait status (wait(2)), or null where it was not seen.
    Executed {
        /// The wait status: `exit code << 8`, or the signal in the low seven bits.
        status: Option<i32>,
    },
    /// The kernel half killed the process before the program's first instruction.
    Killed,
    /// The exec failed with EPERM.
    Refused,
    /// The task ended or turned away before its exec went on.
    NeverRan,
}

/// A yes or a no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteKind {
    /// Let it run.
    Approve,
    /// Do not let it run.
    Deny,
}

/// One person's vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Yes or no.
    pub kind: VoteKind,
    /// Whose vote it is.
    pub voter: Voter,
    /// Why, in the voter's words.
    pub reason: Option<String>,
    /// When it was received.
    pub at: WallTime,
}

/// A person who votes, and by which way the vote came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voter {
    /// The user's name, or `uid N` where the host knows none.
    pub name: String,
    /// The user id of the process that voted.
    pub uid: u32,
    /// The login user id of the process that voted.
    pub login_uid: Option<u32>,
    /// The channel, such as `cli`.
    pub channel: String,
}

impl Request {
    /// Whether a vote can still decide it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    /// Whether nothing can happen to it any more.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// The verdict, once there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match self.state {
            State::Pending => None,
            State::Approved { .. } | State::Running => Some(Verdict::Approved),
            State::Refusing { verdict, .. } | State::Ended { verdict, .. } => Some(verdict),
        }
    }
}
