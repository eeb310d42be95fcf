//! One rule, and the limits of rules.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Action, Clause, LoaderVariables, Mode, Pattern, Place, Wait};
use crate::document::DurationLimits;

/// Rules in all files together. One more is an error at the first rule beyond.
pub const MAX_RULES: usize = 16_384;

/// Programs that one rule names. More are an error at the rule: split it.
pub const MAX_PATTERNS: usize = 1024;

/// Globs in all files together, since each is searched for on disk and tried on every listed exec's path.
/// One more is an error at the first glob beyond.
pub const MAX_GLOBS: usize = 1024;

/// Different names in all files together, the last components of paths and globs included: the kernel half has room
/// for so many (`MAX_NAMES` in the abi crate). More are an error at the last pattern.
pub const MAX_NAMES: usize = 16_384;

/// The longest name of a rule. A longer one is an error.
pub const MAX_RULE_NAME_BYTES: usize = 64;

/// The longest description of a rule, since people read it in a request. A longer one is an error.
pub const MAX_DESCRIPTION_BYTES: usize = 1024;

/// How long people may take where neither the rule nor the configuration says.
pub const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long an approval waits for the task where neither the rule nor the configuration says.
pub const VALID_FOR: Duration = Duration::from_secs(60);

/// What `timeout` may be: people need a second at least, and nothing stays stopped for more than a day.
pub(crate) const TIMEOUT_LIMITS: DurationLimits =
    DurationLimits { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600) };

/// What `valid_for` may be: an approval that is older than an hour was given for another situation.
pub(crate) const VALID_FOR_LIMITS: DurationLimits =
    DurationLimits { least: Duration::from_secs(1), most: Duration::from_secs(3600) };

/// The words for `action`.
pub(crate) const ACTIONS: [(&str, Action); 3] =
    [("ask", Action::Ask), ("deny", Action::Deny), ("allow", Action::Allow)];

/// What `for` may be.
pub(crate) const GRANT_LIMITS: DurationLimits =
    DurationLimits { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600) };

/// The most that `uses` may be: who would count more means a span alone.
pub(crate) const MAX_USES: u64 = 1_000;

/// What an approval allows beyond the one exec: the identical action, again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// For how long.
    #[serde(rename = "for", with = "super::duration_ms")]
    pub span: Duration,
    /// How many execs in all, the first included; none is as many as there is time for.
    pub uses: Option<u32>,
}

/// How bad it is if it was wrong to let it go on, in the words of who wrote the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// It can be put right at once.
    Low,
    /// It can be put right.
    Medium,
    /// Somebody will notice.
    High,
    /// It cannot be put right.
    Critical,
}

impl std::fmt::Display for Risk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = RISKS.iter().find(|(_, risk)| risk == self).map_or("", |(word, _)| *word);
        f.pad(word)
    }
}

/// The words for `risk`.
pub(crate) const RISKS: [(&str, Risk); 4] =
    [("low", Risk::Low), ("medium", Risk::Medium), ("high", Risk::High), ("critical", Risk::Critical)];

/// The words for `wait`.
pub(crate) const WAITS: [(&str, Wait); 2] = [("hold", Wait::Hold), ("refuse", Wait::Refuse)];

/// The words for `loader_variables`.
pub(crate) const LOADER_VARIABLES: [(&str, LoaderVariables); 3] = [
    ("show", LoaderVariables::Show),
    ("refuse-ld", LoaderVariables::RefuseLd),
    ("refuse-all", LoaderVariables::RefuseAll),
];

/// One `[[rule]]`, as it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, which no other rule has.
    pub name: String,
    /// What it is for, in the words of who wrote it: one line.
    pub description: Option<String>,
    /// The programs that it is about; one at least.
    pub exec: Vec<Pattern>,
    /// What to do about them.
    pub action: Action,
    /// Whether that is done.
    pub mode: Mode,
    /// How long people may take, where the rule says.
    pub timeout: Option<Duration>,
    /// How long an approval waits for the task, where the rule says.
    pub valid_for: Option<Duration>,
    /// How the task waits, where the rule says.
    pub wait: Option<Wait>,
    /// What becomes of variables that decide which code runs, where the rule says.
    pub loader_variables: Option<LoaderVariables>,
    /// How bad it is if the answer is wrong.
    pub risk: Option<Risk>,
    /// What who decides is told: one line.
    pub message: Option<String>,
    /// What the agent's side is told where the rule denies: one line.
    pub deny_message: Option<String>,
    /// What an approval allows beyond the one exec.
    pub grant: Option<Grant>,
    /// What has to hold beside, all of it.
    pub clauses: Vec<Clause>,
    /// Where its name stands.
    pub place: Place,
}

/// What holds where a rule says nothing, and for programs that no rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// How long people may take.
    pub timeout: Duration,
    /// How long an approval waits for the task to go on.
    pub valid_for: Duration,
    /// How the task waits.
    pub wait: Wait,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { timeout: TIMEOUT, valid_for: VALID_FOR, wait: Wait::default() }
    }
}
