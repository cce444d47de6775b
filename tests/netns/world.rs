//! One test's world: a network namespace with a provider in it, a cgroup, and a gateway reduced to steering.

use gateway::capture::{Captured, Fail, Quic, Steer, SteerOptions, SteerScope, cgroup, listen};
use nix::sched::{CloneFlags, unshare};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::{Duration, Instant};

/// The provider's addresses (documentation ranges, on this world's loopback only).
pub const PROVIDER: [&str; 2] = ["198.51.100.7", "2001:db8::7"];
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Namespace, cgroup and provider; the cgroup goes when the test ends.
pub struct World {
    pub cgroup: PathBuf,
    /// Connections the provider itself got.
    pub reached: Arc<AtomicUsize>,
    /// The addresses they came from.
    pub sources: Arc<Mutex<BTreeSet<IpAddr>>>,
}

impl World {
    /// Moves this thread, and all it starts, into a fresh network namespace.
    pub fn new(name: &str) -> World {
        assert!(nix::unistd::geteuid().is_root(), "kernel tests need root: run them with sudo");
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        ip("link set lo up");
        ip(&format!("address add {}/32 dev lo", PROVIDER[0]));
        ip(&format!("address add {}/128 dev lo nodad", PROVIDER[1]));
        let cgroup =
            cgroup::create(&format!("gateway-test-{}-{name}", std::process::id())).expect("a cgroup");
        let world = World { cgroup, reached: Arc::default(), sources: Arc::default() };
        for (address, port) in PROVIDER.into_iter().flat_map(|address| [(address, 443), (address, 8080)]) {
            world.provide(SocketAddr::new(address.parse().expect("an address"), port));
        }
        world
    }

    /// Greets everyone at this address with `provider` and counts them.
    pub fn provide(&self, address: SocketAddr) {
        let listener = TcpListener::bind(address).expect("the provider's address");
        let (reached, sources) = (self.reached.clone(), self.sources.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                reached.fetch_add(1, Ordering::SeqCst);
                if let Ok(peer) = stream.as_ref().map_or(Err(()), |stream| stream.peer_addr().map_err(drop)) {
                    sources.lock().expect("no thread panics with it").insert(peer.ip());
                }
                let _ = stream.and_then(|stream| say(stream, "provider\n"));
            }
        });
    }

    /// How often the provider was reached.
    pub fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    /// Options as most tests want them.
    pub fn options(&self, bound: &listen::Bound) -> SteerOptions {
        let (listen_v4, listen_v6) = bound.addresses().expect("bound");
        SteerOptions {
            cgroup: self.cgroup.clone(),
            listen_v4,
            listen_v6,
            ports: vec![443],
            endpoints: vec![],
            scope: SteerScope::Tls,
            quic: Quic::Known,
            fail: Fail::Closed,
            known_hosts: vec!["api.known.example".to_owned(), "*.deep.known.example".to_owned()],
        }
    }

    /// Attaches in this process and greets captured connections with `gateway`.
    pub fn gateway(&self, change: impl FnOnce(&mut SteerOptions)) -> Gateway {
        let bound = listen::bind_loopback(None).expect("a port");
        let mut options = self.options(&bound);
        change(&mut options);
        let steer = Arc::new(Steer::attach(&options).expect("attached"));
        let (sender, captured) = mpsc::sync_channel(1024);
        for listener in [Some(bound.v4), bound.v6].into_iter().flatten() {
            listener.set_nonblocking(false).expect("a listener");
            // The listener outlives the gateway; the programs must not.
            let (steer, sender) = (Arc::downgrade(&steer), sender.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    // Nobody is left to hear when the test has ended.
                    let _ = stream.and_then(|stream| greet(stream, &steer, &sender));
                }
            });
        }
        Gateway { steer, captured, options }
    }

    /// Attaches in this process and lets the listener go at once.
    pub fn gateway_without_listener(&self) -> Steer {
        let bound = listen::bind_loopback(None).expect("a port");
        Steer::attach(&self.options(&bound)).expect("attached")
    }

    /// Runs the probe in the cgroup and returns the line it printed.
    pub fn app(&self, way: &str, destination: &str) -> String {
        output(self.probe(&[way, destination]))
    }

    /// The probe, to be started in the cgroup.
    pub fn probe(&self, arguments: &[&str]) -> Command {
        inside(&self.cgroup, probe(arguments))
    }

    /// Starts a gateway of its own process, outside the cgroup, and waits until it is ready.
    pub fn owner(&self, scope: &str, fail: &str) -> Owner {
        Owner::start(probe(&["own", &self.cgroup.display().to_string(), scope, fail]))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let detached = holds(|| !self.cgroup.exists() || Steer::detach_cgroup(&self.cgroup).is_ok());
        assert!(detached || std::thread::panicking(), "{} cannot be detached", self.cgroup.display());
        let removed = holds(|| cgroup::remove(&self.cgroup).is_ok());
        assert!(removed || std::thread::panicking(), "{} cannot be removed", self.cgroup.display());
    }
}

/// Steering within the test's own process.
pub struct Gateway {
    pub steer: Arc<Steer>,
    captured: mpsc::Receiver<Option<Captured>>,
    pub options: SteerOptions,
}

impl Gateway {
    /// What the kernel remembered of the next connection.
    pub fn next(&self) -> Option<Captured> {
        self.captured.recv_timeout(PATIENCE).expect("a connection")
    }
}

/// A gateway process.
pub struct Owner {
    process: std::process::Child,
    /// What it said when it was ready: `ready PORT fresh|adopted`, or `error …`.
    pub said: String,
}

impl Owner {
    /// Starts it and reads its first line.
    pub fn start(command: Command) -> Owner {
        let mut owner = Owner::begin(command);
        let mut byte = [0];
        let output = owner.process.stdout.as_mut().expect("a pipe");
        while output.read(&mut byte).expect("readable") == 1 && byte != *b"\n" {
            owner.said.push(byte[0].into());
        }
        owner
    }

    /// Starts it and does not wait.
    pub fn begin(mut command: Command) -> Owner {
        let process = command.stdout(Stdio::piped()).spawn().expect("the probe starts");
        Owner { process, said: String::new() }
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("reaped");
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn greet(
    stream: TcpStream,
    steer: &Weak<Steer>,
    sender: &mpsc::SyncSender<Option<Captured>>,
) -> io::Result<()> {
    let Some(steer) = steer.upgrade() else { return Ok(()) };
    let captured = steer.captured(steer.namespace(), stream.peer_addr()?);
    drop(steer);
    let original = captured.as_ref().map_or("lost".to_owned(), |captured| captured.original.to_string());
    sender.send(captured).map_err(io::Error::other)?;
    say(stream, &format!("gateway {original}\n"))
}

/// Says something and waits for the end: closing with unread data would reset the connection.
fn say(mut stream: TcpStream, words: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(words.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

/// The probe, outside the cgroup.
pub fn probe(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netns-probe"));
    command.args(arguments);
    command
}

/// Puts a command into a cgroup before it starts.
pub fn inside(cgroup: &Path, mut command: Command) -> Command {
    let members =
        File::options().write(true).open(cgroup.join("cgroup.procs")).expect("the cgroup's members");
    // SAFETY: one write(2) between fork and exec, to a descriptor the closure owns; no allocation.
    unsafe {
        command.pre_exec(move || match libc::write(members.as_raw_fd(), b"0".as_ptr().cast(), 1) {
            1 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    command
}

/// Runs a command and returns the line it printed.
pub fn output(mut command: Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("the probe runs");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Waits until something holds, and says whether it did in time.
pub fn holds(mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if condition() {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    false
}

/// The address as an app writes it: as it is, or IPv4-mapped.
pub fn mapped(address: &str, port: u16) -> String {
    let v4: std::net::Ipv4Addr = address.parse().expect("an IPv4 address");
    SocketAddrV6::new(v4.to_ipv6_mapped(), port, 0, 0).to_string()
}

/// `[address]:port` or `address:port`.
pub fn at(address: &str, port: u16) -> String {
    match address.parse::<Ipv6Addr>() {
        Ok(v6) => SocketAddrV6::new(v6, port, 0, 0).to_string(),
        Err(_) => format!("{address}:{port}"),
    }
}

/// Runs something in a network namespace of its own with nothing but loopback, and returns what it returns.
pub fn elsewhere<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        ip("link set lo up");
        action()
    };
    std::thread::scope(|scope| scope.spawn(inside).join().expect("the thread ends"))
}

/// Whether a folder exists under the bpf file system for this cgroup.
pub fn pins(cgroup: &Path) -> Option<PathBuf> {
    let path = Path::new("/sys/fs/bpf/gateway").join(cgroup::id(cgroup).ok()?.to_string());
    fs::exists(&path).ok()?.then_some(path)
}

/// Runs `ip` in this thread's namespace.
pub fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is installed");
    assert!(status.success(), "ip {arguments}");
}
