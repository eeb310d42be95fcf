//! An argument that the kernel can read and nobody else.

use std::{
    ffi::CString,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
    process::ExitCode,
    ptr,
};

use anyhow::{Context as _, bail};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::getppid,
};

use crate::refused;

const PAGE: usize = 4096;

/// The page is there when the kernel copies the arguments and gone when anybody else looks: userfaultfd hands the
/// faults to a helper, which serves those of the calling thread alone. The kernel copies the last argument first: when it
/// asks for the one before, the last is copied, and its page is taken away.
pub(crate) fn unreadable_argument(arguments: &[CString]) -> anyhow::Result<ExitCode> {
    let path = arguments.first().context("no program")?;
    let (page, before) = (map_page()?, map_page()?);
    let faults = userfaultfd(page, before)?;
    let me = nix::unistd::gettid().as_raw();
    let plan = Box::leak(Box::new(Faults { faults, page, before, of: u32::try_from(me)? }));
    helper(serve, ptr::from_mut(plan).cast())?;
    let list = [path.as_ptr(), before.cast_const().cast(), page.cast_const().cast(), ptr::null()];
    // SAFETY: the path is a string that ends with a zero; so is the page, when the kernel sees it; and the list ends
    // with a null pointer.
    unsafe { libc::execv(path.as_ptr(), list.as_ptr()) };
    Ok(refused(nix::errno::Errno::last()))
}

struct Faults {
    faults: OwnedFd,
    page: *mut u8,
    before: *mut u8,
    of: u32,
}

/// `struct uffd_msg` (linux/userfaultfd.h), as it is for page faults.
#[repr(C)]
struct Fault {
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

fn userfaultfd(page: *mut u8, before: *mut u8) -> anyhow::Result<OwnedFd> {
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
    for page in [page, before] {
        let mode = UFFDIO_REGISTER_MODE_MISSING;
        let mut register = Register { start: page as u64, length: PAGE as u64, mode, ioctls: 0 };
        // SAFETY: the call reads and writes a `struct uffdio_register`, which `register` is laid out as.
        if unsafe { libc::ioctl(faults.as_raw_fd(), UFFDIO_REGISTER, &raw mut register) } != 0 {
            bail!("UFFDIO_REGISTER: {}", std::io::Error::last_os_error());
        }
    }
    Ok(faults)
}

extern "C" fn serve(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `unreadable_argument` leaks the plan, so it lives as long as the memory.
    let plan = unsafe { &*plan.cast::<Faults>() };
    let mut content = [0_u8; PAGE];
    if let Some(first) = content.first_mut() {
        *first = b'x';
    }
    let parent = getppid();
    while getppid() == parent {
        let mut waiting = [PollFd::new(plan.faults.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waiting, PollTimeout::from(50_u8)) != Ok(1) {
            continue;
        }
        let mut fault = Fault { event: 0, reserved: [0; 7], flags: 0, address: 0, thread: 0, padding: 0 };
        // SAFETY: the kernel writes one `struct uffd_msg`, which `fault` is laid out as and has the size of.
        let read =
            unsafe { libc::read(plan.faults.as_raw_fd(), (&raw mut fault).cast(), size_of::<Fault>()) };
        // A fault of the daemon's is never answered.
        if read <= 0 || fault.thread != plan.of {
            continue;
        }
        let asked = fault.address & !(PAGE as u64 - 1);
        if asked == plan.before as u64 {
            // SAFETY: the page is a mapping of our own, and nothing in Rust refers to what is in it.
            unsafe { libc::madvise(plan.page.cast(), PAGE, libc::MADV_DONTNEED) };
        }
        let mut copy =
            Copy { to: asked, from: content.as_ptr() as u64, length: PAGE as u64, mode: 0, copied: 0 };
        // SAFETY: the call reads and writes a `struct uffdio_copy`, which `copy` is laid out as; it copies a page
        // from `content`, which has that size.
        unsafe { libc::ioctl(plan.faults.as_raw_fd(), UFFDIO_COPY, &raw mut copy) };
    }
    0
}

fn map_page() -> anyhow::Result<*mut u8> {
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

/// Starts a process that shares our memory and is not stopped with us.
fn helper(
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
