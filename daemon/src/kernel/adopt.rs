//! What is pinned in bpffs: it outlives the daemon, so the gate stays shut without it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::programs::loaded_programs;
use holdpoint_abi::ABI_VERSION;

use super::{
    load::{KernelError, programs},
    maps::{Gate, MAPS, check_maps, read_meta},
};

/// The directory in bpffs.
#[derive(Clone)]
pub(crate) struct Pins(PathBuf);

/// The beginning of the names of directories of links. The rest is the beginning of the object's SHA-256.
const LINKS: &str = "links-";

/// What is there when the daemon starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No directory.
    Nothing,
    /// All that this version would load, attached.
    Adoptable,
    /// Programs of another object, attached, whose maps this version can use.
    Replaceable,
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

    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.0.join("maps").join(name)
    }

    /// Where the links of the programs of an object are: those that are in force, or are to replace them.
    pub(super) fn links(&self, object: [u8; 32]) -> PathBuf {
        let [a, b, c, d, e, f, g, h, ..] = object;
        self.0.join(format!("{LINKS}{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h])))
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
                "its records are version {}, ours are {ABI_VERSION}",
                meta.abi_version
            )));
        }
        check_maps(self).map_err(other)?;
        if meta.object != object {
            return Ok(Found::Replaceable);
        }
        let links = self.links(object);
        let missing =
            MAPS.iter().map(|map| self.map(map.name)).chain(programs().map(|(name, _)| links.join(name)));
        match missing.into_iter().find(|path| !path.exists()) {
            // What is there is the gate until what is missing has come.
            Some(_) => Ok(Found::Replaceable),
            None => Ok(Found::Adoptable),
        }
    }

    /// Makes room for the links of an object's programs. What is there stays attached beside it, since it may be the gate:
    /// a set of this very object of which something has gone.
    pub(super) fn prepare(&self, object: [u8; 32]) -> Result<(), KernelError> {
        let (path, aside) = (self.links(object), self.aside(object));
        if path.exists() {
            if aside.exists() {
                // An attempt that did not come to its end, beside what was put aside for it.
                clear(&path)?;
            } else {
                rename(&path, &aside)?;
            }
        }
        fs::create_dir(&path).map_err(|cause| failed("create the directory", &path, &cause))
    }

    /// Detaches what [`Self::prepare`] has made room for, and puts back what was there.
    pub(super) fn give_up(&self, object: [u8; 32]) -> Result<(), KernelError> {
        let (path, aside) = (self.links(object), self.aside(object));
        clear(&path)?;
        if aside.exists() { rename(&aside, &path) } else { Ok(()) }
    }

    fn aside(&self, object: [u8; 32]) -> PathBuf {
        let mut name = self.links(object).into_os_string();
        name.push("-aside");
        name.into()
    }

    /// Detaches the programs of all other objects: those that have been replaced, or never came into force.
    pub(super) fn detach_others(&self, object: [u8; 32]) -> Result<(), KernelError> {
        let own = self.links(object);
        for path in self.all_links()? {
            if path != own {
                clear(&path)?;
            }
        }
        Ok(())
    }

    fn all_links(&self) -> Result<Vec<PathBuf>, KernelError> {
        let entries = fs::read_dir(&self.0).map_err(|cause| failed("read the directory", &self.0, &cause))?;
        let is_links =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(LINKS));
        Ok(entries.flatten().map(|entry| entry.path()).filter(is_links).collect())
    }

    pub(super) fn create(&self) -> Result<(), KernelError> {
        for path in [self.0.clone(), self.0.join("maps")] {
            fs::create_dir(&path).map_err(|cause| failed("create the directory", &path, &cause))?;
        }
        Ok(())
    }

    /// Removes all pins: the kernel detaches and frees what nobody holds.
    pub(super) fn remove(&self) -> Result<(), KernelError> {
        // Links first: as long as a program is attached it must find its maps as they were.
        for directory in self.all_links()?.into_iter().chain([self.0.join("maps")]) {
            clear(&directory)?;
        }
        fs::remove_dir(&self.0).map_err(|cause| failed("remove the directory", &self.0, &cause))
    }
}

/// Removes a directory with all pins in it. One that is not there is as good as empty.
fn clear(directory: &Path) -> Result<(), KernelError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(failed("read the directory", directory, &cause)),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        fs::remove_file(&path).map_err(|cause| failed("unpin", &path, &cause))?;
    }
    fs::remove_dir(directory).map_err(|cause| failed("remove the directory", directory, &cause))
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
    let ours = |name: &str| programs().any(|(program, _)| program.as_bytes().starts_with(name.as_bytes()));
    loaded_programs()
        .flatten()
        .any(|program| program.name_as_str().is_some_and(|name| !name.is_empty() && ours(name)))
}

fn rename(from: &Path, to: &Path) -> Result<(), KernelError> {
    fs::rename(from, to).map_err(|cause| failed("rename the directory", from, &cause))
}

fn failed(operation: &'static str, path: &Path, cause: &io::Error) -> KernelError {
    KernelError::Pin { operation, path: path.to_owned(), cause: cause.to_string() }
}
