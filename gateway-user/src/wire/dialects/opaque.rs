//! The dialect of routes nobody described: every string is text, nothing is skipped.

use std::sync::LazyLock;

use crate::wire::dialects::{Dialect, Ending, Marks, Refusal, Sent};
use crate::wire::escape::quoted;
use crate::wire::event::Usage;
use crate::wire::reading::{Facts, Tokenised};
use crate::wire::shape::{Fact, Field, Scope, Shape};

/// The dialect `opaque`.
#[derive(Debug)]
pub struct Opaque;

/// Fields that nearly every API names alike.
const ROWS: &[(&str, Field)] = &[
    ("model", Field::Fact(Fact::Model)),
    ("stream", Field::Fact(Fact::Stream)),
    ("error", Field::Scope(Scope::Error)),
];

static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::new(ROWS));

impl Dialect for Opaque {
    fn name(&self) -> &'static str {
        "opaque"
    }

    fn is_known(&self) -> bool {
        false
    }

    fn request(&self) -> &'static Shape {
        &SHAPE
    }

    fn reply(&self) -> &'static Shape {
        &SHAPE
    }

    fn event(&self) -> &'static Shape {
        &SHAPE
    }

    fn marks(&self, _event: &[u8], facts: &Facts) -> Marks {
        Marks { start: true, error: facts.error, ..Marks::default() }
    }

    fn count(&self, _tokens: &Tokenised, _usage: &mut Usage) {}

    fn refusal(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        let (message, code) = (quoted(refusal.message), refusal.reason.code());
        format!(
            "{{\"error\":{{\"message\":{message},\"type\":\"invalid_request_error\",\"code\":\"{code}\"}}}}"
        )
        .into_bytes()
    }

    /// Nothing can be said in an unknown stream that its client would understand.
    fn ending(&self, _sent: &Sent, _ending: &Ending<'_>) -> Vec<u8> {
        Vec::new()
    }
}
