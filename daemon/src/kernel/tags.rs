//! Who is whose: the tags of processes.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, PoisonError},
};

use aya::maps::{Array, HashMap, IterableMap, Map, MapData, MapError};
use holdpoint_abi::TaskState;

use super::{adopt::Pins, load::KernelError, maps::typed};
use crate::{
    observe::process,
    sys::{
        bpf,
        pod::Shared,
        process::{Process, Signal},
    },
};

/// The tags. Cheap to clone, and of use to any thread.
///
/// The kernel half keeps them by the addresses of tasks. Those of processes that were asked for before are remembered;
/// another one is looked for among all.
#[derive(Clone)]
pub(crate) struct Tags {
    tasks: Arc<HashMap<MapData, u64, Shared<TaskState>>>,
    taggings: Arc<Array<MapData, u64>>,
    known: Arc<Mutex<BTreeMap<u32, Known>>>,
}

/// What was found for a process's number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// The address of its first thread.
    At(u64),
    /// That the process that began then was nobody's, when so many had been tagged. What was nobody's becomes an agent's
    /// by a tagging alone; what is born as one begins later.
    Nobodys { start_ticks: u64, taggings: u64 },
}

/// Processes that are remembered. When there are more, all are forgotten, and looked for again.
const MAX_KNOWN: usize = 4_096;

impl Tags {
    pub(super) fn open(pins: &Pins) -> Result<Self, KernelError> {
        Ok(Self {
            tasks: Arc::new(typed(pins, "tasks", Map::HashMap)?),
            taggings: Arc::new(typed(pins, "taggings", Map::Array)?),
            known: Arc::default(),
        })
    }

    /// The state of the first thread of a process. The process is an agent's where the state has its number.
    ///
    /// # Errors
    /// `NotFound` where it has none, `ESRCH` where the process has ended.
    pub(crate) fn get(&self, process: &Process) -> io::Result<TaskState> {
        let found = self.find(process.pid());
        // The number was the process's all the while, or nothing is known of it.
        process.send(Signal::None)?;
        found?.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    /// Whether a process belongs to an agent. Yes, where that cannot be found out.
    pub(crate) fn is_agent(&self, pid: u32) -> bool {
        match Process::open(pid).and_then(|process| self.get(&process)) {
            Ok(state) => state.agent != 0,
            // No entry is the map's own answer; a process that has gone is an error of another kind.
            Err(error) => error.raw_os_error() != Some(libc::ENOENT),
        }
    }

    /// The states of all threads.
    pub(crate) fn all(&self) -> io::Result<Vec<TaskState>> {
        Ok(self.entries()?.into_iter().map(|(_, state)| state).collect())
    }

    fn find(&self, pid: u32) -> io::Result<Option<TaskState>> {
        // Both are read before anything is looked for.
        let taggings = self.taggings.get(&0, 0).map_err(io::Error::other)?;
        let start_ticks = process::stat(pid).map(|stat| stat.start_ticks);
        let nobodys = start_ticks.map(|start_ticks| Known::Nobodys { start_ticks, taggings });
        let known = self.known().get(&pid).copied();
        match known {
            Some(Known::At(address)) => {
                if let Some(state) = self.at(address)?
                    && is_of(&state, pid)
                    && state.ended == 0
                {
                    return Ok(Some(state));
                }
            }
            Some(Known::Nobodys { .. }) if known == nobodys => return Ok(None),
            _ => {}
        }
        let entries = self.entries()?;
        let mut own = entries.iter().copied().filter(|(_, state)| is_of(state, pid));
        // The first thread can have ended before the others. One that is left over from a process that had the number
        // before has ended in any case.
        let found = own.clone().find(|(_, state)| state.ended == 0).or_else(|| own.next());
        let mut all = self.known();
        if all.len() >= MAX_KNOWN {
            all.clear();
        }
        match found.map(|(address, _)| Known::At(address)).or(nobodys) {
            Some(found) => all.insert(pid, found),
            None => all.remove(&pid),
        };
        Ok(found.map(|(_, state)| state))
    }

    fn at(&self, address: u64) -> io::Result<Option<TaskState>> {
        match self.tasks.get(&address, 0) {
            Ok(Shared(state)) => Ok(Some(state)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn entries(&self) -> io::Result<Vec<(u64, TaskState)>> {
        bpf::tasks(self.as_fd())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Known>> {
        // What a thread that panicked has left is checked like everything else.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Tags {
    fn as_fd(&self) -> BorrowedFd<'_> {
        IterableMap::map(&*self.tasks).fd().as_fd()
    }
}

fn is_of(state: &TaskState, pid: u32) -> bool {
    state.tid == pid
}
