//! Declared agents and running processes: what the kernel half finds agents by, and the tagging of what runs already.

use std::{io::Read as _, path::Path};

use aya::{
    maps::{Array, HashMap, Map, MapData},
    programs::{
        iter::IterLink,
        links::{FdLink, PinnedLink},
    },
};
use holdpoint_abi::{
    Attaching, Declared, FileKey, MAX_UNIT_PATTERNS, Place, SELECT_CGROUP, SELECT_DECLARED, SELECT_PROCESS,
    UnitPattern,
};

use super::{
    adopt::Pins,
    load::{KernelError, chain},
    maps::{map_error, typed},
};
use crate::sys::pod::Shared;

/// The maps by which agents are found.
pub(super) struct AgentMaps {
    users: HashMap<MapData, u32, Shared<Declared>>,
    files: HashMap<MapData, Shared<FileKey>, Shared<Declared>>,
    places: HashMap<MapData, Shared<Place>, Shared<Declared>>,
    cgroups: HashMap<MapData, u64, Shared<Declared>>,
    patterns: Array<MapData, Shared<UnitPattern>>,
    attaching: Array<MapData, Shared<Attaching>>,
}

/// What the kernel half shall find agents by, each with the agent's number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declaration {
    pub(crate) users: Vec<(u32, u32)>,
    pub(crate) files: Vec<(FileKey, u32)>,
    pub(crate) places: Vec<(Place, u32)>,
    pub(crate) patterns: Vec<UnitPattern>,
}

/// Which running tasks are to be tagged, with all their descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    /// Those of declared users, and in cgroups of declared units.
    Declared,
    /// Those of a process, which was started at this tick of 10 ms, for this agent.
    Process { pid: u32, start_ticks: u64, agent: u32 },
    /// Those in a cgroup and below it, for this agent.
    Cgroup(u64, u32),
}

/// What came of tagging what runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// Threads that belong to the agent now and did not before.
    pub(crate) threads: u64,
    /// Threads that were asked for and belong to another agent.
    pub(crate) others: u64,
}

/// Passes over all tasks at most. Each tags the children of what the one before has tagged; a pass that tags nothing is
/// the last. A process that forks so fast that there is always one more has children that are tagged by their birth.
const MAX_PASSES: u32 = 64;

impl AgentMaps {
    pub(super) fn open(pins: &Pins) -> Result<Self, KernelError> {
        Ok(Self {
            users: typed(pins, "agent_users", Map::HashMap)?,
            files: typed(pins, "agent_files", Map::HashMap)?,
            places: typed(pins, "agent_places", Map::HashMap)?,
            cgroups: typed(pins, "agent_cgroups", Map::HashMap)?,
            patterns: typed(pins, "unit_patterns", Map::Array)?,
            attaching: typed(pins, "attaching", Map::Array)?,
        })
    }

    /// Puts a declaration in force. What is new comes in before what is old goes.
    pub(super) fn declare(&mut self, declaration: &Declaration, generation: u32) -> Result<(), KernelError> {
        let value = |agent: u32| Shared(Declared { generation, agent });
        for (user, agent) in &declaration.users {
            self.users.insert(user, value(*agent), 0).map_err(|error| map_error("agent_users", &error))?;
        }
        for (file, agent) in &declaration.files {
            self.files
                .insert(Shared(*file), value(*agent), 0)
                .map_err(|error| map_error("agent_files", &error))?;
        }
        for (place, agent) in &declaration.places {
            self.places
                .insert(Shared(*place), value(*agent), 0)
                .map_err(|error| map_error("agent_places", &error))?;
        }
        let none = UnitPattern {
            agent: 0,
            least: 0,
            suffix_length: 0,
            pad: 0,
            prefix: [0; 8],
            mask: [0; 8],
            suffix: [0; 64],
        };
        let patterns = declaration.patterns.iter().copied().chain(std::iter::repeat(none));
        for (index, pattern) in (0..).zip(patterns.take(MAX_UNIT_PATTERNS)) {
            self.patterns
                .set(index, Shared(pattern), 0)
                .map_err(|error| map_error("unit_patterns", &error))?;
        }
        remove_old("agent_users", &mut self.users, generation)?;
        remove_old("agent_files", &mut self.files, generation)?;
        remove_old("agent_places", &mut self.places, generation)
    }

    /// The cgroups whose processes are agents', each with the agent's number.
    pub(super) fn cgroups(&self) -> Vec<(u64, u32)> {
        self.cgroups.iter().flatten().map(|(id, declared)| (id, declared.0.agent)).collect()
    }

    pub(super) fn add_cgroup(&mut self, id: u64, agent: u32) -> Result<(), KernelError> {
        let declared = Shared(Declared { generation: 0, agent });
        self.cgroups.insert(id, declared, 0).map_err(|error| map_error("agent_cgroups", &error))
    }

    pub(super) fn remove_cgroup(&mut self, id: u64) -> Result<(), KernelError> {
        super::maps::gone("agent_cgroups", self.cgroups.remove(&id))
    }

    /// Tags what runs. `iterator` is the pin of the iterator's link.
    pub(super) fn tag_running(&mut self, which: Running, iterator: &Path) -> Result<Tagged, KernelError> {
        let any = Attaching::default();
        let order = match which {
            Running::Declared => Attaching { select: SELECT_DECLARED, ..any },
            Running::Process { pid, start_ticks, agent } => Attaching {
                select: SELECT_PROCESS,
                value: u64::from(pid),
                started_at: start_ticks,
                agent,
                ..any
            },
            Running::Cgroup(value, agent) => Attaching { select: SELECT_CGROUP, value, agent, ..any },
        };
        let mut tagged = Tagged::default();
        for _ in 0..MAX_PASSES {
            let came = self.pass(order, iterator)?;
            tagged.threads += came.tagged;
            tagged.others = came.others;
            if came.failed > 0 {
                return Err(KernelError::Untagged(came.failed));
            }
            if came.tagged == 0 {
                break;
            }
        }
        Ok(tagged)
    }

    fn pass(&mut self, order: Attaching, iterator: &Path) -> Result<Attaching, KernelError> {
        self.attaching.set(0, Shared(order), 0).map_err(|error| map_error("attaching", &error))?;
        let failed = |cause: String| KernelError::Pin {
            operation: "run the iterator at",
            path: iterator.to_owned(),
            cause,
        };
        let link: FdLink = PinnedLink::from_pin(iterator).map_err(|error| failed(chain(&error)))?.into();
        let link = IterLink::try_from(link).map_err(|error| failed(chain(&error)))?;
        let mut pass = link.into_file().map_err(|error| failed(chain(&error)))?;
        // The program prints nothing; reading to the end is what makes it visit every task.
        pass.read_to_end(&mut Vec::new()).map_err(|cause| failed(cause.to_string()))?;
        let Shared(came) = self.attaching.get(&0, 0).map_err(|error| map_error("attaching", &error))?;
        // Nothing else may set it going.
        self.attaching
            .set(0, Shared(Attaching::default()), 0)
            .map_err(|error| map_error("attaching", &error))?;
        Ok(came)
    }
}

fn remove_old<K: aya::Pod>(
    name: &'static str,
    map: &mut HashMap<MapData, K, Shared<Declared>>,
    generation: u32,
) -> Result<(), KernelError> {
    let old: Vec<K> = map
        .iter()
        .flatten()
        .filter(|(_, value)| value.0.generation != generation)
        .map(|(key, _)| key)
        .collect();
    old.into_iter().try_for_each(|key| super::maps::gone(name, map.remove(&key)))
}
