//! Carrying out: first the transaction, then what it allows.

use holdpoint_abi::{Allowance, VERDICT_ALLOW, VERDICT_DENY};
use holdpoint_core::{
    id::{HoldId, RequestId},
    request::{Effect, Request, State, Verdict},
    time::BootTime,
    wire::{Change, LogEvent},
};
use tracing::{error, warn};

use super::{
    Engine,
    entry::{Release, Stage},
};
use crate::{
    bound::Bound,
    failpoint::{self, Point},
    store::Write,
    sys::{
        clock,
        process::{Process, Signal},
    },
};

/// An effect of the state machine that waits for the transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    hold: HoldId,
    effect: Effect,
}

impl Planned {
    /// What lets a task go on that no rule is about.
    pub(super) fn let_pass(hold: HoldId, until: BootTime) -> [Self; 2] {
        [Self { hold, effect: Effect::Allow(until) }, Self { hold, effect: Effect::Resume }]
    }

    /// What refuses an exec that was refused just now.
    pub(super) fn refuse_again(hold: HoldId) -> [Self; 2] {
        [Self { hold, effect: Effect::Refuse }, Self { hold, effect: Effect::Resume }]
    }
}

/// Writes that are kept while the store cannot be written. Beyond it the oldest are lost, and said to be.
const MAX_BACKLOG: usize = 20_000;

impl Engine {
    /// Notes what the state machine wants for a request.
    pub(super) fn plan(&mut self, hold: HoldId, effects: &[Effect], note: Option<&str>) {
        let Some(tracked) = self.entries.get(&hold).and_then(super::entry::Entry::tracked) else { return };
        for effect in effects {
            if *effect == Effect::Store {
                let at = clock::wall();
                let request = tracked.request.clone();
                let id = request.id.clone();
                let state = request.state.clone();
                let ended_at = request.is_ended().then_some(at);
                self.writes.push(Write::UpdateRequest { request, ended_at, note: note.map(str::to_owned) });
                self.writes.push(Write::Log {
                    at,
                    request: Some(id.clone()),
                    agent: Some(tracked.agent_name.clone()),
                    event: LogEvent::State { state, note: note.map(str::to_owned) },
                });
                self.changed.push(id);
            } else {
                self.effects.push(Planned { hold, effect: *effect });
            }
        }
    }

    /// Writes what has been noted, and then does it. When it cannot be written, nothing is allowed: all that
    /// was about to be is refused instead.
    pub(super) fn flush(&mut self) {
        if !self.writes.is_empty() {
            match self.store.write(&self.writes) {
                Ok(()) => {
                    failpoint::written(&self.writes);
                    self.writes.clear();
                    if self.store_problem.take().is_some() {
                        warn!("the store can be written again");
                    }
                }
                Err(cause) => self.refuse_what_is_not_stored(&cause.to_string()),
            }
        }
        let stored = self.store_problem.is_none();
        // The kernel keeps what is not on the disk yet: a hold is forgotten only when its end is written.
        let (now, later): (Vec<Planned>, Vec<Planned>) = std::mem::take(&mut self.effects)
            .into_iter()
            .partition(|planned: &Planned| stored || planned.effect != Effect::Forget);
        self.effects = later;
        for planned in now {
            self.carry_out(planned);
        }
        self.publish();
    }

    fn carry_out(&mut self, Planned { hold, effect }: Planned) {
        let now = clock::boot();
        let done = match effect {
            Effect::Store => Ok(()),
            Effect::Allow(until) => {
                match self.bound(hold) {
                    Some(bound) => self.answer(hold, bound.answer(VERDICT_ALLOW, until.0)),
                    // A daemon before this version has asked: it has not kept what it showed.
                    None => {
                        warn!(hold = %hold, "refused: what was approved was not bound to arguments");
                        self.answer(hold, Bound::default().answer(VERDICT_DENY, now.0))
                    }
                }
            }
            Effect::Refuse if self.is_filed(hold) => self.gate.withdraw(hold.0.get()),
            Effect::Refuse => self.answer(hold, Bound::default().answer(VERDICT_DENY, now.0)),
            Effect::Resume => {
                if let Some(entry) = self.entries.get_mut(&hold) {
                    entry.release = Some(Release::begin(now));
                }
                self.try_release(hold, now);
                Ok(())
            }
            Effect::Kill => {
                self.kill(hold);
                Ok(())
            }
            Effect::Forget => {
                if let Some(entry) = self.entries.remove(&hold)
                    && let Some(tracked) = entry.tracked()
                {
                    self.by_id.remove(&tracked.request.id);
                }
                self.gate.forget(hold.0.get())
            }
        };
        if let Err(cause) = done {
            // Without an answer the task stays held: shut, not open. The next flush tries again.
            error!(hold = %hold, %cause, "cannot carry out a decision in the kernel");
            self.effects.push(Planned { hold, effect });
        }
    }

    fn answer(&mut self, hold: HoldId, answer: Allowance) -> Result<(), crate::kernel::KernelError> {
        self.gate.answer(hold.0.get(), answer)?;
        failpoint::reach(Point::AllowanceSet);
        Ok(())
    }

    fn is_filed(&self, hold: HoldId) -> bool {
        self.entries.get(&hold).is_some_and(|entry| entry.kernel.arguments != [0; 2])
    }

    fn bound(&self, hold: HoldId) -> Option<Bound> {
        self.entries.get(&hold).and_then(|entry| entry.bound.clone())
    }

    fn kill(&self, hold: HoldId) {
        let Some(entry) = self.entries.get(&hold) else { return };
        error!(pid = entry.kernel.tgid, "a program runs without an approval; killing it");
        if let Err(cause) = Process::open(entry.kernel.tgid).and_then(|process| process.send(Signal::Kill)) {
            error!(pid = entry.kernel.tgid, %cause, "cannot kill it");
        }
    }

    /// The store failed: whatever it was to allow is refused. The writes are kept, changed to what is true.
    fn refuse_what_is_not_stored(&mut self, cause: &str) {
        if self.store_problem.is_none() {
            error!(%cause, "the store cannot be written: every ask is denied");
        }
        let note = format!("refused: {cause}");
        self.store_problem = Some(cause.to_owned());
        let allowed: Vec<HoldId> = self
            .effects
            .iter()
            .filter(|planned| matches!(planned.effect, Effect::Allow(_)))
            .map(|planned| planned.hold)
            // What no rule is about is on no record, and goes on as ever.
            .filter(|hold| self.entries.get(hold).is_some_and(|entry| entry.tracked().is_some()))
            .collect();
        // Nobody is asked about what is not on record.
        let unasked = self.writes.iter().filter_map(|write| match write {
            Write::NewRequest(stored) if stored.request.is_pending() => Some(stored.request.hold),
            _ => None,
        });
        let allowed: Vec<HoldId> = allowed.into_iter().chain(unasked).collect();
        self.effects.retain(|planned| !allowed.contains(&planned.hold));
        let mut refused: Vec<Request> = Vec::new();
        for hold in allowed {
            let Some(tracked) = self.entries.get_mut(&hold).and_then(super::entry::Entry::tracked_mut) else {
                continue;
            };
            if !matches!(tracked.request.state, State::Pending | State::Approved { .. }) {
                continue;
            }
            tracked.request.state = State::Refusing { verdict: Verdict::Cancelled, had_allowance: false };
            refused.push(tracked.request.clone());
            self.effects.push(Planned { hold, effect: Effect::Refuse });
            self.effects.push(Planned { hold, effect: Effect::Resume });
        }
        for write in &mut self.writes {
            match write {
                Write::UpdateRequest { request, note: old, .. } => {
                    if let Some(now) = refused.iter().find(|now| now.id == request.id) {
                        request.state = now.state.clone();
                        *old = Some(note.clone());
                    }
                }
                Write::NewRequest(stored) => {
                    if let Some(now) = refused.iter().find(|now| now.id == stored.request.id) {
                        stored.request.state = now.state.clone();
                        stored.note = Some(note.clone());
                    }
                }
                Write::Log { request: Some(id), event: LogEvent::State { state, note: old }, .. } => {
                    if let Some(now) = refused.iter().find(|now| now.id == *id) {
                        *state = now.state.clone();
                        *old = Some(note.clone());
                    }
                }
                Write::Log { .. } | Write::Vote { .. } | Write::Denied { .. } => {}
            }
        }
        let before = self.writes.len();
        if before > MAX_BACKLOG {
            // A request without its beginning could never be written again; the lines of its story can be missed.
            self.writes.retain(|write| !matches!(write, Write::Log { .. }));
            let lost = before - self.writes.len();
            error!(lost, "the store could not be written for so long that entries of the record are lost");
        }
    }

    /// Tells whoever watches.
    fn publish(&mut self) {
        let changed = std::mem::take(&mut self.changed);
        if self.changes.receiver_count() == 0 {
            return;
        }
        for id in changed {
            self.publish_one(&id);
        }
    }

    fn publish_one(&self, id: &RequestId) {
        if let Ok(Some(stored)) = self.store.request(id) {
            let request = Box::new(self.view(&stored));
            // Nobody listening is no error.
            let _unheard = self.changes.send(Change::Request { request });
        }
    }

    /// Puts a new request among those that are not over, and writes it.
    pub(super) fn track(&mut self, hold: HoldId, stored: crate::store::StoredRequest) {
        let Some(entry) = self.entries.get_mut(&hold) else { return };
        let request = stored.request.clone();
        self.by_id.insert(request.id.clone(), hold);
        self.changed.push(request.id.clone());
        self.alarms.push(std::cmp::Reverse((request.deadline, hold)));
        entry.stage = Stage::Request(Box::new(super::entry::Tracked {
            agent: stored.agent,
            agent_name: stored.agent_name.clone(),
            request,
        }));
        let program = stored.facts.as_ref().map(|facts| facts.executable.path.clone()).unwrap_or_default();
        self.writes.push(Write::Log {
            at: stored.made_at,
            request: Some(stored.request.id.clone()),
            agent: Some(stored.agent_name.clone()),
            event: LogEvent::RequestMade {
                program,
                rule: stored.decision.rule.clone(),
                would_be: stored.decision.would_be.clone(),
            },
        });
        self.writes.push(Write::NewRequest(Box::new(stored)));
    }
}
