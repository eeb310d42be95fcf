//! What `/proc` says of a process. But for what is marked, none of this reads a file of the agent's or waits for it.

use std::{
    fs,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::PathBuf,
};

use holdpoint_abi::Hold;
use holdpoint_core::{
    alleged::Alleged,
    facts::ParentFacts,
    proc::{self, Stat, Status},
    wire::ProcessView,
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use super::{
    ObserveError,
    identity::{self, IdentityError},
};
use crate::{kernel::Tags, sys::descriptors};

/// `/proc/PID/task/TID` of a held thread, checked to be the one that the kernel half means.
pub(crate) struct TaskDir {
    /// `/proc/PID/task/TID`
    pub(super) thread: PathBuf,
}

/// Longest command line of a parent that a request shows, in bytes; what is cut is not hidden from the
/// person who looks: the process is named by its id and file.
const PARENT_COMMAND_BYTES: usize = 256;
/// Parents that a request shows at most. A deeper chain ends there.
const MAX_PARENTS: usize = 32;
/// Clock ticks per second in `stat`: `USER_HZ`, 100 on every Linux that this runs on.
const TICKS_PER_SECOND: u64 = 100;

impl TaskDir {
    /// The directory of a held thread.
    ///
    /// # Errors
    /// `Gone` where the thread does not exist, or the process is not the one that was held.
    pub(crate) fn of(hold: &Hold) -> Result<Self, ObserveError> {
        let thread = PathBuf::from(format!("/proc/{}/task/{}", hold.tgid, hold.tid));
        let stat = stat(hold.tgid).ok_or(ObserveError::Gone)?;
        let started = hold.started_at / (1_000_000_000 / TICKS_PER_SECOND);
        if stat.start_ticks != started || !thread.exists() {
            return Err(ObserveError::Gone);
        }
        Ok(Self { thread })
    }

    pub(super) fn read(&self, name: &'static str) -> Result<String, ObserveError> {
        match fs::read(self.thread.join(name)) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) if !self.thread.exists() => Err(ObserveError::Gone),
            Err(cause) => {
                Err(ObserveError::Unreadable { what: format!("its '{name}'"), cause: cause.to_string() })
            }
        }
    }

    /// The working directory, where it is still that in which the thread was held.
    pub(super) fn directory(&self, hold: &Hold) -> Result<OwnedFd, ObserveError> {
        let directory = open(&self.thread.join("cwd"), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
        let directory = directory.map_err(|cause| match cause {
            // A thread that ends has no directory any more.
            Errno::ENOENT => ObserveError::Gone,
            cause => no_directory(cause.to_string()),
        })?;
        let of = |read: Result<u64, IdentityError>| read.map_err(|error| no_directory(error.to_string()));
        let found = (of(identity::inode_of(directory.as_fd()))?, of(identity::mount_of(directory.as_fd()))?);
        if found != (hold.shown.directory_ino, u64::from(hold.shown.directory_mount)) {
            return Err(ObserveError::Moved);
        }
        Ok(directory)
    }

    /// The path of the working directory, where it is still that in which the thread was held.
    ///
    /// Path and identity are those of one descriptor, so that they belong together whenever the thread moves.
    pub(super) fn directory_path(&self, hold: &Hold) -> Result<Vec<u8>, ObserveError> {
        let path = fs::read_link(descriptors::path_in("fd", self.directory(hold)?.as_fd()));
        path.map(|path| path.into_os_string().into_vec()).map_err(|cause| no_directory(cause.to_string()))
    }

    pub(super) fn stat(&self) -> Result<Stat, ObserveError> {
        Stat::parse(&self.read("stat")?).ok_or(ObserveError::Gone)
    }

    /// The path in the unified hierarchy; empty where there is none.
    pub(super) fn cgroup(&self) -> Vec<u8> {
        proc::cgroup(&self.read("cgroup").unwrap_or_default()).as_bytes().to_vec()
    }
}

fn no_directory(cause: String) -> ObserveError {
    ObserveError::Unreadable { what: "its working directory".to_owned(), cause }
}

/// `stat` of a process.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// `status` of a process.
pub(crate) fn status(pid: u32) -> Option<Status> {
    Status::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/status")).ok()?))
}

/// The login user id of a process; none where nobody logged in.
pub(crate) fn login_uid(pid: u32) -> Option<u32> {
    proc::login_uid(&fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?)
}

/// The numbers of all processes.
pub(crate) fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// What a list shows of a process. Its command line is not in it: reading that can wait for the process.
pub(crate) fn view(pid: u32) -> Option<ProcessView> {
    let stat = stat(pid)?;
    let exe = fs::read_link(format!("/proc/{pid}/exe")).map(|path| path.into_os_string().into_vec());
    let comm = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(ProcessView {
        pid,
        parent: stat.parent,
        uid: status(pid)?.uid,
        state: stat.state,
        exe: Alleged(exe.unwrap_or_default()),
        comm: Alleged(comm.trim_ascii_end().to_vec()),
    })
}

/// Whether the process that has the number of a held one is still that one.
pub(crate) fn is_the_one(hold: &Hold) -> bool {
    TaskDir::of(hold).is_ok()
}

/// `stat` of a held thread; none where it has ended.
pub(crate) fn held(hold: &Hold) -> Option<Stat> {
    TaskDir::of(hold).and_then(|task| task.stat()).ok()
}

/// `stat` of the process of which a thread was held; none where the process has ended.
pub(crate) fn of_the_same(hold: &Hold) -> Option<Stat> {
    let started = hold.started_at / (1_000_000_000 / TICKS_PER_SECOND);
    stat(hold.tgid).filter(|stat| stat.start_ticks == started)
}

/// Whether a held thread is stopped, as it should be, or has ended, which the kernel half says.
pub(crate) fn is_stopped(hold: &Hold) -> bool {
    held(hold).is_none_or(|stat| matches!(stat.state, 'T' | 't' | 'Z' | 'X'))
}

/// Whether a thread that should be held, and is not stopped, is outside of its exec. False where it has ended. May
/// take as long as the agent likes.
pub(crate) fn left_its_exec(hold: &Hold) -> bool {
    let Ok(task) = TaskDir::of(hold) else { return false };
    let Ok(call) = task.read("syscall") else { return false };
    let in_exec = call.starts_with("running") || proc::is_exec(&call);
    !in_exec && !is_stopped(hold)
}

/// The parents that belong to the agent, nearest first: the last is the agent's root, or where its parent ended
/// before it, whoever took it over. And whether these are all of them.
pub(crate) fn parents(mut pid: u32, tags: &Tags) -> (Vec<ParentFacts>, bool) {
    let mut parents = Vec::new();
    while pid != 0 && tags.is_agent(pid) {
        if parents.len() == MAX_PARENTS {
            return (parents, false);
        }
        let Some(stat) = stat(pid) else { return (parents, false) };
        let exe = fs::read_link(format!("/proc/{pid}/exe")).map(|path| path.into_os_string().into_vec());
        let mut command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.truncate(PARENT_COMMAND_BYTES);
        let command =
            command.trim_ascii_end().iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
        parents.push(ParentFacts { pid, exe: Alleged(exe.unwrap_or_default()), command: Alleged(command) });
        pid = stat.parent;
    }
    (parents, true)
}
