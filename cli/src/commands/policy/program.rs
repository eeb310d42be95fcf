//! Finds the file of a command as execvp(3) would, and what rules may look at in it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use holdpoint_core::policy::{Exec, Owner, Policy};
use serde::Serialize;

/// Where execvp(3) looks without a PATH (`_CS_PATH` of the GNU library).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What the kernel reads of a script's first line (`BINPRM_BUF_SIZE`).
const FIRST_LINE: u64 = 256;

/// As deep as the kernel follows interpreters of interpreters.
const MAX_INTERPRETERS: usize = 5;

/// The file of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// The file, links followed; none where there is none on this host.
    pub(crate) file: Option<PathBuf>,
    /// The names by which rules may mean it: as it was called, and its own.
    pub(crate) names: Vec<Vec<u8>>,
    /// The paths.
    pub(crate) paths: Vec<Vec<u8>>,
    /// Whose it is.
    pub(crate) owner: Option<Owner>,
}

/// What the kernel runs in the place of a script.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Interpreter {
    /// As the script's first line has it.
    pub(crate) path: String,
    /// Whether a rule is about it.
    pub(crate) listed: bool,
}

impl Program {
    /// Looks for it. What is relative is so to `cwd`.
    pub(super) fn find(called: &OsStr, cwd: &Path, path: &[PathBuf]) -> Self {
        let is_path = called.as_bytes().contains(&b'/');
        let found = if is_path {
            Some(cwd.join(called)).filter(|file| file.is_file())
        } else {
            path.iter().map(|directory| cwd.join(directory).join(called)).find(|file| can_run(file))
        };
        let mut program = Self { names: vec![last_component(called)], ..Self::default() };
        match found.and_then(|file| Some((fs::canonicalize(&file).ok()?, fs::metadata(&file).ok()?))) {
            Some((file, metadata)) => {
                program.names.push(last_component(file.as_os_str()));
                program.paths.push(file.as_os_str().as_bytes().to_vec());
                program.owner = Some(Owner::of(metadata.uid(), metadata.mode()));
                program.file = Some(file);
            }
            // A path can be listed before there is a file.
            None if is_path => program.paths.push(cwd.join(called).into_os_string().as_bytes().to_vec()),
            None => {}
        }
        program.names.retain(|name| !name.is_empty());
        program.names.dedup();
        program
    }

    /// The interpreters, where it is a script: the kernel looks at each of them as well.
    pub(super) fn interpreters(&self, policy: &Policy) -> Vec<Interpreter> {
        let mut interpreters = Vec::new();
        let mut file = self.file.clone();
        while let Some(named) =
            file.as_deref().and_then(interpreter).filter(|_| interpreters.len() < MAX_INTERPRETERS)
        {
            let program = Self::find(named.as_os_str(), Path::new("/"), &[]);
            interpreters.push(Interpreter {
                path: holdpoint_core::escape::for_terminal(named.as_os_str().as_bytes()),
                listed: policy
                    .listed(&Exec { names: &slices(&program.names), paths: &slices(&program.paths) }),
            });
            file = program.file;
        }
        interpreters
    }
}

/// The directories of the caller's PATH.
pub(super) fn search_path() -> Vec<PathBuf> {
    directories(env::var_os("PATH"))
}

/// The directories of a PATH; one that is empty is the working directory.
pub(super) fn directories(path: Option<OsString>) -> Vec<PathBuf> {
    env::split_paths(&path.unwrap_or_else(|| DEFAULT_PATH.into())).collect()
}

fn can_run(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}

/// What the first line names, where it begins with `#!`.
fn interpreter(file: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    File::open(file).ok()?.take(FIRST_LINE).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let name = line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).find(|part| !part.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

fn slices(texts: &[Vec<u8>]) -> Vec<&[u8]> {
    texts.iter().map(Vec::as_slice).collect()
}

fn last_component(path: &OsStr) -> Vec<u8> {
    path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn executable(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_first_file_that_can_be_run_is_found_and_links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().canonicalize().unwrap().join(name);
        for name in ["a", "b"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("a/tool"), "").unwrap();
        executable(&at("tool-1.2"), "");
        symlink("../tool-1.2", at("b/tool")).unwrap();
        let path = [PathBuf::from("a"), PathBuf::from("b")];
        let found = Program::find(OsStr::new("tool"), &at(""), &path);
        assert_eq!(found.names, [b"tool".to_vec(), b"tool-1.2".to_vec()]);
        assert_eq!(
            (found.file, found.owner),
            (Some(at("tool-1.2")), Some(Owner::of(nix::unistd::getuid().as_raw(), 0o755)))
        );
        assert_eq!(Program::find(OsStr::new("./b/tool"), &at(""), &[]).file, Some(at("tool-1.2")));
    }

    #[test]
    fn what_is_not_there_has_its_name_and_the_path_as_it_is_written() {
        let name = Program::find(OsStr::new("no-such-tool"), Path::new("/"), &[PathBuf::from("/usr/bin")]);
        assert_eq!((name.file, name.names, name.paths.len()), (None, vec![b"no-such-tool".to_vec()], 0));
        let path = Program::find(OsStr::new("/none/tool"), Path::new("/"), &[]);
        assert_eq!((path.names, path.paths), (vec![b"tool".to_vec()], vec![b"/none/tool".to_vec()]));
        assert!(Program::find(OsStr::new(""), Path::new("/"), &[PathBuf::from("/usr/bin")]).names.is_empty());
    }

    #[test]
    fn interpreters_are_read_from_the_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        for (text, named) in [
            ("#!/bin/sh\nx", Some("/bin/sh")),
            ("#! \t/usr/bin/env python3\n", Some("/usr/bin/env")),
            ("#!/bin/sh", Some("/bin/sh")),
            ("#!\n/bin/sh", None),
            ("# !/bin/sh", None),
            ("", None),
        ] {
            fs::write(&script, text).unwrap();
            assert_eq!(interpreter(&script), named.map(PathBuf::from), "{text:?}");
        }
        // Its own interpreter, for ever.
        fs::write(&script, format!("#!{}\n", script.display())).unwrap();
        let program = Program { file: Some(script), ..Program::default() };
        assert_eq!(program.interpreters(&Policy::default()).len(), MAX_INTERPRETERS);
    }
}
