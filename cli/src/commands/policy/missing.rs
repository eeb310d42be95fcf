//! Programs that rules name and that are not on this host.

use std::{collections::HashSet, fs, io, path::Path};

use holdpoint_core::{
    diagnostic::{Diagnostic, Severity},
    escape::for_terminal,
    policy::{Pattern, PatternKind, Policy},
};

use super::program;

/// One warning for each, at the first place where it stands. Globs are not looked for: that takes a search of the disk.
pub(super) fn programs(policy: &Policy) -> Vec<Diagnostic> {
    let path = program::search_path();
    let mut seen = HashSet::new();
    let patterns =
        policy.rules().iter().flat_map(|rule| &rule.exec).filter(|pattern| seen.insert(&pattern.text));
    patterns.filter_map(|pattern| Some(warning(pattern, trouble(pattern, &path)?))).collect()
}

fn trouble(pattern: &Pattern, path: &[std::path::PathBuf]) -> Option<&'static str> {
    let gone =
        |cause: &io::Error| matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    match pattern.kind {
        PatternKind::Name => {
            let is_there = |directory: &std::path::PathBuf| directory.join(&pattern.text).is_file();
            (!path.iter().any(is_there)).then_some("is in no directory of PATH")
        }
        PatternKind::Path => match fs::metadata(Path::new(&pattern.text)) {
            Err(cause) if gone(&cause) => Some("does not exist"),
            // Where one may not look, nobody knows.
            _ => None,
        },
        PatternKind::Glob => None,
    }
}

fn warning(pattern: &Pattern, trouble: &str) -> Diagnostic {
    let message = format!("'{}' {trouble}", for_terminal(pattern.text.as_bytes()));
    let mut warning = Diagnostic::of_file(Severity::Warning, &pattern.place.file, message);
    (warning.line, warning.column) = (pattern.place.line, pattern.place.column);
    warning
}
