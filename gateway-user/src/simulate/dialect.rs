//! The APIs that the simulated provider speaks: which one a path belongs to, and who writes its answers.

use http::request::Parts;

use super::ask::Ask;
use super::serve::Part;
use super::{anthropic, bedrock, cohere, gemini, ollama, openai, responses};

/// Which shapes to answer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    Responses,
    Anthropic,
    /// Streams as events, or as one JSON array.
    Gemini {
        array: bool,
    },
    Ollama {
        chat: bool,
    },
    Bedrock {
        converse: bool,
    },
    /// Version 1 streams lines.
    Cohere {
        first: bool,
    },
}

/// What an answer has said so far.
#[derive(Default)]
pub(super) struct Said {
    /// Events written.
    pub events: u64,
    /// The text of all deltas.
    pub text: String,
}

impl Dialect {
    /// The dialect of a request.
    pub(super) fn of(parts: &Parts) -> Dialect {
        let path = parts.uri.path();
        let events = parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
        let google = ["/v1beta/", "/v1alpha/", "/publishers/"].iter().any(|part| path.contains(part));
        if google || path.contains(":generateContent") || path.contains(":streamGenerateContent") {
            Dialect::Gemini { array: !events }
        } else if let Some(chat) = path.starts_with("/api/").then(|| path.ends_with("/chat")) {
            Dialect::Ollama { chat }
        } else if path.starts_with("/model/") {
            Dialect::Bedrock { converse: path.contains("/converse") }
        } else if ["/v1/chat", "/v2/chat", "/v1/embed", "/v2/embed"].contains(&path) {
            Dialect::Cohere { first: path == "/v1/chat" }
        } else if path.contains("/messages") || parts.headers.contains_key("anthropic-version") {
            Dialect::Anthropic
        } else if path.ends_with("/responses") {
            Dialect::Responses
        } else {
            Dialect::OpenAi
        }
    }

    /// The whole answer, not streamed.
    pub(super) fn whole(self, ask: &Ask, text: &str, output: u64) -> String {
        match self {
            Dialect::OpenAi => openai::whole(ask, text, output),
            Dialect::Responses => responses::whole(ask, text, output),
            Dialect::Anthropic => anthropic::whole(ask, text, output),
            Dialect::Gemini { .. } => gemini::whole(ask, text, output),
            Dialect::Ollama { chat } => ollama::whole(ask, text, output, chat),
            Dialect::Bedrock { converse } => bedrock::whole(ask, text, output, converse),
            Dialect::Cohere { first } => cohere::whole(ask, text, output, first),
        }
    }

    /// One part of a streamed answer as its bytes; empty where the dialect writes nothing for it.
    pub(super) fn event(self, ask: &Ask, part: Part<'_>, said: &mut Said) -> Vec<u8> {
        if let Part::Text(text) | Part::ToolArguments(text) = part {
            said.text.push_str(text);
        }
        let text = match self {
            Dialect::OpenAi => openai::event(ask, part),
            Dialect::Responses => responses::events(ask, part, said),
            Dialect::Anthropic => anthropic::event(ask, part),
            Dialect::Gemini { array } => gemini::event(ask, part, array, said),
            Dialect::Ollama { chat } => ollama::event(ask, part, chat, &said.text),
            Dialect::Bedrock { converse } => return bedrock::event(ask, part, converse),
            Dialect::Cohere { first } => cohere::event(ask, part, first, &said.text),
        };
        text.into_bytes()
    }

    /// An error body.
    pub(super) fn error(self, status: u16, message: &str) -> String {
        match self {
            Dialect::OpenAi | Dialect::Responses => openai::error(status, message),
            Dialect::Anthropic => anthropic::error(status, message),
            Dialect::Gemini { .. } => gemini::error(status, message),
            Dialect::Ollama { .. } => ollama::error(message),
            Dialect::Bedrock { .. } => bedrock::error(message),
            Dialect::Cohere { .. } => cohere::error(message),
        }
    }

    /// The list of models.
    pub(super) fn models(self) -> String {
        match self {
            Dialect::Anthropic => anthropic::models(),
            Dialect::Gemini { .. } => gemini::models(),
            _ => openai::models(),
        }
    }

    /// The answer to a question for the number of tokens.
    pub(super) fn token_count(self, ask: &Ask) -> String {
        let tokens = ask.input;
        match self {
            Dialect::Gemini { .. } => format!(r#"{{"totalTokens":{tokens}}}"#),
            Dialect::Responses => format!(r#"{{"object":"response.input_tokens","input_tokens":{tokens}}}"#),
            Dialect::Bedrock { .. } => bedrock::token_count(ask),
            _ => format!(r#"{{"input_tokens":{tokens}}}"#),
        }
    }

    /// The answer to a question for embeddings.
    pub(super) fn embedding(self, ask: &Ask) -> String {
        match self {
            Dialect::Gemini { .. } => gemini::embedding(),
            Dialect::Ollama { .. } => ollama::embedding(ask),
            Dialect::Cohere { .. } => cohere::embedding(),
            _ => openai::embedding(ask),
        }
    }

    /// The content type of a streamed answer.
    pub(super) fn stream_type(self) -> &'static str {
        match self {
            Dialect::Gemini { array: true } => "application/json; charset=UTF-8",
            Dialect::Ollama { .. } => "application/x-ndjson",
            Dialect::Bedrock { .. } => "application/vnd.amazon.eventstream",
            Dialect::Cohere { first: true } => "application/stream+json",
            _ => "text/event-stream; charset=utf-8",
        }
    }

    /// The header that carries the id of the request.
    pub(super) fn id_header(self) -> &'static str {
        if self == Dialect::Anthropic { "request-id" } else { "x-request-id" }
    }
}
