//! Runs a gateway's doors until it is told to stop, then lets running flows end.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, oneshot, watch},
};

use super::{App, answer};
use crate::{
    admin,
    capture::Listeners,
    flow::{
        Services,
        door::{self, Upstream},
    },
};

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);

/// How long to wait before accepting again after the system refused (out of file descriptors, mostly).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Where connections come in. Listeners are bound before, so that a taken port is told before anything is attached.
#[derive(Default)]
pub struct Doors {
    /// Steered connections.
    pub transparent: Option<Listeners>,
    /// The proxy's port and where it sends requests.
    pub proxy: Option<(TcpListener, Upstream)>,
}

/// Why the gateway stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// SIGTERM or SIGINT.
    Signal,
    /// The caller's own work is done, or `gateway detach` asked.
    Asked,
}

/// Serves until a signal, the control socket or `until` says stop. `ready` runs once everything listens.
///
/// # Errors
/// When the control socket cannot be made. What fails later concerns one connection and is logged.
pub async fn run(
    app: &App,
    doors: Doors,
    ready: impl FnOnce(),
    until: impl Future<Output = ()>,
) -> anyhow::Result<Stopped> {
    let services = &app.services;
    let (stop, stopping) = watch::channel(false);
    let stop = Arc::new(stop);
    let control = control(app, Arc::clone(&stop))?;
    let connections = Arc::new(Semaphore::new(services.config.limits.connections));
    if let Some(listeners) = doors.transparent {
        tokio::spawn(steered(
            Arc::clone(services),
            listeners,
            Arc::clone(&connections),
            Arc::clone(&app.name),
        ));
    }
    if let Some((listener, upstream)) = doors.proxy {
        tokio::spawn(proxied(Arc::clone(services), listener, upstream, Arc::clone(&connections)));
    }
    tokio::spawn(sweep(Arc::clone(services)));
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut asked = stopping.clone();
    ready();
    let stopped = tokio::select! {
        _ = term.recv() => Stopped::Signal,
        _ = interrupt.recv() => Stopped::Signal,
        _ = asked.wait_for(|asked| *asked) => Stopped::Asked,
        () = until => Stopped::Asked,
    };
    // No permits, no new connections; what runs may finish.
    connections.close();
    drain(services).await;
    control.end();
    // A socket that stays is replaced by the next gateway; removing it only keeps the folder clean.
    let _ = std::fs::remove_file(admin::socket(&services.config.state));
    Ok(stopped)
}

/// The thread that answers the control socket.
struct Control {
    alive: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Control {
    /// Ends it and waits, so that nothing of the gateway is in use any more.
    fn end(self) {
        drop(self.alive);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the control socket panicked");
        }
    }
}

/// The control socket, answered on a thread and runtime of its own so that no question delays a flow.
fn control(app: &App, stop: Arc<watch::Sender<bool>>) -> anyhow::Result<Control> {
    let (services, store) = (Arc::clone(&app.services), Arc::clone(&app.store));
    let state = services.config.state.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (alive, ended) = oneshot::channel();
    let serve = {
        let _inside = runtime.enter();
        admin::serve(&state, move |ask| {
            if ask.method == http::Method::POST && ask.path == "/stop" {
                stop.send_replace(true);
                return Some(serde_json::json!({ "stopping": true }));
            }
            answer(&ask, &store, &services.ledger, Some(&services))
        })
        .with_context(|| format!("the control socket in {} cannot be made", state.display()))?
    };
    let thread = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = serve => {}
                _ = ended => {}
            }
        });
    })?;
    Ok(Control { alive, thread })
}

async fn steered(services: Arc<Services>, listeners: Listeners, connections: Arc<Semaphore>, app: Arc<str>) {
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listeners.accept().await {
            Ok((stream, peer)) => {
                let (services, app) = (Arc::clone(&services), Arc::clone(&app));
                tokio::spawn(async move {
                    door::steered(services, stream, peer, app).await;
                    drop(permit);
                });
            }
            Err(error) => refused(&error).await,
        }
    }
}

async fn proxied(
    services: Arc<Services>,
    listener: TcpListener,
    upstream: Upstream,
    connections: Arc<Semaphore>,
) {
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it a delta may wait 40 ms for the client's delayed acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a client went away before it was served");
                    continue;
                }
                let (services, upstream) = (Arc::clone(&services), upstream.clone());
                tokio::spawn(async move {
                    door::proxied(services, stream, upstream).await;
                    drop(permit);
                });
            }
            Err(error) => refused(&error).await,
        }
    }
}

async fn refused(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_AGAIN).await;
}

async fn sweep(services: Arc<Services>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        services.pool.sweep(Instant::now());
    }
}

/// Waits until no flow runs, or the limit for it is over.
async fn drain(services: &Services) {
    let limit = services.config.limits.drain;
    if tokio::time::timeout(limit, services.running.none()).await.is_err() {
        tracing::warn!(seconds = limit.as_secs(), "flows that were still running are cut off");
    }
}
