//! Why a decision is what it is: every rule about the program, every clause, and what it found.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Account, Action, Clause, Context, Decision, Exec, Mode, Policy, Truth, clause, view::View};
use crate::escape::{argument, for_terminal};

/// The longest text of what a clause found, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// A decision, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What [`Policy::decide`] says.
    pub decision: Decision,
    /// The rules about the program, in the order in which they are tried.
    pub rules: Vec<Considered>,
}

/// A rule that is about the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// Its name.
    pub rule: String,
    /// What it says.
    pub action: Action,
    /// Whether that is done.
    pub mode: Mode,
    /// Where it stands: `file:line:column`.
    pub place: String,
    /// Which of its programs it is.
    pub exec: String,
    /// Whether all its clauses hold.
    pub holds: Truth,
    /// Whether it applies: what is in doubt does unless it allows.
    pub applies: bool,
    /// Whether it decides.
    pub decides: bool,
    /// Its clauses.
    pub clauses: Vec<Looked>,
}

/// What a clause found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Its key, such as `flags.--namespace`; those of `unless` with that before.
    pub key: String,
    /// What it wants.
    pub wanted: String,
    /// What it found, escaped.
    pub found: String,
    /// Whether it holds.
    pub holds: Truth,
}

impl Policy {
    /// Says why [`Policy::decide`] decides as it does.
    #[must_use]
    pub fn explain(&self, exec: &Exec<'_>, context: &Context<'_>) -> Explanation {
        let named = self.about(exec);
        let views = self.views(&named, context);
        let (decider, decision) = self.strictest(&named, &views);
        let considered = |name: usize, view: &View<'_>, reference| {
            let (rule, pattern) = (self.rule(reference)?, self.pattern(reference)?);
            let holds = clause::all_of(&rule.clauses, view);
            Some(Considered {
                rule: rule.name.clone(),
                action: rule.action,
                mode: rule.mode,
                place: rule.place.to_string(),
                exec: for_terminal(pattern.text.as_bytes()),
                holds,
                applies: holds.applies_to(rule.action),
                decides: decider.is_some_and(|(by, decider)| by == name && decider.reference == reference),
                clauses: rule.clauses.iter().flat_map(|clause| looked(clause, view)).collect(),
            })
        };
        let each = named.iter().zip(&views).enumerate();
        let rules = each.flat_map(|(index, (named, view))| {
            named.rules.iter().filter_map(move |reference| considered(index, view, *reference))
        });
        Explanation { rules: rules.collect(), decision }
    }
}

/// What is in doubt of these, to be put behind a reason.
pub(super) fn doubt(clauses: &[Clause], view: &View<'_>) -> String {
    let looked = clauses.iter().flat_map(|clause| looked(clause, view));
    let mut text = String::from("; in doubt, which counts as a yes");
    for (index, looked) in looked.filter(|looked| looked.holds == Truth::Doubt).enumerate() {
        let before = if index == 0 { ": " } else { ", " };
        let _ = write!(text, "{before}{} ({})", looked.key, looked.found);
    }
    text
}

/// One entry for each clause, and for each in `unless`.
fn looked(clause: &Clause, view: &View<'_>) -> Vec<Looked> {
    if let Clause::Unless(clauses) = clause {
        let inner = clauses.iter().flat_map(|clause| looked(clause, view));
        return inner.map(|looked| Looked { key: format!("unless.{}", looked.key), ..looked }).collect();
    }
    vec![Looked {
        key: key(clause),
        wanted: wanted(clause),
        found: shorten(&found(clause, view), SHOWN_CHARACTERS),
        holds: clause.holds(view),
    }]
}

/// As it is written in a file.
fn key(clause: &Clause) -> String {
    match clause {
        Clause::Agents(_) => "agents".to_owned(),
        Clause::Users(_) => "users".to_owned(),
        Clause::Groups(_) => "groups".to_owned(),
        Clause::Hosts(_) => "hosts".to_owned(),
        Clause::Units(_) => "units".to_owned(),
        Clause::Cgroups(_) => "cgroups".to_owned(),
        Clause::Cwd(_) => "cwd".to_owned(),
        Clause::Parents(..) => "parents".to_owned(),
        Clause::Tty(_) => "tty".to_owned(),
        Clause::Args(_) => "args".to_owned(),
        Clause::Subcommand(_) => "subcommand".to_owned(),
        Clause::Flag(names, _) => {
            let name = names.first().map(String::as_str).unwrap_or_default();
            format!("flags.{}", for_terminal(name.as_bytes()))
        }
        Clause::Env(names, _) => {
            let name = names.texts().first().map(String::as_str).unwrap_or_default();
            format!("env.{}", for_terminal(name.as_bytes()))
        }
        Clause::Resource(name, _) => format!("resource.{}", for_terminal(name.as_bytes())),
        Clause::Hours(_) => "hours".to_owned(),
        Clause::Dates(_) => "dates".to_owned(),
        Clause::Hash(_) => "hash".to_owned(),
        Clause::Owner(_) => "owner".to_owned(),
        Clause::When(_) => "when".to_owned(),
        Clause::Unless(_) => "unless".to_owned(),
    }
}

fn wanted(clause: &Clause) -> String {
    match clause {
        Clause::Agents(set)
        | Clause::Users(set)
        | Clause::Groups(set)
        | Clause::Hosts(set)
        | Clause::Units(set)
        | Clause::Cgroups(set)
        | Clause::Cwd(set) => set.to_string(),
        Clause::Parents(names, paths) => {
            let names = names.iter().map(String::as_str).chain(paths.texts().iter().map(String::as_str));
            names.map(|name| for_terminal(name.as_bytes())).collect::<Vec<_>>().join(", ")
        }
        Clause::Tty(wanted) => wanted.to_string(),
        Clause::Args(test) => test.to_string(),
        Clause::Subcommand(beginnings) => {
            let words = |words: &Vec<super::StringSet>| {
                let texts = words.iter().flat_map(|word| word.texts());
                format!("\"{}\"", for_terminal(texts.cloned().collect::<Vec<_>>().join(" ").as_bytes()))
            };
            beginnings.iter().map(words).collect::<Vec<_>>().join(", ")
        }
        Clause::Flag(_, test) | Clause::Env(_, test) | Clause::Resource(_, test) => test.to_string(),
        Clause::Hours(hours) => hours.to_string(),
        Clause::Dates(dates) => dates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Clause::Hash(hashes) => hashes.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        Clause::Owner(owner) => owner.to_string(),
        Clause::When(expression) => for_terminal(expression.text().as_bytes()),
        Clause::Unless(clauses) => clauses.iter().map(key).collect::<Vec<_>>().join(", "),
    }
}

fn found(clause: &Clause, view: &View<'_>) -> String {
    known(clause, view).unwrap_or_else(|| "not known".to_owned())
}

fn known(clause: &Clause, view: &View<'_>) -> Option<String> {
    let context: &Context<'_> = view.context;
    let path = |path: &[u8]| for_terminal(path);
    Some(match clause {
        Clause::Agents(_) => context.agent?.to_owned(),
        Clause::Users(_) => accounts(context.users?),
        Clause::Groups(_) => accounts(context.groups?),
        Clause::Hosts(_) => path(context.host?.as_bytes()),
        Clause::Units(_) => context.unit?.map_or_else(|| "none".to_owned(), |unit| path(unit.as_bytes())),
        Clause::Cgroups(_) => path(context.cgroup?),
        Clause::Cwd(_) => path(context.cwd?),
        Clause::Parents(..) => {
            let parents = context.parents?;
            let more = if parents.cut { ", and more that are not known" } else { "" };
            format!(
                "{}{more}",
                parents.of.iter().map(|parent| path(&parent.exe.0)).collect::<Vec<_>>().join(", ")
            )
        }
        Clause::Tty(_) => context.tty?.to_string(),
        Clause::Args(_) => {
            let arguments = context.argv?.get(1..).unwrap_or_default();
            list(arguments.iter().map(|argument| argument.0.as_slice()))
        }
        Clause::Subcommand(_) => match (view.analysis()?.doubt.as_ref(), &view.analysis()?.words) {
            (Some(doubt), words) => {
                let sure = list(words.iter().take(doubt.words).copied());
                format!("{sure}, but {}", doubt.why)
            }
            (None, words) => list(words.iter().copied()),
        },
        Clause::Flag(names, _) => match view.analysis()?.doubt.as_ref() {
            Some(doubt) => doubt.why.clone(),
            None => values(view.option(names)?),
        },
        Clause::Env(names, _) => values(view.variables(names)?),
        Clause::Resource(name, _) => match view.resource(name) {
            Some(found) if found.is_empty() => "nothing tells it".to_owned(),
            Some(found) => values(found.into_iter()),
            None => view.analysis().and_then(|analysis| analysis.doubt.clone())?.why,
        },
        Clause::Hours(hours) => hours.shown(context.at?),
        Clause::Dates(dates) => dates.first()?.shown(context.at?),
        Clause::Hash(_) => context.sha256?.to_owned(),
        Clause::Owner(_) => context.owner?.to_string(),
        Clause::When(expression) => expression.found(view),
        Clause::Unless(_) => return None,
    })
}

/// `a` or `a and b`: all that count.
fn accounts(accounts: &[Account]) -> String {
    accounts.iter().map(|account| for_terminal(account.to_string().as_bytes())).collect::<Vec<_>>().join(", ")
}

fn values<'v>(found: impl Iterator<Item = &'v [u8]>) -> String {
    let mut found = found.peekable();
    if found.peek().is_none() { "absent".to_owned() } else { list(found) }
}

/// Arguments, with their boundaries.
fn list<'v>(values: impl Iterator<Item = &'v [u8]>) -> String {
    let text = values.map(argument).collect::<Vec<_>>().join(" ");
    if text.is_empty() { "none".to_owned() } else { text }
}

pub(super) fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
