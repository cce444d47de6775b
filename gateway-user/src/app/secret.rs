//! This installation's own secrets: one keys every digest of a credential or a found value, one makes and seals tokens.

use std::path::Path;

use anyhow::Context;

use crate::tls::files;

/// The secret of digests, a file in the state folder (0600).
const DIGEST: &str = "digest.key";

/// The secret of tokens, likewise. Without it the values kept in the store cannot be read.
const TOKENS: &str = "tokens.key";

/// Most bytes read of either.
const MOST: u64 = 256;

/// Reads the secret of digests, or makes it.
///
/// # Errors
/// When it can neither be read nor made, or is not 64 hexadecimal digits.
pub fn digest_key(state: &Path) -> anyhow::Result<[u8; 32]> {
    read_or_make(state, DIGEST)
}

/// Reads the secret of tokens, or makes it.
///
/// # Errors
/// As [`digest_key`].
pub(super) fn tokens_key(state: &Path) -> anyhow::Result<[u8; 32]> {
    read_or_make(state, TOKENS)
}

fn read_or_make(state: &Path, file: &str) -> anyhow::Result<[u8; 32]> {
    // A folder that is there keeps its mode: publishing the trust bundle has opened it for passing through.
    if !state.exists() {
        files::make_folder(state, 0o700)?;
    }
    let path = state.join(file);
    if !path.exists() {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        files::write_whole(&path, hex.as_bytes(), 0o600)?;
        return Ok(key);
    }
    let text = files::read_text(&path, MOST)?;
    parse(text.trim()).with_context(|| {
        format!(
            "{} does not hold 64 hexadecimal digits: restore it, or move it away to have a new one made",
            path.display()
        )
    })
}

fn parse(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    let mut key = [0; 32];
    if digits.len() != 2 * key.len() || !hex.is_ascii() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_only_for_its_owner() {
        let state = std::env::temp_dir().join(format!("gateway-secret-{}", std::process::id()));
        let made = digest_key(&state).unwrap();
        assert_eq!(digest_key(&state).unwrap(), made);
        let path = state.join(DIGEST);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "not a key").unwrap();
        let error = digest_key(&state).unwrap_err().to_string();
        assert!(error.contains("digest.key") && !error.contains("not a key"), "{error}");
        std::fs::remove_dir_all(&state).unwrap();
    }
}
