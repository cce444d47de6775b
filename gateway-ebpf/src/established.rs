//! Hands the original destination over at the SYN, and gives it back to the app in `getpeername`.

use crate::address::{self, Family};
use crate::connect::PASS;
use crate::direct;
use crate::maps::{CAPTURED, LISTENERS, PEERNAMES, PENDING, WATCHED};
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{bpf_sock, bpf_sock_ops};
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie};
use aya_ebpf::programs::{SockAddrContext, SockOpsContext};
use core::ptr::{addr_of, read_volatile};
use gateway_ebpf::{Endpoint, Ip, Peer};

/// `BPF_SOCK_OPS_TCP_CONNECT_CB`: source address and port are chosen, the SYN is not sent yet.
const TCP_CONNECT: u32 = 3;
/// `BPF_SOCK_OPS_STATE_CB`: the state changes from the first to the second argument.
const STATE_CHANGED: u32 = 10;
/// `BPF_SOCK_OPS_STATE_CB_FLAG`.
const TELL_STATES: i32 = 1 << 2;
/// `BPF_TCP_CLOSE`: the last state of every connection, on the original socket also before `TIME_WAIT`.
const TCP_CLOSE: u32 = 7;
const AF_INET6: u32 = 10;

/// Re-keys the original destination by the client's own address, which is all user space sees of it; and counts what
/// other connections carried when they end.
#[inline(always)]
pub fn socket_operation(ctx: &SockOpsContext) {
    match ctx.op() {
        TCP_CONNECT => started(ctx),
        STATE_CHANGED if ctx.arg(1) == TCP_CLOSE => {
            // SAFETY: the helper takes the context it was called with.
            direct::ended(ctx.ops, unsafe { bpf_get_socket_cookie(ctx.as_ptr()) });
        }
        _ => {}
    }
}

#[inline(always)]
fn started(ctx: &SockOpsContext) {
    // SAFETY: both helpers take the context they were called with.
    let (cookie, netns) =
        unsafe { (bpf_get_socket_cookie(ctx.as_ptr()), bpf_get_netns_cookie(ctx.as_ptr())) };
    if WATCHED.get_ptr(cookie).is_some() {
        // Refused, its bytes are not counted.
        let _ = ctx.set_cb_flags(ctx.cb_flags() as i32 | TELL_STATES);
        return;
    }
    // SAFETY: only this socket's own connect writes the entry of its cookie.
    let Some(original) = (unsafe { PENDING.get(cookie) }) else { return };
    let peer = Peer { netns, at: local(ctx.ops), zero: 0 };
    // A full LRU map makes room; if the kernel still refuses, user space finds no destination and closes.
    let _ = CAPTURED.insert(peer, original, 0);
    let _ = PEERNAMES.insert(peer, original, 0);
    let _ = PENDING.remove(cookie);
}

/// Shows the app the peer it asked for. The listener's address alone proves that the connection was steered; the
/// look-up by local address (not by cookie) also serves MPTCP, whose subflow has a cookie of its own.
#[inline(always)]
pub fn peer_name(ctx: &SockAddrContext, family: Family) -> i32 {
    // SAFETY: the helper takes the context it was called with.
    let netns = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    let Some(listener) = LISTENERS.get_ptr(netns) else { return PASS };
    let shown = address::read(ctx.sock_addr, family);
    // SAFETY: user space replaces listeners whole and never removes one in use.
    let (v4, v6) = unsafe { ((*listener).v4, (*listener).v6) };
    let is_ours =
        (shown.port == v4.port && shown.ip.same(&v4.ip)) || (shown.port == v6.port && shown.ip.same(&v6.ip));
    if !is_ours {
        return PASS;
    }
    // SAFETY: the context's socket pointer is valid and never null.
    let at = unsafe { own_address((*ctx.sock_addr).__bindgen_anon_1.sk) };
    // SAFETY: an entry reused while it is read shows a wrong name once, and no connection depends on it.
    if let Some(original) = unsafe { PEERNAMES.get(Peer { netns, at, zero: 0 }) } {
        address::write(ctx.sock_addr, family, &original.to);
    }
    PASS
}

// Both forms are read before one is chosen: the compiler would otherwise merge the two loads into one at a computed
// offset, which the verifier refuses. An IPv4 socket's IPv6 words are zero or stale, and not used.

#[inline(always)]
fn local(ops: *const bpf_sock_ops) -> Endpoint {
    // SAFETY: the kernel hands every program a valid context; volatile, as merged accesses are refused.
    unsafe {
        let v4 = read_volatile(addr_of!((*ops).local_ip4));
        let v6 = [
            read_volatile(addr_of!((*ops).local_ip6[0])),
            read_volatile(addr_of!((*ops).local_ip6[1])),
            read_volatile(addr_of!((*ops).local_ip6[2])),
            read_volatile(addr_of!((*ops).local_ip6[3])),
        ];
        let port = read_volatile(addr_of!((*ops).local_port));
        choose(read_volatile(addr_of!((*ops).family)), v4, v6, port)
    }
}

/// # Safety
/// `sk` is the socket of the context at hand.
#[inline(always)]
unsafe fn own_address(sk: *const bpf_sock) -> Endpoint {
    // SAFETY: by the contract above.
    unsafe {
        let v4 = read_volatile(addr_of!((*sk).src_ip4));
        let v6 = [
            read_volatile(addr_of!((*sk).src_ip6[0])),
            read_volatile(addr_of!((*sk).src_ip6[1])),
            read_volatile(addr_of!((*sk).src_ip6[2])),
            read_volatile(addr_of!((*sk).src_ip6[3])),
        ];
        let port = read_volatile(addr_of!((*sk).src_port));
        choose(read_volatile(addr_of!((*sk).family)), v4, v6, port)
    }
}

#[inline(always)]
fn choose(family: u32, v4: u32, v6: [u32; 4], port: u32) -> Endpoint {
    Endpoint { ip: if family == AF_INET6 { Ip(v6) } else { Ip::v4(v4) }, port }
}
