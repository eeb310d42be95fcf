//! From TOML to a policy.

use std::collections::HashMap;

pub(super) mod clauses;
mod lint;
pub(super) mod schedule;
pub(super) mod tools;
pub(super) mod values;

use self::{
    tools::{COMMAND_KEYS, RESOURCE_KEYS, ToolReader},
    values::{RawSet, Sets},
};
use super::{
    ACTIONS, Action, Defaults, GRANT_LIMITS, Grant, LOADER_VARIABLES, LoaderVariables, MAX_DESCRIPTION_BYTES,
    MAX_GLOBS, MAX_NAMES, MAX_PATTERNS, MAX_RULE_NAME_BYTES, MAX_RULES, MAX_USES, MODES, Mode, Pattern,
    PatternKind, Place, Policy, RISKS, Rule, SourceFile, TIMEOUT_LIMITS, VALID_FOR_LIMITS, WAITS, Wait,
    decide::{UNSEEN, UNSEEN_CURE},
    pattern, shadow,
    tools::Tools,
};
use crate::{
    diagnostic::{Diagnostic, quoted},
    document::{Problems, Table, Text, read},
};

/// Keys of a file.
pub(super) const TOP_KEYS: &[&str] = &["mode", "rule", "command", "resource", "sets"];

/// Keys of a rule that are no clauses.
pub(super) const RULE_KEYS: &[&str] = &[
    "name",
    "description",
    "exec",
    "action",
    "mode",
    "timeout",
    "valid_for",
    "for",
    "uses",
    "wait",
    "loader_variables",
    "risk",
    "message",
    "deny_message",
    "unless",
];

/// Makes a policy of files, in the order given, which is the order in which their rules are tried.
///
/// With the policy come warnings.
///
/// # Errors
/// When any file has an error: all errors of all files, and no policy. The caller keeps the old one.
pub fn parse(files: &[SourceFile]) -> Result<(Policy, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut problems: Vec<Problems<'_>> = files.iter().map(Problems::new).collect();
    let documents: Vec<_> =
        files.iter().zip(&mut problems).map(|(file, problems)| read(file, problems)).collect();
    let mut tables = Vec::new();
    for (index, (document, problems)) in documents.iter().zip(&mut problems).enumerate() {
        let Some(document) = document else { continue };
        tables.push((index, Table::new(document, TOP_KEYS, problems)));
    }
    // What rules of any file may speak of comes first.
    let sets = Sets::new(raw_sets(&tables, &mut problems), &mut problems);
    let mut shared = ToolReader::default();
    for (index, top) in &tables {
        let Some(problems) = problems.get_mut(*index) else { continue };
        for table in top.tables("command", COMMAND_KEYS, problems) {
            shared.command(&table, problems);
        }
        for table in top.tables("resource", RESOURCE_KEYS, problems) {
            shared.resource(&table, problems);
        }
    }
    let shared = shared.finish();
    let of_enforced = tools_of_enforced(files, &tables);
    let known: Vec<&str> = RULE_KEYS.iter().chain(clauses::CLAUSE_KEYS).copied().collect();
    let mut reader = Reader { sets, ..Reader::default() };
    for (index, top) in &tables {
        let Some(problems) = problems.get_mut(*index) else { continue };
        reader.file = *index;
        reader.mode = top.word("mode", &MODES, problems).unwrap_or_default();
        for table in top.tables("rule", &known, problems) {
            let before = reader.rules.len();
            reader.rule(&table, problems);
            if let Some(rule) = reader.rules.get(before) {
                lint::rule(rule, &table, &shared, problems);
            }
        }
    }
    let policy = Policy::new(reader.rules, shared, Defaults::default())
        .map(|policy| policy.with_tools_of_enforced(of_enforced));
    if let Err(why) = &policy
        && let Some((last, span)) = reader.last_glob
        && let Some(problems) = problems.get_mut(last)
    {
        problems.error_with_hint(span, why, "use fewer or simpler globs");
    }
    if let Ok(policy) = &policy {
        let names = policy.names().union(&policy.candidate_names()).count();
        if names > MAX_NAMES
            && let Some((last, span)) = reader.spans.iter().flatten().last()
            && let Some(problems) = problems.get_mut(*last)
        {
            problems.error(
                span.clone(),
                format!("the rules name {names} different programs, {MAX_NAMES} is the limit"),
            );
        }
        shadow::warn(policy, &reader.spans, &mut problems);
    }
    let diagnostics: Vec<Diagnostic> = problems.into_iter().flat_map(Problems::into_diagnostics).collect();
    match policy {
        Ok(policy) if !diagnostics.iter().any(Diagnostic::is_error) => Ok((policy, diagnostics)),
        _ => Err(diagnostics.into_iter().filter(Diagnostic::is_error).collect()),
    }
}

/// Commands and resources without those of files that only observe, which shall change nothing of what is enforced. None
/// where no file does.
fn tools_of_enforced(files: &[SourceFile], tables: &[(usize, Table<'_, '_>)]) -> Option<Tools> {
    // All that is wrong is told elsewhere.
    let observes = |(index, top): &&(usize, Table<'_, '_>)| {
        files
            .get(*index)
            .is_some_and(|file| top.word("mode", &MODES, &mut Problems::new(file)) == Some(Mode::Observe))
    };
    tables.iter().find(observes)?;
    let mut enforced = ToolReader::default();
    for (index, top) in tables.iter().filter(|table| !observes(table)) {
        let mut told = Problems::new(files.get(*index)?);
        for table in top.tables("command", COMMAND_KEYS, &mut told) {
            enforced.command(&table, &mut told);
        }
        for table in top.tables("resource", RESOURCE_KEYS, &mut told) {
            enforced.resource(&table, &mut told);
        }
    }
    Some(enforced.finish())
}

/// Where a pattern stands, for messages about it after its file was read: the file's index, and the bytes.
pub(super) type PatternSpan = (usize, std::ops::Range<usize>);

#[derive(Default)]
struct Reader<'t> {
    sets: Sets<'t>,
    /// Index of the file that is being read.
    file: usize,
    /// What the file says of its rules.
    mode: Mode,
    /// Rules seen so far, those with errors included.
    seen: usize,
    rules: Vec<Rule>,
    /// One for each pattern of each rule.
    spans: Vec<Vec<PatternSpan>>,
    names: HashMap<String, Place>,
    globs: usize,
    last_glob: Option<PatternSpan>,
}

impl Reader<'_> {
    /// Reads one rule. Of a rule with errors, what can be read is kept, to find more errors with it.
    fn rule(&mut self, table: &Table<'_, '_>, problems: &mut Problems<'_>) {
        let name = self.name(table, problems);
        let description = line(table, "description", problems);
        let (exec, spans) = self.exec(table, problems);
        let action = table.word("action", &ACTIONS, problems);
        if action.is_none() && !table.has("action") {
            problems.error_with_hint(
                table.span(),
                "a rule has no 'action'",
                "add action = \"ask\", \"deny\" or \"allow\"",
            );
        }
        let mode = table.word("mode", &MODES, problems).unwrap_or(self.mode);
        let timeout = table.duration("timeout", TIMEOUT_LIMITS, problems);
        let valid_for = table.duration("valid_for", VALID_FOR_LIMITS, problems);
        let grant = grant(table, problems);
        let wait = table.word("wait", &WAITS, problems);
        let loader_variables = table.word("loader_variables", &LOADER_VARIABLES, problems);
        let risk = table.word("risk", &RISKS, problems);
        let message = line(table, "message", problems);
        let deny_message = line(table, "deny_message", problems);
        let clauses = clauses::read(table, &self.sets, problems);
        if action.is_some_and(|action| action != Action::Deny) && table.has("deny_message") {
            let message = "'deny_message' has no effect in a rule that does not deny";
            problems.warning(table.key_span("deny_message"), message, "leave it out");
        }
        if let Some(action @ (Action::Allow | Action::Deny)) = action {
            for key in ["timeout", "valid_for", "for", "uses", "wait", "risk", "message"]
                .into_iter()
                .filter(|key| table.has(key))
            {
                let message = format!("'{key}' has no effect in a rule with the action '{action}'");
                problems.warning(
                    table.key_span(key),
                    message,
                    "nobody is asked, so nobody waits: leave it out",
                );
            }
        }
        if action == Some(Action::Deny) && table.has("loader_variables") {
            let message = "'loader_variables' has no effect in a rule with the action 'deny'";
            let hint = "it is refused whatever its environment is: leave it out";
            problems.warning(table.key_span("loader_variables"), message, hint);
        }
        if action == Some(Action::Ask)
            && wait == Some(Wait::Refuse)
            && loader_variables == Some(LoaderVariables::RefuseAll)
        {
            problems.error_with_hint(table.key_span("loader_variables"), UNSEEN, UNSEEN_CURE);
        }
        self.seen += 1;
        if self.seen == MAX_RULES + 1 {
            problems.error(table.span(), format!("there are more than {MAX_RULES} rules"));
        }
        let (Some((name, place)), Some(action)) = (name, action) else { return };
        if self.seen <= MAX_RULES {
            self.rules.push(Rule {
                name,
                description,
                exec,
                action,
                mode,
                timeout,
                valid_for,
                wait,
                loader_variables,
                risk,
                message,
                deny_message,
                grant,
                clauses,
                place,
            });
            self.spans.push(spans);
        }
    }

    fn name(&mut self, table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<(String, Place)> {
        const HINT: &str = "use a-z, 0-9, '-', '_' and '.', such as \"prod-kubectl\"";
        if !table.has("name") {
            problems.error_with_hint(table.span(), "a rule has no 'name'", HINT);
        }
        let Text { value, span } = table.string("name", problems)?;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if value.is_empty() || !value.chars().all(fits) {
            problems.error_with_hint(span, format!("{} cannot be the name of a rule", quoted(value)), HINT);
            return None;
        }
        if value.len() > MAX_RULE_NAME_BYTES {
            let length = value.len();
            problems.error(
                span,
                format!("the name of a rule has {length} characters, {MAX_RULE_NAME_BYTES} is the limit"),
            );
            return None;
        }
        let place = problems.place(&span);
        if let Some(first) = self.names.get(value) {
            let message = format!("two rules have the name {}: at {first} and at {place}", quoted(value));
            problems.error_with_hint(
                span,
                message,
                "rename one of them: requests and the log tell rules by name",
            );
            return None;
        }
        self.names.insert(value.to_owned(), place.clone());
        Some((value.to_owned(), place))
    }

    fn exec(
        &mut self,
        table: &Table<'_, '_>,
        problems: &mut Problems<'_>,
    ) -> (Vec<Pattern>, Vec<PatternSpan>) {
        const HINT: &str = "name the programs, such as exec = [\"kubectl\", \"/opt/tools/*/terraform\"]";
        if !table.has("exec") {
            problems.error_with_hint(table.span(), "a rule has no 'exec'", HINT);
        }
        let Some(texts) = table.strings("exec", problems) else { return Default::default() };
        if texts.is_empty() {
            problems.error_with_hint(
                table.key_span("exec"),
                "'exec' is empty: the rule is about no program",
                HINT,
            );
        }
        if texts.len() > MAX_PATTERNS {
            let message = format!("a rule names {} programs, {MAX_PATTERNS} is the limit", texts.len());
            problems.error_with_hint(table.key_span("exec"), message, "split it into several rules");
        }
        let mut patterns = Vec::new();
        let mut spans = Vec::new();
        for Text { value, span } in texts.into_iter().take(MAX_PATTERNS) {
            if let Some(kind) = self.pattern(value, &span, problems) {
                patterns.push(Pattern { text: value.to_owned(), kind, place: problems.place(&span) });
                spans.push((self.file, span));
            }
        }
        (patterns, spans)
    }

    fn pattern(
        &mut self,
        text: &str,
        span: &std::ops::Range<usize>,
        problems: &mut Problems<'_>,
    ) -> Option<PatternKind> {
        let kind = pattern::check(text);
        match &kind {
            Err(error) => problems.error_with_hint(span.clone(), error.to_string(), error.hint),
            Ok(PatternKind::Glob) => {
                self.globs += 1;
                self.last_glob = Some((self.file, span.clone()));
                if self.globs == MAX_GLOBS + 1 {
                    problems.error(span.clone(), format!("there are more than {MAX_GLOBS} globs"));
                }
                if self.globs > MAX_GLOBS {
                    return None;
                }
            }
            Ok(_) => {}
        }
        kind.ok()
    }
}

/// What an approval allows beyond the one exec.
fn grant(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Grant> {
    let span = table.duration("for", GRANT_LIMITS, problems);
    let uses = table.integer("uses", 2, MAX_USES, problems).and_then(|uses| u32::try_from(uses).ok());
    if table.has("uses") && !table.has("for") {
        let message = "'uses' needs 'for': an approval that has no end is none";
        problems.error_with_hint(table.key_span("uses"), message, "add for how long, such as for = \"10m\"");
    }
    Some(Grant { span: span?, uses })
}

/// One line of text for people.
fn line(table: &Table<'_, '_>, key: &str, problems: &mut Problems<'_>) -> Option<String> {
    let Text { value, span } = table.string(key, problems)?;
    if value.len() > MAX_DESCRIPTION_BYTES {
        let length = value.len();
        let message = format!("the {} has {length} bytes, {MAX_DESCRIPTION_BYTES} is the limit", spoken(key));
        problems.error(span, message);
        return None;
    }
    if value.chars().any(char::is_control) {
        let message = format!("the {} has a line break or control character", spoken(key));
        problems.error_with_hint(span, message, "write one line of text");
        return None;
    }
    Some(value.to_owned())
}

fn spoken(key: &str) -> String {
    key.replace('_', " ")
}

fn raw_sets<'t>(tables: &[(usize, Table<'t, '_>)], problems: &mut [Problems<'_>]) -> Vec<RawSet<'t>> {
    let mut raw = Vec::new();
    for (file, top) in tables {
        let Some(problems) = problems.get_mut(*file) else { continue };
        let Some(sets) = top.free_table("sets", problems) else { continue };
        for name in sets.keys() {
            let Some(values) = sets.one_or_more(name.value, problems) else { continue };
            raw.push(RawSet { file: *file, name, values });
        }
    }
    raw
}
