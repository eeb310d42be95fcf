//! Ways to read a file, and to change what is around its content.

use std::{
    ffi::CString,
    fs::{self, File},
    io::Read as _,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    process::ExitCode,
    ptr,
};

use anyhow::{Context as _, bail};
use nix::{
    errno::Errno,
    fcntl::{OFlag, RenameFlags, open, renameat2},
    sys::stat::Mode,
};

use crate::{outcome, refused};

/// A descriptor opened with `O_PATH` cannot read; the path that `/proc` has for it opens the file anew.
pub(crate) fn by_path_of_descriptor(path: &str) -> anyhow::Result<ExitCode> {
    let file = open(path, OFlag::O_PATH, Mode::empty())?;
    match File::open(format!("/proc/self/fd/{}", file.as_raw_fd())) {
        Ok(file) => read(file),
        Err(cause) => Ok(refused(Errno::from_raw(cause.raw_os_error().context("an error of the system")?))),
    }
}

/// `struct file_handle` with the largest handle.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    handle: [u8; 128],
}

/// Needs `CAP_DAC_READ_SEARCH`.
pub(crate) fn by_handle(arguments: &[CString]) -> anyhow::Result<ExitCode> {
    let path = arguments.first().context("no file")?;
    let mut handle = Handle { bytes: 128, kind: 0, handle: [0; 128] };
    let mut mount = 0_i32;
    // SAFETY: the path is a string that ends with a zero, the handle is as large as it says, and the mount is a number.
    let named = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            0,
        )
    };
    if named < 0 {
        bail!("cannot get the handle of '{}': {}", path.to_string_lossy(), Errno::last());
    }
    let root = File::open("/")?;
    // SAFETY: the handle is one that the kernel has just written.
    let fd = unsafe {
        libc::syscall(libc::SYS_open_by_handle_at, root.as_raw_fd(), &raw mut handle, libc::O_RDONLY)
    };
    if fd < 0 {
        return Ok(refused(Errno::last()));
    }
    // SAFETY: the descriptor is new, and nobody else's.
    read(unsafe { File::from_raw_fd(i32::try_from(fd)?) })
}

const OFFSET_OF_RING: i64 = 0;
const OFFSET_OF_COMPLETIONS: i64 = 0x800_0000;
const OFFSET_OF_ENTRIES: i64 = 0x1000_0000;
const OPENAT: u8 = 18;
/// `IORING_ENTER_GETEVENTS`.
const WAIT: u32 = 1;

/// One entry of a ring of one, by hand: no library is needed for that (io_uring(7)).
pub(crate) fn by_uring(arguments: &[CString]) -> anyhow::Result<ExitCode> {
    let path = arguments.first().context("no file")?;
    // `struct io_uring_params`: forty bytes, then the offsets in the two rings, forty bytes each.
    let mut parameters = [0_u32; 30];
    // SAFETY: the structure has its 120 bytes.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    if ring < 0 {
        bail!("cannot make a ring: {}", Errno::last());
    }
    // SAFETY: the descriptor is new, and nobody else's.
    let ring = unsafe { OwnedFd::from_raw_fd(i32::try_from(ring)?) };
    let submissions = map(&ring, OFFSET_OF_RING)?;
    let completions = map(&ring, OFFSET_OF_COMPLETIONS)?;
    let entries = map(&ring, OFFSET_OF_ENTRIES)?;
    let (tail, array) = (parameters[11] as usize, parameters[16] as usize);
    let results = parameters[25] as usize;
    // Fields of `struct io_uring_sqe`: what to do, from which directory, which path. Then the entry's number, and that there
    // is one.
    put(entries, 0, OPENAT);
    put(entries, 4, libc::AT_FDCWD);
    put(entries, 16, path.as_ptr());
    put(submissions, array, 0_u32);
    put(submissions, tail, 1_u32);
    // SAFETY: one entry is submitted and waited for; there is no set of signals.
    let entered = unsafe {
        libc::syscall(libc::SYS_io_uring_enter, ring.as_raw_fd(), 1, 1, WAIT, ptr::null::<libc::c_void>(), 0)
    };
    if entered < 0 {
        bail!("cannot enter the ring: {}", Errno::last());
    }
    let first = completions.wrapping_add(results + 8).cast::<i32>();
    // SAFETY: the kernel has written the first completion, of which the result comes after eight bytes.
    let result = unsafe { first.read_volatile() };
    if result < 0 {
        return Ok(refused(Errno::from_raw(-result)));
    }
    // SAFETY: the descriptor is new, and nobody else's.
    read(unsafe { File::from_raw_fd(result) })
}

/// Writes into memory that the kernel reads when it is told to.
fn put<T>(map: *mut u8, offset: usize, value: T) {
    // SAFETY: each map is a page, and the offsets are the kernel's own, or those of a structure of 64 bytes, aligned.
    unsafe { map.wrapping_add(offset).cast::<T>().write_volatile(value) };
}

fn map(ring: &OwnedFd, offset: i64) -> anyhow::Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, at no address in particular.
    let at =
        unsafe { libc::mmap(ptr::null_mut(), 4096, protection, libc::MAP_SHARED, ring.as_raw_fd(), offset) };
    if at == libc::MAP_FAILED {
        bail!("cannot map a ring: {}", Errno::last());
    }
    Ok(at.cast())
}

fn read(mut file: File) -> anyhow::Result<ExitCode> {
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    println!("read {} bytes, it worked", content.len());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn exchange(one: &str, other: &str) -> anyhow::Result<ExitCode> {
    fs::symlink_metadata(one)?;
    let here = nix::fcntl::AT_FDCWD;
    match renameat2(here, one, here, other, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => Ok(outcome(0)),
        Err(errno) => Ok(refused(errno)),
    }
}

pub(crate) fn set_attribute(arguments: &[CString]) -> anyhow::Result<ExitCode> {
    let [path, name] = arguments else { bail!("no file, or no name") };
    // An access list that takes the right to execute from all: version 2, and three entries (acl(5)).
    let list =
        b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x04\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
    let value: &[u8] = if name.to_bytes().starts_with(b"system.") { list } else { b"1" };
    // SAFETY: both strings end with a zero, and the value is as long as it says.
    let result =
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Ok(outcome(result.into()))
}

pub(crate) fn remove_attribute(arguments: &[CString]) -> anyhow::Result<ExitCode> {
    let [path, name] = arguments else { bail!("no file, or no name") };
    // SAFETY: both strings end with a zero.
    Ok(outcome(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }.into()))
}
