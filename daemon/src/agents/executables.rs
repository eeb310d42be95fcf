//! Executables that make agents: by inode, and by directory and name, so that an upgrade changes nothing.

use std::{
    fs,
    os::{
        fd::AsFd as _,
        unix::{
            ffi::OsStrExt as _,
            fs::{MetadataExt as _, PermissionsExt as _},
        },
    },
    path::{Path, PathBuf},
};

use holdpoint_abi::{FileKey, NAME_LENGTH, Name, Place};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use crate::observe::{inode_of, key_of, process};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// What a path means now.
#[derive(Debug)]
pub(super) struct Executable {
    /// The file, where there is one.
    pub(super) file: Option<FileKey>,
    /// Where files that are called so would be: at the path, and where it leads to if it is a link.
    pub(super) places: Vec<Place>,
}

pub(super) fn find(path: &Path) -> Result<Executable, String> {
    find_among(path, roots_alone)
}

/// The processes that execute one of these files now, each with when it was started and the index of the file.
pub(crate) fn running(files: &[FileKey]) -> Vec<(u32, u64, usize)> {
    // One look at the inode's number tells most processes apart; a mount table can be as long as its owner likes.
    let is_one = |ino: u64| files.iter().any(|file| file.ino == ino);
    let pids = if files.is_empty() { Vec::new() } else { process::all() };
    pids.into_iter()
        .filter_map(|pid| {
            let stat = process::stat(pid)?;
            let directory = PathBuf::from(format!("/proc/{pid}"));
            let file = open(&directory.join("exe"), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
            inode_of(file.as_fd()).ok().filter(|ino| is_one(*ino))?;
            let key = key_of(file.as_fd(), &directory.join("mountinfo").to_string_lossy()).ok()?;
            Some((pid, stat.start_ticks, files.iter().position(|file| *file == key)?))
        })
        .collect()
}

fn find_among(path: &Path, is_safe: fn(&Path) -> Result<(), String>) -> Result<Executable, String> {
    let hops = hops(path, is_safe)?;
    let mut places = Vec::new();
    for path in &hops {
        let place = place(path)?;
        // A directory that is not there yet cannot be told from others.
        places.extend(place.filter(|place| !places.contains(place)));
    }
    let file = hops.last().filter(|target| {
        target.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    });
    Ok(Executable { file: file.and_then(|file| key(file, "/proc/self/mountinfo")), places })
}

/// The path, and where it leads to if it is a link, and so on.
///
/// Nobody but root may be able to change any of it: who can put a link to systemd there could make the whole host an
/// agent, and who can put another file there could run his agent as none.
fn hops(path: &Path, is_safe: fn(&Path) -> Result<(), String>) -> Result<Vec<PathBuf>, String> {
    let mut hops = vec![path.to_owned()];
    loop {
        let Some(last) = hops.last().filter(|_| hops.len() <= MAX_LINKS) else {
            return Err("it leads from link to link without end".to_owned());
        };
        // A directory that is not there now is looked at once it is.
        let directory = last.parent().unwrap_or(Path::new("/")).canonicalize();
        let Ok(directory) = directory else { return Ok(hops) };
        let last = directory.join(last.file_name().unwrap_or_default());
        directory.ancestors().try_for_each(is_safe)?;
        let Ok(found) = last.symlink_metadata() else { return Ok(hops) };
        if !found.is_symlink() {
            is_safe(&last)?;
            return Ok(hops);
        }
        let target = fs::read_link(&last).map_err(|cause| format!("cannot follow the link: {cause}"))?;
        hops.push(directory.join(target));
    }
}

fn roots_alone(path: &Path) -> Result<(), String> {
    let found = path.metadata().map_err(|cause| format!("cannot look at '{}': {cause}", path.display()))?;
    let problem = if found.uid() != 0 {
        format!("belongs to uid {}", found.uid())
    } else if found.mode() & 0o022 != 0 {
        format!("can be written by others (mode {:04o})", found.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(format!(
        "'{}' {problem}, who could so decide what is an agent's; declare a user or a unit instead",
        path.display()
    ))
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
        let find = |path: &Path| find_among(path, |_| Ok(()));
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
    fn what_others_can_change_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("claude");
        symlink("/usr/bin/env", &link).unwrap();
        assert!(find(Path::new("/usr/bin/env")).unwrap().file.is_some());
        // Everybody may write to /tmp, whoever owns what is in it.
        let why = find(&link).unwrap_err();
        assert!(why.contains("who could so decide what is an agent's"), "{why}");
    }

    #[test]
    fn what_runs_is_found_by_its_file() {
        let own = key(Path::new("/proc/self/exe"), "/proc/self/mountinfo").unwrap();
        let found = running(&[FileKey::default(), own]);
        assert!(found.iter().any(|(pid, _, index)| (*pid, *index) == (std::process::id(), 1)), "{found:?}");
    }
}
