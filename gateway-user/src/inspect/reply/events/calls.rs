//! The tool calls of an event: handed to the gate, and what it refuses changed in the events that wait.

use crate::inspect::reply::Stop;
use crate::inspect::reply::events::Events;
use crate::inspect::tools::{Bit, Used};
use crate::wire::dialects::Marks;

impl Events {
    /// Takes the calls of the event in `reading`. Returns what of it has to wait; what is refused is in the scratch edits.
    pub(super) fn calls(&mut self, payload: &[u8], marks: &Marks) -> Vec<Bit> {
        let Some(gate) = &mut self.gate else { return Vec::new() };
        gate.event(self.dialect, payload, &self.reading, marks, self.sent.resumes);
        let mut bits = gate.bits();
        // What is refused here and cannot be replaced stays here.
        self.sealed |= gate.stop.is_some();
        self.refuse();
        if let Some(gate) = &mut self.gate {
            gate.edits(&mut bits, &mut self.scratch.edits);
        }
        bits
    }

    /// Nothing follows: calls that are not complete are judged as they are.
    pub(super) fn end_calls(&mut self) {
        if let Some(gate) = &mut self.gate {
            gate.finish();
            self.refuse();
        }
    }

    /// The calls so far, as they are recorded.
    pub fn used(&self) -> &[Used] {
        self.gate.as_ref().map_or(&[], |gate| &gate.used)
    }

    /// Changes the events that wait where calls in them are refused.
    fn refuse(&mut self) {
        let Some(gate) = &mut self.gate else { return };
        self.stop = self.stop.or(gate.stop.map(Stop::Tool));
        if gate.has_refused() {
            for event in &mut self.queue {
                gate.edits(&mut event.bits, &mut event.edits);
            }
        }
    }
}
