//! Writes files into a directory: all of them whole, or none, and none over another.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use holdpoint_core::{escape::for_terminal, policy::SourceFile};
use thiserror::Error;

/// Rules are no secret: who may run `holdpoint policy explain` may read them.
const FILE_MODE: u32 = 0o644;

/// What could not be done. Nothing is left of what was.
#[derive(Debug, Error)]
#[error("cannot {operation} '{}': {cause}", for_terminal(.path.as_os_str().as_encoded_bytes()))]
pub(super) struct WriteError {
    operation: &'static str,
    path: PathBuf,
    pub(super) cause: io::Error,
}

/// Writes each file under another name and links it to its own when all are on disk. A link, unlike a rename, is never
/// made over a file that came meanwhile (<https://man7.org/linux/man-pages/man2/link.2.html>, EEXIST). The daemon reads no
/// file whose name begins with a dot.
///
/// # Errors
/// Where one cannot be written. Those that were are removed again.
pub(super) fn all(directory: &Path, files: &[SourceFile]) -> Result<(), WriteError> {
    let mut made = Made::default();
    for file in files {
        let path = directory.join(format!(".{}.new-{}", file.name, std::process::id()));
        whole(&path, file, &mut made.temporary)?;
    }
    for (file, temporary) in files.iter().zip(&made.temporary) {
        let path = directory.join(&file.name);
        fs::hard_link(temporary, &path).map_err(failed("create", &path))?;
        made.files.push(path);
    }
    File::open(directory).and_then(|open| open.sync_all()).map_err(failed("write", directory))?;
    made.files.clear();
    Ok(())
}

/// What to remove in the end. What cannot be removed is left: there is nothing better to do about it.
#[derive(Default)]
struct Made {
    temporary: Vec<PathBuf>,
    /// None where all went well.
    files: Vec<PathBuf>,
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.temporary.iter().chain(&self.files) {
            let _ = fs::remove_file(path);
        }
    }
}

fn whole(path: &Path, file: &SourceFile, made: &mut Vec<PathBuf>) -> Result<(), WriteError> {
    let mut open = OpenOptions::new();
    open.write(true).create_new(true).mode(FILE_MODE);
    let mut open = open.open(path).map_err(failed("create", path))?;
    made.push(path.to_owned());
    // The caller's umask may have taken something away.
    open.set_permissions(Permissions::from_mode(FILE_MODE))
        .and_then(|()| open.write_all(file.text.as_bytes()))
        .and_then(|()| open.sync_all())
        .map_err(failed("write", path))
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> WriteError {
    let path = path.to_owned();
    move |cause| WriteError { operation, path: path.clone(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> SourceFile {
        SourceFile { name: name.to_owned(), text: format!("# {name}\n") }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_written_for_everybody_to_read_and_nothing_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        all(directory.path(), &[file("a.toml"), file("b.toml")]).unwrap();
        assert_eq!(names(directory.path()), ["a.toml", "b.toml"]);
        let path = directory.path().join("b.toml");
        assert_eq!(fs::read_to_string(&path).unwrap(), "# b.toml\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, FILE_MODE);
    }

    #[test]
    fn a_file_that_came_meanwhile_is_left_and_the_others_are_removed_again() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("b.toml"), "mine").unwrap();
        let error = all(directory.path(), &[file("a.toml"), file("b.toml")]).unwrap_err();
        assert_eq!(error.cause.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("b.toml': File exists"), "{error}");
        assert_eq!(names(directory.path()), ["b.toml"]);
        assert_eq!(fs::read_to_string(directory.path().join("b.toml")).unwrap(), "mine");
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = all(&directory.path().join("gone"), &[file("a.toml")]).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot create '") && error.ends_with("No such file or directory (os error 2)")
        );
    }
}
