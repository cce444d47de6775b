//! What passes beside the gateway, or is refused, stands in the kernel's account.

use crate::world::{Gateway, PROVIDER, World, at, holds, mapped, output, probe};
use gateway::capture::{Direct, Protocol, Quic, Steer};
use std::net::SocketAddr;

/// The rows for one destination.
fn rows(gateway: &Gateway, to: &str) -> Vec<Direct> {
    let to: SocketAddr = to.parse().expect("valid");
    let mut rows = gateway.steer.direct().expect("readable");
    rows.retain(|row| row.to == to);
    rows
}

/// The one row for a destination, once it says so many bytes were received.
fn row(gateway: &Gateway, to: &str, bytes_down: u64) -> Direct {
    let arrived = || rows(gateway, to).first().is_some_and(|row| row.bytes_down >= bytes_down);
    assert!(holds(arrived), "{to}: {:?}", gateway.steer.direct());
    let mut rows = rows(gateway, to);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

#[test]
fn connections_by_program_and_destination() {
    let world = World::new("direct");
    let gateway = world.gateway(|_| {});
    let greeting = "provider\n".len() as u64;
    for (destination, times) in [(at(PROVIDER[0], 8080), 3), (at(PROVIDER[1], 8080), 1)] {
        for _ in 0..times {
            assert!(world.app("plain", &destination).ends_with("said=provider"));
        }
        let row = row(&gateway, &destination, times * greeting);
        assert_eq!((row.comm.as_str(), row.protocol, row.refused), ("netns-probe", Protocol::Tcp, false));
        assert_eq!(row.connections, times);
        assert!(row.bytes_down <= times * (greeting + 2) && row.bytes_up <= times * 2, "{row:?}");
        assert_ne!(row.pid, 0);
    }
    // A mapped address is the IPv4 one; what is sent counts as well.
    assert!(world.app("fastopen", &mapped(PROVIDER[0], 8080)).ends_with("said=provider"));
    let all = row(&gateway, &at(PROVIDER[0], 8080), 4 * greeting);
    let sent = "hello".len() as u64;
    assert!(all.connections == 4 && all.bytes_up >= sent && all.bytes_up <= sent + 2 * 4, "{all:?}");
    // Neither what is steered nor other programs have a row.
    assert!(world.app("plain", &at(PROVIDER[0], 443)).contains("said=gateway"));
    assert!(output(probe(&["plain", &at(PROVIDER[0], 8080)])).ends_with("said=provider"));
    assert_eq!(rows(&gateway, &at(PROVIDER[0], 443)), []);
    assert_eq!(row(&gateway, &at(PROVIDER[0], 8080), 0).connections, 4);
}

#[test]
fn datagrams_and_refusals() {
    let world = World::new("direct-udp");
    let gateway = world.gateway(|options| options.quic = Quic::All);
    let expect = |to: &str, protocol: Protocol, refused: bool, connections: u64| {
        let row = row(&gateway, to, 0);
        assert_eq!((row.protocol, row.refused, row.connections), (protocol, refused, connections), "{to}");
    };
    let (dns, other, quic) = (at(PROVIDER[0], 53), at(PROVIDER[1], 9000), at(PROVIDER[1], 443));
    for way in ["udp-connect", "udp-send"] {
        assert_eq!(world.app(way, &dns), "ok sent");
        assert_eq!(world.app(way, &other), "ok sent");
        assert_eq!(world.app(way, &quic), "error EPERM");
    }
    assert_eq!(rows(&gateway, &dns), []);
    expect(&other, Protocol::Udp, false, 2);
    expect(&quic, Protocol::Udp, true, 2);
    let listener = at("127.0.0.1", gateway.options.listen_v4.port());
    assert_eq!(world.app("plain", &listener), "error EPERM");
    expect(&listener, Protocol::Tcp, true, 1);
}

#[test]
fn a_connection_that_fails_counts_without_bytes() {
    let world = World::new("direct-fail");
    let gateway = world.gateway(|_| {});
    let nobody = at(PROVIDER[0], 9);
    assert_eq!(world.app("plain", &nobody), "error ECONNREFUSED");
    let row = row(&gateway, &nobody, 0);
    assert_eq!((row.connections, row.bytes_up, row.bytes_down), (1, 0, 0));
}

#[test]
fn the_account_outlives_the_gateway() {
    let world = World::new("direct-pinned");
    world.owner("tls", "closed").kill();
    assert!(world.app("plain", &at(PROVIDER[0], 8080)).ends_with("said=provider"));
    let rows = Steer::direct_of(&world.cgroup).expect("pinned");
    assert!(rows.iter().any(|row| row.to.to_string() == at(PROVIDER[0], 8080)), "{rows:?}");
    assert_eq!(world.gateway(|_| {}).steer.direct().expect("readable").len(), rows.len());
}

/// The row of the bypass matrix "SOCKS" and "CONNECT through another proxy" where the proxy stands beside the program:
/// the kernel does not see what is asked of it, and the account names it.
#[test]
fn row_another_proxy_on_this_machine_is_reported() {
    let world = World::new("direct-proxy");
    world.provide("127.0.0.1:1080".parse().expect("valid"));
    let gateway = world.gateway(|_| {});
    assert!(world.app("plain", "127.0.0.1:1080").ends_with("said=provider"));
    let row = row(&gateway, "127.0.0.1:1080", 9);
    assert_eq!((row.connections, row.refused), (1, false));
}
