//! Agents that are found without asking them: `[[agent]]` in the configuration.

use std::{fmt, path::PathBuf};

use super::UnitGlob;
use crate::{document::Place, policy::Mode};

/// One entry: whose processes belong to which agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The agent's name. Several entries may have one name: they are one agent.
    pub name: String,
    /// Which processes.
    pub how: How,
    /// Whether what the rules say of them is done.
    pub mode: Mode,
    /// Where it stands.
    pub place: Place,
}

/// By what a process is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// Its user, by name, looked up when the entry is put in force.
    User(String),
    /// The file that it executes.
    Executable(PathBuf),
    /// The unit that systemd started it in.
    Unit(UnitGlob),
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user '{user}'"),
            Self::Executable(path) => {
                write!(f, "executable '{}'", crate::escape::for_terminal(path.as_os_str().as_encoded_bytes()))
            }
            Self::Unit(unit) => write!(f, "unit '{unit}'"),
        }
    }
}
