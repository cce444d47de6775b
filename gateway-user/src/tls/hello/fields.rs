//! Reads the fields of a whole client hello: server name, ALPN, encrypted client hello.

use super::{MAX_ALPN_PROTOCOLS, name::host_name};

/// What the gateway takes from a hello's body.
#[derive(Default)]
pub(super) struct Fields {
    pub server_name: Option<String>,
    pub alpn: Vec<Vec<u8>>,
    pub encrypted_client_hello: bool,
}

// Extension numbers: IANA "TLS ExtensionType Values".
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
const HOST_NAME: u8 = 0;
/// Real hellos carry up to 20; the bound keeps the search for duplicates small.
const MAX_EXTENSIONS: usize = 128;

type Wrong = &'static str;

/// Reads the body of a client hello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2). Unknown extensions, GREASE values
/// (RFC 8701) and key shares of any size are stepped over.
pub(super) fn read(body: &[u8]) -> Result<Fields, Wrong> {
    let mut rest = Bytes(body);
    rest.take(2 + 32, "the hello ends before its random")?;
    if rest.vector8("the hello ends in its session id")?.0.len() > 32 {
        return Err("the session id is longer than 32 bytes");
    }
    let suites = rest.vector16("the hello ends in its cipher suites")?.0.len();
    if suites == 0 || suites % 2 != 0 {
        return Err("the cipher suites are not a list of pairs of bytes");
    }
    if rest.vector8("the hello ends in its compression methods")?.0.is_empty() {
        return Err("the hello names no compression method");
    }
    if rest.0.is_empty() {
        return Ok(Fields::default());
    }
    let extensions = rest.vector16("the hello ends in its extensions")?;
    if !rest.0.is_empty() {
        return Err("bytes follow the extensions");
    }
    read_extensions(extensions)
}

fn read_extensions(mut extensions: Bytes<'_>) -> Result<Fields, Wrong> {
    let mut fields = Fields::default();
    let mut seen = Vec::with_capacity(24);
    while !extensions.0.is_empty() {
        let kind = extensions.number16("an extension ends in its type")?;
        let content = extensions.vector16("an extension ends in its content")?;
        if seen.contains(&kind) {
            return Err("an extension stands twice");
        }
        if seen.len() == MAX_EXTENSIONS {
            return Err("the hello has more than 128 extensions");
        }
        seen.push(kind);
        match kind {
            SERVER_NAME => fields.server_name = Some(read_server_name(content)?),
            ALPN => fields.alpn = read_alpn(content)?,
            ENCRYPTED_CLIENT_HELLO => fields.encrypted_client_hello = true,
            _ => {}
        }
    }
    Ok(fields)
}

/// RFC 6066 §3: a list with at most one name of each type; only type 0, `host_name`, was ever defined.
fn read_server_name(mut content: Bytes<'_>) -> Result<String, Wrong> {
    let mut names = content.vector16("the server name list is cut short")?;
    if !content.0.is_empty() {
        return Err("bytes follow the server name list");
    }
    if names.take(1, "the server name list is empty")?[0] != HOST_NAME {
        return Err("the server name is of an unknown type");
    }
    let name = names.vector16("the server name is cut short")?;
    if !names.0.is_empty() {
        return Err("more than one server name");
    }
    host_name(name.0)
}

/// RFC 7301 §3.1: a list of non-empty names.
fn read_alpn(mut content: Bytes<'_>) -> Result<Vec<Vec<u8>>, Wrong> {
    let mut list = content.vector16("the ALPN list is cut short")?;
    if !content.0.is_empty() {
        return Err("bytes follow the ALPN list");
    }
    let mut protocols = Vec::with_capacity(2);
    while !list.0.is_empty() {
        let protocol = list.vector8("an ALPN protocol is cut short")?.0;
        if protocol.is_empty() {
            return Err("an ALPN protocol is empty");
        }
        if protocols.len() == MAX_ALPN_PROTOCOLS {
            return Err("the hello offers more than 64 ALPN protocols");
        }
        protocols.push(protocol.to_vec());
    }
    if protocols.is_empty() { Err("the ALPN list is empty") } else { Ok(protocols) }
}

/// Bytes still to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize, wrong: Wrong) -> Result<&'a [u8], Wrong> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(wrong)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number16(&mut self, wrong: Wrong) -> Result<u16, Wrong> {
        let bytes = self.take(2, wrong)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A vector whose length stands before it in one byte.
    fn vector8(&mut self, wrong: Wrong) -> Result<Bytes<'a>, Wrong> {
        let length = usize::from(self.take(1, wrong)?[0]);
        self.take(length, wrong).map(Bytes)
    }

    /// A vector whose length stands before it in two bytes.
    fn vector16(&mut self, wrong: Wrong) -> Result<Bytes<'a>, Wrong> {
        let length = usize::from(self.number16(wrong)?);
        self.take(length, wrong).map(Bytes)
    }
}
