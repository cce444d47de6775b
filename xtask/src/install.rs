//! What the tests need besides git and Rust, and how it gets onto the machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// A Debian package and what shows that it (or an equal from elsewhere) is there.
pub struct Package {
    name: &'static str,
    shown_by: Sign,
}

enum Sign {
    /// A program on the path.
    Program(&'static str),
    /// A module that the system's Python can import.
    PythonModule(&'static str),
    /// The package database only.
    Database,
}

use Sign::{Database, Program, PythonModule};

/// For every stage that talks over a network.
pub const NETWORK: &[Package] = &[
    Package { name: "ca-certificates", shown_by: Database },
    Package { name: "curl", shown_by: Program("curl") },
    Package { name: "openssl", shown_by: Program("openssl") },
    Package { name: "procps", shown_by: Program("ps") },
];

/// For the kernel tests: namespaces, a real DNS server, a look at what is attached.
pub const KERNEL: &[Package] = &[
    Package { name: "bpftool", shown_by: Program("bpftool") },
    Package { name: "dnsmasq-base", shown_by: Program("dnsmasq") },
    Package { name: "iproute2", shown_by: Program("ip") },
    Package { name: "nftables", shown_by: Program("nft") },
    Package { name: "python3", shown_by: Program("python3") },
];

/// For the hostile tests: scanners of TLS.
pub const SCANNERS: &[Package] = &[
    Package { name: "sslscan", shown_by: Program("sslscan") },
    Package { name: "testssl.sh", shown_by: Program("testssl") },
];

/// For the loopback tests: the reader of our metrics.
pub const METRICS: &[Package] = &[Package { name: "prometheus", shown_by: Program("promtool") }];

/// For the client tests: the languages of the clients.
pub const CLIENTS: &[Package] = &[
    Package { name: "default-jdk-headless", shown_by: Program("javac") },
    Package { name: "golang-go", shown_by: Program("go") },
    Package { name: "nodejs", shown_by: Program("node") },
    Package { name: "npm", shown_by: Program("npm") },
    Package { name: "python3", shown_by: Program("python3") },
    Package { name: "python3-venv", shown_by: PythonModule("ensurepip") },
];

/// For the bench: the proxy it compares with.
pub const BENCH: &[Package] = &[Package { name: "nginx-light", shown_by: Program("nginx") }];

/// For the fuzz targets: the compiler of libFuzzer itself.
pub const FUZZ: &[Package] = &[Package { name: "g++", shown_by: Program("g++") }];

/// For building the kernel programs: a compiler with a ready-made `core` for BPF, and the linker's LLVM.
pub const BPF_TOOLCHAIN: &[Package] = &[
    Package { name: "libpolly-22-dev", shown_by: Database },
    Package { name: "libstd-rust-web-dev-bpf", shown_by: Database },
    Package { name: "libzstd-dev", shown_by: Database },
    Package { name: "llvm-22-dev", shown_by: Database },
    Package { name: "rustc-web", shown_by: Database },
    Package { name: "zlib1g-dev", shown_by: Database },
];

/// Installs those of `packages` that are missing, without starting a service.
///
/// # Errors
/// As a normal user, the command that installs them; as root, what apt-get said.
pub fn packages<'a>(packages: impl IntoIterator<Item = &'a Package>) -> Result<()> {
    let mut missing: Vec<&str> =
        packages.into_iter().filter(|package| !package.present()).map(|package| package.name).collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    ensure!(
        is_root(),
        "missing on this machine: {list}\n  run: sudo apt-get install --no-install-recommends {list}"
    );
    if !on_path("apt-get") {
        bail!("missing on this machine: {list} (Debian's names; there is no apt-get here to install them)");
    }
    println!("installing {list} …");
    let deny_start = PolicyFile::place(Path::new("/usr/sbin/policy-rc.d"))?;
    let result = apt_get(&["update"])
        .and_then(|()| apt_get(&[&["install", "--yes", "--no-install-recommends"], &missing[..]].concat()));
    deny_start.remove()?;
    result
}

/// Whether `packages` are there, or this machine's distribution has them.
pub fn available(packages: &[Package]) -> bool {
    if packages.iter().all(Package::present) {
        return true;
    }
    // On a fresh machine the lists are empty; without a network they stay as they are.
    if is_root() && apt_get(&["update"]).is_err() {
        println!("the package lists could not be renewed");
    }
    packages.iter().all(|package| {
        let policy = Command::new("apt-cache").args(["policy", package.name]).output();
        let candidate = |text: &str| text.contains("Candidate:") && !text.contains("Candidate: (none)");
        package.present() || policy.is_ok_and(|answer| candidate(&String::from_utf8_lossy(&answer.stdout)))
    })
}

/// Adds a component of the Rust toolchain, such as clippy, when its cargo `command` does not run.
pub fn component(component: &str, command: &str) -> Result<()> {
    if succeeds(Command::new("cargo").args([command, "--version"])) {
        return Ok(());
    }
    let added = succeeds(Command::new("rustup").args(["component", "add", component]));
    ensure!(added, "cargo {command} is missing; run: rustup component add {component}");
    Ok(())
}

/// Installs a cargo subcommand from its registry, locked, when it is missing.
pub fn cargo_command(name: &str) -> Result<()> {
    let program = format!("cargo-{name}");
    if on_path(&program) {
        return Ok(());
    }
    println!("installing {program} (minutes, once) …");
    // Unoptimised it builds in a fraction of the time, and still answers within a second.
    let status =
        Command::new("cargo").args(["install", "--locked", "--quiet", "--debug", &program]).status()?;
    ensure!(status.success(), "cannot install {program}; run: cargo install --locked {program}");
    Ok(())
}

/// Whether this process may change the system.
pub fn is_root() -> bool {
    // The owner of /proc/self is the effective user.
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Whether a program of this name is on the path, or where Debian keeps those for administrators.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).any(|folder| {
        folder.join(program).metadata().is_ok_and(|file| file.permissions().mode() & 0o111 != 0)
    })
}

impl Package {
    fn present(&self) -> bool {
        match self.shown_by {
            Program(program) => on_path(program),
            PythonModule(module) => {
                succeeds(Command::new("python3").args(["-c", &format!("import {module}")]))
            }
            Database => {
                let mut query = Command::new("dpkg-query");
                query.args(["--show", "--showformat=${db:Status-Status}", self.name]);
                query.output().is_ok_and(|answer| answer.stdout == b"installed")
            }
        }
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("cannot start apt-get")?;
    ensure!(
        output.status.success(),
        "apt-get {} failed:\n{}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Debian's way to say that an installation must not start services; one that is already there stays.
struct PolicyFile {
    ours: Option<PathBuf>,
}

impl PolicyFile {
    fn place(path: &Path) -> Result<PolicyFile> {
        if path.exists() {
            return Ok(PolicyFile { ours: None });
        }
        fs::write(path, "#!/bin/sh\nexit 101\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        Ok(PolicyFile { ours: Some(path.to_path_buf()) })
    }

    fn remove(self) -> Result<()> {
        match self.ours {
            Some(path) => fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display())),
            None => Ok(()),
        }
    }
}
