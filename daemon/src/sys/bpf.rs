//! Commands of bpf(2) that aya 0.14 does not have: all entries of a map at once, and pins of whatever kind.

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

/// `BPF_MAP_LOOKUP_BATCH` (<https://github.com/torvalds/linux/blob/v6.1/include/uapi/linux/bpf.h>).
const MAP_LOOKUP_BATCH: libc::c_long = 24;
/// `BPF_OBJ_PIN`, in the same file.
const OBJ_PIN: libc::c_long = 6;
/// `BPF_OBJ_GET`, in the same file.
const OBJ_GET: libc::c_long = 7;
/// The part of `union bpf_attr` for many elements of a map.
#[repr(C)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Elements that are read at once: more than a bucket of any of our maps has.
const BATCH: usize = 256;

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

/// All entries of the `tasks` map. One that comes or goes meanwhile may be missed; each other one is there once.
///
/// # Errors
/// Those of bpf(2).
pub(crate) fn tasks(map: BorrowedFd<'_>) -> io::Result<Vec<(u64, TaskState)>> {
    let map_fd = u32::try_from(map.as_raw_fd()).map_err(io::Error::other)?;
    let mut all = Vec::new();
    let mut keys = vec![0_u64; BATCH];
    let mut values = vec![TaskState::default(); BATCH];
    // Where the next call goes on: a number of the kernel's.
    let mut position = None;
    loop {
        let mut next = 0_u32;
        let mut attr = BatchAttr {
            in_batch: position.as_ref().map_or(0, |position| std::ptr::from_ref::<u32>(position) as u64),
            out_batch: &raw mut next as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: u32::try_from(BATCH).unwrap_or(u32::MAX),
            map_fd,
            elem_flags: 0,
            flags: 0,
        };
        // SAFETY: bpf(2) reads and writes `attr` for its size, reads and writes one number each at `in_batch`, where that is
        // not null, and at `out_batch`, and writes no more than `count` keys and values, for which there is room. The map is
        // the `tasks` map, whose keys are 8 bytes and whose values are `TaskState`s: that was compared when it was opened.
        // Any bytes are such a value. All live until the call returns.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, MAP_LOOKUP_BATCH, &raw mut attr, size_of::<BatchAttr>()) };
        let ended = if result < 0 {
            let error = io::Error::last_os_error();
            // The last entries come with this error.
            if error.raw_os_error() != Some(libc::ENOENT) {
                return Err(error);
            }
            true
        } else {
            false
        };
        let came = usize::try_from(attr.count).unwrap_or(BATCH).min(BATCH);
        all.extend(keys.iter().copied().zip(values.iter().copied()).take(came));
        if ended {
            return Ok(all);
        }
        position = Some(next);
    }
}
