//! Decides whether bytes are a DNS host name that may be asked for and connected to.

/// Checks a host name as RFC 6066 §3 wants it in a hello and gives it in lower case.
///
/// Labels are 1 to 63 letters, digits, `-` and `_` (seen in container networks), the whole at most 253 bytes.
/// Refused: NUL and any other byte, a trailing dot, a label that begins or ends with `-`, and everything that
/// a resolver may take for an IP address (a last label of digits or of `0x…`).
pub fn host_name(bytes: &[u8]) -> Result<String, &'static str> {
    if bytes.is_empty() || bytes.len() > 253 {
        return Err("a host name has 1 to 253 bytes");
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !bytes.iter().all(allowed) {
        return Err("the host name holds a byte that no DNS name may hold");
    }
    let well_formed =
        |label: &[u8]| (1..=63).contains(&label.len()) && !label.starts_with(b"-") && !label.ends_with(b"-");
    if !bytes.split(|byte| *byte == b'.').all(well_formed) {
        return Err("a label of the host name is empty, too long, or begins or ends with a dash");
    }
    let name: String = bytes.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the host name is an IP address, which RFC 6066 forbids here");
    }
    Ok(name)
}
