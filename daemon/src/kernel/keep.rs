//! What is pinned, held open as well: when the pins go, the gate stays shut as long as the daemon lives.
//!
//! The kernel detaches a program when nothing refers to its link any more. A pin is one reference, and goes with the
//! bpffs that it lies in; an open descriptor is another.

use std::{fs, io, os::fd::AsFd as _, os::fd::OwnedFd, path::PathBuf};

use nix::sys::statfs::statfs;

use super::{
    adopt::Pins,
    load::{KernelError, programs},
    maps::MAPS,
};
use crate::{preflight::BPF_FS_MAGIC, sys::bpf};

/// Maps and links, each with the place where it is pinned.
#[derive(Default)]
pub(crate) struct Kept(Vec<(PathBuf, OwnedFd)>);

impl Kept {
    /// Opens all that is pinned for the object in force.
    pub(super) fn open(pins: &Pins, object: [u8; 32]) -> Result<Self, KernelError> {
        let links = pins.links(object);
        // In the order in which they are pinned again. A daemon that dies on the way leaves what the next one takes for
        // remains while there is no `meta`, and after that for programs that are to be replaced, with the maps kept.
        let maps = MAPS.iter().map(|map| map.name).filter(|name| *name != "meta").chain(["meta"]);
        let paths = maps.map(|name| pins.map(name)).chain(programs().map(|(program, _)| links.join(program)));
        let open = |path: PathBuf| match bpf::open_pinned(&path) {
            Ok(fd) => Ok((path, fd)),
            Err(cause) => Err(failed("open the pin", path, &cause)),
        };
        paths.map(open).collect::<Result<_, _>>().map(Self)
    }

    /// The first pin that is not there any more.
    pub(crate) fn missing(&self) -> Option<&PathBuf> {
        self.0.iter().map(|(path, _)| path).find(|path| !path.exists())
    }

    /// Pins what is not pinned any more.
    ///
    /// # Errors
    /// When no bpffs is mounted, or it cannot be written.
    pub(crate) fn pin_again(&self) -> Result<(), KernelError> {
        for (path, fd) in self.0.iter().filter(|(path, _)| !path.exists()) {
            let Some(directory) = path.parent() else { continue };
            let mounted = directory.ancestors().find(|ancestor| ancestor.exists());
            if !mounted
                .is_some_and(|place| statfs(place).is_ok_and(|it| it.filesystem_type().0 == BPF_FS_MAGIC))
            {
                let cause = io::Error::other("no bpffs is mounted there");
                return Err(failed("pin again", path.clone(), &cause));
            }
            fs::create_dir_all(directory)
                .map_err(|cause| failed("create the directory", directory.to_owned(), &cause))?;
            bpf::pin(fd.as_fd(), path).map_err(|cause| failed("pin again", path.clone(), &cause))?;
        }
        Ok(())
    }
}

fn failed(operation: &'static str, path: PathBuf, cause: &io::Error) -> KernelError {
    KernelError::Pin { operation, path, cause: cause.to_string() }
}
