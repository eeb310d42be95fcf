//! What people denied one agent just now.

use std::{collections::VecDeque, time::Duration};

use super::{Denial, Question};
use crate::{config::MAX_COOLDOWN, time::BootTime};

/// Denials that are remembered of one agent. Each was a person's act; when there are more, the oldest is asked about
/// again, which does no harm.
const REMEMBERED: usize = 256;

/// The last denials, the oldest first, each question once.
#[derive(Clone, Debug, Default)]
pub(super) struct Denials(VecDeque<Denial>);

impl Denials {
    pub(super) fn add(&mut self, denial: Denial) {
        self.0.retain(|known| known.question != denial.question);
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(denial);
    }

    /// The denial of this question, if it is not older than the cooldown that is in force now.
    pub(super) fn of(&self, question: Question, cooldown: Duration, now: BootTime) -> Option<&Denial> {
        self.0.iter().find(|denial| denial.question == question && now < denial.at.after(cooldown))
    }

    pub(super) fn forget_old(&mut self, now: BootTime) {
        self.0.retain(|denial| now < denial.at.after(MAX_COOLDOWN));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
