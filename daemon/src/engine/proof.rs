//! The canary's place in the engine: when it is tried, and what follows if it fails.

use std::time::{Duration, Instant};

use holdpoint_abi::{Allowance, Hold, PHASE_HELD, VERDICT_DENY};
use holdpoint_core::id::HoldId;
use tracing::{error, info, warn};

use super::{Engine, release};
use crate::{
    canary::{self, CanaryError},
    sys::clock,
};

/// How often the gate is tried, beside each start and reload.
const EVERY: Duration = Duration::from_secs(600);
/// How often it is tried again after it failed, or could not be tried: a host that has no memory for a child now may have it soon.
const AGAIN: Duration = Duration::from_secs(5);

/// What the last try has shown.
#[derive(Default)]
pub(super) struct Proof {
    tried: Option<Instant>,
    problem: Option<String>,
    /// Whether it could not be tried, since too much goes on.
    busy: bool,
}

impl Proof {
    /// What is wrong with the gate; none where the last try has shown that it holds.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

impl Engine {
    /// Tries the gate. True where it holds.
    pub(super) fn prove(&mut self) -> bool {
        let path = canary::path(&self.rules.config.runtime_directory);
        let failed = match canary::prove(&mut self.gate, &path) {
            Ok(()) => None,
            // The gate is shut then, and shuts out more than it should: no reason to end a daemon that makes room.
            Err(cause @ CanaryError::Busy) => {
                warn!(%cause, "the gate could not be tried");
                self.proof.tried = Some(Instant::now());
                self.proof.busy = true;
                return self.proof.problem.is_none();
            }
            Err(cause) => Some(cause.to_string()),
        };
        match (&failed, &self.proof.problem) {
            (Some(cause), _) => error!(%cause, "the gate does not do what it should"),
            (None, Some(_)) => info!("the gate does what it should again"),
            (None, None) => {}
        }
        self.proof = Proof { tried: Some(Instant::now()), problem: failed, busy: false };
        self.proof.problem.is_none()
    }

    /// Tries it again when it is time.
    pub(super) fn prove_now_and_then(&mut self) {
        let pause = if self.proof.problem.is_some() || self.proof.busy { AGAIN } else { EVERY };
        if self.proof.tried.is_none_or(|at| at.elapsed() >= pause) {
            self.prove();
        }
    }

    /// A hold of a canary whose daemon died: nobody waits for it, and it must not run.
    pub(super) fn end_canary(&mut self, hold: HoldId, kernel: &Hold) {
        if kernel.phase != PHASE_HELD {
            self.forget_quietly(hold);
            return;
        }
        let denial = Allowance { verdict: VERDICT_DENY, expires_at: clock::boot().0, ..Allowance::default() };
        if let Err(cause) = self.gate.answer(hold.0.get(), denial) {
            error!(%hold, %cause, "cannot end a canary that was left over");
        }
        release::go_on(kernel, self.gate.tags());
    }
}
