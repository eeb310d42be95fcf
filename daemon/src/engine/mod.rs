//! The one writer: it owns the holds, the store and the rules in force, on a thread of its own.
//!
//! Everything that happens comes in here as a value (a doorbell, an observation, a call of the API, time) and
//! goes through the state machine of `holdpoint-core`. Its effects are carried out in two steps: what changed
//! is written in one transaction; only then is anybody let go.
#![forbid(unsafe_code)]

mod agents;
mod answer;
mod attach;
mod declared;
mod effects;
mod entry;
mod filings;
mod flood;
mod found;
mod granted;
mod handle;
mod joined;
mod kernel_events;
mod pinned;
mod proof;
mod pulse;
mod queries;
mod refusals;
mod release;
mod repeats;
mod run;

pub(crate) use handle::EngineHandle;
pub(crate) use release::go_on;
pub(crate) use run::{Parts, start};

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use holdpoint_core::{
    config::Config, grant::Grants, id::HoldId, id::RequestId, policy::Policy, time::BootTime, time::WallTime,
    wire::Change,
};
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, watch};

use crate::{
    kernel::Gate,
    observe::{ObserveError, Observed, workers::Workers},
    rules::Rules,
    store::{Store, Write},
};

/// The engine's state. Its methods lie in the modules by what they are about.
pub(crate) struct Engine {
    gate: Gate,
    /// Files and directories that are guarded from agents beside those of the configuration.
    guarded: Vec<PathBuf>,
    store: Store,
    rules: Rules,
    generation: u32,
    workers: Workers,
    boot_id: String,
    started_at: WallTime,
    /// All holds that are not over.
    entries: HashMap<HoldId, entry::Entry>,
    /// Requests that are not over, by what people call them.
    by_id: HashMap<RequestId, HoldId>,
    /// When to look at which hold again, the earliest first. A stale entry does no harm.
    alarms: BinaryHeap<Reverse<(BootTime, HoldId)>>,
    /// What is to be written before `effects` are carried out.
    writes: Vec<Write>,
    effects: Vec<effects::Planned>,
    /// Requests that changed since the last flush.
    changed: Vec<RequestId>,
    /// Holds whose thread has gone, and whose stop may have hit the process that lives on; and for how many
    /// sweeps more it is looked at.
    survivors: Vec<(holdpoint_abi::Hold, u8)>,
    /// What was refused just now.
    repeats: repeats::Repeats,
    /// What waits with which request.
    joined: joined::Groups,
    /// What agents may ask of people, and what was refused without asking.
    flood: flood::Flood,
    /// What approvals allow beyond the one exec.
    grants: Grants,
    /// Why the store could not be written, while it cannot.
    store_problem: Option<String>,
    /// When the record was last told of a declared agent's process, by the agent's number.
    agents_began: HashMap<u32, BootTime>,
    /// What the service manager was told.
    pulse: pulse::Pulse,
    /// What the canary has shown.
    proof: proof::Proof,
    /// Why files that change may not be found, while it is so.
    watch_problem: Option<String>,
    /// The rules in force, for whoever looks for their files.
    in_force: watch::Sender<InForce>,
    /// Why the gate would not stay shut without this daemon, while it would not.
    pins_problem: Option<String>,
    observations: mpsc::Sender<Observation>,
    changes: broadcast::Sender<Change>,
}

/// The rules in force, with the configuration that they come with.
#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) policy: Arc<Policy>,
    pub(crate) config: Arc<Config>,
}

/// What a reader found out.
struct Observation {
    hold: HoldId,
    finding: Finding,
    /// The agent's turn, which ends when the engine has taken this.
    turn: Option<OwnedSemaphorePermit>,
}

enum Finding {
    /// Who, what and where.
    Exec(Box<Result<Observed, ObserveError>>),
    /// Whether a thread that is not stopped is outside of its exec.
    LeftItsExec(bool),
}
