//! Keeps findings apart from tokens: what lies inside a token is no value, however much it looks like one.

use super::Restored;
use crate::inspect::Finding;

/// Sifts the findings of one running text.
#[derive(Debug, Default)]
pub struct Apart {
    /// Findings inside what may still become a token.
    waiting: Vec<Finding>,
    /// Tokens into which later findings may still fall.
    tokens: Vec<(u64, u64)>,
}

impl Apart {
    /// Leaves of `found` what is decided and lies in no token. `restored` are the tokens that were completed, `open` is
    /// where one that is not yet complete begins, and no finding will begin before `frontier` any more.
    pub fn sift(&mut self, found: &mut Vec<Finding>, restored: &[Restored], open: u64, frontier: u64) {
        self.tokens.extend(restored.iter().map(|token| (token.start, token.end)));
        if !(found.is_empty() && self.waiting.is_empty()) {
            self.waiting.append(found);
            let decided = self.waiting.extract_if(.., |finding| finding.start < open);
            found.extend(decided.filter(|finding| !is_inside(&self.tokens, finding)));
        }
        self.tokens.retain(|token| token.1 > frontier);
    }
}

/// Takes out of `found` what lies in a token of the same whole text.
pub fn sift(found: &mut Vec<Finding>, restored: &[Restored]) {
    let tokens: Vec<(u64, u64)> = restored.iter().map(|token| (token.start, token.end)).collect();
    found.retain(|finding| !is_inside(&tokens, finding));
}

/// `tokens` are in order and disjoint.
fn is_inside(tokens: &[(u64, u64)], finding: &Finding) -> bool {
    let next = tokens.partition_point(|token| token.1 < finding.end);
    tokens.get(next).is_some_and(|token| token.0 <= finding.start)
}
