//! What is said of a call: why it is refused, and what is recorded of it.

use serde::{Deserialize, Serialize};

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Tools may not be called at all.
    Disabled,
    /// Its name is not among those that are allowed.
    NotAllowed,
    /// Its name is denied.
    Denied,
    /// An argument is not as a rule wants it.
    Argument,
    /// Its arguments cannot be read, or are too long.
    Unreadable,
    /// A path leads out of the sandbox.
    Path,
    /// A host is not a public one.
    Address,
    /// A shell command is harmful or denied.
    Command,
    /// The same call has given the same result again and again.
    Duplicate,
    /// More rounds of calls than allowed.
    Iterations,
}

impl Because {
    /// What the user and the model read. It never repeats an argument.
    pub fn why(self) -> &'static str {
        match self {
            Because::Disabled => "tools may not be called (tool_calling.enabled)",
            Because::NotAllowed => "this tool is not among those allowed (tools.allow)",
            Because::Denied => "this tool is denied (tools.deny)",
            Because::Argument => "an argument is not allowed (tools.arguments)",
            Because::Unreadable => "its arguments cannot be read",
            Because::Path => "a path leads out of the sandbox (fs_safe)",
            Because::Address => "a host is private, local or not a plain public name (net_safe)",
            Because::Command => "a shell command is not allowed (shell_safe, tools.commands)",
            Because::Duplicate => {
                "the same call gave the same result again and again (tool_calling.duplicate_detection)"
            }
            Because::Iterations => "too many rounds of tool calls in a row (tool_calling.max_iterations)",
        }
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It went to the client.
    Allowed,
    /// It went to the client, and a policy that is not enforced would have refused it.
    Warned,
    /// It did not go to the client.
    Refused,
    /// It is a tool's result, on its way to the model.
    Result,
}

/// A call, or a tool's result, as it is recorded: never with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Name of the tool, or the kind of the call where it has no name; at most 128 bytes.
    pub name: String,
    /// The keyed digest of its arguments or its result, in hex: equal ones have equal digests in one installation.
    pub digest: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it was refused or would have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
    /// The provider runs it, and not the client.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_provider: bool,
}
