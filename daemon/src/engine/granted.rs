//! What an approval is about beside the one exec: the identical action again (`for`, `uses`). In memory alone: after a restart
//! people are asked.

use holdpoint_abi::{Hold, Standing};
use holdpoint_core::{
    facts::ExecFacts,
    flood::{Question, question},
    id::{AgentId, HoldId},
    policy::{Decision, Wait},
    time::BootTime,
};
use sha2::{Digest as _, Sha256};

use super::Engine;
use crate::{bound::Bound, store::StoredRequest};

impl Engine {
    /// Why nobody has to be asked about what a rule asks about, where that is so.
    pub(super) fn is_granted(
        &mut self,
        hold: HoldId,
        facts: &ExecFacts,
        decision: &Decision,
        now: BootTime,
    ) -> Option<String> {
        let (rule, grant) = (decision.rule.as_deref()?, decision.grant?);
        let entry = self.entries.get(&hold)?;
        let key = key(facts, &entry.kernel, entry.bound.as_ref()?)?;
        let request = self.grants.take(AgentId(entry.kernel.agent), key, rule, grant, now)?;
        Some(format!(
            "the same was approved as request {request}, whose approval is about more than one exec"
        ))
    }

    /// A person has approved for so many processes, and it is on record.
    pub(super) fn note_grant(&mut self, hold: HoldId, stored: &StoredRequest, processes: u64, now: BootTime) {
        let (Some(grant), Some(rule)) = (stored.decision.grant, &stored.decision.rule) else { return };
        let (Some(facts), Some(bound), Some(entry)) = (&stored.facts, &stored.bound, self.entries.get(&hold))
        else {
            return;
        };
        if stored.request.wait == Wait::Refuse {
            return;
        }
        let Some(key) = key(facts, &entry.kernel, bound) else { return };
        let used = u32::try_from(processes).unwrap_or(u32::MAX);
        self.grants.give(stored.agent, key, &stored.request.id, rule, grant, used, now);
    }
}

/// The identical action: what a person sees is the same, and so is what an approval is bound to: the whole environment, user,
/// groups and capabilities, namespaces, directory and root. None of what was refused at once, of which nobody has seen all of it.
fn key(facts: &ExecFacts, kernel: &Hold, bound: &Bound) -> Option<Question> {
    if kernel.arguments != [0; 2] {
        return None;
    }
    let mut digest = Sha256::new();
    digest.update(question(facts, Wait::Hold));
    digest.update(serde_json::to_vec(bound).ok()?);
    let Standing { credentials, namespaces, directory, root } = kernel.standing;
    for part in [credentials, namespaces, directory, root] {
        digest.update(part.to_le_bytes());
    }
    Some(Question(digest.finalize().into()))
}
