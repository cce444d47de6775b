//! Reads and writes the destination in a socket-address context.

use aya_ebpf::bindings::bpf_sock_addr;
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};
use gateway_ebpf::{Endpoint, Ip};

/// Whether a hook speaks IPv4 or IPv6 (mapped addresses arrive as IPv6).
#[derive(Clone, Copy)]
pub enum Family {
    V4,
    V6,
}

// Volatile throughout: merged or reordered context accesses are refused by the verifier.

/// The destination (connect, sendmsg) or peer (getpeername) of the call.
#[inline(always)]
pub fn read(ctx: *const bpf_sock_addr, family: Family) -> Endpoint {
    // SAFETY: the kernel hands every program a valid context.
    unsafe {
        let ip = match family {
            Family::V4 => Ip::v4(read_volatile(addr_of!((*ctx).user_ip4))),
            Family::V6 => Ip([
                read_volatile(addr_of!((*ctx).user_ip6[0])),
                read_volatile(addr_of!((*ctx).user_ip6[1])),
                read_volatile(addr_of!((*ctx).user_ip6[2])),
                read_volatile(addr_of!((*ctx).user_ip6[3])),
            ]),
        };
        let port = u16::from_be(read_volatile(addr_of!((*ctx).user_port)) as u16);
        Endpoint { ip, port: port as u32 }
    }
}

/// Replaces that address. In an IPv4 hook only IPv4 endpoints make sense.
#[inline(always)]
pub fn write(ctx: *mut bpf_sock_addr, family: Family, to: &Endpoint) {
    // SAFETY: as in `read`.
    unsafe {
        match family {
            Family::V4 => write_volatile(addr_of_mut!((*ctx).user_ip4), to.ip.0[3]),
            Family::V6 => {
                write_volatile(addr_of_mut!((*ctx).user_ip6[0]), to.ip.0[0]);
                write_volatile(addr_of_mut!((*ctx).user_ip6[1]), to.ip.0[1]);
                write_volatile(addr_of_mut!((*ctx).user_ip6[2]), to.ip.0[2]);
                write_volatile(addr_of_mut!((*ctx).user_ip6[3]), to.ip.0[3]);
            }
        }
        write_volatile(addr_of_mut!((*ctx).user_port), (to.port as u16).to_be() as u32);
    }
}
