//! The kernel tables, typed, shared by all threads of the gateway.

use super::SteerError;
use super::kernel::Wire;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use gateway_ebpf::{
    COUNTERS, Endpoint, Ip, Learned, Listener, Name, Original, PORT_WORDS, Peer, Plain, Settings, Traffic,
    Volume,
};
use std::hash::Hash;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Every table user space touches, by the name it has in the object and among the pins.
pub(super) const NAMES: [&str; 11] = [
    "SETTINGS",
    "PORTS",
    "ENDPOINTS",
    "LISTENERS",
    "HOSTS",
    "LEARNED",
    "CAPTURED",
    "EXEMPT",
    "DIRECT",
    "COUNTS",
    STRANGERS,
];
/// The one that is not a table but a ring, read through its pin.
pub(super) const STRANGERS: &str = "STRANGERS";

/// The tables of one attached cgroup.
pub(super) struct Maps {
    settings: Mutex<Array<MapData, Wire<Settings>>>,
    ports: Mutex<Array<MapData, u64>>,
    pub(super) endpoints: Table<Endpoint, u32>,
    pub(super) listeners: Table<u64, Listener>,
    hosts: Mutex<LpmTrie<MapData, Wire<Name>, Wire<u64>>>,
    pub(super) learned: Table<Ip, Learned>,
    pub(super) captured: Table<Peer, Original>,
    pub(super) exempt: Table<u64, u32>,
    pub(super) direct: Table<Traffic, Volume>,
    counts: PerCpuArray<MapData, u64>,
}

impl Maps {
    /// Takes each table from `take`.
    pub(super) fn from(
        mut take: impl FnMut(&'static str) -> Result<Map, SteerError>,
    ) -> Result<Maps, SteerError> {
        Ok(Maps {
            settings: Mutex::new(take("SETTINGS")?.try_into().map_err(|error| failed("SETTINGS", error))?),
            ports: Mutex::new(take("PORTS")?.try_into().map_err(|error| failed("PORTS", error))?),
            endpoints: Table::new("ENDPOINTS", take("ENDPOINTS")?)?,
            listeners: Table::new("LISTENERS", take("LISTENERS")?)?,
            hosts: Mutex::new(take("HOSTS")?.try_into().map_err(|error| failed("HOSTS", error))?),
            learned: Table::new("LEARNED", take("LEARNED")?)?,
            captured: Table::new("CAPTURED", take("CAPTURED")?)?,
            exempt: Table::new("EXEMPT", take("EXEMPT")?)?,
            direct: Table::new("DIRECT", take("DIRECT")?)?,
            counts: take("COUNTS")?.try_into().map_err(|error| failed("COUNTS", error))?,
        })
    }

    /// The tables pinned in `folder`.
    pub(super) fn pinned(folder: &Path) -> Result<Maps, SteerError> {
        Maps::from(|name| pinned(folder, name))
    }

    pub(super) fn settings(&self) -> Result<Settings, SteerError> {
        lock(&self.settings).get(&0, 0).map(|found| found.0).map_err(|error| failed("SETTINGS", error))
    }

    pub(super) fn set_settings(&self, settings: Settings) -> Result<(), SteerError> {
        lock(&self.settings).set(0, Wire(settings), 0).map_err(|error| failed("SETTINGS", error))
    }

    /// Makes the steered ports be exactly these, without a moment in which one of them is absent.
    pub(super) fn set_ports(&self, wanted: &[u16]) -> Result<(), SteerError> {
        let mut words = [0_u64; PORT_WORDS as usize];
        for port in wanted {
            words[usize::from(port / 64)] |= 1 << (port % 64);
        }
        let mut ports = lock(&self.ports);
        for (index, word) in (0..).zip(words) {
            ports.set(index, word, 0).map_err(|error| failed("PORTS", error))?;
        }
        Ok(())
    }

    /// Makes the known hosts be exactly these, without a moment in which one of them is absent.
    pub(super) fn set_hosts(&self, wanted: &[(Name, u32, u64)]) -> Result<(), SteerError> {
        let mut hosts = lock(&self.hosts);
        for (name, bytes, number) in wanted {
            let key = Key::new(bytes * 8, Wire(*name));
            hosts.insert(&key, Wire(*number), 0).map_err(|error| failed("HOSTS", error))?;
        }
        let present: Vec<Key<Wire<Name>>> = hosts.keys().filter_map(Result::ok).collect();
        let is_wanted = |key: &Key<Wire<Name>>| {
            wanted
                .iter()
                .any(|(name, bytes, _)| key.prefix_len() == bytes * 8 && key.data().0.bytes == name.bytes)
        };
        for stale in present.iter().filter(|key| !is_wanted(key)) {
            hosts.remove(stale).map_err(|error| failed("HOSTS", error))?;
        }
        Ok(())
    }

    /// Every counter, summed over the processors.
    pub(super) fn counts(&self) -> Result<[u64; COUNTERS as usize], SteerError> {
        let mut sums = [0; COUNTERS as usize];
        for (index, sum) in (0..).zip(&mut sums) {
            let values = self.counts.get(&index, 0).map_err(|error| failed("COUNTS", error))?;
            *sum = values.iter().sum();
        }
        Ok(sums)
    }
}

/// One hash table. The lock is held for one system call; the library asks for exclusive access to write.
pub(super) struct Table<K, V> {
    name: &'static str,
    map: Mutex<HashMap<MapData, Wire<K>, Wire<V>>>,
}

impl<K: Plain, V: Plain> Table<K, V> {
    fn new(name: &'static str, map: Map) -> Result<Self, SteerError> {
        Ok(Table { name, map: Mutex::new(map.try_into().map_err(|error| failed(name, error))?) })
    }

    pub(super) fn get(&self, key: K) -> Option<V> {
        lock(&self.map).get(&Wire(key), 0).ok().map(|found| found.0)
    }

    pub(super) fn put(&self, key: K, value: V) -> Result<(), SteerError> {
        lock(&self.map).insert(Wire(key), Wire(value), 0).map_err(|error| failed(self.name, error))
    }

    /// Removes and returns the entry.
    pub(super) fn take(&self, key: K) -> Option<V> {
        let mut map = lock(&self.map);
        let found = map.get(&Wire(key), 0).ok()?;
        // Evicted in between is as good as removed.
        let _ = map.remove(&Wire(key));
        Some(found.0)
    }

    /// The keys that are there, as far as the table stands still meanwhile.
    pub(super) fn keys(&self) -> Vec<K> {
        lock(&self.map).keys().filter_map(Result::ok).map(|key| key.0).collect()
    }

    /// Every entry, at most `limit`; what changes meanwhile may be missing.
    pub(super) fn entries(&self, limit: u32) -> Result<Vec<(K, V)>, SteerError>
    where
        K: Eq + Hash,
    {
        // The kernel starts again from the front when the entry it stands at goes away, hence the second bound.
        let map = lock(&self.map);
        let found =
            map.iter().take(2 * limit as usize).map(|entry| entry.map(|(key, value)| (key.0, value.0)));
        let once: std::collections::HashMap<K, V> =
            found.collect::<Result<_, _>>().map_err(|error| failed(self.name, error))?;
        Ok(once.into_iter().take(limit as usize).collect())
    }

    /// Makes the table hold exactly `wanted`, without a moment in which a wanted entry is absent.
    pub(super) fn replace(&self, wanted: &[(K, V)]) -> Result<(), SteerError>
    where
        K: PartialEq,
    {
        let mut map = lock(&self.map);
        let present: Vec<Wire<K>> = map.keys().filter_map(Result::ok).collect();
        for stale in present.iter().filter(|key| !wanted.iter().any(|(kept, _)| *kept == key.0)) {
            map.remove(stale).map_err(|error| failed(self.name, error))?;
        }
        for (key, value) in wanted {
            map.insert(Wire(*key), Wire(*value), 0).map_err(|error| failed(self.name, error))?;
        }
        Ok(())
    }
}

/// One table pinned in `folder`.
pub(super) fn pinned_table<K: Plain, V: Plain>(
    folder: &Path,
    name: &'static str,
) -> Result<Table<K, V>, SteerError> {
    Table::new(name, pinned(folder, name)?)
}

/// The map pinned in `folder`.
pub(super) fn pinned(folder: &Path, name: &'static str) -> Result<Map, SteerError> {
    let data = MapData::from_pin(folder.join(name)).map_err(|error| failed(name, error))?;
    Map::from_map_data(data).map_err(|error| failed(name, error))
}

fn failed(table: &'static str, error: MapError) -> SteerError {
    SteerError::Table { table, source: Box::new(error) }
}

/// A panic while one was locked leaves the kernel's table whole: system calls are atomic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
