//! A session of Gemini's Live API: each turn of the client is answered with text, and its transcript.
//!
//! Source: <https://ai.google.dev/api/live>.

use std::io;

use serde_json::{Value, json};

use super::peer::Peer;
use super::{Outcome, Socket};
use crate::simulate::ask::Ask;
use crate::wire::websocket::Kind;

/// Serves one connection.
pub(super) async fn serve(socket: &Socket, peer: &mut Peer) -> io::Result<()> {
    let mut model = String::new();
    while let Some(message) = peer.next().await? {
        let number = socket.log(&message.payload);
        let asked: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        let mut replies = Vec::new();
        if let Some(named) = asked["setup"]["model"].as_str() {
            model = named.trim_start_matches("models/").to_owned();
            replies.push(json!({"setupComplete": {}}));
        }
        if asked["clientContent"]["turnComplete"] == true {
            replies.extend(answer(&model, &asked["clientContent"]["turns"], message.payload.len())?);
        }
        for reply in replies {
            let payload = reply.to_string();
            peer.send(Kind::Text, payload.as_bytes()).await?;
            socket.sent(number, payload.as_bytes());
        }
        socket.done(number, Outcome::Finished);
    }
    Ok(())
}

/// The messages that answer a turn of `length` bytes.
fn answer(model: &str, turns: &Value, length: usize) -> io::Result<Vec<Value>> {
    let request = json!({"model": model, "contents": turns}).to_string();
    let ask = Ask::read("/ws/live", request.as_bytes(), None).map_err(io::Error::other)?;
    let pieces = ask.pieces();
    let say = |text: &String| {
        [
            json!({"serverContent": {"modelTurn": {"role": "model", "parts": [{"text": text}]}}}),
            json!({"serverContent": {"outputTranscription": {"text": text}}}),
        ]
    };
    let mut messages: Vec<Value> = pieces.iter().flat_map(say).collect();
    messages.push(json!({"serverContent": {"generationComplete": true}}));
    let (input, output) = (length.div_ceil(4), pieces.len());
    let usage =
        json!({"promptTokenCount": input, "responseTokenCount": output, "totalTokenCount": input + output});
    messages.push(json!({"serverContent": {"turnComplete": true}, "usageMetadata": usage}));
    Ok(messages)
}
