//! An argument in memory that another process of the same agent writes to.

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    process::ExitCode,
    ptr,
};

use anyhow::{Context as _, bail};
use nix::{
    sched::sched_yield,
    sys::{
        prctl,
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, getpid, getppid},
};

use crate::{exchange::NICE, faults::map_page, refused};

/// Bytes that one call of process_vm_writev writes, each to the same place: as many pieces as it takes (`UIO_MAXIOV`). The
/// kernel asks once for each call whether it may.
const PIECES: usize = 1024;

/// Becomes the program with an argument of one character, which is the first value until another process begins to write
/// the second and the first in turn, as fast as it can.
pub(crate) fn by_another(way: &str, path: &CString, values: [u8; 2]) -> anyhow::Result<ExitCode> {
    let argument = map_page()?;
    // SAFETY: the page is ours and all zeros, which end the string.
    unsafe { argument.write_volatile(values[0]) };
    let parent = getpid();
    // SAFETY: where the Yama LSM restricts tracing, this allows it to children; elsewhere it fails and is not needed.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0) };
    // SAFETY: this process has one thread.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => {
            prctl::set_pdeathsig(Signal::SIGKILL).context("end with the parent")?;
            let writer = Writer::of(way, parent)?;
            // SAFETY: the call takes a number.
            unsafe { libc::nice(NICE) };
            let mut in_turn = values;
            while getppid() == parent {
                writer.write(argument, in_turn);
                // So that each of the values is what stays there while others run.
                in_turn.reverse();
                sched_yield()?;
            }
            std::process::exit(0)
        }
        ForkResult::Parent { child } => {
            // SAFETY: the page stays mapped. Only the other process changes it.
            while unsafe { argument.read_volatile() } == values[0] {
                if waitpid(child, Some(WaitPidFlag::WNOHANG))? != WaitStatus::StillAlive {
                    bail!("nobody can write to this process");
                }
                sched_yield()?;
            }
        }
    }
    let argv = [path.as_ptr(), argument.cast_const().cast(), ptr::null()];
    // SAFETY: strings that end with a zero, and an array that ends with a null pointer.
    unsafe { libc::execv(path.as_ptr(), argv.as_ptr()) };
    Ok(refused(nix::errno::Errno::last()))
}

/// A way into the memory of another process.
enum Writer {
    /// process_vm_writev(2), which asks at each call whether it may.
    Call(Pid),
    /// `/proc/PID/mem`, which asked when it was opened.
    Memory(File),
}

impl Writer {
    fn of(way: &str, process: Pid) -> anyhow::Result<Self> {
        match way {
            "process_vm_writev" => Ok(Self::Call(process)),
            "/proc/PID/mem" => {
                let path = format!("/proc/{process}/mem");
                let memory =
                    OpenOptions::new().write(true).open(&path).with_context(|| format!("open {path}"))?;
                Ok(Self::Memory(memory))
            }
            _ => bail!("the way is process_vm_writev or /proc/PID/mem"),
        }
    }

    /// Writes the one value and the other, again and again. That it may not is what the tests count elsewhere.
    fn write(&self, to: *mut u8, values: [u8; 2]) {
        match self {
            Self::Call(process) => {
                let bytes = values.repeat(PIECES / 2);
                let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
                let remote = [libc::iovec { iov_base: to.cast(), iov_len: 1 }; PIECES];
                // SAFETY: so many bytes are read from here, and what is written is another process's.
                unsafe {
                    libc::process_vm_writev(
                        process.as_raw(),
                        &raw const local,
                        1,
                        remote.as_ptr(),
                        PIECES as u64,
                        0,
                    )
                };
            }
            Self::Memory(memory) => {
                for value in values.repeat(PIECES / 16) {
                    // Once the program has begun, the memory is gone.
                    let _gone = memory.write_at(&[value], to as u64);
                }
            }
        }
    }
}
