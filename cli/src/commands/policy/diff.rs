//! `holdpoint policy diff`.

use std::path::{Path, PathBuf};

use holdpoint_core::{
    alleged::Alleged,
    id::RequestId,
    policy::{Action, Context, Exec, Policy, replay},
    time::WallTime,
    wire::RequestView,
};
use serde::Serialize;

use super::{Print, Said, read, requests};
use crate::{args::DiffArguments, clock, failure::Failure, output, render};

/// What other rules would have said of what was requested.
#[derive(Debug, Serialize)]
pub(crate) struct Differences {
    /// Requests that were tried.
    pub(crate) requests: usize,
    /// There may be older ones that are meant as well: the daemon gives so many.
    pub(crate) cut: bool,
    /// Requests of which nothing is known that could be tried.
    pub(crate) unread: usize,
    /// Those whose action is the same, by another rule.
    pub(crate) by_other_rules: usize,
    pub(crate) otherwise: Vec<Otherwise>,
}

/// A request that would be decided otherwise.
#[derive(Debug, Serialize)]
pub(crate) struct Otherwise {
    pub(crate) request: RequestId,
    pub(crate) made_at: WallTime,
    pub(crate) agent: String,
    pub(crate) command: Vec<Alleged>,
    pub(crate) old: Said,
    pub(crate) new: Said,
    /// Why the new rules say so; none where they are not about the program.
    pub(crate) because: Option<String>,
}

pub(super) fn diff(arguments: &DiffArguments, socket: &Path, print: Print) -> Result<(), Failure> {
    let [old, new] = [&arguments.old, &arguments.new].map(|directory| policy(directory));
    let (old, new, now) = (old?, new?, clock::now());
    let requests::Requests { requests, cut } = match &arguments.requests {
        Some(file) => requests::read(file, arguments.days, now)?,
        None => requests::recent(socket, arguments.days, now)?,
    };
    let differences = Differences { cut, ..Differences::of(&old, &new, &requests) };
    if print.json {
        output::json(&differences)?;
    } else {
        output::print(&render::policy::diff::page(&differences, print.style))?;
    }
    match differences.otherwise.len() {
        0 => Ok(()),
        1 => Err(Failure::No("1 request would be decided otherwise".to_owned())),
        count => Err(Failure::No(format!("{count} requests would be decided otherwise"))),
    }
}

fn policy(directory: &Path) -> Result<Policy, Failure> {
    read::policy(&[PathBuf::from(directory)])
}

impl Differences {
    pub(crate) fn of(old: &Policy, new: &Policy, requests: &[RequestView]) -> Self {
        let mut differences = Self {
            requests: requests.len(),
            cut: false,
            unread: 0,
            by_other_rules: 0,
            otherwise: Vec::new(),
        };
        for view in requests {
            let Some(facts) = &view.facts else {
                differences.unread += 1;
                continue;
            };
            let command = replay::command(facts, view.made_at);
            let (before, (after, because)) =
                command.with(|exec, context| (said(old, exec, context).0, said(new, exec, context)));
            if before.action == after.action {
                differences.by_other_rules += usize::from(before.rule != after.rule);
                continue;
            }
            differences.otherwise.push(Otherwise {
                request: view.id.clone(),
                made_at: view.made_at,
                agent: facts.agent.name.clone(),
                command: facts.argv.clone(),
                old: before,
                new: after,
                because,
            });
        }
        differences
    }
}

/// What the rules say, whether they are enforced or only observe.
fn said(policy: &Policy, exec: &Exec<'_>, context: &Context<'_>) -> (Said, Option<String>) {
    if !policy.listed(exec) {
        return (Said { action: None, rule: None }, None);
    }
    let decision = policy.decide(exec, context);
    let action: Option<Action> = Some(decision.action);
    (Said { action, rule: decision.rule }, Some(decision.because))
}
