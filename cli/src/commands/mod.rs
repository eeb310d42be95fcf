//! The commands: each asks the daemon, has the answer rendered, and prints it.

mod agents;
pub(crate) mod doctor;
mod generate;
mod log;
pub(crate) mod policy;
pub(crate) mod recover;
mod run;
mod why;

use std::{
    future::Future,
    path::{Path, PathBuf},
};

use holdpoint_core::{
    request::VoteKind,
    wire::{AttachBody, Reloaded, RequestList, RequestView, Status, VoteBody},
};

use crate::{
    args::{AGENT_SOCKET, Arguments, CONTROL_SOCKET, Command, Global, Vote},
    client::{Client, id_prefix},
    clock,
    failure::Failure,
    output,
    render::{self, Style},
    watch,
};

/// The most requests that `pending` lists.
const LIST_LIMIT: u32 = 10_000;

/// What every command has.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) json: bool,
    pub(crate) style: Style,
}

/// Does what the command line says.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Run { agent, reason, scope, command } => {
            let socket = socket(&global, AGENT_SOCKET);
            Err(run::become_agent(&socket, agent, reason, scope, &command))
        }
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { directory } => generate::man(&directory),
        Command::Doctor => {
            let style = Style { color: output::colors(global.color) };
            block_on(doctor::doctor(&socket(&global, CONTROL_SOCKET), global.json, style))
        }
        Command::Policy(command) => {
            let style = Style { color: output::colors(global.color) };
            policy::run(command, &socket(&global, CONTROL_SOCKET), policy::Print { json: global.json, style })
        }
        Command::Recover { deny_all } => {
            let style = Style { color: output::colors(global.color) };
            block_on(recover::recover(&socket(&global, CONTROL_SOCKET), deny_all, global.json, style))
        }
        other => {
            let default = if matches!(other, Command::Why) { AGENT_SOCKET } else { CONTROL_SOCKET };
            let context = Context {
                client: Client::new(&socket(&global, default))?,
                json: global.json,
                style: Style { color: output::colors(global.color) },
            };
            block_on(ask(&context, other))
        }
    }
}

async fn ask(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Attach { agent, reason, pid, unit } => {
            agents::attach(context, AttachBody { name: agent, reason, pid, unit }).await
        }
        Command::Agents => agents::list(context).await,
        Command::Pending => pending(context).await,
        Command::Show { id, full } => show(context, &id, full).await,
        Command::Approve { vote, processes } => votes(context, &vote, VoteKind::Approve, processes).await,
        Command::Deny(vote) => votes(context, &vote, VoteKind::Deny, None).await,
        Command::Watch => watch::watch(context).await,
        Command::Log { limit, request, follow } => log::log(context, limit, request.as_deref(), follow).await,
        Command::Why => why::why(context).await,
        Command::Status => status(context).await,
        Command::Reload => reload(context).await,
        Command::Run { .. }
        | Command::Doctor
        | Command::Policy(_)
        | Command::Recover { .. }
        | Command::Completions { .. }
        | Command::Man { .. } => Err(Failure::Internal("cannot ask the daemon for this".to_owned())),
    }
}

async fn pending(context: &Context) -> Result<(), Failure> {
    let path = format!("/v1/requests?state=pending&limit={LIST_LIMIT}");
    let list: RequestList = context.client.get(&path).await?;
    if context.json {
        return output::json(&list);
    }
    output::print(&render::pending::table(&list.requests, clock::now(), context.style))
}

async fn show(context: &Context, id: &str, full: bool) -> Result<(), Failure> {
    let view: RequestView = context.client.get(&format!("/v1/requests/{}", id_prefix(id)?)).await?;
    if context.json {
        return output::json(&view);
    }
    output::print(&render::request::view(&view, clock::now(), context.style, full))
}

/// Casts the votes one by one. One that is refused does not keep the others from being cast.
async fn votes(
    context: &Context,
    vote: &Vote,
    kind: VoteKind,
    processes: Option<u64>,
) -> Result<(), Failure> {
    // Every id is read before the first vote: a slip of the finger changes nothing.
    let ids = vote.ids.iter().map(|id| id_prefix(id)).collect::<Result<Vec<_>, _>>()?;
    let body = VoteBody { verdict: kind, reason: vote.reason.clone(), processes };
    let mut list = RequestList { requests: Vec::new() };
    let mut first_failure = None;
    for id in ids {
        match cast(&context.client, &id, &body).await {
            Ok(view) if context.json => list.requests.push(view),
            Ok(view) => output::print(&render::summary::voted(&view, kind, context.style))?,
            // The last failure is reported by main, with the exit code of it.
            Err(failure) => {
                if let Some(earlier) = first_failure.replace(failure) {
                    earlier.report();
                }
            }
        }
    }
    if context.json {
        output::json(&list)?;
    }
    first_failure.map_or(Ok(()), Err)
}

/// Casts one vote.
pub(crate) async fn cast(client: &Client, id: &str, body: &VoteBody) -> Result<RequestView, Failure> {
    client.post(&format!("/v1/requests/{id}/votes"), body).await
}

async fn status(context: &Context) -> Result<(), Failure> {
    let status: Status = context.client.get("/v1/status").await?;
    if context.json {
        output::json(&status)?;
    } else {
        output::print(&render::status::page(&status, clock::now(), context.style))?;
    }
    if status.enforcing { Ok(()) } else { Err(Failure::No("holdpointd is not enforcing".to_owned())) }
}

async fn reload(context: &Context) -> Result<(), Failure> {
    let reloaded: Reloaded = context.client.post("/v1/reload", &serde_json::Value::Null).await?;
    if context.json {
        return output::json(&reloaded);
    }
    let mut text = format!("{} rules in force\n", reloaded.rules);
    for warning in &reloaded.warnings {
        text.push_str(&context.style.waiting("warning: "));
        text.extend(warning.lines().map(|line| render::text::plain(line) + "\n"));
    }
    output::print(&text)
}

/// Runs to the end on this one thread.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::Internal(format!("cannot start: {cause}")))?
        .block_on(work)
}

fn socket(global: &Global, default: &str) -> PathBuf {
    global.socket.clone().unwrap_or_else(|| Path::new(default).to_owned())
}
