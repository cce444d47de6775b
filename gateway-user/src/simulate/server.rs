//! Listens, opens TLS and keeps the tasks of the simulated provider together, so that a panic in one is seen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::log::{Log, Received, Sent};
use super::playback::{self, Playback};
use super::root::Root;
use super::tap::Tap;
use super::{SimulateError, serve};

/// The names a provider plays unless told otherwise.
const NAMES: [&str; 9] = [
    "api.openai.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "us-central1-aiplatform.googleapis.com",
    "chatgpt.com",
    "ab.chatgpt.com",
    "play.googleapis.com",
    "localhost",
    "127.0.0.1",
];

/// How a provider is started. The default listens on free ports of 127.0.0.1, plays the hosts of OpenAI, Anthropic and
/// Google with a root of its own, offers h2 and HTTP/1.1, and keeps 10,000 requests.
pub struct ProviderOptions {
    /// Where TLS is served; port 0 takes a free one.
    pub https: SocketAddr,
    /// Where plain text is served; port 0 takes a free one.
    pub http: SocketAddr,
    /// DNS names and addresses in the certificate.
    pub names: Vec<String>,
    /// Whether the certificate has run out.
    pub expired: bool,
    /// Whether HTTP/2 is offered in ALPN (a playback never offers it).
    pub http2: bool,
    /// The root that signs the certificate; a new one when absent.
    pub root: Option<Arc<Root>>,
    /// Requests that are kept in the log; with 0 nothing is, for measurements.
    pub keep: usize,
    /// Raw replies in place of the scripted ones.
    pub playback: Option<Arc<Playback>>,
}

impl Default for ProviderOptions {
    fn default() -> ProviderOptions {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        ProviderOptions {
            https: free,
            http: free,
            names: NAMES.map(String::from).to_vec(),
            expired: false,
            http2: true,
            root: None,
            keep: 10_000,
            playback: None,
        }
    }
}

/// A running simulated provider. Dropping it stops the listening and lets open connections run to their end;
/// [`Provider::stop`] ends those too, and reports panics.
pub struct Provider {
    /// Where TLS is served.
    pub https: SocketAddr,
    /// Where plain text is served.
    pub http: SocketAddr,
    /// The certificate to trust, as PEM.
    pub root_pem: String,
    shared: Arc<Shared>,
    listeners: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Provider {
    /// Starts a provider on the current tokio runtime; it is listening when this returns.
    pub async fn start(options: ProviderOptions) -> Result<Provider, SimulateError> {
        let root = match options.root {
            Some(root) => root,
            None => Arc::new(Root::create()?),
        };
        let alpn: &[&str] =
            if options.http2 && options.playback.is_none() { &["h2", "http/1.1"] } else { &["http/1.1"] };
        let tls = TlsAcceptor::from(root.server_config(&options.names, options.expired, alpn)?);
        let (secure, https) = listen(options.https).await?;
        let (plain, http) = listen(options.http).await?;
        let shared = Arc::new(Shared {
            log: Arc::new(Log::new(options.keep)),
            playback: options.playback,
            connections: AtomicU64::new(0),
            sources: Mutex::default(),
            keep: options.keep,
            tasks: Mutex::default(),
        });
        let stop = watch::Sender::new(false);
        let mut listeners = JoinSet::new();
        listeners.spawn(accept(secure, Some(tls), shared.clone(), stop.subscribe()));
        listeners.spawn(accept(plain, None, shared.clone(), stop.subscribe()));
        Ok(Provider { https, http, root_pem: root.pem().to_owned(), shared, listeners, stop })
    }

    /// Everything received so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.shared.log.received()
    }

    /// The bytes read on one connection ([`Received::connection`]), after TLS: an HTTP/1.1 head as it was written.
    pub fn raw(&self, connection: u64) -> Vec<u8> {
        self.shared.log.raw(connection)
    }

    /// Whether `needle` came in anywhere: raw bytes of every connection, header values, bodies.
    pub fn saw(&self, needle: &[u8]) -> bool {
        self.shared.log.saw(needle)
    }

    /// Connections accepted so far, those included whose TLS handshake failed.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Relaxed)
    }

    /// The address each connection came from, in the order they were accepted; at most as many as requests are kept.
    pub fn sources(&self) -> Vec<IpAddr> {
        self.shared.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A live feed of the deltas as they are sent.
    pub fn feed(&self) -> broadcast::Receiver<Sent> {
        self.shared.log.feed()
    }

    /// Waits until `ready` holds for what was received; fails after `within`.
    pub async fn until(
        &self,
        within: Duration,
        ready: impl FnMut(&[Received]) -> bool,
    ) -> Result<(), SimulateError> {
        self.shared.log.until(within, ready).await
    }

    /// Stops listening, ends open connections, and reports a panic of any task.
    pub async fn stop(mut self) -> Result<(), SimulateError> {
        self.stop.send_replace(true);
        while let Some(ended) = self.listeners.join_next().await {
            check(ended)?;
        }
        let mut tasks = std::mem::take(&mut *self.shared.tasks());
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            check(ended)?;
        }
        Ok(())
    }
}

/// What all connections of a provider share.
pub(super) struct Shared {
    pub(super) log: Arc<Log>,
    playback: Option<Arc<Playback>>,
    connections: AtomicU64,
    /// Where connections came from, as many as requests are kept.
    sources: Mutex<Vec<IpAddr>>,
    keep: usize,
    tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    fn came_from(&self, address: IpAddr) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() < self.keep {
            sources.push(address);
        }
    }

    /// Starts a task that [`Provider::stop`] waits for.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        // Ended tasks are let go; one that panicked passes its panic on here, where a listener meets it.
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        tasks.spawn(task);
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A byte stream whose TCP connection can be made to end with a reset.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    fn reset_on_close(&self) -> std::io::Result<()>;
}

impl Stream for Tap<TcpStream> {
    fn reset_on_close(&self) -> std::io::Result<()> {
        self.inner().set_zero_linger()
    }
}

impl Stream for Tap<TlsStream<TcpStream>> {
    fn reset_on_close(&self) -> std::io::Result<()> {
        self.inner().get_ref().0.set_zero_linger()
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), SimulateError> {
    let failed = |source| SimulateError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((tcp, from)) = accepted else {
            // Out of descriptors: wait for some to come back in place of spinning.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (tls, of) = (tls.clone(), shared.clone());
        let number = shared.connections.fetch_add(1, Relaxed);
        shared.came_from(from.ip());
        shared.spawn(async move { connection(tcp, tls, of, number).await });
    }
}

/// One connection. A caller that goes away, also in the handshake, is no fault of the provider.
async fn connection(tcp: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>, number: u64) {
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    match tls {
        None => exchange(Tap::new(tcp, shared.log.clone(), number), shared, number).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(tcp).await {
                exchange(Tap::new(stream, shared.log.clone(), number), shared, number).await;
            }
        }
    }
}

async fn exchange<S: Stream + 'static>(stream: S, shared: Arc<Shared>, number: u64) {
    if let Some(play) = shared.playback.clone() {
        return playback::serve(Box::new(stream), &shared, &play, number).await;
    }
    let service = service_fn(move |request| serve::answer(request, shared.clone(), number));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}

fn check(ended: Result<(), JoinError>) -> Result<(), SimulateError> {
    match ended {
        Err(error) if error.is_panic() => Err(SimulateError::Panicked(error.to_string())),
        _ => Ok(()),
    }
}
