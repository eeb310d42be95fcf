//! The kernel half's maps in the hands of root: how a gate is broken that is attached, and pinned.

use aya::maps::{HashMap, Map, MapData};
use holdpoint_abi::{Allowance, FileKey, Hold, Listed, MAX_HOLDS, NAME_LENGTH};

const MAPS: &str = "/sys/fs/bpf/holdpoint/maps";

type Bytes<const K: usize, const V: usize> = HashMap<MapData, [u8; K], [u8; V]>;

fn open<const K: usize, const V: usize>(name: &str) -> Bytes<K, V> {
    let data = MapData::from_pin(format!("{MAPS}/{name}")).unwrap_or_else(|cause| panic!("{name}: {cause}"));
    HashMap::try_from(Map::HashMap(data)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

fn empty<const K: usize, const V: usize>(name: &str) {
    let mut map: Bytes<K, V> = open(name);
    let keys: Vec<[u8; K]> = map.keys().flatten().collect();
    assert!(!keys.is_empty(), "'{name}' is empty already");
    for key in keys {
        map.remove(&key).unwrap();
    }
}

/// How many holds the kernel half knows of, filings included.
pub(crate) fn holds() -> usize {
    open::<8, { size_of::<Hold>() }>("holds").keys().count()
}

/// Takes every program out of the lists. Nothing is held then.
pub(crate) fn empty_lists() {
    empty::<NAME_LENGTH, { size_of::<Listed>() }>("names");
    empty::<{ size_of::<FileKey>() }, { size_of::<Listed>() }>("files");
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
