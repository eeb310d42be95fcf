//! The daemon's configuration: `/etc/holdpoint/config.toml`, as text.

mod agents;
mod parse;
mod reload;
mod show;

use std::path::PathBuf;

use crate::{agent::Declared, policy::Defaults};
pub use parse::parse;
pub use show::{DEFAULT_ENVIRONMENT, MAX_SHOWN, NEVER_SHOWN, Show};

/// How many requests may wait for people at once, where the configuration says nothing.
/// Beyond it an exec is refused, and `status` says so.
pub const PENDING: usize = 4096;

/// The most that `limits.pending` may be: the kernel half has room for so many holds (`MAX_HOLDS` in the abi crate).
pub const MAX_PENDING: usize = 32_768;

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
    /// Requests that wait for people at once.
    pub pending: usize,
}

impl Config {
    /// Whether a request shows this environment variable. One whose name looks like a secret never is.
    #[must_use]
    pub fn shows(&self, variable: &[u8]) -> bool {
        self.show.shows(variable)
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
            show: Show::default(),
            defaults: Defaults::default(),
            limits: Limits::default(),
            agents: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { pending: PENDING }
    }
}

#[cfg(test)]
mod tests;
