//! Writes a PKCS#12 trust store (RFC 7292), the form in which Java takes a file of trusted roots.
//!
//! It is neither encrypted nor sealed by a password: the certificates are public, and whoever could change the file
//! could change a password-sealed one as well, because the password would stand beside it. Java 8 and newer read such
//! a store whether a password is given or not. Java takes a certificate without a key as trusted only where the bag
//! bears Oracle's attribute `trustedKeyUsage` (JDK-8006591).

use rustls::pki_types::CertificateDer;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
/// `[0] EXPLICIT`.
const EXPLICIT: u8 = 0xa0;

/// pkcs7-data, 1.2.840.113549.1.7.1.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// certBag, 1.2.840.113549.1.12.10.1.3.
const CERT_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03];
/// x509Certificate, 1.2.840.113549.1.9.22.1.
const X509: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
/// friendlyName, 1.2.840.113549.1.9.20: the alias.
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x14];
/// Oracle's trustedKeyUsage, 2.16.840.1.113894.746875.1.1.
const TRUSTED_KEY_USAGE: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 0x01, 0x01];
/// anyExtendedKeyUsage, 2.5.29.37.0.
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

/// A trust store of these roots. The first bears the alias `gateway`, the others `root-1`, `root-2`, ….
pub fn trust_store<'a>(roots: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> Vec<u8> {
    let name = |place: usize| if place == 0 { "gateway".to_owned() } else { format!("root-{place}") };
    let bags: Vec<u8> =
        roots.into_iter().enumerate().flat_map(|(place, root)| bag(&name(place), root)).collect();
    let safe = content(&element(SEQUENCE, &bags));
    let authenticated = content(&element(SEQUENCE, &safe));
    element(SEQUENCE, &[element(INTEGER, &[3]), authenticated].concat())
}

fn bag(alias: &str, root: &CertificateDer<'_>) -> Vec<u8> {
    let value = element(EXPLICIT, &element(OCTET_STRING, root));
    let certificate = element(SEQUENCE, &[identifier(X509), value].concat());
    let alias: Vec<u8> = alias.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attributes = [
        attribute(FRIENDLY_NAME, &element(BMP_STRING, &alias)),
        attribute(TRUSTED_KEY_USAGE, &identifier(ANY_USAGE)),
    ];
    let parts = [identifier(CERT_BAG), element(EXPLICIT, &certificate), element(SET, &attributes.concat())];
    element(SEQUENCE, &parts.concat())
}

fn attribute(name: &[u8], value: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[identifier(name), element(SET, value)].concat())
}

/// A ContentInfo of type data (RFC 5652 §3).
fn content(data: &[u8]) -> Vec<u8> {
    let data = element(EXPLICIT, &element(OCTET_STRING, data));
    element(SEQUENCE, &[identifier(DATA), data].concat())
}

fn identifier(name: &[u8]) -> Vec<u8> {
    element(OBJECT_IDENTIFIER, name)
}

/// Tag, length and content in DER (X.690 §8.1, §10.1).
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut whole = Vec::with_capacity(length + 6);
    whole.push(tag);
    let bytes = length.to_be_bytes();
    match length {
        0..=0x7f => whole.push(bytes[bytes.len() - 1]),
        _ => {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let used = &bytes[zeros..];
            // A length takes at most eight bytes, which fits the seven bits.
            whole.push(0x80 | used.len() as u8);
            whole.extend_from_slice(used);
        }
    }
    whole.extend_from_slice(content);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_der_wants_them() {
        let check = |length: usize, head: &[u8]| {
            let whole = element(OCTET_STRING, &vec![0; length]);
            assert_eq!((&whole[1..=head.len()], whole.len()), (head, 1 + head.len() + length), "{length}");
        };
        check(0, &[0]);
        check(127, &[127]);
        check(128, &[0x81, 128]);
        check(256, &[0x82, 1, 0]);
        check(65_536, &[0x83, 1, 0, 0]);
    }
}
