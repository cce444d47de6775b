//! Disguised values are found, alike at every split, and nothing of them leaves early; ordinary text is left alone.

use super::Scan;
use crate::inspect::{Action, Engine, Finding, RuleSet, redact};
use crate::wire::event::Direction;

const KEY: [u8; 32] = [7; 32];

/// Rules of every sort of ending, context and category.
const RULES: &str = r#"
rules:
  - {id: key, category: secret, severity: high, description: d, pattern: 'zk-[a-z0-9]{8}', tail: '[a-z0-9]', max_length: 64}
  - {id: fixed, category: secret, severity: critical, description: d, pattern: 'QKEY[A-Z0-9]{8}\b{end-half}'}
  - {id: context, category: secret, severity: medium, description: d, before: '(?i)pass[a-z]{0,8}[ ]{0,2}[:=][ ]{0,2}', pattern: '[a-z0-9]{6,20}'}
  - {id: block, category: secret, severity: low, description: d, pattern: 'BEGIN', until: 'END', max_length: 90}
  - {id: card, category: pii, severity: high, description: d, pattern: '[0-9](?:[ -]?[0-9]){12,18}', validators: [luhn]}
  - {id: mail, category: pii, severity: low, description: d, pattern: '[a-z.]{1,20}@[a-z]{1,20}\.[a-z]{2,5}'}
  - {id: name, category: dictionary, severity: low, description: d, words: [Anna Bell, 张三, corvid], ignore_case: true}
"#;

fn engine(rules: &str) -> Engine {
    let mut set = RuleSet::empty();
    set.extend_from_text("test", rules, None).unwrap_or_else(|errors| panic!("{errors}"));
    Engine::build(&set, true, &KEY).unwrap_or_else(|errors| panic!("{errors}"))
}

fn builtin() -> Engine {
    Engine::build(&RuleSet::builtin(), true, &KEY).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Feeds `text` in pieces, checks every promise on the way, and returns what was found.
fn feed(engine: &Engine, direction: Direction, pieces: &[&[u8]]) -> Vec<Finding> {
    let (mut scan, mut out) = (Scan::new(), Vec::new());
    let (mut steps, mut fed) = (vec![(0, 0)], 0);
    for piece in pieces {
        scan.push(engine, direction, piece, &mut out);
        fed += piece.len() as u64;
        steps.push((scan.frontier(), out.len()));
        assert_eq!(scan.fed(), fed);
        assert!(scan.frontier() <= fed);
    }
    scan.finish(engine, direction, &mut out);
    assert_eq!((scan.frontier(), scan.fed()), (fed, fed));
    assert!(steps.is_sorted(), "the frontier only moves on: {steps:?}");
    for (place, finding) in out.iter().enumerate().filter(|(_, finding)| finding.action.enforces()) {
        for (frontier, reported) in &steps {
            match place < *reported {
                true => assert!(finding.end <= *frontier, "reported before it was final: {finding:?}"),
                false => {
                    assert!(*frontier <= finding.start, "let go and masked later: {finding:?} {frontier}")
                }
            }
        }
    }
    let enforced: Vec<_> = out.iter().filter(|finding| finding.action.enforces()).collect();
    assert!(enforced.is_sorted_by(|left, right| left.end <= right.start), "ascending and disjoint");
    out.sort_by_key(|finding| (finding.action.enforces(), finding.start, finding.end, finding.rule));
    out
}

/// The whole, every split in two, byte by byte, and in random pieces: all alike. Returns what was found.
fn check(engine: &Engine, text: &[u8]) -> Vec<Finding> {
    let mut found = Vec::new();
    for direction in [Direction::Reply, Direction::Request] {
        found = feed(engine, direction, &[text]);
        let same = |pieces: &[&[u8]]| {
            let again = feed(engine, direction, pieces);
            let cuts: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
            assert_eq!(again, found, "{cuts:?} {:?}", String::from_utf8_lossy(text));
        };
        same(&text.chunks(1).collect::<Vec<_>>());
        for split in 1..text.len() {
            same(&[&text[..split], &text[split..]]);
        }
        let mut random = Random(text.len() as u64 + 1);
        for _ in 0..6 {
            let (mut rest, mut pieces) = (text, Vec::new());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(1 + random.below(19)));
                pieces.push(piece);
                rest = after;
            }
            same(&pieces);
        }
    }
    found
}

/// A small generator of numbers, the same on every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// `text` with each character rewritten.
fn each(text: &str, rewrite: impl Fn(char) -> String) -> String {
    text.chars().map(rewrite).collect()
}

fn between(text: &str, sign: &str) -> String {
    text.chars().map(String::from).collect::<Vec<_>>().join(sign)
}

fn lookalikes(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            'a' => 'а',
            'e' => 'е',
            'k' => 'к',
            'E' => 'Ε',
            '0' => '٠',
            '4' => '४',
            other => other,
        })
        .collect()
}

fn wide(text: &str) -> String {
    each(text, |character| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => char::from_u32(character as u32 + 0xFEE0).into_iter().collect(),
        other => other.to_string(),
    })
}

fn mathematical(text: &str) -> String {
    each(text, |character| match character {
        'a'..='z' => char::from_u32(0x1D41A + character as u32 - 'a' as u32).into_iter().collect(),
        '0'..='9' => char::from_u32(0x1D7CE + character as u32 - '0' as u32).into_iter().collect(),
        other => other.to_string(),
    })
}

fn tags(text: &str) -> String {
    each(text, |character| char::from_u32(0xE0000 + character as u32).into_iter().collect())
}

fn percent(text: &str) -> String {
    each(text, |character| format!("%{:02X}", character as u32))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn base64(text: &str, url: bool) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let digit = |value: u32| match value {
        62 => {
            if url {
                '-'
            } else {
                '+'
            }
        }
        63 => {
            if url {
                '_'
            } else {
                '/'
            }
        }
        value => char::from(alphabet[value as usize]),
    };
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        out.extend((0..=chunk.len()).map(|place| digit(bits >> (18 - 6 * place) & 63)));
        out.extend((chunk.len()..3).filter(|_| !url).map(|_| '='));
    }
    out
}

fn ids<'e>(engine: &'e Engine, text: &str, found: &[Finding]) -> Vec<(&'e str, String)> {
    let of = |finding: &Finding| {
        let value = &text.as_bytes()[finding.start as usize..finding.end as usize];
        (engine.rule(finding.rule).id.as_str(), String::from_utf8_lossy(value).into_owned())
    };
    found.iter().map(of).collect()
}

#[test]
fn disguised_values_are_found_whole() {
    let engine = engine(RULES);
    let (key, card) = ("zk-a0b1c2d3e4f5", "4111111111111111");
    let disguises: [(&str, String); 20] = [
        ("key", between(key, "\u{200b}")),
        ("key", between(key, "\u{ad}\u{feff}")),
        ("key", lookalikes(key)),
        ("key", wide(key)),
        ("key", mathematical(key)),
        ("key", tags(key)),
        ("key", percent(key)),
        ("key", key.replace('-', "%2D")),
        ("key", key.replace("b1", "b\\\n1")),
        ("key", between(key, " ")),
        ("key", between(key, "-")),
        ("key", between(key, ".")),
        ("key", base64(key, false).trim_end_matches('=').to_owned()),
        ("key", hex(key)),
        ("card", wide(card)),
        ("card", between(card, ".")),
        ("card", "4111\u{202f}1111\u{a0}1111‑1111".to_owned()),
        ("mail", "bob%40example.org".to_owned()),
        ("mail", "bоb＠example．org".to_owned()),
        ("name", "Ann\u{200d}a\u{a0}Bell".to_owned()),
    ];
    for (rule, value) in disguises {
        for (before, after) in [("", ""), ("say ", " now"), ("是「", "」，对吗？"), ("x: \"", "\"\n")]
        {
            let text = format!("{before}{value}{after}");
            let found = check(&engine, text.as_bytes());
            assert_eq!(ids(&engine, &text, &found), [(rule, value.clone())], "{text}");
        }
    }
}
