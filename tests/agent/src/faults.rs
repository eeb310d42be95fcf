//! Memory whose pages a helper serves when somebody asks for them: userfaultfd(2).
//!
//! That faults of the kernel's are served needs root, where `vm.unprivileged_userfaultfd` is zero, as it is by default.

use std::{
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

use anyhow::{Context as _, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub(crate) const PAGE: usize = 4096;

/// The pages, and who asks for them.
pub(crate) struct Faults(OwnedFd);

/// Somebody's wish for a page.
pub(crate) struct Fault {
    pub(crate) page: usize,
    /// The thread that waits for it.
    pub(crate) thread: u32,
}

/// `struct uffd_msg` (linux/userfaultfd.h), as it is for page faults.
#[repr(C)]
struct Message {
    event: u8,
    reserved: [u8; 7],
    flags: u64,
    address: u64,
    thread: u32,
    padding: u32,
}

/// `struct uffdio_copy`.
#[repr(C)]
struct Copy {
    to: u64,
    from: u64,
    length: u64,
    mode: u64,
    copied: i64,
}

/// `struct uffdio_api`.
#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_register`.
#[repr(C)]
struct Register {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
const UFFDIO_COPY: libc::c_ulong = 0xc028_aa03;
const UFFD_API: u64 = 0xaa;
const UFFD_FEATURE_THREAD_ID: u64 = 1 << 8;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;

impl Faults {
    /// From now on these pages are served.
    pub(crate) fn of(pages: &[*mut u8]) -> anyhow::Result<Self> {
        // One that blocks cannot be polled.
        // SAFETY: the call takes flags and no pointer.
        let number = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) };
        let number = i32::try_from(number).ok().filter(|number| *number >= 0);
        let number = number.with_context(|| format!("userfaultfd: {}", std::io::Error::last_os_error()))?;
        // SAFETY: the kernel has just given us this descriptor, and nobody else has it.
        let faults = unsafe { OwnedFd::from_raw_fd(number) };
        let mut api = Api { api: UFFD_API, features: UFFD_FEATURE_THREAD_ID, ioctls: 0 };
        // SAFETY: the call reads and writes a `struct uffdio_api`, which `api` is laid out as.
        if unsafe { libc::ioctl(faults.as_raw_fd(), UFFDIO_API, &raw mut api) } != 0 {
            bail!("UFFDIO_API: {}", std::io::Error::last_os_error());
        }
        for page in pages {
            let mode = UFFDIO_REGISTER_MODE_MISSING;
            let mut register = Register { start: *page as u64, length: PAGE as u64, mode, ioctls: 0 };
            // SAFETY: the call reads and writes a `struct uffdio_register`, which `register` is laid out as.
            if unsafe { libc::ioctl(faults.as_raw_fd(), UFFDIO_REGISTER, &raw mut register) } != 0 {
                bail!("UFFDIO_REGISTER: {}", std::io::Error::last_os_error());
            }
        }
        Ok(Self(faults))
    }

    /// Waits so many milliseconds for a fault.
    pub(crate) fn next(&self, milliseconds: u8) -> Option<Fault> {
        let mut waiting = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waiting, PollTimeout::from(milliseconds)) != Ok(1) {
            return None;
        }
        let mut message = Message { event: 0, reserved: [0; 7], flags: 0, address: 0, thread: 0, padding: 0 };
        // SAFETY: the kernel writes one `struct uffd_msg`, which `message` is laid out as and has the size of.
        let read = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut message).cast(), size_of::<Message>()) };
        let page = usize::try_from(message.address).ok()? & !(PAGE - 1);
        (read > 0).then_some(Fault { page, thread: message.thread })
    }

    /// Gives the page to all who wait for it.
    pub(crate) fn serve(&self, fault: &Fault, content: &[u8; PAGE]) {
        let (to, from) = (fault.page as u64, content.as_ptr() as u64);
        let mut copy = Copy { to, from, length: PAGE as u64, mode: 0, copied: 0 };
        // SAFETY: the call reads and writes a `struct uffdio_copy`, which `copy` is laid out as; it copies a page from
        // `content`, which has that size.
        unsafe { libc::ioctl(self.0.as_raw_fd(), UFFDIO_COPY, &raw mut copy) };
    }
}

/// A page of zeros but for its first byte: a string of one character.
pub(crate) fn one_character(character: u8) -> [u8; PAGE] {
    let mut content = [0; PAGE];
    if let Some(first) = content.first_mut() {
        *first = character;
    }
    content
}

/// Maps a page that is not there yet.
pub(crate) fn map_page() -> anyhow::Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that is there.
    let page = unsafe {
        libc::mmap(ptr::null_mut(), PAGE, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    if page == libc::MAP_FAILED {
        bail!("mmap: {}", std::io::Error::last_os_error());
    }
    Ok(page.cast())
}

/// Takes a page of [`map_page`] away: whoever comes next has to ask for it.
pub(crate) fn take_away(page: *mut u8) {
    // SAFETY: the page is a mapping of our own, and nothing in Rust refers to what is in it.
    unsafe { libc::madvise(page.cast(), PAGE, libc::MADV_DONTNEED) };
}

/// Starts a process that shares our memory and is not stopped with us.
pub(crate) fn helper(
    run: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    plan: *mut libc::c_void,
) -> anyhow::Result<()> {
    let stack = Box::leak(vec![0_u128; 64 * 1024].into_boxed_slice());
    // SAFETY: the end of the stack that was just made, aligned as the ABI asks for.
    let top = unsafe { stack.as_mut_ptr().add(stack.len()) };
    // SAFETY: stack and plan are leaked, so they live as long as the memory that both processes share.
    let pid = unsafe { libc::clone(run, top.cast(), libc::CLONE_VM | libc::SIGCHLD, plan) };
    if pid < 0 {
        bail!("clone: {}", std::io::Error::last_os_error());
    }
    Ok(())
}
