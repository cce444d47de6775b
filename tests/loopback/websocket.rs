//! What policy does to WebSockets: redaction in both directions, refusals, cuts and bills, one exchange at a time.

use gateway::simulate::{Outcome, Provider, Received, sample_key};
use gateway::wire::websocket::Kind;
use gateway_tests::PATIENCE;
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::websocket::{DEFLATE, WebSocket};
use serde_json::{Value, json};

const PATH: &str = "/v1/responses";

/// Ways to agree on compression: the query of the simulated provider and the client's offer.
const WAYS: &[(&str, &str)] =
    &[("", ""), ("", DEFLATE), ("?takeover=off", DEFLATE), ("?frame=3", ""), ("?frame=5", DEFLATE)];

/// A message that asks for an answer, as Codex sends it.
fn create(text: &str, script: &str) -> String {
    let content = json!([{"type": "input_text", "text": format!("{text}\n#sim {script}")}]);
    let input = json!([{"type": "message", "role": "user", "content": content}]);
    json!({"type": "response.create", "model": "gpt-4o-mini", "store": false, "input": input}).to_string()
}

async fn start(arguments: &[&str]) -> (Provider, Gateway) {
    let provider = gateway_tests::provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, arguments).await;
    (provider, gateway)
}

/// As [`start`], with rules of its own.
async fn start_with(rules: &str, arguments: &[&str]) -> (Provider, Gateway) {
    let provider = gateway_tests::provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let state = State::new(&provider);
    let config = state.file("gateway.yaml", rules);
    let more = [&["--config", config.to_str().unwrap()], arguments].concat();
    let gateway = Gateway::proxy_on(state, &upstream, &more).await;
    (provider, gateway)
}

async fn open(gateway: &Gateway, query: &str, offer: &str) -> WebSocket {
    WebSocket::open(gateway.address, &format!("{PATH}{query}"), offer).await.expect("101")
}

/// The text of an answer, as each of its repetitions has it.
fn texts(messages: &[Value]) -> Vec<String> {
    let deltas = messages.iter().filter(|message| message["type"] == "response.output_text.delta");
    let mut all = vec![deltas.filter_map(|message| message["delta"].as_str()).collect::<String>()];
    for message in messages {
        let text = match message["type"].as_str() {
            Some("response.output_text.done") => &message["text"],
            Some("response.content_part.done") => &message["part"]["text"],
            Some("response.output_item.done") => &message["item"]["content"][0]["text"],
            Some("response.completed") => &message["response"]["output"][0]["content"][0]["text"],
            _ => continue,
        };
        all.push(text.as_str().unwrap_or_default().to_owned());
    }
    all
}

/// The messages the provider got, without the handshakes.
fn asked(provider: &Provider) -> Vec<Received> {
    provider.received().into_iter().filter(|one| one.method == "WEBSOCKET").collect()
}

/// The records of exchanges, without those of connections.
fn exchanges(records: &[Value]) -> Vec<&Value> {
    records.iter().filter(|record| record["method"] == "WEBSOCKET").collect()
}

#[tokio::test]
async fn a_key_in_a_message_never_leaves_and_later_messages_still_arrive() {
    let key = sample_key();
    let (provider, gateway) = start(&[]).await;
    for &(query, offer) in WAYS {
        let mut socket = open(&gateway, query, offer).await;
        for size in [usize::MAX, 7, 1] {
            // Before the first change, with it, and after it.
            for text in ["all is well", &format!("my key is {key}, thanks"), "all is well again"] {
                socket.send_in_frames(Kind::Text, create(text, "say=echo").as_bytes(), size).await;
                let answer = socket.until("response.completed").await;
                let expected = text.replace(&key, "[AWS_ACCESS_KEY_ID_REDACTED]");
                let said = texts(&answer);
                assert!(said.len() == 5 && said.iter().all(|one| same_but_mask(one, &expected)), "{said:?}");
            }
        }
        assert!(asked(&provider).iter().all(|one| !one.text().contains(&key)), "{query} {offer}");
    }
    assert_eq!(asked(&provider).len(), 9 * WAYS.len());
    assert!(!provider.saw(key.as_bytes()));
    gateway.stop().await;
}

/// Whether two texts are the same but for the name in a mask.
fn same_but_mask(text: &str, expected: &str) -> bool {
    let plain = |text: &str| match (text.find('['), text.find("_REDACTED]")) {
        (Some(from), Some(to)) => format!("{}[{}", &text[..from], &text[to..]),
        _ => text.to_owned(),
    };
    plain(text) == plain(expected)
}

#[tokio::test]
async fn a_key_split_over_messages_frames_and_blocks_is_redacted_in_every_repetition() {
    let key = sample_key();
    let (_provider, gateway) = start(&[]).await;
    for (index, &(query, offer)) in WAYS.iter().enumerate() {
        let mut socket = open(&gateway, query, offer).await;
        for _ in 0..2 {
            socket.send(&create("x", "say=key deltas=40")).await;
            let answer = socket.until("response.completed").await;
            let said = texts(&answer);
            assert_eq!(said.len(), 5, "{said:?}");
            for text in &said {
                assert!(
                    text.contains("the deploy key is [") && text.contains("_REDACTED] and please"),
                    "{text}"
                );
                for part in key.as_bytes().windows(5) {
                    assert!(!text.contains(std::str::from_utf8(part).unwrap()), "{text}");
                }
            }
        }
        socket.send(&create("x", "deltas=3")).await;
        socket.until("response.completed").await;
        let due = 3 * (index + 1);
        let records = gateway.state.records_until(|records| exchanges(records).len() == due).await;
        let last = &exchanges(&records)[due - 3..];
        let verdicts: Vec<_> = last.iter().map(|one| one["verdict"].clone()).collect();
        assert_eq!(verdicts, ["redacted", "redacted", "allowed"]);
        assert!(last.iter().all(|one| one["tokens"]["output"].as_u64() > Some(2)), "{last:#?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_refused_message_is_answered_with_an_error_and_the_connection_goes_on() {
    let rules = "rules:\n  actions:\n    aws-access-key-id: {request: block}\n";
    let (provider, gateway) = start_with(rules, &[]).await;
    for (index, offer) in ["", DEFLATE].into_iter().enumerate() {
        let mut socket = open(&gateway, "", offer).await;
        socket.send(&create(&format!("use {}", sample_key()), "")).await;
        let error = socket.json().await;
        assert_eq!((&error["type"], &error["status"]), (&json!("error"), &json!(400)), "{error}");
        let message = error["error"]["message"].as_str().expect("a message");
        assert!(message.contains("aws-access-key-id"), "{message}");
        assert_eq!(asked(&provider).len(), index, "nothing left");
        socket.send(&create("harmless", "say=echo")).await;
        let answer = socket.until("response.completed").await;
        assert_eq!(texts(&answer)[0], "harmless");
        let due = 2 * (index + 1);
        let records = gateway.state.records_until(|records| exchanges(records).len() == due).await;
        let verdicts: Vec<_> = exchanges(&records).iter().map(|one| one["verdict"].clone()).collect();
        assert_eq!(verdicts[due - 2..], ["blocked", "allowed"]);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_spent_budget_refuses_before_a_message_leaves() {
    let (provider, gateway) = start(&["--budget", "0.000000001"]).await;
    let mut socket = open(&gateway, "", "").await;
    socket.send(&create("x", "")).await;
    let error = socket.json().await;
    assert_eq!(error["status"], 400);
    assert!(error["error"]["message"].as_str().unwrap().to_lowercase().contains("budget"), "{error}");
    assert!(asked(&provider).is_empty(), "nothing left");
    gateway.stop().await;
}

#[tokio::test]
async fn a_running_answer_is_cut_at_the_budget_and_upstream_stops() {
    for (rules, last) in [("cut: text\n", "response.completed"), ("cut: error\n", "response.failed")] {
        let (provider, gateway) = start_with(rules, &["--budget", "0.0001"]).await;
        let mut socket = open(&gateway, "", DEFLATE).await;
        socket.send(&create("x", "deltas=5000 pace_us=200")).await;
        let answer = socket.until(last).await;
        if last == "response.completed" {
            let said = texts(&answer);
            assert_eq!(said.len(), 5, "every repetition is there");
            assert!(
                said.iter().all(|text| text == &said[0] && text.to_lowercase().contains("budget")),
                "{said:?}"
            );
        } else {
            let error = &answer.last().unwrap()["response"]["error"];
            assert_eq!(error["code"], "invalid_prompt");
            assert!(error["message"].as_str().unwrap().to_lowercase().contains("budget"), "{error}");
        }
        assert_eq!(socket.closed().await, Some(1000), "never 1008");
        provider
            .until(PATIENCE, |all| {
                all.iter().any(|one| one.method == "WEBSOCKET" && one.outcome == Outcome::Cancelled)
            })
            .await
            .expect("upstream is told to stop");
        let records = gateway.state.records_until(|records| records.len() == 2).await;
        assert_eq!(exchanges(&records)[0]["verdict"], "cut", "{records:#?}");
        let cost = exchanges(&records)[0]["cost"].as_u64().unwrap();
        assert!((80_000..=100_000 + 3 * 600).contains(&cost), "{cost} nano-dollars of 100,000");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_blocked_answer_is_cut_and_its_repetition_refused() {
    let rules = "rules:\n  actions:\n    aws-access-key-id: {reply: block}\n";
    let (provider, gateway) = start_with(rules, &[]).await;
    for expected in ["response.completed", "error"] {
        let mut socket = open(&gateway, "", DEFLATE).await;
        socket.send(&create("hello", "say=key")).await;
        let answer = socket.until(expected).await;
        let shown = serde_json::to_string(&answer).unwrap();
        assert!(shown.contains("aws-access-key-id") && !shown.contains(&sample_key()[..8]), "{shown}");
    }
    assert_eq!(asked(&provider).len(), 1, "the repetition did not go upstream");
    gateway.stop().await;
}

#[tokio::test]
async fn each_exchange_and_the_connection_are_recorded() {
    let (provider, gateway) = start(&["--budget", "10"]).await;
    let mut socket = open(&gateway, "", "").await;
    for text in ["one", "two"] {
        socket.send(&create(text, "deltas=4")).await;
        socket.until("response.completed").await;
    }
    socket.send(&create("three", "status=500")).await;
    assert_eq!(socket.json().await["type"], "error", "the provider's own error passes");
    socket.control(gateway::wire::websocket::Opcode::Close, &1000u16.to_be_bytes()).await;
    assert_eq!(socket.closed().await, Some(1000));
    let records = gateway.state.records_until(|records| records.len() == 4).await;
    let connection =
        records.iter().find(|record| record["method"] == "GET").expect("the connection's record");
    assert_eq!(connection["status"], 101);
    assert_eq!(connection["messages"]["up"], 3, "{connection}");
    assert!(
        connection["messages"]["down"].as_u64() > Some(20) && connection["bytes_down"].as_u64() > Some(1000)
    );
    for record in exchanges(&records) {
        assert_eq!((&record["path"], &record["model"]), (&json!(PATH), &json!("gpt-4o-mini")));
        assert_eq!(
            (&record["dialect"], &record["connection"]),
            (&json!("openai_responses"), &connection["id"])
        );
    }
    let costs: Vec<_> = exchanges(&records).iter().map(|one| one["cost"].as_u64().unwrap()).collect();
    assert!(costs[0] > 0 && costs[1] > 0 && costs[2] == 0, "an error costs nothing: {costs:?}");
    assert_eq!(provider.connections(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_realtime_session_is_read_by_its_transcript_and_its_sound_passes() {
    let key = sample_key();
    let (provider, gateway) = start(&["--budget", "10"]).await;
    let path = "/v1/realtime?model=gpt-4o-mini";
    let mut socket = WebSocket::open(gateway.address, path, DEFLATE).await.expect("101");
    assert_eq!(socket.json().await["type"], "session.created");
    let content = json!([{"type": "input_text", "text": format!("{key}\n#sim say=key deltas=30")}]);
    let item = json!({"type": "message", "role": "user", "content": content});
    socket.send(&json!({"type": "conversation.item.create", "item": item}).to_string()).await;
    socket.until("conversation.item.added").await;
    // Sound whose base64 spells a key is sound.
    let sound = json!({"type": "input_audio_buffer.append", "audio": format!("AAAA{key}")}).to_string();
    socket.send(&sound).await;
    socket.send(r#"{"type":"response.create"}"#).await;
    let answer = socket.until("response.done").await;
    let transcript: String = answer
        .iter()
        .filter(|event| event["type"] == "response.output_audio_transcript.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert!(transcript.contains("the deploy key is [") && transcript.contains("_REDACTED]"), "{transcript}");
    assert!(!serde_json::to_string(&answer).unwrap().contains(&key));
    assert!(answer.iter().filter(|event| event["type"] == "response.output_audio.delta").count() >= 30);
    let asked = asked(&provider);
    assert!(!asked[0].text().contains(&key), "{}", asked[0].text());
    assert_eq!(asked[1].text(), sound);
    let records = gateway.state.records_until(|records| !exchanges(records).is_empty()).await;
    let record = exchanges(&records)[0];
    assert_eq!(record["verdict"], "redacted", "{record}");
    assert!(record["cost"].as_u64() > Some(0), "{record}");
    gateway.stop().await;
}

#[tokio::test]
async fn messages_of_unknown_protocols_are_read_and_charged_as_one_exchange() {
    let key = sample_key();
    let (provider, gateway) = start(&["--budget", "10"]).await;
    let mut socket = WebSocket::open(gateway.address, "/v1/some/live/thing", DEFLATE).await.expect("101");
    for (kind, text, safe) in [
        (Kind::Text, "hello".to_owned(), "hello"),
        (Kind::Text, format!("{{\"note\":\"{key}\"}}"), "{\"note\":\"["),
        (Kind::Binary, format!("\u{1}\u{2}raw {key} raw"), "\u{1}\u{2}raw ["),
    ] {
        socket.send_in_frames(kind, text.as_bytes(), 4).await;
        let echoed = socket.message().await;
        assert_eq!(echoed.kind, kind);
        let shown = String::from_utf8_lossy(&echoed.payload).into_owned();
        assert!(shown.starts_with(safe) && !shown.contains(&key), "{shown}");
    }
    assert!(!provider.saw(key.as_bytes()));
    socket.shut().await;
    let records = gateway.state.records_until(|records| records.len() == 2).await;
    let record = exchanges(&records)[0];
    assert_eq!((&record["dialect"], &record["verdict"]), (&json!("opaque"), &json!("redacted")), "{record}");
    assert!(record["cost"].as_u64() > Some(0), "{record}");
    gateway.stop().await;
}
