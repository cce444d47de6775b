//! Rounds and repeated calls, read from the conversation of a request.

use super::*;
use crate::inspect::request::{JudgeOptions, judge};
use crate::inspect::{Engine, RuleSet};
use crate::wire::Dialect;
use crate::wire::dialects::anthropic::Anthropic;
use crate::wire::dialects::gemini::Gemini;
use crate::wire::dialects::openai_chat::OpenAiChat;
use crate::wire::dialects::openai_responses::OpenAiResponses;
use serde_json::{Value, json};

/// What one step of a conversation is.
enum Step {
    User,
    /// Calls made at once: name, argument and id.
    Calls(&'static [(&'static str, &'static str, &'static str)]),
    /// The result of a call, by its id.
    Result(&'static str, &'static str),
    Says,
}

use Step::{Calls, Result, Says, User};

fn chat(steps: &[Step]) -> Value {
    let message = |step: &Step| match step {
        User => json!({"role": "user", "content": "do it"}),
        Says => json!({"role": "assistant", "content": "done"}),
        Calls(calls) => {
            json!({"role": "assistant", "content": null, "tool_calls": calls.iter().map(|(name, argument, id)| json!(
            {"id": id, "type": "function", "function": {"name": name, "arguments": json!({"a": argument}).to_string()}})).collect::<Vec<_>>()})
        }
        Result(id, text) => json!({"role": "tool", "tool_call_id": id, "content": text}),
    };
    json!({"model": "m", "messages": steps.iter().map(message).collect::<Vec<_>>()})
}

fn anthropic(steps: &[Step]) -> Value {
    let message = |step: &Step| match step {
        User => json!({"role": "user", "content": "do it"}),
        Says => json!({"role": "assistant", "content": "done"}),
        Calls(calls) => json!({"role": "assistant", "content": calls.iter().map(|(name, argument, id)| json!(
            {"type": "tool_use", "id": id, "name": name, "input": {"a": argument}})).collect::<Vec<_>>()}),
        Result(id, text) => json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": text},
            {"type": "text", "text": "<system-reminder>be brief</system-reminder>"}]}),
    };
    json!({"model": "m", "max_tokens": 5, "messages": steps.iter().map(message).collect::<Vec<_>>()})
}

fn responses(steps: &[Step]) -> Value {
    let items = |step: &Step| {
        match step {
        User => vec![json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "do it"}]})],
        Says => vec![json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]})],
        Calls(calls) => calls.iter().map(|(name, argument, id)| json!(
            {"type": "function_call", "call_id": id, "name": name, "arguments": json!({"a": argument}).to_string()})).collect(),
        Result(id, text) => vec![json!({"type": "function_call_output", "call_id": id, "output": text})],
    }
    };
    json!({"model": "m", "input": steps.iter().flat_map(items).collect::<Vec<_>>()})
}

fn gemini(steps: &[Step]) -> Value {
    let content = |step: &Step| match step {
        User => json!({"role": "user", "parts": [{"text": "do it"}]}),
        Says => json!({"role": "model", "parts": [{"text": "done"}]}),
        Calls(calls) => json!({"role": "model", "parts": calls.iter().map(|(name, argument, id)| json!(
            {"functionCall": {"name": name, "id": id, "args": {"a": argument}}})).collect::<Vec<_>>()}),
        Result(id, text) => {
            json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "id": id, "response": {"x": text}}}]})
        }
    };
    json!({"contents": steps.iter().map(content).collect::<Vec<_>>()})
}

/// Checks rounds, results of the last round, and whether the call `f(x)` would be refused, in every dialect.
fn check(steps: &[Step], rounds: u32, results: usize, refused: Option<Because>) {
    let mut config = config(&[]);
    config.tool_calling.duplicate_detection = true;
    config.tool_calling.max_duplicates = 2;
    config.tool_calling.max_iterations = Some(5);
    let policy = policy(&config);
    let engine = Engine::build(&RuleSet::empty(), true, &[7; 32]).expect("no rules");
    let bodies: [(&dyn Dialect, Value); 4] = [
        (&OpenAiChat, chat(steps)),
        (&Anthropic, anthropic(steps)),
        (&OpenAiResponses, responses(steps)),
        (&Gemini::Bare, gemini(steps)),
    ];
    for (dialect, body) in bodies {
        let options = JudgeOptions { tools: Some(&policy), ..JudgeOptions::default() };
        let history = judge(&engine, dialect, body.to_string().as_bytes(), options).history;
        assert_eq!((history.rounds, history.results.len()), (rounds, results), "{}: {body}", dialect.name());
        let key = super::whole::key(&policy, "f", br#"{ "a": "x" }"#);
        assert_eq!(history.refuses(&policy, &key), refused, "{}: {body}", dialect.name());
        let whole = (rounds > 5).then_some(Because::Iterations);
        assert_eq!(history.refused(&policy), whole, "{}", dialect.name());
    }
}

#[test]
fn rounds_and_repeats_are_counted_since_the_last_text_of_the_user() {
    let call: Step = Calls(&[("f", "x", "1")]);
    check(&[User], 0, 0, None);
    check(&[User, call, Result("1", "r")], 1, 1, None);
    check(
        &[User, Calls(&[("f", "x", "1"), ("f", "y", "2")]), Result("1", "r"), Result("2", "r")],
        1,
        2,
        None,
    );
    let twice = || [Calls(&[("f", "x", "1")]), Result("1", "r"), Calls(&[("f", "x", "2")]), Result("2", "r")];
    let steps: Vec<Step> = std::iter::once(User).chain(twice()).collect();
    check(&steps, 2, 1, Some(Because::Duplicate));
    let steps: Vec<Step> = std::iter::once(User).chain(twice()).chain([Says, User]).collect();
    check(&steps, 0, 0, None);
    // Another result is progress, and another call in between changes nothing.
    check(
        &[User, Calls(&[("f", "x", "1")]), Result("1", "r"), Calls(&[("f", "x", "2")]), Result("2", "s")],
        2,
        1,
        None,
    );
    let between = [Calls(&[("g", "x", "3")]), Result("3", "r")];
    let steps: Vec<Step> = std::iter::once(User).chain(twice()).chain(between).collect();
    check(&steps, 3, 1, Some(Because::Duplicate));
    check(
        &[User, Calls(&[("f", "y", "1")]), Result("1", "r"), Calls(&[("f", "y", "2")]), Result("2", "r")],
        2,
        1,
        None,
    );
}

#[test]
fn a_loop_ends() {
    let round = |_| [Calls(&[("f", "x", "1")]), Says, Result("1", "r")];
    let steps =
        |rounds: usize| std::iter::once(User).chain((0..rounds).flat_map(round)).collect::<Vec<Step>>();
    check(&steps(4), 4, 1, Some(Because::Duplicate));
    check(&steps(5), 5, 1, Some(Because::Iterations));
    check(&steps(6), 6, 1, Some(Because::Iterations));
}
