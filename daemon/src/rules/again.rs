//! Files that changed: what the rules in force are about now.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use holdpoint_abi::{FileKey, MAX_FILES};
use holdpoint_core::{
    agent::{Declared, How},
    policy::{Exec, Policy},
};
use tracing::warn;

use super::{
    Directories, Rules, RulesError, last_component, listing,
    silence::{self, Walk},
};
use crate::agents::Agents;

/// Paths that are remembered of one file. An agent that renames directories makes new ones.
const MAX_PATHS: usize = 64;

/// What the rules in force and the declared executables mean now.
#[derive(Debug)]
pub(crate) struct Found {
    /// The rules by which it was found. They may have been replaced meanwhile.
    pub(crate) policy: Arc<Policy>,
    files: HashMap<FileKey, Vec<Vec<u8>>>,
    many_names: HashSet<FileKey>,
    /// With nothing but executables.
    agents: Agents,
    /// Where a change would make it mean something else.
    pub(crate) directories: Directories,
    /// What does not answer, and was left out.
    pub(crate) silent: Vec<PathBuf>,
}

/// Looks for the files of rules and declarations again.
///
/// # Errors
/// When a rule is about more files than there is room for.
pub(crate) fn find_again(policy: &Arc<Policy>, declared: &[Declared]) -> Result<Found, RulesError> {
    let (own, executables) = (Arc::clone(policy), executables(declared));
    let work = move |walk: &Walk| {
        let mut listing = listing::list(&own, walk)?;
        for path in &executables {
            listing.directories.path(path, walk);
        }
        Ok::<_, RulesError>(listing)
    };
    let (listing, silent) = silence::around(work).map_err(RulesError::Look)?;
    let listing = listing?;
    let agents = Agents::executables_of(declared);
    Ok(Found {
        policy: Arc::clone(policy),
        files: listing.files,
        many_names: listing.many_names,
        agents,
        directories: listing.directories,
        silent,
    })
}

fn executables(declared: &[Declared]) -> Vec<PathBuf> {
    let path = |entry: &Declared| match &entry.how {
        How::Executable(path) => Some(path.clone()),
        How::User(_) | How::Unit(_) => None,
    };
    declared.iter().filter_map(path).collect()
}

impl Rules {
    /// The same rules with the files that are there now; none where nothing is different.
    ///
    /// A file that was listed stays so by its inode, though its path leads to another one now: it may have been renamed,
    /// or have another hard link, and nobody but the operator should take it out of the rules. The next reload does.
    /// Not what a rule allows: a file that is given its inode number would inherit that.
    pub(crate) fn with_found(&self, found: Found) -> Option<Self> {
        let mut files = found.files;
        // Paths by which it was more than allowed lead to another file now, or to none: who renames a directory takes nothing out.
        // The oldest come first, so that no number of renames puts out the one that a rule names.
        for (key, paths) in &mut files {
            let old = self.files.get(key).into_iter().flatten();
            let kept = old.filter(|path| !self.allows(std::slice::from_ref(*path))).take(MAX_PATHS).cloned();
            let mut all: Vec<Vec<u8>> = kept.collect();
            all.extend(
                std::mem::take(paths).into_iter().filter(|path| !all.contains(path)).collect::<Vec<_>>(),
            );
            *paths = all;
        }
        let stale: Vec<_> = self
            .files
            .iter()
            .filter(|(key, paths)| !files.contains_key(*key) && !self.allows(paths))
            .map(|(key, paths)| (*key, paths.clone()))
            .collect();
        // Nothing is allowed by one of these.
        let mut many_names = found.many_names;
        many_names.extend(&self.many_names);
        if files.len() + stale.len() + many_names.len() <= MAX_FILES {
            files.extend(stale);
        } else {
            let (now, before) = (files.len(), stale.len());
            warn!(
                now,
                before, "no room for all inodes that were ever listed; those without a path are forgotten"
            );
        }
        let agents = Agents {
            files: found.agents.files,
            places: found.agents.places,
            warnings: Vec::new(),
            ..self.agents.clone()
        };
        if files == self.files && many_names == self.many_names && agents.finds_as(&self.agents) {
            return None;
        }
        let (config, policy) = (Arc::clone(&self.config), Arc::clone(&self.policy));
        Some(Self {
            config,
            policy,
            enforced: self.enforced.clone(),
            files,
            many_names,
            names: self.names.clone(),
            agents,
            silent: found.silent,
            warnings: Vec::new(),
        })
    }

    /// Whether all of its execs go on.
    fn allows(&self, paths: &[Vec<u8>]) -> bool {
        let names: Vec<&[u8]> = paths.iter().map(|path| last_component(path)).collect();
        let paths: Vec<&[u8]> = paths.iter().map(Vec::as_slice).collect();
        let exec = Exec { names: &names, paths: &paths };
        match &self.enforced {
            Some(enforced) => !enforced.policy.listed(&exec) || enforced.policy.always_allows(&exec),
            None => self.policy.always_allows(&exec),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    use holdpoint_core::policy::SourceFile;

    use super::*;

    fn put(path: &Path) {
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn rules(text: &str) -> Rules {
        let source = SourceFile { name: "10-test.toml".to_owned(), text: text.to_owned() };
        let (policy, _) = holdpoint_core::policy::parse(&[source]).unwrap();
        let policy = Arc::new(policy);
        let found = find_again(&policy, &[]).unwrap();
        Rules { policy, ..Rules::default() }.with_found(found).unwrap_or_default()
    }

    #[test]
    fn a_file_that_came_is_found_and_one_that_went_stays_listed_unless_it_was_allowed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["asked", "free"] {
            fs::create_dir(root.join(name)).unwrap();
            put(&root.join(name).join("old"));
        }
        let rule = |name: &str, action: &str| {
            format!(
                "[[rule]]\nname = \"{name}\"\nexec = [\"{}/{name}/*\"]\naction = \"{action}\"\n",
                root.display()
            )
        };
        let rules = rules(&(rule("asked", "ask") + &rule("free", "allow")));
        assert_eq!(rules.files.len(), 2);
        assert!(rules.with_found(find_again(&rules.policy, &[]).unwrap()).is_none(), "nothing changed");
        for name in ["asked", "free"] {
            // Another file system object, so that no inode number is given out again.
            put(&root.join(name).join("new"));
            fs::rename(root.join(name).join("old"), root.join(format!("{name}-old"))).unwrap();
        }
        let after = rules.with_found(find_again(&rules.policy, &[]).unwrap()).unwrap();
        let mut paths: Vec<String> =
            after.files.values().flatten().map(|path| String::from_utf8(path.clone()).unwrap()).collect();
        paths.sort();
        let expected: Vec<String> =
            ["asked/new", "asked/old", "free/new"].map(|path| format!("{}/{path}", root.display())).into();
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_file_that_is_found_by_another_path_stays_listed_by_the_old_one() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir(root.join("bin")).unwrap();
        put(&root.join("bin/deploy"));
        let text = format!(
            "[[rule]]\nname = \"old\"\nexec = [\"{0}/bin/deploy\"]\naction = \"ask\"\n\
             [[rule]]\nname = \"seen\"\nexec = [\"{0}/**\"]\naction = \"ask\"\nmode = \"observe\"\n",
            root.display()
        );
        let rules = rules(&text);
        fs::rename(root.join("bin"), root.join("bin2")).unwrap();
        let after = rules.with_found(find_again(&rules.policy, &[]).unwrap()).unwrap();
        let paths: Vec<String> =
            after.files.values().flatten().map(|path| String::from_utf8(path.clone()).unwrap()).collect();
        let expected = ["bin/deploy", "bin2/deploy"].map(|path| format!("{}/{path}", root.display()));
        assert_eq!(paths, expected);
        assert!(after.with_found(find_again(&after.policy, &[]).unwrap()).is_none(), "nothing more");
        let (mut after, mut name) = (after, "bin2".to_owned());
        for number in 0..MAX_PATHS + 3 {
            let next = format!("again{number}");
            fs::rename(root.join(&name), root.join(&next)).unwrap();
            after = after.with_found(find_again(&after.policy, &[]).unwrap()).unwrap_or(after);
            name = next;
        }
        let paths = after.files.values().next().unwrap();
        assert_eq!(paths.len(), MAX_PATHS + 1);
        let [first, last] = ["bin/deploy".to_owned(), format!("{name}/deploy")]
            .map(|path| format!("{}/{path}", root.display()).into_bytes());
        assert!(
            paths.first() == Some(&first) && paths.last() == Some(&last),
            "the rule's path, and where it is now"
        );
    }

    #[test]
    fn a_glob_is_watched_as_deep_as_it_can_match() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("one/two/three")).unwrap();
        let watched = |glob: &str| {
            let text =
                format!("[[rule]]\nname = \"g\"\nexec = [\"{}/{glob}\"]\naction = \"ask\"\n", root.display());
            let source = SourceFile { name: "10-test.toml".to_owned(), text };
            let policy = Arc::new(holdpoint_core::policy::parse(&[source]).unwrap().0);
            let found = find_again(&policy, &[]).unwrap();
            let whole = found
                .directories
                .iter()
                .filter(|(_, interest)| **interest == super::super::Interest::Everything);
            whole.count()
        };
        assert_eq!(watched("*"), 1);
        assert_eq!(watched("*/x*"), 2);
        assert_eq!(watched("**/x*"), 4);
    }
}
