//! The kernel programs: entry points only, each in the hook its section names.
#![no_std]
#![no_main]
// For the one instruction `direct` writes itself; both ways to build this object allow unstable features.
#![feature(asm_experimental_arch)]

mod address;
mod connect;
mod datagram;
mod direct;
mod dns;
mod established;
mod maps;
mod stranger;

use address::Family;
use aya_ebpf::macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr, sock_ops};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext, SockContext, SockOpsContext};

// No function may be called like its section: the linker would see the symbol twice.

#[cgroup_sock(sock_create)]
pub fn gw_create(ctx: SockContext) -> i32 {
    stranger::created(&ctx);
    1
}

#[cgroup_sock_addr(connect4)]
pub fn gw_connect4(ctx: SockAddrContext) -> i32 {
    connect::connect(&ctx, Family::V4)
}

#[cgroup_sock_addr(connect6)]
pub fn gw_connect6(ctx: SockAddrContext) -> i32 {
    connect::connect(&ctx, Family::V6)
}

#[cgroup_sock_addr(sendmsg4)]
pub fn gw_sendmsg4(ctx: SockAddrContext) -> i32 {
    datagram::decide(&ctx, Family::V4)
}

#[cgroup_sock_addr(sendmsg6)]
pub fn gw_sendmsg6(ctx: SockAddrContext) -> i32 {
    datagram::decide(&ctx, Family::V6)
}

#[cgroup_sock_addr(getpeername4)]
pub fn gw_peername4(ctx: SockAddrContext) -> i32 {
    established::peer_name(&ctx, Family::V4)
}

#[cgroup_sock_addr(getpeername6)]
pub fn gw_peername6(ctx: SockAddrContext) -> i32 {
    established::peer_name(&ctx, Family::V6)
}

#[sock_ops]
pub fn gw_sockops(ctx: SockOpsContext) -> u32 {
    established::socket_operation(&ctx);
    1
}

#[cgroup_skb(ingress)]
pub fn gw_ingress(ctx: SkBuffContext) -> i32 {
    dns::ingress(&ctx);
    1
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // Nothing here panics; if something did, the verifier would refuse this loop.
    loop {}
}
