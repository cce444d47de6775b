//! Puts the layers on each other: built-in, then file, then environment, then arguments.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Config;
use super::apps;
use super::keys::{KEYS, Key};
use super::node::{self, Node, Value};
use super::problem::{Origin, Problem};
use super::read::unknown_key;
use super::suggest::nearest;
use super::values::{Fail, Mode, Plain, Quic, Untrusting};
use crate::telemetry;

/// The most a configuration file may hold.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// The variable that names the configuration file when the command line does not.
pub const FILE_VARIABLE: &str = "GATEWAY_CONFIG";

const PREFIX: &str = "GATEWAY_";

/// Values from the command line, by configuration key.
#[derive(Clone, Debug, Default)]
pub struct Overrides(Vec<(String, &'static str, Vec<String>)>);

impl Overrides {
    /// Sets a key, such as `mode` from `--mode`; set twice, the values become a list.
    pub fn set(&mut self, flag: &str, key: &'static str, value: impl Into<String>) -> &mut Overrides {
        match self.0.iter_mut().find(|(_, known, _)| *known == key) {
            Some((_, _, values)) => values.push(value.into()),
            None => self.0.push((flag.to_owned(), key, vec![value.into()])),
        }
        self
    }

    /// Sets a key when the argument was given.
    pub fn set_some(
        &mut self,
        flag: &str,
        key: &'static str,
        value: Option<impl Into<String>>,
    ) -> &mut Overrides {
        if let Some(value) = value {
            self.set(flag, key, value);
        }
        self
    }
}

/// The layers to be put on each other.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    file: Option<PathBuf>,
    env: BTreeMap<String, OsString>,
    argv: Overrides,
}

impl Layers {
    /// Nothing but the built-in values.
    pub fn new() -> Layers {
        Layers::default()
    }

    /// With a configuration file. It must exist.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Layers {
        self.file = Some(path.into());
        self
    }

    /// With an environment, such as `std::env::vars_os()`: `GATEWAY_…` for each key, and what the state folder
    /// depends on (`HOME`, `XDG_STATE_HOME`).
    pub fn env(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Layers {
        let named = |(name, value): (OsString, OsString)| name.into_string().ok().map(|name| (name, value));
        self.env.extend(variables.into_iter().filter_map(named));
        self
    }

    /// With what the command line says.
    pub fn argv(mut self, overrides: Overrides) -> Layers {
        self.argv = overrides;
        self
    }

    /// Puts the layers on each other.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the layers; never an empty list.
    pub fn load(self) -> Result<Config, Vec<Problem>> {
        let mut build = Build { config: Config::built_in(), problems: vec![] };
        build.config.state = default_state(|name| self.env.get(name).cloned());
        if let Some((path, named_by)) = self.config_file() {
            match read_file(&path, &named_by) {
                Ok(root) => build.walk("", &root),
                Err(problem) => build.problems.push(problem),
            }
        }
        self.env.iter().for_each(|(name, value)| build.variable(name, value));
        self.argv.0.into_iter().for_each(|(flag, key, values)| build.argument(flag, key, values));
        build.finish()
    }

    fn config_file(&self) -> Option<(PathBuf, Origin)> {
        let argument = self.file.clone().map(|path| (path, Origin::Argument("--config".to_owned())));
        let variable = || {
            self.env.get(FILE_VARIABLE).map(|path| (path.into(), Origin::Variable(FILE_VARIABLE.to_owned())))
        };
        argument.or_else(variable)
    }
}

/// Where state lives unless told: `/var/lib/gateway` for root, else below the user's XDG state folder.
pub(super) fn default_state(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/gateway");
    }
    // The XDG base directory specification: a relative path here is to be ignored.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".local/state"));
    absolute("XDG_STATE_HOME").or_else(home).unwrap_or_else(std::env::temp_dir).join("gateway")
}

fn read_file(path: &Path, named_by: &Origin) -> Result<Node, Problem> {
    let wrong = |reason: String| Problem::new(named_by, format!("cannot read {}: {reason}", path.display()));
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > MAX_FILE_BYTES {
        return Err(wrong(format!("it is longer than {MAX_FILE_BYTES} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    node::parse(&text, path)
}

/// A configuration in the making, and what was found wrong so far.
struct Build {
    config: Config,
    problems: Vec<Problem>,
}

impl Build {
    /// Reads the keys of a file's block; `above` is the block's name with a dot behind it, or nothing.
    fn walk(&mut self, above: &str, node: &Node) {
        let entries = match &node.value {
            Value::Null => return,
            Value::Map(entries) => entries,
            other => {
                let message = format!("a block of keys is expected here, not {}", other.what());
                return self.problems.push(Problem::new(&node.origin, message));
            }
        };
        for (origin, key, value) in entries {
            let name = format!("{above}{key}");
            let block = format!("{name}.");
            if KEYS.iter().any(|known| known.name == name) {
                self.set(&name, value);
            } else if KEYS.iter().any(|known| known.name.starts_with(&block)) {
                self.walk(&block, value);
            } else {
                self.problems.push(unknown_key(origin, key, siblings(above)));
            }
        }
    }

    fn variable(&mut self, name: &str, value: &OsString) {
        let Some(short) = name.strip_prefix(PREFIX) else { return };
        let origin = Origin::Variable(name.to_owned());
        if let Some(key) = KEYS.iter().find(|key| key.variable() == name) {
            match value.to_str() {
                Some(value) => self.set(key.name, &Node { origin, value: Value::Text(value.to_owned()) }),
                None => self.problems.push(Problem::new(&origin, "the value is not UTF-8")),
            }
        } else if !foreign(name) {
            let known: Vec<String> =
                KEYS.iter().map(|key| key.variable()[PREFIX.len()..].to_owned()).collect();
            // Not every such variable is ours, but one misspelt must not go unnoticed: it may be the budget.
            if let Some(meant) = nearest_variable(short, &known) {
                let hint = Some(format!("did you mean `{PREFIX}{meant}`?"));
                self.problems.push(Problem::new(&origin, "unknown variable").hint(hint));
            }
        }
    }

    fn argument(&mut self, flag: String, key: &'static str, values: Vec<String>) {
        let origin = Origin::Argument(flag);
        let node = |value: String| Node { origin: origin.clone(), value: Value::Text(value) };
        let mut nodes: Vec<Node> = values.into_iter().map(node).collect();
        match nodes.pop() {
            Some(only) if nodes.is_empty() => self.set(key, &only),
            Some(last) => {
                nodes.push(last);
                self.set(key, &Node { origin: origin.clone(), value: Value::List(nodes) });
            }
            None => {}
        }
    }

    fn set(&mut self, name: &str, node: &Node) {
        let Some(at) = KEYS.iter().position(|key| key.name == name) else {
            return self.problems.push(unknown_key(&node.origin, name, KEYS.iter().map(|key| key.name)));
        };
        if let Err(problems) = apply(&mut self.config, &KEYS[at], node) {
            self.problems.extend(problems);
        }
    }

    /// Settles what depends on other values, and ends.
    fn finish(mut self) -> Result<Config, Vec<Problem>> {
        // The apps come first: what follows from a mode follows from their own.
        if let Err(problems) = apps::settle(&mut self.config) {
            self.problems.extend(problems);
        }
        derive(&mut self.config);
        self.problems.extend(super::tools::check(&self.config));
        if self.problems.is_empty() { Ok(self.config) } else { Err(self.problems) }
    }
}

/// Sets a key and notes where its value came from.
pub(super) fn apply(config: &mut Config, key: &Key, node: &Node) -> Result<(), Vec<Problem>> {
    (key.read)(config, node)?;
    if let Some(at) = KEYS.iter().position(|known| known.name == key.name) {
        config.origins[at] = node.origin.clone();
    }
    Ok(())
}

/// Gives values that nobody set what follows from others.
pub(super) fn derive(config: &mut Config) {
    if config.origin("fail") == &Origin::BuiltIn && config.mode == Mode::Warn {
        config.fail = Fail::Open;
    }
    if config.origin("quic") == &Origin::BuiltIn && config.mode == Mode::Warn {
        config.quic = Quic::Known;
    }
    if config.origin("plain") == &Origin::BuiltIn && config.mode == Mode::Warn {
        config.plain = Plain::Inspect;
    }
    if config.origin("untrusted") == &Origin::BuiltIn && config.mode == Mode::Warn {
        config.untrusted = Untrusting::Relay;
    }
}

/// The keys and blocks that may stand in a block.
fn siblings(above: &str) -> Vec<&'static str> {
    let below = |key: &super::keys::Key| key.name.strip_prefix(above).and_then(|rest| rest.split('.').next());
    KEYS.iter().filter_map(below).collect()
}

fn nearest_variable<'a>(given: &str, known: &'a [String]) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    let lower: Vec<String> = known.iter().map(|name| name.to_ascii_lowercase()).collect();
    let meant = nearest(&given, lower.iter().map(String::as_str))?;
    known.iter().find(|name| name.eq_ignore_ascii_case(meant)).map(String::as_str)
}

/// Variables of this prefix that others read, or that Kubernetes sets for a service called `gateway`.
fn foreign(name: &str) -> bool {
    name == FILE_VARIABLE
        || name == telemetry::logging::FILTER_VARIABLE
        || name == "GATEWAY_PORT"
        || name.starts_with("GATEWAY_PORT_")
        || name.starts_with("GATEWAY_SERVICE_")
}
