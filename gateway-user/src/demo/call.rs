//! The two requests the demo's client sends, and how an answer's lines are read.

use std::time::Duration;

use serde_json::Value;

/// What the app may spend in the demo, in dollars: enough for the first answer and the start of the second.
pub(super) const BUDGET: &str = "0.002";
/// Words of the long answer; the budget ends it long before.
pub(super) const LONG: usize = 400;

/// The provider a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// OpenAI's Chat Completions.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
}

impl Api {
    /// The provider's host.
    pub(super) fn host(self) -> &'static str {
        match self {
            Api::OpenAi => "api.openai.com",
            Api::Anthropic => "api.anthropic.com",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Api::OpenAi => "/chat/completions",
            Api::Anthropic => "/messages",
        }
    }

    fn model(self) -> &'static str {
        match self {
            Api::OpenAi => "gpt-4o",
            Api::Anthropic => "claude-sonnet-4-5",
        }
    }

    /// The headers an SDK sends. The key opens nothing.
    fn headers(self) -> &'static [&'static str] {
        match self {
            Api::OpenAi => &["content-type: application/json", "authorization: Bearer demo"],
            Api::Anthropic => {
                &["content-type: application/json", "x-api-key: demo", "anthropic-version: 2023-06-01"]
            }
        }
    }
}

/// One request of the demo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// What is to be seen.
    pub title: &'static str,
    /// Which provider is asked.
    pub api: Api,
    /// The user's question.
    question: &'static str,
    /// What the simulated provider is told to do; it reads this out of the question.
    script: &'static str,
    /// Time that one row of the view covers, from its first delta on.
    pub row: Duration,
}

impl Call {
    /// The answer holds a key, split over several deltas.
    pub(super) fn split_key() -> Call {
        Call {
            title: "The answer holds a key, split over several deltas",
            api: Api::OpenAi,
            question: "How do I deploy?",
            script: "#sim say=key pace_us=60000",
            row: Duration::from_millis(30),
        }
    }

    /// A long answer that the budget does not pay for.
    pub(super) fn long_answer(api: Api) -> Call {
        Call {
            title: "The answer is longer than the budget lasts",
            api,
            question: "Tell me everything about gateways.",
            script: "#sim deltas=400 pace_us=25000",
            row: Duration::from_millis(200),
        }
    }

    /// The model that is asked.
    pub(super) fn model(&self) -> &'static str {
        self.api.model()
    }

    /// What a client is given on its command line: URL, body, headers. `base` ends in `/v1`.
    pub(super) fn arguments(&self, base: &str) -> Vec<String> {
        let mut arguments = vec![format!("{base}{}", self.api.path()), self.body()];
        arguments.extend(self.api.headers().iter().map(|header| (*header).to_owned()));
        arguments
    }

    fn body(&self) -> String {
        let question = format!("{}\n{}", self.question, self.script);
        let messages = serde_json::json!([{ "role": "user", "content": question }]);
        match self.api {
            Api::OpenAi => serde_json::json!({ "model": self.model(), "stream": true,
                "stream_options": { "include_usage": true }, "messages": messages }),
            Api::Anthropic => serde_json::json!({ "model": self.model(), "stream": true,
                "max_tokens": 4096, "messages": messages }),
        }
        .to_string()
    }
}

/// The text a line of an answer adds: a delta's of either dialect; of a line that is no event, the line. `None`
/// for everything that says nothing to a reader.
pub(super) fn text(line: &str) -> Option<String> {
    let Some(data) = line.strip_prefix("data:") else {
        let silent = line.is_empty() || line.starts_with("event:") || line.starts_with(':');
        return (!silent).then(|| line.to_owned());
    };
    let event: Value = serde_json::from_str(data.trim()).ok()?;
    let text = match &event["choices"][0]["delta"]["content"] {
        Value::String(text) => text,
        _ => event["delta"]["text"].as_str().or(event["error"]["message"].as_str())?,
    };
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a line is the last event of a stream.
pub(super) fn is_ending(line: &str) -> bool {
    line == "data: [DONE]" || line == "event: message_stop"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_give_their_text() {
        let check =
            |line: &str, expected: Option<&str>| assert_eq!(text(line).as_deref(), expected, "{line}");
        check(r#"data: {"choices":[{"delta":{"content":"a b"}}]}"#, Some("a b"));
        check(r#"data: {"choices":[{"delta":{"content":""}}]}"#, None);
        check(r#"data: {"choices":[],"usage":{}}"#, None);
        check(r#"data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}"#, Some("x"));
        check(r#"data: {"type":"error","error":{"message":"cut"}}"#, Some("cut"));
        check("data: [DONE]", None);
        check("event: ping", None);
        check("", None);
        check(r#"{"error":{}}"#, Some(r#"{"error":{}}"#));
    }
}
