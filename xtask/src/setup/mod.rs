//! `cargo xtask setup`: what the project needs from the machine, found or installed.
//!
//! Everything is a step that first looks whether it is done. Steps leave nothing half done: see
//! [`crate::cache::entry`].

use std::path::PathBuf;
use std::time::Instant;

use crate::cache;
use crate::options::Kernel;

mod apt;
mod deb;
mod fuzz;
mod image;
mod kernels;
mod linker;
mod packages;
mod tool;

pub(crate) use kernels::KernelFiles;

/// What setup has made, for those who use it.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The directory of bpf-linker.
    pub(crate) linker: PathBuf,
    /// The disk image of the root file system.
    pub(crate) image: PathBuf,
}

/// Does all steps.
pub(crate) fn run() -> anyhow::Result<()> {
    let begun = Instant::now();
    ready()?;
    for kernel in Kernel::ALL {
        kernels::find(kernel)?;
    }
    println!("setup: everything is there ({:.1} s)", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Does the steps that every build and every boot needs.
pub(crate) fn ready() -> anyhow::Result<Ready> {
    packages::install()?;
    Ok(Ready { linker: linker::find()?, image: image::find()? })
}

/// Finds the files of one kernel.
pub(crate) fn kernel(kernel: Kernel) -> anyhow::Result<KernelFiles> {
    kernels::find(kernel)
}

/// Finds cargo-deb, or builds it. Only those who make a package wait for it.
pub(crate) fn cargo_deb() -> anyhow::Result<PathBuf> {
    packages::install()?;
    deb::find()
}

/// Finds cargo-fuzz, or builds it. Only those who fuzz wait for it.
pub(crate) fn cargo_fuzz() -> anyhow::Result<PathBuf> {
    packages::install()?;
    fuzz::find()
}

/// Says what is about to happen, does it, and says how long it took.
fn step<T>(what: &str, does: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    // Not to standard output, which in `vm run` belongs to the files.
    eprintln!("setup: {what}");
    let begun = Instant::now();
    let result = does()?;
    eprintln!("setup: done in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(result)
}

/// Makes the directory of logs and returns the path of one.
fn log(name: &str) -> anyhow::Result<PathBuf> {
    let directory = cache::root()?.join("logs");
    cache::create_dir(&directory)?;
    let path = directory.join(format!("{name}.log"));
    cache::discard(&path);
    Ok(path)
}
