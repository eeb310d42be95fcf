//! Rules that are tried out: what they would have done is recorded, and not done.

use serde::{Deserialize, Serialize};

use super::{Action, Decision, LoaderVariables, Policy, Risk};

/// Whether what a rule says is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It is recorded as what would have been done, and the exec goes on as if the rule were not there.
    Observe,
}

/// The words for `mode`.
pub(crate) const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];

/// What would have been done about an exec if everything were enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldBe {
    /// What would have been done.
    pub action: Action,
    /// By which rule; none where the program is listed and no rule matched, which asks.
    pub rule: Option<String>,
    /// Why.
    pub because: String,
    /// How bad it is if the answer is wrong.
    pub risk: Option<Risk>,
}

impl Mode {
    /// Whether nothing is done.
    #[must_use]
    pub fn observes(self) -> bool {
        self == Self::Observe
    }
}

impl Policy {
    /// The rules that are enforced, as if the others were not there. None where all are.
    #[must_use]
    pub fn enforced(&self) -> Option<Self> {
        let observing = self.has_tools_of_observers() || self.rules().iter().any(|rule| rule.mode.observes());
        observing.then(|| self.retain_enforced())
    }
}

impl Decision {
    /// What is done where `self` is what all rules say together, and `enforced` what those say that are enforced; none where
    /// none of these is about the program.
    #[must_use]
    pub fn observed(self, enforced: Option<Self>) -> Self {
        let would_be = WouldBe {
            action: self.action,
            rule: self.rule.clone(),
            because: self.because.clone(),
            risk: self.risk,
        };
        match enforced {
            Some(enforced) if enforced.action == self.action && enforced.rule == self.rule => enforced,
            Some(enforced) => Self { would_be: Some(would_be), ..enforced },
            None => Self {
                action: Action::Allow,
                rule: None,
                description: None,
                because: "what is said of it is observed and not enforced".to_owned(),
                risk: None,
                message: None,
                deny_message: None,
                loader_variables: LoaderVariables::Show,
                grant: None,
                would_be: Some(would_be),
                ..self
            },
        }
    }
}
