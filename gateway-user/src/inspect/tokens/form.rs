//! How a token is written: `[NAME_CODE]`, such as `[EMAIL_7Q2M4KXA9B]`.
//!
//! Plain ASCII without anything that JSON, Markdown or a shell would escape, so that it comes back as it went out. The
//! code has two letters more than the word in `[EMAIL_REDACTED]`: a mask is never taken for a token.

/// Most bytes of a name; that of a longer rule id is cut.
pub const MAX_NAME: usize = 24;

/// Characters of a code, five bits each.
pub const CODE: usize = 10;

/// Most bytes of a token; the most that waiting for one holds back.
pub const MAX_TOKEN: usize = 1 + MAX_NAME + 1 + CODE + 1;

/// Crockford's base 32: no I, L, O or U, which are easily misread.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Decimal digits in a row at most, so that no code looks like a phone or card number.
const MOST_DECIMALS: usize = 4;

/// What stands behind the name: 50 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u64);

impl Code {
    /// The code made of the first bytes of a tag; `None` for one that could be taken for a number.
    pub fn of(tag: &[u8; 8]) -> Option<Code> {
        let code = Code(u64::from_be_bytes(*tag) >> (64 - 5 * CODE));
        let decimals =
            code.digits().split(|digit| !digit.is_ascii_digit()).map(<[u8]>::len).max().unwrap_or(0);
        (decimals <= MOST_DECIMALS).then_some(code)
    }

    fn digits(self) -> [u8; CODE] {
        std::array::from_fn(|place| DIGITS[(self.0 >> (5 * (CODE - 1 - place))) as usize & 31])
    }

    fn parse(digits: &[u8]) -> Option<Code> {
        let value = |sum: u64, digit: &u8| {
            let value = DIGITS.iter().position(|known| known == digit)?;
            Some(sum << 5 | value as u64)
        };
        if digits.len() != CODE {
            return None;
        }
        digits.iter().try_fold(0, value).map(Code)
    }
}

/// The name in the tokens of a rule: its id in capitals, `_` for `-`, cut to [`MAX_NAME`]; always a letter first.
pub fn name(rule: &str) -> String {
    let letter = rule.starts_with(|first: char| first.is_ascii_alphabetic());
    let capitals = rule.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte.to_ascii_uppercase()),
        _ => '_',
    });
    (!letter).then_some('X').into_iter().chain(capitals).take(MAX_NAME).collect()
}

/// The token.
pub fn write(name: &str, code: Code) -> String {
    let mut token = String::with_capacity(MAX_TOKEN);
    token.push('[');
    token.push_str(name);
    token.push('_');
    token.extend(code.digits().map(char::from));
    token.push(']');
    token
}

/// Name and code of a whole token, brackets included.
pub fn parse(token: &[u8]) -> Option<(&str, Code)> {
    let inside = token.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (name, digits) = inside.split_at_checked(inside.len().checked_sub(CODE)?)?;
    let name = std::str::from_utf8(name.strip_suffix(b"_")?).ok()?;
    is_name(name.as_bytes()).then_some((name, Code::parse(digits)?))
}

/// Whether a token may begin with these bytes, of which the first is `[`.
pub fn may_begin(open: &[u8]) -> bool {
    let inside = &open[1..];
    if inside.is_empty() || is_name(inside) {
        return true;
    }
    let may_split = |at: &usize| {
        let digits = &inside[at + 1..];
        inside[*at] == b'_' && is_name(&inside[..*at]) && digits.iter().all(|digit| DIGITS.contains(digit))
    };
    (inside.len().saturating_sub(CODE + 1)..inside.len()).any(|at| may_split(&at))
}

fn is_name(name: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    name.len() <= MAX_NAME && name.first().is_some_and(u8::is_ascii_uppercase) && name.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_it_was_written() {
        for (rule, expected) in [
            ("email", "EMAIL"),
            ("aws-access-key-id", "AWS_ACCESS_KEY_ID"),
            ("1st", "X1ST"),
            ("-", "X_"),
            ("a-rule-with-a-very-long-name-indeed", "A_RULE_WITH_A_VERY_LONG_"),
        ] {
            let name = name(rule);
            assert_eq!(name, expected);
            for code in [Code(0), Code(1), Code((1 << 50) - 1), Code(0x1_2345_6789_ABCD)] {
                let token = write(&name, code);
                assert_eq!(parse(token.as_bytes()), Some((expected, code)), "{token}");
                assert!(token.len() <= MAX_TOKEN, "{token}");
                for end in 1..token.len() {
                    assert!(may_begin(&token.as_bytes()[..end]), "{}", &token[..end]);
                }
            }
        }
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in [
            "[EMAIL_REDACTED]",
            "[EMAIL_7Q2M4KXA9]",
            "[EMAIL_7Q2M4KXA9BC]",
            "[EMAIL_7Q2M4KXAIB]",
            "[email_7Q2M4KXA9B]",
            "[_7Q2M4KXA9B]",
            "[7Q2M4KXA9B]",
            "[9MAIL_7Q2M4KXA9B]",
            "EMAIL_7Q2M4KXA9B",
            "[]",
            "[_]",
            "[",
            "",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert!(may_begin(b"["));
        for text in ["[ ", "[e", "[1", "[_", "[[", "[EMAIL ", "[ABCDEFGHIJKLMNOPQRSTUVWXYZ", "[EMAIL\u{410}"]
        {
            assert!(!may_begin(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn no_code_looks_like_a_number() {
        assert_eq!(Code::of(&[0; 8]), None, "ten zeros");
        assert!(Code::of(&[0xFF; 8]).is_some());
    }
}
