//! Limits for each agent: what is refused without asking people, who is told of it, and what of it outlives the daemon.
//!
//! What is decided here is decided by `holdpoint_core::flood`.

use std::time::Duration;

use holdpoint_abi::{Hold, PHASE_FILED};
use holdpoint_core::{
    alleged::Alleged,
    config::{Limits, MAX_COOLDOWN},
    facts::ExecFacts,
    flood::{self, Cause, Denial, Question, Refused, Seen, Tally, Told, Waiting, question},
    id::{AgentId, HoldId},
    policy::{Action, Wait},
    time::{BootTime, WallTime},
    wire::{Counter, LogEvent, Problem, RefusalList, RefusalView},
};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::{
    Engine,
    effects::Planned,
    entry::{Entry, Stage},
};
use crate::{
    api::Peer,
    store::{StoreError, StoredRequest, Write},
    sys::clock,
};

/// Actions of one agent that may wait to be looked at. More are refused without a look, and `refused_unread` counts them:
/// it takes a thousand processes that execute listed programs at once, and each costs the daemon some kilobytes.
const MAX_UNREAD: usize = 1024;

/// The span within which requests count.
const MINUTE: Duration = Duration::from_secs(60);

/// What agents may ask, and what they were refused.
#[derive(Default)]
pub(super) struct Flood {
    limits: flood::Flood,
    tally: Tally,
    /// How many actions joined others' requests.
    pub(super) joined: u64,
}

impl Flood {
    /// How much was refused without asking, by cause.
    pub(super) fn counters(&self) -> Vec<Counter> {
        let counter = |cause: Cause| Counter {
            name: cause.counter().to_owned(),
            count: self.tally.counted(cause),
            meaning: cause.meaning().to_owned(),
        };
        let joined = Counter {
            name: "joined".to_owned(),
            count: self.joined,
            meaning: "execs that wait or waited with the request about the identical action".to_owned(),
        };
        std::iter::once(joined).chain(Cause::ALL.into_iter().map(counter)).collect()
    }
}

impl Engine {
    /// Reads what was asked and denied before this daemon.
    pub(super) fn recall(&mut self, now: BootTime) -> Result<(), StoreError> {
        let before = |span: Duration| {
            BootTime(now.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
        };
        for (agent, action, at) in self.store.made_since(&self.boot_id, before(MINUTE))? {
            match action {
                Action::Ask => self.flood.limits.was_asked(agent, at),
                Action::Deny => self.flood.limits.was_recorded(agent, at),
                Action::Allow => {}
            }
        }
        for (stored, at) in self.store.denied_since(&self.boot_id, before(MAX_COOLDOWN))? {
            self.remember_denial(&stored, at);
        }
        Ok(())
    }

    /// A person has denied: the same is not asked about again for a while, also by the next daemon.
    pub(super) fn note_denial(&mut self, stored: &StoredRequest, now: BootTime) {
        self.writes.push(Write::Denied { request: stored.request.id.clone(), at: now });
        self.remember_denial(stored, now);
    }

    fn remember_denial(&mut self, stored: &StoredRequest, at: BootTime) {
        let Some(facts) = &stored.facts else { return };
        let question = digest(facts, stored.request.wait);
        self.flood.limits.denied(stored.agent, Denial { question, request: stored.request.id.clone(), at });
    }

    /// Refuses what may not be asked about, or what is one of so many refusals that it gets no request of its own. True
    /// where it did.
    pub(super) fn is_refused_unasked(&mut self, hold: HoldId, facts: &ExecFacts, action: Action) -> bool {
        let Some(entry) = self.entries.get(&hold) else { return false };
        let (agent, wait) = (AgentId(entry.kernel.agent), wait(&entry.kernel));
        let (limits, now) = (self.rules.config.limits, clock::boot());
        let answer = match action {
            Action::Allow => Ok(()),
            Action::Deny => self.flood.limits.record(agent, &limits, now),
            Action::Ask => {
                let waiting = self.waiting(agent);
                self.flood.limits.ask(agent, digest(facts, wait), waiting, &limits, now)
            }
        };
        let Err(refused) = answer else { return false };
        let seen = Seen::new(facts.pid, &facts.executable.path, &facts.argv);
        self.refuse_unasked(hold, refused, seen);
        true
    }

    /// Refuses what could not be read without a request of its own, where the agent has had many of these.
    pub(super) fn is_one_of_many_unreadable(&mut self, hold: HoldId) -> bool {
        let Some(entry) = self.entries.get(&hold) else { return false };
        let kernel = entry.kernel;
        let (limits, now): (Limits, BootTime) = (self.rules.config.limits, clock::boot());
        let Err(refused) = self.flood.limits.record(AgentId(kernel.agent), &limits, now) else {
            return false;
        };
        self.refuse_unasked(hold, refused, unseen(&kernel));
        true
    }

    /// Refuses a new action without a look, where too many of its agent wait for one. True where it did.
    pub(super) fn too_many_unread(&mut self, hold: HoldId, kernel: Hold) -> bool {
        let unread =
            |entry: &&Entry| entry.kernel.agent == kernel.agent && matches!(entry.stage, Stage::Observing);
        if self.entries.values().filter(unread).count() < MAX_UNREAD {
            return false;
        }
        self.entries.insert(hold, Entry::new(kernel, Stage::Observing));
        let refused = Refused { cause: Cause::Unread, until: None, request: None };
        self.refuse_unasked(hold, refused, unseen(&kernel));
        true
    }

    /// Refuses what the same process was refused just before. That is on record already.
    pub(super) fn refuse_repeat(&mut self, hold: HoldId) {
        self.flood.tally.count(Cause::Repeat);
        self.refuse_quietly(hold);
    }

    pub(super) fn refuse_unasked(&mut self, hold: HoldId, refused: Refused, seen: Seen) {
        let Some(entry) = self.entries.get(&hold) else { return };
        let agent = AgentId(entry.kernel.agent);
        if let Some(told) = self.flood.tally.refused(agent, refused, seen, clock::boot()) {
            self.tell(told);
        }
        self.refuse_quietly(hold);
    }

    /// A refusal lets nothing run, so it waits for no transaction.
    pub(super) fn refuse_quietly(&mut self, hold: HoldId) {
        self.leave(hold);
        let Some(entry) = self.entries.get_mut(&hold) else { return };
        // What was filed has had its EPERM; its next try is filed anew.
        if entry.kernel.phase == PHASE_FILED {
            self.forget_quietly(hold);
            return;
        }
        entry.stage = Stage::Passing;
        self.effects.extend(Planned::refuse_again(hold));
    }

    /// What waits for people.
    pub(super) fn waiting(&self, agent: AgentId) -> Waiting {
        let (of_agent, of_all) = self.count_joined(agent);
        let mut waiting = Waiting { of_agent, of_all, ..Waiting::default() };
        for tracked in self.entries.values().filter_map(Entry::tracked) {
            if !tracked.request.is_pending() {
                continue;
            }
            let until = tracked.request.deadline;
            let earlier = |known: Option<BootTime>| Some(known.map_or(until, |known| known.min(until)));
            waiting.of_all += 1;
            waiting.all_until = earlier(waiting.all_until);
            if tracked.agent == agent {
                waiting.of_agent += 1;
                waiting.agent_until = earlier(waiting.agent_until);
            }
        }
        waiting
    }

    /// With each sweep: tells what was only counted so far, and forgets what is over.
    pub(super) fn tell_what_was_not_asked(&mut self) {
        let now = clock::boot();
        self.flood.limits.forget_old(now);
        self.flood.tally.due(now).into_iter().for_each(|told| self.tell(told));
    }

    /// At the end: tells all that was only counted.
    pub(super) fn tell_the_rest(&mut self) {
        self.flood.tally.rest(clock::boot()).into_iter().for_each(|told| self.tell(told));
    }

    /// A line in the journal and an entry in the record.
    fn tell(&mut self, told: Told) {
        let agent = self.agent_facts(told.agent).name;
        let Told { seen, refused, at, more, .. } = told;
        let denied = refused.request.as_ref().map(ToString::to_string);
        // What an agent has named is escaped before it comes into the journal.
        let program = seen.program.shown();
        warn!(
            agent,
            pid = seen.pid,
            program,
            more,
            denied,
            "{}: refused without asking: {}",
            refused.cause.counter(),
            refused.cause.because()
        );
        self.writes.push(Write::Log {
            at: wall(at),
            request: None,
            agent: Some(agent),
            event: LogEvent::RefusedUnasked {
                cause: refused.cause,
                pid: seen.pid,
                program: seen.program,
                argv: seen.argv,
                more_arguments: seen.more_arguments,
                until: refused.until.map(wall),
                denied: refused.request,
                more,
            },
        });
    }

    /// What the calling process's own agent was refused, for it to know why.
    pub(super) fn refusals_of(&self, peer: Peer) -> Result<RefusalList, Problem> {
        let agent = self.agent_of(peer)?;
        let view = |Told { seen, refused, at, more, .. }: Told| RefusalView {
            cause: refused.cause,
            because: refused.cause.because().to_owned(),
            at: wall(at),
            until: refused.until.map(wall),
            request: refused.request,
            pid: seen.pid,
            program: seen.program,
            argv: seen.argv,
            more_arguments: seen.more_arguments,
            more,
        };
        Ok(RefusalList { refusals: self.flood.tally.recent(agent).into_iter().map(view).collect() })
    }
}

/// How a hold waits, as the kernel half does it.
fn wait(kernel: &Hold) -> Wait {
    if kernel.phase == PHASE_FILED { Wait::Refuse } else { Wait::Hold }
}

fn digest(facts: &ExecFacts, wait: Wait) -> Question {
    Question(Sha256::digest(question(facts, wait)).into())
}

/// What is known of an action without a look: the name, where it is by the name that it is listed.
fn unseen(kernel: &Hold) -> Seen {
    let name = kernel.name.split(|byte| *byte == 0).next().unwrap_or_default();
    Seen::new(kernel.tgid, &Alleged::from(name), &[])
}

/// A time of the boot clock for people.
fn wall(at: BootTime) -> WallTime {
    let (boot, wall) = (clock::boot(), clock::wall());
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    WallTime(wall.0.saturating_add(milliseconds(at.since(boot))).saturating_sub(milliseconds(boot.since(at))))
}
