//! `[[command]]` and `[[resource]]`.

use std::{collections::HashMap, sync::Arc};

use super::super::{Options, Resource, STYLES, Style, pattern, tools::Tools};
use crate::{
    diagnostic::quoted,
    document::{Problems, Table, Text},
};

pub(in crate::policy) const COMMAND_KEYS: &[&str] =
    &["exec", "style", "values", "flags", "aliases", "after", "stops_at_word", "more_options"];
pub(in crate::policy) const RESOURCE_KEYS: &[&str] = &["name", "exec", "flags", "env", "default"];

/// Options of all programs together, since each program has its own: those of a `[[command]]` count as often as it names
/// programs, and words after which they are valid. More are an error at the `[[command]]`.
pub(super) const MAX_OPTIONS: usize = 262_144;

/// Reads them of all files.
#[derive(Default)]
pub(super) struct ToolReader {
    pub(super) tools: Tools,
    /// So many were read.
    options: usize,
    /// Which programs have one without `after`, and with which.
    seen: HashMap<(String, Option<String>), String>,
}

impl ToolReader {
    pub(super) fn command(&mut self, table: &Table<'_, '_>, problems: &mut Problems<'_>) {
        let Some(exec) = names(table, "a [[command]]", problems) else { return };
        let style = table.word("style", &STYLES, problems);
        let stops_at_word = table.boolean("stops_at_word", problems);
        let more_options = table.boolean("more_options", problems);
        let after = table.one_or_more("after", problems);
        if after.is_some() {
            for key in ["style", "stops_at_word", "more_options"].into_iter().filter(|key| table.has(key)) {
                let hint = "say it in the [[command]] without 'after'";
                problems.error_with_hint(
                    table.key_span(key),
                    format!("'{key}' holds for the whole program"),
                    hint,
                );
            }
        }
        let style_here = style.unwrap_or_default();
        // With `after` it is not known here of which style the program is.
        let checked = after.is_none().then_some(style_here);
        let mut options = Options::default();
        for (key, takes_value) in [("values", true), ("flags", false)] {
            for Text { value, span } in table.one_or_more(key, problems).unwrap_or_default() {
                let Some(name) = option(value, checked, &span, problems) else { continue };
                if options.takes_value.insert(name, takes_value).is_some() {
                    problems.error(span, format!("the option {} is listed twice", quoted(value)));
                }
            }
        }
        if let Some(aliases) = table.free_table("aliases", problems) {
            for Text { value: alias, span } in aliases.keys() {
                let Some(meant) = aliases.string(alias, problems) else { continue };
                let names = (
                    option(alias, checked, &span, problems),
                    option(meant.value, checked, &meant.span, problems),
                );
                if let (Some(alias), Some(meant)) = names {
                    options.aliases.insert(alias, meant);
                }
            }
            for Text { value: alias, span } in aliases.keys() {
                if let Some(between) =
                    options.aliases.get(alias).filter(|meant| options.aliases.contains_key(*meant))
                {
                    let message = format!("{} means {}, which means another", quoted(alias), quoted(between));
                    problems.error_with_hint(span, message, "write what it means in the end");
                }
            }
        }
        let afters: Vec<Option<String>> = match &after {
            None => vec![None],
            Some(words) => words.iter().map(|word| Some(word.value.to_owned())).collect(),
        };
        if afters.is_empty() {
            problems.error(table.key_span("after"), "'after' is empty: the options would never be valid");
        }
        let each = options.takes_value.len() + options.aliases.len() + 1;
        self.options =
            self.options.saturating_add(each.saturating_mul(exec.len()).saturating_mul(afters.len()));
        if self.options > MAX_OPTIONS {
            let message = format!("there are more than {MAX_OPTIONS} options of all programs together");
            problems.error(table.span(), message);
            return;
        }
        for program in exec {
            for after in &afters {
                let key = (program.value.to_owned(), after.clone());
                if let Some(first) = self.seen.get(&key) {
                    let of =
                        after.as_ref().map(|word| format!(" after {}", quoted(word))).unwrap_or_default();
                    let message =
                        format!("the options of {}{of} are already said at {first}", quoted(program.value));
                    problems.error_with_hint(
                        program.span.clone(),
                        message,
                        "leave one out, or put them together",
                    );
                    continue;
                }
                self.seen.insert(key, problems.place(&program.span).to_string());
                let grammar = self.tools.grammars.entry(program.value.to_owned()).or_default();
                match after {
                    None => {
                        grammar.style = style_here;
                        grammar.stops_at_word = stops_at_word.unwrap_or_default();
                        grammar.more_options = more_options.unwrap_or_default();
                        grammar.base = options.clone();
                    }
                    Some(word) => drop(grammar.after.insert(word.clone().into_bytes(), options.clone())),
                }
            }
        }
    }

    pub(super) fn resource(&mut self, table: &Table<'_, '_>, problems: &mut Problems<'_>) {
        if !table.has("name") {
            problems.error(table.span(), "a [[resource]] has no 'name'");
        }
        let name = table.string("name", problems);
        let exec = names(table, "a [[resource]]", problems);
        let mut flags = Vec::new();
        for Text { value, span } in table.one_or_more("flags", problems).unwrap_or_default() {
            flags.extend(option(value, None, &span, problems));
        }
        let mut env = Vec::new();
        for Text { value, span } in table.one_or_more("env", problems).unwrap_or_default() {
            if value.is_empty() || value.contains(['=', '*', '?']) {
                let hint = "write one name, without wildcards";
                problems.error_with_hint(span, format!("{} is no variable's name", quoted(value)), hint);
                continue;
            }
            env.push(value.to_owned());
        }
        let default = table.string("default", problems).map(|text| text.value.to_owned());
        let (Some(name), Some(exec)) = (name, exec) else { return };
        if !["flags", "env", "default"].iter().any(|key| table.has(key)) {
            problems.error_with_hint(
                name.span.clone(),
                format!("nothing tells the resource {}", quoted(name.value)),
                "say flags, env or default",
            );
        }
        let all = exec.iter().map(|text| text.value.to_owned()).collect();
        let resource = Arc::new(Resource { exec: all, flags, env, default });
        let known = self.tools.resources.entry(name.value.to_owned()).or_default();
        for program in exec {
            if known.insert(program.value.to_owned(), Arc::clone(&resource)).is_some() {
                let message =
                    format!("what tells {} of {} is already said", quoted(name.value), quoted(program.value));
                problems.error(program.span, message);
            }
        }
    }

    /// The tools, dashes put right where a program makes no difference.
    pub(super) fn finish(mut self) -> Tools {
        for grammar in self.tools.grammars.values_mut().filter(|grammar| grammar.style == Style::Go) {
            grammar.after.values_mut().for_each(with_one_dash);
        }
        self.tools
    }
}

/// Of an option with `after` it is not known where it is read of which style the program is.
fn with_one_dash(options: &mut Options) {
    let one = |name: &str| match name.strip_prefix('-') {
        Some(rest) if rest.starts_with('-') => rest.to_owned(),
        _ => name.to_owned(),
    };
    for (name, takes) in std::mem::take(&mut options.takes_value) {
        let name = one(&name);
        // Listed as both it is of neither kind: not known, and so in doubt.
        if options.takes_value.insert(name.clone(), takes).is_some_and(|other| other != takes) {
            options.takes_value.remove(&name);
        }
    }
    let aliases = std::mem::take(&mut options.aliases);
    options.aliases = aliases.into_iter().map(|(name, meant)| (one(&name), one(&meant))).collect();
}

/// The programs that it is about.
fn names<'t>(table: &Table<'t, '_>, what: &str, problems: &mut Problems<'_>) -> Option<Vec<Text<'t>>> {
    if !table.has("exec") {
        problems.error(table.span(), format!("{what} has no 'exec': name the programs"));
    }
    let texts = table.one_or_more("exec", problems)?;
    if texts.is_empty() {
        problems.error(table.key_span("exec"), format!("'exec' is empty: {what} is about no program"));
    }
    let mut good = Vec::new();
    for text in texts {
        match pattern::check(text.value) {
            Ok(pattern::PatternKind::Name) => good.push(text),
            Ok(_) => {
                problems.error(text.span, format!("{what} goes by the name of a program, not by a path"));
            }
            Err(error) => problems.error_with_hint(text.span, error.to_string(), error.hint),
        }
    }
    Some(good)
}

/// The name of an option.
pub(super) fn option(
    text: &str,
    style: Option<Style>,
    span: &std::ops::Range<usize>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let plain = text.strip_prefix('-').is_some_and(|rest| !rest.is_empty() && rest != "-");
    if !plain || text.contains('=') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let hint = "write it with its dashes and without a value, such as \"--namespace\" or \"-n\"";
        problems.error_with_hint(span.clone(), format!("{} is no option's name", quoted(text)), hint);
        return None;
    }
    let double = text.strip_prefix('-').filter(|rest| rest.starts_with('-'));
    if style.is_some_and(|style| style != Style::Go) && double.is_none() && text.chars().count() > 2 {
        let hint = "with one dash there is one letter, but in the style \"go\"";
        problems.error_with_hint(span.clone(), format!("{} cannot be an option's name", quoted(text)), hint);
        return None;
    }
    Some(match double {
        Some(rest) if style == Some(Style::Go) => rest.to_owned(),
        _ => text.to_owned(),
    })
}
