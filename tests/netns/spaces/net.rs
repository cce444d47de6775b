//! A small internet: the provider in one network namespace, the gateway in another, and containers in theirs, each
//! joined to the provider's by a wire of its own.

use std::cell::Cell;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use gateway::capture::{Steer, cgroup};
use gateway::simulate::{Provider, ProviderOptions, world};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::{PATIENCE, chat, provider_with};
use nix::sched::{CloneFlags, setns};
use tokio::process::{Child, Command};

use crate::world::{inside, ip};

/// The address of `api.openai.com`.
const OPENAI: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// The address of `plain.example`, which is no LLM host.
const PLAIN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);

/// The world: this thread stands in the gateway's namespace.
pub struct Net {
    pub provider: Provider,
    pub state: State,
    folder: PathBuf,
    internet: Space,
    wires: Cell<u8>,
}

/// A network namespace, held by a process that sleeps in it.
pub struct Space {
    holder: Child,
    /// Its address on its wire; unspecified for the internet itself.
    pub address: IpAddr,
}

/// A cgroup of the test's own, removed with it.
pub struct Cgroup(pub PathBuf);

/// Runs a test in the world. Needs root, and fails without.
pub fn within<F: Future<Output = ()>>(test: impl FnOnce(Net) -> F + Send + 'static) {
    assert!(nix::unistd::geteuid().is_root(), "kernel tests need root: run them with sudo");
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().to_owned();
    let thread = std::thread::spawn(move || {
        world::enter(&path, &[("api.openai.com", OPENAI), ("plain.example", PLAIN)]).expect("a world");
        // One thread only: whatever it starts is inside as well.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async { test(Net::new(path).await).await });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Net {
    async fn new(folder: PathBuf) -> Net {
        let internet = Space::new(&folder, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        for address in [OPENAI, PLAIN] {
            internet.ip(&format!("address add {address}/32 dev lo"));
        }
        let provider = internet.provider().await;
        let net = Net { state: State::new(&provider), provider, folder, internet, wires: Cell::new(0) };
        net.wire(None);
        net
    }

    /// A new container: a namespace with a wire of its own.
    pub fn container(&self) -> Space {
        let mut space = Space::new(&self.folder, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        space.address = self.wire(Some(&space));
        space
    }

    /// Lays a wire from the internet to a container, or to the gateway's namespace, and returns the address there.
    fn wire(&self, to: Option<&Space>) -> IpAddr {
        let number = self.wires.replace(self.wires.get() + 1);
        let (near, far) =
            (Ipv4Addr::new(203, 0, 113, number * 4 + 2), Ipv4Addr::new(203, 0, 113, number * 4 + 1));
        let peer = to.map_or_else(String::new, |space| format!(" netns {}", space.pid()));
        ip(&format!("link add near{number} type veth peer name far{number} netns {}", self.internet.pid()));
        if !peer.is_empty() {
            ip(&format!("link set near{number}{peer}"));
        }
        self.internet.ip(&format!("address add {far}/30 dev far{number}"));
        self.internet.ip(&format!("link set far{number} up"));
        let there = |arguments: &str| match to {
            Some(space) => space.ip(arguments),
            None => ip(arguments),
        };
        there(&format!("address add {near}/30 dev near{number}"));
        there(&format!("link set near{number} up"));
        there(&format!("route add 198.51.100.0/24 via {far}"));
        near.into()
    }

    /// Starts `gateway attach` with these arguments.
    pub async fn attach(&self, arguments: &[&str]) -> Gateway {
        Gateway::start(self.state.clone(), &[&["attach"], arguments].concat()).await
    }

    /// A program in this cgroup and, where one is given, in this namespace, that trusts the gateway's CA.
    pub fn program(&self, cgroup: &Cgroup, space: Option<&Space>, script: &str) -> Command {
        let mut command = std::process::Command::new("sh");
        if let Some(space) = space {
            command = std::process::Command::new("nsenter");
            command.arg(format!("--net=/proc/{}/ns/net", space.pid())).arg("sh");
        }
        command.arg("-c").arg(script).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("CURL_CA_BUNDLE", self.state.path().join("state/trust/bundle.pem"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = Command::from(inside(&cgroup.0, command));
        command.kill_on_drop(true);
        command
    }

    /// A program that only lives there, so that the gateway finds its namespace.
    pub fn lives(&self, cgroup: &Cgroup, space: &Space) -> Child {
        self.program(cgroup, Some(space), "exec sleep infinity").spawn().expect("sh runs")
    }

    /// Runs a script there to its end.
    pub async fn run(&self, cgroup: &Cgroup, space: Option<&Space>, script: &str) -> Output {
        let run = self.program(cgroup, space, script).output();
        tokio::time::timeout(PATIENCE, run).await.expect("the script ends in time").expect("sh runs")
    }

    /// Asks the provider once with curl: the answer and its status in a last line, which is `000` without an answer.
    pub async fn ask(&self, cgroup: &Cgroup, space: Option<&Space>, prompt: &str) -> String {
        let output = self.run(cgroup, space, &curl(prompt)).await;
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Space {
    fn new(folder: &Path, address: IpAddr) -> Space {
        let mut command = Command::new("unshare");
        let ready = folder.join(format!("space-{}", folder.read_dir().expect("the world's folder").count()));
        let script = format!("ip link set lo up && : > {} && exec sleep infinity", ready.display());
        command.args(["--net", "sh", "-c", &script]).kill_on_drop(true);
        let holder = command.spawn().expect("util-linux is installed");
        assert!(crate::world::holds(|| ready.exists()), "a namespace with its loopback up");
        Space { holder, address }
    }

    pub fn pid(&self) -> u32 {
        self.holder.id().expect("the holder still sleeps")
    }

    /// Ends the process that holds it. Others may still live in it.
    pub async fn release(mut self) {
        self.holder.kill().await.expect("the holder can be killed");
    }

    fn ip(&self, arguments: &str) {
        let status = std::process::Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", self.pid()))
            .arg("ip")
            .args(arguments.split(' '))
            .status()
            .expect("iproute2 is installed");
        assert!(status.success(), "ip {arguments}");
    }

    /// A provider that listens here, on a thread of its own that stays for as long as the test runs.
    async fn provider(&self) -> Provider {
        let namespace =
            std::fs::File::open(format!("/proc/{}/ns/net", self.pid())).expect("the holder sleeps");
        let (give, given) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).expect("root may enter");
            assert!(namespace.as_raw_fd() >= 0);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let everywhere = |port| (Ipv4Addr::UNSPECIFIED, port).into();
                let options =
                    ProviderOptions { https: everywhere(443), http: everywhere(80), ..Default::default() };
                let provider = provider_with(options).await;
                // The test's end is this thread's: it is not waited for.
                let _ = give.send(provider);
                std::future::pending::<()>().await;
            });
        });
        given.await.expect("the provider starts")
    }
}

impl Cgroup {
    pub fn new(name: &str) -> Cgroup {
        let name = format!("gateway-test-{}-{name}", std::process::id());
        Cgroup(cgroup::create(&name).expect("root can make a cgroup"))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("the test's own name is plain")
    }

    /// Its name below the mount, which is what the app is called.
    pub fn name(&self) -> String {
        gateway::capture::target::name_of(&self.0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A test that failed may leave its programs attached; without them the cgroup can be removed.
        let _ = Steer::detach_cgroup(&self.0);
        let _ = cgroup::kill(&self.0);
        crate::world::holds(|| cgroup::remove(&self.0).is_ok());
    }
}

/// One request; prints the answer, and its status on a line of its own.
pub fn curl(prompt: &str) -> String {
    let body = chat(prompt, "deltas=3", true);
    format!(
        "curl -s -w '\\n%{{http_code}}\\n' -m 20 -H 'content-type: application/json' -d '{body}' \
         https://api.openai.com/v1/chat/completions"
    )
}

/// The status in the last line of what [`curl`] printed.
pub fn status(printed: &str) -> &str {
    printed.trim_end().rsplit('\n').next().unwrap_or_default()
}
