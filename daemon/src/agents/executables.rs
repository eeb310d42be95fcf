//! Executables that make agents: by inode, and by directory and name, so that an upgrade changes nothing.

use std::{
    fs,
    os::{
        fd::AsFd as _,
        unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use holdpoint_abi::{FileKey, NAME_LENGTH, Name, Place};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use crate::observe::key_of;

/// What a path means now.
#[derive(Debug)]
pub(super) struct Executable {
    /// The file, where there is one.
    pub(super) file: Option<FileKey>,
    /// Where files that are called so would be: at the path, and where it leads to if it is a link.
    pub(super) places: Vec<Place>,
}

pub(super) fn find(path: &Path) -> Result<Executable, String> {
    let target = path.canonicalize().ok();
    let mut places = Vec::new();
    for path in [Some(path), target.as_deref()].into_iter().flatten() {
        let place = place(path)?;
        // A directory that is not there yet cannot be told from others.
        places.extend(place.filter(|place| !places.contains(place)));
    }
    let file = target.filter(|target| {
        target.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    });
    Ok(Executable { file: file.and_then(|file| key(&file, "/proc/self/mountinfo")), places })
}

/// The processes that execute one of these files now, each with the index of the file.
pub(crate) fn running(files: &[FileKey]) -> Vec<(u32, usize)> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let key = key(&directory.join("exe"), &directory.join("mountinfo").to_string_lossy())?;
        Some((pid, files.iter().position(|file| *file == key)?))
    })
    .collect()
}

fn place(path: &Path) -> Result<Option<Place>, String> {
    let name = path.file_name().map(|name| name.as_bytes()).unwrap_or_default();
    let mut padded: Name = [0; NAME_LENGTH];
    // The last byte stays zero.
    let Some(room) = padded.get_mut(..name.len()).filter(|_| name.len() < NAME_LENGTH) else {
        return Err(format!("its name has more than {} bytes", NAME_LENGTH - 1));
    };
    room.copy_from_slice(name);
    let directory = path.parent().and_then(|directory| directory.canonicalize().ok());
    let directory = directory.and_then(|directory| key(&directory, "/proc/self/mountinfo"));
    Ok(directory.map(|directory| Place { directory, name: padded }))
}

fn key(path: &Path, mounts: &str) -> Option<FileKey> {
    let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    key_of(file.as_fd(), mounts).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_known_by_both_of_its_places_and_by_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&file, "#!/bin/sh\n").unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(find(&link).unwrap().file, None, "it is no executable yet");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let found = find(&link).unwrap();
        assert_eq!(found.file, key(&file, "/proc/self/mountinfo"));
        let names: Vec<&[u8]> = found.places.iter().map(|place| &place.name[..5]).collect();
        assert_eq!(names, [&b"link\0"[..], b"real\0"]);
        let nowhere = find(Path::new("/nowhere/at/all")).unwrap();
        assert_eq!((nowhere.file, nowhere.places.len()), (None, 0));
        assert!(find(&directory.path().join("x".repeat(64))).is_err());
    }

    #[test]
    fn what_runs_is_found_by_its_file() {
        let own = key(Path::new("/proc/self/exe"), "/proc/self/mountinfo").unwrap();
        let found = running(&[FileKey::default(), own]);
        assert!(found.contains(&(std::process::id(), 1)), "{found:?}");
    }
}
