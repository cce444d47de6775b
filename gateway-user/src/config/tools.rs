//! What tools a model may call, and how often: the types of `tool_calling` and `tools`, and how they are read.

use std::path::PathBuf;

use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::syntax;
use serde::{Deserialize, Serialize};

use super::Config;
use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{self, Read};

/// The most rules about arguments, and the most patterns of one list.
pub const MAX_TOOL_RULES: usize = 256;

/// The longest pattern of a tool's name, an argument or a command, in bytes.
pub const MAX_TOOL_PATTERN: usize = 1024;

/// How often tools may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCalling {
    /// Whether tools may be called at all.
    pub enabled: bool,
    /// Whether a call that was made before, again and again with the same result, is refused.
    pub duplicate_detection: bool,
    /// How many times the same call may give the same result before the next one counts as a duplicate.
    pub max_duplicates: u32,
    /// Rounds of tool calls after the last text of the user; `None` does not count them.
    pub max_iterations: Option<u32>,
}

impl Default for ToolCalling {
    fn default() -> ToolCalling {
        ToolCalling { enabled: true, duplicate_detection: false, max_duplicates: 3, max_iterations: None }
    }
}

/// Which tools may be called, with which arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// What is checked in every call.
    pub policies: Vec<ToolPolicy>,
    /// The folders in which paths must lie, the first of which relative paths count from.
    pub sandbox: Vec<PathBuf>,
    /// Names of tools that may be called, `*` and `?` as wildcards; none means all.
    pub allow: Vec<String>,
    /// Names of tools that may not be called; stronger than `allow`.
    pub deny: Vec<String>,
    /// What single arguments may be.
    pub arguments: Vec<ArgumentRule>,
    /// Commands that no shell call may hold: their first words, `*` and `?` as wildcards.
    pub commands: Vec<String>,
    /// What the client gets in place of a refused call.
    pub refused: Refused,
}

/// A check of every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolPolicy {
    /// Paths lie inside the sandbox.
    FsSafe,
    /// Hosts are public ones.
    NetSafe,
    /// Shell commands do no wide harm.
    ShellSafe,
}
choice!(ToolPolicy { "fs_safe" => FsSafe, "net_safe" => NetSafe, "shell_safe" => ShellSafe });

/// What the client gets in place of a refused call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The same call under a name that no tool has, with the reason as its argument: agents answer it with an error,
    /// and the model reads why.
    #[default]
    Replace,
    /// The answer is cut.
    Cut,
}
choice!(Refused { "replace" => Replace, "cut" => Cut });

/// What one argument of some tools may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentRule {
    /// Names of tools, `*` and `?` as wildcards.
    pub tool: String,
    /// Which argument: a JSON pointer (RFC 6901) that begins with `/`, or a key at any depth.
    pub argument: String,
    /// A regular expression that must match somewhere in it, if it is there.
    pub allow: Option<String>,
    /// A regular expression that must not match anywhere in it.
    pub deny: Option<String>,
}

/// A pattern of `tools.arguments`, compiled: it matches bytes, and only ASCII letters in either case.
///
/// # Errors
/// When it is no regular expression.
pub fn argument_pattern(pattern: &str) -> Result<Regex, Box<BuildError>> {
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    Regex::builder()
        .configure(Regex::config().utf8_empty(false))
        .syntax(syntax)
        .build(pattern)
        .map_err(Box::new)
}

pub(super) fn rounds(node: &Node) -> Read<Option<u32>> {
    match &node.value {
        Value::Text(text) if text == "none" => Ok(None),
        Value::Null => Ok(None),
        _ => read::number(node, 1..=10_000).map(|count| Some(count as u32)),
    }
}

/// The checks; `none` is no check.
pub(super) fn policies(node: &Node) -> Read<Vec<ToolPolicy>> {
    match &node.value {
        Value::Text(text) if text == "none" => Ok(vec![]),
        _ => read::list(node, read::choice),
    }
}

pub(super) fn patterns(node: &Node) -> Read<Vec<String>> {
    let patterns = read::list(node, pattern)?;
    few(node, patterns)
}

/// Rules about arguments: each a block of `argument` and `allow` or `deny`, for the tools that `tool` names.
pub(super) fn arguments(node: &Node) -> Read<Vec<ArgumentRule>> {
    let rules = read::list(node, |node| {
        let [tool, argument, allow, deny] = read::block(node, ["tool", "argument", "allow", "deny"])?;
        if allow.is_none() && deny.is_none() {
            return Err(vec![Problem::new(&node.origin, "a rule about an argument needs `allow` or `deny`")]);
        }
        let Some(argument) = argument else {
            return Err(vec![Problem::new(&node.origin, "a rule about an argument needs `argument`")]);
        };
        Ok(ArgumentRule {
            tool: tool.map(pattern).transpose()?.unwrap_or_else(|| "*".to_owned()),
            argument: pattern(argument)?,
            allow: allow.map(expression).transpose()?,
            deny: deny.map(expression).transpose()?,
        })
    })?;
    few(node, rules)
}

/// What is wrong with the whole: a sandbox must be named where paths are to lie in it.
pub(super) fn check(config: &Config) -> Option<Problem> {
    let needs = config.tools.policies.contains(&ToolPolicy::FsSafe) && config.tools.sandbox.is_empty();
    needs.then(|| {
        let message = "fs_safe needs the folder in which paths must lie: set `tools.sandbox`";
        Problem::new(config.origin("tools.policy"), message)
    })
}

pub(super) fn show_arguments(rules: &[ArgumentRule]) -> String {
    let one = |rule: &ArgumentRule| {
        let side = |name, pattern: &Option<String>| pattern.as_ref().map(|text| format!("{name} {text}"));
        let sides: Vec<String> =
            [side("allow", &rule.allow), side("deny", &rule.deny)].into_iter().flatten().collect();
        format!("{} {} ({})", rule.tool, rule.argument, sides.join(", "))
    };
    if rules.is_empty() {
        return "none".to_owned();
    }
    rules.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn few<T>(node: &Node, all: Vec<T>) -> Read<Vec<T>> {
    if all.len() <= MAX_TOOL_RULES {
        return Ok(all);
    }
    let message = format!("at most {MAX_TOOL_RULES} entries are expected here, not {}", all.len());
    Err(vec![Problem::new(&node.origin, message)])
}

fn pattern(node: &Node) -> Read<String> {
    let given = read::text(node)?;
    if (1..=MAX_TOOL_PATTERN).contains(&given.len()) {
        return Ok(given.to_owned());
    }
    Err(vec![Problem::new(&node.origin, format!("1 to {MAX_TOOL_PATTERN} bytes are expected here"))])
}

fn expression(node: &Node) -> Read<String> {
    let given = pattern(node)?;
    match argument_pattern(&given) {
        Ok(_) => Ok(given),
        Err(error) => {
            let message = format!("`{given}` is not a regular expression: {error}");
            Err(vec![Problem::new(&node.origin, message)])
        }
    }
}
