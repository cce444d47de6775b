//! `connect`: one classifier for TCP over IPv4, IPv6 and IPv4-mapped IPv6.

use crate::address::{self, Family};
use crate::maps::{
    LISTENERS, PENDING, SETTINGS, WATCHED, count, is_endpoint, is_exempt, is_learned, is_steered_port,
    only_known,
};
use crate::{datagram, direct, stranger};
use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_setsockopt,
};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use aya_ebpf::programs::SockAddrContext;
use core::ptr::{addr_of, read_volatile};
use gateway_ebpf::{Counter, Endpoint, FAIL_OPEN, Listener, Original, is_left_alone};

/// The call fails with `EPERM`.
pub const REFUSE: i32 = 0;
/// The call goes on, with the destination as it now stands.
pub const PASS: i32 = 1;

const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const IPPROTO_TCP: u32 = 6;
/// From asm-generic/socket.h.
const SOL_SOCKET: i32 = 1;
const SO_BINDTODEVICE: i32 = 25;
/// Linux's `IPPROTO_MPTCP`; older kernels show it on the first subflow.
const IPPROTO_MPTCP: u32 = 262;

/// Decides one `connect`.
#[inline(always)]
pub fn connect(ctx: &SockAddrContext, family: Family) -> i32 {
    // SAFETY: the kernel hands every program a valid context.
    let (kind, protocol) = unsafe {
        (read_volatile(addr_of!((*ctx.sock_addr).type_)), read_volatile(addr_of!((*ctx.sock_addr).protocol)))
    };
    if kind == SOCK_DGRAM {
        return datagram::decide(ctx, family);
    }
    if kind != SOCK_STREAM || (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP) {
        return PASS;
    }
    // SAFETY: both helpers take the context they were called with.
    let (cookie, netns) =
        unsafe { (bpf_get_socket_cookie(ctx.as_ptr()), bpf_get_netns_cookie(ctx.as_ptr())) };
    if is_exempt(cookie) {
        count(Counter::Exempt);
        return PASS;
    }
    let to = address::read(ctx.sock_addr, family);
    // SAFETY: user space replaces listeners whole and never removes one in use.
    let listener = unsafe { LISTENERS.get(netns) };
    if listener.is_some_and(|listener| is_listener(listener, &to)) {
        count(Counter::RefusedListener);
        direct::refused(&to, direct::TCP);
        return REFUSE;
    }
    if !is_steered(&to) {
        count(Counter::Passed);
        direct::connection(&to, cookie);
        return PASS;
    }
    let Some(listener) = listener else {
        stranger::tell(netns);
        return without_listener(&to, cookie);
    };
    match door(listener, &to) {
        Some(door) => steer(ctx, family, cookie, to, &door),
        None => without_listener(&to, cookie),
    }
}

/// A known host is steered whatever the port, as names and not ports make it one; others by their port.
#[inline(always)]
fn is_steered(to: &Endpoint) -> bool {
    let is_steered_port = is_steered_port(to.port);
    (is_steered_port && !only_known())
        || ((is_steered_port || !(is_left_alone(to.port) || to.ip.is_loopback())) && is_learned(&to.ip))
        || is_endpoint(to)
}

/// Whether `to` is one of the gateway's own listeners. The kernel takes `0.0.0.0` and `::` for loopback.
#[inline(always)]
fn is_listener(listener: &Listener, to: &Endpoint) -> bool {
    (to.port == listener.v4.port && (to.ip.same(&listener.v4.ip) || to.ip.is_unspecified()))
        || (to.port == listener.v6.port && (to.ip.same(&listener.v6.ip) || to.ip.is_unspecified()))
}

/// The endpoint for this destination. Without an IPv6 listener, IPv6 goes to the mapped IPv4 one.
#[inline(always)]
fn door(listener: &Listener, to: &Endpoint) -> Option<Endpoint> {
    let door = if to.ip.is_v4() || listener.v6.port == 0 { listener.v4 } else { listener.v6 };
    (door.port != 0).then_some(door)
}

#[inline(always)]
fn steer(ctx: &SockAddrContext, family: Family, cookie: u64, to: Endpoint, door: &Endpoint) -> i32 {
    if !unbind_device(ctx) {
        direct::refused(&to, direct::TCP);
        return REFUSE;
    }
    let original = Original {
        // SAFETY: the helper takes nothing and always succeeds.
        cgroup: unsafe { bpf_get_current_cgroup_id() },
        to,
        pid: (bpf_get_current_pid_tgid() >> 32) as u32,
        uid: bpf_get_current_uid_gid() as u32,
        zero: 0,
        comm: bpf_get_current_comm().unwrap_or([0; 16]),
    };
    // A connection whose destination cannot be kept would arrive without one: refuse it instead.
    if PENDING.insert(cookie, original, 0).is_err() {
        return without_listener(&to, cookie);
    }
    // Left by a `connect` of the same socket that passed and failed before its SYN.
    let _ = WATCHED.remove(cookie);
    address::write(ctx.sock_addr, family, door);
    count(Counter::Steered);
    PASS
}

/// Takes a socket off the device it was bound to, from which the listener cannot be reached: its connection would hang.
/// False where the kernel does not let this task do that.
#[inline(always)]
fn unbind_device(ctx: &SockAddrContext) -> bool {
    // SAFETY: the kernel hands every program a valid context, and its socket is never null.
    unsafe {
        let socket = (*ctx.sock_addr).__bindgen_anon_1.sk;
        if read_volatile(addr_of!((*socket).bound_dev_if)) == 0 {
            return true;
        }
        let none = 0_u32;
        let none = addr_of!(none).cast_mut().cast();
        bpf_setsockopt(ctx.as_ptr(), SOL_SOCKET, SO_BINDTODEVICE, none, size_of::<u32>() as i32) == 0
    }
}

#[inline(always)]
fn without_listener(to: &Endpoint, cookie: u64) -> i32 {
    if SETTINGS.get(0).is_some_and(|settings| settings.fail == FAIL_OPEN) {
        count(Counter::PassedNamespace);
        direct::connection(to, cookie);
        return PASS;
    }
    count(Counter::RefusedNamespace);
    direct::refused(to, direct::TCP);
    REFUSE
}
