//! From rules to what the kernel half looks for: names, and inodes of the files that are there now.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::File,
    io::Read as _,
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

use super::{
    RulesError,
    directories::{Directories, MAX_WATCHED},
    silence::Walk,
};
use crate::observe::key_of;

/// What the kernel half shall look for.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) files: HashMap<FileKey, Vec<Vec<u8>>>,
    /// Programs that become a listed one by the name in their arguments.
    pub(super) many_names: HashSet<FileKey>,
    pub(super) names: Vec<Name>,
    pub(super) directories: Directories,
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

pub(super) fn list(policy: &Policy, walk: &Walk) -> Result<Listing, RulesError> {
    let mut listing = Listing::default();
    let names = policy.names();
    for directory in SEARCH_PATH {
        let resolved = listing.directories.path(Path::new(directory), walk);
        for name in &names {
            let name = std::ffi::OsStr::from_bytes(name);
            let path = Path::new(directory).join(name);
            listing.directories.name(&resolved, name);
            let Some(target) = walk.goes_to(&path).then(|| path.canonicalize().ok()).flatten() else {
                continue;
            };
            if target.file_name() == path.file_name() {
                listing.add(&path, walk);
            } else {
                // One program of several in one file: the name decides.
                listing.directories.path(&path, walk);
                listing.add_many_names(&target, walk);
            }
        }
    }
    for pattern in policy.paths() {
        listing.directories.path(Path::new(&pattern.text), walk);
        if !listing.add(Path::new(&pattern.text), walk) {
            let message = format!(
                "'{}' is not there, or no executable file; its name is gated all the same",
                pattern.text
            );
            listing.warnings.push(at(pattern, Severity::Warning, message));
        }
    }
    for pattern in policy.globs() {
        let mut directories = std::mem::take(&mut listing.directories);
        let expanded = expand(policy, pattern, &mut directories, walk);
        listing.directories = directories;
        let (found, all_watched) =
            expanded.map_err(|message| RulesError::Wrong(vec![at(pattern, Severity::Error, message)]))?;
        if !all_watched {
            let message = format!(
                "below '{}' are more than {MAX_WATCHED} directories; in some of them a new file is not listed before \
                 the next reload",
                pattern.literal_prefix()
            );
            listing.warnings.push(at(pattern, Severity::Warning, message));
        }
        if found.is_empty() {
            let message = format!("no executable file matches '{}' now", pattern.text);
            listing.warnings.push(at(pattern, Severity::Warning, message));
        }
        for path in found {
            listing.add(&path, walk);
        }
    }
    let names: BTreeSet<Vec<u8>> = policy.names().into_iter().chain(policy.candidate_names()).collect();
    listing.names = names.iter().filter_map(|name| padded(name)).collect();
    if listing.files.len() + listing.many_names.len() > MAX_FILES || listing.names.len() > MAX_NAMES {
        let message = format!(
            "the rules are about {} files and {} names; there is room for {MAX_FILES} and {MAX_NAMES}",
            listing.files.len() + listing.many_names.len(),
            listing.names.len()
        );
        return Err(RulesError::Wrong(vec![Diagnostic::of_file(Severity::Error, "policies.d", message)]));
    }
    Ok(listing)
}

impl Listing {
    /// Lists a file, links followed. False where there is no executable file.
    fn add(&mut self, path: &Path, walk: &Walk) -> bool {
        if !walk.goes_to(path) {
            return false;
        }
        let Some(key) = executable_key(path) else { return false };
        let known = self.files.entry(key).or_default();
        let path = path.as_os_str().as_bytes().to_vec();
        if !known.contains(&path) {
            known.push(path);
        }
        true
    }

    /// Notes a program to which a link of a listed name leads. Not a script, which sees the name of the link that was called
    /// and nothing else.
    fn add_many_names(&mut self, target: &Path, walk: &Walk) {
        if walk.goes_to(target)
            && let Some(key) = executable_key(target)
            && is_machine_code(target)
        {
            self.many_names.insert(key);
        }
    }
}

/// Whether a file begins as an ELF file does. One that cannot be read is taken for one.
fn is_machine_code(path: &Path) -> bool {
    let mut first = [0; 4];
    match File::open(path).and_then(|mut file| file.read_exact(&mut first)) {
        Ok(()) => first == *b"\x7fELF",
        Err(cause) => cause.kind() != std::io::ErrorKind::UnexpectedEof,
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

/// The files that match a glob now, and whether there was room to watch all directories where others can come.
fn expand(
    policy: &Policy,
    pattern: &Pattern,
    watched: &mut Directories,
    walk: &Walk,
) -> Result<(Vec<PathBuf>, bool), String> {
    let mut found = Vec::new();
    let mut all_watched = true;
    let mut seen = 0;
    let deepest = levels(pattern);
    watched.path(Path::new(pattern.literal_prefix()), walk);
    let mut directories = vec![(PathBuf::from(pattern.literal_prefix()), 0)];
    while let Some((directory, level)) = directories.pop() {
        if !walk.goes_to(&directory) {
            continue;
        }
        all_watched &= watched.whole(&directory);
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
            let kind = entry.file_type();
            // Links to directories are not followed: they can lead in a circle.
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                if level < deepest {
                    directories.push((path, level + 1));
                }
            } else if policy.listed(&Exec { names: &[], paths: &[path.as_os_str().as_bytes()] }) {
                if kind.is_ok_and(|kind| kind.is_symlink()) {
                    watched.path(&path, walk);
                    walk.goes_to(&directory);
                }
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
    Ok((found, all_watched))
}

/// How many directories below its literal prefix a glob can lead down.
fn levels(pattern: &Pattern) -> usize {
    let rest = pattern.text.strip_prefix(pattern.literal_prefix()).unwrap_or(&pattern.text);
    let rest = rest.trim_start_matches('/');
    if rest.contains("**") { usize::MAX } else { rest.matches('/').count() }
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
