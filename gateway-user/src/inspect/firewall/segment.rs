//! Where a running text is judged: at places that follow from the text alone.

/// A segment ends at the first end of a sentence or line from this length on, bytes.
pub const SHORTEST: usize = 256;
/// A segment ends here whatever the text is, bytes. Also the most of a reply that a scored rule sees late.
pub const LONGEST: usize = 512;

/// The length of the segment that `text` begins with; `None` while its end has not come.
pub fn length(text: &[u8]) -> Option<usize> {
    let most = text.len().min(LONGEST);
    let ends = |at: usize| matches!(text[at], b'.' | b'!' | b'?' | b'\n');
    match (SHORTEST - 1..most).find(|&at| ends(at)) {
        Some(at) => Some(at + 1),
        None if text.len() >= LONGEST => Some(whole_character(text, LONGEST)),
        None => None,
    }
}

/// How a byte counts: letters in lower case, tabs and carriage returns as spaces.
pub fn fold(byte: u8) -> u8 {
    match byte {
        b'\t' | b'\r' => b' ',
        byte => byte.to_ascii_lowercase(),
    }
}

/// `end`, or up to three bytes less so that no UTF-8 character is cut. Looks at nothing behind `end`.
fn whole_character(text: &[u8], end: usize) -> usize {
    let Some(lead) = (end - 4..end).rev().find(|&at| text[at] & 0xC0 != 0x80) else { return end };
    let length = match text[lead] {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    };
    if lead + length > end { lead } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_follow_from_the_text() {
        let check = |text: &str, expected: Option<usize>| assert_eq!(length(text.as_bytes()), expected);
        check("", None);
        check(&"a".repeat(LONGEST - 1), None);
        check(&"a".repeat(LONGEST), Some(LONGEST));
        check(&format!("{}. More", "a".repeat(300)), Some(301));
        check(&format!("a. b. {}", "a".repeat(300)), None);
        // The character on the bound stays whole, whatever comes behind it.
        check(&"文".repeat(200), Some(510));
    }
}
