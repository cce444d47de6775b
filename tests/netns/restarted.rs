//! Killed, restarted and replaced under load: nothing reaches the provider but through the gateway.

use crate::lifetime::another_build;
use crate::world::{Owner, PROVIDER, World, at, holds, ip, pins, probe};
use gateway::capture::Steer;
use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// What the clients connect from, so that the provider can tell them from the gateway.
const CLIENTS: [&str; 2] = ["198.51.100.9", "2001:db8::9"];
/// How long the whole of it goes on, after every station was visited once.
const ENOUGH: Duration = Duration::from_secs(5);

/// Clients over both protocols, each connecting as fast as it can.
fn clients(world: &World) -> Vec<Child> {
    ip(&format!("address add {}/32 dev lo", CLIENTS[0]));
    ip(&format!("address add {}/128 dev lo nodad", CLIENTS[1]));
    let start = |(to, from): (&str, &str)| {
        let mut load = world.probe(&["load", &at(to, 443), &at(from, 0)]);
        load.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the load starts")
    };
    PROVIDER.into_iter().zip(CLIENTS).map(start).collect()
}

/// Starts a gateway and kills it as soon as this pin is there, or when it is done if that comes first.
fn killed_at(world: &World, pin: &str) {
    let command = probe(&["own", &world.cgroup.display().to_string(), "tls", "closed"]);
    let owner = Owner::begin(command);
    let pin = pins(&world.cgroup).expect("pins").join(pin);
    let reached = world.reached();
    while !pin.exists() && world.reached() == reached {
        std::thread::yield_now();
    }
    owner.kill();
}

#[test]
fn row_gateway_killed_restarted_and_replaced() {
    let world = World::new("restarted");
    world.owner("tls", "closed").kill();
    let clients = clients(&world);
    let mut rounds = 0;
    let end = Instant::now() + ENOUGH;
    let stations = [
        "next",
        "next/COUNTS",
        "next/gw_create",
        "next/gw_sockops",
        "next/gw_connect4",
        "next/gw_connect6",
        "old",
    ];
    let mut stations = stations.into_iter().peekable();
    while Instant::now() < end || stations.peek().is_some() {
        // Adopted as it is, with the load flowing through it before it dies.
        let owner = world.owner("tls", "closed");
        assert!(owner.said.ends_with("adopted"), "{}", owner.said);
        let before = world.reached();
        assert!(holds(|| world.reached() > before + 20), "the load does not flow");
        owner.kill();
        // Replaced, and killed on the way there; then the next round finds what that left.
        another_build(&world.cgroup);
        if let Some(station) = stations.next() {
            killed_at(&world, station);
        }
        rounds += 1;
    }
    let came_from = |client: &str| {
        let sources = world.sources.lock().expect("no panic");
        sources.contains(&client.parse::<IpAddr>().expect("valid"))
    };
    for client in CLIENTS {
        assert!(!came_from(client), "{client} got past the gateway");
    }
    // That they were trying all the time shows when nothing is in their way any more.
    Steer::detach_cgroup(&world.cgroup).expect("detached");
    assert!(holds(|| CLIENTS.into_iter().all(came_from)), "the clients do not run");
    for mut client in clients {
        drop(client.stdin.take());
        client.wait().expect("ends");
    }
    assert!(rounds >= 7, "only {rounds} rounds");
}
