//! The keys of rules and cases: docs/policy.md and holdpoint-policy(5) have every one, and no other.
//!
//! Which keys there are the schemas for editors say. A test of core proves that these have the parser's keys, so that
//! nothing of core has to be compiled here.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;

pub(super) const PAGE: &str = "docs/policy.md";
pub(super) const MANUAL: &str = "packaging/holdpoint-policy.5";
pub(super) const RULES: &str = "policies/schema/rules.schema.json";
pub(super) const CASES: &str = "policies/schema/cases.schema.json";

const HEAD: &str = "| key | type | default | example | meaning |";

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

/// Sections of the manual page, and the tables whose keys each has.
const SECTIONS: [(&str, &[usize]); 7] = [
    (".SH DESCRIPTION", &[0]),
    (".SH RULES", &[1]),
    (".SH CLAUSES", &[2, 4, 5, 6, 7]),
    (".SS Tests of a value", &[3]),
    (".SH COMMANDS", &[8]),
    (".SH RESOURCES", &[9]),
    (".SH CASES", &[10]),
];

/// The one key of a file with cases, which no table has.
const CASE: &str = "case";

/// Words in bold that are values.
const VALUES: [&str; 2] = ["true", "false"];

/// The files that are compared, as text.
pub(super) struct Texts {
    pub(super) page: String,
    pub(super) manual: String,
    pub(super) rules: String,
    pub(super) cases: String,
}

type Keys = BTreeSet<String>;

/// Compares both pages with the schemas.
pub(super) fn check(texts: &Texts) -> Vec<String> {
    let schemas = [(RULES, &texts.rules), (CASES, &texts.cases)];
    let schemas: anyhow::Result<Vec<Value>> = schemas
        .into_iter()
        .map(|(name, text)| {
            serde_json::from_str(text).with_context(|| format!("{name}: cannot read the schema"))
        })
        .collect();
    match schemas.as_deref() {
        Ok([rules, cases]) => {
            let tables = tables(rules, cases);
            let mut complaints = elsewhere(&[rules, cases], &tables);
            complaints.extend(page(&texts.page, &tables));
            complaints.extend(manual(&texts.manual, &tables));
            complaints
        }
        Ok(_) => Vec::new(),
        Err(error) => vec![format!("{error:#}")],
    }
}

/// The keys of each table, in the order of `TITLES`.
fn tables(rules: &Value, cases: &Value) -> Vec<Keys> {
    let rule = "/properties/rule/items";
    let mut tables = vec![keys(rules, "")];
    let clauses = keys(rules, &format!("{rule}/properties/unless"));
    tables.push(keys(rules, rule).difference(&clauses).cloned().collect());
    tables.push(clauses);
    let below = ["flags/additionalProperties", "args", "args/properties/count", "hours", "dates"];
    tables.extend(below.map(|below| keys(rules, &format!("{rule}/properties/{below}"))));
    tables.extend(["command", "resource"].map(|table| keys(rules, &format!("/properties/{table}/items"))));
    tables.push(keys(cases, "/properties/case/items"));
    tables
}

fn keys(schema: &Value, below: &str) -> Keys {
    let properties = schema.pointer(&format!("{below}/properties")).and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

/// Keys that a schema has in a table that this file does not know.
fn elsewhere(schemas: &[&Value], tables: &[Keys]) -> Vec<String> {
    let known: BTreeSet<&str> = tables.iter().flatten().map(String::as_str).chain([CASE]).collect();
    let mut found = Keys::new();
    let mut open: Vec<&Value> = schemas.to_vec();
    while let Some(value) = open.pop() {
        found.extend(keys(value, ""));
        match value {
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    let unknown = found.iter().filter(|key| !known.contains(key.as_str()));
    unknown
        .map(|key| format!("{RULES}: '{key}' is in a table that xtask/src/tidy/keys/mod.rs does not name"))
        .collect()
}

fn page(text: &str, tables: &[Keys]) -> Vec<String> {
    let (documented, mut complaints) = documented(text);
    if documented.len() != TITLES.len() {
        complaints.push(format!(
            "{PAGE}: {} tables of keys, expected {}: {TITLES:?}",
            documented.len(),
            TITLES.len()
        ));
        return complaints;
    }
    for ((title, keys), documented) in TITLES.iter().zip(tables).zip(&documented) {
        let missing = keys.difference(documented);
        complaints.extend(missing.map(|key| format!("{PAGE}: the table of {title} does not have '{key}'")));
        let other = documented.difference(keys);
        complaints
            .extend(other.map(|key| format!("{PAGE}: the table of {title} has '{key}', which is no key")));
    }
    complaints
}

/// The keys of each table, and what is wrong with rows.
fn documented(text: &str) -> (Vec<Keys>, Vec<String>) {
    let (mut tables, mut complaints) = (Vec::<Keys>::new(), Vec::new());
    let mut inside = false;
    for (place, line) in text.lines().enumerate() {
        if line == HEAD {
            inside = true;
            tables.push(Keys::new());
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside
            && let Some((key, rest)) = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |"))
        {
            let cells: Vec<&str> = rest.trim_end_matches('|').split(" | ").map(str::trim).collect();
            if cells.len() != 4 || cells.contains(&"") {
                complaints.push(format!(
                    "{PAGE}:{}: '{key}' has not type, default, example and meaning",
                    place + 1
                ));
            }
            if !tables.last_mut().is_some_and(|table| table.insert(key.to_owned())) {
                complaints.push(format!("{PAGE}:{}: '{key}' is in a table twice", place + 1));
            }
        }
    }
    tables.retain(|table| !table.is_empty());
    (tables, complaints)
}

fn manual(text: &str, tables: &[Keys]) -> Vec<String> {
    let mut complaints = Vec::new();
    let all: BTreeSet<&str> =
        tables.iter().flatten().map(String::as_str).chain(VALUES).chain([CASE]).collect();
    for (section, indexes) in SECTIONS {
        let lines = text.lines().skip_while(|line| *line != section).skip(1);
        let lines = lines.take_while(|line| !line.starts_with(".SH") && !line.starts_with(".SS"));
        let bold: Keys = lines.flat_map(bold).collect();
        let keys = indexes.iter().filter_map(|index| tables.get(*index)).flatten();
        let missing = keys.filter(|key| !bold.contains(*key));
        complaints.extend(missing.map(|key| format!("{MANUAL}: '{section}' does not have '{key}'")));
        // The description speaks of values and commands as well.
        if section != ".SH DESCRIPTION" {
            let other = bold.iter().filter(|word| !all.contains(word.as_str()));
            complaints
                .extend(other.map(|word| format!("{MANUAL}: '{section}' has '{word}', which is no key")));
        }
    }
    complaints
}

/// The words in bold of a line of groff that could be keys. Values stand in quotes.
fn bold(line: &str) -> Vec<String> {
    let Some((request, rest)) = line.split_once(' ') else { return Vec::new() };
    // `.BR one two` is bold, roman; `.RB` the other way round; `.B` bold alone.
    let is_bold = |place: usize| match request {
        ".B" => true,
        ".BR" => place.is_multiple_of(2),
        ".RB" => !place.is_multiple_of(2),
        _ => false,
    };
    let words = arguments(rest).into_iter().enumerate().filter(|(place, _)| is_bold(*place));
    let words = words.map(|(_, word)| word.trim_matches(['[', ']']).to_owned());
    words
        .filter(|word| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
        })
        .collect()
}

/// The arguments of a request, each in quotes or up to the next blank.
fn arguments(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => arguments.push(String::new()),
            _ => arguments.last_mut().into_iter().for_each(|last| last.push(c)),
        }
    }
    arguments
}

#[cfg(test)]
mod tests;
