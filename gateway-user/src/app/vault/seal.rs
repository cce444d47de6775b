//! Entries of the vault as they stand in the store: sealed, and bound to their keys.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

use crate::inspect::tokens::{Code, Kept, Owner, Place, Standing};

/// The first byte of what is sealed; it changes with the layout.
const LAYOUT: u8 = 1;

/// The key of an entry in its tree.
pub(super) fn key(place: Place) -> Vec<u8> {
    [place.owner.0.as_slice(), &place.code.0.to_be_bytes()].concat()
}

/// The entry of a key.
pub(super) fn place(key: &[u8]) -> Option<Place> {
    let (owner, code) = key.split_first_chunk::<16>()?;
    Some(Place { owner: Owner(*owner), code: Code(u64::from_be_bytes(code.try_into().ok()?)) })
}

/// Seals entries with AES-256-GCM (NIST SP 800-38D) and random nonces; the key of the entry is authenticated with it.
pub(super) struct Seal(RandomizedNonceKey);

impl Seal {
    /// With this key.
    ///
    /// # Errors
    /// When the library refuses the cipher.
    pub fn new(key: &[u8; 32]) -> anyhow::Result<Seal> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        Ok(Seal(key.map_err(|_| anyhow::anyhow!("the cipher for tokens cannot be set up"))?))
    }

    /// What to store.
    pub fn close(&self, place: Place, kept: &Kept) -> Option<Vec<u8>> {
        let mut text = write(kept);
        let nonce = self.0.seal_in_place_append_tag(Aad::from(key(place)), &mut text).ok()?;
        Some([nonce.as_ref().as_slice(), &text].concat())
    }

    /// What was stored; `None` if it was written with another key, for another place, or is damaged.
    pub fn open(&self, place: Place, sealed: &[u8]) -> Option<Kept> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        parse(self.0.open_in_place(nonce, Aad::from(key(place)), &mut text).ok()?)
    }
}

/// Layout (1 byte), seconds since 1970 (8, big-endian), standing (1), length of the rule's id (1), that id, value.
fn write(kept: &Kept) -> Vec<u8> {
    let standing = STANDINGS.iter().position(|known| *known == kept.standing).unwrap_or(0) as u8;
    let length = u8::try_from(kept.rule.len()).expect("ids of rules have at most 64 bytes");
    let seen = kept.seen.to_be_bytes();
    [&[LAYOUT], seen.as_slice(), &[standing, length], kept.rule.as_bytes(), kept.value.as_bytes()].concat()
}

fn parse(text: &[u8]) -> Option<Kept> {
    let rest = text.strip_prefix(&[LAYOUT])?;
    let (seen, rest) = rest.split_first_chunk::<8>()?;
    let ([standing, length], rest) = rest.split_first_chunk::<2>()?;
    let (rule, value) = std::str::from_utf8(rest).ok()?.split_at_checked(usize::from(*length))?;
    let standing = *STANDINGS.get(usize::from(*standing))?;
    Some(Kept { rule: rule.into(), value: value.into(), seen: u64::from_be_bytes(*seen), standing })
}

/// By number in what is sealed.
const STANDINGS: [Standing; 3] = [Standing::Alone, Standing::Around, Standing::Known];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_its_key_and_in_its_place() {
        let seal = Seal::new(&[1; 32]).unwrap();
        let at = Place { owner: Owner([7; 16]), code: Code(5) };
        assert_eq!(place(&key(at)), Some(at));
        for standing in STANDINGS {
            let kept = Kept { rule: "email".into(), value: "tom@example.org".into(), seen: 77, standing };
            let sealed = seal.close(at, &kept).unwrap();
            assert!(!sealed.windows(3).any(|part| part == b"tom" || part == b"ema"));
            assert_ne!(seal.close(at, &kept).unwrap(), sealed, "a fresh nonce each time");
            assert_eq!(seal.open(at, &sealed), Some(kept));
            assert_eq!(seal.open(Place { code: Code(6), ..at }, &sealed), None);
            assert_eq!(Seal::new(&[2; 32]).unwrap().open(at, &sealed), None);
            for cut in 0..sealed.len() {
                assert_eq!(seal.open(at, &sealed[..cut]), None);
            }
        }
    }
}
