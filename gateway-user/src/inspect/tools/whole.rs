//! Calls in whole documents: their texts, their digests, and what stands in place of a refused one.

use crate::inspect::tools::policy::{Called, Policy};
use crate::inspect::tools::ruling::{Outcome, Used};
use crate::inspect::tools::{Because, Guard, MOST_CALLS, REFUSED_NAME};
use crate::wire::Dialect;
use crate::wire::edit::Edit;
use crate::wire::escape::{self, quoted};
use crate::wire::event::Kind;
use crate::wire::json::Span;
use crate::wire::reading::{Call, Form, Piece, Reading, Role};

/// Longest name that is recorded, in bytes.
const LONGEST_NAME: usize = 128;

/// What is to be done with the calls of a whole answer.
#[derive(Debug, Default)]
pub struct JudgedCalls {
    /// As they are recorded.
    pub used: Vec<Used>,
    /// What is to be changed.
    pub edits: Vec<Edit>,
    /// The answer may not go out at all.
    pub stop: Option<Because>,
}

/// Judges the calls of a whole answer.
pub fn judge_whole(guard: &Guard, dialect: &dyn Dialect, body: &[u8], reading: &Reading) -> JudgedCalls {
    let mut judged = JudgedCalls::default();
    for call in reading.calls.iter().filter(|call| call.role == Role::Call) {
        let one = Complete::of(dialect, body, reading, call);
        let because = guard.judge(&one);
        let used = guard.used(&one, because);
        let refused = used.outcome == Outcome::Refused;
        if judged.used.len() < MOST_CALLS {
            judged.used.push(used);
        }
        let Some(because) = because.filter(|_| refused) else { continue };
        if guard.must_cut(because, one.by_provider || call.name.is_none()) {
            judged.stop = judged.stop.or(Some(because));
        } else {
            replace(reading, call, because, &one, &mut judged.edits);
        }
    }
    judged
}

/// A call with all its texts.
#[derive(Debug)]
pub struct Complete {
    /// Name of the tool, or its kind.
    pub name: String,
    /// Its arguments, decoded.
    pub arguments: Vec<u8>,
    /// They are JSON.
    pub json: bool,
    /// The provider runs it.
    pub by_provider: bool,
}

impl Complete {
    fn of(dialect: &dyn Dialect, body: &[u8], reading: &Reading, call: &Call) -> Complete {
        let mut arguments = Vec::new();
        let json = text(body, reading, call, &mut arguments);
        let by_provider = call.kind.is_some_and(|kind| dialect.runs(kind.of(body)));
        Complete { name: name(body, call), arguments, json, by_provider }
    }
}

impl Guard {
    /// The verdict on a complete call, its history included.
    pub(super) fn judge(&self, call: &Complete) -> Option<Because> {
        let Complete { name, arguments, json, by_provider } = call;
        let called = Called { name, arguments, json: *json, by_provider: *by_provider };
        self.policy.judge(&called).or_else(|| {
            let counts = self.policy.counts() && !by_provider;
            counts.then(|| self.history.refuses(&self.policy, &key(&self.policy, name, arguments)))?
        })
    }

    /// What is recorded of a call with this verdict.
    pub(super) fn used(&self, call: &Complete, because: Option<Because>) -> Used {
        let outcome = match because {
            None => Outcome::Allowed,
            Some(_) if self.policy.is_enforced() => Outcome::Refused,
            Some(_) => Outcome::Warned,
        };
        let digest = self.policy.digest(&canonical(&call.arguments));
        Used { name: short(&call.name), digest, outcome, because, by_provider: call.by_provider }
    }

    /// Whether a refusal ends the answer: where it cannot be told in the call's place, or would only go on for ever.
    pub(super) fn must_cut(&self, because: Because, unnamed: bool) -> bool {
        self.policy.cuts() || unnamed || because == Because::Iterations
    }
}

/// The name of a call, or its kind without what says that it is a call.
pub fn name(body: &[u8], call: &Call) -> String {
    let Some((span, escaped)) = call.name else {
        let kind = call.kind.map(|kind| kind.of(body)).unwrap_or_default();
        return String::from_utf8_lossy(kind.strip_suffix(b"_call").unwrap_or(kind)).into_owned();
    };
    let mut name = Vec::new();
    if escaped {
        escape::decode(span.of(body), &mut name);
    } else {
        name.extend_from_slice(span.of(body));
    }
    String::from_utf8_lossy(&name).into_owned()
}

/// The digest by which the same call is known again.
pub fn digest(policy: &Policy, body: &[u8], reading: &Reading, call: &Call, name: &str) -> String {
    if !policy.calling().duplicate_detection {
        return String::new();
    }
    let mut arguments = Vec::new();
    text(body, reading, call, &mut arguments);
    key(policy, name, &arguments)
}

/// The digest of a name with its arguments.
pub fn key(policy: &Policy, name: &str, arguments: &[u8]) -> String {
    policy.digest(&[name.as_bytes(), b"\0", &canonical(arguments)].concat())
}

/// The pieces of a document that stand in a call, its name left out.
pub fn pieces<'a>(reading: &'a Reading, call: &Call) -> impl Iterator<Item = &'a Piece> + use<'a> {
    let (Span { start, end }, name) = (call.span, call.name.map(|(name, _)| name));
    let from = reading.pieces.partition_point(|piece| piece.span.start < start);
    let inside = reading.pieces[from..].iter().take_while(move |piece| piece.span.end <= end);
    inside.filter(move |piece| Some(piece.span) != name)
}

/// Appends the decoded text of a piece.
pub fn decoded(body: &[u8], piece: &Piece, out: &mut Vec<u8>) {
    match piece.escaped {
        true => escape::decode(piece.span.of(body), out),
        false => out.extend_from_slice(piece.span.of(body)),
    }
}

/// Whether a piece may be the arguments of a call.
pub fn is_argument(piece: &Piece) -> bool {
    matches!(piece.channel.kind, Kind::ToolArguments | Kind::Opaque)
}

/// Appends the arguments of a call, and says whether they are JSON.
fn text(body: &[u8], reading: &Reading, call: &Call, out: &mut Vec<u8>) -> bool {
    if let Some(object) = call.arguments {
        out.extend_from_slice(object.of(body));
        return true;
    }
    let mut json = false;
    for piece in pieces(reading, call).filter(|piece| is_argument(piece)) {
        json |= piece.form == Form::Json;
        decoded(body, piece, out);
    }
    json || out.is_empty()
}

/// Puts a refusal in place of a call.
fn replace(reading: &Reading, call: &Call, because: Because, one: &Complete, edits: &mut Vec<Edit>) {
    if let Some((span, _)) = call.name {
        edits.push(Edit { span, text: REFUSED_NAME.to_owned() });
    }
    if let Some(span) = call.arguments {
        return edits.push(Edit { span, text: refusal(because, &one.name, true) });
    }
    let mut said = refusal(because, &one.name, one.json);
    for piece in pieces(reading, call).filter(|piece| is_argument(piece)) {
        edits.push(Edit { span: piece.span, text: inside(&std::mem::take(&mut said)) });
    }
}

/// What stands in place of the arguments: a JSON object, or a sentence.
pub fn refusal(because: Because, name: &str, json: bool) -> String {
    let (name, why) = (short(name), because.why());
    match json {
        true => {
            format!("{{\"refused\":{},\"reason\":{}}}", quoted(&name), quoted(&format!("gateway: {why}")))
        }
        false => format!("gateway: the call of {name} was refused: {why}"),
    }
}

/// A text as it stands inside a JSON string.
pub fn inside(text: &str) -> String {
    let quoted = quoted(text);
    quoted[1..quoted.len() - 1].to_owned()
}

/// A name within its bound, without control characters.
fn short(name: &str) -> String {
    let clean: String =
        name.chars().map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter }).collect();
    let end = (0..=LONGEST_NAME.min(clean.len())).rev().find(|&at| clean.is_char_boundary(at)).unwrap_or(0);
    clean[..end].to_owned()
}

/// Arguments in one form: keys sorted, no spaces. What is no JSON only loses the spaces around it.
fn canonical(arguments: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<serde_json::Value>(arguments) {
        Ok(value) => value.to_string().into_bytes(),
        Err(_) => arguments.trim_ascii().to_vec(),
    }
}
