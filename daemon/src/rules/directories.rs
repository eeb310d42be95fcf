//! The directories in which a change can make another file a listed one.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::{OsStr, OsString},
    fs,
    path::{Component, Path, PathBuf},
};

use super::silence::Walk;

/// Directories below globs that are watched, of all rules together. In those beyond, a new file is found by the next
/// reload; the reload before says so. The kernel has room for 8,192 watches of one user on the smallest hosts
/// (`fs.inotify.max_user_watches`).
pub(crate) const MAX_WATCHED: usize = 4096;
/// Links that are followed in one path, as the kernel does it.
const MAX_LINKS: usize = 40;

/// Directories, each with the names in it that matter.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    by_path: HashMap<PathBuf, Interest>,
    whole: usize,
}

/// What in a directory matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Entries of these names.
    Names(BTreeSet<OsString>),
    /// Whatever is made there: a glob may match it.
    Everything,
}

impl Directories {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, &Interest)> {
        self.by_path.iter().map(|(path, interest)| (path.as_path(), interest))
    }

    /// A path: each of its components in the directory where it lies, links followed, so that a directory or a link on
    /// the way can be replaced as well. Says where it leads to.
    pub(super) fn path(&mut self, path: &Path, walk: &Walk) -> PathBuf {
        let mut at = PathBuf::from("/");
        let mut rest = reversed(path);
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            // Beyond what does not answer nothing can be watched either.
            if !walk.goes_to(&next) {
                return next;
            }
            self.name(&at, &name);
            at = next;
            if let Ok(target) = fs::read_link(&at)
                && links < MAX_LINKS
            {
                links += 1;
                at = if target.is_absolute() { PathBuf::from("/") } else { parent(&at) };
                rest.extend(reversed(&target));
            }
        }
        at
    }

    /// A name in a directory that is no link.
    pub(crate) fn name(&mut self, directory: &Path, name: &OsStr) {
        self.add(directory.to_owned(), &Interest::Names(BTreeSet::from([name.to_owned()])));
    }

    /// All that is made in a directory. False where there is no room for another one.
    pub(crate) fn whole(&mut self, directory: &Path) -> bool {
        let known = self.by_path.get(directory) == Some(&Interest::Everything);
        if !known && self.whole >= MAX_WATCHED {
            return false;
        }
        self.whole += usize::from(!known);
        self.add(directory.to_owned(), &Interest::Everything);
        true
    }

    fn add(&mut self, directory: PathBuf, interest: &Interest) {
        let known = self.by_path.entry(directory).or_insert_with(|| Interest::Names(BTreeSet::new()));
        known.add(interest);
    }
}

impl Interest {
    /// What either is interested in.
    pub(crate) fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Names(names), Self::Names(more)) => names.extend(more.iter().cloned()),
            _ => *self = Self::Everything,
        }
    }

    /// Whether a change of this entry can matter.
    pub(crate) fn is_in(&self, name: &OsStr) -> bool {
        match self {
            Self::Names(names) => names.contains(name),
            Self::Everything => true,
        }
    }
}

/// The names in a path, the first at the end.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    let mut names: Vec<OsString> = names.collect();
    names.reverse();
    names
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_is_watched_in_every_directory_that_it_leads_through() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("versions/2/bin")).unwrap();
        symlink("versions/2", root.join("current")).unwrap();
        symlink("../../../tool-2", root.join("versions/2/bin/tool")).unwrap();
        let mut directories = Directories::default();
        assert_eq!(directories.path(&root.join("current/bin/tool"), &Walk::default()), root.join("tool-2"));
        let watched = |directory: &str, name: &str| {
            let directory = root.join(directory);
            directories.iter().any(|(path, interest)| path == directory && interest.is_in(OsStr::new(name)))
        };
        let all = [("", "current"), ("", "versions"), ("versions", "2"), ("versions/2/bin", "tool")];
        for (directory, name) in all.into_iter().chain([("", "tool-2")]) {
            assert!(watched(directory.trim_end_matches('/'), name), "{directory} {name}");
        }
        assert!(!watched("", "something-else"));
    }

    #[test]
    fn links_in_a_circle_have_an_end() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        Directories::default().path(&root.path().join("a"), &Walk::default());
    }

    #[test]
    fn globs_have_so_much_room_and_no_more() {
        let mut directories = Directories::default();
        for number in 0..MAX_WATCHED {
            assert!(directories.whole(Path::new(&format!("/{number}"))));
        }
        assert!(!directories.whole(Path::new("/one-more")));
        assert!(directories.whole(Path::new("/7")), "one that is watched already takes no room");
        directories.path(Path::new("/usr/bin/kubectl"), &Walk::default());
        assert!(directories.iter().any(|(path, _)| path == Path::new("/usr")));
    }
}
