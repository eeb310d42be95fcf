//! The system call that a held thread is in: which exec, with which arguments.

use std::{fs::File, thread, time::Duration};

use super::{
    ObserveError,
    memory::{Limits, Memory, ReadError},
    process::TaskDir,
};

/// An execve or execveat, as the caller gave it.
pub(super) struct Call {
    /// The path; empty for execveat with `AT_EMPTY_PATH`.
    pub(super) path: Vec<u8>,
    /// The directory descriptor of execveat; none for execve, and where it is `AT_FDCWD`.
    pub(super) directory: Option<u32>,
    pub(super) argv: Vec<Vec<u8>>,
    pub(super) environment: Vec<Vec<u8>>,
}

impl Call {
    /// The path as the kernel has it in `bprm->filename` (`alloc_bprm`,
    /// <https://github.com/torvalds/linux/blob/v6.1/fs/exec.c>).
    pub(super) fn kernel_path(&self) -> Vec<u8> {
        match self.directory {
            Some(fd) if self.path.is_empty() => format!("/dev/fd/{fd}").into_bytes(),
            Some(fd) if self.path.first() != Some(&b'/') => {
                [format!("/dev/fd/{fd}/").as_bytes(), &self.path].concat()
            }
            _ => self.path.clone(),
        }
    }
}

/// Arguments that are shown at most. What `xargs` makes of a long list fits; more is refused, since nobody
/// reads it, and nothing is approved in part.
const ARGUMENTS: Limits = Limits { strings: 16_384, bytes: 256 * 1024 };
/// Environment that is looked through at most.
const ENVIRONMENT: Limits = Limits { strings: 16_384, bytes: 1024 * 1024 };
const MAX_PATH: usize = 4096;

/// System calls by number: those of x86-64, and of i386, which no number of ours is shared with.
const EXECVE: u64 = 59;
const EXECVEAT: u64 = 322;
const EXECVE_32: u64 = 11;
const EXECVEAT_32: u64 = 358;

/// How long to wait between looks for the thread to arrive at its stop, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

pub(super) fn read(task: &TaskDir) -> Result<Call, ObserveError> {
    let [number, arguments @ ..] = registers(task)?;
    let (at, width) = match number {
        EXECVE => (0, 8),
        EXECVEAT => (1, 8),
        EXECVE_32 => (0, 4),
        EXECVEAT_32 => (1, 4),
        other => {
            let cause = format!("it is in system call {other}, which is no exec");
            return Err(ObserveError::Unreadable { what: "its exec".to_owned(), cause });
        }
    };
    let argument = |index: usize| arguments.get(at + index).copied().unwrap_or_default();
    let file = File::open(task.thread.join("mem"));
    let mut memory = Memory::new(file.map_err(|cause| unreadable("its memory", &ReadError::Io(cause)))?);
    let path = memory
        .string(argument(0), MAX_PATH)
        .map_err(|error| unreadable("the path that it called", &error))?;
    let argv = memory.strings(argument(1), width, ARGUMENTS).map_err(|error| match error {
        ReadError::Io(_) => unreadable("its arguments", &error),
        ReadError::TooMany => {
            ObserveError::TooLong { what: "the arguments", limit: format!("{} in number", ARGUMENTS.strings) }
        }
        ReadError::TooLong => {
            ObserveError::TooLong { what: "the arguments", limit: format!("{} KiB", ARGUMENTS.bytes / 1024) }
        }
    })?;
    let environment = memory.strings(argument(2), width, ENVIRONMENT).map_err(|error| match error {
        ReadError::Io(_) => unreadable("its environment", &error),
        ReadError::TooMany | ReadError::TooLong => ObserveError::TooLong {
            what: "the environment's variables",
            limit: "1 MiB, or 16,384 in number".to_owned(),
        },
    })?;
    // `AT_FDCWD` is negative.
    let directory = (at == 1).then(|| u32::try_from(arguments[0] & 0xffff_ffff).ok()).flatten();
    let directory = directory.filter(|fd| i32::try_from(*fd).is_ok());
    Ok(Call { path, directory, argv, environment })
}

/// Whether a line of `/proc/PID/syscall` is about an exec.
pub(super) fn is_exec(line: &str) -> bool {
    let number = line.split_ascii_whitespace().next().and_then(parse_number);
    matches!(number, Some(EXECVE | EXECVEAT | EXECVE_32 | EXECVEAT_32))
}

/// The number of the system call and its six arguments, once the thread has stopped.
fn registers(task: &TaskDir) -> Result<[u64; 7], ObserveError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let text = task.read("syscall")?;
        let mut values = text.split_ascii_whitespace().map(parse_number);
        let mut found = [0; 7];
        if found.iter_mut().all(|slot| values.next().flatten().map(|value| *slot = value).is_some()) {
            return Ok(found);
        }
        // "running": it has not come to its stop yet. The worker's deadline ends this.
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn parse_number(text: &str) -> Option<u64> {
    text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u64::from_str_radix(hex, 16).ok())
}

fn unreadable(what: &str, error: &ReadError) -> ObserveError {
    let cause = match error {
        ReadError::Io(cause) => cause.to_string(),
        ReadError::TooMany | ReadError::TooLong => "it is too long".to_owned(),
    };
    ObserveError::Unreadable { what: what.to_owned(), cause }
}
