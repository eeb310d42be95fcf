//! What the rules say of one exec.

use std::{collections::BTreeSet, fmt};

use super::{
    Action, Context, Decision, Defaults, LoaderVariables, Pattern, PatternKind, Rule, Truth, Wait, clause,
    explain,
    index::{Index, PatternRef},
    tools::Tools,
    view::View,
};
use crate::{
    diagnostic::{Diagnostic, Severity},
    escape::for_terminal,
};

/// Why `loader_variables = "refuse-all"` cannot be had with `wait = "refuse"`.
pub(super) const UNSEEN: &str =
    "loader_variables = \"refuse-all\" needs an exec that is held: of others nobody sees the environment";
pub(super) const UNSEEN_CURE: &str =
    "say wait = \"hold\", or loader_variables = \"refuse-ld\", which the kernel half sees to";

/// All rules, ready to decide.
#[derive(Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    index: Index,
    tools: Tools,
    /// Those of files that are enforced, where others only observe.
    tools_of_enforced: Option<Tools>,
    defaults: Defaults,
}

/// A program by one of its names, and the rules that are about it by that.
pub(super) struct Named<'a> {
    pub(super) name: &'a [u8],
    pub(super) rules: Vec<PatternRef>,
}

/// The rule that decides, and whether its clauses hold or are in doubt.
#[derive(Clone, Copy)]
pub(super) struct Decider {
    pub(super) reference: PatternRef,
    pub(super) truth: Truth,
}

/// An exec, as far as the rules of today are about it.
#[derive(Clone, Copy, Debug)]
pub struct Exec<'a> {
    /// The file's own name, and the last component of the path as it was called. Not `argv[0]`, which the
    /// caller makes up.
    pub names: &'a [&'a [u8]],
    /// The path with all links followed, and others by which the same file can be meant, such as the path inside
    /// the container.
    pub paths: &'a [&'a [u8]],
}

impl Policy {
    /// The same rules with other defaults, those of the configuration.
    #[must_use]
    pub fn with_defaults(mut self, defaults: Defaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// What rules and defaults say together and cannot mean: errors. What a rule says by itself is found when it is read.
    #[must_use]
    pub fn contradictions(&self) -> Vec<Diagnostic> {
        let is_one = |rule: &&Rule| {
            rule.action == Action::Ask
                && rule.wait.unwrap_or(self.defaults.wait) == Wait::Refuse
                && rule.loader_variables == Some(LoaderVariables::RefuseAll)
        };
        let tell = |rule: &Rule| {
            let (file, line) = (&rule.place.file, rule.place.line);
            let name = for_terminal(rule.name.as_bytes());
            let message =
                format!("rule '{name}' in line {line}: {UNSEEN}, and 'wait' is \"refuse\" by [defaults]");
            Diagnostic::of_file(Severity::Error, file, message).with_hint(UNSEEN_CURE)
        };
        self.rules.iter().filter(is_one).map(tell).collect()
    }

    /// The rules, in the order in which they are tried.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What to do about an exec.
    ///
    /// Each name by which rules are about the program is looked at by itself, and the strictest answer counts: whoever calls
    /// one program by the name of another shall not get that one's rules, or have its arguments read as that one's. By each
    /// name a `deny` that applies wins wherever it stands; otherwise the first rule that applies decides, in file and rule
    /// order. Where none does, people are asked: see [`Policy::listed`] for execs that are not meant at all.
    #[must_use]
    pub fn decide(&self, exec: &Exec<'_>, context: &Context<'_>) -> Decision {
        let named = self.about(exec);
        let views = self.views(&named, context);
        self.strictest(&named, &views).1
    }

    /// Whether every exec of this program is allowed, whatever else is known of it.
    #[must_use]
    pub fn always_allows(&self, exec: &Exec<'_>) -> bool {
        let allows = |named: &Named<'_>| {
            let mut always = false;
            self.reachable(named).all(|rule| {
                always |= rule.clauses.is_empty();
                rule.action == Action::Allow
            }) && always
        };
        self.about(exec).iter().all(allows) && self.listed(exec)
    }

    /// Whether one could be asked about and refused at once (`wait = "refuse"`), whatever else is known of it.
    #[must_use]
    pub fn could_refuse_at_once(&self, exec: &Exec<'_>) -> bool {
        let asks = |rule: &Rule| rule.action == Action::Ask && self.wait_of(rule) == Wait::Refuse;
        let could = |named: &Named<'_>| {
            let undecided = !self.reachable(named).any(|rule| rule.clauses.is_empty());
            self.reachable(named).any(asks) || (undecided && self.defaults.wait == Wait::Refuse)
        };
        !self.always_denies(exec) && self.about(exec).iter().any(could)
    }

    /// Whether all execs of this program are denied.
    #[must_use]
    pub fn always_denies(&self, exec: &Exec<'_>) -> bool {
        let denies = |rule: &Rule| rule.action == Action::Deny && rule.clauses.is_empty();
        self.about(exec).iter().any(|named| self.reachable(named).any(denies))
    }

    /// Whether any rule is about this program.
    ///
    /// The kernel half also stops at [`Policy::candidate_names`]; what comes by such a name alone, and
    /// is no listed file, is not meant and may go on at once.
    #[must_use]
    pub fn listed(&self, exec: &Exec<'_>) -> bool {
        self.index.matches(exec).next().is_some()
    }

    /// The names that the kernel half has to hold, wherever the file lies.
    #[must_use]
    pub fn names(&self) -> BTreeSet<Vec<u8>> {
        self.of_kind(PatternKind::Name).map(|pattern| pattern.text.clone().into_bytes()).collect()
    }

    /// The names that the kernel half has to stop at, since a file of that name may be a listed one that was
    /// replaced: the last component of paths and globs where it is literal. Some may be in [`Policy::names`], too.
    #[must_use]
    pub fn candidate_names(&self) -> BTreeSet<Vec<u8>> {
        let patterns = self.rules.iter().flat_map(|rule| &rule.exec);
        patterns.filter_map(|pattern| Some(pattern.last_component()?.as_bytes().to_vec())).collect()
    }

    /// The paths that are listed one by one. One that does not exist deserves a warning with its place.
    pub fn paths(&self) -> impl Iterator<Item = &Pattern> {
        self.of_kind(PatternKind::Path)
    }

    /// The globs, for the daemon to find their files. One without any deserves a warning with its place.
    pub fn globs(&self) -> impl Iterator<Item = &Pattern> {
        self.of_kind(PatternKind::Glob)
    }

    /// # Errors
    /// When the globs cannot be compiled together.
    pub(super) fn new(rules: Vec<Rule>, tools: Tools, defaults: Defaults) -> Result<Self, String> {
        Ok(Self { index: Index::new(&rules)?, rules, tools, tools_of_enforced: None, defaults })
    }

    pub(super) fn with_tools_of_enforced(self, tools_of_enforced: Option<Tools>) -> Self {
        Self { tools_of_enforced, ..self }
    }

    /// Whether commands or resources stand in files that only observe.
    pub(super) fn has_tools_of_observers(&self) -> bool {
        self.tools_of_enforced.as_ref().is_some_and(|enforced| *enforced != self.tools)
    }

    /// The rules that are enforced, and what stands in files that are.
    pub(super) fn retain_enforced(&self) -> Self {
        let rules = self.rules.iter().filter(|rule| !rule.mode.observes()).cloned().collect();
        let tools = self.tools_of_enforced.as_ref().unwrap_or(&self.tools);
        // Fewer globs than what was compiled already; should it fail all the same, all is enforced.
        Self::new(rules, tools.clone(), self.defaults).unwrap_or_else(|_| self.clone())
    }

    pub(super) fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    pub(super) fn tools(&self) -> &Tools {
        &self.tools
    }

    pub(super) fn rule(&self, (rule, _): PatternRef) -> Option<&Rule> {
        self.rules.get(rule)
    }

    pub(super) fn pattern(&self, (rule, pattern): PatternRef) -> Option<&Pattern> {
        self.rules.get(rule)?.exec.get(pattern)
    }

    fn of_kind(&self, kind: PatternKind) -> impl Iterator<Item = &Pattern> {
        self.rules.iter().flat_map(|rule| &rule.exec).filter(move |pattern| pattern.kind == kind)
    }

    /// The names by which rules are about the program, each with these rules in the order in which they are tried, by
    /// the first pattern that matches.
    pub(super) fn about<'a>(&'a self, exec: &Exec<'a>) -> Vec<Named<'a>> {
        let mut named: Vec<Named<'a>> = Vec::new();
        for (name, found) in self.index.matches(exec) {
            match named.iter_mut().find(|named| named.name == name) {
                Some(named) => named.rules.extend_from_slice(&found),
                None => named.push(Named { name, rules: found.into_owned() }),
            }
        }
        named.sort_unstable_by_key(|named| named.name);
        for Named { rules, .. } in &mut named {
            rules.sort_unstable();
            rules.dedup_by_key(|(rule, _)| *rule);
        }
        named
    }

    pub(super) fn views<'a>(&'a self, named: &[Named<'a>], context: &'a Context<'a>) -> Vec<View<'a>> {
        let names: Vec<&[u8]> = named.iter().map(|named| named.name).collect();
        named.iter().map(|named| View::new(named.name, names.clone(), context, &self.tools)).collect()
    }

    /// The decision, and which of the names it comes by; none where no rule decides.
    pub(super) fn strictest(
        &self,
        named: &[Named<'_>],
        views: &[View<'_>],
    ) -> (Option<(usize, Decider)>, Decision) {
        let mut strictest: Option<(Option<(usize, Decider)>, Decision)> = None;
        let mut loader_variables = LoaderVariables::default();
        for (index, (named, view)) in named.iter().zip(views).enumerate() {
            let decider = self.decider(&named.rules, view);
            let decision = self.decided(decider, view);
            loader_variables = if index == 0 {
                decision.loader_variables
            } else {
                loader_variables.max(decision.loader_variables)
            };
            let is_stricter = strictest.as_ref().is_none_or(|(by, before)| {
                let strictness = (decision.action.strictness(), decider.is_some(), decision.risk);
                strictness > (before.action.strictness(), by.is_some(), before.risk)
            });
            if is_stricter {
                strictest = Some((decider.map(|decider| (index, decider)), decision));
            }
        }
        let (by, decision) = strictest.unwrap_or_else(|| (None, self.undecided()));
        (by, Decision { loader_variables, ..decision })
    }

    /// The rules about a program that can decide at all: behind one without clauses only those that deny.
    fn reachable(&self, named: &Named<'_>) -> impl Iterator<Item = &Rule> {
        let mut decided = false;
        let rules: Vec<&Rule> = named.rules.iter().filter_map(|reference| self.rule(*reference)).collect();
        rules.into_iter().filter(move |rule| {
            let denies = rule.action == Action::Deny;
            let reached = denies || !decided;
            decided |= !denies && rule.clauses.is_empty();
            reached
        })
    }

    fn wait_of(&self, rule: &Rule) -> Wait {
        rule.wait.unwrap_or(self.defaults.wait)
    }

    /// The rule that decides.
    fn decider(&self, rules: &[PatternRef], view: &View<'_>) -> Option<Decider> {
        let mut first: Option<Decider> = None;
        for reference in rules.iter().copied() {
            let Some(rule) = self.rule(reference) else { continue };
            if first.is_some() && rule.action != Action::Deny {
                continue;
            }
            let truth = clause::all_of(&rule.clauses, view);
            if !truth.applies_to(rule.action) {
                continue;
            }
            if rule.action == Action::Deny {
                return Some(Decider { reference, truth });
            }
            first = Some(Decider { reference, truth });
        }
        first
    }

    fn decided(&self, decider: Option<Decider>, view: &View<'_>) -> Decision {
        let found = decider.and_then(|decider| {
            Some((self.rule(decider.reference)?, self.pattern(decider.reference)?, decider.truth))
        });
        let Some((rule, pattern, truth)) = found else { return self.undecided() };
        let (kind, line) = (pattern.kind.word(), pattern.place.line);
        let [text, file] = [&pattern.text, &pattern.place.file].map(|text| for_terminal(text.as_bytes()));
        let mut because = format!("{kind} '{text}' in rule '{}' ({file}:{line})", rule.name);
        if truth == Truth::Doubt {
            because.push_str(&explain::doubt(&rule.clauses, view));
        }
        Decision {
            action: rule.action,
            rule: Some(rule.name.clone()),
            description: rule.description.clone(),
            because,
            risk: rule.risk,
            message: rule.message.clone(),
            deny_message: rule.deny_message.clone(),
            timeout: rule.timeout.unwrap_or(self.defaults.timeout),
            valid_for: rule.valid_for.unwrap_or(self.defaults.valid_for),
            wait: self.wait_of(rule),
            loader_variables: rule.loader_variables.unwrap_or_default(),
            grant: rule.grant.filter(|_| rule.action == Action::Ask),
            would_be: None,
        }
    }

    fn undecided(&self) -> Decision {
        Decision {
            action: Action::Ask,
            rule: None,
            description: None,
            because: "no rule decides about this program, so people are asked".to_owned(),
            risk: None,
            message: None,
            deny_message: None,
            timeout: self.defaults.timeout,
            valid_for: self.defaults.valid_for,
            wait: self.defaults.wait,
            loader_variables: LoaderVariables::default(),
            grant: None,
            would_be: None,
        }
    }
}

/// Without the index: compiled globs fill pages.
impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Policy");
        shown.field("rules", &self.rules).field("defaults", &self.defaults).finish_non_exhaustive()
    }
}
