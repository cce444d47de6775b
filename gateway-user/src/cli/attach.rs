//! `gateway attach` and `gateway run`: the transparent door.

use std::{
    fs::OpenOptions,
    io::Write,
    net::SocketAddrV4,
    os::{fd::AsRawFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use tokio::process::{Child, Command};

use super::{
    Failure, Outcome,
    args::{Common, PlaceArgs, SteerArgs},
    ask::block_on,
    config, places,
    proxy::{ready, runtime},
};
use crate::{
    app::{self, App, Attachment, Served, Stopped},
    capture::{Steering, cgroup, preflight, target},
    config::{Config, Fail},
};

/// How often a cgroup is looked at that is to become empty.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long killed processes may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Exit code of a command that a signal ended, as shells give it.
const SIGNALLED: i32 = 128;

/// Protects cgroups until stopped, or until the last of them is let go.
pub fn attach(common: &Common, steer: &SteerArgs, places: &PlaceArgs, create: bool) -> Outcome {
    let config = config::load(common, |overrides| config::steering(steer, overrides))?;
    check_rights()?;
    let apps = places::choose(&config, &places.places(), create)?;
    let runtime = runtime(&config)?;
    let (stopped, left) = runtime.block_on(async {
        let (app, doors, addresses) = app::attach(&config, apps)?;
        let ready = || ready(attached(&app.served, &addresses));
        let (stopped, left) = app::run(&app, doors, ready, std::future::pending()).await?;
        app.close()?;
        Ok::<_, Failure>((stopped, left))
    })?;
    let left: Vec<(PathBuf, Fail)> =
        left.into_iter().filter_map(|served| Some((served.cgroup?, served.services.config.fail))).collect();
    // Connections that were cut off still hold the kernel's tables; they go with the runtime.
    drop(runtime);
    for (path, fail) in left {
        match stopped {
            Stopped::Asked => Steering::detach_cgroup(&path)?,
            Stopped::Signal if fail == Fail::Closed => {
                let _ = writeln!(
                    std::io::stderr(),
                    "{} stays closed to LLM hosts until a gateway is attached again; `gateway detach` opens it",
                    path.display()
                );
            }
            Stopped::Signal => {}
        }
    }
    Ok(0)
}

/// What is attached, as the line `ready: …` says it.
fn attached(served: &[Served], addresses: &[SocketAddrV4]) -> String {
    let one = |(served, address): (&Served, &SocketAddrV4)| {
        let path = served.cgroup.as_deref().unwrap_or(Path::new("")).display();
        format!("attached to {path}, listening on {address}, mode {}", served.services.config.mode)
    };
    served.iter().zip(addresses).map(one).collect::<Vec<_>>().join("; ")
}

/// Says everything that steering needs and is not there.
fn check_rights() -> Result<(), Failure> {
    let missing = preflight::missing();
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = missing.iter().map(|missing| format!("\n  {missing}")).collect();
    Err(Failure::unavailable(format!(
        "this machine or user cannot steer connections:{}\nWithout it there are `gateway proxy` and HTTPS_PROXY.",
        lines.concat()
    )))
}

/// Runs one command in a fresh cgroup of its own.
pub fn run(common: &Common, steer: &SteerArgs, name: Option<String>, command: &[String]) -> Outcome {
    let config = config::load(common, |overrides| {
        config::steering(steer, overrides);
    })?;
    check_rights()?;
    let name = name.unwrap_or_else(|| format!("gateway-run-{}", std::process::id()));
    let path = cgroup::create(&name)?;
    let outcome = protected(config, &path, command);
    let cleared = clear(&path);
    let status = outcome?;
    cleared?;
    let code = status.code().unwrap_or_else(|| SIGNALLED + status.signal().unwrap_or(0));
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Ends what the command left running, which would go on without protection, then takes the cgroup away.
fn clear(path: &Path) -> Result<(), Failure> {
    if cgroup::is_populated(path) {
        let _ = writeln!(
            std::io::stderr(),
            "gateway: ending what the command left running in {}",
            path.display()
        );
        cgroup::kill(path)?;
        block_on(async {
            let empty = async {
                while cgroup::is_populated(path) {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            // What cannot be killed within this keeps its cgroup, and the next line says so.
            let _ = tokio::time::timeout(KILL_PATIENCE, empty).await;
        })?;
    }
    Steering::detach_cgroup(path)?;
    Ok(cgroup::remove(path)?)
}

fn protected(config: Config, path: &Path, command: &[String]) -> Result<ExitStatus, Failure> {
    runtime(&config)?.block_on(async {
        let name = target::name_of(path);
        let attachment = Attachment { config: config.clone(), name, cgroup: path.to_owned() };
        let (app, doors, _) = app::attach(&config, vec![attachment])?;
        let mut child = spawn(&app, path, command)?;
        let mut status = None;
        app::run(&app, doors, || (), async { status = Some(child.wait().await) }).await?;
        let status = match status {
            Some(status) => status?,
            // A signal came first. The command got it as well where a terminal sent it; otherwise it is told.
            None => ended(&mut child).await?,
        };
        app.close()?;
        Ok(status)
    })
}

/// Passes SIGTERM on and waits.
async fn ended(child: &mut Child) -> std::io::Result<ExitStatus> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended by itself just now.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
    child.wait().await
}

/// Starts the command inside the cgroup, with our CA where its runtime looks for one.
fn spawn(app: &App, path: &Path, command: &[String]) -> Result<Child, Failure> {
    let (program, arguments) = command.split_first().ok_or_else(|| Failure::usage("no command is given"))?;
    let procs: PathBuf = path.join("cgroup.procs");
    let procs = OpenOptions::new().write(true).open(&procs)?;
    let mut child = Command::new(program);
    child.args(arguments).envs(app.trust.environment());
    // SAFETY: between fork and exec only write(2) is called, on a descriptor that is open for as long as `procs` lives,
    // with a static buffer; it neither allocates nor locks.
    unsafe {
        let fd = procs.as_raw_fd();
        child.pre_exec(move || match libc::write(fd, b"0".as_ptr().cast(), 1) {
            1 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    child.spawn().map_err(|error| Failure::unavailable(format!("cannot start {program}: {error}")))
}
