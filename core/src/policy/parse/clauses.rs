//! The clauses of a rule, and of its `unless`.

use std::collections::BTreeSet;

use super::{
    super::{ArgsTest, Clause, OWNERS, PatternKind, StringSet, pattern},
    schedule,
    tools::option,
    values::{self, Sets},
};
use crate::{
    diagnostic::quoted,
    document::{Problems, Table, Text},
};

/// Keys of a rule that are clauses, `unless` excepted.
pub(in crate::policy) const CLAUSE_KEYS: &[&str] = &[
    "agents",
    "users",
    "groups",
    "hosts",
    "units",
    "cgroups",
    "cwd",
    "parents",
    "tty",
    "args",
    "subcommand",
    "flags",
    "env",
    "resource",
    "hours",
    "dates",
    "hash",
    "owner",
    "when",
];

pub(in crate::policy) const ARGS_KEYS: &[&str] = &["any", "all", "none", "regex", "count"];
pub(in crate::policy) const COUNT_KEYS: &[&str] = &["min", "max"];

/// More arguments than the kernel takes (`MAX_ARG_STRINGS`).
pub(in crate::policy) const MAX_COUNT: u64 = 0x7fff_ffff;

/// Reads all of them. What is wrong is told and left out: a policy with errors is not used.
pub(super) fn read(table: &Table<'_, '_>, sets: &Sets<'_>, problems: &mut Problems<'_>) -> Vec<Clause> {
    let mut clauses = plain(table, sets, problems);
    if table.has("unless")
        && let Some(unless) = table.table("unless", CLAUSE_KEYS, problems)
    {
        let inner = plain(&unless, sets, problems);
        if inner.is_empty() {
            let message = "'unless' is empty: it would hold always, and the rule would never apply";
            problems.error(table.key_span("unless"), message);
        }
        clauses.push(Clause::Unless(inner));
    }
    clauses
}

/// What is cheap, and what takes the arguments apart last.
fn plain(table: &Table<'_, '_>, sets: &Sets<'_>, problems: &mut Problems<'_>) -> Vec<Clause> {
    type Make = fn(StringSet) -> Clause;
    let mut clauses = Vec::new();
    let each: [(&str, Make); 7] = [
        ("agents", Clause::Agents),
        ("users", Clause::Users),
        ("groups", Clause::Groups),
        ("hosts", Clause::Hosts),
        ("units", Clause::Units),
        ("cgroups", Clause::Cgroups),
        ("cwd", Clause::Cwd),
    ];
    for (key, clause) in each {
        clauses.extend(sets.globs(table, key, problems).map(clause));
    }
    clauses.extend(table.boolean("tty", problems).map(Clause::Tty));
    clauses.extend(table.word("owner", &OWNERS, problems).map(Clause::Owner));
    clauses.extend(hash(table, sets, problems));
    if let Some(inner) =
        table.has("hours").then(|| table.table("hours", schedule::HOURS_KEYS, problems)).flatten()
    {
        clauses.extend(schedule::hours(&inner, problems).map(Clause::Hours));
    }
    clauses.extend(dates(table, problems));
    clauses.extend(parents(table, sets, problems));
    clauses.extend(subcommand(table, sets, problems));
    clauses.extend(args(table, sets, problems));
    if let Some(inner) = table.free_table("flags", problems) {
        for Text { value, span } in inner.keys() {
            let name = option(value, None, &span, problems);
            let Some((test, aliases)) = sets.flag(&inner, value, problems) else { continue };
            let names = name.into_iter().chain(aliases);
            clauses.push(Clause::Flag(names.collect(), test));
        }
    }
    if let Some(inner) = table.free_table("env", problems) {
        for Text { value, span } in inner.keys() {
            if value.is_empty() || value.contains('=') {
                problems.error(span, format!("{} is no variable's name", quoted(value)));
                continue;
            }
            let names = match sets.set(vec![value.to_owned()]) {
                Ok(names) => names,
                Err(error) => {
                    problems.error_with_hint(span, error.to_string(), values::GLOBS);
                    continue;
                }
            };
            clauses.extend(sets.test(&inner, value, problems).map(|test| Clause::Env(names, test)));
        }
    }
    if let Some(inner) = table.free_table("resource", problems) {
        for Text { value, .. } in inner.keys() {
            let test = sets.test(&inner, value, problems);
            clauses.extend(test.map(|test| Clause::Resource(value.to_owned(), test)));
        }
    }
    clauses.extend(sets.when(table, "when", problems).map(Clause::When));
    clauses
}

fn hash(table: &Table<'_, '_>, sets: &Sets<'_>, problems: &mut Problems<'_>) -> Option<Clause> {
    let texts = sets.texts(table, "hash", problems)?;
    if texts.is_empty() {
        problems.error(table.key_span("hash"), "'hash' names no content");
    }
    let mut hashes = BTreeSet::new();
    for (text, span) in texts {
        let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hash {
            hashes.insert(text.to_ascii_lowercase());
        } else {
            problems.error_with_hint(
                span,
                format!("{} is no SHA-256", quoted(&text)),
                "write 64 hexadecimal digits, as sha256sum prints them",
            );
        }
    }
    Some(Clause::Hash(hashes))
}

fn dates(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Clause> {
    let inner = if table.has_array("dates") {
        table.tables("dates", schedule::DATES_KEYS, problems)
    } else {
        table.table("dates", schedule::DATES_KEYS, problems).into_iter().collect()
    };
    if !table.has("dates") {
        return None;
    }
    if inner.is_empty() && table.has_array("dates") {
        problems.error(table.key_span("dates"), "'dates' names no day");
    }
    Some(Clause::Dates(inner.iter().filter_map(|table| schedule::dates(table, problems)).collect()))
}

fn parents(table: &Table<'_, '_>, sets: &Sets<'_>, problems: &mut Problems<'_>) -> Option<Clause> {
    let (mut names, mut paths) = (Vec::new(), Vec::new());
    let texts = sets.texts(table, "parents", problems)?;
    if texts.is_empty() {
        problems.error(table.key_span("parents"), "'parents' names no program");
    }
    let last = texts.last().map(|(_, span)| span.clone());
    for (text, span) in texts {
        match pattern::check(&text) {
            Ok(PatternKind::Name) => names.push(text),
            Ok(_) => paths.push(text),
            Err(error) => problems.error_with_hint(span, error.to_string(), error.hint),
        }
    }
    match sets.set(paths) {
        Ok(paths) => Some(Clause::Parents(names, paths)),
        Err(error) => {
            problems.error_with_hint(last?, error.to_string(), values::GLOBS);
            None
        }
    }
}

fn subcommand(table: &Table<'_, '_>, sets: &Sets<'_>, problems: &mut Problems<'_>) -> Option<Clause> {
    let texts = sets.texts(table, "subcommand", problems)?;
    if texts.is_empty() {
        problems.error(table.key_span("subcommand"), "'subcommand' is empty: nothing could match");
    }
    let mut beginnings = Vec::new();
    for (text, span) in texts {
        let words: Result<Vec<StringSet>, _> =
            text.split_ascii_whitespace().map(|word| sets.set(vec![word.to_owned()])).collect();
        match words {
            Ok(words) if words.is_empty() => problems.error(span, "an empty subcommand would be any"),
            Ok(words) => beginnings.push(words),
            Err(error) => problems.error_with_hint(span, error.to_string(), values::GLOBS),
        }
    }
    Some(Clause::Subcommand(beginnings))
}

fn args(table: &Table<'_, '_>, sets: &Sets<'_>, problems: &mut Problems<'_>) -> Option<Clause> {
    if !table.has("args") {
        return None;
    }
    let inner = table.table("args", ARGS_KEYS, problems)?;
    let mut all = Vec::new();
    let texts = sets.texts(&inner, "all", problems);
    if texts.as_ref().is_some_and(Vec::is_empty) {
        problems.error(inner.key_span("all"), "'all' is empty: it would hold always");
    }
    for (text, span) in texts.unwrap_or_default() {
        match sets.set(vec![text]) {
            Ok(set) => all.push(set),
            Err(error) => problems.error_with_hint(span, error.to_string(), values::GLOBS),
        }
    }
    let test = ArgsTest {
        any: sets.globs(&inner, "any", problems),
        all,
        none: sets.globs(&inner, "none", problems),
        regex: sets.regex(&inner, "regex", problems),
        count: count(&inner, problems),
    };
    if !ARGS_KEYS.iter().any(|key| inner.has(key)) {
        problems.error_with_hint(
            table.key_span("args"),
            "'args' asks for nothing",
            "say any, all, none, regex or count",
        );
    }
    Some(Clause::Args(test))
}

/// A number, or `{ min = 1, max = 3 }`.
fn count(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<(usize, usize)> {
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    if !table.has("count") {
        return None;
    }
    if !table.has_table("count") {
        let exact = size(table.integer("count", 0, MAX_COUNT, problems)?);
        return Some((exact, exact));
    }
    let inner = table.table("count", COUNT_KEYS, problems)?;
    let least = inner.integer("min", 0, MAX_COUNT, problems).map_or(0, size);
    let most = inner.integer("max", 0, MAX_COUNT, problems).map_or(usize::MAX, size);
    if least > most {
        problems.error(table.key_span("count"), "'max' is less than 'min': no number is meant");
    }
    Some((least, most))
}
