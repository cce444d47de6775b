//! The table of configuration keys: for each its name, what it means, how it is read and how it is shown.

use std::path::{Path, PathBuf};

use super::read::{self, Read};
use super::security;
use super::values::dollars;
use super::{Config, apps, node::Node, tools};

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// As written in a file, with dots between the blocks.
    pub name: &'static str,
    /// What it means, with bounds and unit.
    pub about: &'static str,
    /// Reads a value into the configuration.
    pub read: fn(&mut Config, &Node) -> Read<()>,
    /// Shows the value in the form it is written in.
    pub show: fn(&Config) -> String,
}

impl Key {
    /// The variable that sets it: `GATEWAY_` and the name in capitals, with `_` for each dot.
    pub fn variable(&self) -> String {
        format!("GATEWAY_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }
}

/// A row: name, meaning, then the field with how it is read and how it is shown.
macro_rules! keys {
    ($($name:literal: $about:literal, $($field:ident).+ = $read:expr, $show:expr;)+) => {
        pub(super) const KEYS: &[Key] = &[$(Key {
            name: $name,
            about: $about,
            read: |config, node| {
                config.$($field).+ = ($read)(node)?;
                Ok(())
            },
            show: |config| ($show)(&config.$($field).+),
        },)+];
    };
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

keys! {
    "mode": "warn reports and lets pass; strict enforces and fails closed",
        mode = read::choice, ToString::to_string;
    "budget": "the most that may be spent in all, in dollars; none only counts",
        budget = read::budget, |budget: &Option<u64>| budget.map_or("none".to_owned(), dollars);
    "listen": "address and port of the proxy doors",
        listen = read::address, ToString::to_string;
    "upstream": "URLs the reverse proxy sends requests to, the preferred one first",
        upstream = |node: &_| read::list(node, read::upstream), join;
    "upstream_ca": "PEM file of more roots that upstreams may chain to",
        upstream_ca = |node: &_| read::file(node).map(Some), |path: &Option<PathBuf>| path.as_deref().map_or("none".to_owned(), shown);
    "state": "folder of keys, records and the ledger",
        state = read::path, shown;
    "fail": "closed refuses steered connections while the gateway is down, open lets them pass; closed in strict mode, open in warn mode",
        fail = read::choice, ToString::to_string;
    "steer": "tls steers every connection to the ports; known only those to addresses DNS gave for LLM hosts; either steers these on other ports, too",
        steer = read::choice, ToString::to_string;
    "via": "ebpf steers with kernel programs, nftables with a table of rules; auto takes the first of them that works",
        via = read::choice, ToString::to_string;
    "ports": "TCP ports that are steered, at most 32",
        ports = ports, join;
    "quic": "all refuses UDP to the ports but 80, and to addresses DNS gave for LLM hosts; known only to these; all in strict mode, known in warn mode",
        quic = read::choice, ToString::to_string;
    "apps": "apps of one gateway: each a cgroup, pid, container or systemd unit, with a name and any policy key of its own over the top level's",
        apps = apps::read, |found: &Vec<_>| apps::show(found);
    "hosts": "by LLM host (name, or *.name for all below it; the longest match wins): inspect, relay or refuse",
        hosts = read::hosts, show_hosts;
    "plain": "plain HTTP to an LLM host on another machine: inspect, or refuse; refuse in strict mode, inspect in warn mode",
        plain = read::choice, ToString::to_string;
    "telemetry": "paths of LLM hosts on which programs report about themselves: pass or refuse",
        telemetry = read::choice, ToString::to_string;
    "untrusted": "programs that refuse our certificate: relay their connections to that host for ten minutes, or refuse each; refuse in strict mode, relay in warn mode",
        untrusted = read::choice, ToString::to_string;
    "cut": "text ends a cut reply with the reason as text; error with the dialect's error event",
        cut = read::choice, ToString::to_string;
    "websocket": "inspect judges every message of a WebSocket; refuse answers 426, so that clients use plain HTTP",
        websocket = read::choice, ToString::to_string;
    "signed_requests": "a request that a rule would change, but whose signature covers its body: block refuses it, pass sends it unchanged and records that",
        signed_requests = read::choice, ToString::to_string;
    "rules.files": "rule files beside the built-in ones",
        rules.files = |node: &_| read::list(node, read::file), join_paths;
    "rules.disable": "ids of rules that are off",
        rules.disable = |node: &_| read::list(node, read::id), join;
    "rules.dictionaries": "word lists: name, file and action (redact unless given)",
        rules.dictionaries = read::dictionaries, show_dictionaries;
    "rules.actions": "by rule id, the action on request and on reply: allow, warn, redact or block; on request also tokenize",
        rules.actions = read::actions, show_actions;
    "tool_calling.enabled": "whether models may call tools at all",
        tool_calling.enabled = read::truth, ToString::to_string;
    "tool_calling.duplicate_detection": "whether a call is refused that was made before, again and again, with the same result",
        tool_calling.duplicate_detection = read::truth, ToString::to_string;
    "tool_calling.max_duplicates": "times the same call may give the same result since the user's last text, 1 to 1000",
        tool_calling.max_duplicates = |node: &_| read::number(node, 1..=1000).map(|count| count as u32), ToString::to_string;
    "tool_calling.max_iterations": "rounds of tool calls since the user's last text, 1 to 10000; none does not count",
        tool_calling.max_iterations = tools::rounds, |most: &Option<u32>| most.map_or("none".to_owned(), |most| most.to_string());
    "tools.policy": "what every call is checked for: fs_safe (paths inside the sandbox), net_safe (public hosts only), shell_safe (no harmful commands)",
        tools.policies = tools::policies, join;
    "tools.sandbox": "folders in which paths of calls must lie under fs_safe; relative paths count from the first",
        tools.sandbox = |node: &_| read::list(node, read::path), join_paths;
    "tools.allow": "names of tools that may be called, * and ? as wildcards; none means all",
        tools.allow = tools::patterns, join;
    "tools.deny": "names of tools that may not be called",
        tools.deny = tools::patterns, join;
    "tools.arguments": "what arguments may be: tool (a name), argument (a key, or a JSON pointer), allow or deny (a regular expression)",
        tools.arguments = tools::arguments, |rules: &Vec<_>| tools::show_arguments(rules);
    "tools.commands": "commands that shell calls may not hold: their first words, * and ? as wildcards",
        tools.commands = tools::patterns, join;
    "tools.refused": "replace puts a call that no tool answers, with the reason, in place of a refused one; cut ends the answer",
        tools.refused = read::choice, ToString::to_string;
    "tokens.ttl": "how long a token is good after its value was last seen, 1m to 365d (in s, m, h or d)",
        tokens.ttl = |node: &_| read::duration(node, 60..=365 * 86_400), show_duration;
    "tokens.entries": "most tokens kept, 100 to 1000000; those not seen for longest go first",
        tokens.entries = |node: &_| read::number(node, 100..=1_000_000).map(|count| count as usize), ToString::to_string;
    "security.prompt_firewall.enabled": "true blocks requests in which a user or a tool gives the model orders against its own; false does not look; unset reports them",
        security.prompt_firewall.enabled = read::choice, ToString::to_string;
    "security.prompt_firewall.rules": "own patterns that users and tools may not send: name, pattern (alternatives with |, whole words in any case), action (block unless given) and severity",
        security.prompt_firewall.rules = security::rules, |rules: &Vec<_>| security::show_rules(rules);
    "security.prompt_firewall.ml_detection.enabled": "whether the trained model is asked as well: true or false",
        security.prompt_firewall.ml_detection.enabled = read::truth, ToString::to_string;
    "security.prompt_firewall.ml_detection.model": "builtin, or a model file *.gwng of `cargo xtask train`",
        security.prompt_firewall.ml_detection.model = security::model, ToString::to_string;
    "security.prompt_firewall.ml_detection.threshold": "probability from which the model is enough alone, above 0, below 1",
        security.prompt_firewall.ml_detection.threshold = security::probability, ToString::to_string;
    "security.content_filter.enabled": "true blocks harmful content in requests and replies; false does not look; unset reports it",
        security.content_filter.enabled = read::choice, ToString::to_string;
    "security.content_filter.toxicity.enabled": "whether harmful content is judged: true or false",
        security.content_filter.toxicity.enabled = read::truth, ToString::to_string;
    "security.content_filter.toxicity.threshold": "score from which a category of harmful content applies, above 0, up to 1",
        security.content_filter.toxicity.threshold = security::share, ToString::to_string;
    "security.content_filter.toxicity.categories": "categories that are judged: hate_speech, violence, sexual_content, self_harm, child_safety",
        security.content_filter.toxicity.categories = |node: &_| read::list(node, read::choice), join;
    "security.content_filter.pii_detection.enabled": "true looks for the personal data below in requests and replies; false for none; unset leaves it to the rules",
        security.content_filter.pii_detection.enabled = read::choice, ToString::to_string;
    "security.content_filter.pii_detection.auto_redact": "whether that personal data is redacted rather than reported: true or false",
        security.content_filter.pii_detection.auto_redact = read::truth, ToString::to_string;
    "security.content_filter.pii_detection.types": "types of personal data: email, phone, ssn, credit_card, ip_address, iban, mac_address, passport, address; all where none is named",
        security.content_filter.pii_detection.types = |node: &_| read::list(node, read::choice), join;
    "providers": "provider files beside the built-in ones",
        providers = |node: &_| read::list(node, read::file), join_paths;
    "local": "local engines on plain HTTP that are steered and inspected: ollama, lmstudio, vllm, llamacpp, or id=address:port",
        local = |node: &_| read::list(node, read::engine), join;
    "prices": "price files beside the built-in ones",
        prices = |node: &_| read::list(node, read::file), join_paths;
    "unknown_model": "a model without a price is refused (refuse), counts as the dearest (highest) or as free",
        unknown_model = read::choice, ToString::to_string;
    "limits.connections": "connections at once, 1 to 1000000; more wait to be accepted",
        limits.connections = |node: &_| read::number(node, 1..=1_000_000).map(|count| count as usize), ToString::to_string;
    "limits.header_bytes": "head of one request, 8KiB to 1MiB; longer ones are refused, as are replies with a head over 256KiB",
        limits.header_bytes = |node: &_| read::size(node, 8 * KIB..=MIB), ToString::to_string;
    "limits.request_bytes": "decoded request body that is judged whole, 64KiB to 1GiB; strict refuses longer ones",
        limits.request_bytes = |node: &_| read::size(node, 64 * KIB..=1024 * MIB), ToString::to_string;
    "limits.reply_held_bytes": "held back at once in one reply, 4KiB to 64MiB; strict cuts beyond it",
        limits.reply_held_bytes = |node: &_| read::size(node, 4 * KIB..=64 * MIB), ToString::to_string;
    "limits.handshake_seconds": "from accepting to the end of the TLS handshake, 1 to 300",
        limits.handshake = |node: &_| read::seconds(node, 1..=300), whole_seconds;
    "limits.idle_seconds": "without a byte in either direction, 1 to 86400",
        limits.idle = |node: &_| read::seconds(node, 1..=86_400), whole_seconds;
    "limits.upstream_connect_seconds": "from dialling an upstream to the end of its TLS handshake, 1 to 300",
        limits.upstream_connect = |node: &_| read::seconds(node, 1..=300), whole_seconds;
    "limits.first_byte_seconds": "from a request's end to the first byte of its reply, 1 to 86400",
        limits.first_byte = |node: &_| read::seconds(node, 1..=86_400), whole_seconds;
    "limits.drain_seconds": "from the order to stop until running flows are ended, 0 to 3600",
        limits.drain = |node: &_| read::seconds(node, 0..=3600), whole_seconds;
    "workers": "threads of the data plane, 1 to 256; as many as there are cores unless given",
        workers = |node: &_| read::number(node, 1..=256).map(|count| count as usize), ToString::to_string;
    "metrics": "loopback address and port on which metrics are served besides the control socket",
        metrics = |node: &_| read::loopback(node).map(Some), |at: &Option<std::net::SocketAddr>| at.map_or("none".to_owned(), |at| at.to_string());
}

/// The kernel's table of steered ports has 32 places.
const MAX_PORTS: usize = 32;

fn ports(node: &Node) -> Read<Vec<u16>> {
    let ports = read::list(node, read::port)?;
    match ports.len() {
        1..=MAX_PORTS => Ok(ports),
        count => Err(vec![super::Problem::new(
            &node.origin,
            format!("1 to {MAX_PORTS} ports are expected, not {count}"),
        )]),
    }
}

fn join<T: ToString>(values: &[T]) -> String {
    match values {
        [] => "none".to_owned(),
        values => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn join_paths(paths: &[PathBuf]) -> String {
    join(&paths.iter().map(|path| shown(path)).collect::<Vec<_>>())
}

fn whole_seconds(duration: &std::time::Duration) -> String {
    duration.as_secs().to_string()
}

/// In the largest unit that gives a whole number.
fn show_duration(duration: &std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let unit = read::UNITS.iter().find(|(_, length)| seconds.is_multiple_of(*length));
    unit.map_or_else(|| seconds.to_string(), |(unit, length)| format!("{}{unit}", seconds / length))
}

fn show_dictionaries(dictionaries: &[super::Dictionary]) -> String {
    let one = |of: &super::Dictionary| format!("{} ({}, {})", of.name, of.file.display(), of.action);
    join(&dictionaries.iter().map(one).collect::<Vec<_>>())
}

fn show_hosts(hosts: &std::collections::BTreeMap<String, super::Treatment>) -> String {
    join(&hosts.iter().map(|(host, treatment)| format!("{host} {treatment}")).collect::<Vec<_>>())
}

fn show_actions(actions: &std::collections::BTreeMap<String, super::RuleActions>) -> String {
    let one = |(rule, of): (&String, &super::RuleActions)| {
        let side =
            |name: &str, action: Option<super::Action>| action.map(|action| format!("{name} {action}"));
        let sides: Vec<String> =
            [side("request", of.request), side("reply", of.reply)].into_iter().flatten().collect();
        format!("{rule} ({})", sides.join(", "))
    };
    join(&actions.iter().map(one).collect::<Vec<_>>())
}
