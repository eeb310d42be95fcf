//! Cases: what the rules have to say of a command. They stand beside the rules, in `NAME.cases.toml`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    Account, Action, Clause, Context, Exec, Explanation, OWNERS, Owner, Parents, Place, Policy, SourceFile,
    Truth, pattern::last_component,
};
use crate::{
    alleged::Alleged,
    diagnostic::{Diagnostic, quoted},
    document::{Problems, Table, Text, read},
    facts::ParentFacts,
    time::WallTime,
};

/// What the name of a file with cases ends with: it is none with rules.
pub const SUFFIX: &str = ".cases.toml";

/// The one key of a file.
pub(super) const TOP_KEY: &str = "case";

/// Keys of a `[[case]]`.
pub(super) const CASE_KEYS: &[&str] = &[
    "run", "program", "called", "env", "agent", "user", "groups", "host", "unit", "cgroup", "cwd", "parents",
    "tty", "at", "sha256", "owner", "action", "rule", "note",
];

/// The words for `action`; none where no rule is about the program.
pub(super) const ACTIONS: [(&str, Option<Action>); 4] = [
    ("ask", Some(Action::Ask)),
    ("deny", Some(Action::Deny)),
    ("allow", Some(Action::Allow)),
    ("unlisted", None),
];

/// A command, and what is expected of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The command.
    pub command: Command,
    /// What the rules have to say; none where no rule is about the program.
    pub action: Option<Action>,
    /// Which rule has to decide; none where none does.
    pub rule: Option<String>,
    /// What it is about.
    pub note: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// All that rules may look at of a command that is not running.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// The names by which rules may mean the program.
    pub names: Vec<Vec<u8>>,
    /// The paths.
    pub paths: Vec<Vec<u8>>,
    /// The arguments, `argv[0]` first.
    pub argv: Vec<Alleged>,
    /// The environment: strings `NAME=value`.
    pub environment: Option<Vec<Vec<u8>>>,
    /// Names of more variables, whose values are not known.
    pub hidden: Vec<Alleged>,
    /// When.
    pub at: Option<WallTime>,
    /// The agent's name.
    pub agent: Option<String>,
    /// Whom it acts as.
    pub users: Option<Vec<Account>>,
    /// Which groups it acts as.
    pub groups: Option<Vec<Account>>,
    /// The host's name.
    pub host: Option<String>,
    /// The unit; none within where it is in no unit.
    pub unit: Option<Option<String>>,
    /// The cgroup.
    pub cgroup: Option<String>,
    /// The working directory.
    pub cwd: Option<String>,
    /// The files of the parents.
    pub parents: Option<Vec<ParentFacts>>,
    /// There may be more parents.
    pub parents_cut: bool,
    /// The arguments are not those that the program gets.
    pub is_interpreter: bool,
    /// Whether there is a terminal.
    pub tty: Option<bool>,
    /// The content.
    pub sha256: Option<String>,
    /// Whose the file is.
    pub owner: Option<Owner>,
}

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the rules say; none where no rule is about the program.
    pub action: Option<Action>,
    /// Which rule decides.
    pub rule: Option<String>,
    /// Why.
    pub explanation: Explanation,
    /// Whether that is what was expected.
    pub passed: bool,
}

/// Which rules and clauses some case has tried.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    decided: BTreeSet<String>,
    /// By rule and key: whether it was seen to hold, and not to.
    clauses: BTreeMap<(String, String), (bool, bool)>,
}

impl Command {
    /// Calls `use_it` with what the policy takes.
    pub fn with<T>(&self, use_it: impl FnOnce(&Exec<'_>, &Context<'_>) -> T) -> T {
        let names: Vec<&[u8]> = self.names.iter().map(Vec::as_slice).collect();
        let paths: Vec<&[u8]> = self.paths.iter().map(Vec::as_slice).collect();
        let context = Context {
            at: self.at,
            agent: self.agent.as_deref(),
            users: self.users.as_deref(),
            groups: self.groups.as_deref(),
            host: self.host.as_deref(),
            unit: self.unit.as_ref().map(Option::as_deref),
            cgroup: self.cgroup.as_ref().map(String::as_bytes),
            cwd: self.cwd.as_ref().map(String::as_bytes),
            parents: self.parents.as_deref().map(|of| Parents { of, cut: self.parents_cut }),
            tty: self.tty,
            argv: (!self.is_interpreter).then_some(&self.argv),
            environment: self.environment.as_deref(),
            hidden: &self.hidden,
            sha256: self.sha256.as_deref(),
            owner: self.owner,
        };
        use_it(&Exec { names: &names, paths: &paths }, &context)
    }
}

impl Case {
    /// Tries it.
    #[must_use]
    pub fn run(&self, policy: &Policy) -> Outcome {
        self.command.with(|exec, context| {
            let explanation = policy.explain(exec, context);
            let action = policy.listed(exec).then_some(explanation.decision.action);
            let rule = explanation.decision.rule.clone();
            let passed = action == self.action && rule == self.rule;
            Outcome { action, rule, explanation, passed }
        })
    }
}

impl Coverage {
    /// Notes what a case has tried.
    pub fn add(&mut self, explanation: &Explanation) {
        self.decided.extend(explanation.decision.rule.clone());
        for considered in &explanation.rules {
            for looked in &considered.clauses {
                let entry = self.clauses.entry((considered.rule.clone(), looked.key.clone())).or_default();
                match looked.holds {
                    Truth::Yes => entry.0 = true,
                    Truth::No | Truth::Doubt => entry.1 = true,
                }
            }
        }
    }

    /// The rules that no case is decided by.
    pub fn rules_without<'p>(&self, policy: &'p Policy) -> impl Iterator<Item = &'p str> {
        let names = policy.rules().iter().map(|rule| rule.name.as_str());
        names.filter(|name| !self.decided.contains(*name))
    }

    /// How many rules decide a case, and how many there are.
    #[must_use]
    pub fn rules(&self, policy: &Policy) -> (usize, usize) {
        let all = policy.rules().len();
        (all - self.rules_without(policy).count(), all)
    }

    /// How many clauses are seen both to hold and not to, and how many there are.
    #[must_use]
    pub fn clauses(&self, policy: &Policy) -> (usize, usize) {
        let all = policy.rules().iter().map(|rule| rule.clauses.iter().map(parts).sum::<usize>()).sum();
        (self.clauses.values().filter(|(yes, no)| *yes && *no).count(), all)
    }

    /// The clauses that are not: rule, key, and which of both was not seen.
    #[must_use]
    pub fn clauses_without(&self) -> Vec<(&str, &str, &'static str)> {
        let lacking = self.clauses.iter().filter_map(|((rule, key), seen)| {
            let lack = match seen {
                (true, true) => return None,
                (true, false) => "never fails",
                _ => "never holds",
            };
            Some((rule.as_str(), key.as_str(), lack))
        });
        lacking.collect()
    }
}

fn parts(clause: &Clause) -> usize {
    match clause {
        Clause::Unless(inner) => inner.len(),
        _ => 1,
    }
}

/// Reads a file of cases.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(file: &SourceFile) -> Result<Vec<Case>, Vec<Diagnostic>> {
    let mut problems = Problems::new(file);
    let mut cases = Vec::new();
    if let Some(document) = read(file, &mut problems) {
        let top = Table::new(&document, &[TOP_KEY], &mut problems);
        for table in top.tables(TOP_KEY, CASE_KEYS, &mut problems) {
            cases.extend(case(&table, &mut problems));
        }
    }
    let diagnostics = problems.into_diagnostics();
    if diagnostics.is_empty() { Ok(cases) } else { Err(diagnostics) }
}

/// A point in time as cases have it, such as `2026-11-27T12:00:00Z`. None where it is none, or before 1970.
#[must_use]
pub fn point_in_time(text: &str) -> Option<WallTime> {
    let at = text.parse::<Timestamp>().ok()?;
    u64::try_from(at.as_millisecond()).ok().map(WallTime)
}

fn case(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Case> {
    for key in ["run", "action"].into_iter().filter(|key| !table.has(key)) {
        problems.error(table.span(), format!("a case has no '{key}'"));
    }
    let argv = run(table, problems)?;
    let text = |key: &str, problems: &mut Problems<'_>| {
        table.string(key, problems).map(|text| text.value.to_owned())
    };
    let texts = |key: &str, problems: &mut Problems<'_>| {
        let texts = table.one_or_more(key, problems)?;
        Some(texts.iter().map(|text| text.value.to_owned()).collect::<Vec<String>>())
    };
    let first = argv.first().map(|first| last_component(&first.0).to_vec()).unwrap_or_default();
    let program = text("program", problems)
        .map_or_else(|| [b"/usr/bin/", first.as_slice()].concat(), String::into_bytes);
    let called =
        text("called", problems).map_or_else(|| last_component(&program).to_vec(), String::into_bytes);
    let mut names = vec![last_component(&program).to_vec(), called];
    names.dedup();
    let account = |name: String| Account { id: name.parse().unwrap_or(u32::MAX), name: Some(name) };
    let environment = match table.free_table("env", problems) {
        None => Vec::new(),
        Some(env) => {
            let keys = env.keys();
            let variables = keys.iter().filter_map(|key| {
                let value = env.string(key.value, problems)?.value;
                Some(format!("{}={value}", key.value).into_bytes())
            });
            variables.collect()
        }
    };
    let command = Command {
        names,
        paths: vec![program],
        argv,
        environment: Some(environment),
        hidden: Vec::new(),
        at: at(table, problems),
        agent: text("agent", problems),
        users: text("user", problems).map(|name| vec![account(name)]),
        groups: texts("groups", problems).map(|names| names.into_iter().map(account).collect()),
        host: text("host", problems),
        unit: text("unit", problems).map(Some),
        cgroup: text("cgroup", problems),
        cwd: text("cwd", problems),
        parents: texts("parents", problems).map(|files| files.iter().map(|file| parent(file)).collect()),
        parents_cut: false,
        is_interpreter: false,
        tty: table.boolean("tty", problems),
        sha256: text("sha256", problems),
        owner: table.word("owner", &OWNERS, problems),
    };
    let action = table.word("action", &ACTIONS, problems)?;
    let rule = text("rule", problems);
    if action.is_none() && rule.is_some() {
        problems.error(table.key_span("rule"), "no rule decides about what is unlisted");
    }
    Some(Case { command, action, rule, note: text("note", problems), place: problems.place(&table.span()) })
}

fn parent(file: &str) -> ParentFacts {
    ParentFacts { pid: 0, exe: Alleged::from(file), command: Alleged::default() }
}

/// A text, split at blanks, or the arguments one by one.
fn run(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<Vec<Alleged>> {
    if table.has_string("run") {
        let Text { value, .. } = table.string("run", problems)?;
        return Some(value.split_ascii_whitespace().map(Alleged::from).collect());
    }
    Some(table.strings("run", problems)?.iter().map(|text| Alleged::from(text.value)).collect())
}

fn at(table: &Table<'_, '_>, problems: &mut Problems<'_>) -> Option<WallTime> {
    let Text { value, span } = table.string("at", problems)?;
    let read = point_in_time(value);
    if read.is_none() {
        let message = format!("{} is no point in time", quoted(value));
        problems.error_with_hint(span, message, "write for example \"2026-11-27T12:00:00Z\"");
    }
    read
}
