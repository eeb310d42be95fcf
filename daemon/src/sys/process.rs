//! Processes by pidfd: no signal and no look-up ever reaches another one that got the same number.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// A process, whatever becomes of its number.
#[derive(Debug)]
pub(crate) struct Process {
    fd: OwnedFd,
    pid: u32,
}

/// A signal that the daemon sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// None: only whether the process is there.
    None,
    /// Go on.
    Continue,
    /// End, now.
    Kill,
}

impl Process {
    /// Takes hold of the process that has this number now. The caller checks afterwards that it is the one.
    ///
    /// # Errors
    /// `ESRCH` where there is none, `EINVAL` where the number is a thread's that leads no process.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: pidfd_open(2) takes two integers and returns a new descriptor or an error.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = i32::try_from(fd).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, pid })
    }

    /// The number that it had when it was opened, and has as long as it is there.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// `ESRCH` where the process has ended, and was waited for.
    pub(crate) fn send(&self, signal: Signal) -> io::Result<()> {
        let number = match signal {
            Signal::None => 0,
            Signal::Continue => libc::SIGCONT,
            Signal::Kill => libc::SIGKILL,
        };
        let nothing: *const libc::siginfo_t = std::ptr::null();
        // SAFETY: pidfd_send_signal(2) takes a descriptor, a number, and a siginfo that may be null.
        let result =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.fd.as_raw_fd(), number, nothing, 0) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
