//! `gateway attach` and `gateway run`: the transparent door.

use std::{
    io::Write,
    net::SocketAddrV4,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    Failure, Outcome,
    args::{Common, PlaceArgs, SteerArgs},
    ask::block_on,
    config, launch, places,
    proxy::{ready, runtime},
};
use crate::{
    app::{self, Attachment, Served, Stopped},
    capture::{
        Preflight, Steering, cgroup,
        rights::{self, Needs},
        target,
    },
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
    check_rights(&config)?;
    let apps = places::choose(&config, &places.places(), create)?;
    let configs = apps.iter().map(|app| &app.config).chain([&config]);
    rights::confine(&configs.flat_map(app::files).collect::<Vec<_>>())?;
    let runtime = runtime(&config)?;
    let (stopped, left) = runtime.block_on(async {
        let (app, doors, addresses) = app::attach(&config, apps)?;
        app.look_back(&addresses);
        let ready = || {
            app.settle(Needs::default())?;
            ready(attached(&app.served, &addresses));
            Ok(())
        };
        let (stopped, left) = app::run(&app, doors, ready, std::future::pending()).await?;
        app.close()?;
        Ok::<_, Failure>((stopped, left))
    })?;
    // Nothing steers where there is no cgroup any more.
    let left: Vec<(PathBuf, Fail)> = left
        .into_iter()
        .filter_map(|served| Some((served.cgroup.filter(|path| path.exists())?, served.services.config.fail)))
        .collect();
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
            // The programs went with the gateway; their tables are not to stay either.
            Stopped::Signal => Steering::detach_cgroup(&path)?,
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
    let (path, is_new) = cgroup::create_own(&name)?;
    let outcome = protected(config, &path, command, account);
    if outcome.is_err() && !is_new {
        // What steers a cgroup that was there before may be another gateway's.
        return outcome.map(|_| 0);
    }
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
        let name = target::name_of(path);
        let attachment = Attachment { config: config.clone(), name, cgroup: path.to_owned(), place: None };
        let (app, mut doors, addresses) = app::attach(&config, vec![attachment])?;
        doors.leaves_interrupts = true;
        // From here on, as the command may be interrupted as soon as it runs; without a handler that would end us.
        let _interrupts = signal(SignalKind::interrupt())?;
        app.look_back(&addresses);
        let ends_others = account.is_some();
        let mut child = launch::start(&app, path, command, account)?;
        let needs = Needs { removes_cgroup: true, ends_others, ..Needs::default() };
        let mut status = None;
        app::run(&app, doors, || Ok(app.settle(needs)?), async { status = Some(child.wait().await) }).await?;
        let status = match status {
            Some(status) => status?,
            // SIGTERM came first; the command is told.
            None => launch::end(&mut child).await?,
        };
        app.close()?;
        Ok(status)
    })
}
