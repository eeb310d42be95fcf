//! Yes, no, and what cannot be told.

use serde::{Deserialize, Serialize};

use super::Action;

/// Whether something holds.
///
/// In doubt is what is not known, or where what is known disagrees with itself. It counts against the agent: see
/// [`Truth::applies_to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truth {
    /// It does not hold.
    No,
    /// Nobody can tell.
    Doubt,
    /// It holds.
    Yes,
}

impl Truth {
    /// What holds of all that was found, one by one: yes where all agree that it does, in doubt where they disagree.
    /// None where nothing was found.
    pub(super) fn agreed(found: impl IntoIterator<Item = bool>) -> Option<Self> {
        let mut found = found.into_iter();
        let first = found.next()?;
        Some(if found.all(|other| other == first) { Self::from(first) } else { Self::Doubt })
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Whether a rule of this action applies, whose clauses hold so far. Doubt allows nothing, and asks and denies.
    #[must_use]
    pub fn applies_to(self, action: Action) -> bool {
        match action {
            Action::Allow => self == Self::Yes,
            Action::Ask | Action::Deny => self != Self::No,
        }
    }
}

/// The contrary; doubt stays.
impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Doubt => Self::Doubt,
            Self::Yes => Self::No,
        }
    }
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }
}

impl std::fmt::Display for Truth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::No => "no",
            Self::Doubt => "in doubt",
            Self::Yes => "yes",
        })
    }
}
