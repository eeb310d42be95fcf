//! `[[agent]]`: which processes are agents' without asking for it.

use std::collections::HashMap;

use crate::{
    agent::{Declared, How, UnitGlob, check_name},
    diagnostic::quoted,
    document::{Place, Problems, Table, Text},
    policy::{MODES, Mode},
};

const KEYS: &[&str] = &["name", "user", "exec", "unit", "mode"];

/// The kernel half has room for so many entries of each kind.
const MAX_ENTRIES: usize = 1_024;
/// The kernel half compares the name of each new cgroup with all of them.
const MAX_UNITS: usize = 32;

/// The longest name of a user that useradd(8) makes.
const MAX_USER_BYTES: usize = 32;

/// Reads all entries. Those with an error are told of and left out.
pub(super) fn agents(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Vec<Declared> {
    let mut agents = Vec::new();
    let mut seen: HashMap<How, Place> = HashMap::new();
    let mut modes: HashMap<String, (Mode, Place)> = HashMap::new();
    let mut units = 0;
    for table in table.tables("agent", KEYS, problems) {
        let name = name(&table, problems);
        let mode = table.word("mode", &MODES, problems).unwrap_or_default();
        let Some((how, key)) = how(&table, problems) else { continue };
        let span = table.key_span(key);
        units += usize::from(matches!(how, How::Unit(_)));
        if agents.len() == MAX_ENTRIES || units > MAX_UNITS {
            let message =
                format!("there are more than {MAX_ENTRIES} agents, or more than {MAX_UNITS} by unit");
            problems.error_with_hint(span, message, "a glob is about many units: unit = \"agent-*.service\"");
            break;
        }
        let place = problems.place(&span);
        if let Some(first) = seen.insert(how.clone(), place.clone()) {
            problems.error(span, format!("{how} is an agent already, by {first}"));
            continue;
        }
        if let Some(name) = name {
            let (first, by) = modes.entry(name.clone()).or_insert_with(|| (mode, place.clone()));
            if *first != mode {
                let message =
                    format!("agent {} is observed by one entry and not by another, {by}", quoted(&name));
                problems.error_with_hint(
                    table.key_span("mode"),
                    message,
                    "say the same 'mode' in all entries of one name",
                );
            }
            agents.push(Declared { name, how, mode, place });
        }
    }
    agents
}

fn name(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    if !table.has("name") {
        problems.error_with_hint(table.span(), "an agent has no 'name'", "add one, such as name = \"ci\"");
    }
    let Text { value, span } = table.string("name", problems)?;
    match check_name(value) {
        Ok(()) => Some(value.to_owned()),
        Err(why) => {
            problems.error(span, why);
            None
        }
    }
}

/// By what the entry knows its processes, and the key that says so.
fn how(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<(How, &'static str)> {
    let given: Vec<&'static str> =
        ["user", "exec", "unit"].into_iter().filter(|key| table.has(key)).collect();
    let key = match given.as_slice() {
        [key] => *key,
        [] => {
            let message = "an agent has none of 'user', 'exec' and 'unit'";
            problems.error_with_hint(
                table.span(),
                message,
                "say whose processes it is about: user = \"agent\"",
            );
            return None;
        }
        [_, second, ..] => {
            let message = format!("an agent has both '{}' and '{second}'", given.first().unwrap_or(second));
            let hint = "write two entries with one name: each of them makes processes the agent's";
            problems.error_with_hint(table.key_span(second), message, hint);
            return None;
        }
    };
    let how = match key {
        "user" => How::User(user(table, problems)?),
        "exec" => How::Executable(super::parse::path(table, "exec", problems)?),
        _ => How::Unit(unit(table, problems)?),
    };
    Some((how, key))
}

fn user(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let Text { value, span } = table.string("user", problems)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if value.is_empty() || value.len() > MAX_USER_BYTES || !value.chars().all(fits) {
        let message = format!("{} cannot be the name of a user", quoted(value));
        problems.error_with_hint(span, message, "write the name of a user of this host, such as \"agent\"");
        return None;
    }
    if value == "root" {
        let message = "root cannot be an agent: the host's own services, and holdpointd, would be it";
        problems.error_with_hint(span, message, "run the agent as a user of its own");
        return None;
    }
    Some(value.to_owned())
}

fn unit(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<UnitGlob> {
    let Text { value, span } = table.string("unit", problems)?;
    match UnitGlob::parse(value) {
        Ok(unit) => Some(unit),
        Err(why) => {
            let message = format!("'unit' cannot be {}: {why}", quoted(value));
            problems.error_with_hint(span, message, "write one, such as \"agent-*.service\"");
            None
        }
    }
}
