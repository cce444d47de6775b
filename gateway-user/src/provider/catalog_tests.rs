//! Tests of the catalog: the compiled-in file loads, names and paths lead where they should, errors say what to do.

use super::*;

fn check(host: &str, method: &str, path: &str, expected: Option<(&str, Class, &str, &str)>) {
    let catalog = Catalog::builtin();
    let found = catalog.host(host).map(|host| {
        let route = host.route(method, path);
        (host.provider().to_owned(), route.class, route.dialect.name(), route.operation.to_string())
    });
    let expected = expected.map(|(provider, class, dialect, operation)| {
        (provider.to_owned(), class, dialect, operation.to_owned())
    });
    assert_eq!(found, expected, "{host} {method} {path}");
}

#[test]
fn hosts_and_paths_lead_to_routes() {
    use Class::{Control, Inference, Telemetry};
    let openai = |class, dialect, operation| Some(("openai", class, dialect, operation));
    check("api.openai.com", "POST", "/v1/chat/completions", openai(Inference, "openai_chat", "chat"));
    check("API.openai.com.", "post", "/v1/chat/completions?x=1", openai(Inference, "openai_chat", "chat"));
    check("api.openai.com", "POST", "/v1/chat/completions/", openai(Inference, "openai_chat", "chat"));
    check("api.openai.com", "POST", "/v1/new", openai(Inference, "opaque", "unknown"));
    check("api.openai.com", "GET", "/v1/new", openai(Control, "opaque", "unknown"));
    check("api.openai.com", "GET", "/v1/models", openai(Control, "opaque", "models"));
    check("api.openai.com", "GET", "/v1/models/gpt-5", openai(Control, "opaque", "models"));
    let anthropic = |class, dialect, operation| Some(("anthropic", class, dialect, operation));
    check(
        "api.anthropic.com",
        "POST",
        "/v1/messages?beta=true",
        anthropic(Inference, "anthropic", "messages"),
    );
    check(
        "api.anthropic.com",
        "POST",
        "/api/event_logging/v2/batch",
        anthropic(Telemetry, "opaque", "telemetry"),
    );
    let azure = Some(("azure", Inference, "openai_chat", "chat"));
    check("eu.openai.azure.com", "POST", "/openai/deployments/gpt/chat/completions?api-version=1", azure);
    check("a.b.openai.azure.com", "POST", "/openai/v1/chat/completions", azure);
    for host in [
        "openai.azure.com",
        "api.openai.com.evil.org",
        "xapi.openai.com",
        "api.openai.com\0",
        "192.0.2.1",
        "",
    ] {
        check(host, "POST", "/v1/chat/completions", None);
    }
}

#[test]
fn an_operators_file_adds_and_replaces() {
    let mut catalog = Catalog::builtin();
    let text =
        "providers:\n  - id: openai\n    name: Ours\n    hosts: [llm.example.org, '*.llm.example.org']\n";
    catalog.extend("mine.yaml", text).expect("valid");
    assert!(catalog.host("api.openai.com").is_none());
    assert_eq!(catalog.host("a.llm.example.org").expect("added").name(), "Ours");
    assert!(catalog.patterns().iter().any(|pattern| pattern.to_string() == "*.llm.example.org"));
}

#[test]
fn wrong_entries_are_reported_together() {
    let text = "providers:\n  - id: a\n    name: A\n    hosts: ['not a host', api.anthropic.com]\n    routes:\n      \
                - {path: x, operation: o}\n      - {path: /x, operation: o, dialect: klingon}\n";
    let error = Catalog::builtin().extend("mine.yaml", text).expect_err("wrong").to_string();
    for part in [
        "mine.yaml",
        "not a host",
        "already belongs to anthropic",
        "does not start with /",
        "klingon",
        "opaque",
    ] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    let error =
        Catalog::builtin().extend("mine.yaml", "providers: []\nhosts: []\n").expect_err("unknown key");
    assert!(error.to_string().contains("hosts"), "{error}");
}
