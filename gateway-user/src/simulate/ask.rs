//! What the simulated provider reads out of a request body, the same for all dialects.

use serde_json::Value;

use super::script::Script;

/// A request, as far as an answer depends on it.
pub(super) struct Ask {
    /// The model, repeated in the answer.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// OpenAI: whether the stream is to end with a usage chunk.
    pub include_usage: bool,
    /// The last user message without its script line.
    pub prompt: String,
    /// What is to be answered.
    pub script: Script,
    /// Name of the first tool offered.
    pub tool: Option<String>,
    /// Text of a tool's result when that is the last message.
    pub tool_result: Option<String>,
    /// Input tokens to report: a quarter of the body's bytes.
    pub input: u64,
}

impl Ask {
    /// Reads a body posted to `path`; `header` is the value of `x-simulate`, which wins over a script line. Errors say
    /// what is wrong.
    pub(super) fn read(path: &str, body: &[u8], header: Option<&str>) -> Result<Ask, String> {
        let root: Value =
            serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
        let named = root["model"].as_str().or_else(|| model_of(path));
        let model = named.ok_or("model is missing")?.to_owned();
        let lists = ["messages", "input", "contents"].into_iter();
        let messages = lists.filter_map(|list| root[list].as_array()).next().map_or(&[][..], Vec::as_slice);
        let message = match root["prompt"].as_str().or(root["input"].as_str()).or(root["message"].as_str()) {
            Some(prompt) => prompt.to_owned(),
            None => messages.iter().rev().find_map(user_text).unwrap_or_default(),
        };
        let script = match header {
            Some(line) => Script::parse(line)?,
            None => Script::find(&message)?,
        };
        let prompt: Vec<&str> = message.lines().filter(|line| !line.trim().starts_with("#sim")).collect();
        Ok(Ask {
            model,
            stream: streams(path, &root["stream"]),
            include_usage: root["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            prompt: prompt.join("\n"),
            script,
            tool: root["tools"]
                .as_array()
                .or(root["toolConfig"]["tools"].as_array())
                .and_then(|tools| tools.iter().find_map(tool_name)),
            tool_result: messages.last().and_then(tool_result),
            input: (body.len() as u64).div_ceil(4),
        })
    }

    /// Whether the answer is a tool call.
    pub(super) fn calls_tool(&self) -> bool {
        self.script.say == super::Say::Tool && self.tool.is_some() && self.tool_result.is_none()
    }

    /// The texts of the deltas of the answer; of a tool call, its arguments.
    pub(super) fn pieces(&self) -> Vec<String> {
        if self.calls_tool() {
            let arguments = format!("{{\"city\": \"Paris\", \"about\": {}}}", quoted(self.prompt.trim()));
            return chunks(&arguments, 7);
        }
        match &self.tool_result {
            Some(result) => chunks(&format!("The tool said: {result}"), 6),
            None => self.script.pieces(self.prompt.trim()),
        }
    }
}

/// `text` as a JSON string with its quotes.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn chunks(text: &str, size: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(size).map(|part| part.iter().collect()).collect()
}

/// Whether a stream is asked for, by the path or by the field `stream`.
fn streams(path: &str, asked: &Value) -> bool {
    let ends = [":streamGenerateContent", "/converse-stream", "/invoke-with-response-stream"];
    // Ollama streams unless it is told not to.
    ends.iter().any(|end| path.ends_with(end)) || asked.as_bool().unwrap_or(path.starts_with("/api/"))
}

/// The model in a path like `/v1/models/NAME:generateContent` or `/model/NAME/converse`.
fn model_of(path: &str) -> Option<&str> {
    if let Some((model, _)) = path.strip_prefix("/model/").and_then(|rest| rest.split_once('/')) {
        return Some(model);
    }
    path.rsplit('/').next()?.split_once(':').map(|(model, _)| model)
}

/// The name of an offered tool, or of the first function in a group of them.
fn tool_name(tool: &Value) -> Option<String> {
    let name = tool["function"]["name"].as_str().or(tool["name"].as_str());
    let name = name.or(tool["toolSpec"]["name"].as_str());
    name.or(tool["functionDeclarations"][0]["name"].as_str()).map(str::to_owned)
}

/// The text of a user message; `None` for other roles and for messages of tool results only.
fn user_text(message: &Value) -> Option<String> {
    let (content, parts) = (text_of(&message["content"]), text_of(&message["parts"]));
    let text = if content.is_empty() { parts } else { content };
    (message["role"] == "user" && !text.is_empty()).then_some(text)
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn tool_result(message: &Value) -> Option<String> {
    if message["role"] == "tool" {
        return Some(text_of(&message["content"]));
    }
    if message["type"] == "function_call_output" {
        return Some(text_of(&message["output"]));
    }
    if let Some(parts) = message["parts"].as_array() {
        let answered = parts.iter().map(|part| &part["functionResponse"]["response"]);
        return answered.into_iter().find(|response| !response.is_null()).map(Value::to_string);
    }
    let parts = message["content"].as_array()?;
    let result = parts.iter().find(|part| part["type"] == "tool_result")?;
    Some(text_of(&result["content"]))
}
