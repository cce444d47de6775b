//! Every way to connect leads to the gateway, with the destination asked for and who asked.

use crate::world::{PROVIDER, World, at, inside, ip, mapped, output, probe};
use gateway::capture::{SteerScope, cgroup};

/// Destinations of one provider as IPv4, IPv6 and IPv4-mapped IPv6.
fn destinations() -> [String; 3] {
    [at(PROVIDER[0], 443), at(PROVIDER[1], 443), mapped(PROVIDER[0], 443)]
}

/// The app sees the peer it asked for and the gateway learns it, too.
fn check(name: &str, ways: &[&str]) {
    let world = World::new(name);
    let gateway = world.gateway(|_| {});
    for way in ways {
        for destination in destinations() {
            let said = world.app(way, &destination);
            let captured =
                gateway.next().unwrap_or_else(|| panic!("{way} {destination}: nothing was captured"));
            let original = captured.original;
            assert_eq!(said, format!("ok peer={destination} said=gateway {original}"), "{way}");
            assert_eq!(
                original.ip(),
                destination.parse::<std::net::SocketAddr>().expect("valid").ip().to_canonical()
            );
            assert_eq!(captured.who.comm, "netns-probe", "{way}");
            assert_eq!(captured.who.cgroup, cgroup::id(&world.cgroup).expect("an id"), "{way}");
            assert_eq!(captured.who.uid, if *way == "setuid" { 65_534 } else { 0 }, "{way}");
            assert_ne!(captured.who.pid, 0, "{way}");
        }
    }
    assert_eq!(world.reached(), 0, "the provider was reached past the gateway");
    assert_eq!(gateway.steer.counters().expect("counters").steered, 3 * ways.len() as u64);
}

#[test]
fn row_ipv4_ipv6_and_mapped() {
    check("plain", &["plain"]);
}

#[test]
fn row_fork_exec_and_non_main_thread() {
    check("processes", &["thread", "fork", "exec"]);
}

#[test]
fn row_setuid() {
    check("setuid", &["setuid"]);
}

#[test]
fn row_non_blocking_connect() {
    check("nonblocking", &["nonblocking"]);
}

#[test]
fn row_tcp_fast_open() {
    check("fastopen", &["fastopen", "fastopen-connect"]);
}

#[test]
fn row_mptcp() {
    check("multipath", &["mptcp"]);
}

#[test]
fn row_io_uring_connect() {
    check("uring", &["uring"]);
}

#[test]
fn row_bound_to_a_source_address() {
    let world = World::new("source");
    let gateway = world.gateway(|_| {});
    for destination in [at(PROVIDER[0], 443), at(PROVIDER[1], 443)] {
        let said = world.app("source", &destination);
        assert_eq!(said, format!("ok peer={destination} said=gateway {destination}"));
        assert!(gateway.next().is_some());
    }
}

#[test]
fn row_bound_to_a_device() {
    let world = World::new("device");
    ip("link add outer type veth peer name inner");
    ip("link set outer up");
    let gateway = world.gateway(|_| {});
    for destination in destinations() {
        let said = world.app("device", &destination);
        let original = gateway.next().expect("captured").original;
        assert_eq!(said, format!("ok peer={destination} said=gateway {original}"));
    }
    // Who may not take a socket off its device is told at once, instead of waiting for an answer that cannot come.
    for destination in destinations() {
        assert_eq!(world.app("device-nobody", &destination), "error EPERM");
    }
    assert_eq!(world.reached(), 0, "the provider was reached past the gateway");
    let rows = gateway.steer.direct().expect("readable");
    assert!(rows.iter().all(|row| row.refused) && rows.len() == 2, "{rows:?}");
}

#[test]
fn a_socket_used_again_after_a_failure() {
    let world = World::new("retry");
    let gateway = world.gateway(|_| {});
    assert!(world.app("retry", &at(PROVIDER[0], 443)).ends_with("said=gateway 198.51.100.7:443"));
    assert_eq!(gateway.next().expect("captured").who.comm, "netns-probe");
}

#[test]
fn row_child_cgroup() {
    let world = World::new("child");
    let gateway = world.gateway(|_| {});
    let child = cgroup::create(&world.cgroup.join("inner").display().to_string()).expect("a child cgroup");
    for destination in destinations() {
        let said = output(inside(&child, probe(&["plain", &destination])));
        let captured = gateway.next().expect("captured");
        assert_eq!(said, format!("ok peer={destination} said=gateway {}", captured.original));
        assert_eq!(captured.who.cgroup, cgroup::id(&child).expect("an id"));
    }
    cgroup::remove(&child).expect("empty");
}

#[test]
fn ipv6_without_an_ipv6_listener() {
    let world = World::new("only4");
    let gateway = world.gateway(|options| options.listen_v6 = None);
    for destination in destinations() {
        assert!(world.app("plain", &destination).contains("said=gateway"), "{destination}");
        assert!(gateway.next().is_some(), "{destination}");
    }
}

#[test]
fn other_ports_and_other_cgroups_are_left_alone() {
    let world = World::new("others");
    let gateway = world.gateway(|_| {});
    for destination in [at(PROVIDER[0], 8080), at(PROVIDER[1], 8080), mapped(PROVIDER[0], 8080)] {
        assert_eq!(world.app("plain", &destination), format!("ok peer={destination} said=provider"));
    }
    for destination in destinations() {
        assert_eq!(output(probe(&["plain", &destination])), format!("ok peer={destination} said=provider"));
    }
    let counters = gateway.steer.counters().expect("counters");
    assert_eq!((counters.steered, counters.passed), (0, 3));
}

#[test]
fn every_wanted_port_and_only_those() {
    let world = World::new("ports");
    let gateway = world.gateway(|options| options.ports = vec![8080]);
    assert!(world.app("plain", &at(PROVIDER[0], 8080)).ends_with("said=gateway 198.51.100.7:8080"));
    assert!(world.app("plain", &at(PROVIDER[0], 443)).ends_with("said=provider"));
    assert!(gateway.next().is_some());
}

#[test]
fn row_port_other_than_443() {
    for (name, scope) in [("port-tls", SteerScope::Tls), ("port-known", SteerScope::Known)] {
        let world = World::new(name);
        for address in PROVIDER {
            world.provide(at(address, 22).parse().expect("valid"));
        }
        let gateway = world.gateway(|options| options.scope = scope);
        let check = |port: u16, expected: &str| {
            for destination in [at(PROVIDER[0], port), at(PROVIDER[1], port), mapped(PROVIDER[0], port)] {
                let said = world.app("plain", &destination);
                assert!(said.contains(&format!("said={expected}")), "{destination}: {said}");
            }
        };
        check(8080, "provider");
        for address in PROVIDER {
            gateway.steer.learn(address.parse().expect("valid"), "api.known.example").expect("learned");
        }
        check(8080, "gateway");
        check(443, "gateway");
        // A shell that shares the address says the first word itself.
        check(22, "provider");
    }
}

#[test]
fn a_port_that_is_asked_for_is_steered_whoever_speaks_first() {
    let world = World::new("port-22");
    world.provide(at(PROVIDER[0], 22).parse().expect("valid"));
    let gateway = world.gateway(|options| options.ports = vec![22]);
    gateway.steer.learn(PROVIDER[0].parse().expect("valid"), "api.known.example").expect("learned");
    assert!(world.app("plain", &at(PROVIDER[0], 22)).contains("said=gateway"));
}

#[test]
fn exact_destinations_whatever_the_scope() {
    let world = World::new("endpoints");
    let engine = "127.0.0.1:11434";
    for address in [engine, "127.0.0.1:11435"] {
        world.provide(address.parse().expect("valid"));
    }
    let gateway = world.gateway(|options| {
        options.scope = SteerScope::Known;
        let remote = at(PROVIDER[1], 8080);
        options.endpoints = [engine, &remote].map(|to| to.parse().expect("valid")).to_vec();
    });
    // Loopback is one host, by whatever address.
    let here = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::"].map(|address| at(address, 11434));
    for destination in here.into_iter().chain([mapped("127.0.0.1", 11434), at(PROVIDER[1], 8080)]) {
        let said = world.app("plain", &destination);
        assert_eq!(
            said,
            format!("ok peer={destination} said=gateway {}", gateway.next().expect("one").original)
        );
    }
    for destination in ["127.0.0.1:11435".to_owned(), at(PROVIDER[0], 8080), at(PROVIDER[0], 443)] {
        assert!(world.app("plain", &destination).ends_with("said=provider"), "{destination}");
    }
}

#[test]
fn the_gateway_reaches_the_engine_it_steers() {
    let world = World::new("engine");
    world.provide("127.0.0.1:11434".parse().expect("valid"));
    let gateway = world.gateway(|options| {
        options.endpoints = vec!["127.0.0.1:11434".parse().expect("valid")];
    });
    // As the gateway would do from inside the cgroup: the exempt socket goes where the program's does not.
    assert!(world.app("plain", "127.0.0.1:11434").contains("said=gateway"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        gateway.steer.exempt(std::os::fd::AsFd::as_fd(&socket)).expect("exempt");
        socket.connect("127.0.0.1:11434".parse().expect("valid")).await.expect("connected");
    });
    assert!(crate::world::holds(|| world.reached() == 1));
}

#[test]
fn an_original_destination_is_given_out_once() {
    let world = World::new("once");
    let bound = gateway::capture::listen::bind_loopback(None).expect("a port");
    let steer = gateway::capture::Steer::attach(&world.options(&bound)).expect("attached");
    let mut app = world.probe(&["plain", &at(PROVIDER[0], 443)]).spawn().expect("the probe starts");
    bound.v4.set_nonblocking(false).expect("a listener");
    let (stream, peer) = bound.v4.accept().expect("a connection");
    assert!(steer.captured(steer.namespace(), peer).is_some());
    assert_eq!(steer.captured(steer.namespace(), peer), None);
    drop(stream);
    assert!(app.wait().expect("ends").success());
}

#[test]
fn only_learned_addresses_when_asked() {
    let world = World::new("scope");
    let gateway = world.gateway(|options| options.scope = SteerScope::Known);
    assert!(world.app("plain", &at(PROVIDER[0], 443)).ends_with("said=provider"));
    gateway.steer.learn(PROVIDER[0].parse().expect("valid"), "api.known.example").expect("learned");
    assert_eq!(gateway.steer.host_of(PROVIDER[0].parse().expect("valid")), Some("api.known.example"));
    for destination in [at(PROVIDER[0], 443), mapped(PROVIDER[0], 443)] {
        assert!(world.app("plain", &destination).contains("said=gateway"), "{destination}");
    }
    assert!(world.app("plain", &at(PROVIDER[1], 443)).ends_with("said=provider"));
}
