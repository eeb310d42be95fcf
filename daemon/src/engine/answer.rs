//! From an observation to a request: the rules speak, and people are asked where they say so.

use holdpoint_abi::PHASE_FILED;
use holdpoint_core::{
    id::{AgentId, HoldId, RequestId},
    policy::{Action, Decision, LoaderVariables, Wait},
    request::{Input, Refusal, Request, State},
};
use tracing::{debug, error, warn};

use super::{
    Engine,
    effects::Planned,
    entry::{Entry, Stage},
};
use crate::{observe::Observed, rules::Ruling, store::StoredRequest, sys::clock};

/// Draws of a request id before it is given up: with half of all ids in use, one in a million fails.
const DRAWS: u32 = 20;

impl Engine {
    pub(super) fn rule_on(&mut self, hold: HoldId, observed: Observed) {
        let Some(entry) = self.entries.get_mut(&hold) else { return };
        if self.repeats.repeats(&entry.kernel, &observed.facts.argv, clock::boot()) {
            debug!(
                pid = entry.kernel.tgid,
                "the same process tries again what it was refused just now; refused"
            );
            self.refuse_repeat(hold);
            return;
        }
        match self.rules.rule(&entry.kernel, &observed) {
            Ruling::NotMeant => {
                entry.stage = Stage::Passing;
                // No rule is about it, so none refuses its variables.
                entry.bound = Some(observed.bound.with_variables(LoaderVariables::Show));
                let until = clock::boot().after(self.rules.config.defaults.valid_for);
                self.effects.extend(Planned::let_pass(hold, until));
            }
            Ruling::Decided { decision, interpreter, objection } => {
                let bound = observed.bound.clone().covering(interpreter);
                entry.bound = Some(bound.with_variables(decision.loader_variables));
                let (input, note) = match decision.action {
                    Action::Allow => (Some(Input::AllowedByRule), None),
                    Action::Deny => {
                        let told = objection.or_else(|| decision.deny_message.clone());
                        (Some(Input::Decided(Refusal::DeniedByRule)), told)
                    }
                    Action::Ask => match self.is_granted(hold, &observed.facts, &decision, clock::boot()) {
                        Some(why) => (Some(Input::AllowedByRule), Some(why)),
                        None => (None, None),
                    },
                };
                // What an approval is about already spares people.
                let action =
                    if input == Some(Input::AllowedByRule) { Action::Allow } else { decision.action };
                if action == Action::Ask && self.joins(hold, &observed.facts, &decision) {
                    return;
                }
                if self.is_refused_unasked(hold, &observed.facts, action) {
                    return;
                }
                // Whether the store works again is seen by writing. Until then nobody is asked in vain, and a flood
                // of execs does not fill the memory with records that cannot be written.
                if self.store_problem.is_some() {
                    self.flush();
                }
                if let (Some(cause), Some(entry)) = (&self.store_problem, self.entries.get_mut(&hold)) {
                    warn!(pid = entry.kernel.tgid, %cause, "refused without a record, since none can be written");
                    entry.stage = Stage::Passing;
                    self.effects.extend(Planned::refuse_again(hold));
                    return;
                }
                self.request(hold, Some(observed), *decision, note.clone());
                if let Some(input) = input {
                    self.input(hold, &input, note.as_deref());
                }
            }
        }
    }

    /// What could not be looked at cannot be asked about: it is refused, and the record says why.
    pub(super) fn refuse_unread(&mut self, hold: HoldId, why: &str) {
        if self.is_one_of_many_unreadable(hold) {
            return;
        }
        let decision = Decision {
            action: Action::Deny,
            rule: None,
            description: None,
            because: "what it is could not be found out".to_owned(),
            risk: None,
            message: None,
            deny_message: None,
            timeout: self.rules.config.defaults.timeout,
            valid_for: self.rules.config.defaults.valid_for,
            wait: self.rules.config.defaults.wait,
            loader_variables: LoaderVariables::default(),
            grant: None,
            would_be: None,
        };
        self.request(hold, None, decision, Some(why.to_owned()));
        self.input(hold, &Input::Decided(Refusal::Unreadable), Some(why));
    }

    /// How many requests wait for a vote.
    pub(super) fn pending(&self) -> usize {
        self.entries
            .values()
            .filter_map(Entry::tracked)
            .filter(|tracked| tracked.request.is_pending())
            .count()
    }

    fn request(
        &mut self,
        hold: HoldId,
        observed: Option<Observed>,
        decision: Decision,
        note: Option<String>,
    ) {
        let Some(entry) = self.entries.get(&hold) else { return };
        let agent = self.agent_facts(AgentId(entry.kernel.agent));
        let Some(id) = self.draw_id() else {
            // The task stays held, and the next sweep tries again; what was filed is given up by it.
            error!(%hold, "cannot find a free request id");
            self.entries.remove(&hold);
            return;
        };
        let made_at = clock::boot();
        let request = Request {
            id,
            hold,
            // As the kernel half does it, which may know the program under an older rule.
            wait: if entry.kernel.phase == PHASE_FILED { Wait::Refuse } else { Wait::Hold },
            made_at,
            deadline: made_at.after(decision.timeout),
            valid_for: decision.valid_for,
            state: State::Pending,
        };
        let stored = StoredRequest {
            request,
            agent: agent.id,
            agent_name: agent.name,
            boot_id: self.boot_id.clone(),
            decision,
            facts: observed.map(|observed| observed.facts),
            bound: entry.bound.clone(),
            with: None,
            votes: Vec::new(),
            made_at: clock::wall(),
            ended_at: None,
            note,
        };
        self.track(hold, stored);
    }

    pub(super) fn draw_id(&self) -> Option<RequestId> {
        (0..DRAWS)
            .map(|_| RequestId::from_random(rand::random()))
            .find(|id| !self.by_id.contains_key(id) && matches!(self.store.id_in_use(id), Ok(false)))
    }
}
