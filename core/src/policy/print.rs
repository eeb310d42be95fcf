//! Writes a policy as the TOML that it could have been read from.

use std::fmt::Write as _;

use super::{
    ACTIONS, ArgsTest, Clause, Dates, Grammar, Hours, LOADER_VARIABLES, MODES, Mode, Options, Policy, RISKS,
    Resource, Rule, STYLES, StringSet, ValueTest, WAITS,
    schedule::{DAY_NAMES, time_of_day},
};
use crate::{document::shown_duration, escape::for_terminal};

impl Policy {
    /// All rules as TOML, as if they stood in one file: sets spelt out, options and resources in the order of their
    /// programs, comments gone.
    ///
    /// Read again it is an equal policy. It can be longer than a file may be that is read.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut grammars: Vec<_> = self.tools().grammars.iter().collect();
        grammars.sort_by_key(|(program, _)| *program);
        for (program, grammar) in grammars {
            command(&mut text, program, grammar);
        }
        let mut resources = Vec::new();
        for (name, by_program) in &self.tools().resources {
            // One for several programs is there once for each.
            let once =
                by_program.iter().filter(|(program, resource)| resource.exec.first() == Some(*program));
            resources.extend(once.map(|(program, resource)| (name, program, resource)));
        }
        resources.sort_by_key(|(name, program, _)| (*name, *program));
        for (name, _, each) in resources {
            resource(&mut text, name, each);
        }
        for each in self.rules() {
            rule(&mut text, each);
        }
        text
    }
}

/// By what it says: where that stands makes no difference.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let (rules, others) = (self.rules(), other.rules());
        rules.len() == others.len()
            && rules.iter().zip(others).all(|(rule, other)| says_the_same(rule, other))
            && self.tools() == other.tools()
            && self.defaults() == other.defaults()
    }
}

fn says_the_same(rule: &Rule, other: &Rule) -> bool {
    let mut moved = other.clone();
    moved.place.clone_from(&rule.place);
    for (pattern, here) in moved.exec.iter_mut().zip(&rule.exec) {
        pattern.place.clone_from(&here.place);
    }
    moved == *rule
}

fn command(text: &mut String, program: &str, grammar: &Grammar) {
    let Grammar { style, stops_at_word, more_options, base, after } = grammar;
    heading(text, "[[command]]");
    key(text, "exec", &array([program]));
    key(text, "style", &word(&STYLES, *style));
    if *stops_at_word {
        key(text, "stops_at_word", "true");
    }
    if *more_options {
        key(text, "more_options", "true");
    }
    options(text, base);
    for (word, more) in after {
        heading(text, "[[command]]");
        key(text, "exec", &array([program]));
        key(text, "after", &array([String::from_utf8_lossy(word)]));
        options(text, more);
    }
}

fn options(text: &mut String, options: &Options) {
    let Options { takes_value, aliases } = options;
    for (name, wanted) in [("values", true), ("flags", false)] {
        let mut listed =
            takes_value.iter().filter(|(_, takes)| **takes == wanted).map(|(name, _)| name).peekable();
        if listed.peek().is_some() {
            key(text, name, &array(listed));
        }
    }
    let aliases: Vec<_> = aliases.iter().map(|(alias, meant)| (alias.as_str(), quoted(meant))).collect();
    if !aliases.is_empty() {
        key(text, "aliases", &table(&aliases));
    }
}

fn resource(text: &mut String, name: &str, resource: &Resource) {
    let Resource { exec, flags, env, default } = resource;
    heading(text, "[[resource]]");
    key(text, "name", &quoted(name));
    for (name, texts) in [("exec", exec), ("flags", flags), ("env", env)] {
        if !texts.is_empty() {
            key(text, name, &array(texts));
        }
    }
    if let Some(default) = default {
        key(text, "default", &quoted(default));
    }
}

fn rule(text: &mut String, rule: &Rule) {
    let Rule { name, description, exec, action, mode, .. } = rule;
    heading(text, "[[rule]]");
    key(text, "name", &quoted(name));
    if let Some(description) = description {
        key(text, "description", &quoted(description));
    }
    key(text, "exec", &array(exec.iter().map(|pattern| &pattern.text)));
    key(text, "action", &word(&ACTIONS, *action));
    if *mode != Mode::default() {
        key(text, "mode", &word(&MODES, *mode));
    }
    let Rule {
        timeout,
        valid_for,
        wait,
        loader_variables,
        risk,
        message,
        deny_message,
        grant,
        clauses,
        place: _,
        ..
    } = rule;
    let values = [
        ("timeout", timeout.map(|span| quoted(&shown_duration(span)))),
        ("valid_for", valid_for.map(|span| quoted(&shown_duration(span)))),
        ("for", grant.map(|grant| quoted(&shown_duration(grant.span)))),
        ("uses", grant.and_then(|grant| grant.uses).map(|uses| uses.to_string())),
        ("wait", wait.map(|wait| word(&WAITS, wait))),
        ("loader_variables", loader_variables.map(|wanted| word(&LOADER_VARIABLES, wanted))),
        ("risk", risk.map(|risk| word(&RISKS, risk))),
        ("message", message.as_deref().map(quoted)),
        ("deny_message", deny_message.as_deref().map(quoted)),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            key(text, name, &value);
        }
    }
    all(text, clauses);
    for clause in clauses {
        if let Clause::Unless(inner) = clause {
            text.push_str("[rule.unless]\n");
            all(text, inner);
        }
    }
}

/// The clauses of a rule, `unless` excepted.
fn all(text: &mut String, clauses: &[Clause]) {
    // Each of these is a key of one table.
    let (mut flags, mut env, mut resources) = (Vec::new(), Vec::new(), Vec::new());
    for clause in clauses {
        match clause {
            Clause::Agents(set) => key(text, "agents", &strings(set)),
            Clause::Users(set) => key(text, "users", &strings(set)),
            Clause::Groups(set) => key(text, "groups", &strings(set)),
            Clause::Hosts(set) => key(text, "hosts", &strings(set)),
            Clause::Units(set) => key(text, "units", &strings(set)),
            Clause::Cgroups(set) => key(text, "cgroups", &strings(set)),
            Clause::Cwd(set) => key(text, "cwd", &strings(set)),
            Clause::Parents(names, paths) => key(text, "parents", &array(names.iter().chain(paths.texts()))),
            Clause::Tty(wanted) => key(text, "tty", &wanted.to_string()),
            Clause::Args(test) => key(text, "args", &arguments(test)),
            Clause::Subcommand(beginnings) => {
                let words = |words: &Vec<StringSet>| {
                    words.iter().flat_map(StringSet::texts).cloned().collect::<Vec<_>>()
                };
                key(
                    text,
                    "subcommand",
                    &array(beginnings.iter().map(|beginning| words(beginning).join(" "))),
                );
            }
            Clause::Flag(names, test) => {
                if let Some((name, aliases)) = names.split_first() {
                    flags.push((name.as_str(), value(test, aliases)));
                }
            }
            Clause::Env(names, test) => {
                env.extend(names.texts().iter().map(|name| (name.as_str(), value(test, &[]))));
            }
            Clause::Resource(name, test) => resources.push((name.as_str(), value(test, &[]))),
            Clause::Hours(hours) => key(text, "hours", &hours_of(hours)),
            Clause::Dates(dates) => {
                key(text, "dates", &format!("[{}]", dates.iter().map(days).collect::<Vec<_>>().join(", ")));
            }
            Clause::Hash(hashes) => key(text, "hash", &array(hashes)),
            Clause::Owner(owner) => key(text, "owner", &quoted(&owner.to_string())),
            Clause::When(expression) => key(text, "when", &quoted(expression.text())),
            Clause::Unless(_) => {}
        }
    }
    for (name, tests) in [("flags", flags), ("env", env), ("resource", resources)] {
        if !tests.is_empty() {
            key(text, name, &table(&tests));
        }
    }
}

fn value(test: &ValueTest, aliases: &[String]) -> String {
    let ValueTest { within, not_within, regex, present, or_absent } = test;
    let mut keys = Vec::new();
    keys.extend(within.as_ref().map(|set| ("in", strings(set))));
    keys.extend(not_within.as_ref().map(|set| ("not_in", strings(set))));
    keys.extend(regex.as_ref().map(|regex| ("regex", quoted(regex.text()))));
    keys.extend(present.map(|present| ("present", present.to_string())));
    // A test has to say something, if only this.
    if *or_absent || keys.is_empty() {
        keys.push(("or_absent", or_absent.to_string()));
    }
    keys.extend((!aliases.is_empty()).then(|| ("alias", array(aliases))));
    table(&keys)
}

fn arguments(test: &ArgsTest) -> String {
    let ArgsTest { any, all, none, regex, count } = test;
    let mut keys = Vec::new();
    keys.extend(any.as_ref().map(|set| ("any", strings(set))));
    keys.extend((!all.is_empty()).then(|| ("all", array(all.iter().flat_map(StringSet::texts)))));
    keys.extend(none.as_ref().map(|set| ("none", strings(set))));
    keys.extend(regex.as_ref().map(|regex| ("regex", quoted(regex.text()))));
    keys.extend(count.map(|(least, most)| {
        let mut limits = vec![("min", least.to_string())];
        limits.extend((most != usize::MAX).then(|| ("max", most.to_string())));
        ("count", table(&limits))
    }));
    table(&keys)
}

fn hours_of(hours: &Hours) -> String {
    let Hours { days, from, to, zone, outside } = hours;
    let days = DAY_NAMES.iter().zip(days).filter(|(_, on)| **on).map(|(name, _)| *name);
    let mut keys = vec![
        ("days", array(days)),
        ("from", quoted(&time_of_day(*from))),
        ("to", quoted(&time_of_day(*to))),
        ("zone", quoted(&zone.to_string())),
    ];
    keys.extend(outside.then(|| ("outside", "true".to_owned())));
    table(&keys)
}

fn days(dates: &Dates) -> String {
    let Dates { from, to, zone } = dates;
    let texts = [("from", from.to_string()), ("to", to.to_string()), ("zone", zone.to_string())];
    table(&texts.map(|(key, text)| (key, quoted(&text))))
}

fn heading(text: &mut String, heading: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(heading);
    text.push('\n');
}

fn key(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name} = {value}");
}

fn strings(set: &StringSet) -> String {
    array(set.texts())
}

fn array<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// With names of the reader's own, or with keys.
fn table(keys: &[(&str, String)]) -> String {
    let is_bare =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !name.is_empty();
    let shown = |name: &str| if is_bare(name) { name.to_owned() } else { quoted(name) };
    let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{} = {value}", shown(name))).collect();
    format!("{{ {} }}", keys.join(", "))
}

/// One of some words that a key can have.
fn word<T: Copy + PartialEq>(words: &[(&str, T)], meant: T) -> String {
    quoted(words.iter().find(|(_, meaning)| *meaning == meant).map_or("", |(word, _)| *word))
}

/// A basic string of TOML's, in which what people would not see is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        let mut bytes = [0; 4];
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ if for_terminal(c.encode_utf8(&mut bytes).as_bytes()).chars().eq([c]) => quoted.push(c),
            _ => drop(write!(quoted, "\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}
