//! UDP to a steered port of a known host is refused, so that QUIC falls back to TCP.

use crate::address::{self, Family};
use crate::connect::{PASS, REFUSE};
use crate::maps::{count, is_exempt, is_learned, is_steered_port};
use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use aya_ebpf::programs::SockAddrContext;
use core::ptr::{addr_of, read_volatile};
use gateway_ebpf::Counter;

const IPPROTO_UDP: u32 = 17;
const IPPROTO_UDPLITE: u32 = 136;

/// Decides one `connect` of a datagram socket or one `sendmsg` with a destination of its own.
#[inline(always)]
pub fn decide(ctx: &SockAddrContext, family: Family) -> i32 {
    // SAFETY: the kernel hands every program a valid context.
    let protocol = unsafe { read_volatile(addr_of!((*ctx.sock_addr).protocol)) };
    if protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE {
        return PASS;
    }
    let to = address::read(ctx.sock_addr, family);
    if !is_steered_port(to.port) || !is_learned(&to.ip) {
        return PASS;
    }
    // SAFETY: the helper takes the context it was called with.
    if is_exempt(unsafe { bpf_get_socket_cookie(ctx.as_ptr()) }) {
        count(Counter::Exempt);
        return PASS;
    }
    count(Counter::RefusedUdp);
    REFUSE
}
