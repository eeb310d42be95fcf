//! A page of labelled values.

use super::{
    Style, WIDTH,
    text::{columns, wrap, wrap_words},
};

/// Where labels begin and how wide they are; values stand to their right.
const LABEL: usize = 12;
const INDENT: &str = "  ";

/// The lines that a single value may take, unless all is to be shown.
const VALUE_LINES: usize = 8;

/// Stands before each further line of a value. It is where no value can write, so a value that is broken
/// into lines cannot pass for the next one.
const CONTINUED: &str = "| ";

/// How a value is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Alarm,
}

/// The page under construction.
#[derive(Debug)]
pub(super) struct Sheet {
    text: String,
    pub(super) style: Style,
    pub(super) full: bool,
}

impl Sheet {
    pub(super) fn new(style: Style, full: bool) -> Self {
        Self { text: String::new(), style, full }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Adds a line as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Begins a section.
    pub(super) fn heading(&mut self, heading: &str) {
        let heading = self.style.bold(heading);
        self.line(&heading);
    }

    /// Adds a value that may be of any length, in lines of its own; nothing is left out unnoticed.
    pub(super) fn value(&mut self, label: &str, value: &str, tone: Tone) {
        let label = format!("{INDENT}{label:<LABEL$}");
        self.lines(&label, value, tone);
    }

    /// Adds one of our own sentences.
    pub(super) fn sentence(&mut self, label: &str, sentence: &str, tone: Tone) {
        let label = format!("{INDENT}{label:<LABEL$}");
        let blank = " ".repeat(columns(&label));
        for (index, line) in wrap_words(sentence, WIDTH - columns(&label)).iter().enumerate() {
            let line = self.toned(line, tone);
            self.line(&format!("{}{line}", if index == 0 { &label } else { &blank }));
        }
    }

    /// Adds a value that has words, all of it: its length has a limit already.
    pub(super) fn words(&mut self, label: &str, value: &str) {
        let label = format!("{INDENT}{label:<LABEL$}");
        self.painted(&label, &label, value);
    }

    /// The same after a label of any width that has colours; `label` is the one without.
    pub(super) fn painted(&mut self, label: &str, painted: &str, value: &str) {
        let lines = wrap_words(value, WIDTH.saturating_sub(columns(label)).max(1));
        self.rows(columns(label), painted, &lines, Tone::Plain, true);
    }

    /// Adds a value after a label of any width.
    pub(super) fn lines(&mut self, label: &str, value: &str, tone: Tone) {
        let lines = wrap(value, WIDTH.saturating_sub(columns(label)).max(1));
        self.rows(columns(label), label, &lines, tone, self.full);
    }

    fn rows(&mut self, start: usize, label: &str, lines: &[String], tone: Tone, full: bool) {
        let blank = " ".repeat(start.saturating_sub(CONTINUED.len()));
        let (head, tail) = if full || lines.len() <= VALUE_LINES {
            (lines, &[][..])
        } else {
            // The end is shown as well: something may hide there.
            let (head, rest) = lines.split_at(VALUE_LINES - 2);
            (head, rest.split_at(rest.len() - 1).1)
        };
        for (index, line) in head.iter().enumerate() {
            let line = self.toned(line, tone);
            let before = if index == 0 { label.to_owned() } else { format!("{blank}{CONTINUED}") };
            self.line(&format!("{before}{line}"));
        }
        if let [last] = tail {
            // How much it is cannot be said: the value may have been cut before it came here.
            let note = self.style.waiting(&format!("{blank}(the middle is left out; see all with --full)"));
            self.line(&note);
            let last = self.toned(last, tone);
            self.line(&format!("{blank}{CONTINUED}{last}"));
        }
    }

    pub(super) fn toned(&self, text: &str, tone: Tone) -> String {
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Alarm => self.style.alarm(text),
        }
    }
}
