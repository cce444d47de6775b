//! Tool calls and tool results of a document: what names, ids and arguments belong together.

use crate::wire::json::Span;
use crate::wire::reading::Reading;
use crate::wire::shape::Scope;

/// What a [`Call`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The model calls a tool.
    Call,
    /// A tool has answered.
    Result,
}

/// A tool call, a part of one, or a tool's result. Spans are into the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which of the two.
    pub role: Role,
    /// Name of the tool, and whether it holds escapes. Some calls have a kind instead.
    pub name: Option<(Span, bool)>,
    /// Id of the call.
    pub id: Option<Span>,
    /// Its kind, as the dialect names it.
    pub kind: Option<Span>,
    /// The arguments with their braces, where they are an object. Else they are the pieces of tool arguments inside `span`.
    pub arguments: Option<Span>,
    /// The object that says all this, braces included.
    pub span: Span,
    /// Which of several parallel answers.
    pub choice: u16,
    /// Which block of an answer; of a request, which message.
    pub block: u16,
}

/// What an open scope has said of a call so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Named {
    pub(super) name: Option<(Span, bool)>,
    pub(super) id: Option<Span>,
    pub(super) result_of: Option<Span>,
    pub(super) kind: Option<Span>,
    pub(super) arguments: Option<Span>,
    /// Its kind is that of a call.
    pub(super) typed: bool,
    /// Its kind is that of a result.
    pub(super) output: bool,
}

impl Named {
    pub(super) fn is_call(&self) -> bool {
        self.typed
            || self.output
            || self.name.is_some()
            || self.id.is_some()
            || self.result_of.is_some()
            || self.arguments.is_some()
    }

    pub(super) fn call(self, scope: Scope, span: Span) -> Call {
        let result = scope == Scope::Result || self.result_of.is_some() || self.output;
        Call {
            role: if result { Role::Result } else { Role::Call },
            name: self.name,
            id: self.result_of.or(self.id),
            kind: self.kind,
            arguments: self.arguments,
            span,
            choice: 0,
            block: 0,
        }
    }
}

impl Reading {
    /// Changes what is known of the innermost open scope that may be a call.
    pub(super) fn with_call(&mut self, change: impl FnOnce(&mut Named)) {
        let may_call = |scope| {
            matches!(scope, Scope::Block | Scope::Message | Scope::Item | Scope::Call | Scope::Result)
        };
        if let Some(open) = self.scopes.iter_mut().rfind(|open| may_call(open.scope)) {
            change(&mut open.named);
        }
    }

    pub(super) fn tool_name(&mut self, span: Span, escaped: bool) {
        if self.scopes.is_empty() {
            self.facts.tool_name = Some((span, escaped));
        }
        self.with_call(|named| named.name = Some((span, escaped)));
    }
}
