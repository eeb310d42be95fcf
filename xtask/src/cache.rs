//! Where things are: the repository, and the cache outside of it.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, bail};

/// The root of the repository.
pub(crate) fn repository() -> anyhow::Result<PathBuf> {
    // Set by cargo for `cargo run`; compiled in for when the binary is started by hand.
    let xtask = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&xtask).parent().map(Path::to_path_buf);
    root.context("find the repository: the directory of xtask has no parent")
}

/// The directory that holds all that setup makes. It may be deleted at any time.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => {
            let home =
                env::var_os("HOME").context("find the cache: neither XDG_CACHE_HOME nor HOME is set")?;
            Path::new(&home).join(".cache")
        }
    };
    if !base.is_absolute() {
        bail!("find the cache: {} is not an absolute path; set XDG_CACHE_HOME to one", base.display());
    }
    Ok(base.join("holdpoint"))
}

/// Makes an entry of the cache, unless it is there: `make` fills a temporary path that is renamed when
/// it is complete, so that what an interrupted run leaves behind is never taken for an entry.
pub(crate) fn entry(path: &Path, make: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let parent = path.parent().context("make a cache entry: it has no directory")?;
    create_dir(parent)?;
    let mut name = path.file_name().context("make a cache entry: it has no name")?.to_os_string();
    name.push(format!(".partial-{}", process::id()));
    let partial = parent.join(name);
    let _lock = lock(parent)?;
    if path.exists() {
        return Ok(());
    }
    let made = make(&partial);
    if let Err(error) = made {
        discard(&partial);
        return Err(error);
    }
    fs::rename(&partial, path).with_context(|| format!("complete the cache entry {}", path.display()))
}

/// Removes leftovers of interrupted runs from a directory of the cache.
pub(crate) fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some((_, pid)) = name.to_str().and_then(|name| name.rsplit_once(".partial-")) else { continue };
        if !Path::new("/proc").join(pid).exists() {
            discard(&entry.path());
        }
    }
}

/// Makes a directory with those above it.
pub(crate) fn create_dir(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("make the directory {}", path.display()))
}

/// Removes a file or a directory, whichever it is, if it is.
pub(crate) fn discard(path: &Path) {
    // What cannot be removed costs disk space and nothing else.
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// A short name for contents: FNV-1a with 64 bits, the same with every compiler.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        // 0xff separates the parts: it does not occur in text.
        for byte in part.iter().chain([&0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

/// Keeps other runs from making entries in the same directory, until it is dropped.
fn lock(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join(".lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(|| format!("open the lock {}", path.display()))?;
    file.lock().with_context(|| format!("wait for the lock {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_fails_leaves_nothing_behind() {
        let directory = env::temp_dir().join(format!("xtask-cache-{}", process::id()));
        let path = directory.join("entry");
        let failed = entry(&path, |partial| {
            fs::write(partial, "half")?;
            bail!("the disk is full")
        });
        assert!(failed.is_err());
        assert!(!path.exists());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing but the lock");
        entry(&path, |partial| Ok(fs::write(partial, "whole")?)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_digest_knows_where_one_part_ends() {
        assert_ne!(digest([&b"ab"[..], b"c"]), digest([&b"a"[..], b"bc"]));
    }
}
