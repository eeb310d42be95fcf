//! Ways to exchange what a program begins with, after somebody has seen what it is to begin with.

use std::{
    ffi::{CStr, CString, c_char},
    num::NonZeroUsize,
    process::ExitCode,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering},
};

use anyhow::{Context as _, bail};
use nix::{
    errno::Errno,
    sched::sched_yield,
    sys::{
        mman::{MapFlags, ProtFlags, mmap_anonymous},
        prctl,
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    },
    unistd::{ForkResult, fork, getpid, getppid},
};

use crate::refused;

/// The byte that the handler exchanges, and what it puts there.
static PLACE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static BYTE: AtomicU8 = AtomicU8::new(0);
/// The environment's first pointer, which the handler moves to the end of the arguments.
static VARIABLE: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());
static BEHIND: AtomicPtr<*const c_char> = AtomicPtr::new(ptr::null_mut());

/// How much a process that writes all the while steps back behind those that have something to do.
pub(crate) const NICE: i32 = 10;
/// How often it writes before it lets others run.
const WRITES: usize = 1_000;

extern "C" fn exchange(_signal: libc::c_int) {
    let place = PLACE.load(Ordering::SeqCst);
    if !place.is_null() {
        // SAFETY: it points into a string that lives until the exec.
        unsafe { place.write_volatile(BYTE.load(Ordering::SeqCst)) };
    }
    let (from, to) = (VARIABLE.load(Ordering::SeqCst), BEHIND.load(Ordering::SeqCst));
    if !from.is_null() {
        // SAFETY: it points into an array that lives until the exec.
        let variable = unsafe { from.read_volatile() };
        if variable.is_null() {
            return;
        }
        // SAFETY: as above.
        unsafe { to.write_volatile(variable) };
        // SAFETY: as above.
        unsafe { from.write_volatile(ptr::null()) };
    }
}

/// Becomes the program with one argument and one variable. A handler for SIGCONT, which releases a held exec, exchanges
/// one of them.
pub(crate) fn by_handler(what: &str, path: &CStr, argument: &CStr) -> anyhow::Result<ExitCode> {
    let (mut path, mut first) = (path.to_bytes_with_nul().to_vec(), path.to_bytes_with_nul().to_vec());
    let mut argument = argument.to_bytes_with_nul().to_vec();
    let mut variable = b"HP_EXCHANGED=1\0".to_vec();
    let dot = path.windows(3).position(|three| three == b"/./");
    let mut argv = [first.as_ptr().cast(), argument.as_ptr().cast(), ptr::null(), ptr::null()];
    let mut environment = [variable.as_ptr().cast(), ptr::null()];
    match what {
        "nothing" => {}
        "argument" => arm(argument.as_mut_ptr(), b'9'),
        "first-argument" => arm(first.as_mut_ptr(), b'.'),
        "variable" => arm(variable.get_mut(13).context("a variable")?, b'2'),
        // The same file by another path.
        "path" => {
            let dot = dot.and_then(|slash| path.get_mut(slash + 1));
            arm(dot.context("a path with /./")?, b'/');
        }
        "boundary" => {
            BEHIND.store(argv[2..].as_mut_ptr(), Ordering::SeqCst);
            VARIABLE.store(environment.as_mut_ptr(), Ordering::SeqCst);
        }
        _ => bail!("what is one of: nothing, argument, first-argument, variable, path, boundary"),
    }
    let action = SigAction::new(SigHandler::Handler(exchange), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler writes to what lives until the exec, and nothing else, so it may run at any time.
    unsafe { sigaction(Signal::SIGCONT, &action) }?;
    // SAFETY: strings that end with a zero, and arrays that end with a null pointer.
    unsafe { libc::execve(path.as_ptr().cast(), argv.as_ptr(), environment.as_ptr()) };
    Ok(refused(Errno::last()))
}

fn arm(place: *mut u8, byte: u8) {
    BYTE.store(byte, Ordering::SeqCst);
    PLACE.store(place, Ordering::SeqCst);
}

/// Becomes the program with an argument of one character, which another process that shares the memory changes between
/// two values as fast as it can.
pub(crate) fn by_neighbour(path: &CString, values: [u8; 2]) -> anyhow::Result<ExitCode> {
    let page = NonZeroUsize::new(4096).context("a page")?;
    let (rights, shared) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED);
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that is there.
    let argument = unsafe { mmap_anonymous(None, page, rights, shared) }.context("map a page")?;
    let argument = argument.as_ptr().cast::<u8>();
    // SAFETY: the page is ours and all zeros, which end the string.
    unsafe { argument.write_volatile(values[0]) };
    let parent = getpid();
    // SAFETY: this process has one thread.
    if let ForkResult::Child = unsafe { fork() }.context("fork")? {
        prctl::set_pdeathsig(Signal::SIGKILL).context("end with the parent")?;
        // Others run as well: what counts is that it writes between any two of their looks.
        // SAFETY: the call takes a number.
        unsafe { libc::nice(NICE) };
        let mut in_turn = values;
        while getppid() == parent {
            for value in in_turn.repeat(WRITES / 2) {
                // SAFETY: the page stays mapped in this process.
                unsafe { argument.write_volatile(value) };
            }
            // So that each of the values is what stays there while others run.
            in_turn.reverse();
            sched_yield()?;
        }
        std::process::exit(0);
    }
    // SAFETY: the page stays mapped.
    while unsafe { argument.read_volatile() } == values[0] {
        sched_yield()?;
    }
    let argv = [path.as_ptr(), argument.cast_const().cast(), ptr::null()];
    // SAFETY: strings that end with a zero, and an array that ends with a null pointer.
    unsafe { libc::execv(path.as_ptr(), argv.as_ptr()) };
    Ok(refused(Errno::last()))
}
