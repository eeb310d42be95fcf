//! Finds the patterns that match an exec, at a cost that follows these and not all rules.

use std::{borrow::Cow, collections::HashMap, ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use globset::{Candidate, GlobSet, GlobSetBuilder};

use super::{
    Exec, PatternKind, Rule,
    pattern::{self, last_component},
};

/// A pattern by the index of its rule, and its own within the rule. Sorts as rules are tried.
pub(super) type PatternRef = (usize, usize);

#[derive(Clone, Default)]
pub(super) struct Index {
    names: HashMap<Vec<u8>, Vec<PatternRef>>,
    paths: HashMap<Vec<u8>, Vec<PatternRef>>,
    globs: GlobSet,
    /// One for each of `globs`.
    glob_refs: Vec<PatternRef>,
}

impl Index {
    /// # Errors
    /// When the globs cannot be compiled together.
    pub(super) fn new(rules: &[Rule]) -> Result<Self, String> {
        let mut index = Self::default();
        let mut globs = GlobSetBuilder::new();
        for (rule_index, rule) in rules.iter().enumerate() {
            for (pattern_index, pattern) in rule.exec.iter().enumerate() {
                let reference = (rule_index, pattern_index);
                let key = || pattern.text.clone().into_bytes();
                match pattern.kind {
                    PatternKind::Name => index.names.entry(key()).or_default().push(reference),
                    PatternKind::Path => index.paths.entry(key()).or_default().push(reference),
                    PatternKind::Glob => {
                        globs.add(pattern::compile(&pattern.text)?);
                        index.glob_refs.push(reference);
                    }
                }
            }
        }
        index.globs =
            globs.build().map_err(|_| "the globs of all rules together take too much memory".to_owned())?;
        Ok(index)
    }

    /// The patterns that match, in no order, with the program's name by which they do: of a path its last component.
    pub(super) fn matches<'s>(
        &'s self,
        exec: &Exec<'s>,
    ) -> impl Iterator<Item = (&'s [u8], Cow<'s, [PatternRef]>)> {
        let (names, paths) = (exec.names, exec.paths);
        let by_name = names.iter().filter_map(|name| Some((*name, self.names.get(*name)?)));
        let by_path = paths.iter().filter_map(|path| Some((last_component(path), self.paths.get(*path)?)));
        let literal = by_name.chain(by_path).map(|(name, found)| (name, Cow::Borrowed(found.as_slice())));
        let by_glob = paths.iter().map(|path| (last_component(path), self.glob_matches(path)));
        literal
            .chain(by_glob.filter(|(_, found)| !found.is_empty()).map(|(name, found)| (name, found.into())))
    }

    fn glob_matches(&self, path: &[u8]) -> Vec<PatternRef> {
        // A glob is about absolute paths; a relative one would match where a glob begins with `**`.
        if self.globs.is_empty() || !path.starts_with(b"/") {
            return Vec::new();
        }
        let candidate = Candidate::new(Path::new(OsStr::from_bytes(path)));
        let found = self.globs.matches_candidate(&candidate);
        found.into_iter().filter_map(|glob| self.glob_refs.get(glob).copied()).collect()
    }
}
