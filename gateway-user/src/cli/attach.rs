//! `gateway attach`, `gateway detach` and `gateway run`: the transparent door.

use std::{
    fs::OpenOptions,
    io::Write,
    net::SocketAddrV4,
    os::{fd::AsRawFd, unix::process::ExitStatusExt},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use http::Method;
use tokio::process::{Child, Command};

use super::{
    Failure, Outcome,
    args::{Common, SteerArgs},
    ask::block_on,
    config,
    output::line,
    proxy::{ready, runtime},
};
use crate::{
    admin::{self, AskError},
    app::{self, App, Doors, Stopped, Transparent, Wanted},
    capture::{Listeners, SteerOptions, Steering, cgroup, listen, preflight},
    config::{Config, Fail},
};

/// How long `detach` waits for a running gateway to let its flows end.
const DETACH_PATIENCE: Duration = Duration::from_secs(40);

/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long killed processes may take to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Exit code of a command that a signal ended, as shells give it.
const SIGNALLED: i32 = 128;

/// Protects a cgroup until stopped.
pub fn attach(common: &Common, steer: &SteerArgs, name: &str, create: bool) -> Outcome {
    let config = config::load(common, |overrides| config::steering(steer, overrides))?;
    check_rights()?;
    let path = if create { cgroup::create(name)? } else { cgroup::resolve(name)? };
    let runtime = runtime(&config)?;
    let closed = config.fail == Fail::Closed;
    let stopped = runtime.block_on(async {
        let (app, listeners, address) = open(config, &path)?;
        let doors = Doors {
            transparent: vec![Transparent { listeners, earlier: std::collections::HashMap::new() }],
            ..Doors::default()
        };
        let mode = app.services.config.mode;
        let ready =
            || ready(format_args!("attached to {}, listening on {address}, mode {mode}", path.display()));
        let stopped = app::run(&app, doors, ready, std::future::pending()).await?;
        app.close()?;
        Ok::<_, Failure>(stopped)
    })?;
    // Connections that were cut off still hold the kernel's tables; they go with the runtime.
    drop(runtime);
    match stopped {
        Stopped::Asked => Steering::detach_cgroup(&path)?,
        Stopped::Signal if closed => {
            let _ = writeln!(
                std::io::stderr(),
                "{} stays closed to LLM hosts until a gateway is attached again; `gateway detach` opens it",
                path.display()
            );
        }
        Stopped::Signal => {}
    }
    Ok(0)
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

/// Binds the listeners (the ports the kernel already steers to, where a gateway was attached before), then opens
/// the gateway, which steers last.
fn open(config: Config, path: &Path) -> Result<(App, Listeners, SocketAddrV4), Failure> {
    let before = Steering::earlier_listener(path).map(|(v4, _)| v4.port());
    let bound = match before.map(|port| listen::bind_loopback(Some(port))) {
        Some(Ok(bound)) => bound,
        // The port went to somebody else meanwhile; the kernel is pointed at a new one.
        Some(Err(_)) | None => listen::bind_loopback(None)?,
    };
    let (listen_v4, listen_v6) = bound.addresses()?;
    let options = SteerOptions {
        cgroup: path.to_owned(),
        listen_v4,
        listen_v6,
        ports: config.ports.clone(),
        endpoints: vec![],
        scope: config.steer,
        quic: config.quic,
        fail: config.fail,
        known_hosts: app::known_hosts(&app::catalog(&config)?),
    };
    let name = app_name(path);
    let app = App::open(&config.clone(), vec![Wanted { config, name, steer: Some(options) }])?;
    Ok((app, bound.into_listeners()?, listen_v4))
}

/// The app's name: its cgroup's path below the mount.
fn app_name(path: &Path) -> String {
    let below = cgroup::mount().ok().and_then(|mount| path.strip_prefix(mount).ok().map(Path::to_owned));
    below.unwrap_or_else(|| path.to_owned()).display().to_string()
}

/// Removes the kernel programs of one cgroup, or of all.
pub fn detach(common: &Common, name: Option<&str>) -> Outcome {
    let config = config::load(common, |_| ())?;
    let paths = match name {
        Some(name) => vec![cgroup::resolve(name)?],
        None => Steering::attached(),
    };
    if paths.is_empty() {
        line("nothing is attached");
    }
    for path in paths {
        stop_running(&config, &app_name(&path))?;
        Steering::detach_cgroup(&path)?;
        line(format_args!("detached from {}", path.display()));
    }
    Ok(0)
}

/// Has the gateway that serves this app stop, if it runs with our state folder.
fn stop_running(config: &Config, app: &str) -> Result<(), Failure> {
    block_on(async {
        let status = admin::ask(&config.state, Method::GET, "/status").await;
        if !status.is_ok_and(|status| status.is_some_and(|status| status["app"] == app)) {
            return Ok(());
        }
        admin::ask(&config.state, Method::POST, "/stop").await?;
        let gone = async {
            while !matches!(
                admin::ask(&config.state, Method::GET, "/status").await,
                Err(AskError::NotRunning(_))
            ) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(DETACH_PATIENCE, gone).await.map_err(|_| {
            Failure::unavailable("the running gateway did not stop; end it with SIGKILL and detach again")
        })
    })?
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
        let (app, listeners, _) = open(config, path)?;
        let mut child = spawn(&app, path, command)?;
        let doors = Doors {
            transparent: vec![Transparent { listeners, earlier: std::collections::HashMap::new() }],
            ..Doors::default()
        };
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
