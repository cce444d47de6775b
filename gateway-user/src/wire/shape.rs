//! Shapes: tables that say what each field of a dialect's JSON means, compiled to a walkable tree.

use crate::wire::event::Kind;

/// What a field means. A field no row names is [`Field::Unknown`]: text, never skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Text; in a stream a part of its channel's running text.
    Text(Kind),
    /// Text that runs beside the channel's main text, often repeating it; lanes are told apart by number, from 1.
    Lane(Kind, u16),
    /// Text the provider signs: judged, never rewritten.
    Signed(Kind),
    /// Text that is itself JSON, so escapes stand two deep.
    Json(Kind),
    /// Text that is complete where it stands, also in a stream.
    Whole(Kind),
    /// Text unless it is a `data:` URL.
    Url(Kind),
    /// Name of the tool that a call names, or a result comes from; complete where it stands, judged like any text.
    ToolName(Kind),
    /// A payload that is base64 unless its [`Scope::Source`] says `"type":"text"`.
    Payload(Kind),
    /// Names, ids, signatures, encrypted or binary data: no text.
    Exempt,
    /// A value the dialect wants to know.
    Fact(Fact),
    /// A container with a meaning.
    Scope(Scope),
    /// A field the dialect does not know. In a stream it may be running or complete: both are judged.
    Unknown,
}

/// Values a dialect picks out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Name of the model.
    Model,
    /// Id of the answer.
    Id,
    /// Id of an item of the answer.
    ItemId,
    /// Creation time of the answer, seconds since 1970.
    Created,
    /// Whether the request asks for a stream.
    Stream,
    /// The most output tokens asked for.
    MaxTokens,
    /// Whether usage is asked for at the end of a stream.
    IncludeUsage,
    /// Role of a message.
    Role,
    /// Whether a message of a client asks for an answer.
    Asks,
    /// Kind of a [`Scope::Source`].
    SourceType,
    /// Kind of a streamed event.
    EventType,
    /// Kind of a content block; of a tool call or result, where it says so.
    BlockType,
    /// Id of a tool call, by which its result is known.
    CallId,
    /// Id of the tool call that this is the result of.
    ResultOf,
    /// Why a choice or the answer ended, or that it did; null or false while it runs.
    Finish,
    /// Number of a choice.
    Choice,
    /// Number of a block or tool call.
    Block,
    /// Number of a part within a block.
    Part,
    /// Number of the event in its stream.
    Sequence,
    /// Whether the part's text is the model's reasoning.
    Thought,
    /// Input tokens, cached ones included or not as the dialect defines.
    InputTokens,
    /// Input tokens read from the cache.
    CachedTokens,
    /// Input tokens written to the cache.
    CacheWriteTokens,
    /// Input tokens that the dialect counts beside the others.
    ExtraInputTokens,
    /// Output tokens.
    OutputTokens,
    /// Reasoning tokens.
    ReasoningTokens,
}

/// Containers with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One of several answers.
    Choice,
    /// One block or tool call.
    Block,
    /// One item of the answer, to be remembered as it stands.
    Item,
    /// The head of a block, which begins with it.
    Opening,
    /// A part of a running answer.
    Delta,
    /// One part of a message; a flag in it may say that its text is reasoning.
    Part,
    /// One message of a conversation; its role decides the kind of its text.
    Message,
    /// What may be a tool call: name, id and arguments in it belong together. Also blocks, items and messages may be one.
    Call,
    /// What a tool answered.
    Result,
    /// The arguments of a tool call, where they are an object and no string.
    Arguments,
    /// A payload with its type.
    Source,
    /// Token strings of text that stands elsewhere in the document; emptied where that text is changed.
    Logprobs,
    /// Options of the stream.
    StreamOptions,
    /// The usage object.
    Usage,
    /// An error object.
    Error,
}

/// A place in a [`Shape`].
pub type Place = u16;

#[derive(Debug)]
struct Node {
    field: Field,
    /// Names with their fingerprints, in the order of the rows.
    keys: Vec<(u16, &'static str, Place)>,
    item: Place,
    /// Where children no row names lead.
    rest: Place,
    /// Whether keys found here are free text rather than names the dialect gave.
    free_keys: bool,
}

/// A path, and what it means.
pub type Row = (&'static str, Field);

/// A compiled table of fields.
#[derive(Debug)]
pub struct Shape {
    nodes: Vec<Node>,
}

const NONE: Place = Place::MAX;

impl Shape {
    /// Compiles rows of path and meaning. A path is keys joined by dots; `[]` is any item of an array; a last part
    /// `**` gives the meaning of everything below that no other row names (nearest such row wins). Where several rows have
    /// one path the last wins.
    pub fn new(rows: &[Row]) -> Shape {
        Shape::below(&[("", rows)])
    }

    /// Compiles several tables, each of which stands below a path of its own; the empty path is the document itself.
    pub fn below(tables: &[(&'static str, &[Row])]) -> Shape {
        let mut shape = Shape { nodes: Vec::new() };
        shape.add(Field::Unknown);
        let unknown = shape.add_rest(Field::Unknown);
        for (path, rows) in tables {
            let base = shape.walk(Shape::ROOT, path);
            for &(path, field) in *rows {
                shape.insert(base, path, field);
            }
        }
        shape.settle(Shape::ROOT, unknown);
        shape
    }

    /// The place of the document itself.
    pub const ROOT: Place = 0;

    /// What a place means.
    pub fn field(&self, place: Place) -> Field {
        self.nodes[usize::from(place)].field
    }

    /// Where `key` leads from `place`, and whether a row names it.
    pub fn child(&self, place: Place, key: &[u8]) -> (Place, bool) {
        let node = &self.nodes[usize::from(place)];
        let wanted = fingerprint(key);
        let named = node.keys.iter().find(|(print, name, _)| *print == wanted && name.as_bytes() == key);
        named.map_or((node.rest, false), |&(_, _, child)| (child, true))
    }

    /// Where the items of an array at `place` lead.
    pub fn item(&self, place: Place) -> Place {
        self.nodes[usize::from(place)].item
    }

    /// Whether keys at `place` are free text.
    pub fn has_free_keys(&self, place: Place) -> bool {
        self.nodes[usize::from(place)].free_keys
    }

    fn add(&mut self, field: Field) -> Place {
        self.nodes.push(Node { field, keys: Vec::new(), item: NONE, rest: NONE, free_keys: false });
        (self.nodes.len() - 1) as Place
    }

    /// A place whose children all lead to itself.
    fn add_rest(&mut self, field: Field) -> Place {
        let place = self.add(field);
        self.nodes[usize::from(place)] =
            Node { field, keys: Vec::new(), item: place, rest: place, free_keys: true };
        place
    }

    fn insert(&mut self, base: Place, path: &'static str, field: Field) {
        let above = path.strip_suffix("**").map(|above| above.trim_end_matches('.'));
        let place = self.walk(base, above.unwrap_or(path));
        if above.is_some() {
            let rest = self.add_rest(field);
            self.nodes[usize::from(place)].rest = rest;
        } else {
            let node = &mut self.nodes[usize::from(place)];
            node.field = field;
            node.free_keys |= field == Field::Scope(Scope::Arguments);
        }
    }

    /// The place that a path leads to from `place`, made where it is missing.
    fn walk(&mut self, mut place: Place, path: &'static str) -> Place {
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let name = part.trim_end_matches("[]");
            if !name.is_empty() {
                place = self.step(place, name);
            }
            for _ in 0..(part.len() - name.len()) / 2 {
                place = self.step_item(place);
            }
        }
        place
    }

    fn step(&mut self, place: Place, name: &'static str) -> Place {
        if let (child, true) = self.child(place, name.as_bytes()) {
            return child;
        }
        let child = self.add(Field::Unknown);
        self.nodes[usize::from(place)].keys.push((fingerprint(name.as_bytes()), name, child));
        child
    }

    fn step_item(&mut self, place: Place) -> Place {
        if self.nodes[usize::from(place)].item == NONE {
            self.nodes[usize::from(place)].item = self.add(Field::Unknown);
        }
        self.nodes[usize::from(place)].item
    }

    /// Fills in where unnamed children lead: to the nearest `**` above, else to the unknown place.
    fn settle(&mut self, place: Place, inherited: Place) {
        let node = &mut self.nodes[usize::from(place)];
        if node.rest == NONE {
            node.rest = inherited;
        }
        let rest = node.rest;
        let mut below: Vec<Place> = node.keys.iter().map(|&(_, _, child)| child).collect();
        if node.item == NONE {
            node.item = rest;
        } else {
            below.push(node.item);
        }
        for child in below {
            self.settle(child, rest);
        }
    }
}

/// Length and last byte: enough to tell most names of one object apart without comparing them.
fn fingerprint(key: &[u8]) -> u16 {
    (key.len() as u16) << 8 | u16::from(key.last().copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_the_nearest_row_says() {
        let shape = Shape::new(&[
            ("model", Field::Fact(Fact::Model)),
            ("tools[].**", Field::Text(Kind::ToolDefinition)),
            ("tools[].type", Field::Exempt),
        ]);
        let check = |path: &[&str], expected: Field| {
            let mut place = Shape::ROOT;
            for part in path {
                place = if *part == "[]" { shape.item(place) } else { shape.child(place, part.as_bytes()).0 };
            }
            assert_eq!(shape.field(place), expected, "{path:?}");
        };
        check(&["model"], Field::Fact(Fact::Model));
        check(&["model", "x", "y"], Field::Unknown);
        check(&["tools", "[]", "type"], Field::Exempt);
        check(&["tools", "[]", "x", "[]", "type"], Field::Text(Kind::ToolDefinition));
        check(&["other", "[]", "[]", "x"], Field::Unknown);
        let shape = Shape::below(&[("[]", &[("a", Field::Exempt)]), ("inner.x", &[("**", Field::Exempt)])]);
        let items = shape.item(Shape::ROOT);
        assert_eq!(shape.field(shape.child(items, b"a").0), Field::Exempt);
        let inner = shape.child(shape.child(Shape::ROOT, b"inner").0, b"x").0;
        assert_eq!(shape.field(shape.child(inner, b"y").0), Field::Exempt);
        assert_eq!(shape.field(shape.child(Shape::ROOT, b"a").0), Field::Unknown);
    }
}
