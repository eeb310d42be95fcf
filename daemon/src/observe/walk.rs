//! The way that a path leads, one component after the other, links followed as the kernel follows them.

use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
};

use holdpoint_core::component::{Component, Kind};
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat, readlinkat},
    sys::{
        stat::{Mode, SFlag, fstat},
        statfs::{PROC_SUPER_MAGIC, fstatfs},
    },
};

use super::identity;
use crate::sys::{attributes, descriptors};

/// As many links as the kernel follows (`MAXSYMLINKS`,
/// <https://github.com/torvalds/linux/blob/v6.1/include/linux/namei.h>).
const MAX_LINKS: usize = 40;
/// Components that are looked at. No way to a program is so long that was not made to be; a longer one is refused.
const MAX_STEPS: usize = 1024;

/// Follows a path from a directory, inside of a root. Each component is given to `look` when it is come to, the directory
/// and the root among them, and the walk ends where that says no. Returns the file at the end.
///
/// # Errors
/// What `look` says, and why the path cannot be followed.
pub(super) fn walk(
    root: &OwnedFd,
    from: &OwnedFd,
    path: &[u8],
    look: &mut impl FnMut(&OwnedFd, &Component) -> Result<(), String>,
) -> Result<OwnedFd, String> {
    let text = |cause: std::io::Error| cause.to_string();
    // The directories on the way, so that `..` leads back as it came, over mounts as well.
    let mut way = vec![(if path.first() == Some(&b'/') { root } else { from }).try_clone().map_err(text)?];
    let mut rest = reversed(path);
    let (mut links, mut steps) = (0, 0);
    look(top(&way)?, &component(top(&way)?)?)?;
    while let Some(name) = rest.pop() {
        steps += 1;
        if steps > MAX_STEPS {
            return Err(format!("it leads through more than {MAX_STEPS} components"));
        }
        if name == b".." {
            up(&mut way, root, look)?;
            continue;
        }
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let next = openat(top(&way)?, OsStr::from_bytes(&name), flags, Mode::empty()).map_err(told)?;
        let found = component(&next)?;
        look(&next, &found)?;
        match found.kind {
            Kind::Directory => way.push(next),
            Kind::File if rest.is_empty() => return Ok(next),
            Kind::File => return Err(told(Errno::ENOTDIR)),
            Kind::Link => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(told(Errno::ELOOP));
                }
                // What such a link leads to is another thing for everyone who follows it, and its text does not tell.
                if fstatfs(&next).map_err(told)?.filesystem_type() == PROC_SUPER_MAGIC {
                    return Err(
                        "it leads through a link of /proc, which the agent can have lead elsewhere".into()
                    );
                }
                let target = readlinkat(&next, "").map_err(told)?.into_vec();
                if target.first() == Some(&b'/') {
                    way = vec![root.try_clone().map_err(text)?];
                    look(root, &component(root)?)?;
                }
                rest.extend(reversed(&target));
            }
        }
    }
    Err(told(Errno::EISDIR))
}

/// One directory up, but not out of the root.
fn up(
    way: &mut Vec<OwnedFd>,
    root: &OwnedFd,
    look: &mut impl FnMut(&OwnedFd, &Component) -> Result<(), String>,
) -> Result<(), String> {
    if way.len() > 1 {
        way.pop();
        return Ok(());
    }
    let here = top(way)?;
    if place(here)? == place(root)? {
        return Ok(());
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let above = openat(here, "..", flags, Mode::empty()).map_err(told)?;
    look(&above, &component(&above)?)?;
    *way = vec![above];
    Ok(())
}

fn top(way: &[OwnedFd]) -> Result<&OwnedFd, String> {
    way.last().ok_or_else(|| told(Errno::ENOENT))
}

/// What tells a directory from others, and the mount by which it is reached.
fn place(directory: &OwnedFd) -> Result<(u64, u64), String> {
    let of = |read: Result<u64, identity::IdentityError>| read.map_err(|error| error.to_string());
    Ok((of(identity::inode_of(directory.as_fd()))?, of(identity::mount_of(directory.as_fd()))?))
}

fn component(file: &OwnedFd) -> Result<Component, String> {
    let found = fstat(file).map_err(told)?;
    let kind = match SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => Kind::Directory,
        SFlag::S_IFLNK => Kind::Link,
        _ => Kind::File,
    };
    let without_list =
        Component { kind, owner: found.st_uid, group: found.st_gid, mode: found.st_mode, has_list: false };
    // A list that could let somebody write shows in the mode.
    let has_list = !without_list.is_roots_alone()
        && kind != Kind::Link
        && attributes::has_access_list(&descriptors::path_in("fd", file.as_fd()));
    Ok(Component { has_list, ..without_list })
}

/// The names in a path, the first at the end.
fn reversed(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.rev().map(<[u8]>::to_vec).collect()
}

fn told(errno: Errno) -> String {
    errno.desc().to_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::fs::symlink,
        path::Path,
    };

    use super::*;

    fn open(path: &Path) -> OwnedFd {
        File::open(path).unwrap().into()
    }

    /// The names that are come to, and what comes of it.
    fn walked(root: &Path, from: &Path, path: &str) -> (Vec<String>, Result<String, String>) {
        let own = fs::canonicalize(root).unwrap();
        let name = |file: &OwnedFd| {
            let found = fs::read_link(descriptors::path_in("fd", file.as_fd())).unwrap();
            found.strip_prefix(&own).unwrap().to_str().unwrap().to_owned()
        };
        let mut names = Vec::new();
        let mut look = |file: &OwnedFd, _: &Component| {
            names.push(name(file));
            Ok(())
        };
        let end = walk(&open(root), &open(from), path.as_bytes(), &mut look);
        let end = end.map(|file| name(&file));
        (names, end)
    }

    #[test]
    fn each_component_is_come_to_and_links_do_not_lead_out_of_the_root() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("versions/2/bin")).unwrap();
        fs::write(root.join("versions/2/bin/tool"), "").unwrap();
        symlink("/versions/2", root.join("current")).unwrap();
        symlink("../../../../../versions/2/bin/tool", root.join("versions/2/out")).unwrap();
        let (names, end) = walked(root, root, "//current/./bin/tool");
        assert_eq!(end.as_deref(), Ok("versions/2/bin/tool"));
        let expected = ["", "current", "", "versions", "versions/2", "versions/2/bin", "versions/2/bin/tool"];
        assert_eq!(names, expected);
        let (names, end) = walked(root, root, "/current/out");
        assert_eq!(end.as_deref(), Ok("versions/2/bin/tool"));
        assert_eq!(names[..5], ["", "current", "", "versions", "versions/2"]);
        assert_eq!(walked(root, root, "/versions/2").1, Err(told(Errno::EISDIR)));
        assert_eq!(walked(root, root, "/versions/2/bin/tool/x").1, Err(told(Errno::ENOTDIR)));
        assert_eq!(walked(root, root, "/nothing").1, Err(told(Errno::ENOENT)));
    }

    #[test]
    fn a_relative_path_begins_in_the_directory_and_can_lead_up_to_the_root() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/tool"), "").unwrap();
        let (names, end) = walked(root, &root.join("a/b"), "../tool");
        assert_eq!(
            (names, end.as_deref()),
            (["a/b", "a", "a/tool"].map(str::to_owned).to_vec(), Ok("a/tool"))
        );
        assert_eq!(walked(root, &root.join("a/b"), "../../../../a/tool").1.as_deref(), Ok("a/tool"));
    }

    #[test]
    fn a_link_in_a_circle_and_one_of_proc_end_the_walk() {
        let root = tempfile::tempdir().unwrap();
        symlink("circle", root.path().join("circle")).unwrap();
        assert_eq!(walked(root.path(), root.path(), "circle").1, Err(told(Errno::ELOOP)));
        let mut look = |_: &OwnedFd, _: &Component| Ok(());
        let host = open(Path::new("/"));
        let end = walk(&host, &host, b"/proc/self/exe", &mut look);
        assert!(end.unwrap_err().contains("a link of /proc"));
    }

    #[test]
    fn what_says_no_ends_the_walk() {
        let host = open(Path::new("/"));
        let mut look = |_: &OwnedFd, found: &Component| match found.kind {
            Kind::Directory => Ok(()),
            _ => Err("no".to_owned()),
        };
        assert_eq!(walk(&host, &host, b"/etc/hostname", &mut look).unwrap_err(), "no");
    }
}
