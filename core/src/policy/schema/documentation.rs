//! The tables of keys in docs/policy.md: what an editor shows of a key comes from there.

use std::collections::BTreeMap;

use serde_json::Value;

const PAGE: &str = include_str!("../../../../docs/policy.md");

/// The tables of the page in their order, that of `[sets]` left out: its keys are the reader's own.
const TITLES: [&str; 11] = [
    "a file",
    "[[rule]]",
    "clauses",
    "tests of a value",
    "args",
    "count",
    "hours",
    "dates",
    "[[command]]",
    "[[resource]]",
    "[[case]]",
];

/// What the page says of a key.
pub(super) struct Row {
    default: String,
    example: String,
    meaning: String,
}

/// All tables of keys, by title.
pub(super) struct Page(BTreeMap<&'static str, BTreeMap<String, Row>>);

impl Page {
    pub(super) fn read() -> Self {
        let mut tables: Vec<BTreeMap<String, Row>> = Vec::new();
        let mut inside = false;
        for line in PAGE.lines() {
            if line == "| key | type | default | example | meaning |" {
                inside = true;
                tables.push(BTreeMap::new());
            } else if !line.starts_with('|') {
                inside = false;
            } else if inside
                && let Some((key, row)) = row(line)
                && let Some(table) = tables.last_mut()
            {
                table.insert(key, row);
            }
        }
        tables.retain(|table| !table.is_empty());
        assert_eq!(tables.len(), TITLES.len(), "the tables of keys in docs/policy.md are not {TITLES:?}");
        Self(TITLES.into_iter().zip(tables).collect())
    }

    /// All values that stand as examples or defaults, as TOML.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        let rows = self.0.values().flat_map(BTreeMap::values);
        let cells = rows.flat_map(|row| [row.example.as_str(), row.default.as_str()]);
        cells.filter(|cell| value(cell).is_some()).map(|cell| cell.trim_matches('`'))
    }

    /// What is said of a key, which has to be there.
    pub(super) fn row(&self, table: &str, key: &str) -> &Row {
        let row = self.0.get(table).and_then(|table| table.get(key));
        row.unwrap_or_else(|| {
            panic!("docs/policy.md says nothing of the key '{key}' in its table of {table}")
        })
    }
}

impl Row {
    pub(super) fn is_needed(&self) -> bool {
        self.default == "needed"
    }

    /// What is meant where the key is left out, where that is a value.
    pub(super) fn default(&self) -> Option<Value> {
        value(&self.default)
    }

    /// None where it is one in words, or cut short.
    pub(super) fn example(&self) -> Option<Value> {
        value(&self.example).filter(|_| !self.example.contains('…'))
    }

    /// Prose that can stand alone: links lead nowhere in an editor.
    pub(super) fn description(&self) -> String {
        let text = without_links(&self.meaning);
        if self.default.contains('`') { format!("{text} Default: {}.", self.default) } else { text }
    }
}

/// A row whose key stands between backticks.
fn row(line: &str) -> Option<(String, Row)> {
    let mut cells =
        line.strip_prefix('|')?.strip_suffix('|')?.split(" | ").map(|cell| cell.trim().to_owned());
    let key = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
    let _type = cells.next()?;
    let row = Row { default: cells.next()?, example: cells.next()?, meaning: cells.next()? };
    assert!(cells.next().is_none(), "a row of docs/policy.md has too many cells: {line}");
    Some((key, row))
}

/// The TOML between backticks.
fn value(cell: &str) -> Option<Value> {
    let text = cell.strip_prefix('`')?.strip_suffix('`')?;
    let table: toml::Table = format!("value = {text}").parse().ok()?;
    serde_json::to_value(table.get("value")?).ok()
}

/// `[text](target)` becomes the text, and a sentence "See …" that has a link goes.
fn without_links(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(middle) = text.find("](") {
        let mut depth = 0;
        let open = text[..middle].char_indices().rev().find_map(|(at, c)| {
            match c {
                ']' => depth += 1,
                '[' if depth == 0 => return Some(at),
                '[' => depth -= 1,
                _ => {}
            }
            None
        });
        let open = open.unwrap_or_else(|| panic!("a link has no beginning: {text}"));
        let close = middle + text[middle..].find(')').unwrap_or_else(|| panic!("a link has no end: {text}"));
        match text[..open].strip_suffix(" See ").map(str::len) {
            Some(before) => {
                let after = text[close..].find(". ").map_or(text.len(), |stop| close + stop + 1);
                text.replace_range(before..after, "");
            }
            None => {
                let shown = text[open + 1..middle].to_owned();
                text.replace_range(open..=close, &shown);
            }
        }
    }
    text
}

#[test]
fn a_description_has_no_links_and_no_sentence_that_is_only_one() {
    for (text, shown) in [
        ("A [regular expression](#x), anywhere.", "A regular expression, anywhere."),
        ("As a [`[[resource]]`](#x) tells it.", "As a `[[resource]]` tells it."),
        ("Values. See [tests](#x).", "Values."),
        ("Values. See [what then](#x). More.", "Values. More."),
    ] {
        assert_eq!(without_links(text), shown);
    }
}
