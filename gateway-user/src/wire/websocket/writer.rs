//! Messages into the bytes of one direction: in their own frames while that is exact, else in new ones.

use bytes::BytesMut;

use super::{Frame, Kind, Message, Opcode, Side};

/// Gives a mask nobody can foresee (RFC 6455 §5.3).
pub type FreshMask = fn() -> [u8; 4];

/// Longest reason of a close frame, in bytes (RFC 6455 §5.5).
const LONGEST_REASON: usize = 123;

/// Writes one direction.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    side: Side,
    /// The receiver's decoder carries its window from message to message.
    keeps_context: bool,
    /// The receiver lacks a compressed message: what comes compressed from now on would not decode there.
    diverged: bool,
    mask: FreshMask,
}

impl Writer {
    /// A writer in the place of `side`. `keeps_context`: messages of this side may refer to earlier ones.
    pub fn new(side: Side, keeps_context: bool, mask: FreshMask) -> Writer {
        Writer { side, keeps_context, diverged: false, mask }
    }

    /// Hands on a message nothing changed: byte for byte, unless the receiver could not decode that any more.
    pub fn pass(&mut self, message: &Message, out: &mut BytesMut) {
        if message.compressed && self.diverged {
            self.insert(message.kind, &message.payload, out);
        } else {
            out.extend_from_slice(&message.raw);
        }
    }

    /// Sends `payload` in the place of a message.
    pub fn replace(&mut self, message: &Message, payload: &[u8], out: &mut BytesMut) {
        self.leave_out(message);
        self.insert(message.kind, payload, out);
    }

    /// A message that is not sent.
    pub fn leave_out(&mut self, message: &Message) {
        self.diverged |= message.compressed && self.keeps_context;
    }

    /// Sends a message of our own.
    pub fn insert(&mut self, kind: Kind, payload: &[u8], out: &mut BytesMut) {
        let frame =
            Frame { fin: true, compressed: false, opcode: kind.opcode(), mask: self.fresh(), payload };
        frame.write(out);
    }

    /// Ends the connection; a reason that is too long is cut.
    pub fn close(&mut self, code: u16, reason: &str, out: &mut BytesMut) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(LONGEST_REASON)]);
        let mask = self.fresh();
        Frame { fin: true, compressed: false, opcode: Opcode::Close, mask, payload: &payload }.write(out);
    }

    fn fresh(&self) -> Option<[u8; 4]> {
        (self.side == Side::Client).then(self.mask)
    }
}
