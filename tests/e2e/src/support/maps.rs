//! The kernel half's maps in the hands of root: how a gate is broken that is attached, and pinned.

use aya::maps::{Array, HashMap, Map, MapData};
use holdpoint_abi::{
    Allowance, FileKey, Hold, Listed, MAX_HOLDS, MAX_TASKS, NAME_LENGTH, Retry, TAG_SLOTS, TaskState,
};

const MAPS: &str = "/sys/fs/bpf/holdpoint/maps";

type Bytes<const K: usize, const V: usize> = HashMap<MapData, [u8; K], [u8; V]>;

fn open<const K: usize, const V: usize>(name: &str) -> Bytes<K, V> {
    let data = MapData::from_pin(format!("{MAPS}/{name}")).unwrap_or_else(|cause| panic!("{name}: {cause}"));
    HashMap::try_from(Map::HashMap(data)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

/// Takes all entries out of a map, and says how many there were.
fn empty<const K: usize, const V: usize>(name: &str) -> usize {
    let mut map: Bytes<K, V> = open(name);
    let keys: Vec<[u8; K]> = map.keys().flatten().collect();
    for key in &keys {
        // What belongs to a process goes with it, maybe just now.
        let _gone = map.remove(key);
    }
    keys.len()
}

/// Takes out what is kept of execs, where the next daemon is to find nothing of what the one before has stored of them.
pub(crate) fn forget_execs() {
    empty::<{ size_of::<Retry>() }, 8>("retries");
    empty::<8, { size_of::<Hold>() }>("holds");
    empty::<8, { size_of::<Allowance>() }>("allowances");
}

/// How many holds the kernel half knows of, filings included.
pub(crate) fn holds() -> usize {
    open::<8, { size_of::<Hold>() }>("holds").keys().count()
}

/// Takes every program out of the lists. Nothing is held then.
pub(crate) fn empty_lists() {
    assert_ne!(empty::<NAME_LENGTH, { size_of::<Listed>() }>("names"), 0);
    assert_ne!(empty::<{ size_of::<FileKey>() }, { size_of::<Listed>() }>("files"), 0);
}

/// The tag of a thread: where it is kept, and what it says.
pub(crate) type TagEntry = ([u8; 8], [u8; size_of::<TaskState>()]);

/// The tags of all threads.
pub(crate) fn tags() -> Vec<TagEntry> {
    open::<8, { size_of::<TaskState>() }>("tasks").iter().flatten().collect()
}

/// How many tags are counted.
pub(crate) fn counted_tags() -> u64 {
    slots().iter().map(|[count, _]| count).sum()
}

/// Puts tags where they were, and counts them, as where the end of their threads had gone unnoticed. Tags that come and go
/// meanwhile may be counted wrongly: the gate is of no use for anything else afterwards.
pub(crate) fn put_tags_back(tags: &[TagEntry]) {
    let mut map = open("tasks");
    for (address, state) in tags {
        count_one_more(u64::from_ne_bytes(*address));
        map.insert(address, state, 0).unwrap();
    }
}

/// Of each slot how many there are, and which is known.
type Slots = [[u64; 2]; TAG_SLOTS];

fn slot_map() -> Array<MapData, Slots> {
    let data = MapData::from_pin(format!("{MAPS}/tag_slots")).unwrap();
    Array::try_from(Map::Array(data)).unwrap()
}

fn slots() -> Slots {
    slot_map().get(&0, 0).unwrap()
}

/// The slot is chosen as in `ebpf/src/tag.rs`.
fn count_one_more(address: u64) {
    let slot = usize::try_from((address >> 6 ^ address >> 18) % TAG_SLOTS as u64).unwrap();
    let mut now = slots();
    now[slot] = [now[slot][0] + 1, address];
    slot_map().set(0, now, 0).unwrap();
}

/// A map of tags without room for another one. There is room again when this goes.
pub(crate) struct NoRoomForTags(Bytes<8, { size_of::<TaskState>() }>);

impl NoRoomForTags {
    pub(crate) fn begin() -> Self {
        let mut map = open("tasks");
        // No task lies at such an address.
        for address in (1..=u64::try_from(MAX_TASKS).unwrap()).map(u64::to_ne_bytes) {
            if map.insert(address, [0; size_of::<TaskState>()], 0).is_err() {
                return Self(map);
            }
        }
        let more = map.insert(u64::MAX.to_ne_bytes(), [0; size_of::<TaskState>()], 0);
        assert!(more.is_err(), "there is still room for tags");
        Self(map)
    }
}

impl Drop for NoRoomForTags {
    fn drop(&mut self) {
        for address in (1..=u64::try_from(MAX_TASKS).unwrap()).map(u64::to_ne_bytes) {
            // Not all of them may have found room.
            let _missing = self.0.remove(&address);
        }
    }
}

/// A map of answers without room for another one: what is held cannot be denied, nor let go. There is room again when
/// this goes.
pub(crate) struct NoRoomForAnswers(Bytes<8, { size_of::<Allowance>() }>);

impl NoRoomForAnswers {
    pub(crate) fn begin() -> Self {
        let mut map = open("allowances");
        // Holds have random numbers of 64 bits: none is among these. A verdict of zero means nothing.
        for hold in keys() {
            match map.insert(hold, [0; size_of::<Allowance>()], 0) {
                Ok(()) => {}
                // There was an answer in it, or the kernel counts a little more than it was told.
                Err(_) => return Self(map),
            }
        }
        let more = map.insert(u64::MAX.to_ne_bytes(), [0; size_of::<Allowance>()], 0);
        assert!(more.is_err(), "there is still room for answers");
        Self(map)
    }
}

fn keys() -> impl Iterator<Item = [u8; 8]> {
    (1..=u64::try_from(MAX_HOLDS).unwrap()).map(u64::to_ne_bytes)
}

impl Drop for NoRoomForAnswers {
    fn drop(&mut self) {
        for hold in keys() {
            // Not all of them may have found room.
            let _missing = self.0.remove(&hold);
        }
    }
}
