//! What the rules say of one held exec.

use holdpoint_abi::{FileKey, Hold, MATCHED_FILE, PHASE_FILED};
use holdpoint_core::{
    alleged::Alleged,
    policy::{Action, Context, Decision, Exec, Policy},
};

use super::{Rules, last_component, objection};
use crate::{observe::Observed, sys::clock};

/// What the rules say of a held exec.
#[derive(Clone, Debug)]
pub(crate) enum Ruling {
    /// No rule is about it: it came by a name that a listed file could have had.
    NotMeant,
    /// What to do. `interpreter` is the listed interpreter that the decision covers as well; `objection` is what is wrong
    /// with this exec, for which it is refused though its program might run.
    Decided { decision: Box<Decision>, interpreter: FileKey, objection: Option<String> },
}

impl Rules {
    /// What to do about a held exec.
    pub(crate) fn rule(&self, hold: &Hold, observed: &Observed) -> Ruling {
        let context = observed.context(clock::wall());
        let said = self.said(&self.policy, hold, observed, &context);
        if self.config.observes(&observed.facts.agent.name) {
            return said.observed(Ruling::NotMeant);
        }
        let Some(enforced) = &self.enforced else { return said };
        let by_observers = observed.names.iter().any(|name| enforced.observed_names.contains(name));
        // What is listed by a name that has changed since is asked about, unless rules that observe could have listed it.
        let hold = Hold { matched: if by_observers { 0 } else { hold.matched }, ..*hold };
        said.observed(self.said(&enforced.policy, &hold, observed, &context))
    }

    fn said(&self, policy: &Policy, hold: &Hold, observed: &Observed, context: &Context<'_>) -> Ruling {
        let path = observed.facts.executable.path.0.as_slice();
        let own = self.decide(policy, hold.file, path, &observed.names, context);
        let mut decision = match stricter(own, self.by_arguments(policy, hold.file, observed, context)) {
            Some(decision) => decision,
            None if hold.matched == MATCHED_FILE => {
                policy.decide(&Exec { names: &[], paths: &[path] }, context)
            }
            None => return Ruling::NotMeant,
        };
        // Which arguments the kernel gives an interpreter, and what is in its file, nobody has looked at.
        let of_interpreter = Context { argv: None, sha256: None, owner: None, ..*context };
        let mut covered = FileKey::default();
        for (path, key) in &observed.interpreters {
            let names = [last_component(path).to_vec()];
            let Some(said) = self.decide(policy, *key, path, &names, &of_interpreter) else { continue };
            if covered != FileKey::default() && covered != *key {
                decision.action = Action::Deny;
                decision.because = "more than one of the script's interpreters is listed".to_owned();
                break;
            }
            covered = *key;
            let loader_variables = decision.loader_variables.max(said.loader_variables);
            if said.action.strictness() > decision.action.strictness() {
                decision = said;
            }
            decision.loader_variables = loader_variables;
        }
        let objection = objection::to(&decision, observed, hold.phase == PHASE_FILED);
        if objection.is_some() {
            decision.action = Action::Deny;
        }
        Ruling::Decided { decision: Box::new(decision), interpreter: covered, objection }
    }

    /// What the rules say of the names that its arguments give a program of many names. One that was called by the link of an
    /// allowed name, or by a name that no rule means, could become another one by them.
    fn by_arguments(
        &self,
        policy: &Policy,
        key: FileKey,
        observed: &Observed,
        context: &Context<'_>,
    ) -> Option<Decision> {
        if !self.many_names.contains(&key) {
            return None;
        }
        let name = |argument: &Alleged| {
            let name = last_component(&argument.0);
            name.strip_prefix(b"-").unwrap_or(name).to_vec()
        };
        let names: Vec<Vec<u8>> = observed.facts.argv.iter().take(2).map(name).collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let exec = Exec { names: &names, paths: &[] };
        policy.listed(&exec).then(|| policy.decide(&exec, context))
    }

    fn decide(
        &self,
        policy: &Policy,
        key: FileKey,
        path: &[u8],
        names: &[Vec<u8>],
        context: &Context<'_>,
    ) -> Option<Decision> {
        let known = self.files.get(&key).map(Vec::as_slice).unwrap_or_default();
        let known = known.iter().map(Vec::as_slice);
        let paths: Vec<&[u8]> = known.clone().chain([path]).collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).chain(known.map(last_component)).collect();
        let exec = Exec { names: &names, paths: &paths };
        policy.listed(&exec).then(|| policy.decide(&exec, context))
    }
}

impl Ruling {
    /// What is done where `self` is what all rules say, and `enforced` what those say that are enforced.
    fn observed(self, enforced: Self) -> Self {
        let Self::Decided { mut decision, interpreter, objection } = self else { return enforced };
        decision.because = objection.unwrap_or(decision.because);
        // Whichever rules list the interpreter, the kernel half asks for it.
        match enforced {
            Self::NotMeant => {
                Self::Decided { decision: Box::new(decision.observed(None)), interpreter, objection: None }
            }
            Self::Decided { decision: enforced, objection, .. } => {
                let decision = Box::new(decision.observed(Some(*enforced)));
                Self::Decided { decision, interpreter, objection }
            }
        }
    }
}

fn stricter(one: Option<Decision>, other: Option<Decision>) -> Option<Decision> {
    match (one, other) {
        (Some(one), Some(other)) if other.action.strictness() > one.action.strictness() => Some(other),
        (one, other) => one.or(other),
    }
}
