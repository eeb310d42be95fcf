//! `holdpoint policy explain`.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use holdpoint_core::{
    alleged::Alleged,
    id::RequestId,
    policy::{Action, Context, Decision, Exec, Explanation, Policy, case::Command, replay},
    time::WallTime,
    wire::RequestView,
};
use nix::unistd::gethostname;
use serde::Serialize;

use super::{Interpreter, Print, Program, program, read, requests, who};
use crate::{args::ExplainArguments, clock, failure::Failure, output, render};

/// What the rules say of a command, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    /// Whether any rule is about the program.
    pub(crate) listed: bool,
    /// Of a script, whose rules count as well.
    pub(crate) interpreters: Vec<Interpreter>,
    #[serde(flatten)]
    pub(crate) explanation: Explanation,
    /// What is done, where some of the rules only observe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) done: Option<Decision>,
    /// Of a request, what was decided about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Recorded>,
    #[serde(skip)]
    pub(crate) program: Program,
}

impl Explained {
    pub(crate) fn of(policy: &Policy, program: &Program, exec: &Exec<'_>, context: &Context<'_>) -> Self {
        let listed = policy.listed(exec);
        let explanation = policy.explain(exec, context);
        let done = policy.enforced().filter(|_| listed).map(|enforced| {
            let enforced = enforced.listed(exec).then(|| enforced.decide(exec, context));
            explanation.decision.clone().observed(enforced)
        });
        Self {
            listed,
            interpreters: program.interpreters(policy),
            explanation,
            done: done.filter(|done| done.would_be.is_some()),
            request: None,
            program: program.clone(),
        }
    }
}

/// What all rules said at the time.
#[derive(Debug, Serialize)]
pub(crate) struct Recorded {
    pub(crate) id: RequestId,
    pub(crate) made_at: WallTime,
    pub(crate) action: Action,
    pub(crate) rule: Option<String>,
    pub(crate) because: String,
}

pub(super) fn explain(arguments: ExplainArguments, socket: &Path, print: Print) -> Result<(), Failure> {
    let policy = read::policy(&arguments.rules)?;
    let all = arguments.all;
    let (program, command, request) = match &arguments.request {
        Some(id) => recorded(&requests::one(socket, id)?)?,
        None => {
            let (program, command) = command(arguments);
            (program, command, None)
        }
    };
    let explained = command
        .with(|exec, context| Explained { request, ..Explained::of(&policy, &program, exec, context) });
    if print.json {
        return output::json(&explained);
    }
    output::print(&render::policy::explain::page(&explained, all, print.style))
}

/// What the record has of a request.
fn recorded(view: &RequestView) -> Result<(Program, Command, Option<Recorded>), Failure> {
    let Some(facts) = &view.facts else {
        return Err(Failure::No(format!(
            "request {} could not be looked at, so no rule has looked at it",
            view.id
        )));
    };
    let command = replay::command(facts, view.made_at);
    let file = PathBuf::from(std::ffi::OsStr::from_bytes(&facts.executable.path.0));
    let program = Program {
        file: Some(file),
        names: command.names.clone(),
        paths: command.paths.clone(),
        owner: command.owner,
    };
    let Decision { action, rule, because, .. } = view.decision.clone();
    let (action, rule, because) = match view.decision.would_be.clone() {
        Some(would_be) => (would_be.action, would_be.rule, would_be.because),
        None => (action, rule, because),
    };
    let recorded = Recorded { id: view.id.clone(), made_at: view.made_at, action, rule, because };
    Ok((program, command, Some(recorded)))
}

/// What is given, and what this process can say of the rest.
fn command(arguments: ExplainArguments) -> (Program, Command) {
    let ExplainArguments {
        agent, user, groups, env, env_from_here, cwd, at, host, unit, tty, command, ..
    } = arguments;
    let cwd = directory(cwd);
    let environment = environment(env, env_from_here);
    // An agent's program is found by the PATH that it has, where that is given.
    let path = environment.iter().find_map(|string| string.strip_prefix(b"PATH="));
    let path = path.map_or_else(|| env::var_os("PATH"), |path| Some(OsString::from_vec(path.to_vec())));
    let called = command.first().cloned().unwrap_or_default();
    let here = cwd.as_deref().unwrap_or(Path::new("/"));
    let program = Program::find(&called, here, &program::directories(path));
    let users = who::users(user.as_deref());
    let command = Command {
        names: program.names.clone(),
        paths: program.paths.clone(),
        argv: command.iter().map(|argument| Alleged::from(argument.as_bytes())).collect(),
        environment: Some(environment),
        at: Some(at.unwrap_or_else(clock::now)),
        agent,
        groups: who::groups(&groups, user.as_deref(), &users),
        users: Some(users),
        host: host.or_else(|| gethostname().ok()?.into_string().ok()),
        unit: unit.map(Some),
        cwd: cwd.and_then(|cwd| cwd.into_os_string().into_string().ok()),
        tty: Some(tty),
        owner: program.owner,
        ..Command::default()
    };
    (program, command)
}

/// The working directory, links followed as far as it is there. None where there is none any more.
fn directory(given: Option<PathBuf>) -> Option<PathBuf> {
    let given = match given {
        Some(given) => std::path::absolute(given).ok()?,
        None => env::current_dir().ok()?,
    };
    Some(fs::canonicalize(&given).unwrap_or(given))
}

/// Strings `NAME=value`. What is given takes the place of what is here.
fn environment(given: Vec<OsString>, from_here: bool) -> Vec<Vec<u8>> {
    let given: Vec<Vec<u8>> = given.into_iter().map(OsString::into_vec).collect();
    let name = |string: &[u8]| string.split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
    let names: Vec<Vec<u8>> = given.iter().map(|string| name(string)).collect();
    let here =
        env::vars_os().filter(|(name, _)| from_here && !names.iter().any(|given| given == name.as_bytes()));
    let here = here.map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    here.chain(given).collect()
}
