//! inotify(7): which directories are watched, and what happened in them.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll, Waker},
};

use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor},
};
use tokio::io::unix::AsyncFd;

use crate::{
    rules::{Directories, Interest},
    sys::readiness::{self, Files},
};

/// A file was made, has come, or has become executable. What goes is listed until the next reload.
const CHANGES: AddWatchFlags =
    AddWatchFlags::IN_CREATE.union(AddWatchFlags::IN_MOVED_TO).union(AddWatchFlags::IN_ATTRIB);
/// Events were lost, or a directory is watched no more: it has gone, or its file system has.
const LOSSES: AddWatchFlags = AddWatchFlags::IN_Q_OVERFLOW.union(AddWatchFlags::IN_IGNORED);
/// Reads of one look, each some hundred events. The kernel keeps 16,384 (`fs.inotify.max_queued_events`).
const READS: usize = 256;

/// The kernel's queue of events.
pub(super) struct Queue(AsyncFd<Files>);

/// Directories that are watched.
#[derive(Debug, Default)]
pub(super) struct Watched(HashMap<WatchDescriptor, Interest>);

/// What came of watching other directories.
pub(super) struct Rewatched {
    /// Whether one is among them in which something may have changed unseen.
    pub(super) new: bool,
    /// Why not all are watched.
    pub(super) problem: Option<String>,
}

impl Queue {
    /// # Errors
    /// When the kernel has no queue for us, as where `fs.inotify.max_user_instances` are in use.
    pub(super) fn open() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        Ok(Self(readiness::watch_files(inotify)?))
    }

    /// Waits until there are events.
    pub(super) async fn readable(&self) {
        // An error is the end of the runtime, and with it of the wait.
        let _ready = self.0.readable().await;
    }

    /// Takes the events that are there. True where one of them can matter.
    pub(super) fn take(&self, watched: &Watched) -> bool {
        let mut matters = false;
        // Before anything is read: an event that comes after the last read must make it ready again.
        let mut context = Context::from_waker(Waker::noop());
        let mut ready = match self.0.poll_read_ready(&mut context) {
            Poll::Ready(Ok(guard)) => Some(guard),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        };
        for _ in 0..READS {
            match self.0.get_ref().0.read_events() {
                Ok(events) => matters |= events.iter().any(|event| watched.concerns(event)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    if let Some(ready) = &mut ready {
                        ready.clear_ready();
                    }
                    return matters;
                }
                // What cannot be read may have been anything.
                Err(_) => return true,
            }
        }
        matters
    }

    /// Watches these directories and no others.
    pub(super) fn watch(&self, watched: &mut Watched, directories: &Directories) -> Rewatched {
        let inotify = &self.0.get_ref().0;
        let mut next: HashMap<WatchDescriptor, Interest> = HashMap::new();
        let mut problem = None;
        for (path, interest) in directories.iter() {
            match inotify.add_watch(path, CHANGES | AddWatchFlags::IN_ONLYDIR) {
                // Two paths can lead to one directory.
                Ok(watch) => next.entry(watch).or_insert_with(|| interest.clone()).add(interest),
                Err(Errno::ENOSPC) => {
                    problem = Some(format!(
                        "cannot watch all of {} directories for files that change: raise \
                         fs.inotify.max_user_watches; until then 'holdpoint reload' finds them",
                        directories.iter().count()
                    ));
                    break;
                }
                // It is not there, and the directory above tells when it comes.
                Err(_) => {}
            }
        }
        let new = next.keys().any(|watch| !watched.0.contains_key(watch));
        for watch in watched.0.keys().filter(|watch| problem.is_none() && !next.contains_key(*watch)) {
            // One that has gone is not watched any more, which is an error here.
            let _gone = inotify.rm_watch(*watch);
        }
        if problem.is_some() {
            next.extend(watched.0.drain());
        }
        watched.0 = next;
        Rewatched { new, problem }
    }
}

impl Watched {
    fn concerns(&self, event: &InotifyEvent) -> bool {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return true;
        }
        let Some(interest) = self.0.get(&event.wd) else { return false };
        event.mask.intersects(LOSSES) || event.name.as_ref().is_some_and(|name| interest.is_in(name))
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().0.as_fd()
    }
}
