//! From rules to what the kernel half looks for: names, and inodes of the files that are there now.

use std::{
    collections::{BTreeSet, HashMap},
    os::{fd::AsFd, unix::ffi::OsStrExt, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use holdpoint_abi::{FileKey, MAX_FILES, MAX_NAMES, NAME_LENGTH, Name};
use holdpoint_core::{
    diagnostic::{Diagnostic, Severity},
    policy::{Exec, Pattern, Policy},
};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use super::RulesError;
use crate::observe::key_of;

/// What the kernel half shall look for.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) files: HashMap<FileKey, Vec<Vec<u8>>>,
    pub(super) names: Vec<Name>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Where the files of a rule that gives a name only are looked for, so that a hard link or a rename does not
/// take them out of the rule. A file elsewhere is found by its name alone.
const SEARCH_PATH: [&str; 8] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/games",
    "/snap/bin",
];

/// Files that one glob may be about. More is a mistake in the glob, and an error.
const MAX_GLOB_FILES: usize = 8192;
/// Directory entries that are looked at for one glob.
const MAX_GLOB_ENTRIES: usize = 500_000;

pub(super) fn list(policy: &Policy) -> Result<Listing, RulesError> {
    let mut listing = Listing::default();
    for name in policy.names() {
        for directory in SEARCH_PATH {
            let path = Path::new(directory).join(std::ffi::OsStr::from_bytes(&name));
            // A link to a file of another name is one program of several in one file: the name decides.
            let target = path.canonicalize().ok();
            if target.is_some_and(|target| target.file_name() == path.file_name()) {
                listing.add(&path);
            }
        }
    }
    for pattern in policy.paths() {
        if !listing.add(Path::new(&pattern.text)) {
            let message = format!(
                "'{}' is not there, or no executable file; its name is gated all the same",
                pattern.text
            );
            listing.warnings.push(at(pattern, Severity::Warning, message));
        }
    }
    for pattern in policy.globs() {
        let found = expand(policy, pattern)
            .map_err(|message| RulesError::Wrong(vec![at(pattern, Severity::Error, message)]))?;
        if found.is_empty() {
            let message = format!("no executable file matches '{}' now", pattern.text);
            listing.warnings.push(at(pattern, Severity::Warning, message));
        }
        for path in found {
            listing.add(&path);
        }
    }
    let names: BTreeSet<Vec<u8>> = policy.names().into_iter().chain(policy.candidate_names()).collect();
    listing.names = names.iter().filter_map(|name| padded(name)).collect();
    if listing.files.len() > MAX_FILES || listing.names.len() > MAX_NAMES {
        let message = format!(
            "the rules are about {} files and {} names; there is room for {MAX_FILES} and {MAX_NAMES}",
            listing.files.len(),
            listing.names.len()
        );
        return Err(RulesError::Wrong(vec![Diagnostic::of_file(Severity::Error, "policies.d", message)]));
    }
    Ok(listing)
}

impl Listing {
    /// Lists a file, links followed. False where there is no executable file.
    fn add(&mut self, path: &Path) -> bool {
        let Some(key) = executable_key(path) else { return false };
        let known = self.files.entry(key).or_default();
        let path = path.as_os_str().as_bytes().to_vec();
        if !known.contains(&path) {
            known.push(path);
        }
        true
    }
}

fn executable_key(path: &Path) -> Option<FileKey> {
    let metadata = path.metadata().ok()?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return None;
    }
    let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    key_of(file.as_fd(), "/proc/self/mountinfo").ok()
}

/// The files that match a glob now.
fn expand(policy: &Policy, pattern: &Pattern) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut seen = 0;
    let mut directories = vec![PathBuf::from(pattern.literal_prefix())];
    while let Some(directory) = directories.pop() {
        // What cannot be read now is gated by its name, and by the next reload.
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_GLOB_ENTRIES {
                return Err(format!(
                    "'{}' would search through more than {MAX_GLOB_ENTRIES} files; begin it with a longer path",
                    pattern.text
                ));
            }
            let path = entry.path();
            // Links to directories are not followed: they can lead in a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(path);
            } else if policy.listed(&Exec { names: &[], paths: &[path.as_os_str().as_bytes()] }) {
                found.push(path);
            }
            if found.len() > MAX_GLOB_FILES {
                return Err(format!(
                    "'{}' matches more than {MAX_GLOB_FILES} files; make it narrower",
                    pattern.text
                ));
            }
        }
    }
    Ok(found)
}

fn padded(name: &[u8]) -> Option<Name> {
    let mut padded = [0; NAME_LENGTH];
    // The last byte stays zero.
    padded.get_mut(..name.len()).filter(|_| name.len() < NAME_LENGTH)?.copy_from_slice(name);
    Some(padded)
}

fn at(pattern: &Pattern, severity: Severity, message: String) -> Diagnostic {
    let whole = Diagnostic::of_file(severity, &pattern.place.file, message);
    Diagnostic { line: pattern.place.line, ..whole }
}
