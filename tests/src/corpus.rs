//! Recorded traffic to test with: the corpus where `GATEWAY_CORPUS` names one, else streams of our own making.

use std::path::{Path, PathBuf};

use gateway::simulate::{Playback, Step};

/// One recorded streamed answer.
pub struct Recording {
    /// Which one, for messages.
    pub id: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Recording {
    /// The body in pieces of one event each, with its empty line; an unterminated end is a piece too.
    pub fn events(&self) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        let mut rest = &self.body[..];
        while !rest.is_empty() {
            let ends = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"];
            let end = ends.iter().filter_map(|end| Some(memchr::memmem::find(rest, end)? + end.len())).min();
            let (piece, left) = rest.split_at(end.unwrap_or(rest.len()));
            pieces.push(piece);
            rest = left;
        }
        pieces
    }

    /// Steps that play it as a chunked answer, one chunk an event.
    pub fn steps(&self, head: &str) -> Vec<Step> {
        Playback::chunked_steps(head, &self.events())
    }
}

/// The streams of a family (`openai_chat`, `openai_responses`, `anthropic_messages`, `gemini`), at least one.
///
/// # Panics
/// In CI when the corpus is not there, and when it has no stream of that family.
pub fn streams(family: &str) -> Vec<Recording> {
    let Some(corpus) = folder() else { return vec![own(family)] };
    let cases = std::fs::read_dir(corpus.join("traffic").join(family)).expect("GATEWAY_CORPUS holds traffic");
    let mut found: Vec<Recording> = cases
        .filter_map(|case| {
            let case = case.ok()?;
            let body = std::fs::read(case.path().join("response.sse")).ok()?;
            Some(Recording { id: case.file_name().to_string_lossy().into_owned(), body })
        })
        .collect();
    assert!(!found.is_empty(), "no streams of {family} in the corpus");
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// What servers said in recorded WebSocket sessions: of each session its id and the messages, at least one session.
///
/// # Panics
/// As [`streams`].
pub fn sessions() -> Vec<(String, Vec<String>)> {
    let own = r#"{"type":"session.created","session":{"id":"sess_1","voice":"alloy"}}
                 {"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"gr\u00fc\u00df"}"#;
    let Some(corpus) = folder() else {
        return vec![("own".into(), own.lines().map(|line| line.trim().to_owned()).collect())];
    };
    let cases = std::fs::read_dir(corpus.join("traffic/realtime_ws")).expect("GATEWAY_CORPUS holds traffic");
    let server = |line: &str| {
        let frame: serde_json::Value = serde_json::from_str(line).expect("a frame a line");
        (frame["dir"] == "server").then(|| frame["data"].to_string())
    };
    let mut found: Vec<(String, Vec<String>)> = cases
        .filter_map(|case| {
            let case = case.ok()?;
            let frames = std::fs::read_to_string(case.path().join("frames.jsonl")).ok()?;
            let id = case.file_name().to_string_lossy().into_owned();
            Some((id, frames.lines().filter_map(server).collect()))
        })
        .collect();
    assert!(!found.is_empty(), "no WebSocket sessions in the corpus");
    found.sort();
    found
}

fn folder() -> Option<PathBuf> {
    match std::env::var_os("GATEWAY_CORPUS") {
        Some(folder) => {
            assert!(Path::new(&folder).is_dir(), "GATEWAY_CORPUS is set but there is no such folder");
            Some(folder.into())
        }
        None => {
            assert!(std::env::var_os("CI").is_none(), "in CI the corpus must be there: set GATEWAY_CORPUS");
            None
        }
    }
}

/// A stream of our own making, with what recordings have: comments, odd spacing, escapes, several lines, no end.
fn own(family: &str) -> Recording {
    let body = match family {
        "anthropic_messages" => {
            "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\
             \"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\r\n\r\n\
             event: content_block_start\r\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\r\n\r\n\
             event: content_block_delta\r\ndata: {\"type\": \"content_block_delta\", \"index\": 0, \"delta\": {\"type\": \"text_delta\", \"text\": \"gr\\u00fc\\u00df \\ud83d\\ude00\"}}\r\n\r\n\
             event: content_block_stop\r\ndata: {\"type\":\"content_block_stop\",\"index\":0}\r\n\r\n\
             event: message_delta\r\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4}}\r\n\r\n\
             event: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n"
        }
        "openai_responses" => {
            "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"m\",\"output\":[]}}\n\n\
             event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[]}}\n\n\
             event: response.output_text.delta\ndata: {\"type\": \"response.output_text.delta\", \"output_index\": 0, \"content_index\": 0, \"delta\": \"gr\\u00fc\\u00df\"}\n\n\
             event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":\"gr\\u00fc\\u00df\"}\n\n\
             event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n"
        }
        "gemini" => {
            "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"gr\\u00fc\\u00df\"}],\"role\": \"model\"}}],\"modelVersion\": \"m\"}\r\n\r\n\
             data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\",\"thoughtSignature\": \"c2ln\"}]},\"finishReason\": \"STOP\"}],\
             \"usageMetadata\": {\"promptTokenCount\": 3,\"candidatesTokenCount\": 2}}\r\n\r\n"
        }
        _ => {
            ": a comment first\n\ndata: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
             data:  {\"id\": \"c1\", \"choices\": [{\"index\": 0, \"delta\": {\"content\": \"na\\u00efve \\/ \\\"q\\\"\"}}]}\n\n\
             data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" done\"},\"finish_reason\":null}]}\n\n\
             data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n\
             data: [DONE]"
        }
    };
    Recording { id: "own".into(), body: body.as_bytes().to_vec() }
}
