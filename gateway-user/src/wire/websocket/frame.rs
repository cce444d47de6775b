//! Frames: their head read, whole ones written, masks applied (RFC 6455 §5.2 and §5.3).

use bytes::BytesMut;

use super::WebSocketError;

/// Longest head of a frame: two bytes, a 64-bit length, a mask.
const LONGEST_HEAD: usize = 14;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message that runs.
    Continuation,
    /// The start of a text message.
    Text,
    /// The start of a binary message.
    Binary,
    /// The end of the connection.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping, or stands alone.
    Pong,
}

impl Opcode {
    /// Whether it may stand between the frames of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    fn read(bits: u8) -> Result<Opcode, WebSocketError> {
        Ok(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(WebSocketError::Protocol("an opcode that is reserved")),
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last frame of its message.
    pub fin: bool,
    /// The first reserved bit: the message is compressed (RFC 7692 §6).
    pub compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key its payload is masked with.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub payload: u64,
    /// Bytes of the head itself.
    pub size: usize,
}

impl Head {
    /// Reads the head at the start of `bytes`; `None` when more of it has to come.
    ///
    /// # Errors
    /// Reserved bits and opcodes, a length of 2⁶³ or more, and control frames that are fragmented or longer than 125.
    pub fn read(bytes: &[u8]) -> Result<Option<Head>, WebSocketError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & 0x30 != 0 {
            return Err(WebSocketError::Protocol("a reserved bit is set"));
        }
        let opcode = Opcode::read(first & 0x0F)?;
        let (fin, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
        let short = second & 0x7F;
        if opcode.is_control() && (!fin || compressed || short > 125) {
            return Err(WebSocketError::Protocol(
                "a control frame that is fragmented, compressed or too long",
            ));
        }
        let (payload, length) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        if payload >> 63 != 0 {
            return Err(WebSocketError::Protocol("a length with its highest bit set"));
        }
        let mut size = 2 + length;
        let mask = if second & 0x80 == 0 {
            None
        } else {
            let Some(key) = rest[length..].first_chunk::<4>() else { return Ok(None) };
            size += 4;
            Some(*key)
        };
        Ok(Some(Head { fin, compressed, opcode, mask, payload, size }))
    }
}

/// A frame to be written.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The last frame of its message.
    pub fin: bool,
    /// Its message is compressed; set on the first frame only.
    pub compressed: bool,
    /// What it is.
    pub opcode: Opcode,
    /// The key to mask it with.
    pub mask: Option<[u8; 4]>,
    /// Its payload, not masked yet.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Appends the frame, with the shortest form of its length, to `out`.
    pub fn write(&self, out: &mut BytesMut) {
        out.reserve(LONGEST_HEAD + self.payload.len());
        let bits = u8::from(self.fin) << 7 | u8::from(self.compressed) << 6;
        let masked = u8::from(self.mask.is_some()) << 7;
        let length = self.payload.len();
        match length {
            0..=125 => out.extend_from_slice(&[bits | self.opcode.bits(), masked | length as u8]),
            126..=0xFFFF => {
                out.extend_from_slice(&[bits | self.opcode.bits(), masked | 126]);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                out.extend_from_slice(&[bits | self.opcode.bits(), masked | 127]);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            out.extend_from_slice(&key);
        }
        let start = out.len();
        out.extend_from_slice(self.payload);
        if let Some(key) = self.mask {
            apply_mask(&mut out[start..], key);
        }
    }
}

/// Masks `bytes`, or takes the mask off: it is the same step.
pub fn apply_mask(bytes: &mut [u8], key: [u8; 4]) {
    let mut chunks = bytes.chunks_exact_mut(4);
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}
