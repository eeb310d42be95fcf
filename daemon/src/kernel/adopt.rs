//! What is pinned in bpffs: it outlives the daemon, so the gate stays shut without it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::programs::loaded_programs;
use holdpoint_abi::ABI_VERSION;

use super::{
    load::{KernelError, PROGRAMS},
    maps::{Gate, MAPS, read_meta},
};

/// The directory in bpffs.
pub(crate) struct Pins(PathBuf);

/// What is there when the daemon starts.
pub(super) enum Found {
    /// No directory.
    Nothing,
    /// All that this version would load, attached.
    Adoptable,
    /// The remains of an attempt that did not come to its end.
    Unfinished,
}

impl Pins {
    /// The place, for a bpffs that is mounted where systemd mounts it.
    pub(crate) fn standard() -> Self {
        Self(PathBuf::from("/sys/fs/bpf/holdpoint"))
    }

    /// Whether anything is pinned.
    pub(crate) fn exist(&self) -> bool {
        self.0.exists()
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.0.join("maps").join(name)
    }

    pub(super) fn link(&self, program: &str) -> PathBuf {
        self.0.join("links").join(program)
    }

    pub(super) fn look(&self, object: [u8; 32]) -> Result<Found, KernelError> {
        if !self.exist() {
            return Ok(Found::Nothing);
        }
        if !self.map("meta").exists() {
            return Ok(Found::Unfinished);
        }
        let meta = read_meta(self)?;
        if meta.attached != 1 {
            return Ok(Found::Unfinished);
        }
        let other = |what: String| KernelError::OtherVersion { pins: self.0.clone(), what };
        if meta.abi_version != ABI_VERSION {
            return Err(other(format!(
                "their records are version {}, ours are {ABI_VERSION}",
                meta.abi_version
            )));
        }
        if meta.object != object {
            return Err(other("their object file has another content than ours".to_owned()));
        }
        let missing =
            MAPS.iter().map(|name| self.map(name)).chain(PROGRAMS.iter().map(|(name, _)| self.link(name)));
        match missing.into_iter().find(|path| !path.exists()) {
            Some(path) => Err(other(format!("'{}' is not there any more", path.display()))),
            None => Ok(Found::Adoptable),
        }
    }

    pub(super) fn create(&self) -> Result<(), KernelError> {
        for path in [self.0.clone(), self.0.join("maps"), self.0.join("links")] {
            fs::create_dir(&path).map_err(|cause| failed("create the directory", &path, &cause))?;
        }
        Ok(())
    }

    /// Removes all pins: the kernel detaches and frees what nobody holds.
    pub(super) fn remove(&self) -> Result<(), KernelError> {
        // Links first: as long as a program is attached it must find its maps as they were.
        for directory in ["links", "maps"].map(|name| self.0.join(name)) {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(failed("read the directory", &directory, &cause)),
            };
            for entry in entries.flatten() {
                let path = entry.path();
                fs::remove_file(&path).map_err(|cause| failed("unpin", &path, &cause))?;
            }
            fs::remove_dir(&directory).map_err(|cause| failed("remove the directory", &directory, &cause))?;
        }
        fs::remove_dir(&self.0).map_err(|cause| failed("remove the directory", &self.0, &cause))
    }
}

/// Takes programs and maps out of the kernel. It lets go of the programs a little later: see [`is_attached`].
///
/// # Errors
/// When something cannot be unpinned.
pub(crate) fn remove(pins: &Pins) -> Result<(), KernelError> {
    pins.remove()
}

/// Opens what is pinned, whichever version pinned it.
///
/// # Errors
/// When the maps are not there, or not such as ours.
pub(crate) fn adopt(pins: &Pins) -> Result<Gate, KernelError> {
    Gate::open(pins)
}

/// Whether the kernel has any of our programs. Unpinning a link frees it from deferred work.
pub(crate) fn is_attached() -> bool {
    let ours =
        |name: &str| PROGRAMS.iter().any(|(program, _)| program.as_bytes().starts_with(name.as_bytes()));
    loaded_programs()
        .flatten()
        .any(|program| program.name_as_str().is_some_and(|name| !name.is_empty() && ours(name)))
}

fn failed(operation: &'static str, path: &Path, cause: &io::Error) -> KernelError {
    KernelError::Pin { operation, path: path.to_owned(), cause: cause.to_string() }
}
