//! `holdpoint policy list`.

use std::path::PathBuf;

use holdpoint_core::policy::{Action, Clause, Mode, Risk, Rule};
use serde::Serialize;

use super::{Print, read};
use crate::{failure::Failure, output, render};

/// The rules, in the order in which they are tried.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    rules: Vec<Listed>,
}

/// One rule.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) action: Action,
    pub(crate) mode: Mode,
    pub(crate) risk: Option<Risk>,
    /// The programs.
    pub(crate) exec: Vec<String>,
    /// How many clauses it has, those of `unless` one by one.
    pub(crate) clauses: usize,
    /// The file's name.
    pub(crate) file: String,
    pub(crate) line: usize,
}

pub(super) fn list(directories: &[PathBuf], print: Print) -> Result<(), Failure> {
    let policy = read::policy(directories)?;
    let list = List { rules: policy.rules().iter().map(Listed::of).collect() };
    if print.json {
        return output::json(&list);
    }
    output::print(&render::policy::list::table(&list.rules, print.style))
}

impl Listed {
    pub(crate) fn of(rule: &Rule) -> Self {
        let parts = |clause: &Clause| match clause {
            Clause::Unless(inner) => inner.len(),
            _ => 1,
        };
        Self {
            name: rule.name.clone(),
            description: rule.description.clone(),
            action: rule.action,
            mode: rule.mode,
            risk: rule.risk,
            exec: rule.exec.iter().map(|pattern| pattern.text.clone()).collect(),
            clauses: rule.clauses.iter().map(parts).sum(),
            file: rule.place.file.clone(),
            line: rule.place.line,
        }
    }
}
