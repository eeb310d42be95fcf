//! TOML with places: what policy and configuration have in common.
//!
//! Problems are collected, so that a person who edits a file sees all of them at once.

mod duration;
mod near;
mod quotes;
mod table;

use std::{fmt, ops::Range};

use toml::{Spanned, de::DeTable};

use crate::diagnostic::{Diagnostic, Severity, Source};
pub(crate) use duration::{DurationLimits, shown as shown_duration};
pub(crate) use near::nearest;
pub(crate) use table::{Table, Text};

/// The longest file that is read: 1 MiB. A longer one is refused as a whole, with an error at its first line.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// So many errors and so many warnings of one file are told one by one. A reader then sees how many more there are.
const MAX_PROBLEMS: usize = 64;

/// A file as the daemon read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What to call it in messages.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

impl SourceFile {
    /// Takes a file's bytes.
    ///
    /// # Errors
    /// When the file is longer than [`MAX_FILE_BYTES`] or not UTF-8.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(Box::new(too_long(name)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name: name.to_owned(), text }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes());
                let message = "cannot read the file as text: this is not UTF-8";
                Err(Box::new(Source::new(name, &text).diagnostic(Severity::Error, at..at + 1, message)))
            }
        }
    }
}

/// `file:line:column`, escaped for a terminal.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", crate::escape::for_terminal(self.file.as_bytes()), self.line, self.column)
    }
}

/// Collects what is wrong with one file.
pub(crate) struct Problems<'a> {
    source: Source<'a>,
    errors: Vec<(usize, Diagnostic)>,
    warnings: Vec<(usize, Diagnostic)>,
    more: usize,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(file: &'a SourceFile) -> Self {
        Self {
            source: Source::new(&file.name, &file.text),
            errors: Vec::new(),
            warnings: Vec::new(),
            more: 0,
        }
    }

    pub(crate) fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.add(Severity::Error, span, message, None);
    }

    pub(crate) fn error_with_hint(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Error, span, message, Some(hint.into()));
    }

    pub(crate) fn warning(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Severity::Warning, span, message, Some(hint.into()));
    }

    /// Whether another error would not be shown any more.
    pub(crate) fn are_too_many(&self) -> bool {
        self.errors.len() >= MAX_PROBLEMS
    }

    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let (line, column) = self.source.position(span.start);
        Place { file: self.source.name().to_owned(), line, column }
    }

    /// The place of some bytes of a string's value, where the string stands at `span`, quotes included.
    pub(crate) fn inside(&self, span: &Range<usize>, bytes: Range<usize>) -> Range<usize> {
        let written = self.source.written(span);
        let [start, end] = [bytes.start, bytes.end].map(|at| span.start + quotes::written_at(written, at));
        start..end
    }

    /// What was found, in the order of the file.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let severity = if self.errors.is_empty() { Severity::Warning } else { Severity::Error };
        let mut found = self.errors;
        found.extend(self.warnings);
        found.sort_by_key(|(at, _)| *at);
        let mut diagnostics: Vec<_> = found.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        if self.more > 0 {
            let message = format!("{} more problems in this file are not shown", self.more);
            diagnostics.push(Diagnostic::of_file(severity, self.source.name(), message));
        }
        diagnostics
    }

    fn add(
        &mut self,
        severity: Severity,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let found = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if found.len() >= MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let at = span.start;
        let mut diagnostic = self.source.diagnostic(severity, span, message);
        diagnostic.hint = hint;
        found.push((at, diagnostic));
    }
}

/// Reads the file as TOML. Where that goes wrong, says so and gives nothing: what is left of such a file would only
/// cause errors that disappear with the first.
pub(crate) fn read<'a>(file: &'a SourceFile, problems: &mut Problems<'a>) -> Option<Spanned<DeTable<'a>>> {
    if file.text.len() > MAX_FILE_BYTES {
        let Diagnostic { message, hint, .. } = too_long(&file.name);
        problems.error_with_hint(0..0, message, hint.unwrap_or_default());
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    for error in &errors {
        let end = file.text.len();
        problems.error(error.span().unwrap_or(end..end), error.message());
    }
    errors.is_empty().then_some(table)
}

fn too_long(name: &str) -> Diagnostic {
    let message = format!("cannot read the file: it has more than {MAX_FILE_BYTES} bytes");
    Diagnostic::of_file(Severity::Error, name, message).with_hint("split it into several files")
}

#[cfg(test)]
mod tests;
