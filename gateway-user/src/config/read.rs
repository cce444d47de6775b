//! Reads values of each type from nodes; what cannot be one becomes a problem with its place.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::node::{Node, Value};
use super::problem::{Origin, Problem};
use super::suggest::did_you_mean;
use super::values::{Action, Choice, Dictionary, LocalEngine, RuleActions, Treatment, nano_dollars};

pub(super) type Read<T> = Result<T, Vec<Problem>>;

fn wrong<T>(node: &Node, message: impl Into<String>) -> Read<T> {
    Err(vec![Problem::new(&node.origin, message)])
}

/// A single value as it was written.
pub(super) fn text(node: &Node) -> Read<&str> {
    match &node.value {
        Value::Text(text) => Ok(text),
        other => wrong(node, format!("a single value is expected here, not {}", other.what())),
    }
}

/// One of a few words.
pub(super) fn choice<C: Choice>(node: &Node) -> Read<C> {
    let given = text(node)?;
    if let Some((_, value)) = C::WORDS.iter().find(|(word, _)| *word == given) {
        return Ok(*value);
    }
    let words: Vec<&str> = C::WORDS.iter().map(|(word, _)| *word).collect();
    let problem = Problem::new(&node.origin, format!("`{given}` is none of {}", words.join(", ")));
    Err(vec![problem.hint(did_you_mean(given, words))])
}

/// `true` or `false`.
pub(super) fn truth(node: &Node) -> Read<bool> {
    match text(node)? {
        "true" => Ok(true),
        "false" => Ok(false),
        other => wrong(node, format!("`{other}` is neither true nor false")),
    }
}

/// A whole number within bounds.
pub(super) fn number(node: &Node, bounds: RangeInclusive<u64>) -> Read<u64> {
    let given = text(node)?;
    bounded(node, given, given.parse().ok(), bounds, "a whole number")
}

/// A number of bytes: plain, or with KiB, MiB, GiB (also KB, MB, GB: powers of ten).
pub(super) fn size(node: &Node, bounds: RangeInclusive<u64>) -> Read<usize> {
    let given = text(node)?;
    let digits = given.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = given.split_at(digits);
    let factor = match unit.trim() {
        "" | "B" => Some(1),
        "KB" => Some(1000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "KiB" | "K" => Some(1 << 10),
        "MiB" | "M" => Some(1 << 20),
        "GiB" | "G" => Some(1 << 30),
        _ => None,
    };
    let bytes = count.parse::<u64>().ok().zip(factor).and_then(|(count, factor)| count.checked_mul(factor));
    bounded(node, given, bytes, bounds, "a size in bytes, such as 65536 or 64KiB,")
        .map(|bytes| bytes as usize)
}

/// Whole seconds.
pub(super) fn seconds(node: &Node, bounds: RangeInclusive<u64>) -> Read<Duration> {
    let given = text(node)?;
    bounded(node, given, given.parse().ok(), bounds, "a whole number of seconds").map(Duration::from_secs)
}

/// Units of time, the longest first, and their seconds.
pub(super) const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A whole number with a unit of time, within bounds given in seconds.
pub(super) fn duration(node: &Node, bounds: RangeInclusive<u64>) -> Read<Duration> {
    let given = text(node)?;
    let in_unit = |(unit, length): &(&str, u64)| {
        let count: u64 = given.strip_suffix(unit)?.trim_end().parse().ok()?;
        count.checked_mul(*length)
    };
    match UNITS.iter().find_map(in_unit).filter(|seconds| bounds.contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => wrong(
            node,
            format!(
                "`{given}` is not a time such as 12h or 30d, from {} to {} s",
                bounds.start(),
                bounds.end()
            ),
        ),
    }
}

fn bounded(
    node: &Node,
    given: &str,
    value: Option<u64>,
    bounds: RangeInclusive<u64>,
    what: &str,
) -> Read<u64> {
    match value.filter(|value| bounds.contains(value)) {
        Some(value) => Ok(value),
        None => wrong(node, format!("`{given}` is not {what} from {} to {}", bounds.start(), bounds.end())),
    }
}

/// An amount of dollars in nano-dollars, or `none`.
pub(super) fn budget(node: &Node) -> Read<Option<u64>> {
    if matches!(node.value, Value::Null) {
        return Ok(None);
    }
    match text(node)? {
        "none" => Ok(None),
        given => match nano_dollars(given) {
            Ok(nanos) => Ok(Some(nanos)),
            Err(reason) => {
                wrong(node, format!("`{given}` is not an amount: {reason}; `none` sets no budget"))
            }
        },
    }
}

/// An address and port to listen on.
pub(super) fn address(node: &Node) -> Read<SocketAddr> {
    let given = text(node)?;
    match given.parse() {
        Ok(address) => Ok(address),
        Err(_) => {
            wrong(node, format!("`{given}` is not an address and port, such as 127.0.0.1:8000 or [::1]:8000"))
        }
    }
}

/// An address and port on which only this machine can be reached.
pub(super) fn loopback(node: &Node) -> Read<SocketAddr> {
    let address = address(node)?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => wrong(node, format!("`{address}` is not on loopback: write 127.0.0.1 or [::1] and a port")),
    }
}

/// What becomes of single hosts: names, or `*.` and a name, each with a treatment.
pub(super) fn hosts(node: &Node) -> Read<BTreeMap<String, Treatment>> {
    let entries = match &node.value {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Map(entries) => entries,
        other => {
            return wrong(
                node,
                format!("host names with a treatment are expected here, not {}", other.what()),
            );
        }
    };
    let read = entries.iter().map(|(origin, host, node)| {
        let name = host.strip_prefix("*.").unwrap_or(host);
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let treatment = choice(node);
        if name.is_empty() || name.len() > 253 || !name.bytes().all(sound) {
            let message = format!("`{host}` is no host name; write api.example.com or *.example.com");
            return Err([vec![Problem::new(origin, message)], treatment.err().unwrap_or_default()].concat());
        }
        Ok((host.to_ascii_lowercase(), treatment?))
    });
    all(read).map(|pairs| pairs.into_iter().collect())
}

/// The URL of an upstream: `http` or `https`, a host, and nothing but a path after it.
pub(super) fn upstream(node: &Node) -> Read<Uri> {
    let given = text(node)?;
    let Ok(url) = given.parse::<Uri>() else { return wrong(node, format!("`{given}` is not a URL")) };
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return wrong(node, format!("`{given}` does not begin with https:// or http://"));
    }
    // The message leaves the URL out: what stands before the `@` may be a password.
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return wrong(
            node,
            "an upstream's URL may not hold a user or password; clients send their own credentials",
        );
    }
    if url.host().is_none_or(str::is_empty) || url.query().is_some() {
        return wrong(node, format!("`{given}` must be a host and at most a path, without a query"));
    }
    Ok(url)
}

/// A TCP port.
pub(super) fn port(node: &Node) -> Read<u16> {
    number(node, 1..=65535).map(|port| port as u16)
}

/// A path; one in a file is relative to that file's folder.
pub(super) fn path(node: &Node) -> Read<PathBuf> {
    let given = text(node)?;
    if given.is_empty() {
        return wrong(node, "a path is expected here, not an empty text");
    }
    match &node.origin {
        Origin::File { path, .. } => {
            Ok(path.parent().map_or_else(|| given.into(), |folder| folder.join(given)))
        }
        _ => Ok(given.into()),
    }
}

/// The path of a file that is there.
pub(super) fn file(node: &Node) -> Read<PathBuf> {
    let path = path(node)?;
    if path.is_file() { Ok(path) } else { wrong(node, format!("there is no file {}", path.display())) }
}

/// The id of a rule.
pub(super) fn id(node: &Node) -> Read<String> {
    let given = text(node)?;
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    match !given.is_empty() && given.len() <= 64 && given.bytes().all(allowed) {
        true => Ok(given.to_owned()),
        false => wrong(
            node,
            format!("`{given}` is not an id: up to 64 lower-case letters, digits, `-`, `_` and `.`"),
        ),
    }
}

/// A list, or a single value as a list of one; from variables and arguments, values with commas between.
pub(super) fn list<T>(node: &Node, item: impl Fn(&Node) -> Read<T>) -> Read<Vec<T>> {
    match &node.value {
        Value::Null => Ok(vec![]),
        Value::List(nodes) => all(nodes.iter().map(item)),
        Value::Text(text) if !matches!(node.origin, Origin::File { .. }) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            all(parts
                .map(|part| item(&Node { origin: node.origin.clone(), value: Value::Text(part.to_owned()) })))
        }
        Value::Text(_) => item(node).map(|only| vec![only]),
        Value::Map(_) => wrong(node, "a list is expected here, not a block of keys"),
    }
}

/// A local engine: its id, or `id=address:port`, or a block of the two.
pub(super) fn engine(node: &Node) -> Read<LocalEngine> {
    let located = |id: &Node, address: Option<&Node>| {
        Ok(LocalEngine { id: self::id(id)?, address: address.map(address_of).transpose()? })
    };
    match &node.value {
        Value::Map(entries) if let [(origin, id, address)] = &entries[..] => {
            located(&Node { origin: origin.clone(), value: Value::Text(id.clone()) }, Some(address))
        }
        Value::Text(text) if let Some((id, address)) = text.split_once('=') => {
            let part = |text: &str| Node { origin: node.origin.clone(), value: Value::Text(text.to_owned()) };
            located(&part(id), Some(&part(address)))
        }
        _ => located(node, None),
    }
}

fn address_of(node: &Node) -> Read<SocketAddr> {
    let given = text(node)?;
    given
        .parse()
        .or_else(|_| wrong(node, format!("`{given}` is no address and port, such as 127.0.0.1:8000")))
}

/// Word lists: each a block of `name`, `file` and, if wanted, `action`.
pub(super) fn dictionaries(node: &Node) -> Read<Vec<Dictionary>> {
    let dictionaries = list(node, |node| {
        let [name, words, action] = block(node, ["name", "file", "action"])?;
        let missing = |key| Problem::new(&node.origin, format!("a dictionary needs `{key}`"));
        let mut problems = vec![];
        let name = required(name.map(id), || missing("name"), &mut problems);
        let words = required(words.map(file), || missing("file"), &mut problems);
        let action =
            required(Some(action.map_or(Ok(Action::Redact), choice)), || missing("action"), &mut problems);
        match (name, words, action) {
            (Some(name), Some(file), Some(action)) => Ok(Dictionary { name, file, action }),
            _ => Err(problems),
        }
    })?;
    for (at, dictionary) in dictionaries.iter().enumerate() {
        if dictionaries[..at].iter().any(|before| before.name == dictionary.name) {
            return wrong(node, format!("two dictionaries are called `{}`", dictionary.name));
        }
    }
    Ok(dictionaries)
}

fn required<T>(
    read: Option<Read<T>>,
    missing: impl FnOnce() -> Problem,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    match read {
        Some(Ok(value)) => return Some(value),
        Some(Err(more)) => problems.extend(more),
        None => problems.push(missing()),
    }
    None
}

/// Actions by rule id: for each, `request` and `reply`.
pub(super) fn actions(node: &Node) -> Read<BTreeMap<String, RuleActions>> {
    let entries = match &node.value {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Map(entries) => entries,
        other => {
            return wrong(node, format!("rule ids with actions are expected here, not {}", other.what()));
        }
    };
    let read = entries.iter().map(|(origin, rule, node)| {
        let id = id(&Node { origin: origin.clone(), value: Value::Text(rule.clone()) });
        let [request, reply] = block(node, ["request", "reply"])?;
        let (request, reply) = (request.map(choice).transpose(), reply.map(reply_action).transpose());
        match (id, request, reply) {
            (Ok(id), Ok(request), Ok(reply)) => Ok((id, RuleActions { request, reply })),
            (id, request, reply) => {
                Err([id.err(), request.err(), reply.err()].into_iter().flatten().flatten().collect())
            }
        }
    });
    all(read).map(|pairs| pairs.into_iter().collect())
}

/// An action on replies.
fn reply_action(node: &Node) -> Read<Action> {
    match choice(node)? {
        Action::Tokenize => wrong(
            node,
            "`tokenize` is for requests: what the model writes itself goes to the app, which has no use for a token; \
             say `redact` to mask it",
        ),
        action => Ok(action),
    }
}

/// The values of a block that may have only these keys.
pub(super) fn block<'n, const N: usize>(node: &'n Node, keys: [&str; N]) -> Read<[Option<&'n Node>; N]> {
    let Value::Map(entries) = &node.value else {
        return wrong(
            node,
            format!("a block of {} is expected here, not {}", keys.join(", "), node.value.what()),
        );
    };
    let unknown = entries.iter().filter(|(_, key, _)| !keys.contains(&key.as_str()));
    let problems: Vec<Problem> = unknown.map(|(origin, key, _)| unknown_key(origin, key, keys)).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(keys.map(|wanted| entries.iter().find(|(_, key, _)| key == wanted).map(|(_, _, value)| value)))
}

/// The problem that a key is not known, with the nearest of those that are.
pub(super) fn unknown_key<'a>(
    origin: &Origin,
    key: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Problem {
    Problem::new(origin, format!("unknown key `{key}`")).hint(did_you_mean(key, known))
}

/// All values, or all problems.
fn all<T>(reads: impl Iterator<Item = Read<T>>) -> Read<Vec<T>> {
    let mut values = vec![];
    let mut problems = vec![];
    for read in reads {
        match read {
            Ok(value) => values.push(value),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}
