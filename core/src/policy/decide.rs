//! What the rules say of one exec.

use std::{collections::BTreeSet, fmt};

use super::{
    Action, Decision, Defaults, LoaderVariables, Pattern, PatternKind, Rule, Wait,
    index::{Index, PatternRef},
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
    defaults: Defaults,
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
    /// A matching `deny` wins wherever it stands. Otherwise the first matching rule decides, in file and rule
    /// order. Where none matches, people are asked: see [`Policy::listed`] for execs that are not meant at all.
    #[must_use]
    pub fn decide(&self, exec: &Exec<'_>) -> Decision {
        let decider = self.index.matches(exec).min_by_key(|reference| {
            let denies = self.rule(*reference).is_some_and(|rule| rule.action == Action::Deny);
            (!denies, *reference)
        });
        match decider.and_then(|reference| Some((self.rule(reference)?, self.pattern(reference)?))) {
            Some((rule, pattern)) => self.decided(rule, pattern),
            None => Decision {
                action: Action::Ask,
                rule: None,
                description: None,
                because: "no rule decides about this program, so people are asked".to_owned(),
                timeout: self.defaults.timeout,
                valid_for: self.defaults.valid_for,
                wait: self.defaults.wait,
                loader_variables: LoaderVariables::default(),
            },
        }
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
    pub(super) fn new(rules: Vec<Rule>, defaults: Defaults) -> Result<Self, String> {
        Ok(Self { index: Index::new(&rules)?, rules, defaults })
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

    fn decided(&self, rule: &Rule, pattern: &Pattern) -> Decision {
        let (kind, line) = (pattern.kind.word(), pattern.place.line);
        let [text, file] = [&pattern.text, &pattern.place.file].map(|text| for_terminal(text.as_bytes()));
        Decision {
            action: rule.action,
            rule: Some(rule.name.clone()),
            description: rule.description.clone(),
            because: format!("{kind} '{text}' in rule '{}' ({file}:{line})", rule.name),
            timeout: rule.timeout.unwrap_or(self.defaults.timeout),
            valid_for: rule.valid_for.unwrap_or(self.defaults.valid_for),
            wait: rule.wait.unwrap_or(self.defaults.wait),
            loader_variables: rule.loader_variables.unwrap_or_default(),
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
