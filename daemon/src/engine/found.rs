//! Files that changed: the lists of the kernel half follow.

use tracing::{info, warn};

use super::Engine;
use crate::rules::Found;

impl Engine {
    /// Lists what was found for the rules in force, and notes what is wrong with the looking. The new entries are in the
    /// kernel before an old one goes.
    pub(super) fn found(&mut self, found: Option<Box<Found>>, problem: Option<String>) {
        let not_listed = found.and_then(|found| self.list_found(*found).err());
        let problem = problem.or(not_listed);
        if let Some(problem) =
            problem.as_ref().filter(|problem| self.watch_problem.as_ref() != Some(*problem))
        {
            warn!("{problem}");
        }
        self.watch_problem = problem;
    }

    fn list_found(&mut self, found: Found) -> Result<(), String> {
        // Rules that came meanwhile have been listed with what is there, and are looked at next.
        if !std::sync::Arc::ptr_eq(&found.policy, &self.rules.policy) {
            return Ok(());
        }
        let Some(rules) = self.rules.with_found(found) else { return Ok(()) };
        let failed = |cause: String| format!("files have changed, and cannot be listed: {cause}");
        self.list(&rules).map_err(|cause| failed(cause.to_string()))?;
        if !rules.agents.finds_as(&self.rules.agents) {
            self.declare(&rules.agents).map_err(|problem| failed(problem.detail))?;
        }
        info!(files = rules.files.len(), before = self.rules.files.len(), "files have changed: listed anew");
        self.rules = rules;
        Ok(())
    }
}
