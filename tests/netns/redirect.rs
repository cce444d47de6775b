//! Steering without eBPF: the same ways to connect lead to the gateway, by an nftables table.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use gateway::capture::{Captured, Redirect, SteerError, SteerOptions, SteerScope, Steering, cgroup, listen};
use gateway::simulate::sample_key;

use crate::spaces::net::{Cgroup, Net, curl, status, within};
use crate::world::{PROVIDER, World, at, holds, inside, mapped, output, probe};

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Steering within the test's own process: greets what is redirected with `gateway`.
struct Redirected {
    redirect: Arc<Redirect>,
    captured: mpsc::Receiver<Captured>,
    port: u16,
}

impl Redirected {
    fn new(world: &World, change: impl FnOnce(&mut SteerOptions)) -> Redirected {
        let bound = listen::bind_loopback(None).expect("a port");
        let mut options = world.options(&bound);
        change(&mut options);
        let port = options.listen_v4.port();
        let redirect = Arc::new(Redirect::attach(&options).expect("attached"));
        let (sender, captured) = mpsc::sync_channel(1024);
        for listener in [Some(bound.v4), bound.v6].into_iter().flatten() {
            listener.set_nonblocking(false).expect("a listener");
            let (redirect, sender) = (Arc::downgrade(&redirect), sender.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let Some(redirect) = redirect.upgrade() else { return };
                    // Nobody is left to hear when the test has ended.
                    let _ = greet(stream, &redirect, &sender);
                }
            });
        }
        Redirected { redirect, captured, port }
    }

    fn next(&self) -> Captured {
        self.captured.recv_timeout(PATIENCE).expect("a connection")
    }
}

fn greet(mut stream: TcpStream, redirect: &Redirect, sender: &mpsc::SyncSender<Captured>) -> io::Result<()> {
    let Some(captured) = redirect.captured(stream.as_fd(), stream.peer_addr()?) else {
        return stream.write_all(b"gateway lost\n");
    };
    let words = format!("gateway {}\n", captured.original);
    sender.send(captured).map_err(io::Error::other)?;
    stream.write_all(words.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

fn destinations() -> [String; 3] {
    [at(PROVIDER[0], 443), at(PROVIDER[1], 443), mapped(PROVIDER[0], 443)]
}

#[test]
fn every_way_to_connect_leads_to_the_gateway() {
    let world = World::new("nft-ways");
    let gateway = Redirected::new(&world, |_| {});
    let ways =
        ["plain", "thread", "fork", "exec", "setuid", "nonblocking", "fastopen", "mptcp", "uring", "retry"];
    for way in ways {
        for destination in destinations() {
            let said = world.app(way, &destination);
            let captured = gateway.next();
            assert_eq!(said, format!("ok peer={destination} said=gateway {}", captured.original), "{way}");
            let wanted: SocketAddr = destination.parse().expect("valid");
            assert_eq!(captured.original.ip(), wanted.ip().to_canonical());
            assert_eq!(captured.who.comm, "netns-probe", "{way}");
            assert_eq!(captured.who.cgroup, cgroup::id(&world.cgroup).expect("an id"), "{way}");
            assert_eq!(captured.who.uid, if way == "setuid" { 65_534 } else { 0 }, "{way}");
            assert_ne!(captured.who.pid, 0, "{way}");
        }
    }
    assert_eq!(world.reached(), 0, "the provider was reached past the gateway");
    assert_eq!(gateway.redirect.counters().steered, 3 * ways.len() as u64);
}

#[test]
fn quic_is_refused_and_plain_datagrams_pass() {
    let world = World::new("nft-quic");
    let _gateway = Redirected::new(&world, |options| options.ports = vec![80, 443]);
    for destination in destinations() {
        for way in ["udp-connect", "udp-send"] {
            let said = world.app(way, &destination);
            assert!(said == "error EPERM" || said == "error ECONNREFUSED", "{way} {destination}: {said}");
        }
    }
    for port in [53, 80] {
        assert_eq!(world.app("udp-send", &at(PROVIDER[0], port)), "ok sent");
    }
    assert_eq!(output(probe(&["udp-send", &at(PROVIDER[0], 443)])), "ok sent", "outside the cgroup");
}

#[test]
fn the_listener_itself_is_refused_and_others_are_left_alone() {
    let world = World::new("nft-others");
    let gateway = Redirected::new(&world, |_| {});
    for address in ["127.0.0.1", "::1"] {
        assert_eq!(world.app("plain", &at(address, gateway.port)), "error ECONNREFUSED");
    }
    assert_eq!(world.app("plain", &mapped("127.0.0.1", gateway.port)), "error ECONNREFUSED");
    for destination in [at(PROVIDER[0], 8080), at(PROVIDER[1], 8080), mapped(PROVIDER[0], 8080)] {
        assert_eq!(world.app("plain", &destination), format!("ok peer={destination} said=provider"));
    }
    for destination in destinations() {
        assert_eq!(output(probe(&["plain", &destination])), format!("ok peer={destination} said=provider"));
    }
    // From outside the cgroup it is a port like any other, and the gateway knows that nothing was redirected.
    assert!(output(probe(&["plain", &at("127.0.0.1", gateway.port)])).ends_with("said=gateway lost"));
    assert_eq!(gateway.redirect.counters().steered, 0);
}

#[test]
fn a_child_cgroup_is_redirected_too() {
    let world = World::new("nft-child");
    let gateway = Redirected::new(&world, |_| {});
    let child = cgroup::create(&world.cgroup.join("inner").display().to_string()).expect("a child cgroup");
    let said = output(inside(&child, probe(&["plain", &at(PROVIDER[0], 443)])));
    let captured = gateway.next();
    assert!(said.ends_with("said=gateway 198.51.100.7:443"), "{said}");
    assert_eq!(captured.who.cgroup, cgroup::id(&child).expect("an id"));
    assert_eq!(captured.who.comm, "netns-probe");
    cgroup::remove(&child).expect("empty");
}

#[test]
fn what_nftables_cannot_do_is_an_error_that_says_so() {
    let world = World::new("nft-errors");
    let bound = listen::bind_loopback(None).expect("a port");
    let check = |change: &dyn Fn(&mut SteerOptions), expected: &str| {
        let mut options = world.options(&bound);
        change(&mut options);
        let said = Redirect::attach(&options).err().expect("refused").to_string();
        assert!(said.contains(expected), "{said}");
    };
    check(&|options| options.scope = SteerScope::Known, "needs eBPF");
    check(&|options| options.cgroup = cgroup::mount().expect("mounted"), "root cgroup");
    check(&|options| options.cgroup = world.cgroup.join("nothing-here"), "nothing-here");
    let first = Redirected::new(&world, |_| {});
    let second = Redirect::attach(&world.options(&bound)).err().expect("refused");
    assert!(matches!(second, SteerError::InUse(_)), "{second}");
    drop(first);
}

/// Whether a table of ours steers the cgroup in the namespace of the test.
fn has_table(cgroup: &Path) -> bool {
    Redirect::attached().iter().any(|path| path == cgroup)
}

async fn is_inspected(net: &Net, cgroup: &Cgroup) -> bool {
    let key = sample_key();
    let said = net.ask(cgroup, None, &format!("my key is {key}")).await;
    assert!(!net.provider.saw(key.as_bytes()), "the key left the machine");
    status(&said) == "200"
}

#[test]
fn the_same_policy_holds_and_survives_the_gateway() {
    within(|net| async move {
        let cgroup = Cgroup::new("nft-policy");
        let gateway = net.attach(&["--cgroup", cgroup.path(), "--via", "nftables"]).await;
        assert!(is_inspected(&net, &cgroup).await, "{}", gateway.said());
        let records = net.state.records_until(|records| !records.is_empty()).await;
        let record = records.last().expect("a record");
        assert_eq!((&record["verdict"], &record["host"]), (&"redacted".into(), &"api.openai.com".into()));
        assert_eq!(
            (&record["principal"]["comm"], &record["original"]),
            (&"curl".into(), &"198.51.100.7:443".into())
        );

        let address = gateway.address;
        let state = gateway.kill().await;
        let before = net.provider.connections();
        assert_eq!(status(&net.ask(&cgroup, None, "hello").await), "000", "closed while no gateway runs");
        assert_eq!(net.provider.connections(), before, "passed beside the dead gateway");
        assert!(has_table(&cgroup.0));

        let gateway = net.attach(&["--cgroup", cgroup.path(), "--via", "nftables"]).await;
        assert_eq!(gateway.address, address, "the same port is bound again");
        assert!(is_inspected(&net, &cgroup).await, "{}", gateway.said());
        state.run(&["detach", "--cgroup", cgroup.path()]).await;
        gateway.ended().await;
        assert!(!has_table(&cgroup.0), "detach leaves nothing");
        // Without the gateway curl reaches the provider itself, whose certificate it does not know.
        let direct = net.run(&cgroup, None, &curl("hello")).await;
        assert_eq!(direct.status.code(), Some(60));
    });
}

#[test]
fn open_ends_with_the_gateway_however_it_ends() {
    within(|net| async move {
        let cgroup = Cgroup::new("nft-open");
        let attach = ["--cgroup", cgroup.path(), "--via", "nftables", "--fail", "open"];
        let gateway = net.attach(&attach).await;
        assert!(is_inspected(&net, &cgroup).await, "{}", gateway.said());
        gateway.kill().await;
        assert!(holds(|| !has_table(&cgroup.0)), "the table stays");
        assert_eq!(net.run(&cgroup, None, &curl("hello")).await.status.code(), Some(60));
        let gateway = net.attach(&attach).await;
        assert!(is_inspected(&net, &cgroup).await, "{}", gateway.said());
        gateway.stop().await;
        assert!(holds(|| !has_table(&cgroup.0)), "the table stays");
    });
}

#[test]
fn one_way_replaces_the_other() {
    within(|net| async move {
        let cgroup = Cgroup::new("nft-change");
        for (via, table) in [("ebpf", false), ("nftables", true), ("ebpf", false)] {
            let gateway = net.attach(&["--cgroup", cgroup.path(), "--via", via]).await;
            assert!(is_inspected(&net, &cgroup).await, "{via}: {}", gateway.said());
            assert_eq!(has_table(&cgroup.0), table, "{via}");
            assert_eq!(Steering::attached().iter().filter(|path| **path == cgroup.0).count(), 1, "{via}");
            gateway.kill().await;
        }
    });
}

#[test]
fn a_gateway_inside_its_own_cgroup_does_not_capture_itself() {
    within(|net| async move {
        let cgroup = Cgroup::new("nft-inside");
        let command = net.state.command(&["attach", "--cgroup", cgroup.path(), "--via", "nftables"]);
        let mut gateway = tokio::process::Command::from(inside(&cgroup.0, command.into_std()));
        let mut gateway = gateway.kill_on_drop(true).spawn().expect("the gateway can be run");
        assert!(holds(|| has_table(&cgroup.0)), "attached");
        assert!(is_inspected(&net, &cgroup).await);
        gateway.kill().await.expect("killed");
    });
}
