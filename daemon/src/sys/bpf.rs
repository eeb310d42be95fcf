//! Task storage from user space, for which aya 0.14 has no type: two commands of bpf(2).

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use holdpoint_abi::TaskState;

/// `BPF_MAP_LOOKUP_ELEM` (<https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/bpf.h>).
const MAP_LOOKUP_ELEM: libc::c_long = 1;
/// `BPF_MAP_UPDATE_ELEM`, in the same file.
const MAP_UPDATE_ELEM: libc::c_long = 2;
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
