//! Texts of the bench's own making: ordinary ones, dense ones, and ones made to hurt.

use gateway::inspect::RuleSet;

/// A named text.
pub type Text = (String, Vec<u8>);

/// All texts, each of about `length` bytes.
pub fn all(rules: &RuleSet, length: usize) -> Vec<Text> {
    let mut random = Random(7);
    let mut texts = vec![
        ("prose", prose(&mut random, length)),
        ("code", code(&mut random, length)),
        ("zh", zh(&mut random, length)),
        ("log lines", log(&mut random, length)),
        ("base64", drawn(&mut random, length, BASE64, usize::MAX)),
        ("base64 lines", drawn(&mut random, length, BASE64, 76)),
        ("hex", drawn(&mut random, length, b"0123456789abcdef", usize::MAX)),
        ("one long word", drawn(&mut random, length, b"abcdefghijklmnopqrstuvwxyz", usize::MAX)),
        ("digits", drawn(&mut random, length, b"0123456789", usize::MAX)),
        ("random bytes", (0..length).map(|_| random.below(256) as u8).collect()),
        ("every rule's prefix", prefixes(rules, length)),
    ];
    for unit in [
        "a@a@",
        "a@a.",
        "1 ",
        "1-1 ",
        "1.1.",
        "4111 ",
        "+1 2",
        "eyJ",
        "eyJa.",
        "password=",
        "password = \"",
        "key: ",
        "sk-",
        "-----BEGIN ",
        "://a:",
        "AKIA",
        "A",
        "a ",
        "' ",
        "= ",
        "张",
        "三 ",
    ] {
        texts.push((unit, unit.bytes().cycle().take(length).collect()));
    }
    texts.into_iter().map(|(name, text)| (format!("`{name}`").replace('|', " "), text)).collect()
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A small generator of numbers, the same on every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.below(choices.len())]
    }
}

const WORDS: &[&str] = &[
    "the",
    "of",
    "and",
    "a",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "as",
    "with",
    "was",
    "on",
    "be",
    "by",
    "this",
    "are",
    "from",
    "or",
    "have",
    "an",
    "they",
    "which",
    "one",
    "you",
    "were",
    "all",
    "their",
    "there",
    "been",
    "many",
    "would",
    "so",
    "what",
    "people",
    "some",
    "first",
    "water",
    "system",
    "between",
    "company",
    "password",
    "account",
    "number",
    "Berlin",
    "Monday",
    "April",
    "Anna",
    "London",
    "model",
    "answer",
    "question",
    "because",
    "however",
    "through",
    "against",
    "government",
    "information",
    "key",
    "token",
    "secret",
    "address",
    "letter",
];

fn prose(random: &mut Random, length: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < length {
        let words = 4 + random.below(14);
        for place in 0..words {
            let word = match random.below(40) {
                0 => format!("{}", random.below(3_000)),
                1 => "don't".to_owned(),
                2 => "well-known".to_owned(),
                _ => random.of(WORDS).to_owned(),
            };
            text.push_str(if place == 0 { "" } else { " " });
            text.push_str(&word);
            text.push_str(if random.below(9) == 0 { "," } else { "" });
        }
        text.push_str(random.of(&[". ", ".\n", "? ", ":\n\n", "! ", "; "]));
    }
    text.into_bytes()
}

fn code(random: &mut Random, length: usize) -> Vec<u8> {
    let lines = [
        "    let {a} = self.{b}.get(&{c}).unwrap_or_default();\n",
        "        if {a}.len() > {n} && {b} != {c} {\n",
        "        return Err(Error::{a} { {b}: {n}, {c} });\n    }\n\n",
        "pub fn {a}(&mut self, {b}: &str) -> Result<{c}, Error> {\n",
        "    // The {a} of a {b} is checked before {c}.\n",
        "    \"{a}\": \"{b}\", \"{c}\": {n},\n",
        "const {a} = require('{b}/{c}');\n",
        "    {a}_{b} = os.environ.get(\"{c}_{a}\", \"\")\n",
        "@{a}.{b}\ndef {c}({a}: int = {n}, *, {b}=None):\n",
        "import {a}.{b}.{c};\n",
    ];
    let mut text = String::new();
    while text.len() < length {
        let number = random.below(10_000).to_string();
        let line = random.of(&lines).replace("{a}", random.of(WORDS)).replace("{b}", random.of(WORDS));
        text.push_str(&line.replace("{c}", random.of(WORDS)).replace("{n}", &number));
    }
    text.into_bytes()
}

fn zh(random: &mut Random, length: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < length {
        for _ in 0..5 + random.below(20) {
            let number = 0x4E00 + random.below(3_000) as u32;
            text.extend(char::from_u32(number));
        }
        text.push_str(random.of(&["。", ",", ",", "、", "?", "(2026年)", "\n"]));
    }
    text.into_bytes()
}

fn log(random: &mut Random, length: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < length {
        let (a, b, c) = (random.below(60), random.below(255), random.below(1 << 30));
        let line = format!(
            "2026-11-22T10:{a:02}:{b:02}.{c:09}Z INFO [worker-{a}] request_id={c:08x}-{b:04x} status=200 bytes={c} took {b}ms\n"
        );
        text.push_str(&line);
    }
    text.into_bytes()
}

/// Bytes drawn at random, in lines.
fn drawn(random: &mut Random, length: usize, from: &[u8], line: usize) -> Vec<u8> {
    let byte = |place: usize| if place % line == line - 1 { b'\n' } else { from[random.below(from.len())] };
    (0..length).map(byte).collect()
}

/// The beginning of every rule's examples, again and again.
fn prefixes(rules: &RuleSet, length: usize) -> Vec<u8> {
    let mut text = String::new();
    while text.len() < length {
        for example in rules.examples() {
            text.extend(example.chars().take(7));
            text.push(' ');
        }
    }
    text.into_bytes()
}
