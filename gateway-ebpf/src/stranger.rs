//! Tells user space of network namespaces that have no listener yet.

use crate::maps::{LISTENERS, STRANGERS, TOLD};
use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_ktime_get_ns};
use aya_ebpf::programs::SockContext;
use gateway_ebpf::{Stranger, TELL_AGAIN_NANOSECONDS};

/// A socket was made: the earliest sign of a namespace. The one for DNS comes before the connection that follows.
#[inline(always)]
pub fn created(ctx: &SockContext) {
    // SAFETY: the helper takes the context it was called with.
    let netns = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    if LISTENERS.get_ptr(netns).is_none() {
        tell(netns);
    }
}

/// Tells user space, unless it was told a moment ago. A full ring is tried again with the next socket.
#[inline(always)]
pub fn tell(netns: u64) {
    // SAFETY: the helper takes nothing.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(told) = TOLD.get_ptr(netns) {
        // SAFETY: an entry reused while it is read tells once too often or, for two seconds, not at all.
        if now < unsafe { *told }.wrapping_add(TELL_AGAIN_NANOSECONDS) {
            return;
        }
    }
    let Some(mut entry) = STRANGERS.reserve::<Stranger>(0) else { return };
    entry.write(Stranger { netns, pid: (bpf_get_current_pid_tgid() >> 32) as u32, zero: 0 });
    entry.submit(0);
    // A full LRU map makes room.
    let _ = TOLD.insert(netns, now, 0);
}
