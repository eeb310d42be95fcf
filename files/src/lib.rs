//! Reads the files that operators write: whole, bounded, in the order of their names.
//!
//! The daemon and the command line read them by the same functions, so that what one says of them is true of the other.
#![forbid(unsafe_code)]

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use holdpoint_core::{
    diagnostic::Diagnostic,
    policy::{MAX_FILE_BYTES, SourceFile, case},
};
use thiserror::Error;

/// Files in one directory. One more is an error: it is not a directory of rules.
pub const MAX_FILES: usize = 1024;

/// What could not be read.
#[derive(Debug, Error)]
pub enum FilesError {
    /// A file or directory.
    #[error("cannot read '{path}': {cause}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
    /// What is in a file.
    #[error("{0}")]
    Wrong(Box<Diagnostic>),
}

/// The files with rules of a directory. One that is not there has none.
///
/// # Errors
/// Where one cannot be read, is longer than [`MAX_FILE_BYTES`], or is not UTF-8.
pub fn rules_in(directory: &Path) -> Result<Vec<SourceFile>, FilesError> {
    read_all(directory, |name| !name.ends_with(case::SUFFIX))
}

/// The files with cases of a directory.
///
/// # Errors
/// As [`rules_in`].
pub fn cases_in(directory: &Path) -> Result<Vec<SourceFile>, FilesError> {
    read_all(directory, |name| name.ends_with(case::SUFFIX))
}

/// One file, by its last component.
///
/// # Errors
/// As [`rules_in`].
pub fn read(path: &Path) -> Result<SourceFile, FilesError> {
    let bytes = bounded(path).map_err(|cause| failed(path, &cause))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    SourceFile::from_bytes(&name, bytes).map_err(FilesError::Wrong)
}

fn read_all(directory: &Path, is_meant: impl Fn(&str) -> bool) -> Result<Vec<SourceFile>, FilesError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(directory, &cause)),
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|cause| failed(directory, &cause))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Editors leave such files behind for a moment.
        if name.ends_with(".toml") && !name.starts_with('.') && is_meant(&name) {
            paths.push(path);
        }
    }
    if paths.len() > MAX_FILES {
        let cause =
            format!("it has {} files whose names end with .toml, {MAX_FILES} is the limit", paths.len());
        return Err(failed(directory, &io::Error::other(cause)));
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// Not more than is needed to see that it is too long. A pipe or a device could keep the reader for ever.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn failed(path: &Path, cause: &io::Error) -> FilesError {
    let path = holdpoint_core::escape::for_terminal(path.as_os_str().as_encoded_bytes());
    FilesError::Read { path, cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(files: &[SourceFile]) -> Vec<&str> {
        files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn rules_and_cases_are_told_apart_and_sorted() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["20-b.toml", "10-a.toml", "10-a.cases.toml", "README.md", ".10-a.toml", "x.toml~"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(names(&rules_in(directory.path()).unwrap()), ["10-a.toml", "20-b.toml"]);
        assert_eq!(names(&cases_in(directory.path()).unwrap()), ["10-a.cases.toml"]);
        assert!(rules_in(&directory.path().join("gone")).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_cause() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("10.toml");
        let told = || rules_in(directory.path()).unwrap_err().to_string();
        symlink(&path, &path).unwrap();
        assert!(told().contains("10.toml': Too many levels of symbolic links"), "{}", told());
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(told().ends_with("10.toml': it is no regular file"), "{}", told());
        fs::remove_dir(&path).unwrap();
        // A hole: as long as a disk, and nothing on it.
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        assert!(told().contains("more than 1048576 bytes"), "{}", told());
        fs::write(&path, b"# \xff").unwrap();
        assert!(told().contains("10.toml:1:3") && told().contains("not UTF-8"), "{}", told());
    }
}
