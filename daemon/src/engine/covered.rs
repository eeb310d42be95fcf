//! What an approval is about beside the one exec: the identical action again (`for`, `uses`), and what the program starts
//! (`covers_children`). In memory alone: after a restart people are asked.

use holdpoint_abi::{Hold, PHASE_FILED, Standing};
use holdpoint_core::{
    facts::ExecFacts,
    flood::{Question, question},
    id::{AgentId, HoldId, RequestId},
    policy::{Action, Decision, Wait},
    request::State,
    time::BootTime,
};
use sha2::{Digest as _, Sha256};

use super::{Engine, entry::Entry};
use crate::{bound::Bound, observe::process, store::StoredRequest};

impl Engine {
    /// Why nobody has to be asked about what a rule asks about, where that is so.
    pub(super) fn is_covered(
        &mut self,
        hold: HoldId,
        facts: &ExecFacts,
        decision: &mut Decision,
        now: BootTime,
    ) -> Option<String> {
        if decision.action != Action::Ask {
            return None;
        }
        if let Some(request) = self.covering_parent(hold, facts) {
            // What it starts in turn is covered as well.
            decision.covers_children = true;
            return Some(format!("request {request} was approved with all that its program starts"));
        }
        let rule = decision.rule.as_deref().filter(|_| decision.grant.is_some())?;
        let entry = self.entries.get(&hold)?;
        let wait = if entry.kernel.phase == PHASE_FILED { Wait::Refuse } else { Wait::Hold };
        let key = key(facts, wait, &entry.kernel, entry.bound.as_ref()?)?;
        let request = self.grants.take(AgentId(entry.kernel.agent), key, rule, now)?;
        Some(format!(
            "the same was approved as request {request}, whose approval is about more than one exec"
        ))
    }

    /// A person has approved, and it is on record.
    pub(super) fn note_grant(&mut self, hold: HoldId, stored: &StoredRequest, now: BootTime) {
        let (Some(grant), Some(rule)) = (stored.decision.grant, &stored.decision.rule) else { return };
        let (Some(facts), Some(bound), Some(entry)) = (&stored.facts, &stored.bound, self.entries.get(&hold))
        else {
            return;
        };
        let Some(key) = key(facts, stored.request.wait, &entry.kernel, bound) else { return };
        self.grants.give(stored.agent, key, &stored.request.id, rule, grant, now);
    }

    /// The request under whose approval the process, or one of those that it descends from, runs now.
    fn covering_parent(&self, hold: HoldId, facts: &ExecFacts) -> Option<RequestId> {
        let agent = self.entries.get(&hold)?.kernel.agent;
        let family = || std::iter::once(facts.pid).chain(facts.parents.iter().map(|parent| parent.pid));
        let running = |entry: &&Entry| {
            entry.kernel.agent == agent
                && entry.tracked().is_some_and(|tracked| tracked.request.state == State::Running)
        };
        family().find_map(|pid| {
            let entry = self.entries.values().filter(running).find(|entry| entry.kernel.tgid == pid)?;
            // Its number may have been given to another process, of whose end nobody has heard yet.
            process::of_the_same(&entry.kernel)?;
            let id = &entry.tracked()?.request.id;
            let stored = self.store.request(id).ok().flatten()?;
            stored.decision.covers_children.then(|| id.clone())
        })
    }
}

/// The identical action: what a person sees is the same, and so is what an approval is bound to: the whole environment, user,
/// groups and capabilities, namespaces, directory and root.
fn key(facts: &ExecFacts, wait: Wait, kernel: &Hold, bound: &Bound) -> Option<Question> {
    let mut digest = Sha256::new();
    digest.update(question(facts, wait));
    digest.update(serde_json::to_vec(bound).ok()?);
    let Standing { credentials, namespaces, directory, root } = kernel.standing;
    for part in [credentials, namespaces, directory, root] {
        digest.update(part.to_le_bytes());
    }
    Some(Question(digest.finalize().into()))
}
