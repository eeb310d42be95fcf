//! The system call that a held thread is in: which exec, with which arguments.

use std::{fs::File, io, os::unix::fs::FileExt as _, thread, time::Duration};

use holdpoint_core::{
    memory::{Limits, Memory, ReadError},
    proc::{self, Exec},
};

use super::{ObserveError, process::TaskDir};

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

/// How long to wait between looks for the thread to arrive at its stop, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

pub(super) fn read(task: &TaskDir) -> Result<Call, ObserveError> {
    let exec = Exec::of(registers(task)?).map_err(|other| {
        let cause = format!("it is in system call {other}, which is no exec");
        ObserveError::Unreadable { what: "its exec".to_owned(), cause }
    })?;
    let file = File::open(task.thread.join("mem"));
    let file = file.map_err(|cause| unreadable("its memory", &ReadError::Failed(cause)))?;
    // Not process_vm_readv(2), which waits for a page that is missing in a userfaultfd region: this gives up on it
    // (`__access_remote_vm`, <https://github.com/torvalds/linux/blob/v6.1/mm/memory.c>). A page that a FUSE file backs
    // can make either wait, hence the deadline of the worker.
    let mut memory = Memory::new(|into: &mut [u8], at| file.read_at(into, at));
    let path =
        memory.string(exec.path, MAX_PATH).map_err(|error| unreadable("the path that it called", &error))?;
    let argv = memory.strings(exec.argv, exec.width, ARGUMENTS).map_err(|error| match error {
        ReadError::Failed(_) | ReadError::Unmapped => unreadable("its arguments", &error),
        ReadError::TooMany => {
            ObserveError::TooLong { what: "the arguments", limit: format!("{} in number", ARGUMENTS.strings) }
        }
        ReadError::TooLong => {
            ObserveError::TooLong { what: "the arguments", limit: format!("{} KiB", ARGUMENTS.bytes / 1024) }
        }
    })?;
    let environment =
        memory.strings(exec.environment, exec.width, ENVIRONMENT).map_err(|error| match error {
            ReadError::Failed(_) | ReadError::Unmapped => unreadable("its environment", &error),
            ReadError::TooMany | ReadError::TooLong => ObserveError::TooLong {
                what: "the environment's variables",
                limit: "1 MiB, or 16,384 in number".to_owned(),
            },
        })?;
    Ok(Call { path, directory: exec.directory, argv, environment })
}

/// The number of the system call and its six arguments, once the thread has stopped.
fn registers(task: &TaskDir) -> Result<[u64; 7], ObserveError> {
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(found) = proc::registers(&task.read("syscall")?) {
            return Ok(found);
        }
        // "running": it has not come to its stop yet. The worker's deadline ends this.
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn unreadable(what: &str, error: &ReadError<io::Error>) -> ObserveError {
    let cause = match error {
        ReadError::Failed(cause) => cause.to_string(),
        ReadError::Unmapped => "no memory is mapped there".to_owned(),
        ReadError::TooMany | ReadError::TooLong => "it is too long".to_owned(),
    };
    ObserveError::Unreadable { what: what.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Memory<impl FnMut(&mut [u8], u64) -> io::Result<usize>> {
        let file = File::open("/proc/self/mem").unwrap();
        Memory::new(move |into: &mut [u8], at| file.read_at(into, at))
    }

    #[test]
    fn strings_are_read_from_a_live_process() {
        let strings = [&b"one\0"[..], b"\0", b"two\0"].map(<[u8]>::to_vec);
        let mut pointers: Vec<u64> = strings.iter().map(|string| string.as_ptr() as u64).collect();
        pointers.push(0);
        let read = own().strings(pointers.as_ptr() as u64, 8, ARGUMENTS).unwrap();
        assert_eq!(read, [b"one".to_vec(), Vec::new(), b"two".to_vec()]);
    }

    #[test]
    fn unmapped_memory_is_an_error() {
        assert!(matches!(own().string(8, 10), Err(ReadError::Failed(_))));
        assert!(matches!(own().string(u64::MAX, 10), Err(ReadError::Failed(_))));
    }
}
