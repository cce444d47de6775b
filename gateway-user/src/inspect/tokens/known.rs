//! Values that were given back and come again, in places where their rule would not look for them.
//!
//! A rule may find a value only by what stands around it, such as a password behind `password:`. Once the app got that
//! value in the place of a token, it sends it again with the conversation, wherever the model wrote it.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::inspect::{Action, Engine, Finding, RuleIndex};
use crate::wire::event::Direction;

/// Most values of one principal that are looked for; of more, those whose codes come first.
pub const MOST_KNOWN: usize = 1000;

/// Shorter values are not looked for: they would be found in any text.
const SHORTEST: usize = 6;

/// The values of one principal.
#[derive(Debug)]
pub struct Known {
    searcher: AhoCorasick,
    rules: Vec<Box<str>>,
}

impl Known {
    /// Values with the ids of the rules that found them; `None` where there is nothing to look for.
    pub fn new<'v>(values: impl Iterator<Item = (&'v str, &'v str)>) -> Option<Known> {
        let long = values.filter(|(_, value)| value.len() >= SHORTEST).take(MOST_KNOWN);
        let (rules, values): (Vec<Box<str>>, Vec<&str>) =
            long.map(|(rule, value)| (rule.into(), value)).unzip();
        let build = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&values);
        // It fails only beyond 2^31 states, far more than these values can have.
        let searcher = build.ok().filter(|_| !values.is_empty())?;
        Some(Known { searcher, rules })
    }

    /// Appends where the values stand in `text`, as findings of their rules; but for places that overlap an enforcing
    /// finding, and for parts of words.
    pub fn find(&self, engine: &Engine, text: &[u8], found: &mut Vec<Finding>) {
        let mut places =
            self.searcher.find_iter(text).filter(|place| stands_alone(text, place.range())).peekable();
        if places.peek().is_none() {
            return;
        }
        let enforcing = found.iter().filter(|finding| finding.action.enforces());
        let mut taken: Vec<(u64, u64)> = enforcing.map(|finding| (finding.start, finding.end)).collect();
        taken.sort_unstable();
        for place in places {
            let (start, end) = (place.start() as u64, place.end() as u64);
            let next = taken.partition_point(|span| span.1 <= start);
            let rule = rule(engine, &self.rules[place.pattern().as_usize()]);
            if let Some(rule) = rule.filter(|_| taken.get(next).is_none_or(|span| span.0 >= end)) {
                let digest = engine.digest(&text[place.range()]);
                found.push(Finding { rule, action: Action::Tokenize, start, end, digest });
            }
        }
    }
}

/// The rule of that id, if it still gives tokens.
fn rule(engine: &Engine, id: &str) -> Option<RuleIndex> {
    let place = engine.rules().iter().position(|rule| rule.id == id)?;
    let rule = RuleIndex(u16::try_from(place).ok()?);
    (engine.action(rule, Direction::Request) == Action::Tokenize).then_some(rule)
}

/// Whether no word goes on before or behind a place.
fn stands_alone(text: &[u8], place: std::ops::Range<usize>) -> bool {
    let is_word = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let before = is_word(place.start.checked_sub(1)) && is_word(Some(place.start));
    let behind = is_word(Some(place.end - 1)) && is_word(Some(place.end));
    !before && !behind
}
