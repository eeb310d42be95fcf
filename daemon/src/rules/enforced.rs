//! Rules that are enforced, where others only observe.

use std::{collections::HashSet, sync::Arc};

use holdpoint_core::policy::{Mode, Policy};

/// The rules that are enforced.
#[derive(Debug)]
pub(crate) struct Enforced {
    pub(super) policy: Policy,
    /// Names, and last components of paths and globs, that no enforced rule has.
    pub(super) observed_names: HashSet<Vec<u8>>,
}

impl Enforced {
    /// None where all rules are enforced.
    pub(super) fn of(policy: &Policy, host: Mode) -> Option<Arc<Self>> {
        let enforced = match host {
            Mode::Observe => Policy::default(),
            Mode::Enforce => policy.enforced()?,
        };
        let mut observed_names: HashSet<Vec<u8>> = HashSet::new();
        observed_names.extend(policy.names());
        observed_names.extend(policy.candidate_names());
        for name in enforced.names().into_iter().chain(enforced.candidate_names()) {
            observed_names.remove(&name);
        }
        Some(Arc::new(Self { policy: enforced, observed_names }))
    }
}
