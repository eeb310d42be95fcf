//! Declared agents, resolved on this host: what the kernel half shall look for to find them.
#![forbid(unsafe_code)]

mod executables;
mod units;

use holdpoint_abi::{FileKey, Place};
use holdpoint_core::{
    agent::{Declared, How, UnitGlob},
    diagnostic::{Diagnostic, Severity},
};
use nix::unistd::User;

pub(crate) use executables::running;
pub(crate) use units::{cgroups, pattern};

/// The entries of the configuration, with what they mean here. Each is an agent's name and one thing to know it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agents {
    /// User ids.
    pub(crate) users: Vec<(String, u32)>,
    /// Executables, by inode.
    pub(crate) files: Vec<(String, FileKey)>,
    /// Executables, by directory and name.
    pub(crate) places: Vec<(String, Place)>,
    /// Names of units.
    pub(crate) units: Vec<(String, UnitGlob)>,
    /// What is odd, each with its place.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Looks up users and files.
///
/// # Errors
/// When a user does not exist or cannot be looked up, or a name is too long: then nobody would be found by it. All that
/// is wrong, each with its place.
pub(crate) fn resolve(declared: &[Declared]) -> Result<Agents, Vec<Diagnostic>> {
    let mut agents = Agents::default();
    let mut errors = Vec::new();
    for entry in declared {
        let told = |severity, message: String| {
            let whole = Diagnostic::of_file(severity, &entry.place.file, message);
            Diagnostic { line: entry.place.line, column: entry.place.column, ..whole }
        };
        let name = || entry.name.clone();
        match &entry.how {
            How::User(user) => match user_id(user) {
                Ok(uid) => agents.users.push((name(), uid)),
                Err(why) => errors.push(told(Severity::Error, format!("agent '{}': {why}", entry.name))),
            },
            How::Unit(unit) => agents.units.push((name(), unit.clone())),
            How::Executable(path) => match executables::find(path) {
                Ok(found) => {
                    if found.file.is_none() {
                        let message = format!(
                            "agent '{}': {} is not there, or no executable file",
                            entry.name, entry.how
                        );
                        let hint = "once it is there, it is found by its directory and name";
                        agents.warnings.push(told(Severity::Warning, message).with_hint(hint));
                    }
                    agents.files.extend(found.file.map(|file| (name(), file)));
                    agents.places.extend(found.places.into_iter().map(|place| (name(), place)));
                }
                Err(why) => {
                    errors
                        .push(told(Severity::Error, format!("agent '{}': {}: {why}", entry.name, entry.how)));
                }
            },
        }
    }
    if errors.is_empty() { Ok(agents) } else { Err(errors) }
}

impl Agents {
    /// The declared executables alone, as they are now. What is wrong with them was told when they were resolved.
    pub(crate) fn executables_of(declared: &[Declared]) -> Self {
        let mut agents = Self::default();
        for entry in declared {
            let How::Executable(path) = &entry.how else { continue };
            let Ok(found) = executables::find(path) else { continue };
            agents.files.extend(found.file.map(|file| (entry.name.clone(), file)));
            agents.places.extend(found.places.into_iter().map(|place| (entry.name.clone(), place)));
        }
        agents
    }

    /// Whether it is by the same things that agents are found.
    pub(crate) fn finds_as(&self, other: &Self) -> bool {
        self.files == other.files
            && self.places == other.places
            && self.users == other.users
            && self.units == other.units
    }

    /// The names of all agents, each once.
    pub(crate) fn names(&self) -> Vec<&str> {
        let users = self.users.iter().map(|(name, _)| name);
        let files = self.files.iter().map(|(name, _)| name).chain(self.places.iter().map(|(name, _)| name));
        let units = self.units.iter().map(|(name, _)| name);
        let mut names: Vec<&str> = users.chain(files).chain(units).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn user_id(user: &str) -> Result<u32, String> {
    let found = User::from_name(user).map_err(|cause| format!("cannot look up user '{user}': {cause}"))?;
    let uid = found.ok_or_else(|| format!("user '{user}' does not exist"))?.uid.as_raw();
    if uid == 0 {
        return Err(format!("user '{user}' is root by another name, which cannot be an agent"));
    }
    Ok(uid)
}
