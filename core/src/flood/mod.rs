//! What one agent may ask of people: how much at once, how much in a minute, and not again what was denied just now.
//!
//! Everything is kept for each agent by itself, so what one does changes no answer to another; the one limit that all
//! share, `limits.pending`, is looked at last. Nothing here lets anything run: the answer is whether people are asked.

mod denials;
mod pace;
mod question;
mod refused;
mod tally;

use std::collections::HashMap;

use crate::{
    config::Limits,
    id::{AgentId, RequestId},
    time::BootTime,
};
use denials::Denials;
use pace::Pace;
pub use question::{Question, question};
pub use refused::{Cause, Refused};
pub use tally::{MAX_KEPT, MAX_SHOWN_BYTES, Seen, TELLING, Tally, Told};

/// What was asked, recorded and denied of each agent, as far as it still matters.
///
/// An agent takes no more room than it has requests in a minute, and denials; one of which nothing matters any more
/// takes none.
#[derive(Clone, Debug, Default)]
pub struct Flood {
    agents: HashMap<AgentId, OfAgent>,
}

/// What waits for people now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Actions of the agent that wait.
    pub of_agent: usize,
    /// Actions of all agents that wait.
    pub of_all: usize,
    /// When the first of the agent's is over at the latest: its clock runs out.
    pub agent_until: Option<BootTime>,
    /// When the first of all is over at the latest.
    pub all_until: Option<BootTime>,
}

/// A person's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What was asked.
    pub question: Question,
    /// The request that was denied.
    pub request: RequestId,
    /// When.
    pub at: BootTime,
}

#[derive(Clone, Debug, Default)]
struct OfAgent {
    asked: Pace,
    recorded: Pace,
    denials: Denials,
}

impl Flood {
    /// Whether people are asked. Where they are, that counts from now on.
    ///
    /// # Errors
    /// Why they are not, the nearest cause first: what was denied is told as that, whatever else would refuse it, too.
    pub fn ask(
        &mut self,
        agent: AgentId,
        question: Question,
        waiting: Waiting,
        limits: &Limits,
        now: BootTime,
    ) -> Result<(), Refused> {
        let of_agent = self.agents.entry(agent).or_default();
        if let Some(denial) = of_agent.denials.of(question, limits.cooldown, now) {
            let until = Some(denial.at.after(limits.cooldown));
            return Err(Refused { cause: Cause::Cooldown, until, request: Some(denial.request.clone()) });
        }
        agent_has_room(waiting, limits)?;
        if let Some(until) = of_agent.asked.full_until(limits.agent_per_minute, now) {
            return Err(Refused { cause: Cause::AgentPerMinute, until: Some(until), request: None });
        }
        all_have_room(waiting, limits)?;
        of_agent.asked.count(now);
        Ok(())
    }

    /// Whether a refusal of which nobody is asked (a rule denies it, or it cannot be read) gets a request of its own in
    /// the record. Where it does, that counts from now on. The refusal stands in any case.
    ///
    /// # Errors
    /// When it does not: as many as may be asked about in a minute have got one.
    pub fn record(&mut self, agent: AgentId, limits: &Limits, now: BootTime) -> Result<(), Refused> {
        let recorded = &mut self.agents.entry(agent).or_default().recorded;
        match recorded.full_until(limits.agent_per_minute, now) {
            Some(until) => Err(Refused { cause: Cause::Unrecorded, until: Some(until), request: None }),
            None => {
                recorded.count(now);
                Ok(())
            }
        }
    }

    /// A person has denied.
    pub fn denied(&mut self, agent: AgentId, denial: Denial) {
        self.agents.entry(agent).or_default().denials.add(denial);
    }

    /// People were asked before a restart, at that time. To be said in the order in which they were.
    pub fn was_asked(&mut self, agent: AgentId, at: BootTime) {
        self.agents.entry(agent).or_default().asked.count(at);
    }

    /// A refusal was recorded before a restart, at that time. To be said in the order in which they were.
    pub fn was_recorded(&mut self, agent: AgentId, at: BootTime) {
        self.agents.entry(agent).or_default().recorded.count(at);
    }

    /// Forgets what does not matter any more. To be called now and then; it changes no answer.
    pub fn forget_old(&mut self, now: BootTime) {
        self.agents.retain(|_, of_agent| {
            let OfAgent { asked, recorded, denials } = of_agent;
            asked.forget_old(now);
            recorded.forget_old(now);
            denials.forget_old(now);
            !(asked.is_empty() && recorded.is_empty() && denials.is_empty())
        });
    }

    /// Of how many agents something is remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.agents.len()
    }
}

/// Whether an action may wait with the request of another. Nobody is asked, so only what waits counts.
///
/// # Errors
/// Why it may not.
pub fn may_join(waiting: Waiting, limits: &Limits) -> Result<(), Refused> {
    agent_has_room(waiting, limits)?;
    all_have_room(waiting, limits)
}

fn agent_has_room(waiting: Waiting, limits: &Limits) -> Result<(), Refused> {
    let refused = Refused { cause: Cause::AgentPending, until: waiting.agent_until, request: None };
    if waiting.of_agent < limits.agent_pending { Ok(()) } else { Err(refused) }
}

fn all_have_room(waiting: Waiting, limits: &Limits) -> Result<(), Refused> {
    let refused = Refused { cause: Cause::AllPending, until: waiting.all_until, request: None };
    if waiting.of_all < limits.pending { Ok(()) } else { Err(refused) }
}
