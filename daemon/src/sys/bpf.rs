//! Commands of bpf(2) that aya 0.14 does not have: task storage from user space, and pins of whatever kind.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use holdpoint_abi::TaskState;

/// `BPF_MAP_LOOKUP_ELEM` (<https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/bpf.h>).
const MAP_LOOKUP_ELEM: libc::c_long = 1;
/// `BPF_MAP_UPDATE_ELEM`, in the same file.
const MAP_UPDATE_ELEM: libc::c_long = 2;
/// `BPF_OBJ_PIN`, in the same file.
const OBJ_PIN: libc::c_long = 6;
/// `BPF_OBJ_GET`, in the same file.
const OBJ_GET: libc::c_long = 7;
/// `BPF_NOEXIST`, in the same file.
const NOEXIST: u64 = 1;
/// `BPF_EXIST`, in the same file.
const EXIST: u64 = 2;

/// What to do about a state that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Leave it as it is.
    Refuse,
    /// Put the new one in its place.
    Replace,
}

/// The part of `union bpf_attr` for commands on map elements.
#[repr(C)]
struct ElementAttr {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The part of `union bpf_attr` for pins.
#[repr(C)]
struct PinAttr {
    path: u64,
    fd: u32,
    flags: u32,
}

/// Opens what is pinned at the path: a map or a link.
///
/// # Errors
/// Those of open(2); `EPERM` without the right to use bpf(2).
pub(crate) fn open_pinned(path: &Path) -> io::Result<OwnedFd> {
    let fd = pin_command(OBJ_GET, path, 0)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Pins a map or a link at the path, where nothing is yet.
///
/// # Errors
/// Those of mknod(2); `EPERM` where the path does not lie in a bpffs.
pub(crate) fn pin(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let fd = u32::try_from(fd.as_raw_fd()).map_err(io::Error::other)?;
    pin_command(OBJ_PIN, path, fd).map(|_| ())
}

fn pin_command(command: libc::c_long, path: &Path, fd: u32) -> io::Result<libc::c_long> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attr = PinAttr { path: path.as_ptr() as u64, fd, flags: 0 };
    // SAFETY: bpf(2) reads `attr` for its size, and a path that ends with a zero byte. Both live until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const attr, size_of::<PinAttr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Reads the state of the process that the pidfd names: of its leader, where it has threads.
///
/// # Errors
/// `NotFound` where the process has none, or has ended.
pub(crate) fn task_state(map: BorrowedFd<'_>, pidfd: BorrowedFd<'_>) -> io::Result<TaskState> {
    let mut state = TaskState::default();
    let key = pidfd.as_raw_fd();
    element(MAP_LOOKUP_ELEM, map, &raw const key, &raw mut state, 0)?;
    Ok(state)
}

/// Gives the process that the pidfd names its state.
///
/// # Errors
/// `AlreadyExists` where it has one and is to keep it; `NotFound` where the process has ended, or has none to replace.
pub(crate) fn tag_task(
    map: BorrowedFd<'_>,
    pidfd: BorrowedFd<'_>,
    state: TaskState,
    existing: Existing,
) -> io::Result<()> {
    let flags = match existing {
        Existing::Refuse => NOEXIST,
        Existing::Replace => EXIST,
    };
    let mut state = state;
    let key = pidfd.as_raw_fd();
    element(MAP_UPDATE_ELEM, map, &raw const key, &raw mut state, flags)
}

fn element(
    command: libc::c_long,
    map: BorrowedFd<'_>,
    key: *const i32,
    value: *mut TaskState,
    flags: u64,
) -> io::Result<()> {
    let attr = ElementAttr {
        map_fd: u32::try_from(map.as_raw_fd()).unwrap_or(u32::MAX),
        pad: 0,
        key: key as u64,
        value: value as u64,
        flags,
    };
    // SAFETY: bpf(2) reads `attr` for its size, reads a 4-byte key, and reads or writes one value. The map is
    // the `tasks` map, whose value is a `TaskState`: the loader checked its value size before it opened it.
    // All three live until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const attr, size_of::<ElementAttr>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
