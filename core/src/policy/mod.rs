//! The rules: which execs are covered, and what is to be done about each.
//!
//! [`parse`] makes a [`Policy`] of the files of a directory, in the order given. [`Policy::names`],
//! [`Policy::candidate_names`], [`Policy::paths`] and [`Policy::globs`] say what the kernel half has to look for,
//! [`Policy::listed`] whether an exec that it found is meant, and [`Policy::decide`] what to do about it, given what else
//! is known of it ([`Context`]). [`Policy::explain`] says why.

pub mod case;
mod clause;
mod command;
mod context;
mod decide;
mod explain;
mod index;
mod mode;
mod parse;
mod pattern;
mod print;
pub mod replay;
mod rule;
mod schedule;
mod shadow;
mod strings;
mod tools;
mod truth;
mod value;
mod view;
mod when;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::document::{MAX_FILE_BYTES, Place, SourceFile};
pub use crate::loader::LoaderVariables;
pub use clause::{ArgsTest, Clause};
pub(crate) use command::STYLES;
pub use command::{Analysis, Doubt, Grammar, Options, Seen, Style};
use context::OWNERS;
pub use context::{Account, Context, Owner, Parents};
pub use decide::{Exec, Policy};
pub use explain::{Considered, Explanation, Looked};
pub(crate) use mode::MODES;
pub use mode::{Mode, WouldBe};
pub use parse::parse;
pub use pattern::{MAX_NAME_BYTES, Pattern, PatternKind};
pub(crate) use rule::{
    ACTIONS, GRANT_LIMITS, LOADER_VARIABLES, MAX_USES, RISKS, TIMEOUT_LIMITS, VALID_FOR_LIMITS, WAITS,
};
pub use rule::{
    Defaults, Grant, MAX_DESCRIPTION_BYTES, MAX_GLOBS, MAX_NAMES, MAX_PATTERNS, MAX_RULE_NAME_BYTES,
    MAX_RULES, Risk, Rule, TIMEOUT, VALID_FOR,
};
pub use schedule::{Dates, Hours, Zone};
pub use strings::{Expression, StringSet};
pub use tools::Resource;
pub use truth::Truth;
pub use value::ValueTest;
pub use when::When;

/// How a held task waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Stopped in the kernel until the verdict.
    #[default]
    Hold,
    /// Refused at once; the same action passes once when it is tried again after approval.
    Refuse,
}

/// What a rule says of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// People decide.
    Ask,
    /// Refused without asking.
    Deny,
    /// Let go on without asking.
    Allow,
}

/// What the policy says of one exec, and why. Stored with the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The deciding rule; none where the program is listed and no rule matched, which asks.
    pub rule: Option<String>,
    /// The rule's description.
    pub description: Option<String>,
    /// Why the rule matched, such as `name 'kubectl' in rule 'prod-kubectl' (10-cloud.toml:3)`.
    pub because: String,
    /// How bad it is if the answer is wrong.
    #[serde(default)]
    pub risk: Option<Risk>,
    /// What who decides is told.
    #[serde(default)]
    pub message: Option<String>,
    /// What the agent's side is told where it is denied.
    #[serde(default)]
    pub deny_message: Option<String>,
    /// How long people may take.
    #[serde(with = "duration_ms")]
    pub timeout: Duration,
    /// How long an approval waits for the task to go on.
    #[serde(with = "duration_ms")]
    pub valid_for: Duration,
    /// How the task waits.
    pub wait: Wait,
    /// What becomes of an environment with variables that decide which code runs.
    #[serde(default)]
    pub loader_variables: LoaderVariables,
    /// What an approval allows beyond the one exec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// What would have been done if rules, agents and hosts that are only observed were not; none where it is the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_be: Option<WouldBe>,
}

impl Action {
    /// The stricter, the greater.
    #[must_use]
    pub fn strictness(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Ask => 1,
            Self::Deny => 2,
        }
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ask => "ask",
            Self::Deny => "deny",
            Self::Allow => "allow",
        })
    }
}

mod duration_ms {
    //! Durations in JSON: whole milliseconds.

    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
