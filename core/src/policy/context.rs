//! What is known of an exec beside which program it is: what clauses look at.

use crate::{alleged::Alleged, facts::ParentFacts, time::WallTime};

/// Who, where, when and with what. What is not known is none, and a clause about it is in doubt.
///
/// Fields of type [`Alleged`], the environment and the working directory are the agent's own choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// When it was asked for.
    pub at: Option<WallTime>,
    /// The agent's name.
    pub agent: Option<&'a str>,
    /// The users that it acts as: the real one, and the effective one where that is another.
    pub users: Option<&'a [Account]>,
    /// The groups that it acts as.
    pub groups: Option<&'a [Account]>,
    /// The host's name.
    pub host: Option<&'a str>,
    /// The unit of systemd; none within where it is in no unit.
    pub unit: Option<Option<&'a str>>,
    /// The cgroup, as a path in the unified hierarchy.
    pub cgroup: Option<&'a [u8]>,
    /// The working directory.
    pub cwd: Option<&'a [u8]>,
    /// What its parents up to the agent's root execute.
    pub parents: Option<Parents<'a>>,
    /// Whether it has a controlling terminal.
    pub tty: Option<bool>,
    /// The arguments, `argv[0]` first.
    pub argv: Option<&'a [Alleged]>,
    /// The environment: strings `NAME=value`.
    pub environment: Option<&'a [Vec<u8>]>,
    /// Names of more variables, whose values are not known.
    pub hidden: &'a [Alleged],
    /// Lower-case hexadecimal SHA-256 of the file.
    pub sha256: Option<&'a str>,
    /// Whose the file is.
    pub owner: Option<Owner>,
}

/// A user or a group: its number, and its name where the host knows one. Clauses may mean either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The number.
    pub id: u32,
    /// The name.
    pub name: Option<String>,
}

/// The parents, nearest first.
#[derive(Clone, Copy, Debug)]
pub struct Parents<'a> {
    /// What is known of each. The path of what it executes is empty where it could not be read.
    pub of: &'a [ParentFacts],
    /// There are more of them than are known.
    pub cut: bool,
}

/// Whose an executable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Root's, and nobody else may write to it.
    Root,
    /// Another's, or others may write to it.
    Other,
}

/// The words for `owner`.
pub(super) const OWNERS: [(&str, Owner); 2] = [("root", Owner::Root), ("other", Owner::Other)];

impl Owner {
    /// By owner and permission bits. Who owns a file can give himself the right to write, and a group may have anybody in it.
    #[must_use]
    pub fn of(owner: u32, mode: u32) -> Self {
        if owner == 0 && mode & 0o022 == 0 { Self::Root } else { Self::Other }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Root => "root",
            Self::Other => "other",
        })
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => f.pad(name),
            None => write!(f, "{}", self.id),
        }
    }
}
