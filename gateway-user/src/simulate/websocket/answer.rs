//! Responses over a WebSocket: each `response.create` is answered with the events of the stream, one a message.

use std::io;

use serde_json::Value;

use super::peer::Peer;
use super::{Outcome, Socket};
use crate::simulate::Say;
use crate::simulate::ask::{Ask, quoted};
use crate::simulate::dialect::{Dialect, Said};
use crate::simulate::serve::Part;
use crate::wire::websocket::Kind;

/// Serves one connection.
pub(super) async fn responses(socket: &Socket, peer: &mut Peer) -> io::Result<()> {
    while let Some(message) = peer.next().await? {
        let number = socket.log(&message.payload);
        let path = socket.parts.uri.path();
        let ask = match Ask::read(path, &message.payload, None) {
            Ok(ask) if ask.script.status.is_none() => ask,
            Ok(_) => {
                refuse(socket, peer, number, "the script asked for this error").await?;
                continue;
            }
            Err(what) => {
                refuse(socket, peer, number, &what).await?;
                continue;
            }
        };
        let root: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
        let outcome = write(socket, peer, number, &ask, root["generate"] != false).await;
        socket.done(number, *outcome.as_ref().unwrap_or(&Outcome::Cancelled));
        outcome?;
    }
    Ok(())
}

async fn refuse(socket: &Socket, peer: &mut Peer, number: Option<usize>, what: &str) -> io::Result<()> {
    let error = format!(
        r#"{{"type":"error","status":400,"error":{{"type":"invalid_request_error","message":{}}}}}"#,
        quoted(what)
    );
    peer.send(Kind::Text, error.as_bytes()).await?;
    socket.sent(number, error.as_bytes());
    socket.done(number, Outcome::Finished);
    Ok(())
}

/// Writes one answer, event by event.
async fn write(
    socket: &Socket,
    peer: &mut Peer,
    number: Option<usize>,
    ask: &Ask,
    generates: bool,
) -> io::Result<Outcome> {
    let call = ask.calls_tool();
    let mut said = Said::default();
    put(socket, peer, number, ask, &mut said, if call { Part::ToolOpening } else { Part::Opening }).await?;
    // A warm-up asks for no text.
    let pieces = if generates { ask.pieces() } else { Vec::new() };
    for (count, piece) in pieces.iter().enumerate() {
        if ask.script.reset_after == Some(count) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if ask.script.stop_after == Some(count) {
            return Ok(Outcome::Finished);
        }
        if !peer.pause(ask.script.pace).await {
            return Ok(Outcome::Cancelled);
        }
        let stamp;
        let text = if ask.script.say == Say::Stamps {
            stamp = ask.script.stamp();
            &stamp
        } else {
            piece
        };
        socket.shared.log.tell(number, Some(text));
        let part = if call { Part::ToolArguments(text) } else { Part::Text(text) };
        put(socket, peer, number, ask, &mut said, part).await?;
    }
    put(socket, peer, number, ask, &mut said, Part::Closing { output: pieces.len() as u64 }).await?;
    Ok(Outcome::Finished)
}

async fn put(
    socket: &Socket,
    peer: &mut Peer,
    number: Option<usize>,
    ask: &Ask,
    said: &mut Said,
    part: Part<'_>,
) -> io::Result<()> {
    let events = String::from_utf8(Dialect::Responses.event(ask, part, said)).map_err(io::Error::other)?;
    for payload in events.lines().filter_map(|line| line.strip_prefix("data: ")) {
        peer.send(Kind::Text, payload.as_bytes()).await?;
        socket.sent(number, payload.as_bytes());
    }
    Ok(())
}

/// The kind of a message, as its `type` says.
pub(super) fn kind(message: &Value) -> &str {
    message["type"].as_str().unwrap_or_default()
}
