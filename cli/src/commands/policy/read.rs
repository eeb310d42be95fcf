//! Reads the files of several directories as if they were one.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use holdpoint_core::{
    diagnostic::Diagnostic,
    escape::for_terminal,
    policy::{self, Policy, SourceFile},
};
use holdpoint_files::FilesError;
use nix::errno::Errno;

use crate::failure::Failure;

/// Reads the files of one directory.
type Reader = fn(&Path) -> Result<Vec<SourceFile>, FilesError>;

/// The files with rules, in the order of their names over all directories.
pub(super) fn rules(directories: &[PathBuf]) -> Result<Vec<SourceFile>, Failure> {
    all(directories, holdpoint_files::rules_in)
}

/// The files with cases.
pub(super) fn cases(directories: &[PathBuf]) -> Result<Vec<SourceFile>, Failure> {
    all(directories, holdpoint_files::cases_in)
}

/// The rules, for what cannot go on without: any error is the end. Warnings are for `check`.
pub(super) fn policy(directories: &[PathBuf]) -> Result<Policy, Failure> {
    match policy::parse(&rules(directories)?) {
        Ok((policy, _)) => Ok(policy),
        Err(errors) => Err(wrong("the rules", &errors)),
    }
}

/// All that is wrong with files.
pub(super) fn wrong(what: &str, errors: &[Diagnostic]) -> Failure {
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::Data(format!("{what} cannot be used\n{}", told.join("\n")))
}

fn all(directories: &[PathBuf], reader: Reader) -> Result<Vec<SourceFile>, Failure> {
    let mut files = Vec::new();
    for directory in directories {
        // The daemon takes a directory that is not there for an empty one. Here it is a slip of the finger.
        fs::read_dir(directory).map_err(|cause| unreadable(directory, &cause))?;
        for file in reader(directory).map_err(failed)? {
            files.push((directory, file));
        }
    }
    files.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    let named = |(directory, file): (&PathBuf, SourceFile)| match directories {
        [_] => file,
        // Two directories may have files of one name: places tell which is meant.
        _ => SourceFile { name: directory.join(&file.name).to_string_lossy().into_owned(), ..file },
    };
    Ok(files.into_iter().map(named).collect())
}

fn unreadable(directory: &Path, cause: &io::Error) -> Failure {
    let shown = for_terminal(OsStr::as_encoded_bytes(directory.as_os_str()));
    let text = format!("cannot read '{shown}': {cause}");
    match cause.kind() {
        io::ErrorKind::PermissionDenied => Failure::NotPermitted(format!("{text}; try it as root")),
        io::ErrorKind::NotADirectory => {
            Failure::Data(format!("{text}; name the directory that the file is in"))
        }
        io::ErrorKind::NotFound => Failure::Data(format!("{text}; name the directory that has the rules")),
        _ => Failure::Data(text),
    }
}

fn failed(error: FilesError) -> Failure {
    match error {
        // The error has the words of the system alone.
        FilesError::Read { ref cause, .. } if *cause == io::Error::from(Errno::EACCES).to_string() => {
            Failure::NotPermitted(format!("{error}; try it as root"))
        }
        FilesError::Read { .. } => Failure::Data(error.to_string()),
        FilesError::Wrong(diagnostic) => wrong("the files", &[*diagnostic]),
    }
}
