//! The maps, and the few ways the programs read and count in them.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf, lpm_trie::Key};
use gateway_ebpf::{
    COUNTERS, Counter, Endpoint, Ip, Learned, Listener, MAX_CAPTURED, MAX_DIRECT, MAX_ENDPOINTS, MAX_EXEMPT,
    MAX_HOSTS, MAX_LEARNED, MAX_LISTENERS, MAX_PENDING, MAX_TOLD, MAX_WATCHED, Name, Original, PORT_WORDS,
    Peer, QUIC_ALL, SCOPE_KNOWN, STRANGERS_BYTES, Settings, Traffic, Volume,
};

#[map]
pub static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);
/// Steered ports, a bit each.
#[map]
pub static PORTS: Array<u64> = Array::with_max_entries(PORT_WORDS, 0);
/// Exact destinations that are always steered, as [`Endpoint::as_key`].
#[map]
pub static ENDPOINTS: HashMap<Endpoint, u32> = HashMap::with_max_entries(MAX_ENDPOINTS, 0);
/// Namespace cookie → where its steered connections go.
#[map]
pub static LISTENERS: HashMap<u64, Listener> = HashMap::with_max_entries(MAX_LISTENERS, 0);
/// Known host pattern → its number. The longest match wins.
#[map]
pub static HOSTS: LpmTrie<Name, u64> = LpmTrie::with_max_entries(MAX_HOSTS, BPF_F_NO_PREALLOC);
#[map]
pub static LEARNED: LruHashMap<Ip, Learned> = LruHashMap::with_max_entries(MAX_LEARNED, 0);
/// Socket cookie → original destination, from `connect` to the SYN.
#[map]
pub static PENDING: LruHashMap<u64, Original> = LruHashMap::with_max_entries(MAX_PENDING, 0);
/// Client's own address → original destination, until user space takes it.
#[map]
pub static CAPTURED: LruHashMap<Peer, Original> = LruHashMap::with_max_entries(MAX_CAPTURED, 0);
/// Client's own address → original destination, for `getpeername`.
#[map]
pub static PEERNAMES: LruHashMap<Peer, Original> = LruHashMap::with_max_entries(MAX_CAPTURED, 0);
/// Cookies of the gateway's own sockets.
#[map]
pub static EXEMPT: LruHashMap<u64, u32> = LruHashMap::with_max_entries(MAX_EXEMPT, 0);
/// What was not steered.
#[map]
pub static DIRECT: LruHashMap<Traffic, Volume> = LruHashMap::with_max_entries(MAX_DIRECT, 0);
/// Socket cookie → its row in `DIRECT`, from `connect` to the connection's end.
#[map]
pub static WATCHED: LruHashMap<u64, Traffic> = LruHashMap::with_max_entries(MAX_WATCHED, 0);
/// Namespaces that have no listener, for user space.
#[map]
pub static STRANGERS: RingBuf = RingBuf::with_byte_size(STRANGERS_BYTES, 0);
/// Namespace cookie → when user space was told of it.
#[map]
pub static TOLD: LruHashMap<u64, u64> = LruHashMap::with_max_entries(MAX_TOLD, 0);
#[map]
pub static COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTERS, 0);
#[map]
pub static QUESTION: PerCpuArray<Question> = PerCpuArray::with_max_entries(1, 0);

/// Room for the name of a DNS question, too large for the stack.
#[repr(C)]
pub struct Question {
    /// The name as it came, length bytes replaced by dots.
    pub wire: [u8; 256],
    /// Where its closing zero stands in `wire`.
    pub end: u32,
    /// The name as a key.
    pub key: Key<Name>,
}

/// Adds one to a counter.
#[inline(always)]
pub fn count(counter: Counter) {
    if let Some(slot) = COUNTS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot belongs to this CPU, and programs of this type are not preempted by each other.
        unsafe { *slot += 1 };
    }
}

/// Whether the port is steered.
#[inline(always)]
pub fn is_steered_port(port: u32) -> bool {
    PORTS.get(port / 64).is_some_and(|word| word >> (port % 64) & 1 == 1)
}

/// Whether the address was learned for a known host and has not expired.
#[inline(always)]
pub fn is_learned(ip: &Ip) -> bool {
    match LEARNED.get_ptr(ip) {
        // SAFETY: the element may be reused while it is read; a torn expiry only steers too much or too little once.
        Some(learned) => unsafe { aya_ebpf::helpers::generated::bpf_ktime_get_ns() < (*learned).until },
        None => false,
    }
}

/// Whether this very destination is always steered.
#[inline(always)]
pub fn is_endpoint(to: &Endpoint) -> bool {
    SETTINGS.get(0).is_some_and(|settings| settings.endpoints != 0)
        && ENDPOINTS.get_ptr(to.as_key()).is_some()
}

/// Whether UDP to any address is refused on steered ports.
#[inline(always)]
pub fn no_quic_at_all() -> bool {
    SETTINGS.get(0).is_some_and(|settings| settings.quic == QUIC_ALL)
}

/// Whether only learned addresses are steered.
#[inline(always)]
pub fn only_known() -> bool {
    SETTINGS.get(0).is_some_and(|settings| settings.scope == SCOPE_KNOWN)
}

/// Whether the socket with this cookie is the gateway's own.
#[inline(always)]
pub fn is_exempt(cookie: u64) -> bool {
    EXEMPT.get_ptr(cookie).is_some()
}
