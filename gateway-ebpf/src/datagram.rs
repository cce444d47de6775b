//! UDP that would be QUIC to a known host is refused, so that clients fall back to TCP.

use crate::address::{self, Family};
use crate::connect::{PASS, REFUSE};
use crate::direct;
use crate::maps::{count, is_exempt, is_learned, is_steered_port, no_quic_at_all};
use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use aya_ebpf::programs::SockAddrContext;
use core::ptr::{addr_of, read_volatile};
use gateway_ebpf::{Counter, Endpoint};

const IPPROTO_UDP: u32 = 17;
const IPPROTO_UDPLITE: u32 = 136;
/// Name look-ups pass, and are too many to account for.
const DNS_PORT: u32 = 53;
/// Nothing speaks QUIC there.
const HTTP_PORT: u32 = 80;
const NTP_PORT: u32 = 123;

/// Decides one `connect` of a datagram socket or one `sendmsg` with a destination of its own.
#[inline(always)]
pub fn decide(ctx: &SockAddrContext, family: Family) -> i32 {
    // SAFETY: the kernel hands every program a valid context.
    let protocol = unsafe { read_volatile(addr_of!((*ctx.sock_addr).protocol)) };
    if protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE {
        return PASS;
    }
    // SAFETY: the helper takes the context it was called with.
    if is_exempt(unsafe { bpf_get_socket_cookie(ctx.as_ptr()) }) {
        count(Counter::Exempt);
        return PASS;
    }
    let to = address::read(ctx.sock_addr, family);
    if to.port == DNS_PORT {
        return PASS;
    }
    if is_refused(&to) {
        count(Counter::RefusedUdp);
        direct::refused(&to, direct::UDP);
        return REFUSE;
    }
    direct::datagram(&to);
    PASS
}

/// Whether this would be QUIC that must fall back: to a known host on whatever port, as servers may announce any; to
/// anybody where that is asked for, on the steered ports that carry TLS.
#[inline(always)]
fn is_refused(to: &Endpoint) -> bool {
    (no_quic_at_all() && to.port != HTTP_PORT && is_steered_port(to.port))
        || (to.port != NTP_PORT && is_learned(&to.ip))
}
