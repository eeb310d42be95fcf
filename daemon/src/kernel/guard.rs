//! What agents keep their hands off, as the kernel half has to be told, and what it says that they tried.

use std::{
    collections::BTreeMap,
    mem::offset_of,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use aya::maps::{Array, HashMap, Map, MapData, RingBuf};
use holdpoint_abi::{
    COUNTER_COUNT, FileKey, GUARDED_ABOVE, GUARDED_TREE, Guard, Guarded, NAME_LENGTH, Refusal, TREE_WORDS,
};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};
use tracing::warn;

use super::{
    adopt::Pins,
    counters,
    load::KernelError,
    maps::{map_error, typed},
};
use crate::{observe::key_of, sys::pod::Shared};

/// The maps of what is guarded, and the ring buffer of what was refused.
pub(super) struct GuardMaps {
    guarded: HashMap<MapData, Shared<FileKey>, Shared<Guarded>>,
    guard: Array<MapData, Shared<Guard>>,
    refusals: RingBuf<MapData>,
}

/// Something that an agent tried and was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The agent's number; zero where it is not known.
    pub(crate) agent: u32,
    /// The counter that counts it, and what it means.
    pub(crate) what: (&'static str, &'static str),
    /// The process that tried.
    pub(crate) pid: u32,
    /// The process that was meant, where one was.
    pub(crate) target: Option<u32>,
    /// How many more of the kind there were since the last that was told of.
    pub(crate) more: u64,
    /// The name of the thread.
    pub(crate) comm: Vec<u8>,
    /// The name of the file that was meant, where one was.
    pub(crate) file: Option<Vec<u8>>,
}

impl GuardMaps {
    pub(super) fn open(pins: &Pins) -> Result<Self, KernelError> {
        Ok(Self {
            guarded: typed(pins, "guarded", Map::HashMap)?,
            guard: typed(pins, "guard", Map::Array)?,
            refusals: typed(pins, "refusals", Map::RingBuf)?,
        })
    }

    /// Guards this process, and these directories and files. What is new comes in before what is old goes.
    ///
    /// One that is not there is passed over: what is not there cannot be opened, and agents do not make it where it
    /// would matter.
    pub(super) fn set(&mut self, places: &[PathBuf]) -> Result<(), KernelError> {
        let daemon = std::process::id();
        let mut kinds: BTreeMap<FileKey, u32> = BTreeMap::new();
        for place in places {
            // Their names may be links.
            let Ok(place) = place.canonicalize() else { continue };
            for (index, path) in place.ancestors().enumerate() {
                let kind = if index == 0 { GUARDED_TREE } else { GUARDED_ABOVE };
                match key(path) {
                    Some(key) if kind == GUARDED_TREE => drop(kinds.insert(key, kind)),
                    Some(key) => drop(kinds.entry(key).or_insert(kind)),
                    None => warn!("'{}' cannot be identified, and is not guarded", path.display()),
                }
            }
        }
        let failed = |error| map_error("guarded", &error);
        for (key, kind) in &kinds {
            let value = Shared(Guarded { generation: daemon, kind: *kind });
            self.guarded.insert(Shared(*key), value, 0).map_err(failed)?;
        }
        let mut trees = [0_u64; TREE_WORDS];
        for (key, _) in kinds.iter().filter(|(_, kind)| **kind == GUARDED_TREE) {
            let word = usize::try_from(key.ino >> 6).unwrap_or(0) % TREE_WORDS;
            if let Some(word) = trees.get_mut(word) {
                *word |= 1 << (key.ino & 63);
            }
        }
        let namespace = std::fs::metadata("/proc/1/ns/mnt").map_or(0, |it| it.ino());
        // Zero, where it does not fit or cannot be seen, makes every namespace the host's.
        let mount_namespace = u32::try_from(namespace).unwrap_or(0);
        self.guard
            .set(0, Shared(Guard { daemon, mount_namespace, trees }), 0)
            .map_err(|error| map_error("guard", &error))?;
        let old: Vec<_> =
            self.guarded.keys().flatten().filter(|Shared(key)| !kinds.contains_key(key)).collect();
        for key in old {
            super::maps::gone("guarded", self.guarded.remove(&key))?;
        }
        Ok(())
    }

    /// What was refused since the last call, so many at most.
    pub(super) fn refused(&mut self, most: usize) -> Vec<Refused> {
        let mut all = Vec::new();
        while all.len() < most
            && let Some(item) = self.refusals.next()
        {
            match Refused::parse(&item) {
                Some(refused) => all.push(refused),
                None => warn!(bytes = item.len(), "a refusal of the kernel half is damaged"),
            }
        }
        all
    }
}

impl Refused {
    /// Reads a record of the ring buffer. None where it is not one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let text = |at: usize, length: usize| {
            let all = bytes.get(at..at + length)?;
            all.split(|byte| *byte == 0).next().map(<[u8]>::to_vec)
        };
        let more_at = offset_of!(Refusal, more);
        let what = usize::try_from(word(offset_of!(Refusal, what))?).ok()?;
        let counter = counters::ALL.get(what).filter(|_| what < COUNTER_COUNT)?;
        Some(Self {
            agent: word(offset_of!(Refusal, agent))?,
            what: counters::describe(*counter),
            pid: word(offset_of!(Refusal, tgid))?,
            target: word(offset_of!(Refusal, target)).filter(|target| *target != 0),
            more: u64::from_ne_bytes(bytes.get(more_at..more_at + 8)?.try_into().ok()?),
            comm: text(offset_of!(Refusal, comm), 16)?,
            file: Some(text(offset_of!(Refusal, name), NAME_LENGTH)?).filter(|name| !name.is_empty()),
        })
    }
}

/// The identity of a directory or file, where there is one.
fn key(path: &Path) -> Option<FileKey> {
    let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    key_of(file.as_fd(), "/proc/self/mountinfo").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_and_a_cut_one_is_none_at_every_length() {
        let mut record = [0_u8; size_of::<Refusal>()];
        record[offset_of!(Refusal, agent)] = 7;
        record[offset_of!(Refusal, what)] = holdpoint_abi::Counter::ReadRefused as u8;
        record[offset_of!(Refusal, tgid)] = 42;
        record[offset_of!(Refusal, more)] = 3;
        record[offset_of!(Refusal, comm)..][..3].copy_from_slice(b"cat");
        record[offset_of!(Refusal, name)..][..7].copy_from_slice(b"kubectl");
        let refused = Refused::parse(&record).unwrap();
        assert_eq!((refused.agent, refused.pid, refused.target, refused.more), (7, 42, None, 3));
        assert_eq!(refused.what.0, "read_refused");
        assert_eq!((refused.comm.as_slice(), refused.file.as_deref()), (&b"cat"[..], Some(&b"kubectl"[..])));
        for length in 0..record.len() {
            assert!(Refused::parse(&record[..length]).is_none(), "{length}");
        }
        record[offset_of!(Refusal, what)] = 255;
        assert!(Refused::parse(&record).is_none());
    }
}
