//! The apps of one gateway: each a place, a name, and its own policy over that of the top level.

use super::keys::{KEYS, Key};
use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{self, Read, unknown_key};
use super::{Config, Place, layers};

/// The most apps of one gateway.
pub const MAX_APPS: usize = 256;

/// Most letters of an app's name.
const MAX_NAME: usize = 128;

/// Keys that hold for the gateway as a whole and cannot differ between its apps.
const WHOLE: &[&str] = &[
    "apps",
    "limits.connections",
    "limits.drain_seconds",
    "limits.first_byte_seconds",
    "limits.upstream_connect_seconds",
    "listen",
    "metrics",
    "prices",
    "providers",
    "state",
    "tokens.entries",
    "tokens.ttl",
    "unknown_model",
    "upstream",
    "upstream_ca",
    "workers",
];

/// One app of `apps:`.
#[derive(Clone, Debug)]
pub struct AppConfig {
    /// Where it runs.
    pub place: Place,
    /// What it is called in records and budgets; its cgroup's path unless given.
    pub name: Option<String>,
    /// What holds for it: the top level's configuration with its own keys on top. It has no apps itself.
    pub config: Config,
    /// Its own keys, to be put on top once the top level is known.
    settings: Vec<(&'static Key, Node)>,
}

/// Reads the list. The policies still lack the top level: [`settle`] comes when that is complete.
pub(super) fn read(node: &Node) -> Read<Vec<AppConfig>> {
    if let Value::Text(_) = node.value {
        let message = "apps are blocks of keys and can only stand in a configuration file";
        return Err(vec![Problem::new(&node.origin, message)]);
    }
    let apps = read::list(node, app)?;
    if apps.len() > MAX_APPS {
        let message = format!("at most {MAX_APPS} apps are served by one gateway, not {}", apps.len());
        return Err(vec![Problem::new(&node.origin, message)]);
    }
    let mut problems = vec![];
    for (at, app) in apps.iter().enumerate() {
        let place = apps[..at].iter().any(|other| other.place == app.place);
        let name = app.name.is_some() && apps[..at].iter().any(|other| other.name == app.name);
        if place {
            problems.push(Problem::new(&node.origin, format!("{} stands here twice", app.place)));
        } else if name {
            let name = app.name.as_deref().unwrap_or_default();
            problems.push(Problem::new(
                &node.origin,
                format!("two apps are called `{name}`: budgets and records could not tell them apart"),
            ));
        }
    }
    if problems.is_empty() { Ok(apps) } else { Err(problems) }
}

/// Puts each app's keys over the finished top level.
///
/// # Errors
/// Every value that is wrong.
pub(super) fn settle(top: &mut Config) -> Result<(), Vec<Problem>> {
    let mut apps = std::mem::take(&mut top.apps);
    let mut problems = vec![];
    for app in &mut apps {
        app.config = top.clone();
        for (key, node) in &app.settings {
            if let Err(more) = layers::apply(&mut app.config, key, node) {
                problems.extend(more);
            }
        }
        layers::derive(&mut app.config);
        problems.extend(super::tools::check(&app.config));
    }
    top.apps = apps;
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Each app, as `explain` shows it beside the key.
pub(super) fn show(apps: &[AppConfig]) -> String {
    match apps {
        [] => "none".to_owned(),
        apps => apps.iter().map(|app| app.place.to_string()).collect::<Vec<_>>().join(", "),
    }
}

fn app(node: &Node) -> Read<AppConfig> {
    let Value::Map(entries) = &node.value else {
        let message = format!("an app is a block with one of {}", Place::KEYS.join(", "));
        return Err(vec![Problem::new(&node.origin, message)]);
    };
    let (mut places, mut name, mut settings, mut problems) = (vec![], None, vec![], vec![]);
    for (origin, key, value) in entries {
        let read = match key.as_str() {
            "name" => self::name(value).map(|given| name = Some(given)),
            key if Place::KEYS.contains(&key) => place(key, value).map(|place| places.push(place)),
            _ => walk("", origin, key, value, &mut settings),
        };
        if let Err(more) = read {
            problems.extend(more);
        }
    }
    let place = match places.len() {
        1 => places.pop(),
        _ if !problems.is_empty() => None,
        0 => {
            let message = format!("this app is nowhere: it needs one of {}", Place::KEYS.join(", "));
            problems.push(Problem::new(&node.origin, message));
            None
        }
        _ => {
            let message = format!("an app has only one of {}", Place::KEYS.join(", "));
            problems.push(Problem::new(&node.origin, message));
            None
        }
    };
    match place.filter(|_| problems.is_empty()) {
        Some(place) => Ok(AppConfig { place, name, config: Config::built_in(), settings }),
        None => Err(problems),
    }
}

/// Collects the keys of an app's block, as they stand in the table of keys.
fn walk(
    above: &str,
    origin: &super::Origin,
    key: &str,
    value: &Node,
    settings: &mut Vec<(&'static Key, Node)>,
) -> Read<()> {
    let name = format!("{above}{key}");
    if WHOLE.contains(&name.as_str()) {
        let problem = Problem::new(origin, format!("`{name}` holds for the whole gateway"));
        return Err(vec![problem.hint(Some("put it at the top level".to_owned()))]);
    }
    if let Some(known) = KEYS.iter().find(|known| known.name == name) {
        settings.push((known, value.clone()));
        return Ok(());
    }
    let block = format!("{name}.");
    let Some(entries) = block_of(value).filter(|_| KEYS.iter().any(|known| known.name.starts_with(&block)))
    else {
        let known = KEYS.iter().map(|known| known.name).filter(|known| !WHOLE.contains(known));
        let known: Vec<&str> = known
            .filter_map(|known| known.strip_prefix(above)?.split('.').next())
            .chain(if above.is_empty() { Place::KEYS.to_vec() } else { vec![] })
            .chain(above.is_empty().then_some("name"))
            .collect();
        return Err(vec![unknown_key(origin, key, known)]);
    };
    let mut problems = vec![];
    for (origin, key, value) in entries {
        if let Err(more) = walk(&block, origin, key, value, settings) {
            problems.extend(more);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn block_of(node: &Node) -> Option<&[(super::Origin, String, Node)]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::Null => Some(&[]),
        _ => None,
    }
}

fn place(key: &str, node: &Node) -> Read<Place> {
    let text = read::text(node)?.to_owned();
    if text.is_empty() {
        return Err(vec![Problem::new(&node.origin, format!("`{key}` needs a value"))]);
    }
    Ok(match key {
        "pid" => Place::Pid(read::number(node, 1..=u64::from(i32::MAX.unsigned_abs()))? as u32),
        "container" => Place::Container(text),
        "systemd" => Place::Systemd(text),
        _ => Place::Cgroup(text),
    })
}

/// A name that can stand in records, displays and the store.
fn name(node: &Node) -> Read<String> {
    let given = read::text(node)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@:/".contains(&byte);
    if !given.is_empty() && given.len() <= MAX_NAME && given.bytes().all(allowed) {
        return Ok(given.to_owned());
    }
    let message = format!("`{given}` is not a name: up to {MAX_NAME} letters, digits and any of -_.@:/");
    Err(vec![Problem::new(&node.origin, message)])
}

#[cfg(test)]
#[path = "apps_tests.rs"]
mod tests;
