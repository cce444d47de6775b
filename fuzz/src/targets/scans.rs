//! The scan: the same findings at every cut, never a byte let go that a finding takes later; rule files.

use std::sync::LazyLock;

use gateway::inspect::{Engine, Finding, RuleSet, Scan};
use gateway::wire::event::Direction;

use super::ENGINE;
use crate::cuts::cut;

/// Rules that overlap and contain each other, so that short inputs reach much.
static SMALL: LazyLock<Engine> = LazyLock::new(|| {
    let mut rules = RuleSet::empty();
    rules
        .extend_from_text(
            "small",
            "rules:
  - {id: ab, category: secret, severity: low, description: d, pattern: 'ab{1,6}', not_after: none}
  - {id: run, category: secret, severity: high, description: d, pattern: 'b{3,5}c?', not_after: none}
  - {id: open, category: secret, severity: low, description: d, pattern: 'ca-[a-c]{1,3}', tail: '[a-c-]', max_length: 12}
  - {id: until, category: secret, severity: critical, description: d, pattern: '<<a?', until: '>>', max_length: 20}
  - {id: names, category: dictionary, severity: low, description: d, words: [Ann, Anna Bell, 张三], ignore_case: true}
  - {id: number, category: pii, severity: low, description: d, pattern: '[0-9](?:[ -]?[0-9]){2,7}', validators: [luhn]}",
            None,
        )
        .expect("these rules are right");
    Engine::build(&rules, true, &[7; 32]).expect("these rules are small")
});

/// The holdback's promise, with small rules or all built-in ones.
pub fn scan(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let engine: &Engine = if choice & 1 == 0 { &SMALL } else { &ENGINE };
    let direction = if choice & 2 == 0 { Direction::Request } else { Direction::Reply };
    let (text, pieces) = cut(rest);
    assert_eq!(sorted(feed(engine, direction, &pieces)), sorted(feed(engine, direction, &[text])));
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.action.enforces(), finding.start, finding.end));
    findings
}

fn feed(engine: &Engine, direction: Direction, pieces: &[&[u8]]) -> Vec<Finding> {
    let (mut scan, mut out, mut frontier) = (Scan::new(), Vec::new(), 0);
    let mut fed = 0;
    for piece in pieces {
        let known = out.len();
        scan.push(engine, direction, piece, &mut out);
        fed += piece.len() as u64;
        check(&out[known..], frontier);
        assert!(frontier <= scan.frontier() && scan.frontier() <= fed);
        frontier = scan.frontier();
    }
    let known = out.len();
    scan.finish(engine, direction, &mut out);
    check(&out[known..], frontier);
    assert_eq!(scan.frontier(), fed);
    out
}

/// What is masked now was not let go before.
fn check(new: &[Finding], frontier: u64) {
    for finding in new.iter().filter(|finding| finding.action.enforces()) {
        assert!(frontier <= finding.start && finding.start < finding.end);
    }
}

/// A rule file is taken or refused with a reason, never with a panic.
pub fn rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut rules = RuleSet::empty();
    match rules.extend_from_text("fuzz", &text, None) {
        Ok(()) => drop(Engine::build(&rules, true, &[7; 32])),
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
}
