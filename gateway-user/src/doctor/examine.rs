//! Examines processes: groups those that are alike, lets each group's runtime shake hands, and says what came of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::enter::Entry;
use super::launch::Launch;
use super::listener::Listener;
use super::markers::{self, Markers};
use super::probe::{self, Outcome};
use super::process::{Place, Process, Unreadable};
use super::roots::{Habit, Root};
use super::runtime::Runtime;
use super::{DoctorError, Evidence, Finding, Verdict, fix};
use crate::tls::verify::HTTP1;
use crate::tls::{Leaves, Trust};

/// Most processes that are looked at.
pub const MOST_PROCESSES: usize = 4096;
/// Most characters of a script's name that are shown.
const LONGEST_NAME: usize = 40;
/// Handshakes made at once.
const AT_ONCE: usize = 4;
/// Programs on the path of a machine that are asked, where they are there.
const PROGRAMS: [&str; 7] = ["curl", "python3", "node", "java", "bun", "deno", "openssl"];
/// The host whose certificate is shown, where the CA may sign for it.
const HOST: &str = "api.openai.com";
/// Variables that decide what a program trusts, besides those we set.
const DECIDING: [&str; 12] = [
    "SSL_CERT_DIR",
    "NODE_OPTIONS",
    "NODE_USE_SYSTEM_CA",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "DENO_TLS_CA_STORE",
    "JDK_JAVA_OPTIONS",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "OPENSSL_CONF",
    "LD_LIBRARY_PATH",
    "HOME",
];

/// Examines processes with one CA.
pub struct Examiner {
    trust: Trust,
    host: String,
    server: Arc<rustls::ServerConfig>,
    here: Place,
    permits: Arc<Semaphore>,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Examined {
    /// One for each client library of each group of like processes; the worst first.
    pub findings: Vec<Finding>,
    /// Processes that could not be looked at.
    pub unreadable: Vec<Unreadable>,
    /// Processes beyond [`MOST_PROCESSES`], which nobody looked at.
    pub left_out: usize,
}

/// Processes for which one handshake speaks.
struct Group {
    process: Process,
    pids: Vec<u32>,
    runtime: Runtime,
    launch: Option<Launch>,
}

/// What makes processes alike: runtime, program, place, and the variables and options that decide about trust.
type Likeness = (Runtime, Option<Launch>, (u64, u64), Place, Vec<Option<OsString>>);

impl Examiner {
    /// Ready to show certificates of this CA. Call [`Trust::publish`] before, so that fixes can be proven.
    ///
    /// # Errors
    /// When there is no leaf to be had, or `/proc` is not mounted.
    pub fn new(trust: Trust) -> Result<Examiner, DoctorError> {
        let authority = trust.authority();
        let first = authority.permitted().first().cloned().unwrap_or_default();
        let host = if authority.permits(HOST) { HOST.to_owned() } else { first };
        let server = Leaves::new(Arc::clone(authority))?.server_config(&host, Some(HTTP1))?;
        let here = Place::here().map_err(|_| DoctorError::NoProcess(std::process::id()))?;
        Ok(Examiner { trust, host, server, here, permits: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Examines these processes.
    pub async fn processes(self: &Arc<Examiner>, pids: &[u32]) -> Examined {
        let own = std::process::id();
        let (mut unreadable, mut groups) = (Vec::new(), BTreeMap::<Likeness, Group>::new());
        let mut known = BTreeMap::new();
        for pid in pids.iter().copied().filter(|pid| *pid != own).take(MOST_PROCESSES) {
            match Process::read(pid) {
                Ok(Some(process)) => sort(process, &mut groups, &mut known),
                Ok(None) => {}
                Err(error) => unreadable.push(error),
            }
        }
        let findings = self.all(groups.into_values().collect()).await;
        Examined { findings, unreadable, left_out: pids.len().saturating_sub(MOST_PROCESSES) }
    }

    /// Examines the runtimes on this machine's path, as `gateway run` would start them.
    pub async fn machine(self: &Arc<Examiner>) -> Vec<Finding> {
        let Ok(Some(own)) = Process::read(std::process::id()) else { return Vec::new() };
        let Ok(root) = Root::of(&own.folder) else { return Vec::new() };
        let path = own.variable("PATH").unwrap_or_default();
        let mut environment: Vec<_> =
            std::env::vars_os().filter(|(name, _)| self.set(name.to_str()).is_none()).collect();
        environment
            .extend(self.trust.environment().into_iter().map(|(name, value)| (OsString::from(name), value)));
        let group = |name: &&str| {
            let program = root.on_path(&path, &[name])?;
            let runtime = Runtime::named(name).unwrap_or(Runtime::OpenSsl);
            let process = Process {
                arguments: vec![program.clone().into()],
                environment: environment.clone(),
                identity: root.identity(&program)?,
                program: program.clone(),
                ..own.clone()
            };
            let launch = Some(Launch { runtime, program, options: Vec::new() });
            Some(Group { process, pids: Vec::new(), runtime, launch })
        };
        self.all(PROGRAMS.iter().filter_map(group).collect()).await
    }

    /// The value `gateway run` gives to a variable.
    fn set(&self, name: Option<&str>) -> Option<OsString> {
        self.trust.environment().into_iter().find(|(known, _)| Some(*known) == name).map(|(_, value)| value)
    }

    async fn all(self: &Arc<Examiner>, groups: Vec<Group>) -> Vec<Finding> {
        let mut work = JoinSet::new();
        for group in groups {
            let examiner = Arc::clone(self);
            work.spawn(async move {
                let _permit = examiner.permits.acquire().await;
                examiner.judge(&group).await
            });
        }
        let mut findings: Vec<Finding> = work.join_all().await.into_iter().flatten().collect();
        findings.sort_by(|a, b| {
            (a.verdict, &a.pids, &a.process, &a.client).cmp(&(b.verdict, &b.pids, &b.process, &b.client))
        });
        findings
    }

    async fn judge(&self, group: &Group) -> Vec<Finding> {
        let root = match Root::of(&group.process.folder) {
            Ok(root) => root,
            Err(error) => return vec![group.finding(Verdict::NotTried, Evidence::Known, error.to_string())],
        };
        let Some(launch) = &group.launch else { return vec![self.by_files(group, &root, None)] };
        match self.shake(group, launch, &[]).await {
            Err(reason) if group.runtime == Runtime::Java => {
                vec![self.by_java_store(group, launch, &root, &reason).await]
            }
            Err(reason) => vec![self.by_files(group, &root, Some(reason))],
            Ok(outcomes) => {
                let mut findings = Vec::new();
                for outcome in outcomes {
                    findings.push(self.by_handshake(group, launch, &root, outcome).await);
                }
                findings
            }
        }
    }

    /// One run of the runtime, with these variables over the process' own.
    async fn shake(
        &self,
        group: &Group,
        launch: &Launch,
        changes: &[(&'static str, OsString)],
    ) -> Result<Vec<Outcome>, String> {
        let process = &group.process;
        let entry = Entry::to(process, &self.here).map_err(|error| error.to_string())?;
        let elsewhere = process.place.namespaces[1] != self.here.namespaces[1];
        let namespace = match elsewhere.then(|| File::open(process.folder.join("ns/net"))).transpose() {
            Ok(namespace) => namespace,
            Err(error) => return Err(format!("its network namespace cannot be opened: {error}")),
        };
        let listener = Listener::start(namespace.as_ref(), Arc::clone(&self.server)).await;
        let listener =
            listener.map_err(|error| format!("nothing can listen in its network namespace: {error}"))?;
        let mut environment = probe::environment(&process.environment);
        environment.retain(|(name, _)| !changes.iter().any(|(changed, _)| name == changed));
        environment.extend(changes.iter().map(|(name, value)| (OsString::from(name), value.clone())));
        let outcomes = launch.shake(&entry, &self.host, listener.port, &environment).await?;
        match outcomes.first().filter(|_| !listener.reached()) {
            Some(outcome) => Err(format!("it did not reach 127.0.0.1 in its namespace: {}", outcome.error)),
            None => Ok(outcomes),
        }
    }

    async fn by_handshake(&self, group: &Group, launch: &Launch, root: &Root, outcome: Outcome) -> Finding {
        let verdict = if outcome.ok { Verdict::WillWork } else { Verdict::WillFail };
        let reason = if outcome.ok { "it accepted our certificate".to_owned() } else { outcome.error };
        let mut finding = group.finding(verdict, Evidence::Handshake, reason);
        finding.runtime = outcome.runtime;
        finding.client = outcome.client;
        if !outcome.ok {
            let (process, runtime) = (&group.process, group.runtime);
            finding.fix = fix::line(&self.trust, process, &self.here, root, runtime, &finding.client);
            let changes = fix::environment(&self.trust, process, runtime, &finding.client);
            if !changes.is_empty()
                && let Ok(outcomes) = self.shake(group, launch, &changes).await
            {
                finding.proven = outcomes.iter().any(|again| again.client == finding.client && again.ok);
            }
        }
        finding
    }

    /// What is in the store that Java reads, where it has no compiler to run our source.
    async fn by_java_store(&self, group: &Group, launch: &Launch, root: &Root, untried: &str) -> Finding {
        let fingerprint = self.trust.authority().root().fingerprint();
        let environment = probe::environment(&group.process.environment);
        let told = match Entry::to(&group.process, &self.here) {
            Ok(entry) => launch.java_store(&entry, &fingerprint, &environment).await,
            Err(error) => Err(error.to_string()),
        };
        match told {
            Ok((true, store)) => {
                group.finding(Verdict::WillWork, Evidence::Files, format!("our root is in {store}"))
            }
            Ok((false, store)) => {
                let reason = format!("our root is not in {store}");
                let mut finding = group.finding(Verdict::WillFail, Evidence::Files, reason);
                finding.fix = fix::line(&self.trust, &group.process, &self.here, root, group.runtime, "");
                finding
            }
            Err(reason) => group.unknown(&format!("; {untried}; {reason}")),
        }
    }

    /// What the files say that the program reads, where it cannot be made to shake hands.
    fn by_files(&self, group: &Group, root: &Root, untried: Option<String>) -> Finding {
        let untried = untried.map(|reason| format!("; {reason}")).unwrap_or_default();
        let habit = match group.runtime {
            Runtime::Go | Runtime::OpenSsl | Runtime::Curl => Habit::FileAndFolder,
            Runtime::RustNative | Runtime::RustEither | Runtime::Bun => Habit::VariablesElseBundle,
            Runtime::GnuTls => Habit::Bundle,
            _ => return group.unknown(&untried),
        };
        let process = &group.process;
        let ours = &self.trust.authority().root().der;
        let extra = process.file_variable("NODE_EXTRA_CA_CERTS").filter(|_| group.runtime == Runtime::Bun);
        let found = match extra.filter(|file| root.holds(Path::new(file), ours)) {
            Some(file) => Ok(file.into()),
            None => root.trusts(
                habit,
                |name| match name {
                    "SSL_CERT_FILE" => process.file_variable(name),
                    _ => process.variable(name),
                },
                ours,
            ),
        };
        let (verdict, reason) = match (&found, group.runtime) {
            (Ok(file), Runtime::RustEither) => (
                Verdict::NotTried,
                format!("our root is in {}, but it also holds roots of its own: try it", file.display()),
            ),
            (Ok(file), _) => (Verdict::WillWork, format!("our root is in {}", file.display())),
            (Err(reason), _) => (Verdict::WillFail, reason.clone()),
        };
        let mut finding = group.finding(verdict, Evidence::Files, reason + &untried);
        if verdict == Verdict::WillFail {
            finding.fix = fix::line(&self.trust, process, &self.here, root, group.runtime, "");
        }
        finding
    }
}

impl Group {
    fn finding(&self, verdict: Verdict, evidence: Evidence, reason: String) -> Finding {
        Finding {
            pids: self.pids.clone(),
            process: self.name(),
            runtime: self.runtime.name().to_owned(),
            client: String::new(),
            verdict,
            evidence,
            reason,
            fix: None,
            proven: false,
        }
    }

    /// What the process is called, for people: its program, and the script it runs. Not what it calls itself: that is
    /// `MainThread` for every Node 24.
    fn name(&self) -> String {
        let program = self.process.program_name();
        let runs_scripts = matches!(self.runtime, Runtime::Python | Runtime::Node | Runtime::Bun);
        let script = self.process.arguments.get(1).filter(|_| runs_scripts).map(Path::new);
        let script = script.filter(|script| !script.as_os_str().as_encoded_bytes().starts_with(b"-"));
        match script.and_then(Path::file_name) {
            Some(script) => {
                format!(
                    "{program} {}",
                    script.to_string_lossy().chars().take(LONGEST_NAME).collect::<String>()
                )
            }
            None => program.to_owned(),
        }
    }

    /// What is said of a runtime whose files tell nothing.
    fn unknown(&self, untried: &str) -> Finding {
        let (verdict, reason) = match self.runtime {
            Runtime::RustBuiltin => (
                Verdict::CannotBeInspected,
                "it holds public roots of its own and reads no others; tell the gateway to relay or refuse its hosts",
            ),
            Runtime::Nss => (Verdict::NotTried, "NSS keeps roots in a database of its own for each user"),
            Runtime::Nothing => (Verdict::NotTried, "no library for TLS was found in it"),
            _ => (Verdict::NotTried, "it could not be made to shake hands"),
        };
        self.finding(verdict, Evidence::Known, format!("{reason}{untried}"))
    }
}

/// Puts a process into the group of its like. `known` keeps what was read in each program's file.
fn sort(process: Process, groups: &mut BTreeMap<Likeness, Group>, known: &mut BTreeMap<(u64, u64), Markers>) {
    let identity = process.identity;
    let read =
        |program: &Path| *known.entry(identity).or_insert_with(|| markers::find(program).unwrap_or_default());
    let runtime = Runtime::of(&process, read);
    let root = Root::of(&process.folder).ok();
    let launch = root.and_then(|root| {
        Launch::of(&process, runtime, &root).filter(|launch| root.identity(&launch.program).is_some())
    });
    let ours = crate::tls::trust::VARIABLES.iter().map(|variable| variable.name);
    let deciding = DECIDING.into_iter().chain(ours).map(|name| process.variable(name)).collect();
    let likeness = (runtime, launch.clone(), identity, process.place.clone(), deciding);
    let group = groups.entry(likeness).or_insert_with(|| Group {
        process: process.clone(),
        pids: Vec::new(),
        runtime,
        launch,
    });
    group.pids.push(process.pid);
    group.pids.sort_unstable();
    group.pids.dedup();
}
