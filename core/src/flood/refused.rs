//! Why nobody was asked.

use serde::{Deserialize, Serialize};

use crate::{id::RequestId, time::BootTime};

/// An action is refused, and nobody is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub cause: Cause,
    /// When that is over at the latest, where that is known: then the same action is asked about, if nothing else refuses
    /// it by then.
    pub until: Option<BootTime>,
    /// The request by which the same was denied.
    pub request: Option<RequestId>,
}

/// Why an action is refused without asking anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A person has denied the same just now.
    Cooldown,
    /// As many actions of the agent wait for people as may.
    AgentPending,
    /// As many requests of the agent were made within a minute as may be.
    AgentPerMinute,
    /// As many actions of all agents wait for people as may.
    AllPending,
    /// More actions of the agent wait to be looked at than can be.
    Unread,
    /// It is refused in any case, by a rule or since it cannot be read, and the agent has had so many of these within a
    /// minute that this one got no request of its own.
    Unrecorded,
    /// It waited with the request about the identical action, which was not approved.
    WithAnother,
    /// The same process tries again at once what it was refused: a search through `PATH`.
    Repeat,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Cooldown,
        Self::AgentPending,
        Self::AgentPerMinute,
        Self::AllPending,
        Self::Unread,
        Self::Unrecorded,
        Self::WithAnother,
        Self::Repeat,
    ];

    /// The name of its counter.
    #[must_use]
    pub const fn counter(self) -> &'static str {
        match self {
            Self::Cooldown => "refused_cooldown",
            Self::AgentPending => "refused_agent_pending",
            Self::AgentPerMinute => "refused_agent_per_minute",
            Self::AllPending => "refused_all_pending",
            Self::Unread => "refused_unread",
            Self::Unrecorded => "refused_unrecorded",
            Self::WithAnother => "refused_with_another",
            Self::Repeat => "refused_repeat",
        }
    }

    /// What the counter counts.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Cooldown => "execs refused without asking, since a person denied the same just now",
            Self::AgentPending => {
                "execs refused without asking, since as many of the agent's wait as 'limits.agent_pending' allows"
            }
            Self::AgentPerMinute => {
                "execs refused without asking, since the agent made as many requests within a minute as \
                 'limits.agent_per_minute' allows"
            }
            Self::AllPending => {
                "execs refused without asking, since as many of all agents wait as 'limits.pending' allows"
            }
            Self::Unread => "execs refused without a look, since too many of the agent's wait for one",
            Self::Unrecorded => {
                "execs refused by a rule, or since they cannot be read, of which the record has the number alone"
            }
            Self::WithAnother => {
                "execs refused that waited with the request about the identical action, which was not approved"
            }
            Self::Repeat => "execs refused again that the same process was refused just before",
        }
    }

    /// Why, to the agent and to whoever reads the record.
    #[must_use]
    pub const fn because(self) -> &'static str {
        match self {
            Self::Cooldown => "a person has denied the same just now",
            Self::AgentPending => "too many actions of this agent wait for people already",
            Self::AgentPerMinute => "this agent made too many requests within a minute",
            Self::AllPending => "too many actions of all agents wait for people already",
            Self::Unread => "too many actions of this agent wait to be looked at",
            Self::Unrecorded => "a rule denies it, or it cannot be read, as many before it",
            Self::WithAnother => {
                "it waited with the request about the identical action, which was not approved"
            }
            Self::Repeat => "the same process was refused it just before",
        }
    }
}
