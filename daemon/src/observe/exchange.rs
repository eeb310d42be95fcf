//! Whether the agent can have another file run in the name of the one that is held.
//!
//! The kernel half binds an approval to the file that the kernel has opened. The interpreter of a script opens its path
//! once more after the last check, the kernel opens the interpreter by a path of its own, and in a mount namespace of the
//! agent's own making any of them, or the dynamic loader, can be mounted over. No hook comes after these, so such an
//! exec is refused (docs/decisions/0011).

use std::{
    cell::OnceCell,
    fs,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use holdpoint_abi::{FileKey, Hold, MOUNTS_GIVEN};
use holdpoint_core::{
    component::{Component, Identity},
    escape::for_terminal,
    proc,
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use super::{ObserveError, executable::identified, process::TaskDir, walk::walk};
use crate::{kernel::Tags, sys::descriptors};

/// Where a path begins that somebody opens once more.
#[derive(Clone, Debug)]
pub(super) enum Reached {
    /// In the root or the working directory, as it says.
    By(Vec<u8>),
    /// At a descriptor: execveat, which has the interpreter open `/dev/fd/N`.
    ByDescriptor(u32),
}

/// Looks at the ways to one exec's files.
pub(super) struct Exchange<'a> {
    task: &'a TaskDir,
    hold: &'a Hold,
    tags: &'a Tags,
    root: OwnedFd,
    /// The working directory, where a path begins there.
    directory: Option<OwnedFd>,
    agent: OnceCell<Identity>,
}

const MOUNTS: &str = "it is in a mount namespace of the agent's own making, where the agent can mount something else over \
     the program, its loader or its interpreter; run it where the agent was started, or start the agent in there";

/// The cure, where it is a path.
const CURE: &str = "refused: have it, and all directories and links on the way, changed by root alone";

/// Why the mount namespace lets the agent exchange a file. None where it does not.
pub(super) fn by_mounts(hold: &Hold) -> Option<String> {
    (hold.shown.mounts != MOUNTS_GIVEN).then(|| MOUNTS.to_owned())
}

impl<'a> Exchange<'a> {
    /// Opens the directories in which these paths begin.
    ///
    /// # Errors
    /// When the process has none any more, or is in another one.
    pub(super) fn new(
        task: &'a TaskDir,
        hold: &'a Hold,
        tags: &'a Tags,
        script: &Reached,
        interpreters: &[(Vec<u8>, FileKey)],
    ) -> Result<Self, ObserveError> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_DIRECTORY;
        let root = open(&task.thread.join("root"), flags, Mode::empty()).map_err(|cause| match cause {
            // A thread that ends has no root any more.
            Errno::ENOENT => ObserveError::Gone,
            cause => ObserveError::Unreadable { what: "its root".to_owned(), cause: cause.to_string() },
        })?;
        let is_relative = |path: &[u8]| path.first() != Some(&b'/');
        let is_needed = matches!(script, Reached::By(path) if is_relative(path))
            || interpreters.iter().any(|(path, _)| is_relative(path));
        let directory = if is_needed { Some(task.directory(hold)?) } else { None };
        Ok(Self { task, hold, tags, root, directory, agent: OnceCell::new() })
    }

    /// Why the agent can exchange a script, or one of its interpreters, given as the first lines name them. None where
    /// it cannot.
    pub(super) fn of_script(
        &self,
        script: &Reached,
        key: FileKey,
        interpreters: &[(Vec<u8>, FileKey)],
    ) -> Option<String> {
        let path = match script {
            Reached::By(path) => path,
            Reached::ByDescriptor(fd) => {
                return Some(format!(
                    "the script was called by the descriptor {fd}, to which the agent can give another file before its \
                     interpreter opens '/dev/fd/{fd}'; refused: call it by its path"
                ));
            }
        };
        let script = self.way("the script", path, key);
        let all = interpreters.iter().map(|(path, key)| self.way("its interpreter", path, *key));
        script.or_else(|| all.flatten().next())
    }

    /// Why the agent can have a path lead elsewhere.
    fn way(&self, what: &str, path: &[u8], key: FileKey) -> Option<String> {
        let shown = for_terminal(path);
        let unseen = |cause: String| {
            format!("cannot see whether the agent can exchange {what} '{shown}': {cause}; {CURE}")
        };
        let look = |file: &OwnedFd, found: &Component| self.look(what, &shown, file, found);
        // Of what the walk says, only the cause why it cannot go on needs to be explained.
        let mut found = None;
        let mut keep = |file: &OwnedFd, component: &Component| {
            look(file, component).map_err(|why| {
                found = Some(why);
                String::new()
            })
        };
        // An absolute path does not look at where it begins.
        let walked = walk(&self.root, self.directory.as_ref().unwrap_or(&self.root), path, &mut keep);
        if found.is_some() {
            return found;
        }
        match walked.and_then(|file| identified(self.task, Ok(file))) {
            Ok(place) if place.key == key => None,
            Ok(_) => Some(unseen("it leads to another file by now".to_owned())),
            Err(cause) => Some(unseen(cause)),
        }
    }

    fn look(&self, what: &str, path: &str, file: &OwnedFd, found: &Component) -> Result<(), String> {
        if found.is_roots_alone() {
            return Ok(());
        }
        let agent = self.agent.get_or_init(|| identity(self.task, self.hold, self.tags));
        let Some(means) = found.can_be_changed_by(agent) else { return Ok(()) };
        let name = fs::read_link(descriptors::path_in("fd", file.as_fd())).unwrap_or_default();
        let name = for_terminal(name.as_os_str().as_bytes());
        Err(format!(
            "'{name}' can be changed by the agent ({means}): another file could take the place of {what} '{path}' before it \
             is opened once more; {CURE}"
        ))
    }
}

/// As whom the agent acts: all of its threads, since any of them can change a path on behalf of the one that is held,
/// which may be another user's by then, as below sudo.
fn identity(task: &TaskDir, hold: &Hold, tags: &Tags) -> Identity {
    let mut found = Identity::default();
    found.add_user(hold.shown.uid);
    found.add_user(hold.shown.euid);
    let own = add(&task.thread, &mut found);
    let all = tags.all();
    // What cannot be found out is not taken for harmless. With wait = "refuse" the process may have ended.
    found.any_group = own.is_none() || all.is_err() || TaskDir::of(hold).is_err();
    let of_agent = all.into_iter().flatten().filter(|state| state.agent == hold.agent && state.ended == 0);
    for state in of_agent {
        // One that has ended meanwhile changes nothing any more.
        let _ended = add(&Path::new("/proc").join(state.tid.to_string()), &mut found);
    }
    found
}

/// Adds what a thread's directory in `/proc` says.
fn add(thread: &Path, into: &mut Identity) -> Option<()> {
    let status = fs::read(thread.join("status")).ok()?;
    if proc::add_users_and_groups(&String::from_utf8_lossy(&status), into)? {
        proc::add_mapped_users(&fs::read_to_string(thread.join("uid_map")).ok()?, into);
    }
    Some(())
}
