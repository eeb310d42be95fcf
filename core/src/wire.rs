//! The shapes of the API: what the daemon answers and the CLI's `--json` prints.

use serde::{Deserialize, Serialize};

use crate::{
    alleged::Alleged,
    facts::ExecFacts,
    flood::Cause,
    id::{AgentId, HoldId, RequestId},
    policy::{Decision, Mode, Wait, WouldBe},
    request::{State, Vote, VoteKind, Voter},
    time::WallTime,
};

/// A request as every channel sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// What people call it.
    pub id: RequestId,
    /// What the kernel calls it.
    pub hold: HoldId,
    /// How the task waits.
    pub wait: Wait,
    /// Where it stands.
    pub state: State,
    /// Who, what and where. None only where the task could not be looked at; it is refused then.
    pub facts: Option<ExecFacts>,
    /// What the policy said, and why.
    pub decision: Decision,
    /// The votes so far.
    pub votes: Vec<Vote>,
    /// When it was made.
    pub made_at: WallTime,
    /// When it expires without a verdict.
    pub deadline: WallTime,
    /// When the allowance ends, once approved.
    pub valid_until: Option<WallTime>,
    /// When it ended.
    pub ended_at: Option<WallTime>,
    /// More about the end, such as what could not be read.
    pub note: Option<String>,
    /// The processes that wait with it for the identical action, in the order in which they came. A vote is about as many
    /// as its voter was shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<u32>,
    /// The request with which it waited and was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<RequestId>,
}

/// Body of `GET /v1/requests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestList {
    /// The requests, the oldest first.
    pub requests: Vec<RequestView>,
}

/// Body of `POST /v1/requests/{id}/votes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteBody {
    /// Yes or no.
    pub verdict: VoteKind,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// How many processes the voter was shown, the request's own included. An approval lets no more go on; without it, the
    /// request's own alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
}

/// Body of `POST /v1/agents` on the agents' socket: the calling process asks to be tagged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    /// The agent's name.
    pub name: String,
    /// What it says that it is for.
    #[serde(default)]
    pub reason: Option<String>,
    /// Whether it is to be put into a scope of the system's service manager first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scope: bool,
}

/// Answer to `POST /v1/agents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAnswer {
    /// The kernel's number of the agent.
    pub agent: AgentId,
}

/// Body of `POST /v1/agents` on the control socket: a running process, or a unit, becomes an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachBody {
    /// The agent's name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub reason: Option<String>,
    /// The process. Either this or `unit`.
    #[serde(default)]
    pub pid: Option<u32>,
    /// The unit of systemd's system manager.
    #[serde(default)]
    pub unit: Option<String>,
}

/// Answer to `POST /v1/agents` on the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachAnswer {
    /// The kernel's number of the agent.
    pub agent: AgentId,
    /// How many threads became the agent's.
    pub threads: u64,
    /// How many threads of what was asked for belong to another agent, and stay so.
    pub others: u64,
}

/// Body of `GET /v1/agents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentList {
    /// The agents that are declared or have processes, the oldest first.
    pub agents: Vec<AgentView>,
}

/// An agent and its processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentView {
    /// The kernel's number of it.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// What it said it was for. Its own claim.
    pub claim: Option<Alleged>,
    /// Whether it is declared in the configuration.
    pub declared: bool,
    /// Its processes, by number.
    pub processes: Vec<ProcessView>,
}

/// A process of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessView {
    /// Its process id.
    pub pid: u32,
    /// Its parent's process id. The parent may be no agent's.
    pub parent: u32,
    /// Its real user id.
    pub uid: u32,
    /// One letter, as proc(5) has it: `T` is stopped.
    pub state: char,
    /// The file that it executes.
    pub exe: Alleged,
    /// The name of its first thread, as the kernel has it: 15 bytes at most, which the process can change.
    pub comm: Alleged,
}

/// Body of `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Whether listed execs are held now.
    pub enforcing: bool,
    /// Whether what the rules say is done on this host, or recorded alone.
    #[serde(default)]
    pub mode: Mode,
    /// The kernel's release.
    pub kernel: String,
    /// The daemon's process id.
    pub pid: u32,
    /// When the daemon started.
    pub started_at: WallTime,
    /// Requests that wait for a vote.
    pub pending: u64,
    /// Requests whose program runs.
    pub running: u64,
    /// Rules in force.
    pub rules: u64,
    /// Those of them that only observe.
    #[serde(default)]
    pub observing_rules: u64,
    /// The agents of the configuration that are only observed.
    #[serde(default)]
    pub observed_agents: Vec<String>,
    /// Names and files that the kernel half looks for.
    pub listed_names: u64,
    /// See `listed_names`.
    pub listed_files: u64,
    /// What is wrong now, in sentences; empty when all is well.
    pub problems: Vec<String>,
    /// What the kernel half counted since it was loaded.
    pub counters: Vec<Counter>,
    /// What the daemon did without asking anybody since it started.
    pub unasked: Vec<Counter>,
}

/// Body of `GET /v1/refusals` on the agents' socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalList {
    /// The last refusal of each cause of the caller's own agent, the newest first.
    pub refusals: Vec<RefusalView>,
}

/// An action of which nobody was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalView {
    /// Why it was refused.
    pub cause: Cause,
    /// The same in words.
    pub because: String,
    /// When.
    pub at: WallTime,
    /// When that is over at the latest, where it is known.
    pub until: Option<WallTime>,
    /// The request by which a person denied the same.
    pub request: Option<RequestId>,
    /// Its process.
    pub pid: u32,
    /// The path of the program; empty where nobody has looked.
    pub program: Alleged,
    /// Its first arguments, 1 KiB at most.
    pub argv: Vec<Alleged>,
    /// How many more arguments there are.
    pub more_arguments: u64,
    /// How many more were refused for this cause, since the daemon started or within the time that it remembers.
    pub more: u64,
}

/// One of the counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Its name, such as `refused_ring_full`.
    pub name: String,
    /// How often.
    pub count: u64,
    /// What it means.
    pub meaning: String,
}

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its number; entries have no gaps.
    pub seq: u64,
    /// When.
    pub at: WallTime,
    /// The request, for entries that are about one.
    pub request: Option<RequestId>,
    /// The agent's name, for entries that are about one.
    pub agent: Option<String>,
    /// What happened.
    pub event: LogEvent,
}

/// What an entry of the record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum LogEvent {
    /// The daemon began to enforce.
    Started {
        /// Its version.
        version: String,
    },
    /// The daemon was asked to stop. The gate stays shut.
    Stopped,
    /// Rules were put in force.
    PolicyLoaded {
        /// How many.
        rules: u64,
    },
    /// A process was tagged as the root of an agent.
    AgentTagged {
        /// Its process id.
        pid: u32,
        /// What the agent says it is for.
        claim: Option<Alleged>,
    },
    /// Running processes were made an agent's by a person.
    AgentAttached {
        /// The process.
        pid: Option<u32>,
        /// The unit.
        unit: Option<String>,
        /// Who asked for it.
        by: Voter,
        /// How many threads became the agent's.
        threads: u64,
    },
    /// Something that an agent tried, beside an exec, was refused.
    AgentRefused {
        /// What: the name of its counter.
        what: String,
        /// The process that tried.
        pid: u32,
        /// The name of its thread.
        program: Alleged,
        /// The process that it meant, where one was meant.
        target: Option<u32>,
        /// The name of the file that it meant, where one was meant.
        file: Option<Alleged>,
        /// How many more of the kind were refused since the entry before.
        more: u64,
    },
    /// An exec was refused, and nobody was asked.
    RefusedUnasked {
        /// Why.
        cause: Cause,
        /// Its process.
        pid: u32,
        /// The path of the program; empty where nobody has looked.
        program: Alleged,
        /// Its first arguments, 1 KiB at most.
        argv: Vec<Alleged>,
        /// How many more arguments there are.
        more_arguments: u64,
        /// When the cause is over at the latest, where that is known.
        until: Option<WallTime>,
        /// The request by which a person denied the same.
        denied: Option<RequestId>,
        /// How many more of the agent were refused for this cause since the entry before.
        more: u64,
    },
    /// An exec was held and a request made.
    RequestMade {
        /// The path of the program.
        program: Alleged,
        /// The rule that decided, where one did.
        rule: Option<String>,
        /// What would have been done if nothing were only observed; none where it is the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        would_be: Option<WouldBe>,
    },
    /// A vote was counted.
    Voted {
        /// The vote.
        vote: Vote,
    },
    /// The request came into another state.
    State {
        /// The new one.
        state: State,
        /// More about it.
        note: Option<String>,
    },
}

/// Body of `GET /v1/log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The entries, the oldest first.
    pub entries: Vec<LogEntry>,
}

/// Answer to `POST /v1/reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Rules now in force.
    pub rules: u64,
    /// What is odd about them, each with its place.
    pub warnings: Vec<String>,
}

/// One line of `GET /v1/events`: newline-delimited JSON, the pending requests first, then every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Change {
    /// A request, as it is now.
    Request {
        /// The whole of it.
        request: Box<RequestView>,
    },
    /// The reader was too slow and missed changes; read the list again.
    Lagged,
}

/// An error, as RFC 9457 has it (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable name: `urn:holdpoint:problem:` and a word such as `ambiguous-id`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened to whom, and the cure where it is known.
    pub detail: String,
}
