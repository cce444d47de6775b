//! Starts the command of `gateway run`: inside its cgroup, as the user who asked, with all the rights that user has.

use std::{
    fs::OpenOptions,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Gid, Pid, Uid, User, geteuid, getgrouplist},
};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
};

use super::Failure;
use crate::{app::App, capture::rights};

/// The user a command is run as.
pub struct Account {
    uid: Uid,
    gid: Gid,
    groups: Vec<libc::gid_t>,
    /// Where the user has a name: that and the home folder.
    named: Option<(String, PathBuf)>,
}

/// Whose command it is: the user named, else the one who called sudo, else the caller (`None`). Coding agents refuse to
/// run as root, and what they write should not be root's.
///
/// # Errors
/// There is no such user, or the caller is not root and named another.
pub fn account(name: Option<&str>) -> Result<Option<Account>, Failure> {
    match (name, geteuid().is_root()) {
        (Some(name), is_root) => {
            let found = User::from_name(name)
                .map_err(|error| Failure::unavailable(format!("cannot look up user {name}: {error}")))?;
            let user = found.ok_or_else(|| {
                Failure::usage(format!("there is no user {name}: give the name of one that is"))
            })?;
            if user.uid == geteuid() {
                return Ok(None);
            }
            if !is_root {
                return Err(Failure::unavailable(format!("only root can run a command as {name}: use sudo")));
            }
            Ok(Some(of(user)?))
        }
        (None, true) => caller_of_sudo(|name| std::env::var(name).ok()),
        (None, false) => Ok(None),
    }
}

/// Starts the command, with our CA where its runtime looks for one. It has none of the rights the gateway was given for
/// itself; as root it has all of them.
///
/// # Errors
/// The program cannot be started.
pub fn start(
    app: &App,
    cgroup: &Path,
    command: &[String],
    account: Option<Account>,
) -> Result<Child, Failure> {
    let (program, arguments) = command.split_first().ok_or_else(|| Failure::usage("no command is given"))?;
    let mut child = Command::new(program);
    child.args(arguments).envs(app.trust.environment());
    if let Some((name, home)) = account.as_ref().and_then(|account| account.named.as_ref()) {
        child.env("USER", name).env("LOGNAME", name).env("HOME", home);
    }
    let members = cgroup.join("cgroup.procs");
    let runtime = Handle::current();
    let started = rights::privileged(move || {
        rights::keep_from_children();
        let members = OpenOptions::new().write(true).open(members)?;
        // SAFETY: between fork and exec only write(2), setgroups(2), setresgid(2) and setresuid(2) are called, on a
        // descriptor and memory that the closure owns; nothing allocates or locks.
        unsafe {
            child.pre_exec(move || {
                if libc::write(members.as_raw_fd(), b"0".as_ptr().cast(), 1) != 1 {
                    return Err(std::io::Error::last_os_error());
                }
                account.as_ref().map_or(Ok(()), Account::become_it)
            });
        }
        let _inside = runtime.enter();
        child.spawn()
    });
    started.map_err(|error| Failure::unavailable(format!("cannot start {program}: {error}")))
}

/// Passes SIGTERM on and waits.
///
/// # Errors
/// As `waitpid(2)`.
pub async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended by itself just now.
        let _ = rights::privileged(move || kill(Pid::from_raw(pid), Signal::SIGTERM));
    }
    child.wait().await
}

impl Account {
    /// Changes the calling process; to be called between fork and exec.
    fn become_it(&self) -> std::io::Result<()> {
        let (uid, gid) = (self.uid.as_raw(), self.gid.as_raw());
        // SAFETY: the list of groups lives through the call; the others take numbers only.
        let done = unsafe {
            libc::setgroups(self.groups.len(), self.groups.as_ptr()) == 0
                && libc::setresgid(gid, gid, gid) == 0
                && libc::setresuid(uid, uid, uid) == 0
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    }
}

/// The user who called sudo (sudo(8), ENVIRONMENT); none where that was root, or sudo is not in play.
fn caller_of_sudo(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Account>, Failure> {
    let number = |name| variable(name)?.parse::<u32>().ok();
    let Some(uid) = number("SUDO_UID").filter(|&uid| uid != 0).map(Uid::from_raw) else { return Ok(None) };
    let found = User::from_uid(uid)
        .map_err(|error| Failure::unavailable(format!("cannot look up user {uid}: {error}")))?;
    match (found, number("SUDO_GID")) {
        (Some(user), _) => of(user).map(Some),
        (None, Some(gid)) => {
            Ok(Some(Account { uid, gid: Gid::from_raw(gid), groups: vec![gid], named: None }))
        }
        (None, None) => Err(Failure::unavailable(format!(
            "the user {uid} who called sudo is not known here: name one with --user, or --user root"
        ))),
    }
}

fn of(user: User) -> Result<Account, Failure> {
    let name = std::ffi::CString::new(user.name.clone()).map_err(|_| Failure::usage("no such user"))?;
    let groups = getgrouplist(&name, user.gid)
        .map_err(|error| Failure::unavailable(format!("cannot list the groups of {}: {error}", user.name)))?;
    Ok(Account {
        uid: user.uid,
        gid: user.gid,
        groups: groups.iter().map(|group| group.as_raw()).collect(),
        named: Some((user.name, user.dir)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expected: Option<(u32, Option<&str>)>) {
        let variable = |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        };
        let found = caller_of_sudo(variable).ok().flatten();
        let told = found
            .as_ref()
            .map(|account| (account.uid.as_raw(), account.named.as_ref().map(|(name, _)| name.as_str())));
        assert_eq!(told, expected, "{variables:?}");
    }

    #[test]
    fn the_caller_of_sudo_is_found() {
        check(&[], None);
        check(&[("SUDO_UID", "0"), ("SUDO_GID", "0")], None);
        check(&[("SUDO_UID", "strange")], None);
        check(&[("SUDO_UID", "65534"), ("SUDO_GID", "65534")], Some((65_534, Some("nobody"))));
        check(&[("SUDO_UID", "54321"), ("SUDO_GID", "5")], Some((54_321, None)));
        check(&[("SUDO_UID", "54321")], None);
    }

    #[test]
    fn a_user_that_is_not_there_is_an_error() {
        assert!(account(Some("no-such-user-here")).is_err());
    }
}
