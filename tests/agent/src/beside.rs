//! An argument in memory whose next page a file backs: who reads whole pages asks the file's server.

use std::{
    ffi::CString,
    fs::File,
    num::NonZeroUsize,
    process::ExitCode,
    ptr::{self, NonNull},
};

use anyhow::Context as _;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous};

use crate::refused;

const PAGE: usize = 4096;
/// As far before the file's page as the kernel does not look beyond the end of a string.
const BEFORE: usize = 64;

/// Becomes the program, with one argument that ends just before a page of the file.
pub(crate) fn argument(file: &str, command: &[CString]) -> anyhow::Result<ExitCode> {
    let path = command.first().context("no program")?;
    let file = File::open(file).with_context(|| format!("open {file}"))?;
    let two = NonZeroUsize::new(2 * PAGE).context("two pages")?;
    let one = NonZeroUsize::new(PAGE).context("one page")?;
    let (rights, private) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE);
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that is there.
    let pages = unsafe { mmap_anonymous(None, two, rights, private) }.context("map two pages")?;
    let second = NonZeroUsize::new(pages.as_ptr() as usize + PAGE);
    // SAFETY: the mapping takes the place of the second page, which was just mapped and which nothing refers to.
    let mapped = unsafe { mmap(second, one, ProtFlags::PROT_READ, private | MapFlags::MAP_FIXED, &file, 0) };
    mapped.context("map the file")?;
    let argument = NonNull::cast::<u8>(pages).as_ptr().wrapping_add(PAGE - BEFORE);
    // SAFETY: the first page is ours, can be written, and is otherwise all zeros, which end the string.
    unsafe { argument.write(b'x') };
    let list = [path.as_ptr(), argument.cast_const().cast(), ptr::null()];
    // SAFETY: the path and the argument are strings that end with a zero, and the list ends with a null pointer.
    unsafe { libc::execv(path.as_ptr(), list.as_ptr()) };
    Ok(refused(nix::errno::Errno::last()))
}
