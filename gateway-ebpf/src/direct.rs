//! Accounts for what is not steered, so that the gateway can say what it did not see.

use crate::maps::{DIRECT, WATCHED};
use aya_ebpf::bindings::bpf_sock_ops;
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid};
use core::arch::asm;
use core::ptr::{addr_of, addr_of_mut, read_volatile};
use gateway_ebpf::{Endpoint, Traffic, Volume};

pub const TCP: u16 = 6;
pub const UDP: u16 = 17;

/// Notes a call that was refused.
#[inline(always)]
pub fn refused(to: &Endpoint, protocol: u16) {
    note(&traffic(to, protocol, 1));
}

/// Notes a datagram, or a datagram socket, that passed.
#[inline(always)]
pub fn datagram(to: &Endpoint) {
    note(&traffic(to, UDP, 0));
}

/// Notes a connection that passed, and has its bytes counted when it ends.
#[inline(always)]
pub fn connection(to: &Endpoint, cookie: u64) {
    let traffic = traffic(to, TCP, 0);
    note(&traffic);
    // Without this entry its bytes are not counted; the connection itself is.
    let _ = WATCHED.insert(cookie, traffic, 0);
}

/// Adds the bytes of a connection that has ended.
#[inline(always)]
pub fn ended(ops: *const bpf_sock_ops, cookie: u64) {
    // SAFETY: only this socket's own connect writes the entry of its cookie.
    let Some(traffic) = (unsafe { WATCHED.get(cookie) }) else { return };
    if let Some(volume) = DIRECT.get_ptr_mut(traffic) {
        // SAFETY: the kernel hands every program a valid context; the element stays mapped while the program runs, and
        // one that was reused meanwhile only makes the sums of two rows inexact.
        unsafe {
            add(addr_of_mut!((*volume).bytes_up), read_volatile(addr_of!((*ops).bytes_acked)));
            add(addr_of_mut!((*volume).bytes_down), read_volatile(addr_of!((*ops).bytes_received)));
        }
    }
    let _ = WATCHED.remove(cookie);
}

#[inline(always)]
fn traffic(to: &Endpoint, protocol: u16, refused: u16) -> Traffic {
    Traffic { comm: bpf_get_current_comm().unwrap_or([0; 16]), to: *to, protocol, refused }
}

#[inline(always)]
fn note(traffic: &Traffic) {
    let pid = (bpf_get_current_pid_tgid() >> 32) as u32;
    if let Some(volume) = DIRECT.get_ptr_mut(traffic) {
        // SAFETY: as in `ended`.
        unsafe {
            add(addr_of_mut!((*volume).connections), 1);
            (*volume).pid = pid;
        }
        return;
    }
    // Two processors that see a new row at once count one connection between them.
    let volume = Volume { connections: 1, bytes_up: 0, bytes_down: 0, pid, zero: 0 };
    let _ = DIRECT.insert(traffic, volume, 0);
}

/// Adds without losing what another processor adds. The compiler's own atomics are not there for this target.
///
/// # Safety
/// `sum` points into an element of a map.
#[inline(always)]
unsafe fn add(sum: *mut u64, number: u64) {
    // SAFETY: by the contract above; map values are aligned to eight bytes.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) sum, in(reg) number) };
}
