//! Streams of OpenAI Responses: each text stands in them several times, and all of them must tell the same.

use serde_json::json;

use super::*;
use crate::wire::event::Kind;

/// Adds the texts of an event: running ones, and those that repeat them, each by its place.
pub fn collect(event: &Value, texts: &mut BTreeMap<String, String>) {
    let Some(kind) = event["type"].as_str().and_then(|kind| kind.strip_prefix("response.")) else { return };
    let part =
        if event["content_index"].is_null() { &event["summary_index"] } else { &event["content_index"] };
    let at = format!("item {} part {part}", event["output_index"]);
    if let (Some(kind), Some(delta)) = (kind.strip_suffix(".delta"), event["delta"].as_str()) {
        texts.entry(format!("{at} {kind} running")).or_default().push_str(delta);
    }
    for field in ["text", "arguments"] {
        if let Some(text) = event[field].as_str() {
            texts.insert(format!("{at} {kind} {field}"), text.to_owned());
        }
    }
    if let Some(text) = event["part"]["text"].as_str() {
        texts.insert(format!("{at} {kind} part"), text.to_owned());
    }
    item(&event["item"], &format!("{at} {kind}"), texts);
    for (index, output) in event["response"]["output"].as_array().into_iter().flatten().enumerate() {
        item(output, &format!("{kind} {index}"), texts);
    }
    texts.retain(|_, text| !text.is_empty());
}

fn item(item: &Value, at: &str, texts: &mut BTreeMap<String, String>) {
    if let Some(text) = item["arguments"].as_str() {
        texts.insert(format!("{at} arguments"), text.to_owned());
    }
    for list in ["content", "summary"] {
        for (index, part) in item[list].as_array().into_iter().flatten().enumerate() {
            if let Some(text) = part["text"].as_str() {
                texts.insert(format!("{at} {list} {index}"), text.to_owned());
            }
        }
    }
}

fn sse(events: &[Value]) -> String {
    let numbered = events.iter().enumerate().map(|(number, event)| {
        let mut event = event.clone();
        event["sequence_number"] = json!(number);
        format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("a type"))
    });
    numbered.collect()
}

/// An answer that thinks, writes and calls a tool; each text in these pieces.
pub fn stream(thinking: &[&str], text: &[&str], arguments: &[&str]) -> String {
    let response = |status: &str, output: Value, usage: Value| {
        json!({"id": "resp_1", "object": "response", "created_at": 5, "status": status, "model": "gpt",
            "instructions": "Be brief.", "output": output, "error": null, "usage": usage,
            "tools": [{"type": "function", "name": "find", "description": "Finds."}]})
    };
    let mut events = vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.in_progress", "response": response("in_progress", json!([]), Value::Null)}),
    ];
    let reasoning = json!({"id": "rs_1", "type": "reasoning", "encrypted_content": format!("gAAA{KEY}"),
        "summary": [{"type": "summary_text", "text": thinking.concat()}]});
    let empty = json!({"id": "rs_1", "type": "reasoning", "summary": []});
    events.push(json!({"type": "response.output_item.added", "output_index": 0, "item": empty}));
    let deltas = |kind: &str, index: u64, part: &str, pieces: &[&str]| -> Vec<Value> {
        let delta = |piece: &&str| {
            json!({"type": format!("response.{kind}.delta"), "item_id": "x", "output_index": index, part: 0,
                "delta": piece, "obfuscation": "yxYwV"})
        };
        pieces.iter().map(delta).collect()
    };
    events.extend(deltas("reasoning_summary_text", 0, "summary_index", thinking));
    events
        .push(json!({"type": "response.reasoning_summary_text.done", "output_index": 0, "summary_index": 0,
        "text": thinking.concat()}));
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": reasoning}));
    let message =
        |content: Value| json!({"id": "msg_1", "type": "message", "role": "assistant", "content": content});
    let part = |text: &str| json!({"type": "output_text", "annotations": [], "logprobs": [{"token": text}], "text": text});
    events.push(json!({"type": "response.output_item.added", "output_index": 1, "item": message(json!([]))}));
    events.push(json!({"type": "response.content_part.added", "output_index": 1, "content_index": 0, "part": part("")}));
    events.extend(deltas("output_text", 1, "content_index", text));
    let text = text.concat();
    events.push(
        json!({"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": text}),
    );
    events.push(json!({"type": "response.content_part.done", "output_index": 1, "content_index": 0, "part": part(&text)}));
    let message = message(json!([part(&text)]));
    events.push(json!({"type": "response.output_item.done", "output_index": 1, "item": message}));
    let call = |arguments: &str| json!({"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "find", "arguments": arguments});
    events.push(json!({"type": "response.output_item.added", "output_index": 2, "item": call("")}));
    events.extend(deltas("function_call_arguments", 2, "unused", arguments));
    let arguments = arguments.concat();
    events.push(
        json!({"type": "response.function_call_arguments.done", "output_index": 2, "arguments": arguments}),
    );
    events.push(json!({"type": "response.output_item.done", "output_index": 2, "item": call(&arguments)}));
    let usage = json!({"input_tokens": 30, "input_tokens_details": {"cached_tokens": 10},
        "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 37});
    let output = json!([reasoning, message, call(&arguments)]);
    events.push(json!({"type": "response.completed", "response": response("completed", output, usage)}));
    sse(&events)
}

#[test]
fn an_untouched_stream_keeps_every_byte() {
    let stream = stream(&["Hm", " well"], &["Hello", " wörld \"x\"\n"], &["{\"a\":", "1}"]);
    let outcome = check(&OpenAiResponses, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(String::from_utf8_lossy(&outcome.bytes), stream);
    assert_eq!(outcome.deltas, 6);
    assert_eq!(outcome.text, "Hm wellHello wörld \"x\"\n{\"a\":1}".len());
    let usage = Usage { input: 20, cached_input: 10, output: 7, reasoning: 3, ..Usage::default() };
    assert_eq!(outcome.usage, Some(usage));
    assert!(outcome.complete && outcome.stop.is_none() && outcome.findings.is_empty());
}

#[test]
fn a_value_is_masked_wherever_it_is_repeated_and_counted_once() {
    let stream = stream(
        &["the key AKIAQYLP", "MN5HHHFPZAM2"],
        &["it is AKIAQY", "LPMN5HHHFPZAM2", " or [[12", "3]]"],
        &["{\"a\":\"x\\nAKIAQYLP", "MN5HHHFPZAM2\"}"],
    );
    let outcome = check(&OpenAiResponses, ReplyOptions::default(), stream.as_bytes());
    let mut expected = texts(stream.as_bytes());
    expected.values_mut().for_each(|text| *text = text.replace(KEY, "[KEY]").replace("[[123]]", "[NUMBER]"));
    assert_eq!(texts(&outcome.bytes), expected);
    let bytes = String::from_utf8_lossy(&outcome.bytes).replace(&format!("gAAA{KEY}"), "");
    assert!(!bytes.contains("QYLPMN5HHH") && !bytes.contains("[[123]]"), "{bytes}");
    let kinds: Vec<Kind> = outcome.findings.iter().map(|found| found.channel.kind).collect();
    assert_eq!(kinds, [Kind::Thinking, Kind::Assistant, Kind::Assistant, Kind::ToolArguments]);
}

#[test]
fn a_value_that_only_the_last_event_holds_is_masked() {
    let event = json!({"type": "response.completed", "response": {"id": "r", "output": [
        {"type": "message", "content": [{"type": "output_text", "text": format!("it is {KEY}")}]}]}});
    let outcome = check(&OpenAiResponses, ReplyOptions::default(), sse(&[event]).as_bytes());
    assert!(String::from_utf8_lossy(&outcome.bytes).contains("it is [KEY]"));
    assert_eq!(outcome.findings.len(), 1);
}

/// The texts of deltas of a Realtime answer, of which `between` comes after the first, and the machine afterwards.
fn realtime(deltas: [&str; 2], between: &Value) -> (String, ReplyStream) {
    let options = ReplyOptions { framing: Some(Framing::Messages), ..ReplyOptions::default() };
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &OpenAiResponses, options);
    let delta = |text: &str| json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text});
    let created = json!({"type": "response.created", "response": {"id": "resp_1"}});
    let mut out = Vec::new();
    for event in [&created, &delta(deltas[0]), between, &delta(deltas[1]), &delta(" end")] {
        machine.message(Bytes::from(event.to_string()), &mut out);
    }
    machine.finish(&mut out);
    let said = |released: &Released| serde_json::from_slice::<Value>(&released.bytes).expect("JSON");
    let said = out.iter().map(|released| said(released)["delta"].as_str().unwrap_or_default().to_owned());
    (said.collect(), machine)
}

#[test]
fn an_item_of_the_conversation_ends_no_running_text() {
    let item = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]});
    let done = json!({"type": "conversation.item.done", "item": item});
    for at in 1..KEY.len() {
        assert_eq!(realtime([&KEY[..at], &KEY[at..]], &done).0, "[KEY] end", "{at}");
    }
}

#[test]
fn an_answer_that_goes_on_after_an_error_has_none() {
    let error = json!({"type": "error", "error": {"code": "conversation_already_has_active_response", "message": "no"}});
    let (said, machine) = realtime([&KEY[..9], &KEY[9..]], &error);
    assert_eq!((said.as_str(), machine.errors(), machine.has_error()), ("[KEY] end", 1, false));
}

#[test]
fn an_error_ends_no_answer_of_which_something_is_held() {
    let created = r#"{"type":"response.created","response":{"id":"resp_1"}}"#;
    let delta =
        |text: &str| format!(r#"{{"type":"response.output_text.delta","output_index":0,"delta":"{text}"}}"#);
    let error = r#"{"type":"error","error":{"message":"no"}}"#;
    for (text, failed) in [("it is AKIAQYLP", false), ("it is.", true)] {
        let options = ReplyOptions { framing: Some(Framing::Messages), ..ReplyOptions::default() };
        let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &OpenAiResponses, options);
        for event in [created, &delta(text), error] {
            machine.message(Bytes::from(event.to_owned()), &mut Vec::new());
        }
        assert_eq!((machine.has_error(), machine.has_failed()), (true, failed), "{text}");
    }
}

#[test]
fn sound_is_no_text() {
    let sound = "AKIAQYLPMN5HHHFPZAM2";
    let event = json!({"type": "response.output_audio.delta", "output_index": 0, "delta": sound});
    let stream = sse(&[event]);
    let outcome = check(&OpenAiResponses, ReplyOptions::default(), stream.as_bytes());
    assert_eq!(String::from_utf8_lossy(&outcome.bytes), stream);
}

/// The events of a stream that is cut once `part` has gone out.
fn cut(part: &str, cut: CutStyle) -> Vec<Value> {
    let options = ReplyOptions { cut, ..ReplyOptions::default() };
    let mut machine = ReplyStream::new(Arc::clone(&ENGINE), &OpenAiResponses, options);
    let mut out = Vec::new();
    machine.push(Bytes::copy_from_slice(part.as_bytes()), &mut out);
    assert!(machine.cut(Reason::BudgetExceeded, "no \"money\" left", &mut out));
    assert!(machine.is_complete());
    let bytes: Vec<u8> = out.iter().flat_map(|released| released.bytes.to_vec()).collect();
    let text = String::from_utf8(bytes).expect("UTF-8");
    let datas = text.lines().filter_map(|line| line.strip_prefix("data: "));
    datas.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

const LAST: [&str; 5] = [
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
];

#[test]
fn a_cut_says_the_reason_in_every_repeat_of_the_text() {
    let stream = stream(&["Hm"], &["Hello \"AKIAQYLP", "MN5HHHFPZAM2", "\" wörld", " more"], &[]);
    let part =
        &stream[..stream.find(" more").and_then(|at| stream[..at].rfind("event: ")).expect("an event")];
    let events = cut(part, CutStyle::Text);
    let last = &events[events.len() - 5..];
    assert_eq!(types(last), LAST);
    let all = "Hello \"[KEY]\" wörld\n\nno \"money\" left";
    assert_eq!(last[0]["delta"], "\n\nno \"money\" left");
    assert_eq!(last[1]["text"], all);
    assert_eq!(last[2]["part"]["text"], all);
    assert_eq!(last[3]["item"]["id"], "msg_1");
    assert_eq!(last[3]["item"]["content"][0]["text"], all);
    let response = &last[4]["response"];
    assert_eq!((&response["id"], &response["status"]), (&json!("resp_1"), &json!("completed")));
    assert_eq!(response["output"][0]["type"], "reasoning");
    assert_eq!(response["output"][1]["content"][0]["text"], all);
    let numbers: Vec<u64> =
        events.iter().map(|event| event["sequence_number"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_cut_before_any_text_opens_a_message_of_its_own() {
    let events = cut("", CutStyle::Text);
    let mut expected = vec!["response.created", "response.output_item.added", "response.content_part.added"];
    expected.extend(LAST);
    assert_eq!(types(&events), expected);
    let call = stream(&["Hm"], &["Hello"], &["{\"a\""]);
    let part = &call[..call.find("event: response.function_call_arguments.done").expect("an event")];
    let events = cut(part, CutStyle::Text);
    let last = &events[events.len() - 7..];
    assert_eq!(last[0]["output_index"], 3);
    let output = last[6]["response"]["output"].as_array().expect("items");
    let sorts: Vec<&Value> = output.iter().map(|item| &item["type"]).collect();
    assert_eq!(sorts, ["reasoning", "message", "message"]);
}

#[test]
fn a_cut_may_be_an_error_that_clients_do_not_repeat() {
    let stream = stream(&["Hm"], &["Hello"], &[]);
    let part = &stream[..stream.find("event: response.output_text.done").expect("an event")];
    let events = cut(part, CutStyle::Error);
    let failed = events.last().expect("an event");
    assert_eq!(failed["type"], "response.failed");
    assert_eq!(
        failed["response"]["error"],
        json!({"code": "invalid_prompt", "message": "no \"money\" left"})
    );
    assert!(cut(&stream, CutStyle::Text).last().is_some_and(|event| event["type"] == "response.completed"));
}
