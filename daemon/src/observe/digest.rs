//! SHA-256 of executables, remembered: kubectl has 40 MB, and an agent calls it often.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use holdpoint_abi::FileKey;
use sha2::{Digest, Sha256};

use crate::{bound::FileVersion, sys::clock};

/// What tells a file's content from an earlier one: nobody but root can set the change time back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Version {
    key: FileKey,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Digests that are remembered. When there are more, all are forgotten, and the next request waits longer.
const REMEMBERED: usize = 512;
/// A file that changed so shortly ago could change again within the same tick of the kernel's clock.
const SETTLED_SECONDS: i64 = 2;
const PIECE: usize = 128 * 1024;
/// A tick of the kernel's clock, at most: two changes within one can look like one.
const TICK: Duration = Duration::from_millis(10);
/// How often to wait for a file that is changed all the while.
const WAITS: u32 = 10;

static DIGESTS: LazyLock<Mutex<HashMap<Version, String>>> = LazyLock::new(Mutex::default);

/// A file's digest, and what tells this content from any later one.
pub(super) struct Digested {
    pub(super) sha256: String,
    pub(super) metadata: Metadata,
    pub(super) version: FileVersion,
}

/// The digest of a file's content, taken at a time at which a later change would show.
///
/// # Errors
/// When the file cannot be read, or goes on being changed.
pub(super) fn settled(file: &File, key: FileKey) -> io::Result<Digested> {
    for _ in 0..WAITS {
        let metadata = file.metadata()?;
        let version = FileVersion::of(&metadata);
        // A change time that lies ahead differs from that of any change to come.
        let age = (clock::wall().0 * 1_000_000).checked_sub(version.changed_at);
        if age.is_some_and(|age| u128::from(age) <= 2 * TICK.as_nanos()) {
            std::thread::sleep(2 * TICK);
            continue;
        }
        let sha256 = sha256(file, key)?;
        if FileVersion::of(&file.metadata()?) == version {
            return Ok(Digested { sha256, metadata, version });
        }
    }
    Err(io::Error::other("it is changed all the while"))
}

/// The digest of a file's content, in lower-case hexadecimal.
///
/// # Errors
/// When the file cannot be read, or changed while it was.
fn sha256(file: &File, key: FileKey) -> io::Result<String> {
    let version = version(&file.metadata()?, key);
    if let Some(known) = DIGESTS.lock().unwrap_or_else(PoisonError::into_inner).get(&version) {
        return Ok(known.clone());
    }
    let digest = compute(file)?;
    if self::version(&file.metadata()?, key) != version {
        return Err(io::Error::other("it changed while it was read"));
    }
    let now = i64::try_from(crate::sys::clock::wall().0 / 1000).unwrap_or_default();
    if now - version.changed.0 > SETTLED_SECONDS {
        let mut digests = DIGESTS.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() >= REMEMBERED {
            digests.clear();
        }
        digests.insert(version, digest.clone());
    }
    Ok(digest)
}

fn version(metadata: &Metadata, key: FileKey) -> Version {
    Version {
        key,
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn compute(mut file: &File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hasher.update(piece.get(..count).unwrap_or_default());
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_has_another_digest() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let digest = |content: &str| {
            std::fs::write(&path, content).unwrap();
            sha256(&File::open(&path).unwrap(), FileKey::default()).unwrap()
        };
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(digest("abd"), digest("abc"));
    }
}
