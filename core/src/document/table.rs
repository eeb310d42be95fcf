//! Typed reads of a table's keys.

use std::{ops::Range, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{DurationLimits, Problems, duration, nearest};
use crate::diagnostic::quoted;

/// A table whose keys are read one by one. A wrong value is told to [`Problems`] and read as if it were not there.
pub(crate) struct Table<'t, 'a> {
    entries: &'t DeTable<'a>,
    span: Range<usize>,
}

/// A string from a file, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Text<'t> {
    pub(crate) value: &'t str,
    pub(crate) span: Range<usize>,
}

impl<'t, 'a> Table<'t, 'a> {
    /// Takes a table and tells of each key that is not known.
    pub(crate) fn new(table: &'t Spanned<DeTable<'a>>, known: &[&str], problems: &mut Problems<'_>) -> Self {
        Self::of_entries(table.get_ref(), table.span(), known, problems)
    }

    /// The place of the table as a whole: its heading.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some()
    }

    /// The place of a key, or of the table where it has no such key.
    pub(crate) fn key_span(&self, key: &str) -> Range<usize> {
        self.entries.get_key_value(key).map_or_else(|| self.span(), |(key, _)| key.span())
    }

    /// The tables below one key, each with its heading's place: `[[key]]`.
    pub(crate) fn tables(
        &self,
        key: &str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Vec<Table<'t, 'a>> {
        let expected = format!("tables, each begun by `[[{key}]]`");
        let Some(value) = self.entries.get(key) else { return Vec::new() };
        let DeValue::Array(elements) = value.get_ref() else {
            tell_wrong_type(value, key, &expected, problems);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for element in elements.iter() {
            match element.get_ref() {
                DeValue::Table(entries) => {
                    tables.push(Self::of_entries(entries, element.span(), known, problems));
                }
                _ => tell_wrong_type(element, key, &expected, problems),
            }
        }
        tables
    }

    /// The one table below a key: `[key]`.
    pub(crate) fn table(
        &self,
        key: &str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<Table<'t, 'a>> {
        let value = self.entries.get(key)?;
        if let DeValue::Table(entries) = value.get_ref() {
            return Some(Self::of_entries(entries, value.span(), known, problems));
        }
        wrong_type(value, key, &format!("a table, begun by `[{key}]`"), problems)
    }

    /// The one table below a key, whose keys are names of the reader's own.
    pub(crate) fn free_table(&self, key: &str, problems: &mut Problems<'_>) -> Option<Table<'t, 'a>> {
        let value = self.entries.get(key)?;
        if let DeValue::Table(entries) = value.get_ref() {
            return Some(Self { entries, span: value.span() });
        }
        wrong_type(value, key, "a table, such as { NAME = \"value\" }", problems)
    }

    /// Whether there is a table below a key.
    pub(crate) fn has_table(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Table(_)))
    }

    /// Whether there is an array below a key.
    pub(crate) fn has_array(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Array(_)))
    }

    /// Whether there is a string below a key.
    pub(crate) fn has_string(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::String(_)))
    }

    /// All keys, in the order of the file.
    pub(crate) fn keys(&self) -> Vec<Text<'t>> {
        let text =
            |key: &'t Spanned<_>| Text { value: AsRef::<str>::as_ref(key.get_ref()), span: key.span() };
        let mut keys: Vec<Text<'t>> = self.entries.keys().map(text).collect();
        keys.sort_by_key(|key| key.span.start);
        keys
    }

    /// A string, or an array of strings.
    pub(crate) fn one_or_more(&self, key: &str, problems: &mut Problems<'_>) -> Option<Vec<Text<'t>>> {
        let value = self.entries.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(vec![Text { value: text, span: value.span() }]),
            _ => self.strings(key, problems),
        }
    }

    pub(crate) fn string(&self, key: &str, problems: &mut Problems<'_>) -> Option<Text<'t>> {
        let value = self.entries.get(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some(Text { value: text, span: value.span() });
        }
        wrong_type(value, key, "a string", problems)
    }

    /// An array of strings. The elements of a wrong type are told of and left out.
    pub(crate) fn strings(&self, key: &str, problems: &mut Problems<'_>) -> Option<Vec<Text<'t>>> {
        const EXPECTED: &str = "an array of strings";
        let value = self.entries.get(key)?;
        let DeValue::Array(elements) = value.get_ref() else {
            return wrong_type(value, key, EXPECTED, problems);
        };
        let mut texts = Vec::with_capacity(elements.len());
        for element in elements.iter() {
            if let DeValue::String(text) = element.get_ref() {
                texts.push(Text { value: text, span: element.span() });
            } else {
                tell_wrong_type(element, key, EXPECTED, problems);
            }
        }
        Some(texts)
    }

    pub(crate) fn boolean(&self, key: &str, problems: &mut Problems<'_>) -> Option<bool> {
        let value = self.entries.get(key)?;
        if let DeValue::Boolean(truth) = value.get_ref() {
            return Some(*truth);
        }
        wrong_type(value, key, "true or false", problems)
    }

    pub(crate) fn integer(
        &self,
        key: &str,
        least: u64,
        most: u64,
        problems: &mut Problems<'_>,
    ) -> Option<u64> {
        let value = self.entries.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            return wrong_type(value, key, "an integer", problems);
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                problems.error(value.span(), format!("'{key}' has to be from {least} to {most}"));
                None
            }
        }
    }

    pub(crate) fn duration(
        &self,
        key: &str,
        limits: DurationLimits,
        problems: &mut Problems<'_>,
    ) -> Option<Duration> {
        let value = self.entries.get(key)?;
        let DeValue::String(text) = value.get_ref() else {
            return wrong_type(value, key, "a duration such as \"5m\"", problems);
        };
        match duration::parse(text, limits) {
            Ok(span) => Some(span),
            Err(error) => {
                let message = format!("'{key}' is no duration that can be used: {error}");
                let (least, most) = (duration::shown(limits.least), duration::shown(limits.most));
                let hint = format!("write for example \"90s\", \"5m\" or \"1h30m\", from {least} to {most}");
                problems.error_with_hint(value.span(), message, hint);
                None
            }
        }
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let listed = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let value = self.entries.get(key)?;
        let DeValue::String(text) = value.get_ref() else {
            return wrong_type(value, key, &format!("one of {}", listed()), problems);
        };
        let found = words.iter().find(|(word, _)| word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let message = format!("'{key}' is {}, expected one of {}", quoted(text), listed());
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            told(problems, value.span(), message, nearest(text, &words));
        }
        found
    }

    fn of_entries(
        entries: &'t DeTable<'a>,
        span: Range<usize>,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Self {
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let message = format!("unknown key {}", quoted(key.get_ref()));
            match nearest(key.get_ref(), known) {
                None => {
                    problems.error_with_hint(
                        key.span(),
                        message,
                        format!("known here: {}", known.join(", ")),
                    );
                }
                near => told(problems, key.span(), message, near),
            }
        }
        Self { entries, span }
    }
}

fn told(problems: &mut Problems<'_>, span: Range<usize>, message: String, near: Option<&str>) {
    match near {
        Some(near) => problems.error_with_hint(span, message, format!("did you mean '{near}'?")),
        None => problems.error(span, message),
    }
}

/// Always none, so that it can end a read.
fn wrong_type<T>(
    value: &Spanned<DeValue<'_>>,
    key: &str,
    expected: &str,
    problems: &mut Problems<'_>,
) -> Option<T> {
    tell_wrong_type(value, key, expected, problems);
    None
}

fn tell_wrong_type(value: &Spanned<DeValue<'_>>, key: &str, expected: &str, problems: &mut Problems<'_>) {
    let found = value.get_ref().type_str();
    let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
    let message = format!("'{key}' has the wrong type: expected {expected}, found {article} {found}");
    problems.error(value.span(), message);
}
