//! What `/proc` says of a process. But for what is marked, none of this reads a file of the agent's or waits for it.

use std::{
    fs,
    os::{fd::AsFd as _, unix::ffi::OsStringExt},
    path::PathBuf,
};

use holdpoint_abi::Hold;
use holdpoint_core::{alleged::Alleged, facts::ParentFacts, wire::ProcessView};
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

/// Fields of `stat` (proc(5)).
pub(crate) struct Stat {
    /// One letter: `T` is stopped.
    pub(crate) state: char,
    /// The parent's process id; zero where it is outside of our pid namespace.
    pub(crate) parent: u32,
    /// The controlling terminal.
    pub(crate) tty: Option<String>,
    /// When the process began, in clock ticks since boot.
    pub(crate) start_ticks: u64,
    /// Whether it is one of the kernel's own threads.
    pub(crate) is_kernel_thread: bool,
}

/// Fields of `status` (proc(5)).
pub(crate) struct Status {
    pub(crate) uid: u32,
    pub(crate) threads: u32,
    /// Signals that are pending and neither blocked, ignored nor handled: the default action awaits.
    pub(crate) due: u64,
    /// Signals that are pending and not blocked, and for which the process has a handler.
    pub(crate) handled: u64,
}

/// Longest command line of a parent that a request shows, in bytes; what is cut is not hidden from the
/// person who looks: the process is named by its id and file.
const PARENT_COMMAND_BYTES: usize = 256;
/// Parents that a request shows at most. A deeper chain ends there.
const MAX_PARENTS: usize = 32;
/// Among the flags in `stat` (<https://github.com/torvalds/linux/blob/v6.1/include/linux/sched.h>).
const PF_KTHREAD: u32 = 0x0020_0000;
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
    ///
    /// Path and identity are those of one descriptor, so that they belong together whenever the thread moves.
    pub(super) fn directory(&self, hold: &Hold) -> Result<Vec<u8>, ObserveError> {
        let unreadable =
            |cause: String| ObserveError::Unreadable { what: "its working directory".to_owned(), cause };
        let directory = open(&self.thread.join("cwd"), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
        let directory = directory.map_err(|cause| match cause {
            // A thread that ends has no directory any more.
            Errno::ENOENT => ObserveError::Gone,
            cause => unreadable(cause.to_string()),
        })?;
        let of = |read: Result<u64, IdentityError>| read.map_err(|error| unreadable(error.to_string()));
        let found = (of(identity::inode_of(directory.as_fd()))?, of(identity::mount_of(directory.as_fd()))?);
        if found != (hold.shown.directory_ino, u64::from(hold.shown.directory_mount)) {
            return Err(ObserveError::Moved);
        }
        let path = fs::read_link(descriptors::path_in("fd", directory.as_fd()));
        path.map(|path| path.into_os_string().into_vec()).map_err(|cause| unreadable(cause.to_string()))
    }

    pub(super) fn stat(&self) -> Result<Stat, ObserveError> {
        parse_stat(&self.read("stat")?).ok_or(ObserveError::Gone)
    }

    /// The path in the unified hierarchy; empty where there is none.
    pub(super) fn cgroup(&self) -> Vec<u8> {
        let text = self.read("cgroup").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("0::"));
        line.unwrap_or_default().as_bytes().to_vec()
    }
}

/// `stat` of a process.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// `status` of a process.
pub(crate) fn status(pid: u32) -> Option<Status> {
    parse_status(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/status")).ok()?))
}

/// The login user id of a process; none where nobody logged in.
pub(crate) fn login_uid(pid: u32) -> Option<u32> {
    parse_login_uid(&fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?)
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
    let in_exec = call.starts_with("running") || super::call::is_exec(&call);
    !in_exec && !is_stopped(hold)
}

/// The parents that belong to the agent, nearest first: the last is the agent's root, or where its parent ended
/// before it, whoever took it over.
pub(crate) fn parents(mut pid: u32, tags: &Tags) -> Vec<ParentFacts> {
    let mut parents = Vec::new();
    while pid != 0 && parents.len() < MAX_PARENTS && tags.is_agent(pid) {
        let Some(stat) = stat(pid) else { break };
        let exe = fs::read_link(format!("/proc/{pid}/exe")).map(|path| path.into_os_string().into_vec());
        let mut command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.truncate(PARENT_COMMAND_BYTES);
        let command =
            command.trim_ascii_end().iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
        parents.push(ParentFacts { pid, exe: Alleged(exe.unwrap_or_default()), command: Alleged(command) });
        pid = stat.parent;
    }
    parents
}

/// The systemd unit that a cgroup belongs to: the last component that names one.
pub(crate) fn unit(cgroup: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(cgroup).ok()?;
    let named = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
    text.rsplit('/').find(named).map(str::to_owned)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The second field is a name in parentheses that may itself have parentheses and spaces.
    let after_name = text.get(text.rfind(')')? + 2..)?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        tty: tty(fields.get(4)?.parse().ok()?),
        start_ticks: fields.get(19)?.parse().ok()?,
        is_kernel_thread: fields.get(6)?.parse::<u32>().ok()? & PF_KTHREAD != 0,
    })
}

/// The name of a terminal by its device number, as `tty_nr` in proc(5) has it.
fn tty(device: u32) -> Option<String> {
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    match major {
        0 => None,
        4 if minor < 64 => Some(format!("tty{minor}")),
        4 => Some(format!("ttyS{}", minor - 64)),
        136..=143 => Some(format!("pts/{}", minor + (major - 136) * 256)),
        229 => Some(format!("hvc{minor}")),
        _ => Some(format!("{major}:{minor}")),
    }
}

fn parse_status(text: &str) -> Option<Status> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let set = |name: &str| field(name).and_then(|value| u64::from_str_radix(value.trim(), 16).ok());
    let mut uids = field("Uid")?.split_ascii_whitespace();
    let pending = set("SigPnd")? | set("ShdPnd")?;
    Some(Status {
        uid: uids.next()?.parse().ok()?,
        threads: field("Threads")?.trim().parse().ok()?,
        due: pending & !(set("SigBlk")? | set("SigIgn")? | set("SigCgt")?),
        handled: pending & set("SigCgt")? & !set("SigBlk")?,
    })
}

fn parse_login_uid(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) S 9 (b) T 7 42 42 34817 42 4194304 1 0 0 0 0 0 0 0 20 0 1 0 31337 0 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.tty.as_deref()), ('T', 7, Some("pts/1")));
        assert_eq!(stat.start_ticks, 31337);
    }

    #[test]
    fn only_signals_with_their_default_action_ahead_are_due() {
        let text = "Uid:\t1\t2\t3\t4\nThreads:\t1\nSigPnd:\t0000000000000004\nShdPnd:\t0000000000004003\n\
                    SigBlk:\t0000000000000001\nSigIgn:\t0000000000000002\nSigCgt:\t0000000000000004\n";
        let status = parse_status(text).unwrap();
        assert_eq!((status.due, status.handled), (1 << 14, 1 << 2));
    }

    #[test]
    fn the_innermost_unit_counts() {
        let cgroup = b"/user.slice/user-1000.slice/user@1000.service/app.slice/run-u1.scope/x";
        assert_eq!(unit(cgroup).as_deref(), Some("run-u1.scope"));
        assert_eq!(unit(b"/"), None);
    }
}
