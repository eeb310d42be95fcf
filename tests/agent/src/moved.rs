//! Ways to become another user, or to go to another place, while an exec is held.

use std::{
    ffi::{CStr, CString},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context as _, bail};
use nix::{
    errno::Errno,
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    unistd::chdir,
};

use crate::{exec, refused};

/// A change of one's own. It may be made in a handler of a signal, and returns what a system call does.
type Change = fn() -> i64;

/// The user that one becomes, and its group.
const OTHER: libc::uid_t = 1002;
/// As it is.
const SAME: libc::uid_t = libc::uid_t::MAX;
/// Where the tests have mounted the directory in which one is, and the root, a second time.
const SAME_DIRECTORY: &CStr = c"/opt/holdpoint-tests/again";
const SAME_ROOT: &CStr = c"/opt/holdpoint-tests/root";
/// `CLONE_NEWTIME` (linux/sched.h).
const NEW_TIME: libc::c_int = 0x80;
/// `CAP_SYS_TIME`, which nothing of the tests needs.
const CAPABILITY: u32 = 25;

const CHANGES: &[(&str, Change)] = &[
    ("nothing", || 0),
    // SAFETY: these take numbers, or strings that end with a zero.
    ("user", || unsafe { libc::syscall(libc::SYS_setresuid, OTHER, OTHER, OTHER) }),
    // SAFETY: as above.
    ("saved-user", || unsafe { libc::syscall(libc::SYS_setresuid, SAME, SAME, OTHER) }),
    // SAFETY: as above.
    ("group", || unsafe { libc::syscall(libc::SYS_setresgid, OTHER, OTHER, OTHER) }),
    ("groups", || set_groups(&[OTHER])),
    ("many-groups", || set_groups(&[OTHER; 33])),
    ("effective-capability", || drop_capability(|data| &mut data.effective)),
    ("permitted-capability", || {
        let dropped = drop_capability(|data| &mut data.effective);
        if dropped < 0 { dropped } else { drop_capability(|data| &mut data.permitted) }
    }),
    // SAFETY: as above.
    ("bounding-capability", || unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_CAPBSET_DROP, CAPABILITY, 0, 0, 0)
    }),
    // SAFETY: as above.
    ("securebits", || unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) }),
    ("login", set_login),
    ("user-namespace", || unshare(libc::CLONE_NEWUSER)),
    ("mounts", || unshare(libc::CLONE_NEWNS)),
    ("network", || unshare(libc::CLONE_NEWNET)),
    ("host-name", || unshare(libc::CLONE_NEWUTS)),
    ("ipc", || unshare(libc::CLONE_NEWIPC)),
    ("processes", || unshare(libc::CLONE_NEWPID)),
    ("cgroups", || unshare(libc::CLONE_NEWCGROUP)),
    ("time", || unshare(NEW_TIME)),
    // SAFETY: as above.
    ("directory", || unsafe { libc::syscall(libc::SYS_chdir, c"/opt".as_ptr()) }),
    // SAFETY: as above.
    ("directory-again", || unsafe { libc::syscall(libc::SYS_chdir, SAME_DIRECTORY.as_ptr()) }),
    // SAFETY: as above.
    ("root", || unsafe { libc::syscall(libc::SYS_chroot, SAME_ROOT.as_ptr()) }),
];

/// Which change the handler makes.
static CHOSEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn change(_signal: libc::c_int) {
    if let Some((_, change)) = CHANGES.get(CHOSEN.load(Ordering::SeqCst)) {
        change();
    }
}

/// Makes a change and becomes the program.
pub(crate) fn before(what: &str, command: &[CString]) -> anyhow::Result<ExitCode> {
    let (_, change) = CHANGES.get(chosen(what)?).context("a change")?;
    if change() < 0 {
        return Ok(refused(Errno::last()));
    }
    exec::by_path(command)
}

/// Becomes the program. A handler for SIGCONT, which releases a held exec, makes the change.
pub(crate) fn by_handler(what: &str, command: &[CString]) -> anyhow::Result<ExitCode> {
    CHOSEN.store(chosen(what)?, Ordering::SeqCst);
    let action = SigAction::new(SigHandler::Handler(change), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler makes system calls and nothing else, so it may run at any time.
    unsafe { sigaction(Signal::SIGCONT, &action) }?;
    exec::by_path(command)
}

/// Becomes the program, while a thread goes to and fro between two directories as fast as it can.
pub(crate) fn by_thread(one: &str, other: &str, command: &[CString]) -> anyhow::Result<ExitCode> {
    chdir(one)?;
    let (began, begins) = std::sync::mpsc::channel();
    let directories = [CString::new(one)?, CString::new(other)?];
    thread::spawn(move || {
        let _told = began.send(());
        loop {
            for directory in &directories {
                // One that has gone is no reason to stop.
                let _gone = chdir(directory.as_c_str());
            }
        }
    });
    begins.recv()?;
    exec::by_path(command)
}

fn chosen(what: &str) -> anyhow::Result<usize> {
    match CHANGES.iter().position(|(name, _)| *name == what) {
        Some(index) => Ok(index),
        None => bail!("what is one of: {:?}", CHANGES.iter().map(|(name, _)| name).collect::<Vec<_>>()),
    }
}

fn unshare(flags: libc::c_int) -> i64 {
    // SAFETY: the call takes flags.
    unsafe { libc::syscall(libc::SYS_unshare, flags) }
}

fn set_groups(groups: &[libc::gid_t]) -> i64 {
    // SAFETY: the list is as long as said.
    unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }
}

/// As a login does.
fn set_login() -> i64 {
    // SAFETY: the path ends with a zero.
    let file = unsafe { libc::open(c"/proc/self/loginuid".as_ptr(), libc::O_WRONLY) };
    // SAFETY: four bytes are read from here.
    unsafe { libc::syscall(libc::SYS_write, file, c"1002".as_ptr(), 4) }
}

/// `struct __user_cap_header_struct` of capset(2), in its third version.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`, for the first 32 capabilities and for the others.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Capabilities {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn drop_capability(set: fn(&mut Capabilities) -> &mut u32) -> i64 {
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    let mut data = [Capabilities::default(); 2];
    // SAFETY: the kernel reads the one and writes the other, which are laid out as it wants them.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) } < 0 {
        return -1;
    }
    if let Some(first) = data.first_mut() {
        *set(first) &= !(1 << CAPABILITY);
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) }
}
