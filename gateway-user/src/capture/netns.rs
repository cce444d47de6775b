//! Network namespaces other than our own: found by process, entered on a thread of their own, sockets made inside.
//!
//! A socket belongs for ever to the namespace its maker stood in (`network_namespaces(7)`), so sockets made here are
//! used like any other: only their making needs the thread, and the right to enter (CAP_SYS_ADMIN).

use super::listen::{self, Bound};
use super::{rights, socket};
use nix::sched::{CloneFlags, setns};
use std::collections::HashSet;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, oneshot};

/// Jobs that wait for the thread; more of them wait to be taken.
const WAITING: usize = 256;

/// A file that stands for a namespace: device and inode of `/proc/PID/ns/net`. Unique as long as somebody holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId(u64, u64);

/// Why a namespace could not be entered or used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The process is gone, or may not be looked at.
    #[error("cannot open the network namespace of process {pid}: {source}; this takes CAP_SYS_PTRACE")]
    Open {
        /// The process.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// It may not be entered.
    #[error("cannot enter network namespace {cookie}: {source}; this takes CAP_SYS_ADMIN")]
    Enter {
        /// Its cookie; 0 where it is not known yet.
        cookie: u64,
        /// Why.
        source: io::Error,
    },
    /// The loopback interface is down, so nothing can be steered to a listener on it.
    #[error(
        "network namespace {cookie} cannot be served: its loopback interface is down; bring it up inside with \
         `ip link set lo up`"
    )]
    LoopbackDown {
        /// Its cookie.
        cookie: u64,
    },
    /// A socket could not be made or bound inside.
    #[error("cannot {what} in network namespace {cookie}: {source}")]
    Socket {
        /// What was tried.
        what: &'static str,
        /// Its cookie.
        cookie: u64,
        /// Why.
        source: io::Error,
    },
    /// The thread that enters namespaces has ended.
    #[error("the thread that enters network namespaces is gone: restart the gateway")]
    Gone,
}

impl From<NetnsError> for io::Error {
    fn from(error: NetnsError) -> io::Error {
        match error {
            NetnsError::Socket { source, .. } => source,
            other => io::Error::other(other),
        }
    }
}

type Work = Box<dyn FnOnce(Result<(), nix::Error>) + Send>;

/// What the thread is to do, and where: at home, or inside a namespace.
struct Job {
    inside: Option<Arc<File>>,
    work: Work,
}

/// A thread that enters namespaces and does small jobs there, one after the other. It keeps the rights that takes;
/// all other threads may drop theirs.
#[derive(Debug)]
pub struct Entrance {
    jobs: mpsc::Sender<Job>,
}

/// A network namespace. As long as this value lives, so does the namespace.
pub struct Namespace {
    cookie: u64,
    file: Arc<File>,
    entrance: Arc<Entrance>,
}

impl Entrance {
    /// Starts the thread, in the namespace and with the rights of the caller. It ends with the last handle.
    ///
    /// # Errors
    /// No thread can be started, or there is no `/proc`.
    pub fn start(name: &str) -> io::Result<Arc<Entrance>> {
        let home = File::open("/proc/thread-self/ns/net")?;
        let (jobs, waiting) = mpsc::channel(WAITING);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(error) = rights::limit(&rights::NAMESPACES) {
                tracing::warn!(%error, "a thread has more rights than it takes");
            }
            serve(&home, waiting);
        })?;
        Ok(Arc::new(Entrance { jobs }))
    }

    /// Runs `work` on the thread, in the gateway's own namespace: for what takes its rights.
    ///
    /// # Errors
    /// [`NetnsError::Gone`].
    pub async fn at_home<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NetnsError> {
        let (answer, answered) = oneshot::channel();
        // Nobody waits any more when the asking connection went away.
        let work: Work = Box::new(move |_| drop(answer.send(work())));
        self.jobs.send(Job { inside: None, work }).await.map_err(|_| NetnsError::Gone)?;
        answered.await.map_err(|_| NetnsError::Gone)
    }

    async fn inside<T: Send + 'static>(
        &self,
        file: &Arc<File>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<io::Result<T>, NetnsError> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |entered| {
            // As above.
            let _ = answer.send(entered.map(|()| work()).map_err(io::Error::from));
        });
        let job = Job { inside: Some(Arc::clone(file)), work };
        self.jobs.send(job).await.map_err(|_| NetnsError::Gone)?;
        answered.await.map_err(|_| NetnsError::Gone)
    }
}

impl Namespace {
    /// Opens the namespace that the main thread of a process lives in.
    ///
    /// # Errors
    /// The process is gone, or the rights to look at it or to enter are missing.
    pub async fn of_process(entrance: &Arc<Entrance>, pid: u32) -> Result<Namespace, NetnsError> {
        Namespace::open(entrance, pid, format!("/proc/{pid}/ns/net")).await
    }

    /// Opens the namespace with this cookie, in which some thread of the process lives; none if none does.
    ///
    /// # Errors
    /// As [`Namespace::of_process`].
    pub async fn of_thread(
        entrance: &Arc<Entrance>,
        pid: u32,
        cookie: u64,
    ) -> Result<Option<Namespace>, NetnsError> {
        for path in entrance.at_home(move || threads(pid)).await? {
            // A thread may end while it is looked at.
            if let Ok(found) = Namespace::open(entrance, pid, path).await
                && found.cookie == cookie
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn open(entrance: &Arc<Entrance>, pid: u32, path: String) -> Result<Namespace, NetnsError> {
        let opened = entrance.at_home(move || File::open(path)).await?;
        let file = Arc::new(opened.map_err(|source| NetnsError::Open { pid, source })?);
        let unknown = |source| NetnsError::Enter { cookie: 0, source };
        let cookie = entrance.inside(&file, own_cookie).await?.and_then(|cookie| cookie).map_err(unknown)?;
        Ok(Namespace { cookie, file, entrance: Arc::clone(entrance) })
    }

    /// Its cookie, as the kernel programs see it. Never used twice while the system runs.
    pub fn cookie(&self) -> u64 {
        self.cookie
    }

    /// The file it was found by.
    ///
    /// # Errors
    /// As `fstat(2)`, which does not fail on an open file.
    pub fn file_id(&self) -> io::Result<FileId> {
        self.file.metadata().map(|found| FileId(found.dev(), found.ino()))
    }

    /// Runs a short piece of work on the thread, inside.
    ///
    /// # Errors
    /// It cannot be entered.
    pub async fn inside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NetnsError> {
        let entered = self.entrance.inside(&self.file, work).await?;
        entered.map_err(|source| NetnsError::Enter { cookie: self.cookie, source })
    }

    /// A socket for connecting to `to` over this namespace's routes, from its addresses.
    ///
    /// # Errors
    /// It cannot be entered, or as `socket(2)`.
    pub async fn socket(&self, to: SocketAddr) -> Result<TcpSocket, NetnsError> {
        let made = self.inside(move || socket::fresh(to)).await?;
        made.map_err(|source| NetnsError::Socket { what: "make a socket", cookie: self.cookie, source })
    }

    /// Binds `port`, or any free one, on the loopback addresses inside. A wanted port that somebody else has taken
    /// meanwhile is replaced by a free one.
    ///
    /// # Errors
    /// It cannot be entered, its loopback interface is down, or no port is free.
    pub async fn listen(&self, port: Option<u16>) -> Result<Bound, NetnsError> {
        let cookie = self.cookie;
        if !self.inside(loopback_is_up).await?.unwrap_or(true) {
            return Err(NetnsError::LoopbackDown { cookie });
        }
        let bound = self.inside(move || listen::bind_again(port)).await?;
        bound.map_err(|source| NetnsError::Socket { what: "listen on loopback", cookie, source })
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Namespace) -> bool {
        self.cookie == other.cookie
    }
}

impl Eq for Namespace {}

impl Hash for Namespace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.cookie.hash(state);
    }
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Namespace({})", self.cookie)
    }
}

/// The namespaces that processes live in.
#[derive(Debug, Default)]
pub struct Inhabited {
    /// Each namespace, and one process in it.
    pub spaces: Vec<(FileId, u32)>,
    /// A process whose namespace may not be looked at, and why.
    pub hidden: Option<(u32, io::Error)>,
}

/// The namespaces of those of these processes that still live. Takes the right to look at them.
pub fn namespaces_of(pids: &[u32]) -> Inhabited {
    let mut found = Inhabited::default();
    let mut seen = HashSet::new();
    for &pid in pids {
        match file_id(&format!("/proc/{pid}/ns/net")) {
            Ok(id) if seen.insert(id) => found.spaces.push((id, pid)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                found.hidden = Some((pid, error))
            }
            // Another one of a namespace that was seen, or a process that has ended meanwhile.
            _ => {}
        }
    }
    found
}

/// The file of the namespace that the calling thread stands in.
pub fn own_file_id() -> Option<FileId> {
    file_id("/proc/thread-self/ns/net").ok()
}

/// The cookie of the namespace that the calling thread stands in.
///
/// # Errors
/// The kernel is older than 5.14.
pub fn own_cookie() -> io::Result<u64> {
    // Any socket tells; a unix one can be made even where the kernel has no IP.
    socket::namespace(std::os::unix::net::UnixDatagram::unbound()?.as_fd())
}

fn file_id(path: &str) -> io::Result<FileId> {
    std::fs::metadata(path).map(|found| FileId(found.dev(), found.ino()))
}

/// The namespace files of a process's threads.
fn threads(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join("ns/net").display().to_string()).collect()
}

/// Whether `lo` is up in this thread's namespace: only then has `127.0.0.1` a route.
fn loopback_is_up() -> io::Result<bool> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    match socket.connect("127.0.0.1:9") {
        Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => Ok(false),
        other => other.map(|()| true),
    }
}

/// The thread's life. It goes home whenever nothing waits: a thread inside keeps a namespace alive.
fn serve(home: &File, mut waiting: mpsc::Receiver<Job>) {
    let mut away = false;
    loop {
        let job = match waiting.try_recv() {
            Ok(job) => job,
            Err(_) => {
                if away && go_home(home).is_err() {
                    return;
                }
                away = false;
                match waiting.blocking_recv() {
                    Some(job) => job,
                    None => return,
                }
            }
        };
        let entered = match &job.inside {
            Some(file) => {
                away = true;
                setns(file.as_fd(), CloneFlags::CLONE_NEWNET)
            }
            None if away => {
                away = false;
                if go_home(home).is_err() {
                    return;
                }
                Ok(())
            }
            None => Ok(()),
        };
        (job.work)(entered);
    }
}

/// A thread that cannot go home must do nothing more, as it would do it in the wrong place.
fn go_home(home: &File) -> Result<(), nix::Error> {
    setns(home.as_fd(), CloneFlags::CLONE_NEWNET).inspect_err(
        |error| tracing::error!(%error, "the thread that enters namespaces is stranded in one and ends"),
    )
}
