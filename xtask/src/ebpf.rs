//! `cargo xtask ebpf`: builds the kernel object from source, or checks that the committed one is up to date.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The version whose output is committed; it fits LLVM 22.
const LINKER_VERSION: &str = "0.13.0";
/// Where Debian's LLVM 22 lives.
const DEBIAN_LLVM: &str = "/usr/lib/llvm-22";
/// Debian's compiler with a ready-made `core` for BPF (package `libstd-rust-web-dev-bpf`).
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// That package's `core`.
const DEBIAN_CORE: &str = "usr/lib/rustlib/bpfel-unknown-none/lib";
const TARGET: &str = "bpfel-unknown-none";

/// Builds the object and its stamp, or with `--check` only compares the stamp with the sources.
///
/// # Errors
/// A stale stamp, a missing toolchain (with the packages that hold it) or a failed build.
pub fn run(args: &[String]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask stands in the workspace")?;
    let place = Place::of(root);
    match args {
        [] => build(&place),
        [flag] if flag == "--check" => check(&place),
        _ => bail!("usage: cargo xtask ebpf [--check]"),
    }
}

struct Place {
    sources: PathBuf,
    object: PathBuf,
    stamp: PathBuf,
}

impl Place {
    fn of(root: &Path) -> Place {
        let committed = root.join("gateway-user/ebpf");
        Place {
            sources: root.join("gateway-ebpf"),
            object: committed.join("gateway.o"),
            stamp: committed.join("gateway.stamp"),
        }
    }
}

fn check(place: &Place) -> Result<()> {
    let committed = fs::read_to_string(&place.stamp)
        .with_context(|| format!("no stamp at {}: run `cargo xtask ebpf`", place.stamp.display()))?;
    ensure!(
        committed == stamp(place)?,
        "the kernel object is not what {} and its stamp say: run `cargo xtask ebpf` and commit the result",
        place.sources.display()
    );
    println!("kernel object: up to date");
    Ok(())
}

fn build(place: &Place) -> Result<()> {
    let linker = linker()?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&place.sources).args(["build", "--release", "--locked", "--features", "kernel"]);
    cargo.args(["--bin", "gateway", "--target", TARGET]);
    if Path::new("/").join(DEBIAN_CORE).exists() {
        // Debian's compiler is a stable one; the BPF target needs unstable switches.
        cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTUP_TOOLCHAIN");
    } else {
        ensure!(
            nightly_sources()?,
            "no `core` for BPF: apt-get install rustc-web libstd-rust-web-dev-bpf (Debian), \
             or rustup toolchain install nightly --component rust-src"
        );
        cargo.env("RUSTUP_TOOLCHAIN", "nightly").arg("-Zbuild-std=core");
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(place, &linker)?);
    run_command(&mut cargo)?;
    let built = place.sources.join("target").join(TARGET).join("release/gateway");
    fs::create_dir_all(place.object.parent().context("the object has a folder")?)?;
    strip(&built, &place.object)?;
    fs::write(&place.stamp, stamp(place)?)?;
    println!("kernel object: {} ({} bytes)", place.object.display(), fs::metadata(&place.object)?.len());
    Ok(())
}

/// The linker, BTF for the kernel, and no path of this machine in the object.
fn flags(place: &Place, linker: &Path) -> Result<String> {
    let home = cargo_home()?;
    Ok([
        format!("-Clinker={}", linker.display()),
        "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        format!("--remap-path-prefix={}=gateway-ebpf", place.sources.display()),
        format!("--remap-path-prefix={}=cargo", home.display()),
    ]
    .join("\x1f"))
}

/// The BPF linker, installed first when it is missing.
fn linker() -> Result<PathBuf> {
    let installed = cargo_home()?.join("bin/bpf-linker");
    if installed.exists() {
        return Ok(installed);
    }
    if Command::new("bpf-linker").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok("bpf-linker".into());
    }
    let mut install = Command::new("cargo");
    install.args(["install", "bpf-linker", "--locked", "--version", LINKER_VERSION]);
    install.args(["--no-default-features", "--features", "llvm-22"]);
    if Path::new(DEBIAN_LLVM).exists() {
        install.env("LLVM_PREFIX", DEBIAN_LLVM).env("LLVM_SYS_221_PREFIX", DEBIAN_LLVM);
    }
    run_command(&mut install)
        .context("bpf-linker needs apt-get install llvm-22-dev libpolly-22-dev libzstd-dev zlib1g-dev")?;
    Ok(installed)
}

/// Copies the object without its DWARF, which only repeats what BTF says.
fn strip(from: &Path, to: &Path) -> Result<()> {
    let debian = Path::new(DEBIAN_LLVM).join("bin/llvm-strip");
    let tool = if debian.exists() { debian } else { "llvm-strip".into() };
    run_command(Command::new(tool).arg("--strip-debug").arg("-o").arg(to).arg(from))
}

fn nightly_sources() -> Result<bool> {
    let output = Command::new("rustc").arg("+nightly").args(["--print", "sysroot"]).output()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    Ok(output.status.success() && sysroot.join("lib/rustlib/src/rust/library/core").exists())
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    Ok(PathBuf::from(env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?).join(".cargo"))
}

fn run_command(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

/// One line per source file and one for the object: path and digest.
fn stamp(place: &Place) -> Result<String> {
    let mut files = vec!["Cargo.toml".into(), "Cargo.lock".into()];
    for entry in fs::read_dir(place.sources.join("src"))? {
        files.push(Path::new("src").join(entry?.file_name()));
    }
    files.sort();
    let mut lines = String::new();
    for file in files {
        lines += &line(&file.display().to_string(), &place.sources.join(&file))?;
    }
    lines += &line("gateway.o", &place.object)?;
    Ok(lines)
}

fn line(name: &str, file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(format!("{:016x} {name}\n", digest(&bytes)))
}

/// FNV-1a, 64 bits: it finds a forgotten rebuild; it is no defence against a forger, who can rewrite the stamp.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
