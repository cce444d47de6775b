//! What stays and what goes: kill -9, adoption, replacement, detaching.

use crate::world::{PROVIDER, World, at, holds, pins};
use gateway::capture::{Fail, Steer, SteerScope};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Ids of the programs attached to a cgroup.
fn programs(cgroup: &Path) -> Vec<String> {
    let output =
        Command::new("bpftool").args(["cgroup", "show"]).arg(cgroup).output().expect("bpftool is installed");
    let table = String::from_utf8(output.stdout).expect("text");
    let ids = table.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u32>().ok());
    ids.map(|id| id.to_string()).collect()
}

/// Makes what is pinned look like that of another build.
pub fn another_build(cgroup: &Path) {
    let settings = pins(cgroup).expect("pins").join("current/SETTINGS");
    let mut update = Command::new("bpftool");
    update.args(["map", "update", "pinned"]).arg(settings).args(["key", "0", "0", "0", "0", "value"]);
    // The number of the object, then the settings as they are by default: all zero.
    update.args(std::iter::repeat_n("255", 8)).args(std::iter::repeat_n("0", 16));
    assert!(update.status().expect("bpftool runs").success());
}

fn is_loaded(program: &str) -> bool {
    Command::new("bpftool")
        .args(["prog", "show", "id", program])
        .output()
        .expect("bpftool runs")
        .status
        .success()
}

#[test]
fn killed_closed_nothing_passes_and_a_restart_adopts() {
    let world = World::new("killed");
    let owner = world.owner("tls", "closed");
    let port = owner.said.split(' ').nth(1).expect("a port").to_owned();
    let attached = programs(&world.cgroup);
    assert_eq!(attached.len(), 9);
    let mut load = world.probe(&["load", &at(PROVIDER[0], 443)]);
    let mut load = load.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the load starts");
    let steered = || Steer::counters_of(&world.cgroup).expect("counters").steered;
    assert!(holds(|| steered() > 50), "no load");
    owner.kill();
    let (reached, before) = (world.reached(), steered());
    assert!(holds(|| steered() > before + 200), "the load does not go on");
    assert_eq!(world.reached(), reached, "passed beside the dead gateway");
    assert_eq!(world.app("plain", &at(PROVIDER[1], 443)), "error ECONNREFUSED");

    let owner = world.owner("tls", "closed");
    assert_eq!(owner.said, format!("ready {port} adopted"));
    assert_eq!(programs(&world.cgroup), attached, "attached anew instead of adopted");
    assert!(world.app("plain", &at(PROVIDER[0], 443)).contains("said=gateway 198.51.100.7:443"));
    assert!(holds(|| world.reached() > reached + 20), "the load does not flow again");
    drop(load.stdin.take());
    let said = String::from_utf8(load.wait_with_output().expect("ends").stdout).expect("text");
    assert!(said.contains("provider=0 "), "{said}");
}

#[test]
fn killed_open_everything_passes() {
    let world = World::new("open");
    let owner = world.owner("tls", "open");
    assert!(world.app("plain", &at(PROVIDER[0], 443)).contains("said=gateway"));
    let attached = programs(&world.cgroup);
    owner.kill();
    assert!(holds(|| programs(&world.cgroup).is_empty()), "still attached");
    assert!(world.app("plain", &at(PROVIDER[0], 443)).ends_with("said=provider"));
    assert!(!Steer::attached().contains(&world.cgroup));
    assert!(holds(|| !attached.iter().any(|program| is_loaded(program))), "still loaded");
}

#[test]
fn detaching_leaves_nothing() {
    let world = World::new("detach");
    let bound = gateway::capture::listen::bind_loopback(None).expect("a port");
    let steer = Steer::attach(&world.options(&bound)).expect("attached");
    let attached = programs(&world.cgroup);
    assert_eq!(attached.len(), 9);
    assert!(pins(&world.cgroup).is_some());
    assert!(Steer::attached().contains(&world.cgroup));
    steer.detach().expect("detached");
    assert!(programs(&world.cgroup).is_empty());
    assert_eq!(pins(&world.cgroup), None);
    assert!(!Steer::attached().contains(&world.cgroup));
    assert!(holds(|| !attached.iter().any(|program| is_loaded(program))), "still loaded");
    assert!(world.app("plain", &at(PROVIDER[0], 443)).ends_with("said=provider"));
    assert_eq!(Steer::pinned_listener(&world.cgroup), None);
}

#[test]
fn pins_of_a_dead_gateway_are_detached_by_path() {
    let world = World::new("orphan");
    world.owner("tls", "closed").kill();
    assert_eq!(world.app("plain", &at(PROVIDER[0], 443)), "error ECONNREFUSED");
    Steer::detach_cgroup(&world.cgroup).expect("detached");
    assert_eq!(pins(&world.cgroup), None);
    assert!(world.app("plain", &at(PROVIDER[0], 443)).ends_with("said=provider"));
    Steer::detach_cgroup(&world.cgroup).expect("a second time is fine");
}

#[test]
fn pins_of_a_removed_cgroup_are_listed_and_removed() {
    let world = World::new("removed");
    world.owner("tls", "closed").kill();
    let left = pins(&world.cgroup).expect("pins");
    assert!(holds(|| gateway::capture::cgroup::remove(&world.cgroup).is_ok()));
    assert!(Steer::attached().contains(&left));
    Steer::detach_cgroup(&left).expect("detached");
    assert!(!left.exists());
}

#[test]
fn programs_of_another_build_are_replaced() {
    let world = World::new("replaced");
    world.owner("tls", "closed").kill();
    let old = programs(&world.cgroup);
    // A set that lacks a table cannot be adopted, just like one of another build.
    fs::remove_file(pins(&world.cgroup).expect("pins").join("current/COUNTS")).expect("removed");
    let gateway = world.gateway(|_| {});
    let new = programs(&world.cgroup);
    assert_eq!(new.len(), 9);
    assert!(!new.iter().any(|program| old.contains(program)));
    assert!(world.app("plain", &at(PROVIDER[0], 443)).contains("said=gateway"));
    assert!(gateway.next().is_some());
}

#[test]
fn a_replacement_cut_short_stays_closed_and_is_finished() {
    let world = World::new("cut");
    world.owner("tls", "closed").kill();
    let home = pins(&world.cgroup).expect("pins");
    // As a gateway leaves it that dies after the old pins are gone and before the new ones have their name.
    fs::rename(home.join("current"), home.join("next")).expect("renamed");
    assert_eq!(world.app("plain", &at(PROVIDER[0], 443)), "error ECONNREFUSED");
    let gateway = world.gateway(|_| {});
    assert_eq!(programs(&world.cgroup).len(), 9);
    assert!(world.app("plain", &at(PROVIDER[0], 443)).contains("said=gateway"));
    assert!(gateway.next().is_some());
}

#[test]
fn what_was_learned_outlives_a_replacement() {
    let world = World::new("carried");
    let gateway = world.gateway(|options| options.scope = SteerScope::Known);
    let address = PROVIDER[0].parse().expect("valid");
    gateway.steer.learn(address, "api.known.example").expect("learned");
    drop(gateway);
    another_build(&world.cgroup);
    let gateway = world.gateway(|options| options.scope = SteerScope::Known);
    assert_eq!(gateway.steer.host_of(address), Some("api.known.example"));
    assert!(world.app("plain", &at(PROVIDER[0], 443)).contains("said=gateway"));
}

#[test]
fn detaching_cut_short_is_not_taken_for_attached() {
    let world = World::new("half");
    world.owner("tls", "closed").kill();
    let home = pins(&world.cgroup).expect("pins");
    // As `gateway detach` leaves it that is killed between the first program and the last.
    fs::rename(home.join("current"), home.join("old")).expect("renamed");
    fs::remove_file(home.join("old/gw_connect6")).expect("removed");
    let gateway = world.gateway(|_| {});
    assert_eq!(programs(&world.cgroup).len(), 9);
    for address in PROVIDER {
        assert!(world.app("plain", &at(address, 443)).contains("said=gateway"));
        assert!(gateway.next().is_some());
    }
}

#[test]
fn closed_may_become_open() {
    let world = World::new("reopened");
    world.owner("tls", "closed").kill();
    let owner = world.owner("tls", "open");
    assert!(world.app("plain", &at(PROVIDER[0], 443)).contains("said=gateway"));
    owner.kill();
    assert!(holds(|| programs(&world.cgroup).is_empty()), "still attached");
    assert!(world.app("plain", &at(PROVIDER[0], 443)).ends_with("said=provider"));
}

#[test]
fn a_dropped_gateway_can_be_adopted_with_other_settings() {
    let world = World::new("settings");
    drop(world.gateway_without_listener());
    let attached = programs(&world.cgroup);
    let gateway = world.gateway(|options| {
        options.ports = vec![8080];
        options.fail = Fail::Closed;
    });
    assert_eq!(programs(&world.cgroup), attached);
    assert!(world.app("plain", &at(PROVIDER[0], 8080)).contains("said=gateway"));
    assert!(world.app("plain", &at(PROVIDER[0], 443)).ends_with("said=provider"));
    assert!(gateway.next().is_some());
}
