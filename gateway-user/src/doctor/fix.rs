//! What to do about a runtime that does not trust us: one line to paste.

use std::ffi::OsString;

use super::process::{Place, Process};
use super::roots::Root;
use super::runtime::Runtime;
use crate::tls::Trust;
use crate::tls::trust::JAVA_STORE;

/// The variables that mend a runtime's client, out of those that [`Trust::environment_over`] gives.
pub(super) fn variables(runtime: Runtime, client: &str) -> &'static [&'static str] {
    match (runtime, client) {
        (Runtime::Python, "requests") => &["REQUESTS_CA_BUNDLE"],
        (Runtime::Node, _) => &["NODE_EXTRA_CA_CERTS"],
        (Runtime::Bun, _) => &["NODE_EXTRA_CA_CERTS"],
        (Runtime::Deno, _) => &["DENO_CERT"],
        (Runtime::Java, _) => &["JAVA_TOOL_OPTIONS"],
        (Runtime::Curl, _) => &["CURL_CA_BUNDLE"],
        (Runtime::Python | Runtime::Go | Runtime::OpenSsl, _) => &["SSL_CERT_FILE"],
        (Runtime::RustNative | Runtime::RustEither, _) => &["SSL_CERT_FILE"],
        (Runtime::GnuTls | Runtime::Nss | Runtime::RustBuiltin | Runtime::Nothing, _) => &[],
    }
}

/// The same with their values, for a process.
pub(super) fn environment(
    trust: &Trust,
    process: &Process,
    runtime: Runtime,
    client: &str,
) -> Vec<(&'static str, OsString)> {
    let wanted = variables(runtime, client);
    let all = trust.environment_over(|name| process.variable(name));
    all.into_iter().filter(|(name, _)| wanted.contains(name)).collect()
}

/// One line to paste that makes the runtime trust us.
pub(super) fn line(
    trust: &Trust,
    process: &Process,
    here: &Place,
    root: &Root,
    runtime: Runtime,
    client: &str,
) -> Option<String> {
    let own_store = |variable: &str| {
        process.variable(variable).is_some_and(|value| value.to_string_lossy().contains(JAVA_STORE))
    };
    let folder = trust.bundle().parent()?.display().to_string();
    let gateway =
        format!("sudo gateway --state {}", quoted(&trust.bundle().parent()?.parent()?.to_string_lossy()));
    match runtime {
        Runtime::RustBuiltin => {
            return Some(
                "name its hosts in the configuration: hosts: {NAME: relay} or {NAME: refuse}".to_owned(),
            );
        }
        Runtime::Java if own_store("JAVA_TOOL_OPTIONS") || names_store(process) => {
            return Some(format!(
                "keytool -importcert -noprompt -alias gateway -file {} -keystore STORE, where STORE is what its \
                 -Djavax.net.ssl.trustStore names",
                trust.root_file().display()
            ));
        }
        Runtime::GnuTls | Runtime::Nss => return Some(format!("{gateway} trust install")),
        _ => {}
    }
    // Its own values are not told: options for Java may hold passwords.
    let wanted = variables(runtime, client);
    let changes: Vec<_> =
        trust.environment_over(|_| None).into_iter().filter(|(name, _)| wanted.contains(name)).collect();
    let words: Vec<String> =
        changes.iter().map(|(name, value)| format!("{name}={}", quoted(&value.to_string_lossy()))).collect();
    if words.is_empty() {
        return None;
    }
    if !process.place.sees_the_files_of(here) && !root.holds(&trust.bundle(), &trust.authority().root().der) {
        return Some(format!(
            "start its container with: --volume {folder}:{folder}:ro --env {}",
            words.join(" --env ")
        ));
    }
    match unit(&process.cgroup) {
        Some(unit) => Some(format!(
            "sudo mkdir -p /etc/systemd/system/{unit}.d && {gateway} trust env --shell systemd | sudo tee \
             /etc/systemd/system/{unit}.d/gateway-trust.conf && sudo systemctl daemon-reload && sudo systemctl \
             restart {unit}"
        )),
        None if runtime == Runtime::Java => {
            Some(format!("export JAVA_TOOL_OPTIONS=\"$JAVA_TOOL_OPTIONS \"{}", words[0].split_once('=')?.1))
        }
        None => Some(format!("export {}", words.join(" "))),
    }
}

fn names_store(process: &Process) -> bool {
    process.arguments.iter().any(|word| word.to_string_lossy().starts_with(JAVA_STORE))
}

/// The service of the system's manager that a cgroup belongs to.
fn unit(cgroup: &str) -> Option<&str> {
    let mut parts = cgroup.split('/').filter(|part| !part.is_empty());
    parts.next().filter(|slice| *slice == "system.slice")?;
    parts.find(|part| part.ends_with(".service"))
}

/// A word as sh reads it: in single quotes where it needs any.
pub fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:=,@%".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_known_by_their_cgroup() {
        let check = |cgroup: &str, expected: Option<&str>| assert_eq!(unit(cgroup), expected, "{cgroup}");
        check("/system.slice/app.service", Some("app.service"));
        check("/system.slice/system-app.slice/app@1.service/worker", Some("app@1.service"));
        check("/user.slice/user-1000.slice/session-1.scope", None);
        check("/gateway-run-12", None);
        check("", None);
    }
}
