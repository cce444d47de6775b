//! Runs a short program as a process would: as its user, in its namespaces and root, without any other right.
//!
//! What is run belongs to whoever owns the process, who may have replaced it by anything. So it gets less than the
//! process itself has: no capability, no way to gain one, the namespaces of the process and not ours, bounded time.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::process::{NAMESPACES, Place, Process};

/// Longest run of a program.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of each output stream that are read.
const MOST_READ: u64 = 64 << 10;
/// Highest capability number tried; the kernel knows some forty and refuses the rest.
const CAPABILITIES: libc::c_ulong = 63;

/// Why a program could not be run there.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnterError {
    #[error("it runs as another user or in other namespaces: run this as root")]
    Rights,
    #[error("it is gone")]
    Gone,
    #[error("{program} cannot be started there: {source}")]
    Start { program: String, source: io::Error },
    #[error("it took longer than {} s", PATIENCE.as_secs())]
    Timeout,
}

/// A place that can be entered.
pub(super) struct Entry {
    /// The namespaces to join, by the process that lives there; `None` where they are ours.
    process: Option<(OwnedFd, libc::c_int)>,
    /// The root folder to change to; `None` where it is ours.
    root: Option<File>,
    /// The working directory, which its variables may name files below.
    working: File,
    /// The user to become; `None` where we are that user already.
    user: Option<(libc::uid_t, libc::gid_t, Vec<libc::gid_t>)>,
}

/// What is run.
pub(super) struct Errand {
    pub program: OsString,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    pub input: &'static str,
}

/// What it said.
#[derive(Debug)]
pub(super) struct Said {
    pub success: bool,
    pub out: String,
    pub error: String,
}

impl Entry {
    /// Prepares to run programs where `process` lives.
    pub fn to(process: &Process, here: &Place) -> Result<Entry, EnterError> {
        let there = &process.place;
        let differs = here.namespaces != there.namespaces || here.root != there.root;
        let other_user = (here.uid, here.gid) != (there.uid, there.gid);
        if (differs || other_user) && here.uid != 0 {
            return Err(EnterError::Rights);
        }
        let flags = flags(here, there);
        let pidfd = if flags == 0 { None } else { Some((pidfd(process.pid)?, flags)) };
        let folder = |path: PathBuf| {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY);
            options.open(path).map_err(|_| EnterError::Gone)
        };
        let root = if differs { Some(folder(process.folder.join("root"))?) } else { None };
        let working = folder(process.folder.join("cwd"))?;
        // The number may have gone to another process since it was looked at.
        if Process::read(process.pid).ok().flatten().is_none_or(|now| now.place != *there) {
            return Err(EnterError::Gone);
        }
        let user = (here.uid == 0).then(|| (there.uid, there.gid, there.groups.clone()));
        Ok(Entry { process: pidfd, root, working, user })
    }

    /// Runs a program there to its end.
    pub async fn run(&self, errand: &Errand) -> Result<Said, EnterError> {
        let failed =
            |source| EnterError::Start { program: errand.program.to_string_lossy().into_owned(), source };
        let mut child = self.spawn(errand).map_err(failed)?;
        let work = async {
            let (out, error) = tokio::join!(text(child.stdout.take()), text(child.stderr.take()));
            let status = child.wait().await?;
            Ok(Said { success: status.success(), out, error })
        };
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(said) => said.map_err(failed),
            Err(_) => {
                // Dropping it would leave it to be reaped; killed and waited for it is gone for sure.
                let _ = child.kill().await;
                Err(EnterError::Timeout)
            }
        }
    }

    fn spawn(&self, errand: &Errand) -> io::Result<Child> {
        let mut command = Command::new(&errand.program);
        command.args(&errand.arguments).env_clear();
        command.envs(errand.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(input(errand.input)?).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).process_group(0);
        let join = self.process.as_ref().map(|(process, flags)| (process.as_raw_fd(), *flags));
        let root = self.root.as_ref().map(AsRawFd::as_raw_fd);
        let (working, user) = (self.working.as_raw_fd(), self.user.clone());
        // SAFETY: the closure makes system calls only; what it reads was allocated before the fork, and the descriptors
        // outlive the spawn because `self` does.
        unsafe {
            command.pre_exec(move || {
                if let Some((process, flags)) = join {
                    enter(process, flags)?;
                }
                if let Some(root) = root {
                    change_root(root)?;
                }
                check(libc::fchdir(working))?;
                give_up(user.as_ref().map(|(uid, gid, groups)| (*uid, *gid, groups.as_slice())))
            });
        }
        command.spawn()
    }
}

/// A file in memory: Java reads its source by seeking, which a pipe does not allow.
fn input(text: &str) -> io::Result<Stdio> {
    if text.is_empty() {
        return Ok(Stdio::null());
    }
    let mut file = File::from(memfd_create(c"input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

async fn text(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut bytes = Vec::new();
    let _ = (&mut stream).take(MOST_READ).read_to_end(&mut bytes).await;
    // What is beyond is thrown away, so that the program does not wait for a reader.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The namespaces in which another place differs.
fn flags(here: &Place, there: &Place) -> libc::c_int {
    let kinds =
        [libc::CLONE_NEWNS, libc::CLONE_NEWNET, libc::CLONE_NEWPID, libc::CLONE_NEWIPC, libc::CLONE_NEWUTS];
    const { assert!(NAMESPACES.len() == 5) };
    let pairs = here.namespaces.iter().zip(&there.namespaces).zip(kinds);
    pairs.filter(|((ours, theirs), _)| ours != theirs).fold(0, |flags, (_, kind)| flags | kind)
}

fn pidfd(pid: u32) -> Result<OwnedFd, EnterError> {
    // SAFETY: pidfd_open(2) takes two numbers and gives a descriptor of our own, or -1.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, pid, 0) {
            descriptor if descriptor >= 0 => Ok(OwnedFd::from_raw_fd(descriptor as RawFd)),
            _ => Err(EnterError::Gone),
        }
    }
}

/// Joins the namespaces; where the pid namespace is among them, goes on as a child, which alone lives inside, while
/// this process waits for it and ends as it did.
fn enter(process: RawFd, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: system calls on a descriptor that is open; between fork and exec, in a process of one thread.
    unsafe {
        check(libc::setns(process, flags))?;
        if flags & libc::CLONE_NEWPID == 0 {
            return Ok(());
        }
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => Ok(()),
            child => {
                // Among them is the pipe by which the caller learns that the program has started.
                libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
                for stream in 0..3 {
                    libc::close(stream);
                }
                let mut status = 0;
                libc::waitpid(child, &mut status, 0);
                libc::_exit(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 })
            }
        }
    }
}

fn change_root(root: RawFd) -> io::Result<()> {
    // SAFETY: system calls on an open descriptor and on strings that end with a NUL.
    unsafe {
        check(libc::fchdir(root))?;
        check(libc::chroot(c".".as_ptr()))
    }
}

/// Becomes the user, and gives up every capability and every way to get one.
fn give_up(user: Option<(libc::uid_t, libc::gid_t, &[libc::gid_t])>) -> io::Result<()> {
    // SAFETY: system calls with numbers, and with pointers to data that outlives them.
    unsafe {
        for capability in 0..=CAPABILITIES {
            // Refused for numbers the kernel does not know, and to those who have nothing to give up.
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        if let Some((uid, gid, groups)) = user {
            check(libc::setgroups(groups.len(), groups.as_ptr()))?;
            check(libc::setresgid(gid, gid, gid))?;
            check(libc::setresuid(uid, uid, uid))?;
        }
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        no_capabilities()?;
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0))
    }
}

/// Empties the effective, permitted and inheritable sets (capset(2), version 3).
fn no_capabilities() -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header: [u32; 2] = [VERSION_3, 0];
    let nothing = [0u32; 6];
    // SAFETY: header and data have the layout of version 3, and outlive the call.
    unsafe {
        match libc::syscall(libc::SYS_capset, header.as_ptr(), nothing.as_ptr()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn check(outcome: libc::c_int) -> io::Result<()> {
    if outcome == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl Errand {
    /// A program with its arguments and this environment.
    pub fn new(
        program: impl AsRef<OsStr>,
        arguments: &[&str],
        environment: &[(OsString, OsString)],
    ) -> Errand {
        Errand {
            program: program.as_ref().to_owned(),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: environment.to_vec(),
            input: "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process in namespaces of its own, as another user; ended when the test ends.
    struct Stranger(std::process::Child, u32);

    impl Stranger {
        /// Starts one and waits until it sleeps.
        fn start() -> Stranger {
            let script = "setpriv --reuid 12345 --regid 12345 --clear-groups sleep 600";
            let mut command = std::process::Command::new("unshare");
            command.args([
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child",
                "sh",
                "-c",
                script,
            ]);
            let mut stranger = Stranger(command.spawn().expect("unshare can be run"), 0);
            let end = std::time::Instant::now() + PATIENCE;
            let sleeps = |pid: &u32| {
                let process = Process::read(*pid).ok().flatten();
                process.is_some_and(|process| process.program_name() == "sleep" && process.place.uid == 12345)
            };
            loop {
                let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
                let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
                let below = pids.filter(|pid| is_below(*pid, stranger.0.id()));
                if let Some(pid) = below.into_iter().find(sleeps) {
                    stranger.1 = pid;
                    return stranger;
                }
                assert!(std::time::Instant::now() < end, "the process did not start");
                std::thread::yield_now();
            }
        }
    }

    impl Drop for Stranger {
        fn drop(&mut self) {
            // The innermost first: the others then end by themselves.
            if self.1 != 0 {
                let pid = nix::unistd::Pid::from_raw(self.1.cast_signed());
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
            let _ = self.0.wait();
        }
    }

    fn is_below(mut pid: u32, above: u32) -> bool {
        while pid > 1 {
            if pid == above {
                return true;
            }
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            pid = parent.and_then(|parent| parent.trim().parse().ok()).unwrap_or(0);
        }
        false
    }

    #[tokio::test]
    async fn a_program_runs_as_the_process_would_and_with_no_right_more() {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "CI runs the tests as root");
            return;
        }
        let stranger = Stranger::start();
        let process = Process::read(stranger.1).unwrap().unwrap();
        let entry = Entry::to(&process, &Place::here().unwrap()).unwrap();
        let script = "id -u; id -G; grep -E 'Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs' /proc/self/status; \
                      for kind in mnt net pid ipc uts; do readlink /proc/self/ns/$kind; done; cat";
        let path = [("PATH".into(), "/usr/bin:/bin".into())];
        let errand = Errand { input: "what it reads", ..Errand::new("sh", &["-c", script], &path) };
        let said = entry.run(&errand).await.unwrap();
        assert!(said.success, "{said:?}");
        let lines: Vec<&str> = said.out.lines().collect();
        assert_eq!((lines[0], lines[1]), ("12345", "12345"), "{said:?}");
        for line in &lines[2..7] {
            let none = line.ends_with("\t0000000000000000") || *line == "NoNewPrivs:\t1";
            assert!(none, "{line} in {said:?}");
        }
        for (line, inode) in lines[7..12].iter().zip(process.place.namespaces) {
            assert!(line.contains(&format!("[{inode}]")), "{line} is not {inode}");
        }
        assert_eq!(lines[12], "what it reads");
        let missing = entry.run(&Errand::new("/no/such/program", &[], &[])).await.unwrap_err();
        assert!(missing.to_string().contains("/no/such/program"), "{missing}");
        drop(stranger);
        let gone = Entry::to(&process, &Place::here().unwrap()).err().expect("refused");
        assert!(matches!(gone, EnterError::Gone), "{gone}");
    }

    #[test]
    fn without_rights_it_says_so() {
        let own = Process::read(std::process::id()).unwrap().unwrap();
        let nobody = Place { uid: 65_534, ..Place::here().unwrap() };
        let refused = Entry::to(&own, &nobody).err().map(|error| error.to_string());
        match own.place.uid {
            65_534 => assert_eq!(refused, None),
            _ => assert!(refused.unwrap().contains("root")),
        }
    }
}
