//! The maps, each with its types: the one way to what the kernel half knows and obeys.

use std::path::PathBuf;

use aya::maps::{Array, HashMap, Map, MapData, MapError, MapType, PerCpuArray, RingBuf};
use holdpoint_abi::{
    Allowance, Attaching, COUNTER_COUNT, COUNTER_SLOTS, DECLARED_ANY, DECLARED_UNITS, Declared,
    FILINGS_BYTES, FileKey, Guard, Guarded, Hold, Listed, ListedBits, MAX_AGENT_CGROUPS, MAX_DECLARED,
    MAX_FILES, MAX_GUARDED, MAX_HOLDS, MAX_NAMES, MAX_TASKS, MAX_TOLD, MAX_UNIT_PATTERNS, Meta, NAME_LENGTH,
    Name, Place, REFUSALS_BYTES, RING_BYTES, Retry, TagSlots, TaskState, Telling, Told, UnitPattern,
};

use super::{
    adopt::Pins,
    agents::{AgentMaps, Declaration, Running, Tagged},
    bits::BitsMap,
    guard::{GuardMaps, Refused},
    keep::Kept,
    load::{KernelError, chain},
    tags::Tags,
};
use crate::sys::pod::Shared;

/// A map, as this version makes it.
pub(super) struct MapShape {
    pub(super) name: &'static str,
    kind: MapType,
    key: usize,
    value: usize,
    entries: usize,
}

/// All maps.
pub(super) const MAPS: [MapShape; 23] = [
    shape::<u64, TaskState>("tasks", MapType::Hash, MAX_TASKS),
    shape::<u32, TagSlots>("tag_slots", MapType::Array, 1),
    shape::<u32, u64>("taggings", MapType::Array, 1),
    shape::<u64, Hold>("holds", MapType::Hash, MAX_HOLDS),
    shape::<u64, Allowance>("allowances", MapType::Hash, MAX_HOLDS),
    shape::<FileKey, Listed>("files", MapType::Hash, MAX_FILES),
    shape::<Name, Listed>("names", MapType::Hash, MAX_NAMES),
    shape::<u32, ListedBits>("listed_bits", MapType::Array, 1),
    shape::<(), ()>("doorbells", MapType::RingBuf, RING_BYTES),
    shape::<Retry, u64>("retries", MapType::Hash, MAX_HOLDS),
    shape::<(), ()>("filings", MapType::RingBuf, FILINGS_BYTES),
    shape::<u32, u64>("counters", MapType::PerCpuArray, COUNTER_SLOTS),
    shape::<u32, Meta>("meta", MapType::Array, 1),
    shape::<u32, Declared>("agent_users", MapType::Hash, MAX_DECLARED),
    shape::<FileKey, Declared>("agent_files", MapType::Hash, MAX_DECLARED),
    shape::<Place, Declared>("agent_places", MapType::Hash, MAX_DECLARED),
    shape::<u64, Declared>("agent_cgroups", MapType::Hash, MAX_AGENT_CGROUPS),
    shape::<u32, UnitPattern>("unit_patterns", MapType::Array, MAX_UNIT_PATTERNS),
    shape::<u32, Attaching>("attaching", MapType::Array, 1),
    shape::<FileKey, Guarded>("guarded", MapType::Hash, MAX_GUARDED),
    shape::<u32, Guard>("guard", MapType::Array, 1),
    shape::<(), ()>("refusals", MapType::RingBuf, REFUSALS_BYTES),
    shape::<Telling, Told>("told", MapType::LruHash, MAX_TOLD),
];

const fn shape<K, V>(name: &'static str, kind: MapType, entries: usize) -> MapShape {
    MapShape { name, kind, key: size_of::<K>(), value: size_of::<V>(), entries }
}

/// A hold id as the maps have it.
pub(crate) type HoldId64 = u64;

/// What becomes of files that are not listed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Old {
    Goes,
    Stays,
}

/// The kernel half: its maps, opened. The programs are attached as long as they are pinned.
pub(crate) struct Gate {
    tags: Tags,
    holds: HashMap<MapData, u64, Shared<Hold>>,
    allowances: HashMap<MapData, u64, Shared<Allowance>>,
    files: HashMap<MapData, Shared<FileKey>, Shared<Listed>>,
    names: HashMap<MapData, [u8; NAME_LENGTH], Shared<Listed>>,
    listed_bits: BitsMap,
    counters: PerCpuArray<MapData, u64>,
    meta: Array<MapData, Shared<Meta>>,
    doorbells: Option<RingBuf<MapData>>,
    retries: HashMap<MapData, Shared<Retry>, u64>,
    filings: Option<RingBuf<MapData>>,
    agents: AgentMaps,
    guard: GuardMaps,
    pins: Pins,
    kept: Kept,
    hash_key: [u64; 2],
}

impl Gate {
    pub(super) fn open(pins: &Pins) -> Result<Self, KernelError> {
        Ok(Self {
            tags: Tags::open(pins)?,
            holds: typed(pins, "holds", Map::HashMap)?,
            allowances: typed(pins, "allowances", Map::HashMap)?,
            files: typed(pins, "files", Map::HashMap)?,
            names: typed(pins, "names", Map::HashMap)?,
            listed_bits: BitsMap::open(pins)?,
            counters: typed(pins, "counters", Map::PerCpuArray)?,
            meta: typed(pins, "meta", Map::Array)?,
            doorbells: Some(typed(pins, "doorbells", Map::RingBuf)?),
            retries: typed(pins, "retries", Map::HashMap)?,
            filings: Some(typed(pins, "filings", Map::RingBuf)?),
            agents: AgentMaps::open(pins)?,
            guard: GuardMaps::open(pins)?,
            pins: pins.clone(),
            kept: Kept::default(),
            hash_key: [0; 2],
        })
    }

    /// Holds on to what is pinned for the object, so that it stays when the pins go.
    pub(super) fn keep(&mut self, object: [u8; 32]) -> Result<(), KernelError> {
        self.kept = Kept::open(&self.pins, object)?;
        let Shared(meta) = self.meta.get(&0, 0).map_err(|error| map_error("meta", &error))?;
        self.hash_key = meta.hash_key;
        Ok(())
    }

    /// The key of the hash over what an approval is bound to.
    pub(crate) fn hash_key(&self) -> [u64; 2] {
        self.hash_key
    }

    /// What the daemon holds on to.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The ring buffer. It has one reader.
    pub(crate) fn take_doorbells(&mut self) -> Option<RingBuf<MapData>> {
        self.doorbells.take()
    }

    /// The ring buffer of what was refused at once. It has one reader.
    pub(crate) fn take_filings(&mut self) -> Option<RingBuf<MapData>> {
        self.filings.take()
    }

    /// What the kernel says of a hold; none where it does not know it.
    pub(crate) fn hold(&self, id: HoldId64) -> Result<Option<Hold>, KernelError> {
        match self.holds.get(&id, 0) {
            Ok(Shared(hold)) => Ok(Some(hold)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(map_error("holds", &error)),
        }
    }

    /// All holds. One that comes or goes meanwhile may be missed; the next sweep sees it.
    pub(crate) fn holds(&self) -> Result<Vec<(HoldId64, Hold)>, KernelError> {
        let mut all = Vec::new();
        for id in self.holds.keys() {
            let id = id.map_err(|error| map_error("holds", &error))?;
            if let Some(hold) = self.hold(id)? {
                all.push((id, hold));
            }
        }
        Ok(all)
    }

    /// Takes a hold, and what is left of its answer, out of the maps.
    pub(crate) fn forget(&mut self, id: HoldId64) -> Result<(), KernelError> {
        self.withdraw(id)?;
        // The next try of a filed action is a new one.
        if let Some(hold) = self.hold(id)?.filter(|hold| hold.arguments != [0; 2]) {
            let Hold { agent, file, arguments, path, standing, .. } = hold;
            let retry = Retry { agent, pad: 0, file, arguments, path, standing };
            // Where another filing of the same action has come since, the entry is that one's.
            if self.retries.get(&Shared(retry), 0).is_ok_and(|of| of == id) {
                gone("retries", self.retries.remove(&Shared(retry)))?;
            }
        }
        gone("holds", self.holds.remove(&id))
    }

    /// Takes an answer back. Once this is done, nobody can use it any more.
    pub(crate) fn withdraw(&mut self, id: HoldId64) -> Result<(), KernelError> {
        gone("allowances", self.allowances.remove(&id))
    }

    /// Answers a hold.
    pub(crate) fn answer(&mut self, id: HoldId64, answer: Allowance) -> Result<(), KernelError> {
        self.allowances.insert(id, Shared(answer), 0).map_err(|error| map_error("allowances", &error))
    }

    /// The tags.
    pub(crate) fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Lists these files and names, and nothing else. What is new comes in before what is old goes.
    pub(crate) fn list(
        &mut self,
        files: impl Iterator<Item = (FileKey, Listed)>,
        names: impl Iterator<Item = (Name, Listed)>,
        generation: u32,
        old_files: Old,
    ) -> Result<(), KernelError> {
        let (files, names): (Vec<_>, Vec<_>) = (files.collect(), names.collect());
        // Bits come before what they are about, and go after it.
        self.listed_bits.add(files.iter().map(|(key, _)| key), names.iter().map(|(name, _)| name))?;
        for (key, listed) in files {
            self.files.insert(Shared(key), Shared(listed), 0).map_err(|error| map_error("files", &error))?;
        }
        for (name, listed) in names {
            self.names.insert(name, Shared(listed), 0).map_err(|error| map_error("names", &error))?;
        }
        let old: Vec<_> =
            self.files.iter().flatten().filter(|(_, value)| value.0.generation != generation).collect();
        for (key, _) in old.into_iter().filter(|_| old_files == Old::Goes) {
            self.files.remove(&key).map_err(|error| map_error("files", &error))?;
        }
        let old: Vec<_> =
            self.names.iter().flatten().filter(|(_, value)| value.0.generation != generation).collect();
        for (name, _) in old {
            self.names.remove(&name).map_err(|error| map_error("names", &error))?;
        }
        let files: Vec<_> = self.files.keys().flatten().map(|Shared(key)| key).collect();
        let names: Vec<Name> = self.names.keys().flatten().collect();
        self.listed_bits.set(files.iter(), names.iter())
    }

    /// Finds agents by this declaration, and by nothing else. What is new comes in before what is old goes.
    pub(crate) fn declare(&mut self, declaration: &Declaration, generation: u32) -> Result<(), KernelError> {
        let any = [declaration.users.len(), declaration.files.len(), declaration.places.len()];
        let flags = if any.iter().any(|count| *count > 0) { DECLARED_ANY } else { 0 };
        let units = if declaration.patterns.is_empty() { 0 } else { DECLARED_UNITS };
        // What is new is looked for from here on.
        self.set_meta(|meta| meta.declared |= flags | units)?;
        self.agents.declare(declaration, generation)?;
        // Cgroups that were attached by hand go on being looked for.
        let units = if self.agents.cgroups().is_empty() { units } else { DECLARED_UNITS };
        self.set_meta(|meta| meta.declared = flags | units)
    }

    /// The cgroups whose processes are agents', each with the agent's number.
    pub(crate) fn agent_cgroups(&self) -> Vec<(u64, u32)> {
        self.agents.cgroups()
    }

    /// Makes the processes of a cgroup the agent's at their next exec.
    pub(crate) fn add_agent_cgroup(&mut self, id: u64, agent: u32) -> Result<(), KernelError> {
        self.set_meta(|meta| meta.declared |= DECLARED_UNITS)?;
        self.agents.add_cgroup(id, agent)
    }

    /// The cgroup makes no agents any more. Those that it made stay agents.
    pub(crate) fn remove_agent_cgroup(&mut self, id: u64) -> Result<(), KernelError> {
        self.agents.remove_cgroup(id)
    }

    /// Tags what runs, with all threads and descendants.
    pub(crate) fn tag_running(&mut self, which: Running) -> Result<Tagged, KernelError> {
        let Shared(meta) = self.meta.get(&0, 0).map_err(|error| map_error("meta", &error))?;
        let iterator = self.pins.links(meta.object).join("holdpoint_iter_task");
        self.agents.tag_running(which, &iterator)
    }

    /// Guards this process, and these directories and files, from agents.
    pub(crate) fn guard(&mut self, places: &[PathBuf]) -> Result<(), KernelError> {
        self.guard.set(&[places, &[self.pins.directory().to_owned()]].concat())
    }

    /// What was refused to agents since the last call, so many at most.
    pub(crate) fn refused(&mut self, most: usize) -> Vec<Refused> {
        self.guard.refused(most)
    }

    /// Changes the one entry of `meta`.
    pub(crate) fn set_meta(&mut self, change: impl FnOnce(&mut Meta)) -> Result<(), KernelError> {
        let Shared(mut meta) = self.meta.get(&0, 0).map_err(|error| map_error("meta", &error))?;
        change(&mut meta);
        self.meta.set(0, Shared(meta), 0).map_err(|error| map_error("meta", &error))
    }

    /// All counters, summed over the CPUs.
    pub(super) fn counts(&self) -> Result<[u64; COUNTER_COUNT], KernelError> {
        let mut sums = [0; COUNTER_COUNT];
        for (index, sum) in (0_u32..).zip(sums.iter_mut()) {
            let values = self.counters.get(&index, 0).map_err(|error| map_error("counters", &error))?;
            *sum = values.iter().sum();
        }
        Ok(sums)
    }
}

/// Compares what is pinned with what this version makes. A map that is not there is made when the programs are loaded.
///
/// # Errors
/// With what is different, in words.
pub(super) fn check_maps(pins: &Pins) -> Result<(), String> {
    for map in MAPS.iter().filter(|map| pins.map(map.name).exists()) {
        let name = map.name;
        let info = data(pins, name).map_err(|error| error.to_string()).and_then(|data| {
            data.info().map_err(|error| format!("its map '{name}' says nothing: {error}"))
        })?;
        let kind =
            info.map_type().map_err(|error| format!("its map '{name}' is of no known kind: {error}"))?;
        let found = [info.key_size(), info.value_size(), info.max_entries()];
        let ours = [map.key, map.value, map.entries].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        if kind != map.kind || found != ours {
            return Err(format!(
                "its map '{name}' is {kind:?} with {found:?} bytes of key and value and entries; ours is {:?} with {ours:?}",
                map.kind
            ));
        }
    }
    Ok(())
}

pub(super) fn read_meta(pins: &Pins) -> Result<Meta, KernelError> {
    let map: Array<MapData, Shared<Meta>> = typed(pins, "meta", Map::Array)?;
    map.get(&0, 0).map(|shared| shared.0).map_err(|error| map_error("meta", &error))
}

pub(super) fn typed<T>(pins: &Pins, name: &'static str, kind: fn(MapData) -> Map) -> Result<T, KernelError>
where
    T: TryFrom<Map, Error = MapError>,
{
    T::try_from(kind(data(pins, name)?)).map_err(|error| map_error(name, &error))
}

fn data(pins: &Pins, name: &'static str) -> Result<MapData, KernelError> {
    MapData::from_pin(pins.map(name)).map_err(|error| map_error(name, &error))
}

/// That something is not there any more is what was wanted.
pub(super) fn gone(map: &'static str, result: Result<(), MapError>) -> Result<(), KernelError> {
    match result {
        Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
        Err(error) if is_not_found(&error) => Ok(()),
        Err(error) => Err(map_error(map, &error)),
    }
}

fn is_not_found(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error) if error.io_error.kind() == std::io::ErrorKind::NotFound)
}

pub(super) fn map_error(map: &'static str, error: &MapError) -> KernelError {
    KernelError::Map { map, cause: chain(error) }
}
