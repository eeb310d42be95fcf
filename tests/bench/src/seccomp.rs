//! The floor for supervisors that decide by seccomp user notification: a filter that notifies of `execve`, and a
//! listener that lets everything go on.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    thread,
};

use anyhow::Context as _;
use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};

/// Gives this process the filter, which cannot be taken off again, and returns the listener's descriptor.
pub(crate) fn install() -> anyhow::Result<RawFd> {
    nix::sys::prctl::set_no_new_privs().context("give up new privileges")?;
    let statement = |code: u32, k: u32| instruction(code, 0, k);
    // The shortest filter: it does not look at the architecture, since this is no protection.
    let mut filter = [
        // `seccomp_data.nr` lies at 0.
        statement(BPF_LD | BPF_W | BPF_ABS, 0)?,
        instruction(BPF_JMP | BPF_JEQ | BPF_K, 1, u32::try_from(libc::SYS_execve)?)?,
        statement(BPF_RET | BPF_K, libc::SECCOMP_RET_USER_NOTIF)?,
        statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW)?,
    ];
    let program = libc::sock_fprog { len: u16::try_from(filter.len())?, filter: filter.as_mut_ptr() };
    // SAFETY: seccomp(2) reads the program, whose length and instructions live until the call returns.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error()).context("install a seccomp filter");
    }
    Ok(RawFd::try_from(descriptor)?)
}

/// Takes the listener's descriptor over from the process with the filter, and lets everything go on from now on.
pub(crate) fn listen(pid: u32, descriptor: RawFd) -> anyhow::Result<()> {
    // SAFETY: pidfd_open(2) takes two numbers.
    let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) }).context("open a pidfd")?;
    // SAFETY: pidfd_getfd(2) takes three numbers; the pidfd is open.
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), descriptor, 0) };
    let listener = owned(copy).context("take the listener of a seccomp filter over")?;
    thread::spawn(move || {
        // Ends with the process that bears the filter.
        while let_one_go_on(&listener).is_ok() {}
    });
    Ok(())
}

fn let_one_go_on(listener: &OwnedFd) -> io::Result<()> {
    let mut notice = libc::seccomp_notif {
        id: 0,
        pid: 0,
        flags: 0,
        data: libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] },
    };
    // SAFETY: the kernel fills in one `seccomp_notif`, which has to be zeroed, and is.
    let received =
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notice) };
    if received < 0 {
        return Err(io::Error::last_os_error());
    }
    let answer = libc::seccomp_notif_resp { id: notice.id, val: 0, error: 0, flags: CONTINUE };
    // SAFETY: the kernel reads one `seccomp_notif_resp`.
    let sent =
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`, in the type that the answer has.
const CONTINUE: u32 = 1;

fn instruction(code: u32, otherwise: u8, k: u32) -> anyhow::Result<libc::sock_filter> {
    Ok(libc::sock_filter { code: u16::try_from(code)?, jt: 0, jf: otherwise, k })
}

fn owned(descriptor: libc::c_long) -> io::Result<OwnedFd> {
    let descriptor = RawFd::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0);
    // SAFETY: the kernel has just made the descriptor for this process, and nobody else knows it.
    descriptor.map(|it| unsafe { OwnedFd::from_raw_fd(it) }).ok_or_else(io::Error::last_os_error)
}
