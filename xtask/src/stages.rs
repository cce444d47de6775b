//! The stages of `cargo xtask test`, in the order they run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::install::{self, BENCH, BPF_TOOLCHAIN, CLIENTS, KERNEL, METRICS, NETWORK, Package, SCANNERS};
use crate::suite::Options;
use crate::tally::Tally;
use crate::{clients, readme, run, tidy};

/// One stage: a name to select it by, what it needs, and what it does.
pub struct Stage {
    /// The word for `--only`.
    pub name: &'static str,
    /// Whether `--quick` runs it.
    pub quick: bool,
    /// Debian packages it needs.
    pub needs: &'static [&'static [Package]],
    /// Whether it runs the program that the stage `build` makes.
    pub program: bool,
    /// Runs it. An error is a failure of the stage.
    pub run: fn(&Setting) -> Result<Tally>,
}

/// Every stage; a new one is one row.
pub const STAGES: &[Stage] = &[
    Stage { name: "fmt", quick: true, program: false, needs: &[], run: fmt },
    Stage { name: "clippy", quick: true, program: false, needs: &[], run: clippy },
    Stage { name: "deny", quick: false, program: false, needs: &[], run: deny },
    Stage { name: "tidy", quick: true, program: false, needs: &[], run: tidy },
    Stage { name: "ebpf", quick: false, program: false, needs: &[], run: ebpf },
    Stage { name: "unit", quick: true, program: false, needs: &[NETWORK], run: unit },
    Stage { name: BUILD, quick: false, program: false, needs: &[], run: build },
    Stage { name: "readme", quick: false, program: true, needs: &[], run: readme },
    Stage { name: "loopback", quick: false, program: true, needs: &[NETWORK, METRICS], run: loopback },
    Stage { name: "hostile", quick: false, program: true, needs: &[NETWORK, KERNEL, SCANNERS], run: hostile },
    Stage { name: "demo", quick: false, program: true, needs: &[NETWORK], run: demo },
    Stage { name: "netns", quick: false, program: true, needs: &[NETWORK, KERNEL], run: netns },
    Stage { name: "clients", quick: false, program: true, needs: &[NETWORK, KERNEL, CLIENTS], run: clients },
    Stage { name: "doctor", quick: false, program: true, needs: &[NETWORK, KERNEL, CLIENTS], run: doctor },
    Stage { name: "bench", quick: false, program: true, needs: &[NETWORK, BENCH], run: bench },
];

/// The stage that makes the program; it runs with every stage that needs one.
pub const BUILD: &str = "build";

/// What a stage works with.
pub struct Setting<'a> {
    /// The workspace.
    pub root: &'a Path,
    /// The command line.
    pub options: &'a Options,
    /// The stage's name, which is also the name of its log.
    pub stage: &'static str,
}

/// No stage may take longer.
const LIMIT: Duration = Duration::from_secs(40 * 60);

impl Setting<'_> {
    /// Where the stage's output is kept.
    pub fn log(&self) -> PathBuf {
        run::target(self.root).join("xtask").join(format!("{}.log", self.stage))
    }

    /// The program under test, as the stage `build` makes it.
    fn gateway(&self) -> PathBuf {
        run::target(self.root).join("release/gateway")
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).current_dir(self.root).env("GATEWAY_BIN", self.gateway());
        cargo
    }

    /// Runs one command that counts as one.
    fn command(&self, command: &mut Command) -> Result<Tally> {
        let outcome = run::logged(command, &self.log(), LIMIT)?;
        Ok(Tally::of_command(outcome.success, &outcome.text))
    }

    /// Runs a command of this program that counts as one, in a process of its own so that its output is kept.
    fn xtask(&self, arguments: &[&str]) -> Result<Tally> {
        let mut command = Command::new(std::env::current_exe()?);
        self.command(command.args(arguments).current_dir(self.root))
    }

    /// Runs `cargo test` with these arguments and counts its tests.
    fn tests(&self, arguments: &[&str]) -> Result<Tally> {
        let mut cargo = self.cargo(&["test", "--locked", "--no-fail-fast"]);
        cargo.args(arguments);
        if self.options.all {
            cargo.args(["--", "--include-ignored"]);
        }
        let outcome = run::logged(&mut cargo, &self.log(), LIMIT)?;
        Ok(Tally::of_tests(outcome.success, &outcome.text))
    }

    /// Runs one test target of the package `gateway-tests` against the built program.
    fn against_the_program(&self, target: &str) -> Result<Tally> {
        ensure!(
            self.gateway().is_file(),
            "{} was not built: see the stage `{BUILD}`",
            self.gateway().display()
        );
        self.tests(&["--package", "gateway-tests", "--test", target])
    }
}

fn fmt(setting: &Setting) -> Result<Tally> {
    install::component("rustfmt", "fmt")?;
    setting.command(&mut setting.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(setting: &Setting) -> Result<Tally> {
    install::component("clippy", "clippy")?;
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    setting.command(&mut setting.cargo(&arguments))
}

/// Licences, bans and sources always; advisories when their database can be had.
fn deny(setting: &Setting) -> Result<Tally> {
    install::cargo_command("deny")?;
    let fetched = run::logged(&mut setting.cargo(&["deny", "fetch", "db"]), &setting.log(), LIMIT)?;
    let advisories = fetched.success || setting.options.advisories;
    let mut tally = Tally::default();
    for manifest in ["Cargo.toml", "gateway-ebpf/Cargo.toml"] {
        let what = ["deny", "--manifest-path", manifest, "check", "bans", "licenses", "sources"];
        let mut check = setting.cargo(&what);
        if advisories {
            check.arg("advisories");
        }
        tally.add(setting.command(&mut check)?);
    }
    if !advisories {
        tally.notes.push("advisories not checked: their database cannot be fetched from here".into());
    }
    Ok(tally)
}

fn tidy(setting: &Setting) -> Result<Tally> {
    let complaints = tidy::run(setting.root)?;
    let text: String = complaints.iter().map(|complaint| format!("{complaint}\n")).collect();
    Ok(Tally::of_command(complaints.is_empty(), &text))
}

/// The committed kernel object must belong to its sources; then it is built anew, so that the stages after this one
/// test what the sources say.
fn ebpf(setting: &Setting) -> Result<Tally> {
    let mut tally = setting.xtask(&["ebpf", "--check"])?;
    if in_ci() || install::available(BPF_TOOLCHAIN) {
        install::packages(BPF_TOOLCHAIN)?;
        tally.add(setting.xtask(&["ebpf"])?);
    } else {
        tally.notes.push(
            "kernel object not rebuilt: no BPF toolchain in this distribution; the committed one is tested"
                .into(),
        );
    }
    Ok(tally)
}

fn unit(setting: &Setting) -> Result<Tally> {
    ensure_corpus()?;
    setting.tests(&["--package", "gateway", "--package", "gateway-fuzz", "--package", "xtask"])
}

fn build(setting: &Setting) -> Result<Tally> {
    // Exactly what the bench builds: another choice of packages means other features, and a second build.
    setting.command(&mut setting.cargo(&crate::bench::BUILD))
}

fn readme(setting: &Setting) -> Result<Tally> {
    readme::check(setting.root, &setting.gateway(), &run::target(setting.root).join("xtask"))
}

fn loopback(setting: &Setting) -> Result<Tally> {
    ensure_corpus()?;
    setting.against_the_program("loopback")
}

fn hostile(setting: &Setting) -> Result<Tally> {
    ensure_root("the scanners look at the transparent door")?;
    setting.against_the_program("hostile")
}

fn demo(setting: &Setting) -> Result<Tally> {
    ensure_root("the demo is tested with the kernel's part")?;
    setting.against_the_program("demo")
}

fn netns(setting: &Setting) -> Result<Tally> {
    ensure_root("the kernel tests attach programs and make network namespaces")?;
    setting.against_the_program("netns")
}

fn clients(setting: &Setting) -> Result<Tally> {
    ensure_root("the client tests attach programs and make network namespaces")?;
    clients::install(&run::target(setting.root).join("clients"))?;
    setting.against_the_program("clients")
}

fn doctor(setting: &Setting) -> Result<Tally> {
    ensure_root("the doctor's tests start programs as other users, in cgroups and namespaces of their own")?;
    clients::install(&run::target(setting.root).join("clients"))?;
    setting.against_the_program("doctor")
}

/// A smoke test: that it runs to its end. Figures of a shared machine decide nothing.
fn bench(setting: &Setting) -> Result<Tally> {
    setting.xtask(&["bench", "--quick"])
}

fn ensure_root(why: &str) -> Result<()> {
    ensure!(install::is_root(), "{why}; run as root: sudo env PATH=\"$PATH\" cargo xtask test");
    Ok(())
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// In CI the recorded traffic must be there; elsewhere the tests fall back to fixtures of their own.
fn ensure_corpus() -> Result<()> {
    match std::env::var_os("GATEWAY_CORPUS").map(PathBuf::from) {
        Some(folder) => ensure!(folder.is_dir(), "GATEWAY_CORPUS={} is no folder", folder.display()),
        None => ensure!(
            !in_ci(),
            "CI=true but GATEWAY_CORPUS is not set: the recorded traffic must be tested here"
        ),
    }
    Ok(())
}
