//! Finds out who and what is held: reads the agent's memory, paths and files.
//!
//! All that is read here can be made slow or false by the agent, so it happens in bounded workers with a
//! deadline ([`workers`]), and what matters for the gate is compared with what the kernel half has seen:
//! the file is found by its identity, never by its name alone.
#![forbid(unsafe_code)]

mod call;
mod context;
mod digest;
mod environment;
mod exchange;
mod executable;
mod filing;
mod identity;
mod names;
pub(crate) mod process;
mod walk;
pub(crate) mod workers;

use holdpoint_abi::{FileKey, Hold, MAX_BOUND_BYTES};
use holdpoint_core::{
    alleged::Alleged,
    config::Config,
    facts::{AgentFacts, ExecFacts, UserFacts},
    proc,
};
use nix::unistd::gethostname;
use thiserror::Error;

use crate::{
    bound::{Bound, Strings},
    kernel::Tags,
};

pub(crate) use context::Surroundings;
pub(crate) use filing::observe_filed;
pub(crate) use identity::{inode_of, key_of};
pub(crate) use names::with_names;

/// All that was found out about a held exec.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    /// What the request shows.
    pub(crate) facts: ExecFacts,
    /// The names that rules may mean: the file's own, the last component as called.
    pub(crate) names: Vec<Vec<u8>>,
    /// What an approval is bound to.
    pub(crate) bound: Bound,
    /// For a script: its interpreters, nearest first, as path and identity.
    pub(crate) interpreters: Vec<(Vec<u8>, FileKey)>,
    /// Why the agent can have another file run in the name of the executable, where it can.
    pub(crate) exchange: Option<String>,
    /// The names of the variables that decide which code the program runs.
    pub(crate) loader_variables: Vec<Vec<u8>>,
    /// What rules may look at and requests do not show.
    pub(crate) surroundings: Surroundings,
}

/// Why a held exec could not be looked at. It is refused then, and the request says why.
#[derive(Debug, Error)]
pub(crate) enum ObserveError {
    /// The process has gone.
    #[error("the process ended while it was looked at")]
    Gone,
    /// Reading did not end in time.
    #[error(
        "reading '{what}' took longer than {seconds} seconds, which the agent can bring about; the exec is refused"
    )]
    TooSlow { what: &'static str, seconds: u64 },
    /// The agent has too many readings under way.
    #[error("{0} readings of this agent are already stuck or under way; the exec is refused")]
    Busy(usize),
    /// Something could not be read.
    #[error("cannot read {what}: {cause}")]
    Unreadable { what: String, cause: String },
    /// A program of the agent's may answer for the file's content, differently each time.
    #[error(
        "the file lies on a FUSE file system, where whoever serves it can change it at any time or never answer; \
         install the program on a file system of the host's"
    )]
    ServedByAgent,
    /// What would be shown is not what the kernel half has noted.
    #[error(
        "its working directory was not that in which it was held: something continued it meanwhile; the exec is refused"
    )]
    Moved,
    /// Too much to show to a person.
    #[error("{what} exceed {limit}: too much to show to a person whole, and nothing is approved in part")]
    TooLong { what: &'static str, limit: String },
}

/// Looks at a held exec, and hashes what is shown with the kernel half's key. May take as long as the agent likes: run it
/// in a worker.
pub(crate) fn observe(
    hold: &Hold,
    agent: &AgentFacts,
    config: &Config,
    tags: &Tags,
    key: [u64; 2],
) -> Result<Observed, ObserveError> {
    let task = process::TaskDir::of(hold)?;
    let call = call::read(&task)?;
    let executable = executable::find(&task, &call, hold, tags)?;
    let strings = Strings::of(key, &call.argv, &call.environment, &call.kernel_path());
    let too_long = || ObserveError::TooLong {
        what: "arguments, environment and path together",
        limit: format!("{} KiB", MAX_BOUND_BYTES / 1024),
    };
    let bound = Bound::new(strings.ok_or_else(too_long)?, executable.version);
    let environment = environment::read(&call.environment, config)?;
    let surroundings = Surroundings {
        environment: Some(call.environment),
        groups: task.read("status").ok().and_then(|status| proc::groups(&status)),
        ..Surroundings::default()
    };
    let cwd = task.directory_path(hold)?;
    let stat = task.stat()?;
    let (parents, parents_are_all) = process::parents(stat.parent, tags);
    let cgroup = task.cgroup();
    let facts = ExecFacts {
        agent: agent.clone(),
        user: user(hold),
        pid: hold.tgid,
        tid: hold.tid,
        host: gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        executable: executable.facts,
        called: Alleged(call.path),
        argv: call.argv.into_iter().map(Alleged).collect(),
        cwd: Alleged(cwd),
        tty: stat.tty,
        parents,
        unit: proc::unit(&cgroup),
        cgroup: Alleged(cgroup),
        env: environment.shown,
        loader_variables: environment.marked,
        other_env: environment.others,
        is_interpreter: executable.is_interpreter,
    };
    // The agent may have died and its numbers been given to another: then all this is about the other.
    process::TaskDir::of(hold)?;
    Ok(Observed {
        facts,
        bound,
        names: executable.names,
        interpreters: executable.interpreters,
        exchange: executable.exchange,
        loader_variables: environment.loader_variables,
        surroundings: Surroundings { parents_are_all, tty_is_known: true, ..surroundings },
    })
}

/// The user by whose numbers the kernel half binds the exec: what `/proc` says could be of another moment. The names come
/// later: see [`with_names`].
fn user(hold: &Hold) -> UserFacts {
    let login_uid = Some(hold.shown.login_uid).filter(|uid| *uid != u32::MAX);
    UserFacts { uid: hold.shown.uid, euid: hold.shown.euid, name: None, login_uid, login_name: None }
}
