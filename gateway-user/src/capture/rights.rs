//! The rights of the running gateway: one thread keeps the few that are still needed, all others have none.
//!
//! Linux keeps capabilities by thread (capabilities(7)). [`confine`] starts the thread that keeps them and drops them
//! from the caller, before the data plane's threads exist: those inherit what the caller has left. What takes rights
//! later, such as entering a network namespace, goes through [`privileged`]. [`settle`] then leaves that thread only
//! what it is told.

pub use caps::Capability;
use caps::{CapSet, CapsHashSet};
use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// Jobs that wait for the thread with the rights; whoever brings one more waits.
const MAX_WAITING: usize = 64;
/// What entering the network namespace of another process takes: looking at it, and going in.
pub const NAMESPACES: [Capability; 2] = [Capability::CAP_SYS_ADMIN, Capability::CAP_SYS_PTRACE];
/// Name of the thread that keeps rights, as `/proc/PID/task/TID/comm` shows it.
const THREAD: &str = "rights";
/// Tables of the kernel programs can be used without CAP_BPF since then.
const FREE_TABLES: (u32, u32) = (5, 19);

/// The way to the thread that keeps rights; the process has one, as it has one set of rights to begin with.
static KEPT: OnceLock<SyncSender<Job>> = OnceLock::new();

type Job = Box<dyn FnOnce() + Send>;

/// Rights could not be given up.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot give up rights that are not needed any more: {what}: {said}; the gateway does not run with them"
)]
pub struct RightsError {
    what: &'static str,
    said: String,
}

/// Which rights a group of threads has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The threads' name.
    pub thread: String,
    /// How many there are.
    pub threads: usize,
    /// Their effective capabilities, such as `CAP_NET_ADMIN`.
    pub rights: Vec<String>,
}

/// What a running gateway still does that takes rights, beside entering [`NAMESPACES`] on threads of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// It steers with nftables: the tables, and whose socket a connection is.
    pub nftables: bool,
    /// It attaches again to what is started anew: loading kernel programs, reading the runtimes' files.
    pub attaches_again: bool,
    /// It removes a cgroup at its end (`gateway run`): the root of the tree is read-only even for root.
    pub removes_cgroup: bool,
    /// It ends processes of other users (`gateway run` with a user of its own).
    pub ends_others: bool,
}

impl Needs {
    /// The capabilities that takes.
    pub fn capabilities(self) -> Vec<Capability> {
        use Capability::{
            CAP_BPF, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_KILL, CAP_NET_ADMIN, CAP_PERFMON,
            CAP_SYS_PTRACE,
        };
        let mut needed = Vec::new();
        if self.attaches_again {
            needed.extend([CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_DAC_READ_SEARCH]);
        }
        if self.nftables {
            needed.extend([CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH]);
        }
        // Without root, detaching takes it as well: only root may look into the bpf file system.
        if self.removes_cgroup || !nix::unistd::geteuid().is_root() {
            needed.push(CAP_DAC_OVERRIDE);
        }
        if self.ends_others {
            needed.push(CAP_KILL);
        }
        needed
    }
}

/// Starts the thread that keeps the rights, and takes them from the calling thread and every thread it starts from now
/// on. `files` are what the gateway reads and writes later: where its user may not do so without CAP_DAC_OVERRIDE
/// (root on another user's folder, mostly) that one stays.
///
/// Call it once, before other threads are started.
///
/// # Errors
/// The kernel refuses to take a right away.
pub fn confine(files: &[&Path]) -> Result<(), RightsError> {
    let (sender, jobs) = sync_channel(MAX_WAITING);
    if KEPT.set(sender).is_ok() {
        let started = thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || jobs.iter().for_each(|job: Job| job()));
        started.map_err(|error| RightsError { what: "start a thread for them", said: error.to_string() })?;
    }
    give_up(files)
}

/// Takes all rights from the calling thread and every thread it starts from now on, and keeps none elsewhere.
///
/// # Errors
/// The kernel refuses to take a right away.
pub fn give_up(files: &[&Path]) -> Result<(), RightsError> {
    let mut wanted = CapsHashSet::new();
    if !tables_are_free() {
        wanted.insert(Capability::CAP_BPF);
    }
    // As it will be later: what these files allow without any capability.
    let before = caps::read(None, CapSet::Effective).map_err(failed("read them"))?;
    caps::set(None, CapSet::Effective, &CapsHashSet::new()).map_err(failed("lower them"))?;
    let is_closed = files.iter().any(|path| !is_usable(path));
    caps::set(None, CapSet::Effective, &before).map_err(failed("raise them"))?;
    if is_closed {
        wanted.insert(Capability::CAP_DAC_OVERRIDE);
    }
    reduce(&wanted)
}

/// Leaves the thread that keeps rights only what is needed, of what it has. Nothing happens before [`confine`].
///
/// # Errors
/// The kernel refuses to take a right away.
pub fn settle(needs: Needs) -> Result<(), RightsError> {
    let Some(kept) = KEPT.get() else { return Ok(()) };
    let wanted: CapsHashSet = needs.capabilities().into_iter().collect();
    let (sender, outcome) = sync_channel(1);
    let job: Job = Box::new(move || {
        // The receiver waits below.
        let _ = sender.send(reduce(&wanted));
    });
    kept.send(job).expect("the thread that keeps rights lives as long as the process");
    outcome.recv().expect("every job answers once")
}

/// Leaves the calling thread only these rights, of those it has.
///
/// # Errors
/// The kernel refuses to take a right away.
pub fn limit(wanted: &[Capability]) -> Result<(), RightsError> {
    reduce(&wanted.iter().copied().collect())
}

/// Keeps rights that were given to the gateway alone (in its file, or ambient) from programs the calling thread starts.
pub fn keep_from_children() {
    // A thread that has none has none to pass on.
    let _ = caps::clear(None, CapSet::Ambient);
    let _ = caps::set(None, CapSet::Inheritable, &CapsHashSet::new());
}

/// Does something on a fresh thread that has the rights the gateway keeps, and waits for it. The thread may enter other
/// namespaces: it ends with the work. Before [`confine`] it has the caller's own rights.
///
/// # Panics
/// When `work` does.
pub fn privileged<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, outcome) = sync_channel(1);
    let job: Job = Box::new(move || {
        // Whoever asked waits below.
        let _ = sender.send(thread::Builder::new().name(THREAD.to_owned()).spawn(work));
    });
    match KEPT.get() {
        Some(kept) => kept.send(job).expect("the thread that keeps rights lives as long as the process"),
        None => job(),
    }
    let started = outcome.recv().expect("every job answers once");
    match started.expect("a thread can be started").join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Lets the programs that the calling thread starts from now on have this right too, where the thread itself has it.
pub fn pass_on(right: Capability) {
    // Without the right the program fails, and says so better.
    let _ = caps::raise(None, CapSet::Inheritable, right);
    let _ = caps::raise(None, CapSet::Ambient, right);
}

/// The rights the threads of this process have, as the kernel tells, most rights first.
pub fn held() -> Vec<Held> {
    let mut groups: Vec<Held> = Vec::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let thread = field(&status, "Name:").to_owned();
        let rights = names(u64::from_str_radix(field(&status, "CapEff:"), 16).unwrap_or(0));
        match groups.iter_mut().find(|group| group.rights == rights && group.thread == thread) {
            Some(group) => group.threads += 1,
            None => groups.push(Held { thread, threads: 1, rights }),
        }
    }
    groups.sort_by_key(|group| (usize::MAX - group.rights.len(), group.thread.clone()));
    groups
}

/// Takes everything from the calling thread but these, and the way back to them.
fn reduce(wanted: &CapsHashSet) -> Result<(), RightsError> {
    let has = caps::read(None, CapSet::Permitted).map_err(failed("read them"))?;
    let left: CapsHashSet = has.intersection(wanted).copied().collect();
    if has.contains(&Capability::CAP_SETPCAP) {
        // The others cannot come back either: nothing this process runs from now on gains rights, see below.
        caps::clear(None, CapSet::Bounding).map_err(failed("clear the bounding set"))?;
    }
    if caps::runtime::ambient_set_supported().is_ok() {
        caps::clear(None, CapSet::Ambient).map_err(failed("clear the ambient set"))?;
    }
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new()).map_err(failed("clear the inheritable set"))?;
    caps::set(None, CapSet::Effective, &left).map_err(failed("lower the effective set"))?;
    caps::set(None, CapSet::Permitted, &left).map_err(failed("lower the permitted set"))?;
    nix::sys::prctl::set_no_new_privs().map_err(failed("set no_new_privs"))
}

/// Whether the path, or the nearest folder above it, can be read and written by this user as it is.
fn is_usable(path: &Path) -> bool {
    let exists = path.ancestors().find(|path| fs::symlink_metadata(path).is_ok()).unwrap_or(Path::new("/"));
    let mut wanted = AccessFlags::R_OK;
    if exists.is_dir() {
        wanted |= AccessFlags::W_OK | AccessFlags::X_OK;
    }
    faccessat(nix::fcntl::AT_FDCWD, exists, wanted, AtFlags::AT_EACCESS).is_ok()
}

/// Whether tables of kernel programs can be used by whoever has them open (bpf(2) since Linux 5.19).
fn tables_are_free() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    super::preflight::version(&release).is_none_or(|version| version >= FREE_TABLES)
}

fn names(mask: u64) -> Vec<String> {
    let mut held: Vec<Capability> =
        caps::all().into_iter().filter(|right| mask & right.bitmask() != 0).collect();
    held.sort_by_key(Capability::index);
    held.iter().map(ToString::to_string).collect()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)).map_or("", str::trim)
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> RightsError {
    move |error| RightsError { what, said: error.to_string() }
}
