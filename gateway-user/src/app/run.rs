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
    sync::{Semaphore, mpsc, oneshot},
};

use super::{
    App, Served, answer, comeback, coverage,
    doors::{self, Transparent},
    serving::Serving,
};
use crate::{
    admin::{self, Ask, Reply},
    config::Config,
    flow::{Services, door::Upstream},
    telemetry::metrics::Format,
};

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);

/// Orders of the control socket that wait to be carried out.
const ORDERS: usize = 16;

/// Where connections come in. Listeners are bound before, so that a taken port is told before anything is attached.
#[derive(Default)]
pub struct Doors {
    /// Steered connections, for each app of [`App::served`] in the same order.
    pub transparent: Vec<Transparent>,
    /// The proxy's port and where it sends requests.
    pub proxy: Option<(TcpListener, Upstream)>,
    /// SIGINT is for somebody else: a command that shares the terminal, and may take it for something else than its end.
    pub leaves_interrupts: bool,
}

/// Why the gateway stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// SIGTERM or SIGINT.
    Signal,
    /// The caller's own work is done, or `gateway detach` asked.
    Asked,
}

/// Serves until a signal, the control socket or `until` says stop. `ready` runs once everything listens. Returns the
/// apps that had not been let go before.
///
/// # Errors
/// When the control socket cannot be made, or `ready` fails. What fails later concerns one connection and is logged.
pub async fn run(
    app: &App,
    doors: Doors,
    ready: impl FnOnce() -> anyhow::Result<()>,
    until: impl Future<Output = ()>,
) -> anyhow::Result<(Stopped, Vec<Served>)> {
    let heeds_interrupts = !doors.leaves_interrupts;
    let (orders, mut ordered) = mpsc::channel(ORDERS);
    let connections = Arc::new(Semaphore::new(app.services.config.limits.connections));
    let serving = Arc::new(Serving::open(app, doors.transparent, &connections).await);
    let control = control(app, Arc::clone(&serving), orders)?;
    let proxy = doors.proxy.map(|(listener, upstream)| {
        let services = Arc::clone(&app.services);
        tokio::spawn(doors::proxied(services, listener, upstream, connections))
    });
    let comeback = tokio::spawn(comeback::watch(Arc::clone(&serving)));
    tokio::spawn(sweep(Arc::clone(&app.services)));
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    ready()?;
    let stopped = tokio::select! {
        _ = term.recv() => Stopped::Signal,
        _ = interrupt.recv(), if heeds_interrupts => Stopped::Signal,
        () = obey(&mut ordered, &serving) => Stopped::Asked,
        () = until => Stopped::Asked,
    };
    // No doors, no new connections; what runs may finish.
    comeback.abort();
    proxy.inspect(|door| door.abort());
    let left = serving.close_doors();
    doors::drain(&left).await;
    control.end();
    // A socket that stays is replaced by the next gateway; removing it only keeps the folder clean.
    let _ = std::fs::remove_file(admin::socket(&app.services.config.state));
    Ok((stopped, left))
}

/// What the control socket can order.
enum Order {
    /// End the gateway.
    Stop,
    /// Let go of the app whose cgroup has this id.
    LetGo(u64),
}

/// Carries out orders until one ends the gateway: to stop, or to let go of its last app.
async fn obey(orders: &mut mpsc::Receiver<Order>, serving: &Arc<Serving>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Stop => return,
            Order::LetGo(cgroup) if serving.is_last(cgroup) => return,
            Order::LetGo(cgroup) => serving.let_go(cgroup),
        }
    }
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
fn control(app: &App, serving: Arc<Serving>, orders: mpsc::Sender<Order>) -> anyhow::Result<Control> {
    let (services, store) = (Arc::clone(&app.services), Arc::clone(&app.store));
    let state = services.config.state.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (alive, ended) = oneshot::channel();
    let page = {
        let serving = Arc::clone(&serving);
        move |accept: &str| {
            let format = Format::accepted(accept);
            (format.content_type(), coverage::metrics(&serving.services()).write(format))
        }
    };
    let scraped = scraped(&services.config, &runtime)?;
    let serve = {
        let _inside = runtime.enter();
        let said = move |ask: Ask| {
            if ask.method == http::Method::POST {
                return order(&ask, &serving, &orders);
            }
            if ask.path == "/coverage" {
                return Some(coverage::report(&serving.services()));
            }
            let mut said = answer(&ask, &store, &services.ledger, Some(&services))?;
            if ask.path == "/status" {
                said["apps"] = serving.status();
            }
            Some(said)
        };
        admin::serve(&state, said, page.clone())
            .with_context(|| format!("the control socket in {} cannot be made", state.display()))?
    };
    let thread = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = serve => {}
                () = async {
                    match scraped {
                        Some(listener) => admin::serve_metrics(listener, page).await,
                        None => std::future::pending().await,
                    }
                } => {}
                _ = ended => {}
            }
        });
    })?;
    Ok(Control { alive, thread })
}

/// Where metrics are served besides the control socket, if anywhere.
fn scraped(config: &Config, runtime: &tokio::runtime::Runtime) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.metrics else { return Ok(None) };
    let _inside = runtime.enter();
    let listener = std::net::TcpListener::bind(address).with_context(|| {
        format!("metrics cannot be served on {address}: choose another address with --metrics")
    })?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    tracing::info!(address = %listener.local_addr()?, "metrics are served");
    Ok(Some(listener))
}

/// Passes an order on: `POST /stop`, or `POST /detach?cgroup=ID` with the inode of the cgroup's directory.
fn order(ask: &Ask, serving: &Serving, orders: &mpsc::Sender<Order>) -> Reply {
    let order = match ask.path.as_str() {
        "/stop" => Order::Stop,
        "/detach" => {
            let id = ask.query.iter().find(|(key, _)| key == "cgroup")?.1.parse().ok()?;
            if !serving.serves(id) {
                return Some(serde_json::json!({ "error": "this gateway does not serve that cgroup" }));
            }
            Order::LetGo(id)
        }
        _ => return None,
    };
    Some(match orders.try_send(order) {
        Ok(()) => serde_json::json!({ "ordered": true }),
        Err(_) => serde_json::json!({ "error": "the gateway is ending, or has too many orders: ask again" }),
    })
}

async fn sweep(services: Arc<Services>) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        services.pool.sweep(Instant::now());
    }
}
