//! Responses and Gemini over the real wire: redacted, refused, cut, recorded, each in the dialect's own shapes.

use gateway::simulate::{Outcome, sample_key};
use gateway_tests::gateway::{Gateway, State};
use gateway_tests::http::{self, Connection, Reply};
use gateway_tests::{PATIENCE, provider};
use serde_json::{Value, json};

/// A way to ask: path, dialect as recorded, whether it streams, and a budget that lasts for some of 5,000 words.
struct Case {
    path: &'static str,
    dialect: &'static str,
    stream: bool,
    budget: &'static str,
}

const CASES: &[Case] = &[
    Case { path: "/v1/responses", dialect: "openai_responses", stream: true, budget: "0.0001" },
    Case { path: "/v1/responses", dialect: "openai_responses", stream: false, budget: "0.0001" },
    Case {
        path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        dialect: "gemini",
        stream: true,
        budget: "0.0004",
    },
    Case {
        path: "/v1/models/gemini-2.5-flash:streamGenerateContent",
        dialect: "gemini",
        stream: true,
        budget: "0.0004",
    },
    Case {
        path: "/v1alpha/models/gemini-2.5-flash:generateContent",
        dialect: "gemini",
        stream: false,
        budget: "0.0004",
    },
];

impl Case {
    fn body(&self, text: &str, script: &str) -> String {
        let text = format!("{text}\n#sim {script}");
        if self.dialect == "gemini" {
            json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}).to_string()
        } else {
            json!({"model": "gpt-4o-mini", "stream": self.stream, "input": [{"role": "user", "content": text}]})
                .to_string()
        }
    }

    /// The objects of an answer: events, items or the only one.
    fn objects(&self, reply: &Reply) -> Vec<Value> {
        let text = reply.text();
        match serde_json::from_str(&text) {
            Ok(Value::Array(items)) => items,
            Ok(whole) => vec![whole],
            Err(_) => {
                let datas = text.lines().filter_map(|line| line.strip_prefix("data: "));
                datas.map(|data| serde_json::from_str(data).expect("an event is JSON")).collect()
            }
        }
    }

    /// Every place at which a client may read the text of the answer.
    fn texts(&self, reply: &Reply) -> Vec<String> {
        let objects = self.objects(reply);
        if self.dialect == "gemini" {
            let part = |object: &Value| {
                object["candidates"][0]["content"]["parts"][0]["text"].as_str().map(str::to_owned)
            };
            return vec![objects.iter().filter_map(part).collect()];
        }
        let deltas = objects.iter().filter(|event| event["type"] == "response.output_text.delta");
        let mut texts = vec![deltas.filter_map(|event| event["delta"].as_str()).collect::<String>()];
        for object in &objects {
            let whole = if object["type"] == "response.completed" { &object["response"] } else { object };
            let places = [
                &object["text"],
                &object["part"]["text"],
                &object["item"]["content"][0]["text"],
                &whole["output"][0]["content"][0]["text"],
            ];
            texts.extend(places.into_iter().filter_map(Value::as_str).map(str::to_owned));
        }
        texts.retain(|text| !text.is_empty());
        texts
    }
}

#[tokio::test]
async fn keys_are_redacted_both_ways() {
    let key = sample_key();
    for case in CASES {
        let provider = provider().await;
        let upstream = format!("https://localhost:{}", provider.https.port());
        let gateway = Gateway::proxy(&provider, &upstream, &[]).await;
        let body = case.body(&format!("my key is {key}, thanks"), "say=key deltas=40");
        let reply = http::post(gateway.address, case.path, &body).await;
        assert!(reply.complete && reply.status == 200, "{}: {}", case.path, reply.text());
        assert!(!provider.saw(key.as_bytes()), "{}: the key left", case.path);
        assert!(provider.received()[0].text().contains("_REDACTED], thanks"), "{}", case.path);
        let texts = case.texts(&reply);
        assert!(texts.len() >= if case.dialect == "gemini" || !case.stream { 1 } else { 5 }, "{texts:?}");
        for text in &texts {
            assert!(text.contains("the deploy key is [") && text.contains("_REDACTED] and"), "{text}");
            assert_eq!(text, &texts[0], "every repeat says the same");
        }
        assert!(!reply.text().contains(&key[..6]), "{}: the key came through", case.path);
        let records = gateway.state.records_until(|records| records.len() == 1).await;
        let record = &records[0];
        assert_eq!(record["dialect"], case.dialect, "{record}");
        assert_eq!((&record["stream"], &record["verdict"]), (&json!(case.stream), &json!("redacted")));
        let model = if case.dialect == "gemini" { "gemini-2.5-flash" } else { "gpt-4o-mini" };
        assert_eq!(record["model"], model);
        assert_eq!(record["tokens"]["output"], 40, "{record}");
        let findings = record["findings"].as_array().expect("findings");
        let counts: Vec<&Value> = findings.iter().map(|finding| &finding["count"]).collect();
        assert_eq!(counts, [1, 1], "once for the request, once for the reply: {record}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn untouched_answers_keep_every_byte() {
    for case in CASES {
        let provider = provider().await;
        let upstream = format!("https://localhost:{}", provider.https.port());
        let gateway = Gateway::proxy(&provider, &upstream, &[]).await;
        for script in ["deltas=30", "say=tool"] {
            let reply = http::post(gateway.address, case.path, &case.body("hello", script)).await;
            assert!(reply.complete);
            let sent = provider.received().last().expect("a request").sent.clone();
            assert_eq!(reply.body, sent, "{} {script}", case.path);
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_running_answer_is_cut_at_the_budget() {
    for case in CASES.iter().filter(|case| case.stream) {
        let provider = provider().await;
        let upstream = format!("https://localhost:{}", provider.https.port());
        let gateway = Gateway::proxy(&provider, &upstream, &["--budget", case.budget]).await;
        let body = case.body("x", "deltas=5000 pace_us=200");
        let reply = http::post(gateway.address, case.path, &body).await;
        assert!(reply.complete, "{}: the cut is a normal ending", case.path);
        let texts = case.texts(&reply);
        for text in &texts {
            assert!(text.to_lowercase().contains("budget"), "{}: the reason is shown: {text}", case.path);
            assert_eq!(text, &texts[0], "every repeat says the same");
            let words = text.split_whitespace().count();
            assert!((20..1000).contains(&words), "{}: {words} words of 5000 passed", case.path);
        }
        let objects = case.objects(&reply);
        let last = objects.last().expect("an end");
        let ended = last["type"] == "response.completed" || last["candidates"][0]["finishReason"] == "STOP";
        assert!(ended, "{}: {last}", case.path);
        provider
            .until(PATIENCE, |all| all[0].outcome == Outcome::Cancelled)
            .await
            .expect("upstream is cancelled");
        let again = http::post(gateway.address, case.path, &body).await;
        assert_eq!((again.status, provider.received().len()), (400, 1), "{}", case.path);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_has_the_providers_shape() {
    for case in CASES {
        let provider = provider().await;
        let upstream = format!("https://localhost:{}", provider.https.port());
        let gateway = Gateway::proxy(&provider, &upstream, &["--budget", "0.000000001"]).await;
        let reply = http::post(gateway.address, case.path, &case.body("x", "")).await;
        assert_eq!((reply.status, reply.header("x-should-retry")), (400, Some("false")), "{}", reply.text());
        let error: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let code = if case.dialect == "gemini" { json!(400) } else { json!("budget_exceeded") };
        assert_eq!(error["error"]["code"], code, "{error}");
        assert!(error["error"]["message"].as_str().is_some_and(|text| text.contains("budget")), "{error}");
        assert!(provider.received().is_empty(), "nothing left");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn counting_tokens_costs_nothing() {
    let provider = provider().await;
    let upstream = format!("https://localhost:{}", provider.https.port());
    let gateway = Gateway::proxy(&provider, &upstream, &["--budget", "0.000000001"]).await;
    for path in ["/v1beta/models/gemini-2.5-flash:countTokens", "/v1/responses/input_tokens"] {
        let body = json!({"model": "gpt-4o-mini", "contents": [], "input": "x"}).to_string();
        let reply = http::post(gateway.address, path, &body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    }
    let records = gateway.state.records_until(|records| records.len() == 2).await;
    assert!(records.iter().all(|record| record["cost"] == 0), "{records:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_local_engine_is_inspected_and_free() {
    let provider = provider().await;
    let state = State::new(&provider);
    let config = state.file("config.yaml", &format!("local: ['vllm={}']\n", provider.http));
    let arguments =
        ["--listen", "127.0.0.1:0", "--budget", "0.000000001", "--config", config.to_str().expect("UTF-8")];
    let gateway = Gateway::start(state, &[&["proxy"], &arguments[..]].concat()).await;
    let key = sample_key();
    let case = &CASES[0];
    let tunnel = Connection::tunnel(gateway.address, &provider.http.to_string()).await.expect("a tunnel");
    let mut connection = tunnel.named("localhost");
    connection.post(case.path, &case.body(&format!("my key is {key}"), "say=key deltas=40")).await;
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
    assert!(!reply.text().contains(&key[..6]) && !provider.saw(key.as_bytes()));
    let records = gateway.state.records_until(|records| records.len() == 1).await;
    let record = &records[0];
    assert_eq!((&record["provider"], &record["cost"]), (&json!("vllm"), &json!(0)), "{record}");
    assert_eq!(
        (&record["tokens"]["output"], &record["verdict"]),
        (&json!(40), &json!("redacted")),
        "{record}"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn the_catalog_is_listed_with_the_file_of_each_entry() {
    let provider = provider().await;
    let state = State::new(&provider);
    let mine = "providers:\n  - {id: ours, name: Ours, hosts: [llm.example.org], region: eu, apis: {openai: [/v1]}}\n";
    let file = state.file("mine.yaml", mine);
    let config =
        state.file("config.yaml", &format!("providers: {}\nlocal: [vllm=127.0.0.1:8001]\n", file.display()));
    let config = config.to_str().expect("UTF-8");
    let listed = state.run(&["providers", "--config", config, "--json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    let of = |host: &str| listed.iter().find(|one| one["host"] == host).unwrap_or_else(|| panic!("{host}"));
    assert!(listed.len() > 200);
    assert_eq!(
        (&of("llm.example.org")["region"], &of("llm.example.org")["family"]),
        (&json!("eu"), &json!("other"))
    );
    assert!(of("llm.example.org")["file"].as_str().is_some_and(|from| from.ends_with("mine.yaml")));
    assert_eq!(of("api.openai.com")["file"], "built in");
    assert_eq!((&of("127.0.0.1:8001")["on"], &of("127.0.0.1:11434")["on"]), (&json!(true), &json!(false)));
    let one = state.run(&["providers", "generativelanguage.googleapis.com"]).await;
    for part in ["x-goog-api-key", "/v1beta/models/{model}:streamGenerateContent", "charged"] {
        assert!(one.contains(part), "{part} is missing in {one}");
    }
}
