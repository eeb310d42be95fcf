//! Ways to reach for another process, and for the kernel.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::fd::AsRawFd as _,
    process::ExitCode,
    ptr,
};

use anyhow::{Context as _, bail};
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, pause},
};

use crate::{exec, outcome, refused};

pub(crate) fn seize(pid: i32) -> anyhow::Result<ExitCode> {
    // SAFETY: the request takes numbers only.
    Ok(outcome(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) }))
}

/// Whoever may write gets EFAULT, since nothing is at the address; the process is not harmed by the attempt.
pub(crate) fn write_memory(pid: i32) -> anyhow::Result<ExitCode> {
    let byte = 0_u8;
    let local = libc::iovec { iov_base: (&raw const byte).cast_mut().cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(8), iov_len: 1 };
    // SAFETY: one byte is read from here.
    let written = unsafe { libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if written < 0 && Errno::last() == Errno::EFAULT {
        return Ok(outcome(0));
    }
    Ok(outcome(written as i64))
}

pub(crate) fn open_memory(pid: &str) -> anyhow::Result<ExitCode> {
    match OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem")) {
        Ok(_) => Ok(outcome(0)),
        Err(cause) => Ok(refused(Errno::from_raw(cause.raw_os_error().context("an error of the system")?))),
    }
}

pub(crate) fn take_descriptor(pid: i32) -> anyhow::Result<ExitCode> {
    // SAFETY: both calls take numbers only.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if process < 0 {
        bail!("cannot open process {pid}: {}", Errno::last());
    }
    // SAFETY: as above.
    Ok(outcome(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process, 0, 0) }))
}

/// As a debugger does.
pub(crate) fn trace_own_child() -> anyhow::Result<ExitCode> {
    // SAFETY: the child waits for a signal and does nothing else.
    match unsafe { fork() }? {
        ForkResult::Child => loop {
            pause();
        },
        ForkResult::Parent { child } => {
            let code = seize(child.as_raw())?;
            kill(child, Signal::SIGKILL)?;
            Ok(code)
        }
    }
}

pub(crate) fn exec_traced(command: &[CString]) -> anyhow::Result<ExitCode> {
    // SAFETY: this program has one thread, so that the child may do anything.
    match unsafe { fork() }? {
        ForkResult::Child => {
            // SAFETY: the request takes no argument.
            unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
            exec::by_path(command)
        }
        ForkResult::Parent { child } => follow(child),
    }
}

/// Lets the child go on whenever it stops.
fn follow(child: Pid) -> anyhow::Result<ExitCode> {
    loop {
        match waitpid(child, None)? {
            WaitStatus::Exited(_, code) => return Ok(ExitCode::from(u8::try_from(code)?)),
            WaitStatus::Stopped(_, signal) => {
                // SIGTRAP is that of the exec. A stop for a hold is not passed on.
                let pass =
                    if matches!(signal, Signal::SIGTRAP | Signal::SIGSTOP) { 0 } else { signal as i32 };
                // SAFETY: the request takes numbers only.
                unsafe { libc::ptrace(libc::PTRACE_CONT, child.as_raw(), 0, pass) };
            }
            other => bail!("the child ended with {other:?}"),
        }
    }
}

pub(crate) fn exec_sharing(command: &[CString]) -> anyhow::Result<ExitCode> {
    let flags = libc::CLONE_FS | libc::SIGCHLD;
    // SAFETY: without a stack of its own the child goes on with a copy of this one, as after fork.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match i32::try_from(child)? {
        0 => exec::by_path(command),
        child if child > 0 => exec::status_of(child),
        _ => bail!("cannot make a child: {}", Errno::last()),
    }
}

/// What a pipe that becomes readable does, with a signal of one's choice (fcntl(2), `F_SETSIG`).
pub(crate) fn sigio(pid: i32, signal: i32) -> anyhow::Result<ExitCode> {
    let (reader, mut writer) = std::io::pipe()?;
    let fd = reader.as_raw_fd();
    for (command, value) in [(libc::F_SETOWN, pid), (10, signal), (libc::F_SETFL, libc::O_ASYNC)] {
        // SAFETY: the commands take numbers only. Ten is `F_SETSIG`.
        if unsafe { libc::fcntl(fd, command, value) } < 0 {
            bail!("cannot have the pipe send signals: {}", Errno::last());
        }
    }
    writer.write_all(b"x")?;
    Ok(outcome(0))
}

pub(crate) fn bpf() -> anyhow::Result<ExitCode> {
    let mut attributes = [0_u64; 2];
    // `BPF_PROG_GET_NEXT_ID`.
    // SAFETY: the attributes are as long as said.
    Ok(outcome(unsafe { libc::syscall(libc::SYS_bpf, 11, attributes.as_mut_ptr(), 16) }))
}

/// The file is none, of which the kernel says ENOEXEC to whoever may load modules.
pub(crate) fn load_module(path: &str) -> anyhow::Result<ExitCode> {
    let file = File::open(path)?;
    // SAFETY: the parameters are an empty string.
    let loaded = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
    Ok(understood(loaded))
}

pub(crate) fn load_module_data(path: &str) -> anyhow::Result<ExitCode> {
    let data = fs::read(path)?;
    // SAFETY: the data is as long as said, and the parameters are an empty string.
    let loaded = unsafe { libc::syscall(libc::SYS_init_module, data.as_ptr(), data.len(), c"".as_ptr()) };
    Ok(understood(loaded))
}

fn understood(result: i64) -> ExitCode {
    let went_on = result < 0 && Errno::last() == Errno::ENOEXEC;
    outcome(if went_on { 0 } else { result })
}

pub(crate) fn kexec() -> anyhow::Result<ExitCode> {
    // SAFETY: without segments nothing is read.
    Ok(outcome(unsafe { libc::syscall(libc::SYS_kexec_load, 0, 0, ptr::null::<u8>(), 0) }))
}

pub(crate) fn io_ports() -> anyhow::Result<ExitCode> {
    // SAFETY: the call takes a number only. The ports are not used.
    Ok(outcome(unsafe { libc::syscall(libc::SYS_iopl, 3) }))
}
