//! Where steered connections go in each network namespace.

use super::maps::{Table, pinned_table};
use super::{Steer, SteerError, own_namespace, pins};
use gateway_ebpf::{Endpoint, Ip, Listener};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::Path;

/// A namespace's cookie and the listeners in it.
pub type PinnedListener = (u64, SocketAddrV4, Option<SocketAddrV6>);

impl Steer {
    /// Steers the connections of another network namespace to listeners inside it. `netns` is its cookie
    /// ([`crate::capture::socket::namespace`] of a listener). Called again, the new listeners take over at once.
    ///
    /// # Errors
    /// The table is full (1,024 namespaces) or cannot be written.
    pub fn listen_in(
        &self,
        netns: u64,
        v4: SocketAddrV4,
        v6: Option<SocketAddrV6>,
    ) -> Result<(), SteerError> {
        self.maps.listeners.put(netns, listener(v4, v6))
    }

    /// Forgets the listeners of a namespace that has ended. In one that lives on, steered connections are treated as
    /// where there never was a listener: refused with `fail: closed`.
    pub fn forget(&self, netns: u64) {
        self.maps.listeners.take(netns);
    }

    /// Where connections of this cgroup are steered to, in whichever namespace.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        let listeners = self.listening_in().into_iter().filter_map(|cookie| self.maps.listeners.get(cookie));
        let ends = listeners.flat_map(|listener| [listener.v4, listener.v6]).filter(|end| end.port != 0);
        ends.map(|end| SocketAddr::new(Ipv6Addr::from(end.ip.octets()).to_canonical(), end.port as u16))
            .collect()
    }

    /// Cookies of the namespaces with listeners, the gateway's own and those of an earlier gateway included.
    pub fn listening_in(&self) -> Vec<u64> {
        self.maps.listeners.keys()
    }

    /// Cookie of the network namespace the gateway itself listens in.
    pub fn namespace(&self) -> u64 {
        self.netns
    }

    /// Where the programs pinned for `cgroup` steer the connections of this network namespace, so that a restarted
    /// gateway can bind the same ports; none when nothing is pinned.
    pub fn pinned_listener(cgroup: &Path) -> Option<(SocketAddrV4, Option<SocketAddrV6>)> {
        let own = own_namespace().ok()?;
        let listener = pinned(cgroup)?.get(own)?;
        let (_, v4, v6) = addresses(own, &listener);
        Some((v4, v6))
    }

    /// The same for every namespace, the own one included; empty when nothing is pinned.
    pub fn pinned_listeners(cgroup: &Path) -> Vec<PinnedListener> {
        let Some(table) = pinned(cgroup) else { return Vec::new() };
        let found = table.keys().into_iter().filter_map(|netns| Some((netns, table.get(netns)?)));
        found.map(|(netns, listener)| addresses(netns, &listener)).collect()
    }
}

/// The kernel's form.
pub(super) fn listener(v4: SocketAddrV4, v6: Option<SocketAddrV6>) -> Listener {
    let none = Endpoint { ip: Ip([0; 4]), port: 0 };
    Listener { v4: super::endpoint(v4.into()), v6: v6.map_or(none, |v6| super::endpoint(v6.into())) }
}

fn pinned(cgroup: &Path) -> Option<Table<u64, Listener>> {
    pinned_table(&pins::current(cgroup)?, "LISTENERS").ok()
}

fn addresses(netns: u64, listener: &Listener) -> PinnedListener {
    let [.., a, b, c, d] = listener.v4.ip.octets();
    let v4 = SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), listener.v4.port as u16);
    let v6 = SocketAddrV6::new(Ipv6Addr::from(listener.v6.ip.octets()), listener.v6.port as u16, 0, 0);
    (netns, v4, (v6.port() != 0).then_some(v6))
}
