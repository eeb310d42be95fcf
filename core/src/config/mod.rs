//! The daemon's configuration: `/etc/holdpoint/config.toml`, as text.

mod agents;
mod parse;
mod reload;
mod show;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use crate::{
    agent::Declared,
    document::DurationLimits,
    policy::{Defaults, Mode},
};
pub use parse::parse;
pub use show::{DEFAULT_ENVIRONMENT, MAX_SHOWN, NEVER_SHOWN, Show};

/// How many requests may wait for people at once, where the configuration says nothing.
/// Beyond it an exec is refused, and `status` says so.
pub const PENDING: usize = 4096;

/// The most that `limits.pending` may be: the kernel half has room for so many holds (`MAX_HOLDS` in the abi crate).
pub const MAX_PENDING: usize = 32_768;

/// How many actions of one agent may wait for people at once, where the configuration says nothing: more than a person
/// keeps in view. Beyond it an exec is refused without asking, and `refused_agent_pending` counts it.
pub const AGENT_PENDING: usize = 32;

/// How many requests one agent may make within a minute, where the configuration says nothing: nobody reads more than one a
/// second. Beyond it an exec is refused without asking, and `refused_agent_per_minute` counts it.
pub const AGENT_PER_MINUTE: usize = 60;

/// The most that `limits.agent_per_minute` may be: more than the daemon writes to a disk.
pub const MAX_PER_MINUTE: usize = 60_000;

/// How long the same action is refused without asking after a denial, where the configuration says nothing.
pub const COOLDOWN: Duration = Duration::from_secs(5 * 60);

/// The longest that `limits.cooldown` may be. For so long denials are remembered, whatever it is: a reload can make it longer.
pub const MAX_COOLDOWN: Duration = Duration::from_secs(24 * 3600);

/// What `limits.cooldown` may be. Zero: what was denied is asked about again at once.
pub(crate) const COOLDOWN_LIMITS: DurationLimits =
    DurationLimits { least: Duration::ZERO, most: MAX_COOLDOWN };

/// What the daemon is told by its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The group whose members may vote, beside uid 0.
    pub approver_group: String,
    /// Whether a local vote needs a login uid.
    pub require_login_uid: bool,
    /// The directory with the rules.
    pub policies: PathBuf,
    /// Where the database lies.
    pub state_directory: PathBuf,
    /// Where the sockets lie.
    pub runtime_directory: PathBuf,
    /// The compiled eBPF programs.
    pub bpf_object: PathBuf,
    /// Whether what the rules say is done on this host.
    pub mode: Mode,
    /// What requests show.
    pub show: Show,
    /// What holds where a rule says nothing.
    pub defaults: Defaults,
    /// How much there may be of things.
    pub limits: Limits,
    /// Whose processes are agents' without asking for it.
    pub agents: Vec<Declared>,
}

/// How much there may be of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Actions that wait for people at once, of all agents.
    pub pending: usize,
    /// Actions of one agent that wait for people at once.
    pub agent_pending: usize,
    /// Requests that one agent makes within a minute.
    pub agent_per_minute: usize,
    /// How long after a denial the same action is refused without asking.
    pub cooldown: Duration,
}

impl Config {
    /// Whether a request shows this environment variable. One whose name looks like a secret never is.
    #[must_use]
    pub fn shows(&self, variable: &[u8]) -> bool {
        self.show.shows(variable)
    }

    /// Whether what the rules say of this agent is recorded and not done.
    #[must_use]
    pub fn observes(&self, agent: &str) -> bool {
        self.mode.observes() || self.agents.iter().any(|entry| entry.name == agent && entry.mode.observes())
    }

    /// The declared agents that are only observed, each once.
    #[must_use]
    pub fn observed_agents(&self) -> Vec<String> {
        let observed = self.agents.iter().filter(|entry| entry.mode.observes());
        let names: BTreeSet<&str> = observed.map(|entry| entry.name.as_str()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Whether the value of this environment variable is shown nowhere: its name looks like a secret.
    #[must_use]
    pub fn hides(&self, variable: &[u8]) -> bool {
        show::is_never_shown(variable)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            approver_group: "holdpoint".to_owned(),
            require_login_uid: true,
            policies: "/etc/holdpoint/policies.d".into(),
            state_directory: "/var/lib/holdpoint".into(),
            runtime_directory: "/run/holdpoint".into(),
            bpf_object: "/usr/lib/holdpoint/holdpoint.bpf.o".into(),
            mode: Mode::default(),
            show: Show::default(),
            defaults: Defaults::default(),
            limits: Limits::default(),
            agents: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending: PENDING,
            agent_pending: AGENT_PENDING,
            agent_per_minute: AGENT_PER_MINUTE,
            cooldown: COOLDOWN,
        }
    }
}

#[cfg(test)]
mod tests;
