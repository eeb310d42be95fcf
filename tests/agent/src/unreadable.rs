//! An argument that the kernel can read and nobody else.

use std::{ffi::CString, process::ExitCode, ptr};

use anyhow::Context as _;
use nix::unistd::getppid;

use crate::{
    faults::{Faults, helper, map_page, one_character, take_away},
    refused,
};

/// The page is there when the kernel copies the arguments and gone when anybody else looks: userfaultfd hands the
/// faults to a helper, which serves those of the calling thread alone. The kernel copies the last argument first: when it
/// asks for the one before, the last is copied, and its page is taken away.
pub(crate) fn unreadable_argument(arguments: &[CString]) -> anyhow::Result<ExitCode> {
    let path = arguments.first().context("no program")?;
    let (page, before) = (map_page()?, map_page()?);
    let faults = Faults::of(&[page, before])?;
    let me = nix::unistd::gettid().as_raw();
    let plan = Box::leak(Box::new(Plan { faults, page, before, of: u32::try_from(me)? }));
    helper(serve, ptr::from_mut(plan).cast())?;
    let list = [path.as_ptr(), before.cast_const().cast(), page.cast_const().cast(), ptr::null()];
    // SAFETY: the path is a string that ends with a zero; so is the page, when the kernel sees it; and the list ends
    // with a null pointer.
    unsafe { libc::execv(path.as_ptr(), list.as_ptr()) };
    Ok(refused(nix::errno::Errno::last()))
}

struct Plan {
    faults: Faults,
    page: *mut u8,
    before: *mut u8,
    of: u32,
}

extern "C" fn serve(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `unreadable_argument` leaks the plan, so it lives as long as the memory.
    let plan = unsafe { &*plan.cast::<Plan>() };
    let content = one_character(b'x');
    let parent = getppid();
    while getppid() == parent {
        // A fault of the daemon's is never answered.
        let Some(fault) = plan.faults.next(50).filter(|fault| fault.thread == plan.of) else { continue };
        if fault.page == plan.before as usize {
            take_away(plan.page);
        }
        plan.faults.serve(&fault, &content);
    }
    0
}
