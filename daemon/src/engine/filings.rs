//! What was refused at once: no task waits, so nothing here looks at one.

use holdpoint_abi::PHASE_FILED;
use holdpoint_core::{
    id::{AgentId, HoldId},
    record::Filed,
};
use tracing::{error, warn};

use super::{
    Engine, Finding, Observation,
    entry::{Entry, Stage},
};
use crate::{observe, sys::clock};

/// Sweeps in a row that may find a filing without its record, which comes within milliseconds.
const AWAITING_SWEEPS: u8 = 3;

impl Engine {
    /// The record of a filing has come: have it looked at.
    pub(super) fn filed(&mut self, filed: Filed) {
        let Some(hold) = std::num::NonZeroU64::new(filed.hold).map(HoldId) else { return };
        let known = self.entries.get(&hold).is_some_and(|entry| !matches!(entry.stage, Stage::Awaiting));
        let kernel = match self.gate.hold(filed.hold) {
            Ok(Some(kernel)) if !known => kernel,
            Ok(_) => return,
            // The next try is refused as well, until the sweep has given it up.
            Err(cause) => {
                error!(%hold, %cause, "cannot read a hold");
                return;
            }
        };
        if self.too_many_unread(hold, kernel) {
            return;
        }
        self.entries.insert(hold, Entry::new(kernel, Stage::Observing));
        let agent = self.agent_facts(AgentId(kernel.agent));
        let known = self.rules.paths_of(kernel.file);
        let tags = self.gate.tags().clone();
        let (workers, sender) = (self.workers.clone(), self.observations.clone());
        tokio::spawn(async move {
            let reading = move || observe::observe_filed(&kernel, filed, &agent, &known, &tags);
            let turn = workers.turn(AgentId(kernel.agent)).await;
            let found = workers.run(AgentId(kernel.agent), "the program that was filed", reading).await;
            let found = observe::with_names(found).await;
            // The engine has ended; the filing is given up by the next one, and made again by the next try.
            let finding = Finding::Exec(Box::new(found));
            let _unheard = sender.send(Observation { hold, finding, turn }).await;
        });
    }

    /// Gives up what cannot become anything any more, so that the next try is a new filing.
    pub(super) fn sweep_filings(&mut self) {
        let lasts = u64::try_from(self.rules.config.defaults.valid_for.as_nanos()).unwrap_or(u64::MAX);
        let now = clock::boot().0;
        let mut over = Vec::new();
        for (hold, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.kernel.phase == PHASE_FILED) {
            match entry.stage {
                Stage::Awaiting => {
                    entry.astray += 1;
                    if entry.astray >= AWAITING_SWEEPS {
                        warn!(%hold, "a filed exec has no record; it is given up, and its next try is filed again");
                        over.push(*hold);
                    }
                }
                Stage::Passing if now.saturating_sub(entry.kernel.held_at) > lasts => over.push(*hold),
                Stage::Passing | Stage::Observing | Stage::Joined(_) | Stage::Request(_) => {}
            }
        }
        for hold in over {
            self.forget_quietly(hold);
        }
    }
}
