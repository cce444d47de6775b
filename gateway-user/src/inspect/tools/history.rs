//! What was called before: read from the conversation that every request carries, so that nothing has to be kept.

use std::collections::HashMap;

use crate::inspect::tools::Because;
use crate::inspect::tools::policy::Policy;
use crate::inspect::tools::ruling::{Outcome, Used};
use crate::inspect::tools::whole::{self, decoded};
use crate::wire::event::Kind;
use crate::wire::reading::{Call, Reading, Role};

/// Most results of one request that are recorded.
const MOST_RESULTS: usize = 64;

/// What was called since the last text of the user.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Rounds of tool calls: calls made at once are one round.
    pub rounds: u32,
    /// How often each call has given the same result in a row, by the digest of name and arguments.
    repeats: HashMap<String, u32>,
    /// Results of the last round, as they are recorded.
    pub results: Vec<Used>,
}

/// A result, for telling whether the next one of the same call says the same.
#[derive(Default)]
struct Last {
    result: String,
    times: u32,
}

impl History {
    /// Reads the conversation of a request.
    pub(in crate::inspect) fn read(policy: &Policy, body: &[u8], reading: &Reading) -> History {
        let mut turns: Vec<Turn<'_>> = reading.calls.iter().map(Turn::Tool).collect();
        turns.extend(user_texts(reading).map(Turn::User));
        turns.sort_by_key(Turn::start);
        let mut history = History::default();
        let mut reader =
            Reader { policy, body, reading, open: HashMap::new(), last: HashMap::new(), calls: false };
        for turn in turns {
            reader.take(turn, &mut history);
        }
        history.repeats = reader.last.into_iter().map(|(call, last)| (call, last.times)).collect();
        history
    }

    /// Why the request itself may not go on.
    pub fn refused(&self, policy: &Policy) -> Option<Because> {
        let most = policy.calling().max_iterations?;
        (self.rounds > most).then_some(Because::Iterations)
    }

    /// Why one more call, known by its digest, may not be made.
    pub(super) fn refuses(&self, policy: &Policy, call: &str) -> Option<Because> {
        let calling = policy.calling();
        if calling.max_iterations.is_some_and(|most| self.rounds >= most) {
            return Some(Because::Iterations);
        }
        let times = self.repeats.get(call).copied().unwrap_or(0);
        (calling.duplicate_detection && times >= calling.max_duplicates).then_some(Because::Duplicate)
    }
}

/// A step of the conversation.
enum Turn<'a> {
    /// The user wrote something, at this offset.
    User(u32),
    Tool(&'a Call),
}

impl Turn<'_> {
    fn start(&self) -> u32 {
        match self {
            Turn::User(start) => *start,
            Turn::Tool(call) => call.span.start,
        }
    }
}

/// Where the user wrote a text. What stands beside a tool's result is said by the program, not by the user.
fn user_texts(reading: &Reading) -> impl Iterator<Item = u32> {
    let with_result =
        |message: u16| reading.calls.iter().any(|call| call.role == Role::Result && call.block == message);
    let mut last = None;
    reading.pieces.iter().filter_map(move |piece| {
        let message = piece.channel.block;
        let text = piece.channel.kind == Kind::User && !piece.span.is_empty() && last != Some(message);
        if !text {
            return None;
        }
        last = Some(message);
        (!with_result(message)).then_some(piece.span.start)
    })
}

struct Reader<'a> {
    policy: &'a Policy,
    body: &'a [u8],
    reading: &'a Reading,
    /// Calls by id, or by name where they have none: the name and the digest of each.
    open: HashMap<Vec<u8>, (String, String)>,
    last: HashMap<String, Last>,
    /// The last step was a call.
    calls: bool,
}

impl Reader<'_> {
    fn take(&mut self, turn: Turn<'_>, history: &mut History) {
        match turn {
            Turn::User(_) => {
                *history = History::default();
                self.last.clear();
                self.calls = false;
            }
            Turn::Tool(call) if call.role == Role::Call => {
                if !self.calls {
                    history.rounds = history.rounds.saturating_add(1);
                    history.results.clear();
                }
                self.calls = true;
                let name = whole::name(self.body, call);
                let digest = whole::digest(self.policy, self.body, self.reading, call, &name);
                self.open.insert(self.id(call), (name, digest));
            }
            Turn::Tool(call) => {
                self.calls = false;
                self.result(call, history);
            }
        }
    }

    fn id(&self, call: &Call) -> Vec<u8> {
        let span = call.id.or(call.name.map(|(name, _)| name));
        span.map(|span| span.of(self.body).to_vec()).unwrap_or_default()
    }

    fn result(&mut self, call: &Call, history: &mut History) {
        let mut text = Vec::new();
        for piece in whole::pieces(self.reading, call) {
            decoded(self.body, piece, &mut text);
        }
        let digest = self.policy.digest(&text);
        let known = self.open.remove(&self.id(call));
        let name = known.as_ref().map_or_else(|| whole::name(self.body, call), |(name, _)| name.clone());
        if let Some((_, called)) = known {
            let last = self.last.entry(called).or_default();
            if last.result == digest {
                last.times = last.times.saturating_add(1);
            } else {
                *last = Last { result: digest.clone(), times: 1 };
            }
        }
        if history.results.len() < MOST_RESULTS {
            let outcome = Outcome::Result;
            history.results.push(Used { name, digest, outcome, because: None, by_provider: false });
        }
    }
}
