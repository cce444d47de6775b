//! A plain running text, redacted as it comes: the holdback without any dialect around it.

use crate::inspect::{Engine, Finding, Scan};
use crate::wire::event::Direction;

/// Redacts one text that comes in pieces.
#[derive(Debug, Default)]
pub struct Running {
    scan: Scan,
    /// Text that was taken in and not yet given out.
    held: Vec<u8>,
    /// Offset of `held[0]` in the text.
    from: u64,
    found: Vec<Finding>,
}

impl Running {
    /// Before the first byte.
    pub fn new() -> Running {
        Running::default()
    }

    /// Takes in a piece and returns what may go: everything no enforcing rule can reach any more, values replaced by
    /// the masks of their rules. `engine` and `direction` must be the same for all calls.
    pub fn push(&mut self, engine: &Engine, direction: Direction, piece: &str) -> Vec<u8> {
        self.scan.push(engine, direction, piece.as_bytes(), &mut self.found);
        self.held.extend_from_slice(piece.as_bytes());
        self.release(engine)
    }

    /// Ends the text: the rest of it.
    pub fn finish(&mut self, engine: &Engine, direction: Direction) -> Vec<u8> {
        self.scan.finish(engine, direction, &mut self.found);
        self.release(engine)
    }

    /// Bytes taken in and not given out.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    fn release(&mut self, engine: &Engine) -> Vec<u8> {
        let (mut out, mut done) = (Vec::new(), 0);
        for finding in self.found.drain(..).filter(|finding| finding.action.enforces()) {
            let (start, end) = ((finding.start - self.from) as usize, (finding.end - self.from) as usize);
            out.extend_from_slice(&self.held[done..start]);
            out.extend_from_slice(engine.rule(finding.rule).mask.as_bytes());
            done = end;
        }
        let clear = (self.scan.frontier() - self.from) as usize;
        out.extend_from_slice(&self.held[done..clear.max(done)]);
        done = done.max(clear);
        self.held.drain(..done);
        self.from += done as u64;
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{RuleSet, redact};

    #[test]
    fn pieces_together_are_the_redacted_whole() {
        let engine = Engine::build(&RuleSet::builtin(), true, &[7; 32]).expect("built-in rules");
        let text =
            "mail bob@example.org, 张三 4111 1111 1111 1111 and sk-proj-short, db://app:7hT_pq2!x@db/x";
        let (whole, _) = redact(&engine, Direction::Request, text);
        for split in (0..=text.len()).filter(|split| text.is_char_boundary(*split)) {
            let mut running = Running::new();
            let mut out = running.push(&engine, Direction::Request, &text[..split]);
            out.extend(running.push(&engine, Direction::Request, &text[split..]));
            out.extend(running.finish(&engine, Direction::Request));
            assert_eq!(String::from_utf8_lossy(&out), whole);
            assert!(running.held().is_empty());
        }
    }
}
