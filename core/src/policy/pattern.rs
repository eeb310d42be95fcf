//! What a rule names: a program's name, a path, a glob.

use globset::{Glob, GlobBuilder};
use thiserror::Error;

use super::Place;
use crate::diagnostic::quoted;

/// The longest name that the kernel half can look up: its key has 64 bytes, the last of which is zero.
/// A longer one is an error, never cut: it would match other programs, or none.
pub const MAX_NAME_BYTES: usize = 63;

/// The kernel's `PATH_MAX`, without the zero at the end.
const MAX_PATH_BYTES: usize = 4095;

/// The longest glob, far beyond what people write: all globs are compiled into one automaton. A longer one
/// is an error.
const MAX_GLOB_BYTES: usize = 512;

/// The kernel's `NAME_MAX`.
const MAX_COMPONENT_BYTES: usize = 255;

/// One element of a rule's `exec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// As it was written.
    pub text: String,
    /// Which kind it is.
    pub kind: PatternKind,
    /// Where it stands.
    pub place: Place,
}

/// The kinds of [`Pattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatternKind {
    /// The name of a file or a link, in whatever directory.
    Name,
    /// An absolute path.
    Path,
    /// An absolute path with `*`, `?`, `[…]`, `{…}` or `**`.
    Glob,
}

/// Why a text is no pattern.
#[derive(Debug, Error)]
#[error("{message}")]
pub(super) struct PatternError {
    pub(super) message: String,
    pub(super) hint: &'static str,
}

impl Pattern {
    /// The last component of a path or a glob, where it is literal: under this name a file that
    /// replaces the one of the path is found.
    #[must_use]
    pub fn last_component(&self) -> Option<&str> {
        let last = self.text.rsplit('/').next()?;
        (self.kind != PatternKind::Name && is_literal(last)).then_some(last)
    }

    /// The directory below which all files lie that a glob can match: what comes before the first component
    /// that is not literal. The path itself where it is no glob.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        let Some(wild) = self.text.find(is_wild) else { return &self.text };
        let before = self.text.get(..wild).unwrap_or_default();
        match before.rfind('/') {
            Some(0) => "/",
            Some(slash) => before.get(..slash).unwrap_or_default(),
            None => "",
        }
    }
}

impl PatternKind {
    /// The word for it in explanations.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Path => "path",
            Self::Glob => "glob",
        }
    }
}

/// The name of the file that a path leads to.
pub(super) fn last_component(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Finds the kind of a pattern and whether it can be used.
pub(super) fn check(text: &str) -> Result<PatternKind, PatternError> {
    let fail = |message: String, hint| Err(PatternError { message, hint });
    if text.is_empty() {
        return fail(
            "a program's name is empty".to_owned(),
            "write a name such as 'kubectl', or an absolute path",
        );
    }
    if text.chars().any(char::is_control) {
        return fail(
            format!("{} has a control character", quoted(text)),
            "no program that is meant has such a name",
        );
    }
    if !text.contains('/') {
        return check_name(text);
    }
    if !text.starts_with('/') {
        let hint = "write an absolute path, or the name alone, which matches in every directory";
        return fail(
            format!("{} is a relative path: it would depend on the agent's working directory", quoted(text)),
            hint,
        );
    }
    check_components(text)?;
    if is_literal(text) {
        return Ok(PatternKind::Path);
    }
    if text.len() > MAX_GLOB_BYTES {
        let message =
            format!("the glob {} has {} bytes, {MAX_GLOB_BYTES} is the limit", quoted(text), text.len());
        return fail(message, "write several globs");
    }
    if !text.split('/').any(|component| !component.is_empty() && is_literal(component)) {
        let hint = "name at least one directory or the program, such as '/opt/tools/*'";
        return fail(
            format!("the glob {} has no literal component: it would match far too much", quoted(text)),
            hint,
        );
    }
    match compile(text) {
        Ok(_) => Ok(PatternKind::Glob),
        Err(why) => fail(
            format!("{} is no glob that can be used: {why}", quoted(text)),
            "globs have *, ?, [a-z], {one,two} and **; a backslash takes the meaning away",
        ),
    }
}

/// Reads a glob in which no wildcard but `**` matches a slash.
pub(super) fn compile(text: &str) -> Result<Glob, String> {
    let shown = |error: globset::Error| crate::escape::for_terminal(error.kind().to_string().as_bytes());
    GlobBuilder::new(text).literal_separator(true).build().map_err(shown)
}

fn check_name(text: &str) -> Result<PatternKind, PatternError> {
    let fail = |message: String, hint| Err(PatternError { message, hint });
    if text.chars().all(|c| c == '*' || c == '?') {
        return fail(format!("{} would hold every program", quoted(text)), "write the names out");
    }
    if !is_literal(text) {
        let hint = "write the names out, or an absolute glob such as '/usr/bin/aws*'";
        return fail(
            format!("{} has a wildcard, but the kernel looks names up as they are", quoted(text)),
            hint,
        );
    }
    if text == "." || text == ".." {
        return fail(format!("{} is no program's name", quoted(text)), "write a name such as 'kubectl'");
    }
    if text.len() > MAX_NAME_BYTES {
        return fail(too_long(text), "use a link with a shorter name in the rule, or rename the program");
    }
    Ok(PatternKind::Name)
}

fn check_components(text: &str) -> Result<(), PatternError> {
    let fail = |message: String, hint| Err(PatternError { message, hint });
    if text.len() > MAX_PATH_BYTES {
        return fail(
            format!("a path has {} bytes, the kernel allows {MAX_PATH_BYTES}", text.len()),
            "shorten it",
        );
    }
    for component in text.split('/').skip(1) {
        let (what, hint) = match component {
            "" => ("an empty component ('//', or a slash at the end)", "write it without the extra slash"),
            "." => ("a '.' component", "leave it out"),
            ".." => ("a '..' component", "write the path that it leads to"),
            _ if is_literal(component) && component.len() > MAX_COMPONENT_BYTES => {
                ("a component of more than 255 bytes", "no file can have that name")
            }
            _ => continue,
        };
        return fail(format!("{} has {what}: the kernel's paths never have one", quoted(text)), hint);
    }
    let last = text.rsplit('/').next().unwrap_or_default();
    if is_literal(last) && last.len() > MAX_NAME_BYTES {
        return fail(
            too_long(last),
            "by that name a file that replaces this one is found; rename the program",
        );
    }
    Ok(())
}

fn too_long(name: &str) -> String {
    let length = name.len();
    format!(
        "the name {} has {length} bytes, but the kernel half looks up at most {MAX_NAME_BYTES}",
        quoted(name)
    )
}

fn is_literal(text: &str) -> bool {
    !text.contains(is_wild)
}

fn is_wild(c: char) -> bool {
    matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\')
}
