//! What the kernel half says: doorbells, and the sweep that finds what no doorbell told.

use holdpoint_abi::{
    CANARY_AGENT, CAUSE_ARGUMENTS, CAUSE_CONTENT, CAUSE_CORRUPT, CAUSE_CREDENTIALS, CAUSE_DIRECTORY,
    CAUSE_EXPIRED, CAUSE_INTERPRETER, CAUSE_NAMESPACES, CAUSE_ROOT, CAUSE_UNREADABLE, CAUSE_USED,
    CAUSE_VARIABLES, CAUSE_VERDICT, Doorbell, Hold, PHASE_EXITED, PHASE_FILED, PHASE_GONE, PHASE_HELD,
    PHASE_KILLED, PHASE_REFUSED, PHASE_REPLACED, PHASE_RUNNING, RING_AGENT, RING_SIGNAL,
};
use holdpoint_core::{
    facts::AgentFacts,
    id::{AgentId, HoldId},
    request::{Effect, Input, KernelPhase, Outcome, State},
};
use tracing::error;

use super::{
    Engine, Finding, Observation,
    entry::{Entry, Stage},
};
use crate::{
    observe::{self, ObserveError, process},
    sys::clock,
};

/// Sweeps in a row that must find a task outside of its exec before the hold is given up.
const ASTRAY_SWEEPS: u8 = 3;

impl Engine {
    pub(super) fn doorbell(&mut self, doorbell: Doorbell) {
        if doorbell.kind == RING_SIGNAL {
            // What is filed does not end with the process that filed it.
            let of_process = |(_, entry): &(&HoldId, &Entry)| {
                entry.kernel.tgid == doorbell.tgid && entry.kernel.phase != PHASE_FILED
            };
            let held: Vec<HoldId> = self.entries.iter().filter(of_process).map(|(hold, _)| *hold).collect();
            for hold in held {
                self.look_for_signals(hold);
            }
            return;
        }
        if doorbell.kind == RING_AGENT {
            self.declared_agent_began(doorbell);
            return;
        }
        self.look_at(doorbell.hold);
    }

    /// Reads the state of one hold from the kernel and acts on it.
    fn look_at(&mut self, id: u64) {
        let Some(hold) = std::num::NonZeroU64::new(id).map(HoldId) else { return };
        match self.gate.hold(id) {
            Ok(Some(kernel)) => self.kernel_says(hold, kernel),
            Ok(None) => self.kernel_forgot(hold),
            // The next sweep reads it again.
            Err(cause) => error!(%hold, %cause, "cannot read a hold"),
        }
    }

    /// Compares all that the kernel knows with all that we know. False where the kernel's maps cannot be read.
    pub(super) fn sweep(&mut self) -> bool {
        self.look_at_pins();
        self.note_refusals();
        self.tell_what_was_not_asked();
        let holds = match self.gate.holds() {
            Ok(holds) => holds,
            Err(cause) => {
                error!(%cause, "cannot read the holds");
                return false;
            }
        };
        for (id, kernel) in &holds {
            if let Some(hold) = std::num::NonZeroU64::new(*id).map(HoldId) {
                self.kernel_says(hold, *kernel);
            }
        }
        self.continue_survivors();
        let known: std::collections::HashSet<u64> = holds.iter().map(|(id, _)| *id).collect();
        let lost: Vec<HoldId> =
            self.entries.keys().filter(|hold| !known.contains(&hold.0.get())).copied().collect();
        for hold in lost {
            self.look_at(hold.0.get());
        }
        let held: Vec<HoldId> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.kernel.phase == PHASE_HELD)
            .map(|(hold, _)| *hold)
            .collect();
        for hold in held {
            self.look_for_signals(hold);
            self.look_whether_astray(hold);
        }
        self.sweep_filings();
        true
    }

    fn kernel_says(&mut self, hold: HoldId, kernel: Hold) {
        if kernel.agent == CANARY_AGENT {
            self.end_canary(hold, &kernel);
            return;
        }
        self.kernel_says_of_one(hold, kernel);
        if kernel.phase == PHASE_GONE {
            self.thread_has_gone(kernel);
        }
    }

    fn kernel_says_of_one(&mut self, hold: HoldId, kernel: Hold) {
        let Some(entry) = self.entries.get_mut(&hold) else {
            match kernel.phase {
                PHASE_HELD => self.begin(hold, kernel),
                PHASE_FILED => drop(self.entries.insert(hold, Entry::new(kernel, Stage::Awaiting))),
                // It is just being made.
                0 => {}
                // What ran unasked, or was over before a restart, and has been dealt with.
                PHASE_RUNNING => {}
                _ => self.forget_quietly(hold),
            }
            return;
        };
        let before = entry.kernel.phase;
        entry.kernel = kernel;
        if kernel.phase != PHASE_HELD {
            entry.release = None;
        }
        match &entry.stage {
            Stage::Joined(_) if kernel.phase == PHASE_HELD => {}
            Stage::Awaiting | Stage::Observing | Stage::Passing
                if matches!(kernel.phase, PHASE_HELD | PHASE_FILED | PHASE_RUNNING) => {}
            Stage::Awaiting | Stage::Observing | Stage::Passing | Stage::Joined(_) => {
                self.forget_quietly(hold);
            }
            Stage::Request(_) if kernel.phase == before && kernel.phase == PHASE_HELD => {}
            Stage::Request(_) => match phase(&kernel) {
                Some(phase) => self.input(hold, &Input::Kernel(phase), note(&kernel)),
                None => error!(%hold, phase = kernel.phase, "the kernel half reports an unknown phase"),
            },
        }
    }

    fn kernel_forgot(&mut self, hold: HoldId) {
        if self.entries.get(&hold).is_some_and(|entry| entry.tracked().is_some()) {
            self.input(hold, &Input::Kernel(KernelPhase::Unknown), None);
        } else {
            self.leave(hold);
            self.entries.remove(&hold);
        }
    }

    /// Takes a hold that is no request out of everything.
    pub(super) fn forget_quietly(&mut self, hold: HoldId) {
        self.leave(hold);
        self.entries.remove(&hold);
        if let Err(cause) = self.gate.forget(hold.0.get()) {
            error!(%hold, %cause, "cannot take a hold out of the kernel's map");
        }
    }

    /// A hold that we did not know: have it looked at.
    pub(super) fn begin(&mut self, hold: HoldId, kernel: Hold) {
        if self.too_many_unread(hold, kernel) {
            return;
        }
        self.entries.insert(hold, Entry::new(kernel, Stage::Observing));
        let agent = self.agent_facts(AgentId(kernel.agent));
        let (workers, sender, config) =
            (self.workers.clone(), self.observations.clone(), self.rules.config.clone());
        let (tags, key) = (self.gate.tags().clone(), self.gate.hash_key());
        tokio::spawn(async move {
            let reading = move || observe::observe(&kernel, &agent, &config, &tags, key);
            let turn = workers.turn(AgentId(kernel.agent)).await;
            let found = workers.run(AgentId(kernel.agent), "the held process", reading).await;
            let found = observe::with_names(found).await;
            // The engine has ended; the next one looks again.
            let finding = Finding::Exec(Box::new(found));
            let _unheard = sender.send(Observation { hold, finding, turn }).await;
        });
    }

    /// The agent as its tag says; a tag without a record (the database was removed) still names a number.
    pub(super) fn agent_facts(&self, id: AgentId) -> AgentFacts {
        match self.store.agent(id) {
            Ok(Some(row)) => AgentFacts { id, name: row.agent.name, claim: row.agent.claim },
            Ok(None) | Err(_) => AgentFacts { id, name: format!("agent {}", id.0), claim: None },
        }
    }

    /// Puts an input into a request's state machine.
    pub(super) fn input(&mut self, hold: HoldId, input: &Input, note: Option<&str>) {
        let now = clock::boot();
        let Some(entry) = self.entries.get_mut(&hold) else { return };
        let kernel = entry.kernel;
        let Some(tracked) = entry.tracked_mut() else { return };
        let was_ended = tracked.request.is_ended();
        let effects = tracked.request.step(input, now);
        // What was filed is refused at the moment of the denial: the kernel half reports no refusal.
        let refused =
            *input == Input::Kernel(KernelPhase::Refused) || (tracked.request.is_ended() && !was_ended);
        if refused
            && matches!(tracked.request.state, State::Ended { outcome: Outcome::Refused, .. })
            && let Ok(Some(stored)) = self.store.request(&tracked.request.id)
            && let Some(facts) = stored.facts
        {
            self.repeats.refused(&kernel, &facts.argv, now);
        }
        self.follow(hold, &effects, note);
    }

    /// Plans effects and sets the alarm for the request's next clock.
    pub(super) fn follow(&mut self, hold: HoldId, effects: &[Effect], note: Option<&str>) {
        if effects.is_empty() {
            return;
        }
        self.plan(hold, effects, note);
        let clock =
            self.entries.get(&hold).and_then(Entry::tracked).and_then(|tracked| tracked.request.next_clock());
        if let Some(at) = clock {
            self.alarms.push(std::cmp::Reverse((at, hold)));
        }
    }

    /// A signal whose default action ends the process waits for it: it cannot act while the process is stopped.
    ///
    /// Where the process handles the signal (Ctrl-C below `sh -c`), it is continued for the handler's sake.
    fn look_for_signals(&mut self, hold: HoldId) {
        let Some(entry) = self.entries.get(&hold) else { return };
        let is_joined = matches!(entry.stage, Stage::Joined(_));
        let undecided = is_joined
            || entry.tracked().is_some_and(|tracked| {
                matches!(tracked.request.state, State::Pending | State::Approved { .. })
            });
        // Of what is not asked about there may be many, in a flood, and a look at each takes the time of others.
        if !undecided {
            return;
        }
        let Some(status) = process::status(entry.kernel.tgid) else { return };
        if status.due & ENDING == 0 && status.handled & ENDING != 0 {
            // The handler can run only while the process does. If it returns, the exec is held again.
            super::release::let_handler_run(&entry.kernel);
        }
        if status.due & ENDING != 0 && is_joined {
            self.refuse_quietly(hold);
        } else if status.due & ENDING != 0 {
            let note = "a signal that ends the process arrived while it was held";
            self.input(hold, &Input::Signalled, Some(note));
        }
    }

    /// A task that runs on without its exec (a signal handler jumped away, the file has gone) is held no more.
    ///
    /// Its system call is a reader's to look at: the kernel locks it against an exec that is under way, and that can
    /// wait for the agent.
    fn look_whether_astray(&mut self, hold: HoldId) {
        let Some(entry) = self.entries.get_mut(&hold) else { return };
        let is_watched = entry.tracked().is_some() || matches!(entry.stage, Stage::Joined(_));
        if !is_watched || process::is_stopped(&entry.kernel) {
            entry.astray = 0;
            return;
        }
        if std::mem::replace(&mut entry.looking, true) {
            return;
        }
        let kernel = entry.kernel;
        let (workers, sender) = (self.workers.clone(), self.observations.clone());
        tokio::spawn(async move {
            let reading = move || Ok(process::left_its_exec(&kernel));
            let left = workers.run(AgentId(kernel.agent), "its system call", reading).await;
            // What cannot be seen is no reason to give a hold up.
            let finding = Finding::LeftItsExec(left.unwrap_or(false));
            // The engine has ended; the next one looks again.
            let _unheard = sender.send(Observation { hold, finding, turn: None }).await;
        });
    }

    fn seen_astray(&mut self, hold: HoldId, left: bool) {
        let Some(entry) = self.entries.get_mut(&hold) else { return };
        entry.looking = false;
        entry.astray = if left { entry.astray + 1 } else { 0 };
        // It may have been let go on since.
        let still_held =
            || matches!(self.gate.hold(hold.0.get()), Ok(Some(kernel)) if kernel.phase == PHASE_HELD);
        if entry.astray < ASTRAY_SWEEPS || !still_held() {
            return;
        }
        if matches!(entry.stage, Stage::Joined(_)) {
            self.forget_quietly(hold);
        } else if self.gate.forget(hold.0.get()).is_ok() {
            let note = "the process went on without its exec";
            self.input(hold, &Input::Kernel(KernelPhase::Gone), Some(note));
        }
    }

    /// What a reader found out about a hold.
    pub(super) fn observed(&mut self, Observation { hold, finding, turn: _turn }: Observation) {
        let found = match finding {
            Finding::Exec(found) => *found,
            Finding::LeftItsExec(left) => return self.seen_astray(hold, left),
        };
        let waiting = self.entries.get(&hold).is_some_and(|entry| matches!(entry.stage, Stage::Observing));
        if !waiting {
            return;
        }
        match found {
            Ok(observed) => self.rule_on(hold, observed),
            // The kernel says so as well, or will at the next sweep.
            Err(ObserveError::Gone) => {}
            Err(cause) => self.refuse_unread(hold, &cause.to_string()),
        }
    }
}

/// Signals that end a process by default, as bits of the sets in proc(5): all but SIGCHLD, SIGCONT, the four
/// that stop, SIGURG and SIGWINCH.
const ENDING: u64 = !(1 << 16 | 1 << 17 | 0b1111 << 18 | 1 << 22 | 1 << 27);

pub(super) fn phase(hold: &Hold) -> Option<KernelPhase> {
    Some(match hold.phase {
        PHASE_HELD => KernelPhase::Held,
        PHASE_FILED => KernelPhase::Filed,
        PHASE_RUNNING => KernelPhase::Running,
        PHASE_REFUSED => KernelPhase::Refused,
        PHASE_KILLED => KernelPhase::Killed,
        PHASE_EXITED => KernelPhase::Exited(hold.exit_status),
        PHASE_REPLACED => KernelPhase::Replaced,
        PHASE_GONE => KernelPhase::Gone,
        _ => return None,
    })
}

/// The kernel's cause in words, where the phase does not say all.
fn note(hold: &Hold) -> Option<&'static str> {
    let text = match (hold.phase, hold.cause) {
        (PHASE_REPLACED, _) => "its process executed another listed program",
        (_, 0 | CAUSE_VERDICT) => return None,
        (_, CAUSE_EXPIRED) => "the allowance expired before the program began",
        (_, CAUSE_INTERPRETER) => "the script's interpreter is listed and was not approved",
        (_, CAUSE_USED) => "the allowance was gone when the program was about to begin",
        (_, CAUSE_ARGUMENTS) => {
            "arguments, environment or path at the start of the program were not those that were approved"
        }
        (_, CAUSE_UNREADABLE) => "arguments or environment at the start of the program could not be read",
        (_, CAUSE_CONTENT) => "the file was changed after it had been looked at",
        (_, CAUSE_CREDENTIALS) => {
            "user, groups, capabilities, login or user namespace were not those with which it was held"
        }
        (_, CAUSE_NAMESPACES) => "it was not in the namespaces in which it was held",
        (_, CAUSE_DIRECTORY) => "the working directory was not that in which it was held",
        (_, CAUSE_ROOT) => "the root directory was not that with which it was held",
        (_, CAUSE_VARIABLES) => {
            "it was tried again with a variable of the dynamic loader, by which other code can run in the program's name"
        }
        (_, CAUSE_CORRUPT) => "the allowance was damaged",
        _ => "for a cause that this version does not know",
    };
    Some(text)
}
