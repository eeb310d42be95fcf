//! What is wrong with a file, with the place and a caret under it.

use std::{cell::Cell, fmt, ops::Range};

use serde::{Deserialize, Serialize};

use crate::escape::for_terminal;

/// More than these many characters of a line are not shown to each side of the place, and of the place.
const SHOWN_CHARACTERS: usize = 60;

/// Something that is wrong or odd at one place of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Whether the file is refused for it.
    pub severity: Severity,
    /// The file's name, as the reader of the file gave it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// What would help.
    pub hint: Option<String>,
    /// The line, escaped for a terminal; empty where there is none to show.
    pub source_line: String,
    /// How many characters of `source_line` stand before the caret.
    pub indent: usize,
    /// How many carets there are, 1 at least.
    pub width: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but somebody should look at it.
    Warning,
}

impl Diagnostic {
    /// The same with a word about what would help.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the file is refused for it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// One about a file as a whole, such as one that could not be read.
    #[must_use]
    pub fn of_file(severity: Severity, file: &str, message: impl Into<String>) -> Self {
        Source::new(file, "").diagnostic(severity, 0..0, message)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Several lines without a line break at the end.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = number.len() + 1;
        let file = for_terminal(self.file.as_bytes());
        writeln!(f, "{}: {}", self.severity, self.message)?;
        write!(f, "{:gutter$}--> {file}:{}:{}", "", self.line, self.column)?;
        if !self.source_line.is_empty() {
            let (indent, width) = (self.indent, self.width);
            write!(f, "\n{:gutter$} |\n {number} | {}", "", self.source_line)?;
            write!(f, "\n{:gutter$} | {:indent$}{:^>width$}", "", "", "")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n{:gutter$} = {hint}", ""),
            None => Ok(()),
        }
    }
}

/// A file's text with what it takes to find lines and columns in it.
pub(crate) struct Source<'a> {
    name: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
    /// A byte and the number of characters before it in its line, so that many places in one long line,
    /// asked for in order, cost no more than the line.
    last: Cell<(usize, usize)>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(name: &'a str, text: &'a str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self {
            name,
            text,
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
            last: Cell::new((0, 0)),
        }
    }

    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// The text at some place.
    pub(crate) fn written(&self, span: &Range<usize>) -> &'a str {
        self.piece(span.start, span.end)
    }

    /// The line and the column of a byte, both counted from 1, the column in characters.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let at = self.text.floor_char_boundary(at);
        let (line, start) = self.line_of(at);
        let (from, before) = match self.last.get() {
            (last, before) if (start..=at).contains(&last) => (last, before),
            _ => (start, 0),
        };
        let before = before + self.piece(from, at).chars().count();
        self.last.set((at, before));
        (line, before + 1)
    }

    /// A diagnostic about these bytes; of several lines, the first is shown.
    pub(crate) fn diagnostic(
        &self,
        severity: Severity,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Diagnostic {
        let from = self.text.floor_char_boundary(span.start);
        let (line, start) = self.line_of(from);
        let (_, column) = self.position(from);
        let rest = self.text.get(from..).unwrap_or_default();
        let end = from + rest.find('\n').unwrap_or(rest.len());
        let to = self.text.floor_char_boundary(span.end).clamp(from, end);

        let before = end_shown(self.piece(start, from));
        let marked = start_shown(self.piece(from, to));
        let after = start_shown(self.piece(to, end).trim_end_matches('\r'));
        Diagnostic {
            severity,
            file: self.name.to_owned(),
            line,
            column,
            message: message.into(),
            hint: None,
            indent: before.chars().count(),
            width: marked.chars().count().max(1),
            source_line: format!("{before}{marked}{after}"),
        }
    }

    fn line_of(&self, at: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= at);
        (line, self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or_default())
    }

    fn piece(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }
}

/// A name or value from a file for use in a message: escaped, in quotes, not too long.
pub(crate) fn quoted(text: &str) -> String {
    let end = text.char_indices().nth(SHOWN_CHARACTERS + 1).map_or(text.len(), |(at, _)| at);
    format!("'{}'", keep_start(&for_terminal(text.get(..end).unwrap_or_default().as_bytes())))
}

/// The beginning of a text, escaped. Only what may be shown is looked at: lines can be long.
fn start_shown(text: &str) -> String {
    let end = text.char_indices().nth(SHOWN_CHARACTERS + 1).map_or(text.len(), |(at, _)| at);
    keep_start(&shown(text.get(..end).unwrap_or_default()))
}

/// The end of a text, escaped.
fn end_shown(text: &str) -> String {
    let start = text.char_indices().rev().nth(SHOWN_CHARACTERS).map_or(0, |(at, _)| at);
    keep_end(&shown(text.get(start..).unwrap_or_default()))
}

fn shown(text: &str) -> String {
    for_terminal(text.replace('\t', "    ").as_bytes())
}

fn keep_start(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn keep_end(text: &str) -> String {
    match text.char_indices().rev().nth(SHOWN_CHARACTERS) {
        Some((cut, c)) => format!("…{}", text.get(cut + c.len_utf8()..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
