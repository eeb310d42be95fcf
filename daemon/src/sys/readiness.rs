//! Waiting for the ring buffer, and for files that change.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd, RawFd},
};

use aya::maps::{MapData, RingBuf};
use nix::sys::inotify::Inotify;
use tokio::io::unix::AsyncFd;

/// Has the runtime watch the ring buffer.
///
/// # Errors
/// When the runtime cannot watch it.
pub(crate) fn watch(ring: RingBuf<MapData>) -> io::Result<AsyncFd<RingBuf<MapData>>> {
    // SAFETY: the descriptor must be open, and the same, as long as the value lives: a `RingBuf` owns its map's
    // descriptor, gives out no way to take it, and closes it when it is dropped.
    unsafe { AsyncFd::register(ring) }.map_err(io::Error::from)
}

/// A queue of inotify(7) that the runtime can watch.
pub(crate) struct Files(pub(crate) Inotify);

/// Has the runtime watch the queue.
///
/// # Errors
/// When the runtime cannot watch it.
pub(crate) fn watch_files(inotify: Inotify) -> io::Result<AsyncFd<Files>> {
    // SAFETY: the descriptor must be open, and the same, as long as the value lives: an `Inotify` owns its descriptor and
    // closes it when it is dropped, and taking it out of `Files` needs the value, which stays in the `AsyncFd`.
    unsafe { AsyncFd::register(Files(inotify)) }.map_err(io::Error::from)
}

impl AsRawFd for Files {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
