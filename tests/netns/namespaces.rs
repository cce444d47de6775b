//! One set of programs serves many network namespaces, and tells of those without a listener.

use crate::world::{PROVIDER, World, at, elsewhere, holds, ip};
use gateway::capture::{Captured, Steer, Stranger, listen, socket};
use std::os::fd::AsFd;
use std::time::Duration;

/// The next notice of the kernel within ten seconds.
fn next(steer: &Steer) -> Stranger {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut strangers = steer.strangers().expect("a ring");
        let next = tokio::time::timeout(Duration::from_secs(10), strangers.next()).await;
        next.expect("nothing was told").expect("a notice")
    })
}

/// Takes one connection of the probe at a listener in this thread's namespace.
fn one(world: &World, steer: &Steer, bound: &listen::Bound, netns: u64, way: &str) -> (String, Captured) {
    std::thread::scope(|scope| {
        let destination = at(PROVIDER[0], 443);
        let app = scope.spawn(move || world.app(way, &destination));
        bound.v4.set_nonblocking(false).expect("a listener");
        let (stream, peer) = bound.v4.accept().expect("a connection");
        assert_eq!(steer.captured(netns + 1, peer), None);
        let captured = steer.captured(netns, peer).expect("the original destination");
        drop(stream);
        (app.join().expect("ends"), captured)
    })
}

#[test]
fn a_namespace_is_told_served_and_forgotten() {
    let world = World::new("spaces");
    let gateway = world.gateway(|_| {});
    let own = gateway.steer.namespace();
    assert_eq!(gateway.steer.listening_in(), [own]);
    elsewhere(|| {
        ip(&format!("address add {}/32 dev lo", PROVIDER[0]));
        let destination = at(PROVIDER[0], 443);
        assert_eq!(world.app("plain", &destination), "error EPERM");
        let bound = listen::bind_loopback(None).expect("a port");
        let netns = socket::namespace(bound.v4.as_fd()).expect("a cookie");
        let told = next(&gateway.steer);
        assert_eq!(told.netns, netns);
        assert_ne!(told.pid, 0);

        let (v4, v6) = bound.addresses().expect("bound");
        gateway.steer.listen_in(netns, v4, v6).expect("listening");
        for way in ["plain", "mptcp"] {
            let (said, captured) = one(&world, &gateway.steer, &bound, netns, way);
            assert_eq!(said, format!("ok peer={destination} said="));
            assert_eq!(captured.original.to_string(), destination);
        }
        let mut cookies = gateway.steer.listening_in();
        cookies.sort_unstable();
        let mut both = [own, netns];
        both.sort_unstable();
        assert_eq!(cookies, both);
        assert!(Steer::pinned_listeners(&world.cgroup).contains(&(netns, v4, v6)));

        gateway.steer.forget(netns);
        assert_eq!(gateway.steer.listening_in(), [own]);
        assert_eq!(world.app("plain", &destination), "error EPERM");
    });
    // The gateway's own is served as before.
    assert!(world.app("plain", &at(PROVIDER[0], 443)).contains("said=gateway"));
}

#[test]
fn a_socket_is_enough_to_be_told() {
    let world = World::new("spaces-dns");
    let gateway = world.gateway(|_| {});
    let netns = elsewhere(|| {
        // No connection is asked for: a look-up comes first, and gives the gateway time to listen.
        assert_eq!(world.app("udp-send", &at("127.0.0.1", 53)), "ok sent");
        let probe = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket::namespace(probe.as_fd()).expect("a cookie")
    });
    assert_eq!(next(&gateway.steer).netns, netns);
}

#[test]
fn many_sockets_are_told_once() {
    let world = World::new("spaces-many");
    let gateway = world.gateway(|_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let netns = [(); 3].map(|()| {
        elsewhere(|| {
            for _ in 0..5 {
                world.app("udp-send", &at("127.0.0.1", 53));
            }
            let probe = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket::namespace(probe.as_fd()).expect("a cookie")
        })
    });
    runtime.block_on(async {
        let mut strangers = gateway.steer.strangers().expect("a ring");
        let mut told = Vec::new();
        while told.len() < netns.len() {
            told.push(strangers.next().await.expect("a notice").netns);
            // Where this machine takes seconds for it, the same one is told again.
            told.dedup();
        }
        assert_eq!(told, netns);
    });
}

#[test]
fn a_restarted_gateway_learns_where_to_listen() {
    let world = World::new("spaces-again");
    let gateway = world.gateway(|_| {});
    let own = gateway.steer.namespace();
    let (v4, v6) = ("127.0.0.1:4443".parse().expect("valid"), None);
    gateway.steer.listen_in(own + 1, v4, v6).expect("listening");
    drop(gateway);
    assert!(holds(|| Steer::pinned_listeners(&world.cgroup).contains(&(own + 1, v4, v6))));
    let gateway = world.gateway(|_| {});
    let mut cookies = gateway.steer.listening_in();
    cookies.sort_unstable();
    assert_eq!(cookies, [own, own + 1]);
}
