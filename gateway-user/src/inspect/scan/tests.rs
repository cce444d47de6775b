//! The scan against a plain search that shares none of its automata: at every split, the same findings, and never
//! a byte let go that a finding takes later.

use super::Pass;
use super::lane::{MAX_SPAN, Match};
use crate::inspect::rules::matches_from;
use crate::inspect::{Action, Engine, Finding, RuleIndex, RuleSet, mask, redact};
use crate::wire::event::Direction;

const KEY: [u8; 32] = [7; 32];

/// Rules that overlap, contain each other, end openly, and need validators.
const OVERLAPPING: &str = r#"
rules:
  - {id: ab, category: secret, severity: low, description: d, pattern: 'ab{1,6}', not_after: none}
  - {id: b-run, category: secret, severity: high, description: d, pattern: 'b{3,5}c?', not_after: none}
  - {id: word, category: secret, severity: medium, description: d, pattern: '[a-c]{4,9}\b{end-half}', validators: [entropy 1.2]}
  - {id: number, category: pii, severity: low, description: d, pattern: '[0-9](?:[ -]?[0-9]){2,7}', validators: [luhn]}
  - {id: open, category: secret, severity: low, description: d, pattern: 'ca-[a-c]{1,3}', tail: '[a-c-]', max_length: 12, validators: [entropy 1.6]}
  - {id: until, category: secret, severity: critical, description: d, pattern: '<<a?', until: '>>', max_length: 20, not_after: none}
  - {id: names, category: dictionary, severity: low, description: d, words: [Anna, Ann, Anna Bell, bab, 张三, 三四], ignore_case: true}
  - {id: block, category: secret, severity: low, description: d, pattern: 'cab', action: {request: block, reply: warn}}
"#;

/// Rules that want something before and behind their values.
const CONTEXTS: &str = r#"
rules:
  - {id: assigned, category: secret, severity: low, description: d, before: '(?i)key[a-c]{0,3} {0,2}[=:] {0,2}', pattern: '[a-c1-3]{2,6}', validators: [entropy 0.5]}
  - {id: same, category: secret, severity: high, description: d, before: '(?i)key[a-c]{0,3} {0,2}[=:] {0,2}', pattern: '[a-c]{3}', after: '[1-3]b'}
  - {id: line, category: pii, severity: low, description: d, before: '(?m)^b?', pattern: '[0-9]{1,4}', after: '(?m)-?(?:b\b|$)'}
  - {id: behind, category: pii, severity: medium, description: d, pattern: 'a[a-c]{1,5}', after: ' ?(?:=|key)', unless: 'bb|cc'}
  - {id: open, category: secret, severity: low, description: d, before: '\bid', pattern: '=[ab]', tail: '[a-c]', max_length: 6, unless: 'b'}
  - {id: until, category: secret, severity: low, description: d, before: 'y', pattern: '<', until: '>', max_length: 9}
  - {id: names, category: dictionary, severity: low, description: d, before: '三|: ?', words: [Ann, Ann b, 张三], after: '[ b]', unless: 'b'}
"#;

fn contexts() -> RuleSet {
    read(CONTEXTS)
}

fn overlapping() -> RuleSet {
    read(OVERLAPPING)
}

fn read(rules: &str) -> RuleSet {
    let mut set = RuleSet::empty();
    set.extend_from_text("test", rules, None).unwrap_or_else(|errors| panic!("{errors}"));
    set
}

fn build(set: &RuleSet, enforce: bool) -> Engine {
    Engine::build(set, enforce, &KEY).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What should be found, by a plain search for each rule from each place.
fn expected(set: &RuleSet, engine: &Engine, direction: Direction, text: &[u8]) -> Vec<Finding> {
    let mut lanes: [Vec<Match>; 2] = Default::default();
    for (place, rule) in set.rules().enumerate() {
        let index = RuleIndex(place as u16);
        let action = engine.action(index, direction);
        if action == Action::Allow {
            continue;
        }
        let matches = matches_from(rule, text).into_iter();
        let matches = matches.map(|(start, end)| Match { start: start as u64, end: end as u64, rule: index });
        lanes[usize::from(action.enforces())].extend(matches);
    }
    lanes.into_iter().flat_map(|lane| merged(engine, direction, lane, text)).collect()
}

fn merged(engine: &Engine, direction: Direction, mut lane: Vec<Match>, text: &[u8]) -> Vec<Finding> {
    lane.sort_by_key(|found| found.start);
    let mut spans: Vec<(u64, u64, Match)> = Vec::new();
    for found in lane {
        match spans.last_mut() {
            Some(span) if found.start < span.1 && found.start < span.0 + MAX_SPAN => {
                span.1 = span.1.max(found.end);
                if engine.outranks(direction, found, span.2) {
                    span.2 = found;
                }
            }
            _ => spans.push((found.start, found.end, found)),
        }
    }
    let finding = |(start, end, best): (u64, u64, Match)| Finding {
        rule: best.rule,
        action: engine.action(best.rule, direction),
        start,
        end,
        digest: engine.digest(&text[start as usize..end as usize]),
    };
    spans.into_iter().map(finding).collect()
}

pub(super) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.action.enforces(), finding.start));
    findings
}

/// Feeds `text` in pieces, checks every promise on the way, and returns what was found.
pub(super) fn feed(engine: &Engine, direction: Direction, pieces: &[&[u8]]) -> Vec<Finding> {
    let (mut scan, mut out) = (Pass::new(), Vec::new());
    let mut steps = vec![(0, 0)];
    for piece in pieces {
        scan.push(engine, direction, piece, &mut out);
        steps.push((scan.frontier(), out.len()));
        assert!(scan.frontier() <= scan.fed());
    }
    scan.finish(engine, direction, &mut out);
    assert_eq!(scan.frontier(), scan.fed());
    assert!(steps.is_sorted(), "the frontier only moves on");
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
    out
}

/// The whole, every split in two, byte by byte, and in random pieces: all as the plain search has it.
fn check(set: &RuleSet, text: &[u8]) {
    for enforce in [true, false] {
        let engine = build(set, enforce);
        for direction in [Direction::Request, Direction::Reply] {
            let wanted = expected(set, &engine, direction, text);
            check_pieces(&engine, direction, text, &wanted);
        }
    }
}

pub(super) fn check_pieces(engine: &Engine, direction: Direction, text: &[u8], wanted: &[Finding]) {
    let check = |pieces: &[&[u8]]| {
        let found = sorted(feed(engine, direction, pieces));
        let name = |finding: &Finding| (engine.rule(finding.rule).id.clone(), finding.start, finding.end);
        if found != wanted {
            let names: [Vec<_>; 2] = [found.iter().map(name).collect(), wanted.iter().map(name).collect()];
            let cuts: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
            panic!(
                "found {:?}\nwanted {:?}\n{cuts:?}\n{}",
                names[0],
                names[1],
                String::from_utf8_lossy(text)
            );
        }
    };
    check(&[text]);
    check(&text.chunks(1).collect::<Vec<_>>());
    for split in 1..text.len() {
        check(&[&text[..split], &text[split..]]);
    }
    let mut random = Random(text.len() as u64 + 1);
    for _ in 0..8 {
        let (mut rest, mut pieces) = (text, Vec::new());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + random.below(23)));
            pieces.push(piece);
            rest = after;
        }
        check(&pieces);
    }
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

#[test]
fn overlapping_rules_merge_alike_however_the_text_is_cut() {
    let set = overlapping();
    let texts = [
        "",
        "a",
        "abbbbbbbc cab ca-ab-abc-abc-abc-",
        "say Anna Bell, anna, ANN and Annabel; bab babb 张三四 a张三",
        "12-3 4 5 67 8 9 0 1 2 34567890 18 59",
        "x <<a b >> c <<< more and more and more é than fits >> <<",
        "<<a<<a<<>>>><<",
        "aaaabcab\ncabc-ca-cab <<cab>>",
    ];
    for text in texts {
        check(&set, text.as_bytes());
    }
}

#[test]
fn contexts_count_however_the_text_is_cut() {
    let set = contexts();
    let texts = [
        "key=abc1b KEYa : ab12 key=bbb key :  aaa2b",
        "b12\n34 b\n1-b 12-\n7",
        "abbb = acca key abc=aa abaccckey aa keykey= ab",
        "id=aabc paid=aab id=bcc id=acacacacacacac",
        "y<abc> x<abc> y<abcdefghijk y<",
        ": Ann: Ann b三张三 : Anna :Ann b",
    ];
    for text in texts {
        check(&set, text.as_bytes());
    }
    let far = format!("{}key={}ab12 ", "x".repeat(200), " ".repeat(2));
    check(&set, far.as_bytes());
}

#[test]
fn random_texts_over_a_small_alphabet() {
    let overlapping_parts =
        ["a", "b", "c", "-", " ", "<", ">", "1", "8", "Ann", "a", "张", "三", "é", "cab", "ca-"];
    let contexts_parts =
        ["a", "b", "c", "key", "=", " ", ":", "1", "\n", "id=", "y<", ">", "三张三", ": Ann", "-", "é"];
    let mut random = Random(42);
    for (set, parts) in [(overlapping(), overlapping_parts), (contexts(), contexts_parts)] {
        for _ in 0..60 {
            let text: String = (0..random.below(60)).map(|_| parts[random.below(parts.len())]).collect();
            check(&set, text.as_bytes());
        }
    }
}

#[test]
fn every_builtin_rule_in_mixed_text() {
    let set = RuleSet::builtin();
    let examples: Vec<&String> =
        set.rules().flat_map(|rule| rule.examples.iter().chain(&rule.counter_examples)).collect();
    let engine = build(&set, true);
    let mut random = Random(7);
    for round in 0..examples.len() / 3 {
        let text: String = (0..4).map(|_| fragment(&mut random, &examples)).collect();
        let direction = if round % 2 == 0 { Direction::Request } else { Direction::Reply };
        let wanted = expected(&set, &engine, direction, text.as_bytes());
        check_pieces(&engine, direction, text.as_bytes(), &wanted);
    }
}

/// Prose, code, base64, an example, or the beginning of one.
fn fragment(random: &mut Random, examples: &[&String]) -> String {
    const OTHER: [&str; 6] = [
        "The quick brown fox, sk- AKIA gh p_ jumps. ",
        "let key = std::env::var(\"API_KEY\")?; // sk-proj-\n",
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo+abcdefgh/ABC=",
        "Größe: 1.234,56 € 东京 ☃ ",
        "http://user:pass@host/4111 1111 1111 111 ",
        "-",
    ];
    let example = examples[random.below(examples.len())];
    match random.below(4) {
        0 => OTHER[random.below(OTHER.len())].to_owned(),
        1 => {
            let mut end = random.below(example.len() + 1);
            while !example.is_char_boundary(end) {
                end -= 1;
            }
            example[..end].to_owned()
        }
        _ => format!("{example} "),
    }
}

#[test]
fn bytes_that_are_no_text_are_scanned_all_the_same() {
    let set = overlapping();
    let mut random = Random(99);
    for _ in 0..20 {
        let text: Vec<u8> = (0..random.below(80)).map(|_| random.below(256) as u8).collect();
        check(&set, &text);
    }
}

#[test]
fn masks_replace_values() {
    let engine = build(&RuleSet::builtin(), true);
    let cases = [
        ("mail bob@example.org, thanks", "mail [EMAIL_REDACTED], thanks"),
        ("张三的卡号是4111111111111111。", "张三的卡号是[CREDIT_CARD_REDACTED]。"),
        ("nothing here", "nothing here"),
        ("db://app:7hT_pq2!x@db/x", "db://app:[URL_PASSWORD_REDACTED]@db/x"),
    ];
    for (text, masked) in cases {
        let (found, findings) = redact(&engine, Direction::Request, text);
        assert_eq!(found, masked);
        assert_eq!(mask::apply(&engine, text, &findings), masked);
        assert_eq!(redact(&engine, Direction::Request, &found).0, masked, "a mask is no finding");
    }
}

#[test]
fn only_enforcing_rules_hold_back() {
    // (mode enforces, direction, text, how much of it may go)
    let cases = [
        (true, Direction::Reply, "Hello there", 11),
        (true, Direction::Reply, "write to bob@exam", 17),
        (true, Direction::Request, "write to bob@exam", 9),
        (true, Direction::Reply, "key sk-proj-abc", 4),
        (false, Direction::Request, "write to bob@exam sk-proj-abc", 29),
        (true, Direction::Reply, "-----BEGIN PRIVATE KEY-----\nMIIE and much more", 0),
    ];
    for (enforce, direction, text, frontier) in cases {
        let engine = build(&RuleSet::builtin(), enforce);
        let (mut scan, mut out) = (Pass::new(), Vec::new());
        scan.push(&engine, direction, text.as_bytes(), &mut out);
        assert_eq!(scan.frontier(), frontier, "{text}");
    }
}

#[test]
fn what_is_held_is_bounded() {
    let engine = build(&RuleSet::builtin(), true);
    let bound = MAX_SPAN + 2 * 16_384;
    let hostile =
        ["-----BEGIN PRIVATE KEY-----", "sk-ant-api03-", "eyJ", "a@", "a.", "4111 ", "://a:", "+1 2", "a"];
    for unit in hostile {
        let (mut scan, mut out) = (Pass::new(), Vec::new());
        let text = unit.repeat(200_000 / unit.len());
        for piece in text.as_bytes().chunks(1_000) {
            scan.push(&engine, Direction::Request, piece, &mut out);
            assert!(scan.fed() - scan.frontier() <= bound, "{unit}");
            assert!(scan.kept.len() as u64 <= bound && scan.live.len() <= 300, "{unit}");
        }
    }
}

#[test]
fn a_hundred_thousand_words_fit() {
    let list: Vec<String> = (0..100_000).map(|number| format!("word{number:06}")).collect();
    let rule = "{id: words, category: dictionary, severity: low, description: d, words_file: words}";
    let folder = std::env::temp_dir().join(format!("gateway-scan-words-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("words"), list.join("\n")).expect("written");
    let mut set = RuleSet::empty();
    let read = set.extend_from_text("f", &format!("rules: [{rule}]"), Some(&folder));
    std::fs::remove_dir_all(&folder).expect("removed");
    read.unwrap_or_else(|errors| panic!("{errors}"));
    let engine = build(&set, true);
    assert!(engine.memory() < 8 << 20, "{}", engine.memory());
    let text = "a word012345, word0123456 xword000001 word099999";
    assert_eq!(
        redact(&engine, Direction::Reply, text).0,
        "a [WORDS_REDACTED], word0123456 xword000001 [WORDS_REDACTED]"
    );
    let (mut scan, mut out) = (Pass::new(), Vec::new());
    let frontiers = text.as_bytes().chunks(1).map(|piece| {
        scan.push(&engine, Direction::Reply, piece, &mut out);
        scan.frontier()
    });
    // Nothing is held but from the start of a word that may still be in the list.
    assert_eq!(frontiers.take(5).collect::<Vec<_>>(), [1, 2, 2, 2, 2]);
}

#[test]
fn the_builtin_rules_stay_small_and_say_what_they_hold() {
    let engine = build(&RuleSet::builtin(), true);
    assert!(engine.memory() < 32 << 20, "{}", engine.memory());
    let held = |direction| {
        let holds = engine.held_by(direction).into_iter();
        holds.map(|hold| (engine.rule(hold.rule).id.clone(), hold.most)).collect::<Vec<_>>()
    };
    assert!(held(Direction::Request).contains(&("email".to_owned(), 409)));
    assert!(held(Direction::Reply).iter().all(|(id, _)| id != "email"));
    assert!(held(Direction::Reply).contains(&("private-key".to_owned(), 16_384)));
    assert!(build(&RuleSet::builtin(), false).held_by(Direction::Request).is_empty());
}

#[test]
fn a_digest_depends_on_the_key_and_the_value_only() {
    let (one, other) = (build(&RuleSet::builtin(), true), Engine::build(&RuleSet::builtin(), true, &[8; 32]));
    let digest = |engine: &Engine, text: &str| redact(engine, Direction::Request, text).1[0].digest;
    assert_eq!(digest(&one, "a bob@example.org"), digest(&one, "bob@example.org b"));
    assert_ne!(digest(&one, "bob@example.org"), digest(&one, "bab@example.org"));
    assert_ne!(digest(&one, "bob@example.org"), digest(&other.expect("builds"), "bob@example.org"));
}
