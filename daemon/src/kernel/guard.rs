//! What agents keep their hands off, as the kernel half has to be told, and what it says that they tried.

use std::{
    collections::BTreeMap,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use aya::maps::{Array, HashMap, Map, MapData, RingBuf};
use holdpoint_abi::{FileKey, GUARDED_ABOVE, GUARDED_TREE, Guard, Guarded, TREE_WORDS};
use holdpoint_core::record;
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
    /// The counter that counts it, and what it means.
    pub(crate) what: (&'static str, &'static str),
    /// Who tried it on whom.
    pub(crate) record: record::Refused,
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
    fn parse(bytes: &[u8]) -> Option<Self> {
        let record = record::Refused::parse(bytes)?;
        let counter = counters::ALL.get(record.counter)?;
        Some(Self { what: counters::describe(*counter), record })
    }
}

/// The identity of a directory or file, where there is one.
fn key(path: &Path) -> Option<FileKey> {
    let file = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    key_of(file.as_fd(), "/proc/self/mountinfo").ok()
}
