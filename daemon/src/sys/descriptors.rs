//! A descriptor table of its own for a thread that an agent can keep for ever.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
};

/// `CLOSE_RANGE_UNSHARE`: the thread's table is made its own before anything is closed (since Linux 5.9,
/// <https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/close_range.h>).
const UNSHARE: libc::c_long = 1 << 1;
/// The first descriptor after the standard ones, which stay: a panic has to be able to say why.
const FIRST: RawFd = 3;

/// Gives the calling thread a table of its own, in which only the standard descriptors and this one are open.
///
/// A thread that waits in the kernel for an agent's file system outlives its killed process. Whatever descriptors it
/// shared would stay open with it: the sockets in use, the database locked, and no daemon could start again.
///
/// From here on the thread must neither use nor close a descriptor that was opened elsewhere, but for the kept one. To
/// wake a task of the runtime is such a use.
///
/// # Errors
/// When the kernel has no memory for the table; it is then shared as before.
pub(crate) fn keep_only(kept: BorrowedFd<'_>) -> io::Result<()> {
    let kept = kept.as_raw_fd();
    close(kept + 1, RawFd::MAX, UNSHARE)?;
    if kept > FIRST { close(FIRST, kept - 1, UNSHARE) } else { Ok(()) }
}

/// The same with the standard descriptors alone.
///
/// # Errors
/// As [`keep_only`].
pub(crate) fn keep_none() -> io::Result<()> {
    close(FIRST, RawFd::MAX, UNSHARE)
}

/// Where the calling thread finds its descriptor: in `directory` (`fd` or `fdinfo`) of its own part of `/proc`.
///
/// Not in `/proc/self`, which has the table of the process's first thread: there the number may be another file's.
pub(crate) fn path_in(directory: &str, fd: BorrowedFd<'_>) -> String {
    format!("/proc/thread-self/{directory}/{}", fd.as_raw_fd())
}

fn close(first: RawFd, last: RawFd, flags: libc::c_long) -> io::Result<()> {
    // SAFETY: close_range(2) takes two numbers and flags. It closes entries of the calling thread's own table, which
    // `UNSHARE` makes before; the table of the other threads, and so what they own, stays as it was.
    let result = unsafe {
        libc::syscall(libc::SYS_close_range, libc::c_long::from(first), libc::c_long::from(last), flags)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
