//! `holdpoint policy test`.

use std::path::PathBuf;

use holdpoint_core::{
    alleged::Alleged,
    diagnostic::Diagnostic,
    policy::{
        Action, Considered, Looked, Policy,
        case::{self, Case, Coverage, Outcome},
    },
};
use serde::Serialize;

use super::{NO_RULES, Print, close, read};
use crate::{failure::Failure, output, render};

/// What came of all cases.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) cases: usize,
    pub(crate) passed: usize,
    pub(crate) failed: Vec<Failed>,
    pub(crate) rules: Tried<Rule>,
    pub(crate) clauses: Tried<Untried>,
}

/// How many of them some case tries, and which none does.
#[derive(Debug, Serialize)]
pub(crate) struct Tried<T> {
    pub(crate) tried: usize,
    pub(crate) all: usize,
    pub(crate) without: Vec<T>,
}

/// A rule by which no case is decided.
#[derive(Debug, Serialize)]
pub(crate) struct Rule {
    pub(crate) rule: String,
    pub(crate) place: String,
}

/// A clause that no case sees both to hold and not to.
#[derive(Debug, Serialize)]
pub(crate) struct Untried {
    pub(crate) rule: String,
    pub(crate) key: String,
    /// Which of both is lacking.
    pub(crate) lack: &'static str,
}

/// A case that failed.
#[derive(Debug, Serialize)]
pub(crate) struct Failed {
    /// Where it stands: `file:line:column`.
    pub(crate) place: String,
    pub(crate) command: Vec<Alleged>,
    pub(crate) note: Option<String>,
    pub(crate) expected: Said,
    pub(crate) said: Said,
    /// Why the rules say so.
    pub(crate) because: String,
    /// What became of the rule that was expected to decide.
    pub(crate) fate: Option<Fate>,
    /// The clauses for which it does not apply.
    pub(crate) clauses: Vec<Looked>,
}

/// An action, and by which rule.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Said {
    /// None where no rule is about the program.
    pub(crate) action: Option<Action>,
    pub(crate) rule: Option<String>,
}

/// Why a rule that was expected to decide does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// There is none of the name.
    NoSuchRule,
    /// It is about other programs.
    OtherPrograms,
    /// Some clause is in the way.
    DoesNotApply,
    /// It applies, and another one decides.
    Outdone,
    /// It decides, and does something else.
    Decides,
}

pub(super) fn test(directories: &[PathBuf], coverage: bool, print: Print) -> Result<(), Failure> {
    let policy = read::policy(directories)?;
    let cases = read(directories)?;
    if cases.is_empty() {
        let names = directories.iter().map(|directory| render::text::plain(&directory.to_string_lossy()));
        let names = names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        return Err(Failure::No(format!(
            "no cases: no file in {names} ends with {} and has a [[case]]",
            case::SUFFIX
        )));
    }
    let results = Results::of(&policy, &cases);
    if print.json {
        output::json(&results)?;
    } else {
        output::print(&render::policy::cases::page(&results, coverage, print.style))?;
    }
    match results.failed.len() {
        // Cases that expect nothing to be listed would pass.
        0 if policy.rules().is_empty() => Err(Failure::No(NO_RULES.to_owned())),
        0 => Ok(()),
        failed => Err(Failure::No(format!("{failed} of {} cases failed", results.cases))),
    }
}

/// All cases of all files, or all that is wrong with any.
fn read(directories: &[PathBuf]) -> Result<Vec<Case>, Failure> {
    let (mut cases, mut wrong): (Vec<Case>, Vec<Diagnostic>) = Default::default();
    for file in read::cases(directories)? {
        match case::parse(&file) {
            Ok(more) => cases.extend(more),
            Err(more) => wrong.extend(more),
        }
    }
    if wrong.is_empty() { Ok(cases) } else { Err(read::wrong("the cases", &wrong)) }
}

impl Results {
    pub(crate) fn of(policy: &Policy, cases: &[Case]) -> Self {
        let mut coverage = Coverage::default();
        let mut failed = Vec::new();
        for case in cases {
            let outcome = case.run(policy);
            coverage.add(&outcome.explanation);
            if !outcome.passed {
                failed.push(Failed::of(policy, case, outcome));
            }
        }
        let place = |name: &str| {
            policy.rules().iter().find(|rule| rule.name == name).map(|rule| rule.place.to_string())
        };
        let rule = |name: &str| Rule { rule: name.to_owned(), place: place(name).unwrap_or_default() };
        let clause =
            |(rule, key, lack): (&str, &str, _)| Untried { rule: rule.to_owned(), key: key.to_owned(), lack };
        let (rules, clauses) = (coverage.rules(policy), coverage.clauses(policy));
        Self {
            cases: cases.len(),
            passed: cases.len() - failed.len(),
            failed,
            rules: Tried {
                tried: rules.0,
                all: rules.1,
                without: coverage.rules_without(policy).map(rule).collect(),
            },
            clauses: Tried {
                tried: clauses.0,
                all: clauses.1,
                without: coverage.clauses_without().into_iter().map(clause).collect(),
            },
        }
    }
}

impl Failed {
    fn of(policy: &Policy, case: &Case, outcome: Outcome) -> Self {
        let considered = |name: &String| outcome.explanation.rules.iter().find(|rule| rule.rule == *name);
        let expected = case.rule.as_ref().map(|name| (name, considered(name)));
        let exists = |name: &str| policy.rules().iter().any(|rule| rule.name == name);
        let fate = expected.map(|(name, considered)| match considered {
            None if exists(name) => Fate::OtherPrograms,
            None => Fate::NoSuchRule,
            Some(Considered { decides: true, .. }) => Fate::Decides,
            Some(Considered { applies: true, .. }) => Fate::Outdone,
            Some(_) => Fate::DoesNotApply,
        });
        let rule = expected.and_then(|(_, considered)| considered).filter(|rule| !rule.applies);
        Self {
            place: case.place.to_string(),
            command: case.command.argv.clone(),
            note: case.note.clone(),
            expected: Said { action: case.action, rule: case.rule.clone() },
            clauses: rule.map(close::failed).unwrap_or_default().into_iter().cloned().collect(),
            because: outcome.explanation.decision.because,
            said: Said { action: outcome.action, rule: outcome.rule },
            fate,
        }
    }
}
