//! What is told of refusals of which nobody was asked: each is counted, and few are written down.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{Cause, Refused};
use crate::{alleged::Alleged, id::AgentId, time::BootTime};

/// One telling for each agent and cause in this time: the first at once, the others as a number with the next. So a flood
/// writes some kilobytes an hour.
pub const TELLING: Duration = Duration::from_secs(60);

/// For so long the last refusal of an agent and cause is kept, for the agent that asks why.
const KEPT: Duration = Duration::from_secs(600);

/// Agents and causes of which something is kept. Of more, a refusal is counted, and told of in no other way.
pub const MAX_KEPT: usize = 4096;

/// Bytes of the arguments that are kept of a refused action. The ones after that are counted.
pub const MAX_SHOWN_BYTES: usize = 1024;

/// Counts of refusals, and the last one of each agent and cause.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: BTreeMap<Cause, u64>,
    last: HashMap<(AgentId, Cause), Last>,
}

/// A refused action, as much of it as is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its process.
    pub pid: u32,
    /// The program; empty where nobody has looked.
    pub program: Alleged,
    /// The first arguments.
    pub argv: Vec<Alleged>,
    /// How many more there are.
    pub more_arguments: u64,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The agent.
    pub agent: AgentId,
    /// The action.
    pub seen: Seen,
    /// Why it was refused, and until when.
    pub refused: Refused,
    /// When.
    pub at: BootTime,
    /// How many more of the agent were refused for this cause since it was told of last.
    pub more: u64,
}

#[derive(Clone, Debug)]
struct Last {
    seen: Seen,
    refused: Refused,
    at: BootTime,
    told_at: BootTime,
    /// Since then.
    untold: u64,
    /// Since it is kept.
    count: u64,
}

impl Seen {
    /// Keeps the first arguments, as many as fit.
    #[must_use]
    pub fn new(pid: u32, program: &Alleged, argv: &[Alleged]) -> Self {
        let mut room = MAX_SHOWN_BYTES;
        let mut shown = Vec::new();
        for argument in argv {
            // One byte more, so that arguments without any are bounded in number, too.
            let Some(left) = room.checked_sub(argument.0.len().saturating_add(1)) else { break };
            room = left;
            shown.push(argument.clone());
        }
        let more_arguments = argv.len().saturating_sub(shown.len()) as u64;
        Self { pid, program: program.clone(), argv: shown, more_arguments }
    }
}

impl Tally {
    /// Counts a refusal. What comes back is to be told now.
    #[must_use]
    pub fn refused(&mut self, agent: AgentId, refused: Refused, seen: Seen, now: BootTime) -> Option<Told> {
        let cause = refused.cause;
        *self.counts.entry(cause).or_insert(0) += 1;
        if let Some(last) = self.last.get_mut(&(agent, cause)) {
            (last.seen, last.refused, last.at) = (seen, refused, now);
            last.untold += 1;
            last.count += 1;
            return last.told(agent, now, TELLING);
        }
        if self.last.len() >= MAX_KEPT {
            return None;
        }
        let last = Last { seen, refused, at: now, told_at: now, untold: 0, count: 1 };
        let told = last.as_told(agent, 0);
        self.last.insert((agent, cause), last);
        Some(told)
    }

    /// Counts one of which nothing is told.
    pub fn count(&mut self, cause: Cause) {
        *self.counts.entry(cause).or_insert(0) += 1;
    }

    /// What is to be told by now although nothing new came. To be called now and then.
    #[must_use]
    pub fn due(&mut self, now: BootTime) -> Vec<Told> {
        self.last.retain(|_, last| last.untold > 0 || now < last.at.after(KEPT));
        self.tell(now, TELLING)
    }

    /// All that was not told yet, for the end.
    #[must_use]
    pub fn rest(&mut self, now: BootTime) -> Vec<Told> {
        self.tell(now, Duration::ZERO)
    }

    /// How often each cause refused.
    #[must_use]
    pub fn counted(&self, cause: Cause) -> u64 {
        self.counts.get(&cause).copied().unwrap_or(0)
    }

    /// The last refusal of each cause of one agent, the newest first; `more` is how many more of it are known.
    #[must_use]
    pub fn recent(&self, agent: AgentId) -> Vec<Told> {
        let mine = self.last.iter().filter(|((of, _), _)| *of == agent);
        let mut recent: Vec<Told> =
            mine.map(|(_, last)| last.as_told(agent, last.count.saturating_sub(1))).collect();
        recent.sort_by_key(|told| std::cmp::Reverse((told.at, told.refused.cause)));
        recent
    }

    fn tell(&mut self, now: BootTime, after: Duration) -> Vec<Told> {
        let mut told: Vec<Told> =
            self.last.iter_mut().filter_map(|((agent, _), last)| last.told(*agent, now, after)).collect();
        told.sort_by_key(|told| (told.at, told.agent));
        told
    }
}

impl Last {
    /// What is to be told, if anything is that was not, and the last time lies so far back.
    fn told(&mut self, agent: AgentId, now: BootTime, after: Duration) -> Option<Told> {
        if self.untold == 0 || now < self.told_at.after(after) {
            return None;
        }
        let more = self.untold - 1;
        (self.untold, self.told_at) = (0, now);
        Some(self.as_told(agent, more))
    }

    fn as_told(&self, agent: AgentId, more: u64) -> Told {
        Told { agent, seen: self.seen.clone(), refused: self.refused.clone(), at: self.at, more }
    }
}
