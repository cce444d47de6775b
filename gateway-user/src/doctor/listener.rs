//! A TLS server with a leaf of our CA on loopback, for runtimes to try themselves against.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Longest exchange.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most bytes of a request that are read.
const MOST_READ: usize = 16 << 10;
/// Connections served at once.
const AT_ONCE: usize = 64;
/// What every request gets.
const REPLY: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// The server; it ends when this is dropped.
pub(super) struct Listener {
    pub port: u16,
    reached: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens on 127.0.0.1 in the network namespace of the process in this folder of `/proc`, or in our own.
    ///
    /// # Errors
    /// When the namespace may not be entered, or its loopback interface is down.
    pub async fn start(namespace: Option<&File>, config: Arc<rustls::ServerConfig>) -> io::Result<Listener> {
        let socket = match namespace {
            None => bind()?,
            Some(namespace) => bind_inside(namespace)?,
        };
        socket.set_nonblocking(true)?;
        let listener = TcpListener::from_std(socket)?;
        let port = listener.local_addr()?.port();
        let acceptor = TlsAcceptor::from(config);
        let reached = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(serve(listener, acceptor, Arc::clone(&reached)));
        Ok(Listener { port, reached, task })
    }

    /// Whether anybody came; if not, an outcome says nothing about trust.
    pub fn reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn bind() -> io::Result<std::net::TcpListener> {
    std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// A socket stays in the namespace it was made in; the thread that entered it ends.
fn bind_inside(namespace: &File) -> io::Result<std::net::TcpListener> {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            bind()
        });
        inside.join().unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace ended early")))
    })
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, reached: Arc<AtomicBool>) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else { continue };
        reached.store(true, Ordering::Relaxed);
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // What the client makes of it is what counts; it tells so itself.
            let _ = tokio::time::timeout(PATIENCE, exchange(stream, acceptor)).await;
            drop(permit);
        });
    }
}

async fn exchange(stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = Vec::new();
    while request.len() < MOST_READ && !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return stream.shutdown().await;
        }
    }
    stream.write_all(REPLY).await?;
    stream.shutdown().await
}
