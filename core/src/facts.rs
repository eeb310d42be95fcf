//! What is known of a held exec: the part of a request that says who, what and where.
//!
//! Fields of type [`Alleged`] come from the agent's side. The others are the kernel's word.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{alleged::Alleged, id::AgentId};

/// All that a request shows of the exec that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecFacts {
    /// The agent whose process it is.
    pub agent: AgentFacts,
    /// The user that the process runs as.
    pub user: UserFacts,
    /// Process id of the thread group, in the initial pid namespace.
    pub pid: u32,
    /// Thread id of the thread that called execve.
    pub tid: u32,
    /// The host's name.
    pub host: String,
    /// The file to be executed.
    pub executable: FileFacts,
    /// The path as the caller gave it.
    pub called: Alleged,
    /// The arguments, the program's own name first.
    pub argv: Vec<Alleged>,
    /// The working directory.
    pub cwd: Alleged,
    /// The controlling terminal, such as `pts/3`.
    pub tty: Option<String>,
    /// The parents, nearest first, up to the agent's root.
    pub parents: Vec<ParentFacts>,
    /// The cgroup, as a path in the unified hierarchy.
    pub cgroup: Alleged,
    /// The systemd unit, where the cgroup names one.
    pub unit: Option<String>,
    /// The chosen environment variables, and those of `loader_variables`. Never the whole environment.
    pub env: BTreeMap<String, Alleged>,
    /// The names of the variables that decide which code the program runs, as `env` has them. One whose name looks like a
    /// secret is not in `env`.
    #[serde(default)]
    pub loader_variables: Vec<String>,
    /// The names of all other variables, for rules that are tried later (`holdpoint policy diff`). None where the environment is
    /// not known, or has more names than are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_env: Option<Vec<Alleged>>,
    /// The file is the interpreter of the script that was called: the arguments are those of the call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_interpreter: bool,
}

/// An agent, as far as a request needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFacts {
    /// The kernel's number of it.
    pub id: AgentId,
    /// The name it was started under.
    pub name: String,
    /// What it said it was for. Its own claim.
    pub claim: Option<Alleged>,
}

/// A user, by the numbers of the initial user namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserFacts {
    /// The real user id.
    pub uid: u32,
    /// The effective user id, where the real one is another: sudo and its kin.
    pub euid: u32,
    /// The name of `uid`, where the host knows one.
    pub name: Option<String>,
    /// The login user id: who logged in, whatever was switched to since.
    pub login_uid: Option<u32>,
    /// The name of `login_uid`.
    pub login_name: Option<String>,
}

/// A file, as seen when the request was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// The path with all links followed, as the daemon sees it.
    pub path: Alleged,
    /// Lower-case hexadecimal SHA-256 of the content.
    pub sha256: String,
    /// The owner's user id.
    pub owner: u32,
    /// The owner's name, where the host knows one.
    pub owner_name: Option<String>,
    /// The permission bits, `0o7777` at most.
    pub mode: u32,
    /// The size in bytes.
    pub size: u64,
    /// For a script: the interpreter that its first line names, with its argument.
    pub interpreter: Option<Alleged>,
}

/// One process above the held one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentFacts {
    /// Its process id.
    pub pid: u32,
    /// The file it executes.
    pub exe: Alleged,
    /// Its command line, cut where it is long.
    pub command: Alleged,
}
