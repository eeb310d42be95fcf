//! What the store keeps, as the engine hands it over and gets it back.

use holdpoint_core::{
    alleged::Alleged,
    facts::ExecFacts,
    id::{AgentId, RequestId},
    policy::Decision,
    request::{Request, State, Vote},
    time::{BootTime, WallTime},
    wire::{LogEvent, RequestView},
};

use crate::bound::Bound;

/// A request with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRequest {
    /// What decides.
    pub request: Request,
    /// The agent. It must be in the store.
    pub agent: AgentId,
    /// The agent's name. Not written: it is read from the agent's row.
    pub agent_name: String,
    /// The boot in which it was made: its boot times and its hold mean nothing in another.
    pub boot_id: String,
    /// What the policy said.
    pub decision: Decision,
    /// Who, what and where.
    pub facts: Option<ExecFacts>,
    /// What an approval is bound to. None for what could not be looked at.
    pub bound: Option<Bound>,
    /// The request with which it waited, and whose vote was about this, too.
    pub with: Option<RequestId>,
    /// The votes, the oldest first.
    pub votes: Vec<Vote>,
    /// When it was made.
    pub made_at: WallTime,
    /// When it ended.
    pub ended_at: Option<WallTime>,
    /// More about the end.
    pub note: Option<String>,
}

/// One change of the store. A batch of them is written wholly or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// A request that is not in the store yet, with the votes it has.
    NewRequest(Box<StoredRequest>),
    /// A request has changed: all that its machine may change is written.
    UpdateRequest {
        /// The request as it is now.
        request: Request,
        /// When it ended; none leaves what is stored.
        ended_at: Option<WallTime>,
        /// More about it; none leaves what is stored.
        note: Option<String>,
    },
    /// A vote that counted.
    Vote {
        /// On what.
        request: RequestId,
        /// The vote.
        vote: Vote,
    },
    /// A person has denied a request.
    Denied {
        /// Which.
        request: RequestId,
        /// When.
        at: BootTime,
    },
    /// An entry of the record. It gets the next number.
    Log {
        /// When.
        at: WallTime,
        /// The request that it is about.
        request: Option<RequestId>,
        /// The name of the agent that it is about.
        agent: Option<String>,
        /// What happened.
        event: LogEvent,
    },
}

/// An agent that is to be given a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewAgent {
    /// The name it is started under.
    pub name: String,
    /// What it says that it is for.
    pub claim: Option<Alleged>,
    /// The process that is the root of its tree.
    pub root_pid: u32,
    /// When that process started: with the boot and the pid it names one process for ever.
    pub root_start: u64,
    /// The boot.
    pub boot_id: String,
    /// The user that the root runs as.
    pub uid: u32,
    /// Who logged in.
    pub login_uid: Option<u32>,
    /// When it was tagged.
    pub tagged_at: WallTime,
}

/// An agent as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentRow {
    /// Its number, never given to another.
    pub id: AgentId,
    /// The rest.
    pub agent: NewAgent,
    /// Whether it is declared in the configuration, and has no root.
    pub declared: bool,
}

/// What the beginning of an id leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No request begins so.
    None,
    /// Exactly one does.
    One(RequestId),
    /// Several do: some of them, the newest first.
    Many(Vec<RequestId>),
}

impl StoredRequest {
    /// The request as every channel sees it.
    ///
    /// While a clock runs its end is told from the boot clock, which decides, so that a person sees the
    /// right time left after the wall clock was set. Once it has stopped the times are those that stood
    /// when the request was made.
    #[must_use]
    pub(crate) fn view(&self, now_boot: BootTime, now_wall: WallTime) -> RequestView {
        let request = &self.request;
        let wall = |boot: BootTime, clock_runs: bool| {
            if clock_runs && now_boot >= request.made_at {
                shifted(now_wall, now_boot, boot)
            } else {
                shifted(self.made_at, request.made_at, boot)
            }
        };
        RequestView {
            id: request.id.clone(),
            hold: request.hold,
            wait: request.wait,
            state: request.state.clone(),
            facts: self.facts.clone(),
            decision: self.decision.clone(),
            votes: self.votes.clone(),
            made_at: self.made_at,
            deadline: wall(request.deadline, request.is_pending()),
            valid_until: match request.state {
                State::Approved { valid_until } => Some(wall(valid_until, true)),
                _ => None,
            },
            ended_at: self.ended_at,
            note: self.note.clone(),
            joined: Vec::new(),
            with: self.with.clone(),
        }
    }
}

/// The wall time that lies as far from `wall` as `target` lies from `boot`.
fn shifted(wall: WallTime, boot: BootTime, target: BootTime) -> WallTime {
    let milliseconds = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    WallTime(
        wall.0
            .saturating_add(milliseconds(target.since(boot)))
            .saturating_sub(milliseconds(boot.since(target))),
    )
}

/// The word for a state that the database can search by.
pub(super) fn phase(state: &State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Approved { .. } => "approved",
        State::Refusing { .. } => "refusing",
        State::Running => "running",
        State::Ended { .. } => "ended",
    }
}
