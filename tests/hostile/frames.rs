//! HTTP/2 frames as a hostile client writes them: byte by byte, with no library that would object (RFC 9113, RFC 7541).

use gateway_tests::PATIENCE;
use gateway_tests::http::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Frame types (RFC 9113 §6).
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GO_AWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const DATA: u8 = 0;

/// Flags.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The largest frame a peer must take without being asked (RFC 9113 §4.2).
pub const LARGEST: usize = 16_384;

/// One HTTP/2 connection.
pub struct Frames {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

impl Frames {
    /// Sends the preface and empty settings.
    pub async fn open(stream: Box<dyn Stream>) -> Frames {
        let mut frames = Frames { stream, read: Vec::new() };
        let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat();
        frames.send(&preface).await.expect("a fresh connection takes bytes");
        frames
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the gateway has closed the connection.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(PATIENCE, written).await.expect("the gateway reads on or closes")
    }

    /// The type of the next frame; none once the gateway has closed the connection.
    pub async fn next(&mut self) -> Option<u8> {
        while self.read.len() < 9 || self.read.len() < 9 + self.length() {
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read));
            if !matches!(read.await.expect("the gateway answers or closes"), Ok(1..)) {
                return None;
            }
        }
        let rest = self.read.split_off(9 + self.length());
        Some(std::mem::replace(&mut self.read, rest)[3])
    }

    /// Reads until the gateway says GOAWAY or closes: whether it gave this connection up.
    pub async fn is_given_up(&mut self) -> bool {
        loop {
            match self.next().await {
                None => return true,
                Some(GO_AWAY) => return true,
                Some(_) => {}
            }
        }
    }

    fn length(&self) -> usize {
        u32::from_be_bytes([0, self.read[0], self.read[1], self.read[2]]) as usize
    }
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The header block of a POST to `path` of `authority`: static table entries and literals that are not indexed.
pub fn post(authority: &str, path: &str) -> Vec<u8> {
    // :method POST, :scheme https, then :path and :authority by their names' places in the static table.
    let mut block = vec![0x83, 0x87, 0x04];
    literal(&mut block, path);
    block.push(0x01);
    literal(&mut block, authority);
    block
}

/// A string of fewer than 127 bytes, without Huffman coding (RFC 7541 §5.2).
pub fn literal(block: &mut Vec<u8>, text: &str) {
    block.push(u8::try_from(text.len()).ok().filter(|&length| length < 127).expect("a short literal"));
    block.extend(text.as_bytes());
}
