//! What is measured: each row of the table, how its proxy is started, and how the load reaches it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use gateway::inspect::RuleSet;

use crate::processes::{self, Running};
use crate::relayed;

/// The processor of load and provider; the proxy shares it in path phases.
pub const LOAD_CPU: usize = 0;
/// The proxy's own processor in the other phases.
pub const PROXY_CPU: usize = 1;
/// Where a proxy listens.
const PROXY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 18500);

/// The configuration without rules.
const BARE: &str = "bare.yaml";

/// One row of the table.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// How it works.
    pub door: Door,
    /// Whether it needs the world of its own, and so root.
    pub needs_root: bool,
}

/// How a client reaches a proxy, and which one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The byte-copying relay, TLS in and out.
    Relay,
    /// nginx, TLS in and out.
    Nginx,
    /// nginx, plain text in.
    NginxPlain,
    /// The gateway by CONNECT.
    Forward,
    /// The gateway by kernel steering.
    Transparent,
    /// The gateway as reverse proxy, plain text in.
    Reverse,
    /// As `Reverse`, with no rule and no budget.
    ReverseBare,
}

/// The rows in the order they are measured: what is compared stands close in time.
pub const ROWS: &[Row] = &[
    Row { name: "relay", door: Door::Relay, needs_root: false },
    Row { name: "nginx", door: Door::Nginx, needs_root: false },
    Row { name: "gateway-forward", door: Door::Forward, needs_root: true },
    Row { name: "gateway-transparent", door: Door::Transparent, needs_root: true },
    Row { name: "nginx-plain", door: Door::NginxPlain, needs_root: false },
    Row { name: "gateway-reverse", door: Door::Reverse, needs_root: false },
    Row { name: "gateway-reverse-bare", door: Door::ReverseBare, needs_root: false },
];

/// Where the bench runs: its folder, the provider's address and name, the binaries.
pub struct Place {
    folder: PathBuf,
    binaries: PathBuf,
    name: &'static str,
    https: SocketAddr,
    http: SocketAddr,
    cgroup: String,
    /// A cgroup at the same depth that nothing is attached to.
    beside: String,
}

impl Place {
    /// Inside a world the provider is `api.openai.com:443`; outside it is a port of localhost.
    pub fn new(folder: &Path, inside: bool) -> anyhow::Result<Place> {
        let program = std::env::current_exe()?;
        let ids: Vec<String> = RuleSet::builtin().iter().map(|rule| rule.id.clone()).collect();
        std::fs::write(folder.join(BARE), format!("rules:\n  disable: [{}]\n", ids.join(", ")))?;
        let https = match inside {
            true => SocketAddr::from(([192, 0, 2, 10], 443)),
            false => SocketAddr::from((Ipv4Addr::LOCALHOST, 18443)),
        };
        Ok(Place {
            folder: folder.to_owned(),
            binaries: program.parent().context("a program stands in a folder")?.to_owned(),
            name: if inside { "api.openai.com" } else { "localhost" },
            https,
            http: SocketAddr::from((https.ip(), 18080)),
            cgroup: format!("gateway-bench-{}", std::process::id()),
            beside: format!("gateway-bench-{}-beside", std::process::id()),
        })
    }

    /// Starts the provider, which also writes the certificates the others use.
    pub fn provider(&self) -> anyhow::Result<Running> {
        let mut command = self.binary("bench-serve");
        command.args(["--https", &self.https.to_string(), "--http", &self.http.to_string()]);
        command.arg("--certs").arg(&self.folder).stdin(Stdio::piped());
        let mut provider = Running::start(command, Some(LOAD_CPU), &self.log("provider"))?;
        provider.ready()?;
        Ok(provider)
    }

    /// Starts the proxy of a row and waits until it serves.
    pub fn start(&self, row: &Row) -> anyhow::Result<Running> {
        let command = match row.door {
            Door::Relay => {
                let mut command = self.binary("bench-relay");
                command.args(["--listen", &PROXY.to_string(), "--upstream", &self.https.to_string()]);
                command.args(["--name", self.name]).arg("--certs").arg(&self.folder);
                command
            }
            Door::Nginx | Door::NginxPlain => self.nginx(row.door == Door::Nginx)?,
            Door::Transparent => {
                self.trust(row)?;
                let mut command = self.gateway(row);
                command.args(["attach", "--create", "--cgroup", &self.cgroup]);
                command
            }
            Door::Forward | Door::Reverse | Door::ReverseBare => {
                self.trust(row)?;
                let mut command = self.gateway(row);
                command.args(["proxy", "--listen", &PROXY.to_string(), "--upstream", &self.upstream()]);
                command
            }
        };
        let mut running = Running::start(command, Some(PROXY_CPU), &self.log(row.name))?;
        match row.door {
            Door::Transparent => running.ready()?,
            _ => running.listens(PROXY)?,
        }
        running.pin(PROXY_CPU)?;
        Ok(running)
    }

    /// The load generator as it reaches the provider through `row`, or directly without one.
    pub fn load(&self, row: Option<&Row>) -> anyhow::Result<Command> {
        let load = self.binaries.join("bench-load");
        let mut command = match row.map(|row| row.door) {
            Some(Door::Transparent) => self.joining("taskset".as_ref())?,
            _ => Command::new("taskset"),
        };
        command.args(["-c", &LOAD_CPU.to_string()]).arg(load);
        let path = "/v1/chat/completions";
        let (origin, dial) = match row.map(|row| row.door) {
            None | Some(Door::Transparent | Door::Forward) => {
                (format!("https://{}:{}", self.name, self.https.port()), self.https)
            }
            Some(Door::Relay | Door::Nginx) => (format!("https://{}:{}", self.name, PROXY.port()), PROXY),
            Some(Door::NginxPlain | Door::Reverse | Door::ReverseBare) => (format!("http://{PROXY}"), PROXY),
        };
        command.args(["--url", &format!("{origin}{path}"), "--dial", &dial.to_string()]);
        command.arg("--ca").arg(self.folder.join("root.pem"));
        match row {
            Some(row) if row.door == Door::Forward => {
                command.args(["--connect", &PROXY.to_string()]).arg("--ca").arg(self.ours(row));
            }
            Some(row) if row.door == Door::Transparent => {
                command.arg("--ca").arg(self.ours(row));
            }
            _ => {}
        }
        Ok(command)
    }

    /// A gateway that relays what leaves the bench's cgroup, on any processor.
    pub fn relay(&self) -> anyhow::Result<Running> {
        let row = Row { name: "relayed", door: Door::Transparent, needs_root: true };
        self.trust(&row)?;
        let mut command = self.gateway(&row);
        command.args(["attach", "--create", "--cgroup", &self.cgroup]);
        let mut running = Running::start(command, None, &self.log(row.name))?;
        running.ready()?;
        Ok(running)
    }

    /// What serves and fetches bulk data.
    pub fn bulk(&self) -> Command {
        let mut command = self.binary("bench-bulk");
        command.arg("--certs").arg(&self.folder);
        command
    }

    /// The same, inside the cgroup or not.
    pub fn bulk_client(&self, inside: bool) -> anyhow::Result<Command> {
        if !inside {
            return Ok(self.bulk());
        }
        let mut command = self.joining(&self.binaries.join("bench-bulk"))?;
        command.arg("--certs").arg(&self.folder);
        Ok(command)
    }

    /// Where a process of the bench says what it has to say.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// A command that joins the cgroup, then becomes `program`.
    fn joining(&self, program: &Path) -> anyhow::Result<Command> {
        let join = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;
        let mut command = Command::new("sh");
        command.args(["-c", join]).arg(cgroup_mount()?.join(&self.cgroup)).arg(program);
        Ok(command)
    }

    /// What compares `connect()` inside the attached cgroup with a cgroup beside it.
    pub fn connects(&self, blocks: usize) -> anyhow::Result<Command> {
        let mount = cgroup_mount()?;
        let beside = mount.join(&self.beside);
        if !beside.exists() {
            std::fs::create_dir(&beside).with_context(|| format!("creating {}", beside.display()))?;
        }
        let mut command = Command::new("taskset");
        command.args(["-c", &LOAD_CPU.to_string()]).arg(self.binaries.join("bench-connect"));
        command.arg("--inside").arg(mount.join(&self.cgroup)).arg("--outside").arg(beside);
        // A host that is not steered, and not loopback, which some rules of the kernel programs leave out.
        command.args(["--to", &format!("{}:18600", relayed::HOST.1), "--blocks", &blocks.to_string()]);
        Ok(command)
    }

    /// Removes the cgroups of the transparent door, where that was measured. Its programs go with the world.
    pub fn clean(&self) -> anyhow::Result<()> {
        let Ok(mount) = cgroup_mount() else { return Ok(()) };
        for cgroup in [&self.cgroup, &self.beside].map(|name| mount.join(name)) {
            if cgroup.exists() {
                std::fs::remove_dir(&cgroup).with_context(|| format!("removing {}", cgroup.display()))?;
            }
        }
        Ok(())
    }

    fn upstream(&self) -> String {
        format!("https://{}:{}/v1", self.name, self.https.port())
    }

    fn binary(&self, name: &str) -> Command {
        Command::new(self.binaries.join(name))
    }

    /// A gateway with one worker, all rules and a budget that never ends; or bare.
    fn gateway(&self, row: &Row) -> Command {
        let mut command = self.binary("gateway");
        let bare = row.door == Door::ReverseBare;
        if bare {
            command.arg("--config").arg(self.folder.join(BARE));
        }
        command.arg("--state").arg(self.folder.join(format!("{}.state", row.name)));
        command.arg("--upstream-ca").arg(self.folder.join("root.pem"));
        command.args(["--mode", "strict"]);
        if !bare {
            command.args(["--budget", "1000000"]);
        }
        command.env("GATEWAY_WORKERS", "1").stdin(Stdio::null());
        command
    }

    /// Makes the CA of a row's gateway and writes its root where the load finds it.
    fn trust(&self, row: &Row) -> anyhow::Result<()> {
        processes::output(self.gateway(row).args(["trust", "init"]))?;
        let root = processes::output(self.gateway(row).args(["trust", "export"]))?;
        std::fs::write(self.ours(row), root)?;
        Ok(())
    }

    fn ours(&self, row: &Row) -> PathBuf {
        self.folder.join(format!("{}.pem", row.name))
    }

    /// nginx with one worker, upstream connections kept, the provider verified, answers not buffered.
    fn nginx(&self, tls: bool) -> anyhow::Result<Command> {
        let folder = self.folder.display();
        let listen = if tls { format!("{PROXY} ssl") } else { PROXY.to_string() };
        let config = format!(
            "daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error; user root;
             events {{ worker_connections 4096; }}
             http {{
               access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
               fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
               client_body_buffer_size 1m; keepalive_requests 1000000000;
               upstream llm {{ server {https}; keepalive 256; keepalive_requests 1000000000; }}
               server {{
                 listen {listen};
                 ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key; ssl_protocols TLSv1.3;
                 location / {{
                   proxy_pass https://llm; proxy_http_version 1.1;
                   proxy_set_header Connection \"\"; proxy_set_header Host {name};
                   proxy_ssl_protocols TLSv1.3; proxy_ssl_name {name}; proxy_ssl_server_name on;
                   proxy_ssl_verify on; proxy_ssl_trusted_certificate {folder}/root.pem;
                   proxy_buffering off;
                 }}
               }}
             }}",
            https = self.https,
            name = self.name,
        );
        let file = self.folder.join("nginx.conf");
        std::fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(file).args(["-e", "stderr"]).stdin(Stdio::null());
        Ok(command)
    }
}

/// Where cgroup v2 is mounted.
fn cgroup_mount() -> anyhow::Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let line =
        mounts.lines().find(|line| line.contains(" - cgroup2 ")).context("cgroup v2 is not mounted")?;
    Ok(line.split(' ').nth(4).context("a mount has a place")?.into())
}
