//! How much happened within the last minute.

use std::{collections::VecDeque, time::Duration};

use crate::time::BootTime;

/// The span in which is counted.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// When something happened, the oldest first: no more than the limit of a minute, since what is beyond it does not happen.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(VecDeque<BootTime>);

impl Pace {
    /// Until when there is no room for one more; none where there is.
    pub(super) fn full_until(&mut self, most: usize, now: BootTime) -> Option<BootTime> {
        self.forget_old(now);
        // A limit that was made smaller meanwhile: then more than one have to be a minute old first.
        let at = self.0.len().checked_sub(most)?;
        self.0.get(at).map(|oldest| oldest.after(MINUTE))
    }

    pub(super) fn count(&mut self, now: BootTime) {
        self.0.push_back(now);
    }

    pub(super) fn forget_old(&mut self, now: BootTime) {
        while self.0.front().is_some_and(|at| at.after(MINUTE) <= now) {
            self.0.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
