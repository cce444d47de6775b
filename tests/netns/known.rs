//! The kernel learns the addresses of known hosts from the answers of a real DNS server.

use crate::world::{PROVIDER, World, at, holds, output};
use gateway::capture::SteerScope;
use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// dnsmasq on this world's loopback.
struct Resolver {
    process: Child,
    folder: tempfile::TempDir,
}

impl Resolver {
    fn start(records: &[&str]) -> Resolver {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:2\n")
            .expect("written");
        let process = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
                "--user=root",
            ])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file="])
            .args(records)
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq is installed");
        let resolver = Resolver { process, folder };
        assert!(holds(|| std::net::TcpStream::connect("127.0.0.1:53").is_ok()), "dnsmasq does not answer");
        resolver
    }

    /// Runs the probe in the cgroup with this server as the system's, seen by it alone.
    fn app(&self, world: &World, name: &str) -> String {
        let mut command = world.probe(&["resolve", &format!("{name}:443")]);
        let file = self.folder.path().join("resolv.conf");
        let file = CString::new(file.to_str().expect("text")).expect("no NUL");
        // SAFETY: system calls only between fork and exec, on strings made before.
        unsafe { command.pre_exec(move || show(&file)) };
        output(command)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Puts `file` over /etc/resolv.conf in a mount namespace of its own.
fn show(file: &CString) -> io::Result<()> {
    let (root, target) = (c"/".as_ptr(), c"/etc/resolv.conf".as_ptr());
    let nothing = std::ptr::null();
    // SAFETY: all pointers are to strings that live through the calls.
    let failed = unsafe {
        libc::unshare(libc::CLONE_NEWNS) != 0
            || libc::mount(nothing, root, nothing, libc::MS_REC | libc::MS_PRIVATE, nothing.cast()) != 0
            || libc::mount(file.as_ptr(), target, nothing, libc::MS_BIND, nothing.cast()) != 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// In a world where `records` are served, the app goes to `name` and finds `expected` there.
fn check(name: &str, records: &[&str], cases: &[(&str, &str)]) {
    let world = World::new(name);
    let gateway = world.gateway(|options| options.scope = SteerScope::Known);
    let resolver = Resolver::start(records);
    for (host, expected) in cases {
        let said = resolver.app(&world, host);
        assert!(said.contains(&format!("said={expected}")), "{host}: {said}");
    }
    drop(gateway);
}

#[test]
fn a_known_name_is_steered_at_its_first_connection() {
    let records =
        ["--host-record=api.known.example,198.51.100.7", "--host-record=other.example,198.51.100.7"];
    check("dns-exact", &records, &[("other.example", "provider"), ("api.known.example", "gateway")]);
}

#[test]
fn names_are_compared_without_case() {
    check("dns-case", &["--host-record=api.known.example,198.51.100.7"], &[("API.Known.eXample", "gateway")]);
}

#[test]
fn names_that_only_look_alike_are_not_known() {
    let names = ["xapi.known.example", "sub.api.known.example", "known.example", "deep.known.example"];
    let records = names.map(|name| format!("--host-record={name},198.51.100.7"));
    check("dns-alike", &records.each_ref().map(String::as_str), &names.map(|name| (name, "provider")));
}

#[test]
fn a_pattern_covers_every_name_below_it() {
    let records = [
        "--host-record=a.deep.known.example,198.51.100.7",
        "--host-record=a.b.deep.known.example,2001:db8::7",
    ];
    check(
        "dns-suffix",
        &records,
        &[
            ("a.deep.known.example", "gateway 198.51.100.7"),
            ("a.b.deep.known.example", "gateway [2001:db8::7]"),
        ],
    );
}

#[test]
fn aliases_lead_to_the_name_asked_for() {
    let records = [
        "--cname=api.known.example,edge.cdn.example",
        "--cname=edge.cdn.example,node.cdn.example",
        "--host-record=node.cdn.example,198.51.100.7,2001:db8::7",
    ];
    check("dns-alias", &records, &[("api.known.example", "gateway")]);
}

#[test]
fn an_answer_too_long_for_udp_is_learned_over_tcp() {
    let records: Vec<String> = (0..20)
        .map(|number| format!("--host-record=api.known.example,2001:db8:0:{number}::7"))
        .chain([
            "--host-record=api.known.example,198.51.100.7".to_owned(),
            "--edns-packet-max=512".to_owned(),
        ])
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let world = World::new("dns-tcp");
    let gateway = world.gateway(|options| options.scope = SteerScope::Known);
    let resolver = Resolver::start(&records);
    // None of the first addresses can be reached; that they were learned is what counts.
    resolver.app(&world, "api.known.example");
    let learned = (0..20).filter(|number| {
        let address = format!("2001:db8:0:{number}::7").parse().expect("valid");
        gateway.steer.host_of(address).is_some()
    });
    assert_eq!(learned.count(), 20);
}

#[test]
fn learned_addresses_are_named_and_udp_to_them_refused_in_either_scope() {
    let world = World::new("dns-udp");
    let gateway = world.gateway(|_| {});
    let resolver = Resolver::start(&["--host-record=api.known.example,198.51.100.7,2001:db8::7"]);
    for address in PROVIDER {
        assert_eq!(gateway.steer.host_of(address.parse().expect("valid")), None);
        assert_eq!(world.app("udp-send", &at(address, 443)), "ok sent");
    }
    resolver.app(&world, "api.known.example");
    for address in PROVIDER {
        assert_eq!(gateway.steer.host_of(address.parse().expect("valid")), Some("api.known.example"));
        assert_eq!(world.app("udp-send", &at(address, 443)), "error EPERM");
    }
    assert!(gateway.steer.counters().expect("counters").learned >= 2);
}
