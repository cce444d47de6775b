//! The neutral words in which every dialect's traffic is described: direction, channel, usage.

use serde::{Deserialize, Serialize};

/// Which way a text travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the program to the provider.
    Request,
    /// From the provider to the program.
    Reply,
}

/// What sort of text a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Instructions of the operator (system, developer).
    System,
    /// What the user wrote.
    User,
    /// What the model wrote.
    Assistant,
    /// Names, descriptions and schemas of tools.
    ToolDefinition,
    /// What the model passes to a tool; usually itself JSON text.
    ToolArguments,
    /// What a tool answered.
    ToolResult,
    /// The model's reasoning.
    Thinking,
    /// A refusal written by the model.
    Refusal,
    /// Text whose meaning the dialect does not know. It is judged like any other.
    Opaque,
}

/// One running text of a body or stream. All deltas of one channel, in order, are one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Channel {
    /// What sort of text it is.
    pub kind: Kind,
    /// Which of several parallel answers (`n > 1`); 0 where a dialect has only one.
    pub choice: u16,
    /// Which content block or tool call of the answer.
    pub block: u16,
}

impl Channel {
    /// The first channel of a kind.
    pub const fn of(kind: Kind) -> Channel {
        Channel { kind, choice: 0, block: 0 }
    }
}

/// Tokens as a provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens at full price; excludes `cached_input` and `cache_write`.
    pub input: u64,
    /// Input tokens read from the provider's prompt cache.
    pub cached_input: u64,
    /// Input tokens written to the provider's prompt cache.
    pub cache_write: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Reasoning tokens, a part of `output`.
    pub reasoning: u64,
}
