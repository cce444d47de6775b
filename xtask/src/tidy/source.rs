//! A Rust file as the checks see it: its code without comments and literals, and which lines are tests.

/// One Rust file.
pub struct Source {
    /// Seen from the root of the tree.
    pub path: String,
    /// The lines as written.
    pub lines: Vec<String>,
    /// The same lines with comments and the insides of literals blanked; columns may shift, lines do not.
    pub code: Vec<String>,
    /// For each line, whether it belongs to a test.
    pub test: Vec<bool>,
}

impl Source {
    /// Reads `content` as Rust. Never fails: what is not Rust gives lines that no check finds anything in.
    pub fn new(path: &str, content: &str) -> Source {
        let code: Vec<String> = blank(content).split('\n').map(str::to_owned).collect();
        let test = if is_test_file(path) { vec![true; code.len()] } else { test_lines(&code) };
        Source { path: path.to_owned(), lines: content.split('\n').map(str::to_owned).collect(), code, test }
    }

    /// The code of lines that are not tests, numbered from 1.
    pub fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.iter().zip(&self.test).enumerate();
        lines.filter(|(_, (_, test))| !**test).map(|(index, (code, _))| (index + 1, code.as_str()))
    }
}

fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("tests/")
        || path.contains("/tests/")
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
}

/// Marks the item after each `#[cfg(test)]`, to its closing brace or semicolon.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut test = vec![false; code.len()];
    let mut line = 0;
    while line < code.len() {
        if !code[line].trim_start().starts_with("#[cfg(test)]") {
            line += 1;
            continue;
        }
        let mut depth = 0_usize;
        let mut ended = false;
        while line < code.len() && !ended {
            test[line] = true;
            for character in code[line].replace("#[cfg(test)]", "").chars() {
                match character {
                    '{' => depth += 1,
                    '}' => {
                        depth = depth.saturating_sub(1);
                        ended |= depth == 0;
                    }
                    ';' => ended |= depth == 0,
                    _ => {}
                }
            }
            line += 1;
        }
    }
    test
}

/// The text with comments and the insides of string and character literals left out, and every line kept.
fn blank(content: &str) -> String {
    let bytes = content.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (length, literal) = match rest {
            [b'/', b'/', ..] => (line_comment(rest), false),
            [b'/', b'*', ..] => (block_comment(rest), false),
            [b'"', ..] => (string(rest), true),
            [b'\'', ..] => (character(rest), true),
            [b'r', ..] if !follows_word(&out) => (raw_string(rest), true),
            _ => (0, false),
        };
        if length == 0 {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let end = (at + length).min(bytes.len());
        if literal {
            out.extend(b"\"\"");
        }
        out.extend(bytes[at..end].iter().filter(|byte| **byte == b'\n'));
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether the next byte continues a word (so that an `r` in it starts no raw string). A `b` before it does not.
fn follows_word(out: &[u8]) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    match out {
        [.., before, b'b' | b'c'] => word(before),
        [.., last] => word(last) && *last != b'b' && *last != b'c',
        [] => false,
    }
}

fn line_comment(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal, 0 when the quote begins a lifetime.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|byte| *byte == b'\'').map_or(0, |end| end + 4);
    }
    // One character is at most four bytes long.
    match rest.iter().skip(1).take(5).position(|byte| *byte == b'\'') {
        Some(length) if length >= 1 && std::str::from_utf8(&rest[1..=length]).is_ok_and(one_character) => {
            length + 2
        }
        _ => 0,
    }
}

fn one_character(text: &str) -> bool {
    text.chars().count() == 1
}

/// The length of a raw string, 0 when the `r` begins something else.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest.iter().skip(1).take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let start = 2 + hashes;
    let end = rest[start..].windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |end| start + end + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, code: &str) {
        assert_eq!(blank(content), code, "{content}");
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        check("a // crate::x\nb", "a \nb");
        check("a /* x /* y\n */ z */ b", "a \n b");
        check(r#"f("crate::x \" {", 'a', '\'', '{', '\u{41}', 'é')"#, r#"f("", "", "", "", "", "")"#);
        check("r\"\\\" r#\"a\"b\"# br\"x\" for r in", "\"\" \"\" b\"\" for r in");
        check(
            "fn f<'a>(x: &'a str) -> &'static str { 'x: loop {} }",
            "fn f<'a>(x: &'a str) -> &'static str { 'x: loop {} }",
        );
        check("unended \"{", "unended \"\"");
    }

    #[test]
    fn test_items_are_no_production() {
        let source = Source::new(
            "a.rs",
            "one\n#[cfg(test)]\nmod tests {\n  { }\n}\ntwo\n#[cfg(test)]\nmod more;\nthree",
        );
        let kept: Vec<_> = source.production().collect();
        assert_eq!(kept, [(1, "one"), (6, "two"), (9, "three")]);
        assert_eq!(Source::new("a/b_tests.rs", "one").production().count(), 0);
        assert_eq!(Source::new("tests/src/lib.rs", "one").production().count(), 0);
    }
}
