//! What the service manager hears from the engine: how things stand, and that holds move.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use holdpoint_abi::PHASE_HELD;

use super::Engine;
use crate::{kernel, service::Manager};

/// What was told, and when.
pub(super) struct Pulse {
    manager: Arc<Manager>,
    told: String,
    pinged: Option<Instant>,
    /// Whether the programs were in the kernel when it was last looked at.
    shut: bool,
}

/// How often it is looked whether the programs are there, where no watchdog says how often to ping.
const LOOK: Duration = Duration::from_secs(15);

impl Pulse {
    pub(super) fn new(manager: Arc<Manager>) -> Self {
        Self { manager, told: String::new(), pinged: None, shut: true }
    }
}

impl Engine {
    /// Called after each sweep, when all that came of it is written and done: this is what "holds move" means. Where
    /// the kernel's holds could not be read (`swept` is false), or the programs have gone or failed the canary, there is no ping, and
    /// systemd ends the daemon and starts it again. A store that cannot be written does not keep the ping back: then
    /// every ask is denied, which is an answer, and a restart would not make room on the disk.
    pub(super) fn pulse(&mut self, swept: bool) {
        if swept {
            self.prove_now_and_then();
        }
        if !self.pulse.manager.listens() {
            return;
        }
        let pause = self.pulse.manager.ping_every().unwrap_or(LOOK);
        if swept && self.pulse.pinged.is_none_or(|at| at.elapsed() >= pause) {
            self.pulse.shut = enforces();
            // A ping that is lost is sent after the next sweep.
            let holds = self.pulse.shut && self.proof.problem().is_none();
            if holds && self.pulse.manager.ping() {
                self.pulse.pinged = Some(Instant::now());
            }
        }
        let sentence = self.sentence(swept);
        if sentence != self.pulse.told && self.pulse.manager.status(&sentence) {
            self.pulse.told = sentence;
        }
    }

    fn sentence(&self, swept: bool) -> String {
        let mut problems = Vec::new();
        if !swept {
            problems.push("the kernel's holds cannot be read, see the journal".to_owned());
        }
        if !self.pulse.shut {
            problems.push("the programs are not in the kernel any more, nothing is held".to_owned());
        }
        problems.extend(self.proof.problem().map(str::to_owned));
        problems.extend(self.pins_problem.clone());
        problems.extend(self.store_problem.iter().map(|cause| format!("every ask is denied: {cause}")));
        if self.pulse.manager.reload_has_failed() {
            problems
                .push("the last reload failed, rules and configuration before it are in force".to_owned());
        }
        problems.extend(self.watch_problem.clone());
        let held = self.entries.values().filter(|entry| entry.kernel.phase == PHASE_HELD).count();
        let observing = self.rules.config.mode.observes();
        sentence(&problems, observing, self.rules.policy.rules().len(), held, self.pending())
    }
}

/// Whether listed execs are held now. Not whether the programs are pinned: while this daemon runs, it holds them as well.
pub(super) fn enforces() -> bool {
    kernel::is_attached()
}

fn sentence(problems: &[String], observing: bool, rules: usize, held: usize, pending: usize) -> String {
    let trouble: String = problems.iter().map(|problem| format!("PROBLEM: {problem}; ")).collect();
    let mode = if observing { "OBSERVING ONLY, nothing is held; " } else { "" };
    format!("{trouble}{mode}rules in force: {rules}, held: {held}, waiting for a person: {pending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_first() {
        assert_eq!(sentence(&[], false, 12, 3, 2), "rules in force: 12, held: 3, waiting for a person: 2");
        let told = sentence(&["the disk is full".to_owned()], false, 12, 0, 0);
        assert!(told.starts_with("PROBLEM: the disk is full; rules in force: 12"), "{told}");
        let told = sentence(&[], true, 12, 0, 0);
        assert!(told.starts_with("OBSERVING ONLY, nothing is held; rules in force: 12"), "{told}");
    }
}
