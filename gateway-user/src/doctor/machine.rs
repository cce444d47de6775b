//! Looks at this machine: rights, the CA and its files, the system's store, the clock.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::capture::preflight::{self, Preflight};
use crate::config::Via;
use crate::tls::system::{self, SystemStore};
use crate::tls::{Authority, Trust};

/// A CA that ends sooner than this is worth a word.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Fine,
    /// It works, and there is something to know.
    Note,
    /// Something will fail.
    Wrong,
}

impl std::fmt::Display for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(match self {
            State::Fine => "fine",
            State::Note => "note",
            State::Wrong => "WRONG",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at, in a word or two.
    pub name: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub what: String,
    /// What to do, where something is to be done.
    pub fix: Option<String>,
}

impl Check {
    fn new(name: &'static str, state: State, what: impl Into<String>, fix: Option<&str>) -> Check {
        Check { name, state, what: what.into(), fix: fix.map(str::to_owned) }
    }
}

/// Looks at the machine as far as this way of steering needs it, and at this state folder, whose CA should cover `hosts`.
pub fn machine(via: Via, state: &Path, hosts: &[String]) -> Vec<Check> {
    let mut checks = vec![steering(via)];
    let now = SystemTime::now();
    match Trust::open(state) {
        Ok(trust) => {
            let authority = trust.authority();
            checks.push(validity(authority, now));
            checks.push(constraints(authority, hosts));
            checks.push(private(state));
            checks.push(bundle(&trust));
            checks.push(store(&trust, SystemStore::find(Path::new("/")).ok().as_ref()));
        }
        Err(error) => {
            let missing = !state.join("authority").exists();
            let state = if missing { State::Note } else { State::Wrong };
            checks.push(Check::new("CA", state, error.to_string(), Some("gateway trust init")));
        }
    }
    checks.push(clock(now));
    checks
}

fn steering(wanted: Via) -> Check {
    let found = Preflight::look(wanted);
    let name = "steering";
    match (found.chosen(), found.fallback()) {
        (Some(_), Some(why)) => Check::new(name, State::Note, why, None),
        (Some(via), None) => {
            Check::new(name, State::Fine, format!("{via} can steer connections of cgroups"), None)
        }
        (None, _) => {
            let lacks = [Via::Ebpf, Via::Nftables].map(|via| {
                let lacks: Vec<&str> = found.lacks(via).iter().map(|missing| missing.what.as_str()).collect();
                format!("{via}: {}", lacks.join(", "))
            });
            let what = format!("{}; only the proxy doors work", lacks.join("; "));
            Check::new(name, State::Note, what, preflight::GRANTS.first().map(|grant| grant.how))
        }
    }
}

fn validity(authority: &Authority, now: SystemTime) -> Check {
    let issuing = authority.issuing();
    let renew = Some("gateway trust init --renew, then gateway trust install where it was installed");
    let days = |span: Duration| span.as_secs() / 86_400;
    match issuing.not_after.duration_since(now) {
        Err(over) => {
            Check::new("CA", State::Wrong, format!("it ended {} days ago", days(over.duration())), renew)
        }
        Ok(_) if now < issuing.not_before => {
            let what = "it is not valid yet: the clock of this machine is behind";
            Check::new("CA", State::Wrong, what, Some("set the clock"))
        }
        Ok(left) if left < SOON => {
            Check::new("CA", State::Note, format!("it ends in {} days", days(left)), renew)
        }
        Ok(left) => Check::new("CA", State::Fine, format!("valid for {} more days", days(left)), None),
    }
}

fn constraints(authority: &Authority, hosts: &[String]) -> Check {
    let missing = authority.not_permitted(hosts);
    if missing.is_empty() {
        let what = format!("the CA may sign for all {} known hosts and nothing else", hosts.len());
        return Check::new("name constraints", State::Fine, what, None);
    }
    let what = format!("the CA may not sign for {}", missing.join(", "));
    Check::new("name constraints", State::Wrong, what, Some("gateway trust init --renew"))
}

/// Keys and stores belong to one user; everybody else must be kept out.
fn private(state: &Path) -> Check {
    let places = ["authority", "authority/issuing.key", "store"].map(|name| state.join(name));
    let open = |path: &&std::path::PathBuf| {
        path.metadata().is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    };
    let wrong: Vec<String> = places.iter().filter(open).map(|path| path.display().to_string()).collect();
    if wrong.is_empty() {
        return Check::new(
            "state folder",
            State::Fine,
            format!("{} keeps its secrets", state.display()),
            None,
        );
    }
    let what = format!("others can get into {}", wrong.join(", "));
    Check::new("state folder", State::Wrong, what, Some(&format!("chmod -R go-rwx {}", wrong.join(" "))))
}

/// Programs of other users must get to the bundle.
fn bundle(trust: &Trust) -> Check {
    let path = trust.bundle();
    let name = "trust bundle";
    let init = Some("gateway trust init");
    if !system::file(&path).contains(&trust.authority().root().der) {
        let what = format!("{} is missing, unreadable, or from before a renewal", path.display());
        return Check::new(name, State::Wrong, what, init);
    }
    let closed = path
        .ancestors()
        .skip(1)
        .find(|folder| folder.metadata().is_ok_and(|found| found.mode() & 0o001 == 0));
    match closed {
        None => Check::new(name, State::Fine, format!("{} is there for every user", path.display()), None),
        Some(folder) => Check::new(
            name,
            State::Note,
            format!("programs of other users do not get through {}", folder.display()),
            Some(&format!("chmod o+x {}, or choose another --state", folder.display())),
        ),
    }
}

fn store(trust: &Trust, store: Option<&SystemStore>) -> Check {
    let name = "system store";
    match (store, trust.show(store).installed) {
        (_, Some(anchor)) => Check::new(name, State::Fine, format!("our root is {}", anchor.display()), None),
        (Some(store), None) => Check::new(
            name,
            State::Note,
            format!("our root is not in {}: programs need the variables", store.anchors.display()),
            Some("sudo gateway trust install, or gateway trust env"),
        ),
        (None, None) => Check::new(
            name,
            State::Note,
            "no known trust store here: programs need the variables",
            Some("gateway trust env"),
        ),
    }
}

fn clock(now: SystemTime) -> Check {
    // SAFETY: an all-zero timex asks for nothing to be changed, and outlives the call.
    let (synchronised, _) = unsafe {
        let mut asked: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&mut asked) != libc::TIME_ERROR, asked)
    };
    let shown = jiff::Timestamp::try_from(now).map(|time| time.to_string()).unwrap_or_default();
    match synchronised {
        true => Check::new("clock", State::Fine, format!("synchronised, {shown}"), None),
        false => Check::new(
            "clock",
            State::Note,
            format!("nobody sets it, {shown}: certificates fail where it is wrong"),
            Some("timedatectl set-ntp true"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Vec<String> {
        vec!["api.openai.com".to_owned()]
    }

    fn found<'a>(checks: &'a [Check], name: &str) -> &'a Check {
        checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{name} in {checks:?}"))
    }

    #[test]
    fn a_sound_state_folder_is_fine_and_each_flaw_is_named() {
        let folder = tempfile::TempDir::new().unwrap();
        let state = folder.path().join("state");
        assert_eq!(found(&machine(Via::Auto, &state, &hosts()), "CA").state, State::Note);
        let trust = Trust::init(&state, &hosts()).unwrap();
        let checks = machine(Via::Auto, &state, &hosts());
        for name in ["CA", "name constraints", "state folder"] {
            assert_eq!(found(&checks, name).state, State::Fine, "{checks:?}");
        }
        let more = [hosts(), vec!["*.other.example".to_owned()]].concat();
        let checks = machine(Via::Auto, &state, &more);
        let check = found(&checks, "name constraints");
        assert!(check.state == State::Wrong && check.what.contains("*.other.example"), "{check:?}");
        let ended = validity(trust.authority(), SystemTime::now() + Duration::from_secs(1000 * 86_400));
        assert!(ended.state == State::Wrong && ended.what.contains("days ago"), "{ended:?}");
        let soon = validity(trust.authority(), SystemTime::now() + Duration::from_secs(710 * 86_400));
        assert_eq!(soon.state, State::Note, "{soon:?}");
        let early = validity(trust.authority(), SystemTime::now() - Duration::from_secs(5 * 86_400));
        assert!(early.what.contains("clock"), "{early:?}");
        let key = state.join("authority/issuing.key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let checks = machine(Via::Auto, &state, &hosts());
        assert!(found(&checks, "state folder").what.contains("issuing.key"), "{checks:?}");
        std::fs::write(trust.bundle(), "").unwrap();
        assert_eq!(found(&machine(Via::Auto, &state, &hosts()), "trust bundle").state, State::Wrong);
        std::fs::write(state.join("authority/issuing.pem"), "").unwrap();
        assert_eq!(found(&machine(Via::Auto, &state, &hosts()), "CA").state, State::Wrong);
    }
}
