//! Plays raw HTTP/1.1 replies, byte for byte as given: recorded streams, and replies no library would write.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::log::Outcome;
use super::server::{Shared, Stream};

/// Largest request head that is read: 2 MiB, above what any test sends.
const MOST_HEAD: usize = 2 << 20;
/// Largest request body that is read: 64 MiB.
const MOST_BODY: usize = 64 << 20;

/// One thing to do with the connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write these bytes in one go.
    Write(Vec<u8>),
    /// Write these bytes so many times.
    Repeat(Vec<u8>, usize),
    /// Wait.
    Pause(Duration),
    /// Wait until the test adds a permit, and use it up.
    Gate(Arc<Semaphore>),
    /// Send back what comes, until the caller closes (after `101 Switching Protocols`).
    Echo,
    /// Break the TCP connection with a reset.
    Reset,
    /// Close the connection without more ado (no TLS close).
    Close,
}

/// Replies to come, one list of steps per request. When one is left it answers every later request too.
#[derive(Debug, Default)]
pub struct Playback(Mutex<VecDeque<Vec<Step>>>);

impl Playback {
    /// Plays `replies` in their order.
    pub fn new(replies: impl IntoIterator<Item = Vec<Step>>) -> Playback {
        Playback(Mutex::new(replies.into_iter().collect()))
    }

    /// One reply for every request: a head, then the body in the given pieces, as chunks of chunked coding.
    pub fn chunked(head: &str, pieces: &[&[u8]]) -> Playback {
        Playback::new([Playback::chunked_steps(head, pieces)])
    }

    /// The steps of such a reply: `head` ends before the empty line, and each piece is one chunk and one write.
    pub fn chunked_steps(head: &str, pieces: &[&[u8]]) -> Vec<Step> {
        let mut steps = vec![Step::Write(format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes())];
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            let framed = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            steps.push(Step::Write(framed));
        }
        steps.push(Step::Write(b"0\r\n\r\n".to_vec()));
        steps
    }

    /// One reply for every request: a head and a body of known length.
    pub fn whole(head: &str, body: &[u8]) -> Playback {
        let head = format!("{head}content-length: {}\r\n\r\n", body.len());
        Playback::new([vec![Step::Write([head.as_bytes(), body].concat())]])
    }

    /// Takes the place of what is left to play.
    pub fn replace(&self, replies: impl IntoIterator<Item = Vec<Step>>) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = replies.into_iter().collect();
    }

    fn next(&self) -> Vec<Step> {
        let mut left = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if left.len() > 1 { left.pop_front() } else { left.front().cloned() }.unwrap_or_default()
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(mut stream: Box<dyn Stream>, shared: &Shared, play: &Playback, connection: u64) {
    let mut buffer = Vec::new();
    while let Ok(Some(request)) = read_request(&mut stream, &mut buffer).await {
        let Ok((parts, body)) = request_parts(&request) else { return };
        let number = shared.log.add(connection, &parts, body);
        let outcome = reply(&mut stream, play.next(), shared, number).await;
        let done = matches!(outcome, Ok(Outcome::Finished));
        shared.log.update(number, |entry| entry.outcome = outcome.unwrap_or(Outcome::Cancelled));
        if !done {
            return;
        }
    }
}

async fn reply(
    stream: &mut Box<dyn Stream>,
    steps: Vec<Step>,
    shared: &Shared,
    number: Option<usize>,
) -> io::Result<Outcome> {
    for step in steps {
        let (bytes, times) = match step {
            Step::Write(bytes) => (bytes, 1),
            Step::Repeat(bytes, times) => (bytes, times),
            Step::Pause(time) => {
                wait(stream, time).await?;
                continue;
            }
            Step::Gate(gate) => {
                gate.acquire().await.map_err(io::Error::other)?.forget();
                continue;
            }
            Step::Echo => return echo(stream).await,
            Step::Reset => {
                stream.reset_on_close()?;
                return Ok(Outcome::Reset);
            }
            Step::Close => return Ok(Outcome::Reset),
        };
        for _ in 0..times {
            shared.log.update(number, |entry| entry.sent.extend_from_slice(&bytes));
            stream.write_all(&bytes).await?;
            stream.flush().await?;
        }
    }
    Ok(Outcome::Finished)
}

/// Sends back what comes until the caller closes.
async fn echo(stream: &mut Box<dyn Stream>) -> io::Result<Outcome> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(Outcome::Finished),
            count => stream.write_all(&buffer[..count]).await?,
        }
        stream.flush().await?;
    }
}

/// Waits, but not longer than the caller stays.
async fn wait(stream: &mut Box<dyn Stream>, time: Duration) -> io::Result<()> {
    let mut byte = [0; 1];
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        read = stream.read(&mut byte) => match read {
            Ok(1..) => Err(io::Error::other("a pipelined request during a pause")),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => Err(error),
        },
    }
}

/// Reads one request, head and body as they came; what follows it stays in `buffer`.
async fn read_request(stream: &mut Box<dyn Stream>, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let head = loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() > MOST_HEAD || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name).map(|rest| rest.trim().to_owned()));
    if value("expect:").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        stream.flush().await?;
    }
    let chunked = value("transfer-encoding:").is_some_and(|coding| coding.contains("chunked"));
    let length = value("content-length:").and_then(|count| count.parse().ok()).unwrap_or(0usize);
    let end = loop {
        let end = if chunked {
            memchr::memmem::find(&buffer[head..], b"0\r\n\r\n").map(|at| head + at + 5)
        } else {
            Some(head + length).filter(|end| *end <= buffer.len())
        };
        match end {
            Some(end) => break end,
            None if buffer.len() > MOST_BODY || stream.read_buf(buffer).await? == 0 => return Ok(None),
            None => {}
        }
    };
    let rest = buffer.split_off(end);
    Ok(Some(std::mem::replace(buffer, rest)))
}

/// The head of a request in the form the log keeps, and the body as it stands on the wire.
fn request_parts(request: &[u8]) -> Result<(http::request::Parts, &[u8]), http::Error> {
    let end = memchr::memmem::find(request, b"\r\n\r\n").map_or(request.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&request[..end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or("").split(' ');
    let mut builder =
        http::Request::builder().method(words.next().unwrap_or("")).uri(words.next().unwrap_or("/"));
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        builder = builder.header(name, value.trim());
    }
    Ok((builder.body(())?.into_parts().0, &request[end..]))
}
