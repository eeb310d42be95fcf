//! What an approval is bound to: arguments, environment, the path as called, and the file's content.
//!
//! The daemon hashes what it has read and shows. The kernel half hashes what is in the new program's memory at the point
//! of no return, and kills where that is something else (`ebpf/src/bound.rs`).
#![forbid(unsafe_code)]

use std::{fs::Metadata, os::unix::fs::MetadataExt as _};

use holdpoint_abi::{
    Allowance, BOUND_BLOCK, FileKey, MAX_BOUND_BYTES, SipHash, VARIABLES_SHOWN, bound_header,
};
use holdpoint_core::policy::LoaderVariables;
use serde::{Deserialize, Serialize};

/// What goes into the allowance, should there be one. Kept with the request: a daemon that starts again cannot read it
/// anew, since then it could be something else than what was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    strings: Strings,
    file: FileVersion,
    /// The listed interpreter that an approval covers, by inode number and device; zero where there is none.
    interpreter: (u64, u32),
    /// What the rule says of variables of the dynamic loader. Of a held exec the daemon has seen them, of a filed one the
    /// kernel half looks.
    #[serde(default)]
    variables: LoaderVariables,
}

/// What the kernel half compares at commit. All zero binds nothing: then a held exec is killed there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Strings {
    arguments: [u64; 2],
    /// Without the first argument, which a script loses.
    rest: [u64; 2],
    /// Bytes of the first argument, with its zero.
    first_length: u32,
}

/// Which content a file had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileVersion {
    /// Nanoseconds of the wall clock.
    pub(crate) changed_at: u64,
    /// Bytes.
    pub(crate) size: u64,
}

impl FileVersion {
    /// As the kernel half computes it, which knows no sign.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let seconds = metadata.ctime().cast_unsigned().wrapping_mul(1_000_000_000);
        let changed_at = seconds.wrapping_add(metadata.ctime_nsec().cast_unsigned());
        Self { changed_at, size: metadata.size() }
    }
}

impl Bound {
    pub(crate) fn new(strings: Strings, file: FileVersion) -> Self {
        Self { strings, file, interpreter: (0, 0), variables: LoaderVariables::default() }
    }

    /// The same, with an interpreter that is covered.
    pub(crate) fn covering(mut self, interpreter: FileKey) -> Self {
        self.interpreter = (interpreter.ino, interpreter.dev);
        self
    }

    /// The same, with what the rule says of variables.
    pub(crate) fn with_variables(mut self, variables: LoaderVariables) -> Self {
        self.variables = variables;
        self
    }

    /// The answer that carries it.
    pub(crate) fn answer(&self, verdict: u32, expires_at: u64) -> Allowance {
        let (ino, dev) = self.interpreter;
        Allowance {
            verdict,
            first_length: self.strings.first_length,
            expires_at,
            interpreter: FileKey { ino, dev, pad: 0 },
            arguments: self.strings.arguments,
            rest: self.strings.rest,
            file_changed_at: self.file.changed_at,
            file_size: self.file.size,
            variables: if self.variables == LoaderVariables::Show { VARIABLES_SHOWN } else { 0 },
            pad: 0,
        }
    }
}

impl Strings {
    /// For the arguments, the environment and the path as the kernel names it (`bprm->filename`). None where they are more
    /// than the kernel half compares.
    pub(crate) fn of(key: [u64; 2], argv: &[Vec<u8>], environment: &[Vec<u8>], path: &[u8]) -> Option<Self> {
        // The kernel gives a program without arguments an empty one
        // (<https://github.com/torvalds/linux/blob/v6.1/fs/exec.c>, `do_execveat_common`).
        let nothing = [Vec::new()];
        let argv = if argv.is_empty() { &nothing[..] } else { argv };
        let mut bytes = Vec::new();
        for string in argv.iter().chain(environment).map(Vec::as_slice).chain([path]) {
            bytes.extend_from_slice(string);
            bytes.push(0);
        }
        if bytes.len() as u64 > MAX_BOUND_BYTES {
            return None;
        }
        let first_length = argv.first().map_or(0, Vec::len) + 1;
        let count = |strings: &[Vec<u8>]| u32::try_from(strings.len()).ok();
        let (argc, envc) = (count(argv)?, count(environment)?);
        Some(Self {
            arguments: hash(key, argc, envc, &bytes),
            rest: hash(key, argc, envc, bytes.get(first_length..)?),
            first_length: u32::try_from(first_length).ok()?,
        })
    }
}

fn hash(key: [u64; 2], argc: u32, envc: u32, bytes: &[u8]) -> [u64; 2] {
    let mut hash = SipHash::new(key);
    let mut words = 0;
    let mut take = |word| {
        hash.word(word);
        words += 1;
    };
    bound_header(argc, envc, bytes.len() as u64).into_iter().for_each(&mut take);
    for block in bytes.chunks(BOUND_BLOCK) {
        let mut filled = [0; BOUND_BLOCK];
        filled.iter_mut().zip(block).for_each(|(to, from)| *to = *from);
        let (whole, _) = filled.as_chunks::<8>();
        whole.iter().map(|word| u64::from_le_bytes(*word)).for_each(&mut take);
    }
    hash.finish(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(argv: &[&str], environment: &[&str], path: &str) -> Strings {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        Strings::of([1, 2], &bytes(argv), &bytes(environment), path.as_bytes()).unwrap()
    }

    #[test]
    fn no_boundary_can_be_moved() {
        let approved = of(&["kubectl", "get", "pods"], &["HOME=/"], "/usr/bin/kubectl");
        for other in [
            of(&["kubectl", "get", "pods", "HOME=/"], &[], "/usr/bin/kubectl"),
            of(&["kubectl", "get"], &["pods", "HOME=/"], "/usr/bin/kubectl"),
            of(&["kubectl", "get pods"], &["HOME=/"], "/usr/bin/kubectl"),
            of(&["kubectl", "get", "pods"], &["HOME=/", "/usr/bin/kubectl"], ""),
            of(&["kubectl", "get", "pods"], &["HOME=/"], "/usr/bin/kubect"),
        ] {
            assert_ne!(other.arguments, approved.arguments);
            assert_ne!(other.rest, approved.rest);
        }
    }

    #[test]
    fn a_first_argument_does_not_count_in_the_rest() {
        let (one, other) = (of(&["a", "x"], &[], "p"), of(&["bb", "x"], &[], "p"));
        assert_ne!(one.arguments, other.arguments);
        assert_eq!(one.rest, other.rest);
    }

    #[test]
    fn no_arguments_are_an_empty_one() {
        assert_eq!(of(&[], &["A=b"], "p"), of(&[""], &["A=b"], "p"));
    }

    #[test]
    fn what_is_too_long_is_not_bound_at_all() {
        let long = vec![b'x'; 2 << 20];
        assert_eq!(Strings::of([1, 2], &[long], &[], b"p"), None);
    }
}
