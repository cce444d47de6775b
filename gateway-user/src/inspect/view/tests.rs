//! Disguised values are found, alike at every split, and nothing of them leaves early; ordinary text is left alone.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

use super::Scan;
use crate::inspect::{Engine, Finding, RuleSet, redact};
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

fn base64(text: &str) -> String {
    STANDARD_NO_PAD.encode(text)
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
        ("key", base64(key)),
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

#[test]
fn encoded_text_is_masked_where_the_value_stands() {
    let engine = engine(RULES);
    let inner = "user: ann, key zk-a0b1c2d3e4f5, and more of it";
    let lines: Vec<String> = BASE64_STANDARD
        .encode(format!("{}zk-a0b1c2d3e4f5g6h7i8j9 and the rest", "some words of a letter ".repeat(5)))
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let texts = [
        BASE64_STANDARD.encode(inner),
        BASE64_URL_SAFE_NO_PAD.encode(inner),
        format!("/files/{}/x", BASE64_URL_SAFE_NO_PAD.encode(inner)),
        format!("Basic {}", BASE64_STANDARD.encode("ann:zk-a0b1c2d3e4f5")),
        hex(inner),
        format!("id-{}", hex("zk-a0b1c2d3e4f5").to_uppercase()),
        lines.join("\r\n"),
        lines.join("\n"),
        BASE64_STANDARD.encode("password: hunter2hunter2"),
    ];
    for text in texts {
        let found = check(&engine, text.as_bytes());
        assert_eq!(found.len(), 1, "{text} {:?}", ids(&engine, &text, &found));
        let masked = redact(&engine, Direction::Reply, &text).0;
        let rest = masked.replace("[KEY_REDACTED]", " ").replace("[CONTEXT_REDACTED]", " ");
        let decoded: Vec<u8> = rest
            .split(' ')
            .flat_map(|part| {
                let part = part.rsplit('/').next().unwrap_or_default();
                STANDARD_NO_PAD.decode(&part[..part.len() / 4 * 4]).unwrap_or_default()
            })
            .collect();
        for part in ["a0b1", "c2d3", "hunter"] {
            assert!(
                !String::from_utf8_lossy(&decoded).contains(part) && !rest.contains(&hex(part)),
                "{masked}"
            );
        }
    }
}

#[test]
fn nothing_is_decoded_twice() {
    let engine = engine(RULES);
    let key = "zk-a0b1c2d3e4f5";
    for text in [
        base64(&base64(key)),
        base64(&hex(key)),
        percent(key).replace('%', "%25"),
        base64(&between(key, " ")),
    ] {
        assert_eq!(check(&engine, text.as_bytes()), [], "{text}");
    }
}

#[test]
fn only_what_chance_cannot_make_counts_inside() {
    let engine = engine(RULES);
    for value in ["bob@example.org", "Anna Bell corvid"] {
        for text in [base64(value), hex(value), between(value, "-")] {
            assert_eq!(check(&engine, text.as_bytes()), [], "{text}");
        }
    }
    let found = check(&engine, base64("4111111111111111 ").as_bytes());
    assert_eq!(found.len(), 1);
}

#[test]
fn soft_line_breaks_of_long_lines_are_undone() {
    let engine = engine(RULES);
    let long = format!("{}zk-a0b1c2=\r\nd3e4f5 x", "lorem ".repeat(11));
    assert_eq!(
        ids(&engine, &long, &check(&engine, long.as_bytes())),
        [("key", "zk-a0b1c2=\r\nd3e4f5".to_owned())]
    );
    let short = "KEY=zk-a0b1c2d3=\nNAME=x";
    assert_eq!(ids(&engine, short, &check(&engine, short.as_bytes())), [("key", "zk-a0b1c2d3".to_owned())]);
}

#[test]
fn words_of_other_scripts_are_no_disguise() {
    let engine = engine(
        r#"
rules:
  - {id: word, category: dictionary, severity: low, description: d, words: [cop, top, KOPA, pop opop]}
  - {id: mail, category: pii, severity: low, description: d, pattern: '[a-z.]{1,20}@[a-z]{1,20}\.[a-z]{2,5}'}
"#,
    );
    for text in ["Сор из избы, тор и хор; КОРА дуба. сор", "Το ΚΟΡΑ και το σοp", "рор орор"]
    {
        let found = check(&engine, text.as_bytes());
        assert_eq!(ids(&engine, text, &found), [], "{text}");
    }
    assert_eq!(check(&engine, "a сoр here".as_bytes()).len(), 1);
}

#[test]
fn random_texts_with_everything_in_them() {
    let engine = engine(RULES);
    let key = "zk-a0b1c2d3e4f5";
    let mut parts: Vec<String> = [
        key,
        "QKEYAB12CD34",
        "QKEY",
        "zk-",
        "zk-a0b1",
        "password: hunter2",
        "BEGIN",
        "END",
        "4111111111111111",
        "4111 1111",
        " ",
        " ",
        "-",
        "\n",
        "=\n",
        "\\\n",
        "%",
        "%4",
        "%41",
        "\u{200b}",
        "\u{200b}",
        "к",
        "а",
        "３",
        "bob@",
        "example.org",
        "Anna",
        "张三",
        "。",
        "z k - a 0 b 1 ",
        "z.k.-.a",
        "a b c d ",
        "1 2 3 4 5 6 7 8 ",
        "\u{e0073}",
        "\u{300}",
        "é",
        "a",
        "=",
        "/",
        "_",
    ]
    .map(String::from)
    .to_vec();
    parts.extend([key, "QKEYAB12CD34", "4111111111111111", "password=hunter2x"].iter().flat_map(|value| {
        let (encoded, wide, seen) = (base64(value), wide(value), lookalikes(value));
        [
            encoded[..7].to_owned(),
            encoded,
            hex(value),
            wide,
            seen,
            between(value, " "),
            between(value, "\u{200b}"),
            percent(value),
        ]
    }));
    let mut random = Random(11);
    for _ in 0..400 {
        let text: String =
            (0..2 + random.below(8)).map(|_| parts[random.below(parts.len())].as_str()).collect();
        check(&engine, text.as_bytes());
    }
}

#[test]
fn bytes_that_are_no_text_are_scanned_all_the_same() {
    let engine = engine(RULES);
    let mut random = Random(5);
    for _ in 0..60 {
        let near =
            [0xE2, 0x80, 0x8B, 0xF0, 0xEF, 0xBC, 0xD0, b'z', b'k', b'-', b'%', b'=', b'\n', b'4', b' '];
        let text: Vec<u8> =
            (0..random.below(60))
                .map(|_| {
                    if random.below(3) == 0 {
                        random.below(256) as u8
                    } else {
                        near[random.below(near.len())]
                    }
                })
                .collect();
        check(&engine, &text);
    }
}

#[test]
fn disguised_examples_of_builtin_rules() {
    let engine = builtin();
    let set = RuleSet::builtin();
    let mut random = Random(3);
    let disguises: [fn(&str) -> String; 8] = [
        lookalikes,
        wide,
        percent,
        hex,
        base64,
        |text| between(text, " "),
        |text| between(text, "\u{2060}"),
        str::to_owned,
    ];
    let fits = |example: &&String| (10..60).contains(&example.len());
    let examples: Vec<&String> =
        set.rules().flat_map(|rule| rule.examples.iter().filter(fits).take(1)).collect();
    for _ in 0..24 {
        let example = examples[random.below(examples.len())];
        let disguise = disguises[random.below(disguises.len())];
        check(&engine, format!("is\n{}", disguise(example)).as_bytes());
    }
}

#[test]
fn ordinary_text_is_left_alone_and_goes_at_once() {
    let engine = builtin();
    let texts = [
        "Привет! Сегодня мы поговорим о том, как устроена память компьютера, и почему это важно: раз, два, три.",
        "Η μνήμη του υπολογιστή είναι σημαντική, και η Αθήνα είναι η πρωτεύουσα της Ελλάδας.",
        "你好！今天我们来谈谈计算机的内存，它为什么重要？第１章，共３节。「引用」；完。",
        "コンピュータのメモリについて説明します。１つ目は速度です。",
        "مرحبا، اليوم ١٢٣ نتحدث عن ذاكرة الحاسوب، وهي مهمة جدا.",
        "हम आज कंप्यूटर की मेमोरी के बारे में बात करेंगे, २०२४ में।",
        "Family 👨‍👩‍👧‍👦 and 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}, ❤️ — “quoted” … 50 % off",
        "fn main() { let a = b * c - d; for i in 0..9 { x[i] = i as u8; } } // a b c d e f g",
        "!function(e,t){\"use strict\";var n=e.a,r=t.b;return n.c=function(e){return r(e,1,2,3)}}(window,document);",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8, uuid 123e4567-e89b-12d3-a456-426614174000",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "5 3 4 6 7 8 9 1 2\n6 7 2 1 9 5 3 4 8\n1 9 8 3 4 2 5 6 7\n| a | b | c | d |\n- - - - -\n",
        "https://example.org/a%20b/c%2Fd?q=%E4%BD%A0%E5%A5%BD&x=a.b.c.d.e printf(\"%5d %2f %20s\", a)",
        "I a m a   s p a c e d   w o r d, A. B. C. Smith and J. R. R. Tolkien; e. g. this, i. e. that.",
    ];
    for text in texts {
        let found = check(&engine, text.as_bytes());
        assert_eq!(ids(&engine, text, &found), [], "{text}");
        let (mut scan, mut out, mut most) = (Scan::new(), Vec::new(), 0);
        for piece in text.as_bytes().chunks(4) {
            scan.push(&engine, Direction::Reply, piece, &mut out);
            most = most.max(scan.fed() - scan.frontier());
        }
        assert!(most <= 48, "{most} bytes held: {text}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let engine = builtin();
    let hostile = [
        "\u{200b}a",
        "а",
        "a ",
        "s k ",
        "c2st",
        "%73",
        "736b",
        "YWFh/",
        "sk-аnt-",
        "=\n",
        "\\\n",
        "а@a ",
        "1 2 ",
    ];
    for unit in hostile {
        let (mut scan, mut out) = (Scan::new(), Vec::new());
        let text = unit.repeat(200_000 / unit.len());
        for piece in text.as_bytes().chunks(1_000) {
            scan.push(&engine, Direction::Request, piece, &mut out);
            assert!(scan.fed() - scan.frontier() <= 100_000, "{unit}");
        }
        let state = format!("{scan:?}").len();
        assert!(state < 1 << 20, "{unit} {state}");
    }
}
