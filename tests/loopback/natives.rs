//! Ollama, Bedrock, Cohere and Gemini Live over the real wire: redacted, refused, cut and recorded in their own shapes.

use bytes::Bytes;
use gateway::simulate::{Outcome, sample_key};
use gateway::wire::framer::{Framer, Framing};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection, Reply};
use gateway_tests::websocket::WebSocket;
use gateway_tests::{PATIENCE, provider};
use serde_json::{Value, json};

/// A way to ask: path, dialect as recorded, and how the answer streams.
struct Case {
    path: &'static str,
    dialect: &'static str,
    framing: Option<Framing>,
}

const fn case(path: &'static str, dialect: &'static str, framing: Option<Framing>) -> Case {
    Case { path, dialect, framing }
}

const CASES: &[Case] = &[
    case("/api/chat", "ollama", Some(Framing::Lines)),
    case("/api/generate", "ollama_generate", Some(Framing::Lines)),
    case("/model/gpt-4o-mini/converse-stream", "bedrock_converse", Some(Framing::Frames)),
    case("/model/gpt-4o-mini/converse", "bedrock_converse", None),
    case("/model/gpt-4o-mini/invoke-with-response-stream", "bedrock_invoke", Some(Framing::Frames)),
    case("/model/gpt-4o-mini/invoke", "bedrock_invoke", None),
    case("/v2/chat", "cohere", Some(Framing::Events)),
    case("/v1/chat", "cohere_v1", Some(Framing::Lines)),
];

impl Case {
    fn body(&self, text: &str, script: &str) -> String {
        let text = format!("{text}\n#sim {script}");
        let messages = json!([{"role": "user", "content": text}]);
        match self.dialect {
            "ollama_generate" => json!({"model": "gpt-4o-mini", "prompt": text}),
            "ollama" => json!({"model": "gpt-4o-mini", "messages": messages}),
            "cohere" => json!({"model": "gpt-4o-mini", "stream": true, "messages": messages}),
            "cohere_v1" => json!({"model": "gpt-4o-mini", "stream": true, "message": text}),
            "bedrock_invoke" => {
                json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": messages})
            }
            _ => json!({"messages": [{"role": "user", "content": [{"text": text}]}]}),
        }
        .to_string()
    }

    /// The objects of an answer, lengths and checksums verified where there are any.
    fn objects(&self, reply: &Reply) -> Vec<Value> {
        let Some(framing) = self.framing else {
            return vec![serde_json::from_slice(&reply.body).expect("JSON")];
        };
        let mut framer = Framer::new(framing);
        framer.push(Bytes::from(reply.body.clone()));
        let mut objects = Vec::new();
        while let Some(place) = framer.next_event().expect("sound events") {
            let event = &framer.buffer()[place];
            let data = framer.data(event);
            match data.payload(event) {
                b"" | b"[DONE]" => {}
                payload => objects.push(serde_json::from_slice(payload).expect("JSON")),
            }
        }
        assert!(framer.rest().is_empty(), "{}: the answer ends with a whole event", self.path);
        objects
    }

    /// The text of an answer.
    fn text(&self, objects: &[Value]) -> String {
        let place = |object: &Value| {
            let places = [
                &object["message"]["content"],
                &object["response"],
                &object["delta"]["text"],
                &object["bytes"]["delta"]["text"],
                &object["output"]["message"]["content"][0]["text"],
                &object["content"][0]["text"],
                &object["delta"]["message"]["content"]["text"],
                &object["text"],
            ];
            places.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
        };
        objects.iter().map(place).collect()
    }

    /// Whether an object is the usual last one.
    fn is_last(&self, object: &Value) -> bool {
        match self.dialect {
            "ollama" | "ollama_generate" => object["done"] == true && object["eval_count"].is_number(),
            "bedrock_converse" => object["usage"]["outputTokens"].is_number(),
            "bedrock_invoke" => object["bytes"]["type"] == "message_stop",
            "cohere" => object["type"] == "message-end",
            _ => object["event_type"] == "stream-end",
        }
    }

    /// The message of an error in the provider's shape.
    fn error(&self, body: &Value) -> String {
        let place = if self.dialect.starts_with("ollama") { &body["error"] } else { &body["message"] };
        place.as_str().unwrap_or_else(|| panic!("{}: {body}", self.path)).to_owned()
    }
}

async fn start(arguments: &[&str]) -> (gateway::simulate::Provider, Gateway) {
    let provider = provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, arguments).await;
    (provider, gateway)
}

#[tokio::test]
async fn keys_are_redacted_both_ways() {
    let key = sample_key();
    for case in CASES {
        let (provider, gateway) = start(&[]).await;
        let body = case.body(&format!("my key is {key}, thanks"), "say=key deltas=40");
        let reply = http::post(gateway.address, case.path, &body).await;
        assert!(reply.complete && reply.status == 200, "{}: {}", case.path, reply.text());
        assert!(!provider.saw(key.as_bytes()), "{}: the key left", case.path);
        assert!(provider.received()[0].text().contains("_REDACTED], thanks"), "{}", case.path);
        let text = case.text(&case.objects(&reply));
        assert!(
            text.contains("the deploy key is [") && text.contains("_REDACTED] and"),
            "{}: {text}",
            case.path
        );
        let records = gateway.state.records_until(|records| records.len() == 1).await;
        let record = &records[0];
        assert_eq!((&record["dialect"], &record["model"]), (&json!(case.dialect), &json!("gpt-4o-mini")));
        assert_eq!(record["stream"], case.framing.is_some(), "{record}");
        assert_eq!(
            (&record["verdict"], &record["tokens"]["output"]),
            (&json!("redacted"), &json!(40)),
            "{record}"
        );
        gateway.stop().await;
    }
}

#[tokio::test]
async fn untouched_answers_keep_every_byte() {
    for case in CASES {
        let (provider, gateway) = start(&[]).await;
        let reply = http::post(gateway.address, case.path, &case.body("hello", "deltas=30")).await;
        assert!(reply.complete);
        let sent = provider.received().last().expect("a request").sent.clone();
        assert_eq!(reply.body, sent, "{}", case.path);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_running_answer_is_cut_at_the_budget() {
    for case in CASES.iter().filter(|case| case.framing.is_some()) {
        let (provider, gateway) = start(&["--budget", "0.0001"]).await;
        let body = case.body("x", "deltas=5000 pace_us=200");
        let reply = http::post(gateway.address, case.path, &body).await;
        assert!(reply.complete, "{}: the cut is a normal ending", case.path);
        let objects = case.objects(&reply);
        let text = case.text(&objects);
        assert!(text.to_lowercase().contains("budget"), "{}: the reason is shown: {text}", case.path);
        let words = text.split_whitespace().count();
        assert!((20..1000).contains(&words), "{}: {words} words of 5000 passed", case.path);
        assert!(case.is_last(objects.last().expect("an end")), "{}: {:?}", case.path, objects.last());
        let gone = provider.until(PATIENCE, |all| all[0].outcome == Outcome::Cancelled).await;
        gone.expect("upstream is cancelled");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_has_the_providers_shape() {
    for case in CASES {
        let (provider, gateway) = start(&["--budget", "0.000000001"]).await;
        let reply = http::post(gateway.address, case.path, &case.body("x", "")).await;
        assert_eq!((reply.status, reply.header("x-should-retry")), (400, Some("false")), "{}", reply.text());
        let error = case.error(&serde_json::from_slice(&reply.body).expect("JSON"));
        assert!(error.starts_with("budget_exceeded: ") && error.contains("budget"), "{error}");
        assert!(provider.received().is_empty(), "nothing left");
        gateway.stop().await;
    }
}

/// Posts a request whose signature covers its body.
async fn signed(gateway: &Gateway, path: &str, body: &str) -> Reply {
    let mut connection = Connection::plain(gateway.address).await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: bedrock\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/bedrock/aws4_request, Signature=00\r\n\r\n",
        body.len()
    );
    connection.send(&[head.as_bytes(), body.as_bytes()].concat()).await;
    connection.reply().await
}

#[tokio::test]
async fn a_signed_request_is_never_changed() {
    let (key, case) = (sample_key(), &CASES[3]);
    let (provider, gateway) = start(&[]).await;
    let body = case.body(&format!("my key is {key}"), "say=key");
    let reply = signed(&gateway, case.path, &body).await;
    assert_eq!((reply.status, provider.received().len()), (400, 0), "{}", reply.text());
    for part in ["signature", "signed_requests"] {
        assert!(reply.text().contains(part), "{part}: {}", reply.text());
    }
    // Answers can be changed all the same.
    let reply = signed(&gateway, case.path, &case.body("hello", "say=key")).await;
    assert!(reply.status == 200 && reply.text().contains("_REDACTED]"), "{}", reply.text());
    gateway.stop().await;

    let state = State::new(&provider);
    let config = state.file("gateway.yaml", "signed_requests: pass\n");
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy_on(state, &upstream, &["--config", config.to_str().expect("UTF-8")]).await;
    let reply = signed(&gateway, case.path, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(provider.received().last().expect("a request").body, body.as_bytes());
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    assert!(
        records[0]["reason"].as_str().is_some_and(|reason| reason.contains("unchanged")),
        "{}",
        records[0]
    );
    gateway.stop().await;
}

const LIVE: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";

/// A turn of a Live session, to be answered as `script` says.
fn turn(text: &str, script: &str) -> String {
    let text = format!("{text}\n#sim {script}");
    json!({"clientContent": {"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": true}})
        .to_string()
}

/// Opens a Live session.
async fn session(gateway: &Gateway) -> WebSocket {
    let mut socket = WebSocket::open(gateway.address, LIVE, "").await.expect("101");
    socket.send(&json!({"setup": {"model": "models/gemini-2.5-flash"}}).to_string()).await;
    assert!(socket.json().await["setupComplete"].is_object());
    socket
}

/// The text and the transcript of the next answer.
async fn heard(socket: &mut WebSocket) -> (String, String) {
    let (mut text, mut transcript) = (String::new(), String::new());
    loop {
        let message = socket.json().await;
        let content = &message["serverContent"];
        text += content["modelTurn"]["parts"][0]["text"].as_str().unwrap_or_default();
        transcript += content["outputTranscription"]["text"].as_str().unwrap_or_default();
        if content["turnComplete"] == true {
            return (text, transcript);
        }
    }
}

#[tokio::test]
async fn a_live_session_is_inspected_and_billed_turn_by_turn() {
    let key = sample_key();
    let (provider, gateway) = start(&[]).await;
    let mut socket = session(&gateway).await;
    for _ in 0..2 {
        socket.send(&turn(&format!("my key is {key}, thanks"), "say=key deltas=40")).await;
        let (text, transcript) = heard(&mut socket).await;
        assert!(text.contains("the deploy key is [") && text.contains("_REDACTED] and"), "{text}");
        assert_eq!(text, transcript);
    }
    assert!(!provider.saw(key.as_bytes()));
    drop(socket);
    let records = gateway.state.records_until(|records| records.len() == 3).await;
    let turns: Vec<&Value> = records.iter().filter(|record| record["method"] == "WEBSOCKET").collect();
    assert_eq!(turns.len(), 2, "{records:#?}");
    for record in turns {
        assert_eq!(
            (&record["dialect"], &record["verdict"]),
            (&json!("gemini_live"), &json!("redacted")),
            "{record}"
        );
        assert_eq!(record["tokens"]["output"], 40, "{record}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_live_answer_is_cut_at_the_budget() {
    let (_provider, gateway) = start(&["--budget", "0.0004"]).await;
    let mut socket = session(&gateway).await;
    socket.send(&turn("x", "deltas=2000")).await;
    let (text, _) = heard(&mut socket).await;
    assert!(text.to_lowercase().contains("budget"), "{text}");
    gateway.stop().await;
}
