//! Reads a client's TLS hello from the bytes that have arrived so far, without consuming them.
//!
//! The hello decides whether a connection is opened or relayed, so it is read strictly: what TLS forbids is
//! [`Peek::Malformed`], never guessed at. The caller keeps the bytes and replays them to whoever answers.

mod fields;
mod name;

pub use name::host_name;

/// The most bytes a hello may take, record headers included. Real hellos take 250 to 1,700.
pub const MAX_HELLO_BYTES: usize = 64 * 1024;
/// The most TLS records a hello may be spread over. Real hellos take one or two.
pub const MAX_HELLO_RECORDS: usize = 1024;
/// The most protocols a hello may offer by ALPN. Real hellos offer up to three.
pub const MAX_ALPN_PROTOCOLS: usize = 64;

/// What the bytes at the start of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peek {
    /// A hello as far as it goes; call again when more bytes have arrived.
    NeedMore,
    /// The first bytes are not a TLS handshake record.
    NotTls,
    /// TLS, but not a hello that RFC 8446, RFC 5246 or RFC 6066 allows; says what is wrong.
    Malformed(&'static str),
    /// A whole hello.
    Hello(Hello),
}

/// What a client said in its hello, as far as the gateway decides by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The host name asked for (RFC 6066 §3), lower case; a valid DNS name and never an IP address.
    pub server_name: Option<String>,
    /// The protocols offered by ALPN (RFC 7301), most wanted first; empty when the client sent none.
    pub alpn: Vec<Vec<u8>>,
    /// The client sent an `encrypted_client_hello` extension (RFC 9849). `server_name` is then the outer name.
    /// Also true for the decoy of the same shape that browsers send without a key.
    pub encrypted_client_hello: bool,
    /// How many bytes from the start of the connection the hello takes, record headers included.
    pub bytes: usize,
}

impl Hello {
    /// Whether the client offers this ALPN protocol, such as `b"h2"`.
    pub fn offers(&self, protocol: &[u8]) -> bool {
        self.alpn.iter().any(|offered| offered == protocol)
    }
}

const RECORD_HEADER: usize = 5;
const MAX_RECORD: usize = 16 * 1024;
const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HANDSHAKE_HEADER: usize = 4;

/// Looks at all bytes that have arrived on a connection, from its first.
///
/// Gives [`Peek::NeedMore`] until the hello is whole or can no longer become one. Bytes after the hello are
/// left alone. Bounded by [`MAX_HELLO_BYTES`] and [`MAX_HELLO_RECORDS`]; copies only a hello that is whole.
pub fn peek(bytes: &[u8]) -> Peek {
    let assembled = match assemble(bytes) {
        Ok(assembled) => assembled,
        Err(early) => return early,
    };
    match fields::read(&assembled.body) {
        Ok(fields) => Peek::Hello(Hello {
            server_name: fields.server_name,
            alpn: fields.alpn,
            encrypted_client_hello: fields.encrypted_client_hello,
            bytes: assembled.bytes,
        }),
        Err(wrong) => Peek::Malformed(wrong),
    }
}

/// A hello's handshake body, joined from its records.
struct Assembled {
    body: Vec<u8>,
    bytes: usize,
}

/// Walks the records until they hold the whole handshake message, then joins their payloads.
fn assemble(bytes: &[u8]) -> Result<Assembled, Peek> {
    let mut head = [0u8; HANDSHAKE_HEADER];
    let mut seen = 0;
    let mut at = 0;
    for _ in 0..MAX_HELLO_RECORDS {
        let payload = record_payload(&bytes[at..], at == 0)?;
        if seen < HANDSHAKE_HEADER {
            let take = payload.len().min(HANDSHAKE_HEADER - seen);
            head[seen..seen + take].copy_from_slice(&payload[..take]);
        }
        seen += payload.len();
        let length = message_length(&head[..seen.min(HANDSHAKE_HEADER)])?;
        let Some(whole) = length.map(|length| HANDSHAKE_HEADER + length).filter(|whole| *whole <= seen)
        else {
            // A record that has arrived in part is looked at again when more is there.
            at += RECORD_HEADER + declared(&bytes[at..]);
            if at > MAX_HELLO_BYTES {
                return Err(Peek::Malformed("the hello is longer than 65536 bytes"));
            }
            if at > bytes.len() {
                return Err(Peek::NeedMore);
            }
            continue;
        };
        if seen > whole {
            return Err(Peek::Malformed("bytes follow the hello inside its record"));
        }
        let end = at + RECORD_HEADER + payload.len();
        if end < at + RECORD_HEADER + declared(&bytes[at..]) {
            return Err(Peek::Malformed("bytes follow the hello inside its record"));
        }
        return Ok(Assembled { body: join(&bytes[..end], whole), bytes: end });
    }
    Err(Peek::Malformed("the hello is spread over more than 1024 records"))
}

/// The payload length a record's header declares; 0 while the header is not whole.
fn declared(record: &[u8]) -> usize {
    record.get(3..RECORD_HEADER).map_or(0, |length| usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// Checks a record's header as far as it has arrived and gives what has arrived of its payload.
fn record_payload(record: &[u8], first: bool) -> Result<&[u8], Peek> {
    let foreign = |wrong| if first { Peek::NotTls } else { Peek::Malformed(wrong) };
    if record.first().is_some_and(|kind| *kind != HANDSHAKE_RECORD) {
        return Err(foreign("another record stands inside the hello"));
    }
    if record.get(1).is_some_and(|major| *major != 3) {
        return Err(foreign("a record of the hello has an unknown version"));
    }
    if record.len() < RECORD_HEADER {
        return Err(Peek::NeedMore);
    }
    match declared(record) {
        // RFC 8446 §5.1 forbids empty handshake fragments.
        0 => Err(Peek::Malformed("a record of the hello is empty")),
        length if length > MAX_RECORD => {
            Err(Peek::Malformed("a record of the hello is longer than 16384 bytes"))
        }
        length => Ok(&record[RECORD_HEADER..record.len().min(RECORD_HEADER + length)]),
    }
}

/// The length of the handshake message from its header, `None` while that is not whole.
fn message_length(head: &[u8]) -> Result<Option<usize>, Peek> {
    if head.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(Peek::Malformed("the first handshake message is not a client hello"));
    }
    let [_, high, middle, low] = *head else { return Ok(None) };
    let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if length > MAX_HELLO_BYTES - HANDSHAKE_HEADER - RECORD_HEADER {
        return Err(Peek::Malformed("the hello is longer than 65536 bytes"));
    }
    Ok(Some(length))
}

/// Joins the payloads of whole records and drops the handshake header.
fn join(records: &[u8], whole: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(whole);
    let mut rest = records;
    while rest.len() > RECORD_HEADER {
        let end = RECORD_HEADER + declared(rest);
        message.extend_from_slice(&rest[RECORD_HEADER..end]);
        rest = &rest[end..];
    }
    message.drain(..HANDSHAKE_HEADER);
    message
}

#[cfg(test)]
mod tests;
