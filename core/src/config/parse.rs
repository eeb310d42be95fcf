//! From TOML to the configuration.

use std::path::PathBuf;

use super::{
    COOLDOWN_LIMITS, Config, Limits, MAX_PENDING, MAX_PER_MINUTE, MAX_SHOWN, Show, show::is_never_shown,
};
use crate::{
    diagnostic::{Diagnostic, quoted},
    document::{Problems, SourceFile, Table, Text, read},
    policy::{Defaults, MODES, TIMEOUT_LIMITS, VALID_FOR_LIMITS, WAITS},
};

const TOP_KEYS: &[&str] = &[
    "approver_group",
    "require_login_uid",
    "policies",
    "state_directory",
    "runtime_directory",
    "bpf_object",
    "mode",
    "show",
    "defaults",
    "limits",
    "agent",
];
const SHOW_KEYS: &[&str] = &["environment"];
const DEFAULTS_KEYS: &[&str] = &["timeout", "valid_for", "wait"];
const LIMITS_KEYS: &[&str] = &["pending", "agent_pending", "agent_per_minute", "cooldown"];

/// The longest name of a group that useradd(8) makes.
const MAX_GROUP_BYTES: usize = 32;

/// Reads the configuration. What it does not say is as in [`Config::default`]. With it come warnings.
///
/// # Errors
/// When anything in the file is wrong: all that is.
pub fn parse(file: &SourceFile) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut problems = Problems::new(file);
    let config = read(file, &mut problems)
        .map(|document| from_table(&Table::new(&document, TOP_KEYS, &mut problems), &mut problems));
    let diagnostics = problems.into_diagnostics();
    match config {
        Some(config) if !diagnostics.iter().any(Diagnostic::is_error) => Ok((config, diagnostics)),
        _ => Err(diagnostics.into_iter().filter(Diagnostic::is_error).collect()),
    }
}

fn from_table(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Config {
    let standard = Config::default();
    Config {
        approver_group: group(table, problems).unwrap_or(standard.approver_group),
        require_login_uid: table.boolean("require_login_uid", problems).unwrap_or(standard.require_login_uid),
        policies: path(table, "policies", problems).unwrap_or(standard.policies),
        state_directory: path(table, "state_directory", problems).unwrap_or(standard.state_directory),
        runtime_directory: path(table, "runtime_directory", problems).unwrap_or(standard.runtime_directory),
        bpf_object: path(table, "bpf_object", problems).unwrap_or(standard.bpf_object),
        mode: table.word("mode", &MODES, problems).unwrap_or(standard.mode),
        show: show(table, problems).unwrap_or(standard.show),
        defaults: defaults(table, problems).unwrap_or(standard.defaults),
        limits: limits(table, problems).unwrap_or(standard.limits),
        agents: super::agents::agents(table, problems),
    }
}

fn group(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let Text { value, span } = table.string("approver_group", problems)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if value.is_empty() || value.len() > MAX_GROUP_BYTES || !value.chars().all(fits) {
        let hint = "write the name of a group of this host, such as \"holdpoint\"";
        problems.error_with_hint(span, format!("{} cannot be the name of a group", quoted(value)), hint);
        return None;
    }
    Some(value.to_owned())
}

pub(super) fn path(table: &Table<'_, '_>, key: &str, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let Text { value, span } = table.string(key, problems)?;
    let odd = |component: &str| matches!(component, "" | "." | "..");
    let wrong = if !value.starts_with('/') {
        "it is not absolute"
    } else if value.split('/').skip(1).any(odd) {
        "it has a '.', '..' or empty component"
    } else if value.chars().any(char::is_control) {
        "it has a control character"
    } else {
        return Some(value.into());
    };
    let hint = "write the whole path, such as \"/usr/local/bin/claude\", without a slash at the end";
    problems.error_with_hint(span, format!("'{key}' cannot be {}: {wrong}", quoted(value)), hint);
    None
}

fn show(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Show> {
    let table = table.table("show", SHOW_KEYS, problems)?;
    let texts = table.strings("environment", problems)?;
    if texts.len() > MAX_SHOWN {
        let message = format!("'environment' names {} variables, {MAX_SHOWN} is the limit", texts.len());
        problems.error(table.key_span("environment"), message);
        return None;
    }
    let mut environment = Vec::new();
    for Text { value, span } in texts {
        let fits = |c: char| c.is_ascii_graphic() && !"=?[]{}\\".contains(c);
        if !value.chars().all(fits) {
            let hint = "write a name, or a glob such as \"LD_*\"; there is no wildcard but '*'";
            problems.error_with_hint(
                span,
                format!("{} cannot be the name of a variable", quoted(value)),
                hint,
            );
        } else if value.chars().all(|c| c == '*') {
            let hint = "name the variables: the environment is full of secrets";
            problems.error_with_hint(
                span,
                format!("{} would show the whole environment", quoted(value)),
                hint,
            );
        } else {
            if !value.contains('*') && is_never_shown(value.as_bytes()) {
                let message = format!("{} is never shown: the name looks like a secret", quoted(value));
                problems.warning(span, message, "leave it out");
            }
            environment.push(value.to_owned());
        }
    }
    Some(Show { environment })
}

fn defaults(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Defaults> {
    let table = table.table("defaults", DEFAULTS_KEYS, problems)?;
    let standard = Defaults::default();
    Some(Defaults {
        timeout: table.duration("timeout", TIMEOUT_LIMITS, problems).unwrap_or(standard.timeout),
        valid_for: table.duration("valid_for", VALID_FOR_LIMITS, problems).unwrap_or(standard.valid_for),
        wait: table.word("wait", &WAITS, problems).unwrap_or(standard.wait),
    })
}

fn limits(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Limits> {
    let table = table.table("limits", LIMITS_KEYS, problems)?;
    let standard = Limits::default();
    let mut count = |key, most: usize, standard| {
        let read = table.integer(key, 1, most as u64, problems);
        read.map_or(standard, |count| usize::try_from(count).unwrap_or(most))
    };
    let pending = count("pending", MAX_PENDING, standard.pending);
    let agent_pending = count("agent_pending", MAX_PENDING, standard.agent_pending);
    let agent_per_minute = count("agent_per_minute", MAX_PER_MINUTE, standard.agent_per_minute);
    let cooldown = table.duration("cooldown", COOLDOWN_LIMITS, problems).unwrap_or(standard.cooldown);
    Some(Limits { pending, agent_pending, agent_per_minute, cooldown })
}
