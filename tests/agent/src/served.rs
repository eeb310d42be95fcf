//! An argument that is another one each time that somebody asks for its page.

use std::{
    ffi::CString,
    fs::File,
    os::unix::fs::FileExt as _,
    process::ExitCode,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::unistd::getppid;

use crate::{
    faults::{Faults, helper, map_page, one_character, take_away},
    refused,
};

/// Becomes the program with an argument of one character, in a page that userfaultfd serves: first with the one value, and
/// then, when it was taken away, with the other. It is taken away so many milliseconds after the exec has begun, or before
/// it where that is zero. Says what one finds who looks into the memory before the exec.
pub(crate) fn argument(milliseconds: u64, path: &CString, values: [u8; 2]) -> anyhow::Result<ExitCode> {
    let page = map_page()?;
    let faults = Faults::of(&[page])?;
    let after = (milliseconds > 0).then(|| Duration::from_millis(milliseconds));
    let plan = &*Box::leak(Box::new(Plan { faults, page, values, after, begins: AtomicBool::new(false) }));
    helper(serve, ptr::from_ref(plan).cast_mut().cast())?;
    // SAFETY: the page is mapped, and the helper serves it.
    unsafe { page.read_volatile() };
    let mut found = [0];
    let memory = File::open("/proc/self/mem").context("open /proc/self/mem")?;
    memory.read_exact_at(&mut found, page as u64).context("look at the argument")?;
    println!("a look finds {}", char::from(found[0]));
    if milliseconds == 0 {
        take_away(page);
    }
    plan.begins.store(true, Ordering::SeqCst);
    let argv = [path.as_ptr(), page.cast_const().cast(), ptr::null()];
    // SAFETY: the path is a string that ends with a zero; so is the page, whoever sees it; and the list ends with a null
    // pointer.
    unsafe { libc::execv(path.as_ptr(), argv.as_ptr()) };
    Ok(refused(nix::errno::Errno::last()))
}

struct Plan {
    faults: Faults,
    page: *mut u8,
    values: [u8; 2],
    /// None where somebody else takes the page away.
    after: Option<Duration>,
    /// Whether the exec begins now.
    begins: AtomicBool,
}

extern "C" fn serve(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `argument` leaks the plan, so it lives as long as the memory.
    let plan = unsafe { &*plan.cast::<Plan>() };
    let [first, then] = plan.values.map(one_character);
    let (mut served, mut begun, mut taken) = (false, None, plan.after.is_none());
    let parent = getppid();
    while getppid() == parent {
        if let Some(fault) = plan.faults.next(if taken { 50 } else { 1 }) {
            plan.faults.serve(&fault, if served { &then } else { &first });
            served = true;
        }
        if begun.is_none() && plan.begins.load(Ordering::SeqCst) {
            begun = Some(Instant::now());
        }
        let is_time = |begun: Instant| plan.after.is_some_and(|after| begun.elapsed() >= after);
        if !taken && begun.is_some_and(is_time) {
            take_away(plan.page);
            taken = true;
        }
    }
    0
}
