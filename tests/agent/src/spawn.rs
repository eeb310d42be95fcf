//! Ways to start a program whose caller waits inside the kernel until the exec has succeeded.

use std::{ffi::CString, process::ExitCode, ptr};

use anyhow::{Context as _, bail};
use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::Pid,
};

use crate::refused;

pub(crate) fn posix_spawn(command: &[CString]) -> anyhow::Result<ExitCode> {
    let path = command.first().context("no program")?;
    let arguments = pointers(command);
    let mut pid = 0;
    // SAFETY: the path and the arguments are strings that end with a zero, the list of arguments ends with a
    // null pointer, and all outlive the call. No actions and no attributes are given.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            ptr::null(),
            ptr::null(),
            arguments.as_ptr(),
            ptr::null(),
        )
    };
    if error != 0 {
        return Ok(refused(nix::errno::Errno::from_raw(error)));
    }
    wait(pid)
}

/// glibc's `vfork`, which returns twice, cannot be called from Rust. This is what it does, on a stack of its own.
pub(crate) fn vfork(command: &[CString]) -> anyhow::Result<ExitCode> {
    let path = command.first().context("no program")?;
    let mut call = Call { path: path.as_ptr(), arguments: pointers(command), errno: 0 };
    let mut stack = vec![0_u128; 4096];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the end of the stack that was just made, aligned as the ABI asks for.
    let top = unsafe { stack.as_mut_ptr().add(stack.len()) };
    // SAFETY: the child runs on a stack that outlives it, since this thread waits in the kernel until the child has
    // executed or exited (CLONE_VFORK); `call` outlives it for the same reason, and nobody else uses it meanwhile.
    let pid = unsafe { libc::clone(child, top.cast(), flags, (&raw mut call).cast()) };
    if pid < 0 {
        bail!("cannot vfork: {}", std::io::Error::last_os_error());
    }
    if call.errno != 0 {
        waitpid(Pid::from_raw(pid), None)?;
        return Ok(refused(nix::errno::Errno::from_raw(call.errno)));
    }
    wait(pid)
}

/// What the child of a vfork needs, and where it leaves its error.
struct Call {
    path: *const libc::c_char,
    arguments: Vec<*mut libc::c_char>,
    errno: i32,
}

extern "C" fn child(call: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `vfork` passes a `Call` that lives until this has ended, and does not look at it before.
    let call = unsafe { &mut *call.cast::<Call>() };
    // SAFETY: the path and the arguments are strings that end with a zero, and the list ends with a null pointer.
    unsafe { libc::execv(call.path, call.arguments.as_ptr().cast()) };
    call.errno = nix::errno::Errno::last_raw();
    0
}

fn wait(pid: i32) -> anyhow::Result<ExitCode> {
    match waitpid(Pid::from_raw(pid), None)? {
        WaitStatus::Exited(_, status) => {
            println!("status {status}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("the program ended otherwise: {other:?}"),
    }
}

fn pointers(command: &[CString]) -> Vec<*mut libc::c_char> {
    command.iter().map(|argument| argument.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}
