//! The file that is to be executed: found by the path that the caller gave, believed only where its identity
//! is the one that the kernel half has seen.

use std::{
    fs::File,
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
};

use holdpoint_abi::{FileKey, Hold, MATCHED_CALLED, MATCHED_NAME};
use holdpoint_core::{alleged::Alleged, facts::FileFacts};
use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::Mode,
};

use super::{
    ObserveError,
    call::Call,
    digest,
    exchange::{self, Exchange, Reached},
    identity,
    process::TaskDir,
};
use crate::{bound::FileVersion, kernel::Tags, sys::descriptors};

/// The executable, found and read.
pub(super) struct Executable {
    pub(super) facts: FileFacts,
    pub(super) version: FileVersion,
    pub(super) names: Vec<Vec<u8>>,
    pub(super) interpreters: Interpreters,
    /// It is the interpreter of the script that was called: the kernel puts what the script's first line says before the
    /// arguments.
    pub(super) is_interpreter: bool,
    /// Why the agent can have another file run in its place, where it can.
    pub(super) exchange: Option<String>,
}

/// The interpreters of a script, nearest first, as path and identity.
pub(super) type Interpreters = Vec<(Vec<u8>, FileKey)>;

/// A file that a path led to.
pub(super) struct Place {
    file: OwnedFd,
    pub(super) key: FileKey,
}

/// What is found out about an executable by its content.
struct Content {
    facts: FileFacts,
    version: FileVersion,
    interpreters: Interpreters,
    /// The interpreters as the first lines name them; one that cannot be found without an identity.
    named: Interpreters,
    /// The kernel runs it by itself, and opens it once.
    is_elf: bool,
}

/// As deep as the kernel follows interpreters (`exec_binprm`,
/// <https://github.com/torvalds/linux/blob/v6.1/fs/exec.c>).
const MAX_INTERPRETERS: usize = 5;
/// What the kernel reads of a script's first line (`BINPRM_BUF_SIZE`,
/// <https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/binfmts.h>).
const FIRST_LINE: u64 = 256;

/// `FUSE_SUPER_MAGIC` (<https://github.com/torvalds/linux/blob/v6.1/fs/fuse/inode.c>).
const FUSE_MAGIC: u64 = 0x6573_5546;

/// What a program begins with that the kernel runs without an interpreter, but for its loader.
const ELF: &[u8] = b"\x7fELF";

pub(super) fn find(
    task: &TaskDir,
    call: &Call,
    hold: &Hold,
    tags: &Tags,
) -> Result<Executable, ObserveError> {
    let unreadable = |what: &str, cause: String| ObserveError::Unreadable { what: what.to_owned(), cause };
    // Not touched at all: a reader that waits for such a server cannot even be killed.
    if hold.fs_magic == FUSE_MAGIC {
        return Err(ObserveError::ServedByAgent);
    }
    let mut place = called(task, call).map_err(|cause| unreadable("the file that it called", cause))?;
    let mut names = vec![last_component(&call.path)];
    let mut reached = match call.directory {
        Some(fd) if call.path.first() != Some(&b'/') => Reached::ByDescriptor(fd),
        _ => Reached::By(call.path.clone()),
    };
    let mut rounds = 0;
    // The kernel half holds at the first listed file: the one called, or an interpreter after it.
    while place.key != hold.file {
        let line = first_line(&place.file).map_err(|cause| unreadable("the script", cause.to_string()))?;
        let Some(interpreter) = line.filter(|_| rounds < MAX_INTERPRETERS) else {
            let cause = "its path leads to another file than the one that the kernel was given".to_owned();
            return Err(unreadable("the executable", cause));
        };
        place = at(task, &interpreter.path).map_err(|cause| unreadable("the script's interpreter", cause))?;
        names.clear();
        reached = Reached::By(interpreter.path);
        rounds += 1;
    }
    let path = path_of(&place.file);
    names.push(last_component(path.as_os_str().as_bytes()));
    if matches!(hold.matched, MATCHED_NAME | MATCHED_CALLED) {
        names.push(hold.name.iter().copied().take_while(|byte| *byte != 0).collect());
    }
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    let Content { facts, version, interpreters, named, is_elf } = content(task, &place, path)?;
    let mut exchange = exchange::by_mounts(hold);
    if exchange.is_none() && !is_elf {
        let looked_at = Exchange::new(task, hold, tags, &reached, &named)?;
        exchange = looked_at.of_script(&reached, place.key, &named);
    }
    Ok(Executable { facts, version, names, interpreters, is_interpreter: rounds > 0, exchange })
}

fn content(task: &TaskDir, place: &Place, path: PathBuf) -> Result<Content, ObserveError> {
    let unreadable = |cause: String| ObserveError::Unreadable { what: "the executable".to_owned(), cause };
    let file = reopen(&place.file).map_err(|cause| unreadable(cause.to_string()))?;
    let digest::Digested { sha256, metadata, version } =
        digest::settled(&file, place.key).map_err(|cause| unreadable(cause.to_string()))?;
    let start = start(&place.file).map_err(|cause| unreadable(cause.to_string()))?;
    let first = parse_first_line(&start);
    let interpreter = first.as_ref().map(|line| Alleged(line.whole.clone()));
    let facts = FileFacts {
        path: Alleged(path.into_os_string().as_bytes().to_vec()),
        sha256,
        owner: metadata.uid(),
        owner_name: None,
        mode: metadata.mode() & 0o7777,
        size: metadata.size(),
        interpreter,
    };
    let (mut interpreters, mut named) = (Vec::new(), Vec::new());
    let mut next = first;
    while let Some(line) = next.take()
        && interpreters.len() < MAX_INTERPRETERS
    {
        // One that cannot be found is none that could be covered; the kernel fails or refuses it, unless the agent makes
        // one meanwhile.
        let Ok(place) = at(task, &line.path) else {
            named.push((line.path, FileKey::default()));
            break;
        };
        named.push((line.path, place.key));
        let path = path_of(&place.file).into_os_string().as_bytes().to_vec();
        interpreters.push((path, place.key));
        next = first_line(&place.file).unwrap_or_default();
    }
    Ok(Content { facts, version, interpreters, named, is_elf: start.starts_with(ELF) })
}

/// The file that the call names.
fn called(task: &TaskDir, call: &Call) -> Result<Place, String> {
    if call.path.first() == Some(&b'/') {
        return at(task, &call.path);
    }
    let base = match call.directory {
        Some(fd) => task.thread.join(format!("fd/{fd}")),
        None => task.thread.join("cwd"),
    };
    // `AT_EMPTY_PATH`: the descriptor is the file.
    let path = if call.path.is_empty() {
        base
    } else {
        base.join(Path::new(std::ffi::OsStr::from_bytes(&call.path)))
    };
    identified(task, open(&path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()))
}

/// The file at an absolute path, as the task sees it.
fn at(task: &TaskDir, path: &[u8]) -> Result<Place, String> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
    let root = task.thread.join("root");
    let root = open(&root, OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_DIRECTORY, Mode::empty());
    let inside = root.and_then(|root| openat2(root, path, how));
    let plain = || open(&of_its_own(task, path), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
    identified(task, inside.or_else(|_| plain()))
}

/// A path through `/proc/self` means the task's own, not the daemon's, and cannot be followed inside of a root.
fn of_its_own(task: &TaskDir, path: &Path) -> PathBuf {
    let own = path.strip_prefix("/proc/self").or_else(|_| path.strip_prefix("/proc/thread-self"));
    own.map_or_else(|_| path.to_owned(), |rest| task.thread.join(rest))
}

pub(super) fn identified(task: &TaskDir, file: nix::Result<OwnedFd>) -> Result<Place, String> {
    let file = file.map_err(|cause| cause.to_string())?;
    let mounts = task.thread.join("mountinfo");
    // The descriptor's mount is in the task's namespace, or in ours where a path led out of it.
    let key = identity::key_of(file.as_fd(), &mounts.to_string_lossy())
        .or_else(|_| identity::key_of(file.as_fd(), "/proc/self/mountinfo"))
        .map_err(|error| error.to_string())?;
    Ok(Place { file, key })
}

fn reopen(file: &OwnedFd) -> io::Result<File> {
    let path = descriptors::path_in("fd", file.as_fd());
    if !std::fs::metadata(&path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    File::open(path)
}

fn path_of(file: &OwnedFd) -> PathBuf {
    std::fs::read_link(descriptors::path_in("fd", file.as_fd())).unwrap_or_default()
}

fn last_component(path: &[u8]) -> Vec<u8> {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec()
}

/// The first line of a script: the interpreter's path, and the line as it is, without `#!`.
struct FirstLine {
    path: Vec<u8>,
    whole: Vec<u8>,
}

fn first_line(file: &OwnedFd) -> io::Result<Option<FirstLine>> {
    Ok(parse_first_line(&start(file)?))
}

fn start(file: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reopen(file)?.take(FIRST_LINE).read_to_end(&mut start)?;
    Ok(start)
}

/// As `load_script` reads it (<https://github.com/torvalds/linux/blob/v6.1/fs/binfmt_script.c>).
fn parse_first_line(start: &[u8]) -> Option<FirstLine> {
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | 0);
    let from = line.iter().position(|byte| !blank(byte))?;
    let whole: Vec<u8> = line.get(from..)?.to_vec();
    let path = whole.split(blank).next()?.to_vec();
    (!path.is_empty()).then_some(FirstLine { path, whole: whole.trim_ascii_end().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_read_as_the_kernel_reads_it() {
        let read = |text: &str| parse_first_line(text.as_bytes()).map(|line| (line.path, line.whole));
        let some = |path: &str, whole: &str| Some((path.as_bytes().to_vec(), whole.as_bytes().to_vec()));
        assert_eq!(read("#!/bin/sh\necho"), some("/bin/sh", "/bin/sh"));
        assert_eq!(read("#! \t/usr/bin/env python3 -u \n"), some("/usr/bin/env", "/usr/bin/env python3 -u"));
        assert_eq!(read("#!\n/bin/sh"), None);
        assert_eq!(read("\x7fELF"), None);
    }
}
