//! Units of systemd: the cgroups that they have now, and how the kernel half is told of those to come.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use holdpoint_abi::{NAME_LENGTH, Name, UnitPattern};
use holdpoint_core::agent::UnitGlob;

/// The unified hierarchy.
const ROOT: &str = "/sys/fs/cgroup";

/// The cgroups of the system manager's units that one of the globs is about: the kernel's id of each, and the index of the
/// glob.
///
/// They lie in slices, and slices in slices. What lies below a service or scope was made by whoever it is delegated to,
/// such as a user's own manager, and its name says nothing.
pub(crate) fn cgroups(globs: &[&UnitGlob]) -> Vec<(u64, usize)> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::from(ROOT)];
    while let Some(directory) = waiting.pop() {
        // A group that goes meanwhile has no processes.
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if !metadata.is_dir() {
                continue;
            }
            let name = entry.file_name();
            let name = unescaped(name.to_str().unwrap_or_default());
            let own = globs.iter().position(|glob| glob.matches(name));
            found.extend(own.map(|index| (metadata.ino(), index)));
            if name.ends_with(".slice") {
                waiting.push(entry.path());
            }
        }
    }
    found
}

/// The glob, as the kernel half compares it with the names of new cgroups.
pub(crate) fn pattern(glob: &UnitGlob, agent: u32) -> UnitPattern {
    let suffix = glob.suffix.as_deref().unwrap_or_default();
    let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
    // One whole name is compared with its closing zero.
    let compared = glob.prefix.len() + usize::from(glob.suffix.is_none());
    let mask: Name = std::array::from_fn(|index| if index < compared { 0xff } else { 0 });
    UnitPattern {
        agent,
        least: length(&glob.prefix) + length(suffix),
        suffix_length: length(suffix),
        pad: 0,
        prefix: words(padded(&glob.prefix)),
        mask: words(mask),
        suffix: padded(suffix),
    }
}

/// systemd puts a `_` before names that would be the kernel's own.
fn unescaped(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

fn padded(text: &str) -> Name {
    let bytes = text.as_bytes();
    std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(0))
}

fn words(bytes: Name) -> [u64; NAME_LENGTH / 8] {
    std::array::from_fn(|word| {
        let byte = |index: usize| bytes.get(word * 8 + index).copied().unwrap_or(0);
        u64::from_ne_bytes(std::array::from_fn(byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel half does with a name (`ebpf/src/units.rs`).
    fn matches(pattern: &UnitPattern, name: &str) -> bool {
        let first = words(padded(name));
        let differs = (0..NAME_LENGTH / 8).any(|i| first[i] & pattern.mask[i] != pattern.prefix[i]);
        let end = name.len().checked_sub(pattern.suffix_length as usize).map(|at| padded(&name[at..]));
        !differs && name.len() >= pattern.least as usize && end == Some(pattern.suffix)
    }

    #[test]
    fn a_pattern_says_what_its_glob_says() {
        let names = [
            "agent-1.service",
            "agent-.service",
            "agent.service",
            "agent.services",
            "agent-1.scope",
            "agent",
        ];
        for glob in ["agent-*.service", "agent.service", "agent*.service"] {
            let glob = UnitGlob::parse(glob).unwrap();
            for name in names {
                assert_eq!(matches(&pattern(&glob, 7), name), glob.matches(name), "{glob} {name}");
            }
        }
    }
}
