//! What cannot work says what, where, and what to do; and leaves nothing behind.

use crate::world::{Owner, World, pins, probe};
use gateway::capture::{Steer, SteerError, listen};
use std::os::unix::process::CommandExt;

#[test]
fn a_missing_cgroup() {
    let world = World::new("missing");
    let bound = listen::bind_loopback(None).expect("a port");
    let mut options = world.options(&bound);
    options.cgroup = world.cgroup.join("nothing-here");
    let error = Steer::attach(&options).err().expect("refused");
    assert!(error.to_string().contains("nothing-here"), "{error}");
}

#[test]
fn a_folder_that_is_no_cgroup() {
    let world = World::new("folder");
    let bound = listen::bind_loopback(None).expect("a port");
    let mut options = world.options(&bound);
    options.cgroup = std::env::temp_dir();
    let error = Steer::attach(&options).err().expect("refused");
    assert!(matches!(error, SteerError::Attach { .. } | SteerError::Cgroup(_)), "{error}");
    assert_eq!(pins(&options.cgroup), None);
}

#[test]
fn no_rights() {
    let world = World::new("rights");
    let mut command = probe(&["own", &world.cgroup.display().to_string(), "tls", "closed"]);
    command.uid(65_534).gid(65_534);
    let said = Owner::start(command).said.clone();
    assert!(said.contains("CAP_BPF") && said.contains("run as root"), "{said}");
    assert_eq!(pins(&world.cgroup), None);
}

#[test]
fn a_second_gateway() {
    let world = World::new("second");
    let first = world.owner("tls", "closed");
    assert!(first.said.starts_with("ready"), "{}", first.said);
    let bound = listen::bind_loopback(None).expect("a port");
    let error = Steer::attach(&world.options(&bound)).err().expect("refused");
    assert!(matches!(error, SteerError::InUse(_)), "{error}");
    assert_eq!(
        Steer::pinned_listener(&world.cgroup).map(|(v4, _)| v4.port().to_string()).as_deref(),
        first.said.split(' ').nth(1)
    );
}
