//! What is refused: QUIC to known hosts, the gateway's own listener, namespaces without one. And what is exempt.

use crate::world::{Owner, PROVIDER, World, at, elsewhere, inside, mapped, output, probe};
use gateway::capture::Quic;
use std::sync::atomic::Ordering;

#[test]
fn udp_to_known_hosts() {
    let world = World::new("udp");
    let gateway = world.gateway(|_| {});
    let destinations = [at(PROVIDER[0], 443), at(PROVIDER[1], 443), mapped(PROVIDER[0], 443)];
    let check = |expected: &str, destinations: &[String]| {
        for way in ["udp-connect", "udp-send"] {
            for destination in destinations {
                assert_eq!(world.app(way, destination), expected, "{way} {destination}");
            }
        }
    };
    check("ok sent", &destinations);
    for address in PROVIDER {
        gateway.steer.learn(address.parse().expect("valid"), "api.known.example").expect("learned");
    }
    check("error EPERM", &destinations);
    check("ok sent", &[at(PROVIDER[0], 53), at(PROVIDER[1], 53), mapped(PROVIDER[0], 53)]);
    assert_eq!(output(probe(&["udp-send", &destinations[0]])), "ok sent", "outside the cgroup");
    assert_eq!(gateway.steer.counters().expect("counters").refused_udp, 6);
}

#[test]
fn row_quic() {
    let world = World::new("quic");
    let gateway = world.gateway(|options| {
        options.quic = Quic::All;
        options.ports = vec![80, 443];
    });
    let check = |expected: &str, port: u16| {
        for way in ["udp-connect", "udp-send"] {
            for to in [at(PROVIDER[0], port), at(PROVIDER[1], port), mapped(PROVIDER[0], port)] {
                assert_eq!(world.app(way, &to), expected, "{way} {to}");
            }
        }
    };
    check("error EPERM", 443);
    check("ok sent", 80);
    check("ok sent", 8443);
    for address in PROVIDER {
        gateway.steer.learn(address.parse().expect("valid"), "api.known.example").expect("learned");
    }
    // A server may announce any port for QUIC; the time and names are not it.
    check("error EPERM", 8443);
    check("error EPERM", 80);
    check("ok sent", 53);
    check("ok sent", 123);
}

#[test]
fn the_listener() {
    let world = World::new("listener");
    let gateway = world.gateway(|_| {});
    let port = gateway.options.listen_v4.port();
    let v6 = ["::1", "::"].map(|address| at(address, port));
    let v4 = ["127.0.0.1", "0.0.0.0"].map(|address| at(address, port));
    let mapped = ["127.0.0.1", "0.0.0.0"].map(|address| mapped(address, port));
    let mut refused = 0;
    for destination in v4.iter().chain(&v6).chain(&mapped) {
        for way in ["plain", "fastopen", "mptcp", "uring"] {
            assert_eq!(world.app(way, destination), "error EPERM", "{way} {destination}");
            refused += 1;
        }
    }
    assert_eq!(gateway.steer.counters().expect("counters").refused_listener, refused);
    // From outside the cgroup it is a port like any other, and the gateway knows that nothing was steered.
    assert!(output(probe(&["plain", &v4[0]])).ends_with("said=gateway lost"));
    assert_eq!(gateway.next(), None);
}

#[test]
fn another_namespace_without_a_listener() {
    for (name, fail, expected) in [
        ("namespace-closed", gateway::capture::Fail::Closed, "error EPERM"),
        ("namespace-open", gateway::capture::Fail::Open, "error ENETUNREACH"),
    ] {
        let world = World::new(name);
        let gateway = world.gateway(|options| options.fail = fail);
        let said = elsewhere(|| world.app("plain", &at(PROVIDER[0], 443)));
        assert_eq!(said, expected);
        let counters = gateway.steer.counters().expect("counters");
        assert_eq!(counters.refused_namespace + counters.passed_namespace, 1);
        assert_eq!(counters.steered, 0);
    }
}

#[test]
fn the_gateway_itself_is_not_captured() {
    let world = World::new("exempt");
    let folder = world.cgroup.display().to_string();
    let owner = Owner::start(inside(&world.cgroup, probe(&["own", &folder, "tls", "closed"])));
    assert!(owner.said.starts_with("ready"), "{}", owner.said);
    for destination in [at(PROVIDER[0], 443), at(PROVIDER[1], 443), mapped(PROVIDER[0], 443)] {
        let said = world.app("plain", &destination);
        assert!(said.starts_with(&format!("ok peer={destination} said=gateway")), "{said}");
        assert!(said.ends_with("provider"), "{said}");
    }
    assert_eq!(world.reached.load(Ordering::SeqCst), 3);
    let counters = gateway::capture::Steer::counters_of(&world.cgroup).expect("counters");
    assert_eq!((counters.steered, counters.exempt), (3, 3));
}
