//! `gateway doctor`: will it work, tried.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use http::Method;
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    args::{Common, SubjectArgs},
    ask::block_on,
    config,
    output::{self, line, text},
};
use crate::{
    admin, app,
    capture::{cgroup, target},
    config::Config,
    doctor::{
        self, Check, DoctorError, Examined, Examiner, Finding, State, Verdict,
        upstream::{self, Answer, Reach},
    },
    flow::coverage::Fate,
    provider::{Catalog, HostName},
    tls::{Trust, Upstreams},
};

/// Something will fail.
const WILL_FAIL: u8 = 1;
/// Where LLM hosts listen.
const PORT: u16 = 443;
/// Most process numbers shown in a row.
const SHOWN_PIDS: usize = 4;

/// Looks at a cgroup, at a process, at upstreams, or at this machine.
pub fn doctor(common: &Common, subject: &SubjectArgs) -> Outcome {
    let config = config::load(common, |_| ())?;
    if let Some(hosts) = &subject.upstream {
        return upstreams(common, &config, hosts);
    }
    match (subject.place(), subject.pid) {
        (Some(place), _) => {
            let found = target::find(&place)?;
            let pids = cgroup::processes(&found.path);
            if pids.is_empty() {
                return Err(DoctorError::Empty(found.path).into());
            }
            processes(common, &config, &pids)
        }
        (None, Some(pid)) if !Path::new(&format!("/proc/{pid}")).exists() => {
            Err(DoctorError::NoProcess(pid).into())
        }
        (None, Some(pid)) => processes(common, &config, &[pid]),
        (None, None) => machine(common, &config),
    }
}

fn processes(common: &Common, config: &Config, pids: &[u32]) -> Outcome {
    // What is there is left as it is; only a folder without a CA gets one.
    let trust = match Trust::open(&config.state) {
        Ok(trust) => trust,
        Err(_) => app::trust(config, &app::catalog(config)?)?,
    };
    trust.publish_missing()?;
    let examiner = Arc::new(Examiner::new(trust)?);
    let (examined, refusals) = block_on(async { (examiner.processes(pids).await, refusals(config).await) })?;
    let fails = examined.findings.iter().any(|finding| finding.verdict == Verdict::WillFail);
    if common.json {
        let mut answer = json!(examined);
        answer["refused_handshakes"] = json!(refusals);
        output::json(&answer);
    } else {
        shown(&examined);
        told(&refusals);
    }
    Ok(if fails || !examined.unreadable.is_empty() { WILL_FAIL } else { 0 })
}

/// Handshakes that clients of a running gateway refused, as its coverage counts them; none where none runs.
async fn refusals(config: &Config) -> Vec<Value> {
    let coverage = admin::ask(&config.state, Method::GET, "/coverage").await;
    let mut coverage = coverage.ok().flatten().unwrap_or_default();
    let rows = coverage["rows"].as_array_mut().map(std::mem::take).unwrap_or_default();
    rows.into_iter().filter(|row| row["decision"] == Fate::Untrusted.word()).collect()
}

fn told(refusals: &[Value]) {
    for row in refusals {
        let [app, process, host, count] =
            ["app", "process", "host", "connections"].map(|field| text(&row[field]));
        line(format_args!(
            "since the gateway started, {process} in {app} refused our certificate for {host} {count} times"
        ));
    }
}

fn shown(examined: &Examined) {
    findings(&examined.findings);
    for process in &examined.unreadable {
        line(process);
    }
    if examined.left_out > 0 {
        line(format_args!("{} more processes were left out", examined.left_out));
    }
}

fn findings(findings: &[Finding]) {
    let row = |finding: &Finding| {
        let mut pids: Vec<String> = finding.pids.iter().take(SHOWN_PIDS).map(u32::to_string).collect();
        if finding.pids.len() > SHOWN_PIDS {
            pids.push(format!("+{}", finding.pids.len() - SHOWN_PIDS));
        }
        let client =
            if finding.client.is_empty() { String::new() } else { format!(" · {}", finding.client) };
        vec![
            pids.join(","),
            finding.process.clone(),
            format!("{}{client}", finding.runtime),
            finding.verdict.to_string(),
            finding.reason.clone(),
        ]
    };
    if findings.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
    output::table(&["PID", "PROCESS", "RUNTIME", "VERDICT", "WHY"], &rows);
    for (fix, of) in fixes(findings) {
        line(format_args!("\nfix for {}:\n  {fix}", of.join(", ")));
    }
}

/// Each fix once, with whom it is for.
fn fixes(findings: &[Finding]) -> BTreeMap<&str, Vec<String>> {
    let mut fixes = BTreeMap::<&str, Vec<String>>::new();
    for finding in findings {
        let Some(fix) = &finding.fix else { continue };
        let client = if finding.client.is_empty() { String::new() } else { format!(" {}", finding.client) };
        let proven = if finding.proven { " (tried: then it works)" } else { "" };
        let whom = format!("{}{client}{proven}", finding.process);
        let known = fixes.entry(fix).or_default();
        if !known.contains(&whom) {
            known.push(whom);
        }
    }
    fixes
}

fn machine(common: &Common, config: &Config) -> Outcome {
    let hosts = app::known_hosts(&app::catalog(config)?);
    let checks = doctor::machine(config.via, &config.state, &hosts);
    let found = match Trust::open(&config.state) {
        Ok(trust) => block_on(Arc::new(Examiner::new(trust)?).machine())?,
        Err(_) => Vec::new(),
    };
    let wrong = checks.iter().any(|check| check.state == State::Wrong)
        || found.iter().any(|finding| finding.verdict == Verdict::WillFail);
    if common.json {
        output::json(&json!({ "checks": checks, "runtimes": found }));
        return Ok(u8::from(wrong));
    }
    let row = |check: &Check| {
        let fix = check.fix.clone().unwrap_or_default();
        vec![check.name.to_owned(), check.state.to_string(), check.what.clone(), fix]
    };
    let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
    output::table(&["CHECK", "STATE", "FOUND", "WHAT TO DO"], &rows);
    if !found.is_empty() {
        line("\nRuntimes of this machine, as `gateway run` starts them:");
        findings(&found);
    }
    Ok(u8::from(wrong))
}

fn upstreams(common: &Common, config: &Config, names: &[String]) -> Outcome {
    let catalog = app::catalog(config)?;
    let (hosts, skipped) = if names.is_empty() { exact(&catalog) } else { (named(names)?, Vec::new()) };
    let upstreams = Upstreams::new(config.upstream_ca.as_deref())?;
    let answers = block_on(upstream::ask(&hosts, PORT, upstreams))?;
    let fine = answers.iter().all(|answer| answer.reach == Reach::Fine);
    if common.json {
        output::json(&json!({ "answers": answers, "skipped": skipped }));
        return Ok(if fine { 0 } else { WILL_FAIL });
    }
    let row = |answer: &Answer| {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            answer.host.clone(),
            answer.reach.to_string(),
            answer.alpn.unwrap_or_default().to_owned(),
            format!("{} ms", answer.milliseconds),
            optional(&answer.issuer),
            answer.what.clone(),
            optional(&answer.fix),
        ]
    };
    let rows: Vec<Vec<String>> = answers.iter().map(row).collect();
    output::table(
        &["HOST", "ANSWER", "ALPN", ">TIME", "CERTIFICATE OF", "WHAT HAPPENED", "WHAT TO DO"],
        &rows,
    );
    if answers.iter().all(|answer| answer.unresolved) && !answers.is_empty() {
        line("no name could be resolved: this machine has no network, or no DNS");
    }
    for pattern in skipped {
        line(format_args!(
            "{pattern} stands for many names: give one, as in `gateway doctor --upstream NAME`"
        ));
    }
    Ok(if fine { 0 } else { WILL_FAIL })
}

/// The names of the catalog that can be asked, and the patterns that stand for many.
fn exact(catalog: &Catalog) -> (Vec<String>, Vec<String>) {
    let known = app::known_hosts(catalog);
    known.into_iter().partition(|host| !host.contains('*'))
}

fn named(names: &[String]) -> Result<Vec<String>, Failure> {
    let name = |text: &String| match HostName::parse(text) {
        Some(name) => Ok(name.to_string()),
        None => Err(anyhow::anyhow!("`{text}` is no host name: write it as in api.openai.com").into()),
    };
    names.iter().map(name).collect()
}
