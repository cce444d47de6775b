//! A Realtime session: items are taken, and each `response.create` is answered with speech and its transcript.
//!
//! Source: <https://platform.openai.com/docs/api-reference/realtime-server-events>.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::kind;
use super::peer::Peer;
use super::{Outcome, Socket, setting};
use crate::simulate::ask::Ask;
use crate::wire::websocket::Kind;

/// Bytes of sound per word; what they are does not matter.
const SOUND: [u8; 480] = [0x5A; 480];

/// Serves one connection.
pub(super) async fn serve(socket: &Socket, peer: &mut Peer) -> io::Result<()> {
    let model = setting(&socket.parts, "model").unwrap_or("gpt-realtime").to_owned();
    let session = json!({"type": "realtime", "id": "sess_sim1", "model": model});
    let created = json!({"type": "session.created", "event_id": "event_sim0", "session": session});
    peer.send(Kind::Text, created.to_string().as_bytes()).await?;
    let mut said = String::new();
    while let Some(message) = peer.next().await? {
        let number = socket.log(&message.payload);
        let mut session = Session { socket, peer, number, model: &model };
        let asked: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        match kind(&asked) {
            "session.update" => {
                session.send(json!({"type": "session.updated", "session": asked["session"]})).await?
            }
            "conversation.item.create" => {
                said = asked["item"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
                session.send(json!({"type": "conversation.item.added", "item": asked["item"]})).await?;
            }
            "response.create" => session.answer(&said, message.payload.len()).await?,
            "input_audio_buffer.append" => {}
            other => {
                let error = json!({"type": "invalid_request_error", "message": format!("no {other} here")});
                session.send(json!({"type": "error", "error": error})).await?;
            }
        }
        socket.done(number, Outcome::Finished);
    }
    Ok(())
}

/// What a message is answered through.
struct Session<'a> {
    socket: &'a Socket,
    peer: &'a mut Peer,
    number: Option<usize>,
    model: &'a str,
}

impl Session<'_> {
    async fn send(&mut self, event: Value) -> io::Result<()> {
        let payload = event.to_string();
        self.peer.send(Kind::Text, payload.as_bytes()).await?;
        self.socket.sent(self.number, payload.as_bytes());
        Ok(())
    }

    /// Speech, and its transcript word by word.
    async fn answer(&mut self, said: &str, length: usize) -> io::Result<()> {
        let request = json!({"model": self.model, "input": said}).to_string();
        let ask = Ask::read("/v1/realtime", request.as_bytes(), None).map_err(io::Error::other)?;
        let place = |kind: &str| json!({"type": kind, "response_id": "resp_sim1", "item_id": "item_sim1", "output_index": 0, "content_index": 0});
        let with = |kind: &str, field: &str, value: Value| {
            let mut event = place(kind);
            event[field] = value;
            event
        };
        let response =
            json!({"object": "realtime.response", "id": "resp_sim1", "status": "in_progress", "output": []});
        self.send(json!({"type": "response.created", "response": response})).await?;
        let item = json!({"id": "item_sim1", "type": "message", "role": "assistant", "status": "in_progress", "content": []});
        self.send(json!({"type": "response.output_item.added", "output_index": 0, "item": item})).await?;
        let pieces = ask.pieces();
        for piece in &pieces {
            if !self.peer.pause(ask.script.pace).await {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            self.send(with("response.output_audio_transcript.delta", "delta", json!(piece))).await?;
            self.send(with("response.output_audio.delta", "delta", json!(STANDARD.encode(SOUND)))).await?;
        }
        let text = pieces.concat();
        self.send(place("response.output_audio.done")).await?;
        self.send(with("response.output_audio_transcript.done", "transcript", json!(text))).await?;
        let content = json!([{"type": "output_audio", "transcript": text}]);
        let item = json!({"id": "item_sim1", "type": "message", "role": "assistant", "status": "completed", "content": content});
        self.send(json!({"type": "response.output_item.done", "output_index": 0, "item": item})).await?;
        let (input, output) = (length.div_ceil(4), pieces.len());
        let usage = json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output});
        let response = json!({"object": "realtime.response", "id": "resp_sim1", "status": "completed", "output": [item], "usage": usage});
        self.send(json!({"type": "response.done", "response": response})).await
    }
}
