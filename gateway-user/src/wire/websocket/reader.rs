//! Messages and control frames out of the bytes of one direction.

use bytes::{Bytes, BytesMut};

use super::deflate::Inflater;
use super::{Head, Kind, Opcode, Side, WebSocketError, apply_mask};

/// Most frames one message may come in; so that heads cannot outweigh what they carry.
pub const MOST_FRAMES: u32 = 1 << 17;

/// How a direction is read.
#[derive(Clone, Copy, Debug)]
pub struct ReaderOptions {
    /// Who writes it.
    pub from: Side,
    /// Most bytes of one message, compressed or not.
    pub most: u64,
    /// Messages may be compressed; whether the compressor carries its window from one to the next.
    pub deflate: Option<bool>,
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is made of.
    pub kind: Kind,
    /// Its frames, byte for byte as they came, without control frames between them.
    pub raw: Bytes,
    /// What they carry: unmasked, assembled, decompressed.
    pub payload: Bytes,
    /// It came compressed.
    pub compressed: bool,
}

/// A control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Close, ping or pong.
    pub opcode: Opcode,
    /// The frame as it came.
    pub raw: Bytes,
    /// The code of a close frame that has one (RFC 6455 §7.4).
    pub code: Option<u16>,
}

/// What a direction brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message; all its frames have come.
    Message(Message),
    /// A control frame.
    Control(Control),
}

/// Reads one direction. Read bytes into [`Reader::buffer`], take what is complete with [`Reader::next_incoming`].
///
/// Held in memory are one message, at most [`ReaderOptions::most`] bytes of frames and as many decoded, and what was
/// read ahead.
pub struct Reader {
    options: ReaderOptions,
    inflater: Option<Inflater>,
    buffer: BytesMut,
    open: Option<Open>,
    /// The frame that could not be read, where it belongs to no open message.
    failed: Bytes,
    closed: bool,
}

/// A message whose last frame has not come.
struct Open {
    kind: Kind,
    compressed: bool,
    raw: BytesMut,
    /// Unmasked; empty while the message is decompressed.
    payload: Vec<u8>,
    frames: u32,
}

impl Reader {
    /// A reader before the first byte.
    pub fn new(options: ReaderOptions) -> Reader {
        let inflater = options.deflate.map(|keeps| Inflater::new(keeps, options.most));
        Reader { options, inflater, buffer: BytesMut::new(), open: None, failed: Bytes::new(), closed: false }
    }

    /// Where the next bytes are to be appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next message or control frame; `None` until more bytes have come, and for ever behind a close frame.
    ///
    /// # Errors
    /// What breaks RFC 6455 or RFC 7692, or passes a bound. The reader is of no use after it but for
    /// [`Reader::rest`].
    pub fn next_incoming(&mut self) -> Result<Option<Incoming>, WebSocketError> {
        while !self.closed {
            let Some(head) = Head::read(&self.buffer)? else { return Ok(None) };
            self.check(&head)?;
            // `check` has bounded the payload.
            let size = head.size + head.payload as usize;
            if self.buffer.len() < size {
                self.buffer.reserve(size - self.buffer.len());
                return Ok(None);
            }
            if head.opcode.is_control() {
                let raw = self.buffer.split_to(size).freeze();
                let control = self.control(&head, raw.clone()).inspect_err(|_| self.failed = raw)?;
                return Ok(Some(Incoming::Control(control)));
            }
            if let Some(message) = self.data(&head, size)? {
                return Ok(Some(Incoming::Message(message)));
            }
        }
        self.buffer.clear();
        Ok(None)
    }

    /// Everything that was read and not handed out: the frames of an unfinished message, what could not be read, and
    /// what came after.
    pub fn rest(&mut self) -> Bytes {
        let mut rest = self.open.take().map(|open| open.raw).unwrap_or_default();
        rest.extend_from_slice(&std::mem::take(&mut self.failed));
        rest.extend_from_slice(&self.buffer);
        self.buffer.clear();
        rest.freeze()
    }

    fn check(&self, head: &Head) -> Result<(), WebSocketError> {
        if head.mask.is_some() != (self.options.from == Side::Client) {
            return Err(WebSocketError::Protocol("clients mask their frames and servers do not"));
        }
        if head.opcode.is_control() {
            return Ok(());
        }
        let continues = head.opcode == Opcode::Continuation;
        if continues != self.open.is_some() {
            return Err(WebSocketError::Protocol("a message that starts or continues where it may not"));
        }
        if head.compressed && (continues || self.inflater.is_none()) {
            return Err(WebSocketError::Protocol("a reserved bit is set"));
        }
        // What came before holds its heads as well.
        let before = self.open.as_ref().map_or(0, |open| (open.raw.len() as u64).saturating_sub(HEADS));
        if head.payload.saturating_add(before) > self.options.most {
            return Err(WebSocketError::TooLarge(self.options.most));
        }
        Ok(())
    }

    fn control(&mut self, head: &Head, raw: Bytes) -> Result<Control, WebSocketError> {
        let mut code = None;
        if head.opcode == Opcode::Close {
            self.closed = true;
            let mut payload = raw[head.size..].to_vec();
            apply_mask(&mut payload, head.mask.unwrap_or_default());
            code = close_code(&payload)?;
        }
        Ok(Control { opcode: head.opcode, raw, code })
    }

    /// Takes a data frame of `size` bytes; gives the message it completes.
    fn data(&mut self, head: &Head, size: usize) -> Result<Option<Message>, WebSocketError> {
        let raw = self.buffer.split_to(size).freeze();
        let kind = if head.opcode == Opcode::Binary { Kind::Binary } else { Kind::Text };
        if head.fin && self.open.is_none() {
            let message = self.single(head, kind, raw.clone()).inspect_err(|_| self.failed = raw)?;
            return Ok(Some(message));
        }
        let mut open = self.open.take().unwrap_or_else(|| Open {
            kind,
            compressed: head.compressed,
            raw: BytesMut::new(),
            payload: Vec::new(),
            frames: 0,
        });
        open.raw.extend_from_slice(&raw);
        let payload = self.part(&mut open, head, &raw);
        // Until it is whole and checked its frames are kept.
        let Ok(Some(payload)) = payload else {
            self.open = Some(open);
            return payload.map(|_| None);
        };
        let Open { kind, compressed, raw, .. } = open;
        Ok(Some(Message { kind, raw: raw.freeze(), payload, compressed }))
    }

    /// Takes a frame's part of an open message; gives the whole payload behind the last.
    fn part(&mut self, open: &mut Open, head: &Head, raw: &Bytes) -> Result<Option<Bytes>, WebSocketError> {
        open.frames += 1;
        if open.frames > MOST_FRAMES {
            return Err(WebSocketError::TooManyFrames(MOST_FRAMES));
        }
        let mut inflater = self.inflater.as_mut().filter(|_| open.compressed);
        match &mut inflater {
            None => {
                let start = open.payload.len();
                open.payload.extend_from_slice(&raw[head.size..]);
                apply_mask(&mut open.payload[start..], head.mask.unwrap_or_default());
            }
            Some(inflater) => inflater.push(&unmasked(head, raw))?,
        }
        if open.payload.len() as u64 > self.options.most {
            return Err(WebSocketError::TooLarge(self.options.most));
        }
        if !head.fin {
            return Ok(None);
        }
        let payload = match inflater {
            Some(inflater) => inflater.finish()?,
            None => std::mem::take(&mut open.payload).into(),
        };
        checked(open.kind, payload).map(Some)
    }

    /// A message of one frame: not copied unless it is masked or compressed.
    fn single(&mut self, head: &Head, kind: Kind, raw: Bytes) -> Result<Message, WebSocketError> {
        let mut payload = unmasked(head, &raw);
        if let Some(inflater) = self.inflater.as_mut().filter(|_| head.compressed) {
            inflater.push(&payload)?;
            payload = inflater.finish()?;
        }
        Ok(Message { kind, raw, payload: checked(kind, payload)?, compressed: head.compressed })
    }
}

/// What the heads of [`MOST_FRAMES`] frames may take beside their payloads.
const HEADS: u64 = MOST_FRAMES as u64 * 14;

/// The payload of a whole frame.
fn unmasked(head: &Head, raw: &Bytes) -> Bytes {
    let Some(key) = head.mask else { return raw.slice(head.size..) };
    let mut payload = raw[head.size..].to_vec();
    apply_mask(&mut payload, key);
    payload.into()
}

fn checked(kind: Kind, payload: Bytes) -> Result<Bytes, WebSocketError> {
    if kind == Kind::Text && std::str::from_utf8(&payload).is_err() {
        return Err(WebSocketError::NotText);
    }
    Ok(payload)
}

/// The code in a close frame's payload (RFC 6455 §5.5.1 and §7.4.1).
fn close_code(payload: &[u8]) -> Result<Option<u16>, WebSocketError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        let empty = payload.is_empty();
        return if empty { Ok(None) } else { Err(WebSocketError::Protocol("a close frame of one byte")) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(WebSocketError::Protocol("a close code that may not be sent"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(WebSocketError::NotText);
    }
    Ok(Some(code))
}
