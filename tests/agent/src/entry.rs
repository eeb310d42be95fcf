//! Ways into the kernel that few programs take, and to programs that have no path.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Write as _},
    os::fd::{AsFd, OwnedFd},
    process::ExitCode,
    ptr,
};

use anyhow::{Context as _, bail};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open},
    sys::{
        memfd::{MFdFlags, memfd_create},
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, execveat},
};

use crate::{exec, refused};

const PAGE: usize = 4096;
/// The number of execve for programs of i386, and that for programs with pointers of 32 bits (x32).
const EXECVE_I386: u32 = 11;
const EXECVE_X32: i64 = 0x4000_0000 + 520;

/// As a program of i386 does, with `int 0x80`, which programs of 64 bits can do as well: the kernel takes pointers of 32
/// bits then.
pub(crate) fn by_int80(command: &[CString]) -> anyhow::Result<ExitCode> {
    let (rights, how) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT);
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that is there.
    let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, rights, how, -1, 0) };
    if page == libc::MAP_FAILED {
        bail!("cannot map a page below 4 GiB: {}", Errno::last());
    }
    let low = u32::try_from(page.addr()).context("a page below 4 GiB")?;
    // The pointers come first, a null pointer after the last; then the strings.
    let mut at = low + u32::try_from((command.len() + 1) * 4)?;
    let (mut pointers, mut strings) = (Vec::new(), Vec::new());
    for argument in command {
        pointers.extend_from_slice(&at.to_ne_bytes());
        strings.extend_from_slice(argument.to_bytes_with_nul());
        at += u32::try_from(argument.to_bytes_with_nul().len())?;
    }
    let content = [pointers, vec![0; 4], strings].concat();
    if content.len() > PAGE {
        bail!("the arguments are too long for a page");
    }
    // SAFETY: the page is ours and holds the content, which does not overlap it.
    unsafe { ptr::copy_nonoverlapping(content.as_ptr(), page.cast(), content.len()) };
    let path = low + u32::try_from((command.len() + 1) * 4)?;
    let result: i32;
    // SAFETY: the path and the arguments are strings that end with a zero, the list ends with a null pointer, and there is
    // no environment. The kernel takes the path in ebx, which the compiler keeps for itself: it is put back. Up to r11 the
    // registers may be others afterwards.
    unsafe {
        std::arch::asm!(
            "push rbx",
            "mov ebx, esi",
            "int 0x80",
            "pop rbx",
            inlateout("eax") EXECVE_I386 => result,
            in("esi") path,
            in("ecx") low,
            in("edx") 0,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    Ok(refused(Errno::from_raw(-result)))
}

/// Where the kernel knows such programs; else it is no system call (`ENOSYS`).
pub(crate) fn by_x32(command: &[CString]) -> anyhow::Result<ExitCode> {
    let path = command.first().context("no program")?;
    let list: Vec<_> = command.iter().map(|argument| argument.as_ptr()).chain([ptr::null()]).collect();
    // SAFETY: the path and the arguments are strings that end with a zero, and the list ends with a null pointer.
    unsafe { libc::syscall(EXECVE_X32, path.as_ptr(), list.as_ptr(), ptr::null::<u8>()) };
    Ok(refused(Errno::last()))
}

/// Copies the file into memory that has no name anywhere, and becomes it.
pub(crate) fn from_memory(command: &[CString]) -> anyhow::Result<ExitCode> {
    let path = command.first().context("no program")?.to_str()?;
    let memory = memfd_create(c"copy", MFdFlags::MFD_CLOEXEC)?;
    let mut source = match File::open(path) {
        Ok(source) => source,
        Err(cause) => return said(&cause),
    };
    let mut copy = File::from(memory);
    if let Err(cause) = io::copy(&mut source, &mut copy) {
        return said(&cause);
    }
    by_descriptor(&copy, command)
}

/// Opens the file, says so, and becomes it when it is told to by a line of the input, whatever has become of its name.
pub(crate) fn by_descriptor_when_told(command: &[CString]) -> anyhow::Result<ExitCode> {
    let path = command.first().context("no program")?;
    let file: OwnedFd = open(path.as_c_str(), OFlag::O_PATH, Mode::empty())?;
    println!("ready");
    io::stdin().read_line(&mut String::new())?;
    by_descriptor(&file, command)
}

fn by_descriptor(file: &impl AsFd, command: &[CString]) -> anyhow::Result<ExitCode> {
    let environment: [CString; 0] = [];
    match execveat(file, c"", command, &environment, AtFlags::AT_EMPTY_PATH) {
        Ok(never) => match never {},
        Err(errno) => Ok(refused(errno)),
    }
}

fn said(cause: &io::Error) -> anyhow::Result<ExitCode> {
    Ok(refused(Errno::from_raw(cause.raw_os_error().context("an error of the system")?)))
}

/// The first fields of `struct clone_args` (clone3(2)): no flags, and the signal at the child's end.
#[repr(C)]
struct Clone3 {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// A child by clone3 becomes the program.
pub(crate) fn in_child_of_clone3(command: &[CString]) -> anyhow::Result<ExitCode> {
    let exit_signal = u64::try_from(libc::SIGCHLD)?;
    let mut how = Clone3 {
        flags: 0,
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        exit_signal,
        stack: 0,
        stack_size: 0,
        tls: 0,
    };
    io::stdout().flush()?;
    // SAFETY: the structure has the size that is given. Without a stack the child goes on with a copy of this one, as after
    // fork, and this process has one thread.
    let child = unsafe { libc::syscall(libc::SYS_clone3, &raw mut how, size_of::<Clone3>()) };
    match i32::try_from(child)? {
        0 => exec::by_path(command),
        child if child > 0 => exec::status_of(child),
        _ => bail!("cannot make a child: {}", Errno::last()),
    }
}

/// Stops and continues a process by turns, in every way, and leaves it continued.
pub(crate) fn stir(pid: i32, times: u32) -> anyhow::Result<ExitCode> {
    let turn = [Signal::SIGSTOP, Signal::SIGCONT, Signal::SIGTSTP, Signal::SIGCONT];
    for time in 0..times {
        for signal in turn {
            if let Err(errno) = kill(Pid::from_raw(pid), signal) {
                println!("after {time}");
                return Ok(refused(errno));
            }
        }
        std::thread::yield_now();
    }
    println!("stirred {times}");
    Ok(ExitCode::SUCCESS)
}
