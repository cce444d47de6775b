//! `gateway attach`, `gateway detach` and `gateway run`: the transparent door.

use std::{
    io::Write, net::SocketAddrV4, os::unix::process::ExitStatusExt, path::Path, process::ExitStatus,
    time::Duration,
};

use http::Method;

use super::{
    Failure, Outcome,
    args::{Common, SteerArgs},
    ask::block_on,
    config, launch,
    output::line,
    proxy::{ready, runtime},
};
use crate::{
    admin::{self, AskError},
    app::{self, App, Doors, Stopped, Transparent, Wanted},
    capture::{Listeners, Preflight, SteerOptions, Steering, cgroup, listen, rights},
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
    check_rights(&config)?;
    let path = if create { cgroup::create(name)? } else { cgroup::resolve(name)? };
    rights::confine(&app::files(&config))?;
    let runtime = runtime(&config)?;
    let closed = config.fail == Fail::Closed;
    let stopped = runtime.block_on(async {
        let (app, listeners, address) = open(config, &path)?;
        app.settle(false)?;
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
fn check_rights(config: &Config) -> Result<(), Failure> {
    let preflight = Preflight::look(config.via);
    if preflight.chosen().is_none() {
        let told = format!("this machine or user cannot steer connections:{preflight}");
        return Err(Failure::unavailable(told));
    }
    if let Some(told) = preflight.fallback() {
        let _ = writeln!(std::io::stderr(), "gateway: {told}");
    }
    Ok(())
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
    let catalog = app::catalog(&config)?;
    let options = SteerOptions {
        cgroup: path.to_owned(),
        listen_v4,
        listen_v6,
        ports: config.ports.clone(),
        endpoints: catalog.endpoints(),
        scope: config.steer,
        quic: config.quic,
        fail: config.fail,
        known_hosts: app::known_hosts(&catalog),
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
pub fn run(
    common: &Common,
    steer: &SteerArgs,
    name: Option<String>,
    user: Option<&str>,
    command: &[String],
) -> Outcome {
    let config = config::load(common, |overrides| {
        config::steering(steer, overrides);
    })?;
    check_rights(&config)?;
    let account = launch::account(user)?;
    let name = name.unwrap_or_else(|| format!("gateway-run-{}", std::process::id()));
    let path = cgroup::create(&name)?;
    let outcome = protected(config, &path, command, account);
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
        let all = path.to_owned();
        rights::privileged(move || cgroup::kill(&all))?;
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
    let empty = path.to_owned();
    Ok(rights::privileged(move || cgroup::remove(&empty))?)
}

fn protected(
    config: Config,
    path: &Path,
    command: &[String],
    account: Option<launch::Account>,
) -> Result<ExitStatus, Failure> {
    rights::confine(&app::files(&config))?;
    runtime(&config)?.block_on(async {
        let (app, listeners, _) = open(config, path)?;
        let ends_others = account.is_some();
        let mut child = launch::start(&app, path, command, account)?;
        app.settle(ends_others)?;
        let doors = Doors {
            transparent: vec![Transparent { listeners, earlier: std::collections::HashMap::new() }],
            ..Doors::default()
        };
        let mut status = None;
        app::run(&app, doors, || (), async { status = Some(child.wait().await) }).await?;
        let status = match status {
            Some(status) => status?,
            // A signal came first. The command got it as well where a terminal sent it; otherwise it is told.
            None => launch::end(&mut child).await?,
        };
        app.close()?;
        Ok(status)
    })
}
