//! What the cgroup sent past the gateway, or was refused, as the kernel counted it.

use super::SteerError;
use super::maps::Maps;
use gateway_ebpf::{MAX_DIRECT, Traffic, Volume};
use serde::Serialize;
use std::net::{Ipv6Addr, SocketAddr};

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP, MPTCP included.
    Tcp,
    /// UDP and UDP-Lite.
    Udp,
}

/// Traffic of one program to one destination that did not come through the gateway, since the kernel programs were
/// attached; a gateway that is started again goes on with the numbers of the one before.
///
/// The kernel keeps the 8,192 rows used last. Name look-ups (UDP to port 53) and the gateway's own connections have no
/// row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Direct {
    /// The task's name, at most 15 bytes.
    pub comm: String,
    /// The last process, in the initial pid namespace.
    pub pid: u32,
    /// Where it went; an IPv4-mapped address as IPv4.
    pub to: SocketAddr,
    /// Over which protocol.
    pub protocol: Protocol,
    /// Whether it was refused; otherwise it passed.
    pub refused: bool,
    /// Calls of `connect`, failed ones included; for UDP also each datagram sent without one.
    pub connections: u64,
    /// Payload the other side acknowledged, give or take two bytes a connection, of TCP connections that have ended;
    /// 0 for UDP.
    pub bytes_up: u64,
    /// Payload received, likewise.
    pub bytes_down: u64,
}

/// Every row, in no order.
pub(super) fn read(maps: &Maps) -> Result<Vec<Direct>, SteerError> {
    Ok(maps.direct.entries(MAX_DIRECT)?.into_iter().map(|(traffic, volume)| row(&traffic, &volume)).collect())
}

fn row(traffic: &Traffic, volume: &Volume) -> Direct {
    let ip = Ipv6Addr::from(traffic.to.ip.octets()).to_canonical();
    Direct {
        comm: super::text(&traffic.comm),
        pid: volume.pid,
        to: SocketAddr::new(ip, traffic.to.port as u16),
        protocol: if traffic.protocol == 17 { Protocol::Udp } else { Protocol::Tcp },
        refused: traffic.refused != 0,
        connections: volume.connections,
        bytes_up: volume.bytes_up,
        bytes_down: volume.bytes_down,
    }
}
