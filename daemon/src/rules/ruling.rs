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

/// Which rules are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// All of them.
    All,
    /// Those that are enforced, of what all of them list.
    Enforced,
}

impl Rules {
    /// What to do about a held exec.
    pub(crate) fn rule(&self, hold: &Hold, observed: &Observed) -> Ruling {
        let context = observed.context(clock::wall());
        let said = self.said(&self.policy, Asked::All, hold, observed, &context);
        if self.config.observes(&observed.facts.agent.name) {
            return said.observed(Ruling::NotMeant);
        }
        let Some(enforced) = &self.enforced else { return said };
        said.observed(self.said(&enforced.policy, Asked::Enforced, hold, observed, &context))
    }

    fn said(
        &self,
        policy: &Policy,
        asked: Asked,
        hold: &Hold,
        observed: &Observed,
        context: &Context<'_>,
    ) -> Ruling {
        let path = observed.facts.executable.path.0.as_slice();
        let own = self.decide(policy, hold.file, path, &observed.names, context);
        // One that is listed itself goes by its own name.
        let by_name = own.is_some() && self.files.contains_key(&hold.file);
        let by_arguments =
            if by_name { None } else { self.by_arguments(policy, hold.file, observed, context) };
        // By which rule the kernel half has listed it nobody knows any more, or it stands on a listed file.
        let is_unknown = hold.matched == MATCHED_FILE
            && match asked {
                Asked::All => true,
                Asked::Enforced => !self.files.contains_key(&hold.file),
            };
        let decision = match stricter(own, by_arguments) {
            None if is_unknown => Some(policy.decide(&Exec { names: &[], paths: &[path] }, context)),
            decision => decision,
        };
        // The kernel half asks for its interpreters as well, but not where an allowance covers one that it was held with.
        if decision.is_none() && asked == Asked::All {
            return Ruling::NotMeant;
        }
        let (decision, covered) = self.with_interpreters(policy, decision, observed, context);
        let Some(mut decision) = decision else { return Ruling::NotMeant };
        let objection = objection::to(&decision, observed, hold.phase == PHASE_FILED);
        if objection.is_some() {
            decision.action = Action::Deny;
        }
        Ruling::Decided { decision: Box::new(decision), interpreter: covered, objection }
    }

    /// The decision about a script and its interpreters together, and which of these is listed.
    fn with_interpreters(
        &self,
        policy: &Policy,
        own: Option<Decision>,
        observed: &Observed,
        context: &Context<'_>,
    ) -> (Option<Decision>, FileKey) {
        // Which arguments the kernel gives an interpreter, and what is in its file, nobody has looked at.
        let of_interpreter = Context { argv: None, sha256: None, owner: None, ..*context };
        let mut decision = own;
        let mut covered = FileKey::default();
        for (path, key) in &observed.interpreters {
            let names = [last_component(path).to_vec()];
            let Some(said) = self.decide(policy, *key, path, &names, &of_interpreter) else { continue };
            let Some(before) = decision.take() else {
                (decision, covered) = (Some(said), *key);
                continue;
            };
            if covered != FileKey::default() && covered != *key {
                let because = "more than one of the script's interpreters is listed".to_owned();
                return (Some(Decision { action: Action::Deny, because, ..before }), covered);
            }
            covered = *key;
            let loader_variables = before.loader_variables.max(said.loader_variables);
            let is_stricter = said.action.strictness() > before.action.strictness();
            let stricter = if is_stricter { said } else { before };
            decision = Some(Decision { loader_variables, ..stricter });
        }
        (decision, covered)
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
