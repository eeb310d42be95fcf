//! The engine's thread: one loop that takes what comes, writes, and acts.

use std::{
    collections::{BinaryHeap, HashMap},
    io,
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use aya::maps::{MapData, RingBuf};
use holdpoint_abi::{Doorbell, LISTED_HOLD, Listed};
use holdpoint_core::{
    id::HoldId,
    record::{self, Filed},
    request::{KernelPhase, Outcome, State, Verdict},
    wire::LogEvent,
};
use tokio::{
    io::unix::AsyncFd,
    sync::{broadcast, mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tracing::{error, warn};

use super::{
    Engine,
    entry::{Entry, Stage, Tracked},
    handle::{Command, EngineHandle},
    kernel_events::phase,
    queries::log_entry,
};
use crate::{
    canary,
    failpoint::{self, Point},
    kernel::{Gate, KernelError, Old},
    observe::workers::Workers,
    rules::Rules,
    scope::Scopes,
    service::Manager,
    store::{Store, StoreError, StoredRequest},
    sys::{clock, readiness},
};

/// What an engine is made of.
pub(crate) struct Parts {
    /// From where the configuration is read again.
    pub(crate) config_path: PathBuf,
    pub(crate) gate: Gate,
    /// Files and directories that are guarded from agents beside those of the configuration.
    pub(crate) guarded: Vec<PathBuf>,
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    pub(crate) boot_id: String,
    pub(crate) manager: Arc<Manager>,
}

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot start the engine's thread: {0}")]
    Thread(#[from] io::Error),
    #[error("cannot put the rules in force: {0}")]
    Rules(String),
    #[error(
        "the programs are attached and do not do what they should: {0}; nothing can be enforced on this host as it is"
    )]
    Gate(String),
}

/// Questions that wait for the engine; a caller beyond that waits at the door.
const COMMANDS: usize = 256;
/// Observations that wait for the engine.
const OBSERVATIONS: usize = 256;
/// Changes that a slow watcher may lag behind.
const CHANGES: usize = 1024;
/// How often all holds are compared with what we know of them.
const SWEEP: Duration = Duration::from_secs(1);
/// Doorbells and observations that go into one transaction at most.
const BATCH: usize = 256;
/// Filings that are taken at a time at most; each has some kilobytes.
const FILINGS_BATCH: usize = 32;

/// Starts the engine: lists what the rules are about, takes over what was held before, and begins.
///
/// # Errors
/// When the kernel half or the store cannot be used. The gate is as it was.
pub(crate) fn start(parts: Parts) -> Result<EngineHandle, StartError> {
    let (commands, questions) = mpsc::channel(COMMANDS);
    let (observations, observed) = mpsc::channel(OBSERVATIONS);
    let (changes, _) = broadcast::channel(CHANGES);
    let (in_force, rules_in_force) = watch::channel(parts.rules.in_force());
    let handle = EngineHandle {
        commands,
        changes: changes.clone(),
        config_path: parts.config_path.into(),
        manager: Arc::clone(&parts.manager),
        in_force: rules_in_force,
        scopes: Scopes::default(),
    };
    let mut gate = parts.gate;
    let (mut doorbells, filings) = (gate.take_doorbells(), gate.take_filings());
    // Nobody has read it since the last daemon. The first sweep finds what they were about, and a full buffer would
    // refuse the canary.
    if let Some(ring) = &mut doorbells {
        while ring.next().is_some() {}
    }
    let workers = Workers::new(gate.tags().clone())?;
    let mut engine = Engine {
        gate,
        guarded: parts.guarded,
        store: parts.store,
        rules: Rules::default(),
        generation: 0,
        workers,
        boot_id: parts.boot_id,
        started_at: clock::wall(),
        entries: HashMap::new(),
        by_id: HashMap::new(),
        alarms: BinaryHeap::new(),
        writes: vec![log_entry(LogEvent::Started { version: env!("CARGO_PKG_VERSION").to_owned() })],
        effects: Vec::new(),
        changed: Vec::new(),
        survivors: Vec::new(),
        repeats: super::repeats::Repeats::default(),
        joined: super::joined::Groups::default(),
        flood: super::flood::Flood::default(),
        grants: holdpoint_core::grant::Grants::default(),
        store_problem: None,
        agents_began: HashMap::new(),
        pulse: super::pulse::Pulse::new(parts.manager),
        proof: super::proof::Proof::default(),
        watch_problem: None,
        in_force,
        pins_problem: None,
        observations,
        changes,
    };
    engine.guard()?;
    engine.install(parts.rules).map_err(|problem| StartError::Rules(problem.detail))?;
    engine.take_over()?;
    if let Some(problem) = engine.proof.problem() {
        return Err(StartError::Gate(problem.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("engine".to_owned()).spawn(move || {
        runtime.block_on(async move {
            match doorbells.map(readiness::watch).zip(filings.map(readiness::watch)) {
                Some((Ok(doorbells), Ok(filings))) => {
                    engine.run(doorbells, filings, questions, observed).await;
                }
                Some((Err(cause), _) | (_, Err(cause))) => {
                    error!(%cause, "cannot wait for the kernel's doorbells");
                }
                None => error!("the kernel's doorbells have another reader"),
            }
        });
    })?;
    Ok(handle)
}

impl Engine {
    async fn run(
        mut self,
        mut doorbells: AsyncFd<RingBuf<MapData>>,
        mut filings: AsyncFd<RingBuf<MapData>>,
        mut questions: mpsc::Receiver<Command>,
        mut observed: mpsc::Receiver<super::Observation>,
    ) {
        let mut sweeps = interval(SWEEP);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let alarm = self.next_alarm();
            let mut swept = None;
            tokio::select! {
                ready = doorbells.readable_mut() => match ready {
                    Ok(mut guard) => {
                        failpoint::reach(Point::Event);
                        let rung = take(guard.get_inner_mut());
                        if rung.len() < BATCH {
                            guard.clear_ready();
                        }
                        rung.into_iter().for_each(|doorbell| self.doorbell(doorbell));
                    }
                    Err(cause) => error!(%cause, "cannot wait for the kernel's doorbells; the sweep goes on"),
                },
                ready = filings.readable_mut() => match ready {
                    Ok(mut guard) => {
                        failpoint::reach(Point::Filed);
                        let (filed, more) = take_filings(guard.get_inner_mut());
                        failpoint::reach(Point::FilingRead);
                        if !more {
                            guard.clear_ready();
                        }
                        filed.into_iter().for_each(|filed| self.filed(filed));
                    }
                    Err(cause) => error!(%cause, "cannot wait for what the kernel half files"),
                },
                Some(observation) = observed.recv() => {
                    self.observed(observation);
                    for _ in 1..BATCH {
                        let Ok(more) = observed.try_recv() else { break };
                        self.observed(more);
                    }
                }
                question = questions.recv() => match question {
                    Some(question) => {
                        if !self.command(question) {
                            return;
                        }
                    }
                    None => return,
                },
                () = sleep_until(alarm) => self.ring_alarms(),
                _ = sweeps.tick() => {
                    swept = Some(self.sweep());
                    self.ring_alarms();
                }
            }
            self.settle_joined();
            self.flush();
            if let Some(whole) = swept {
                self.pulse(whole);
            }
        }
    }

    /// Takes over what a daemon before this one has left: open requests, and holds without a request.
    fn take_over(&mut self) -> Result<(), StartError> {
        let now = clock::boot();
        self.recall(now)?;
        let holds: HashMap<u64, holdpoint_abi::Hold> = self.gate.holds()?.into_iter().collect();
        for stored in self.store.open_requests()? {
            let hold = stored.request.hold;
            let kernel = holds.get(&hold.0.get()).filter(|_| stored.boot_id == self.boot_id).copied();
            self.adopt(stored, kernel);
            let says = kernel.as_ref().map_or(Some(KernelPhase::Unknown), phase).unwrap_or(KernelPhase::Held);
            let Some(tracked) = self.entries.get_mut(&hold).and_then(Entry::tracked_mut) else { continue };
            let effects = tracked.request.resume_after_restart(says, now);
            self.follow(hold, &effects, None);
        }
        self.flush();
        // Holds without a request are found by the first sweep, which comes at once.
        Ok(())
    }

    fn adopt(&mut self, stored: StoredRequest, kernel: Option<holdpoint_abi::Hold>) {
        let hold = stored.request.hold;
        let rebooted = stored.boot_id != self.boot_id;
        let mut request = stored.request;
        if rebooted {
            warn!(id = %request.id, "the host was booted since; the request is over");
            let verdict = request.verdict().unwrap_or(Verdict::Cancelled);
            let outcome = match request.state {
                State::Running => Outcome::Executed { status: None },
                _ => Outcome::NeverRan,
            };
            request.state = State::Ended { verdict, outcome };
            let note = Some("the host was booted again".to_owned());
            let at = clock::wall();
            let state = request.state.clone();
            let (id, agent) = (request.id.clone(), stored.agent_name);
            self.writes.push(crate::store::Write::UpdateRequest {
                request,
                ended_at: Some(at),
                note: note.clone(),
            });
            self.writes.push(crate::store::Write::Log {
                at,
                request: Some(id),
                agent: Some(agent),
                event: LogEvent::State { state, note },
            });
            return;
        }
        if let Some(at) = request.next_clock() {
            self.alarms.push(std::cmp::Reverse((at, hold)));
        }
        self.by_id.insert(request.id.clone(), hold);
        let tracked = Tracked { agent: stored.agent, agent_name: stored.agent_name, request };
        let kernel = kernel.unwrap_or(NO_HOLD);
        let entry = Entry::new(kernel, Stage::Request(Box::new(tracked)));
        self.entries.insert(hold, Entry { bound: stored.bound, ..entry });
    }

    /// Puts the rules' names and files into the kernel half.
    pub(super) fn list(&mut self, rules: &Rules) -> Result<(), KernelError> {
        self.generation = self.generation.wrapping_add(1).max(1);
        let generation = self.lists_generation();
        let files = rules.listed_files().map(|(key, wait)| (key, Listed { generation, wait }));
        let names =
            rules.names.iter().map(|name| (*name, Listed { generation, wait: rules.wait_of_name(name) }));
        // After the rules' own, should one of them have that name.
        let names = names.chain([(canary::listed_name(), Listed { generation, wait: LISTED_HOLD })]);
        // What could not be looked for now may be what was listed before: it stays until all answer again.
        let old = if rules.silent.is_empty() { Old::Goes } else { Old::Stays };
        self.gate.list(files, names, generation, old)
    }

    /// What marks the entries of the kernel's lists that are in force. A daemon before this one has counted, too: its
    /// entries must not look like ours.
    pub(super) fn lists_generation(&self) -> u32 {
        self.generation ^ std::process::id().rotate_left(16)
    }

    fn next_alarm(&self) -> Instant {
        let wait = self.alarms.peek().map_or(SWEEP, |alarm| alarm.0.0.since(clock::boot()).min(SWEEP));
        Instant::now() + wait
    }

    fn ring_alarms(&mut self) {
        let now = clock::boot();
        while let Some(alarm) = self.alarms.peek().filter(|alarm| alarm.0.0 <= now) {
            let hold: HoldId = alarm.0.1;
            self.alarms.pop();
            self.input(hold, &holdpoint_core::request::Input::Tick, None);
            self.try_release(hold, now);
        }
    }
}

/// A hold of which the kernel knows nothing any more.
const NO_HOLD: holdpoint_abi::Hold = holdpoint_abi::Hold {
    phase: holdpoint_abi::PHASE_GONE,
    cause: 0,
    agent: 0,
    tgid: 0,
    tid: 0,
    exit_status: 0,
    reheld: 0,
    matched: 0,
    file: holdpoint_abi::FileKey { ino: 0, dev: 0, pad: 0 },
    started_at: 0,
    held_at: 0,
    changed_at: 0,
    name: [0; holdpoint_abi::NAME_LENGTH],
    arguments: [0; 2],
    retried_at: 0,
    fs_magic: 0,
    path: 0,
    standing: holdpoint_abi::Standing { credentials: 0, namespaces: 0, directory: 0, root: 0 },
    shown: holdpoint_abi::Shown {
        directory_ino: 0,
        directory_mount: 0,
        uid: 0,
        euid: 0,
        login_uid: 0,
        mounts: 0,
        pad: 0,
    },
};

/// The doorbells that are in the buffer now, a batch at most.
fn take(ring: &mut RingBuf<MapData>) -> Vec<Doorbell> {
    let mut rung = Vec::new();
    while rung.len() < BATCH
        && let Some(item) = ring.next()
    {
        match record::doorbell(&item) {
            Some(doorbell) => rung.push(doorbell),
            None => warn!(bytes = item.len(), "a doorbell of the kernel half has the wrong size"),
        }
    }
    rung
}

/// What is filed in the buffer now, a batch at most, and whether there may be more.
fn take_filings(ring: &mut RingBuf<MapData>) -> (Vec<Filed>, bool) {
    let mut filed = Vec::new();
    for _ in 0..FILINGS_BATCH {
        let Some(item) = ring.next() else { return (filed, false) };
        match Filed::parse(&item) {
            Some(one) => filed.push(one),
            None => warn!(bytes = item.len(), "a filing of the kernel half is damaged"),
        }
    }
    (filed, true)
}
