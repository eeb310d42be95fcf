//! What is known of an exec that was refused at once: the kernel half's record of it, and what `/proc` still tells.
//!
//! The process has gone on since, or has ended. So the record alone says who asked and with which arguments; `/proc`
//! adds what it can, and the file is believed only where its identity is the one that the kernel half has seen.

use std::{collections::BTreeMap, path::PathBuf};

use holdpoint_abi::Hold;
use holdpoint_core::{
    alleged::Alleged,
    facts::{AgentFacts, ExecFacts},
    proc,
    record::Filed,
};
use nix::unistd::gethostname;

use super::{
    ObserveError, Observed, Surroundings,
    call::Call,
    executable::{self, Executable},
    process::{self, TaskDir},
    user,
};
use crate::{
    bound::{Bound, Strings},
    kernel::Tags,
};

/// Nanoseconds of a clock tick in `/proc/PID/stat`.
const TICK: u64 = 10_000_000;

/// Why a script is refused that is found by another path than the one that was called.
const NOT_AS_CALLED: &str = "the script's path could not be followed as it was called, so that it is not known whether the agent \
     can exchange the script; refused: call it by a shorter, absolute path";

/// Looks at a filed exec. `known` are the paths by which the rules know its file.
pub(crate) fn observe_filed(
    hold: &Hold,
    filed: Filed,
    agent: &AgentFacts,
    known: &[Vec<u8>],
    tags: &Tags,
) -> Result<Observed, ObserveError> {
    let task = TaskDir::of(hold).ok();
    let parent = task.as_ref().and_then(|task| task.stat().ok()).map(|stat| stat.parent);
    let parent = parent.or_else(|| still_there(filed.parent, hold).then_some(filed.parent));
    let mut executable = find(task.as_ref(), parent, &filed, hold, known, tags)?;
    if let Some(name) = filed.path.rsplit(|byte| *byte == b'/').next().filter(|name| !name.is_empty()) {
        executable.names.push(name.to_vec());
        executable.names.sort();
        executable.names.dedup();
    }
    // By whichever process is in that directory now. Where neither is, nothing is shown.
    let of_parent = parent.map(first_thread);
    let mut either = task.iter().chain(of_parent.as_ref());
    let cwd = either.find_map(|task| task.directory_path(hold).ok()).unwrap_or_default();
    let cgroup = task.as_ref().map(TaskDir::cgroup).unwrap_or_default();
    let (parents, parents_are_all) = parent.map(|pid| process::parents(pid, tags)).unwrap_or_default();
    let tty = task.as_ref().and_then(|task| task.stat().ok()).map(|stat| stat.tty);
    let facts = ExecFacts {
        agent: agent.clone(),
        user: user(hold),
        pid: filed.tgid,
        tid: filed.tid,
        host: gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        executable: executable.facts,
        called: Alleged(filed.path),
        argv: filed.argv.into_iter().map(Alleged).collect(),
        cwd: Alleged(cwd),
        tty: tty.clone().flatten(),
        parents,
        unit: proc::unit(&cgroup),
        cgroup: Alleged(cgroup),
        // That of the call is not in the record, and is not a part of what is approved.
        env: BTreeMap::new(),
        loader_variables: Vec::new(),
        other_env: None,
        is_interpreter: executable.is_interpreter,
    };
    // The arguments are bound by the kernel half itself.
    let bound = Bound::new(Strings::default(), executable.version);
    Ok(Observed {
        facts,
        bound,
        names: executable.names,
        interpreters: executable.interpreters,
        exchange: executable.exchange,
        loader_variables: Vec::new(),
        // Neither its environment nor its groups at the moment of the call are in the record.
        surroundings: Surroundings {
            parents_are_all,
            tty_is_known: tty.is_some(),
            ..Surroundings::default()
        },
    })
}

fn first_thread(pid: u32) -> TaskDir {
    TaskDir { thread: PathBuf::from(format!("/proc/{pid}/task/{pid}")) }
}

/// Whether the process of this number can be the one that it was when the exec was filed.
fn still_there(pid: u32, hold: &Hold) -> bool {
    pid != 0 && process::stat(pid).is_some_and(|stat| stat.start_ticks <= hold.held_at / TICK)
}

/// The file: as the process sees it, as its parent does, and as we do, by the called path and by those of the rules.
fn find(
    task: Option<&TaskDir>,
    parent: Option<u32>,
    filed: &Filed,
    hold: &Hold,
    known: &[Vec<u8>],
    tags: &Tags,
) -> Result<Executable, ObserveError> {
    let parent = parent.map(first_thread);
    let own = TaskDir { thread: PathBuf::from("/proc/self") };
    let is_absolute = filed.path.first() == Some(&b'/');
    let as_called = task.into_iter().chain(parent.as_ref()).chain(is_absolute.then_some(&own));
    let as_called = as_called.map(|task| (task, called(&filed.path))).filter(|_| !filed.path.is_empty());
    let mut failed = None;
    for (task, call) in as_called {
        match executable::find(task, &call, hold, tags) {
            Ok(executable) => return Ok(executable),
            Err(cause) => failed = failed.or(Some(cause)),
        }
    }
    for path in known {
        match executable::find(&own, &call(path.clone(), None), hold, tags) {
            Ok(mut executable) => {
                // By the way that rules know it, and not by the one that its interpreter will take.
                if executable.facts.interpreter.is_some() {
                    executable.exchange.get_or_insert_with(|| NOT_AS_CALLED.to_owned());
                }
                return Ok(executable);
            }
            Err(cause) => failed = failed.or(Some(cause)),
        }
    }
    let unreadable = |cause: &str| {
        Err(ObserveError::Unreadable { what: "the executable".to_owned(), cause: cause.to_owned() })
    };
    match failed {
        // Of what is held the kernel half says so as well. What is filed outlives its process, and needs an answer.
        Some(ObserveError::Gone) => {
            unreadable("its process has ended, and nobody else's view of its path is known")
        }
        Some(cause) => Err(cause),
        None => unreadable("its path is too long, and no rule names the file by another"),
    }
}

/// The kernel's path of a call: `/dev/fd/N` and `/dev/fd/N/…` are those of execveat with a descriptor.
fn called(path: &[u8]) -> Call {
    let after = path.strip_prefix(b"/dev/fd/").and_then(|rest| {
        let mut parts = rest.splitn(2, |byte| *byte == b'/');
        let fd = std::str::from_utf8(parts.next()?).ok()?.parse::<u32>().ok()?;
        Some((fd, parts.next().unwrap_or_default().to_vec()))
    });
    match after {
        Some((fd, rest)) => call(rest, Some(fd)),
        None => call(path.to_vec(), None),
    }
}

fn call(path: Vec<u8>, directory: Option<u32>) -> Call {
    Call { path, directory, argv: Vec::new(), environment: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_told_from_a_path() {
        let read = |path: &str| called(path.as_bytes());
        assert_eq!((read("/dev/fd/5").directory, read("/dev/fd/5").path), (Some(5), Vec::new()));
        assert_eq!((read("/dev/fd/5/a/b").directory, read("/dev/fd/5/a/b").path), (Some(5), b"a/b".to_vec()));
        assert_eq!((read("/bin/id").directory, read("/bin/id").path), (None, b"/bin/id".to_vec()));
    }
}
