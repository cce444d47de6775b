//! Checks on a matched value that a pattern cannot express: checksums, ranges, randomness.

mod checksums;
mod credentials;
mod text;

#[cfg(test)]
mod tests;

/// A named check. A match counts only where all checks of its rule pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// `luhn`: the digits pass the Luhn checksum (ISO/IEC 7812-1, annex B) and are not all equal.
    Luhn,
    /// `entropy N`: at least N bits of Shannon entropy per byte.
    Entropy(f32),
    /// `iban`: ISO 13616 check digits (remainder 1 modulo 97) and the country's length, where known.
    Iban,
    /// `ssn`: a US social security number as issued: area not 000, 666 or 9xx, group not 00, serial not 0000.
    Ssn,
    /// `digits MIN MAX`: as many decimal digits as that, whatever stands between them.
    Digits(u8, u8),
    /// `gb11643`: the check digit of a resident identity number of China (GB 11643, ISO 7064 MOD 11-2).
    Gb11643,
    /// `not_placeholder`: not an obvious stand-in (`EXAMPLE`, one character repeated, `your-…`).
    NotPlaceholder,
    /// `random`: looks made by a machine, with no words in it.
    Random,
    /// `password`, `password_bare`, `password_symbols`: looks like a password and not like a name, a word or a number;
    /// the second is for values without quotes, the third asks for punctuation that names do not have.
    Password(credentials::Password),
    /// `jwt`: the part before the first dot is the header of a JSON web token.
    Jwt,
}

/// Names as rule files write them, for error messages.
pub const NAMES: &str = "luhn, entropy N, iban, ssn, digits MIN MAX, gb11643, not_placeholder, random, \
                         password, password_bare, password_symbols, jwt";

impl Validator {
    /// Reads a name and its numbers; `None` for an unknown name or a number out of range (entropy: 0 to 8 bits).
    pub fn parse(text: &str) -> Option<Validator> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["luhn"] => Some(Validator::Luhn),
            ["iban"] => Some(Validator::Iban),
            ["ssn"] => Some(Validator::Ssn),
            ["gb11643"] => Some(Validator::Gb11643),
            ["not_placeholder"] => Some(Validator::NotPlaceholder),
            ["random"] => Some(Validator::Random),
            ["password"] => Some(Validator::Password(credentials::Password::Quoted)),
            ["password_bare"] => Some(Validator::Password(credentials::Password::Bare)),
            ["password_symbols"] => Some(Validator::Password(credentials::Password::Symbols)),
            ["jwt"] => Some(Validator::Jwt),
            ["digits", least, most] => Some(Validator::Digits(least.parse().ok()?, most.parse().ok()?)),
            ["entropy", bits] => {
                let bits = bits.parse().ok().filter(|bits| (0.0..=8.0).contains(bits))?;
                Some(Validator::Entropy(bits))
            }
            _ => None,
        }
    }

    /// Whether `value` passes.
    pub fn passes(self, value: &[u8]) -> bool {
        match self {
            Validator::Luhn => checksums::luhn(value),
            Validator::Entropy(least) => text::entropy(value) >= least,
            Validator::Iban => checksums::iban(value),
            Validator::Ssn => checksums::ssn(value),
            Validator::Digits(least, most) => {
                (usize::from(least)..=usize::from(most)).contains(&checksums::digits(value).count())
            }
            Validator::Gb11643 => checksums::gb11643(value),
            Validator::NotPlaceholder => !text::placeholder(value),
            Validator::Random => credentials::random(value),
            Validator::Password(kind) => credentials::password(value, kind),
            Validator::Jwt => credentials::jwt(value),
        }
    }
}
